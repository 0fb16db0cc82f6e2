"""A cost or a success that is less symmetric than declared never gets as far as a launch."""

import numpy as np
import pytest

from covary.nodes.plugin import PluginError
from covary.sim.check_task import check_task
from covary.sim.exactness import asymmetry
from covary.sim.load_task import load_task
from covary.sim.tasks.push import Push
from covary.symmetry.declaration import Symmetry


class Slanted(Push):
    """Costs more on the right."""

    def running_cost(self, x, u):
        return super().running_cost(x, u) + 0.001 * x[..., 2]


class Leaning(Push):
    """Ends better to the left."""

    def terminal_cost(self, x):
        return super().terminal_cost(x) + 0.02 * (x[..., 0] > 0)


class OneSided(Push):
    """Looks at x alone."""

    def success(self, x):
        return np.abs(x[..., 2] - x[..., 5]) <= 0.02


class Pushy(Push):
    """Does not like to be moved along x."""

    def running_cost(self, x, u):
        return super().running_cost(x, u) + 0.01 * np.abs(u[..., 0])


@pytest.mark.parametrize(
    ("cls", "what", "parts"),
    [
        (Slanted, "running cost", ("'box'",)),
        (Leaning, "terminal cost", ("'pusher'",)),
        (OneSided, "success", ("'box'", "'goal'")),
        (Pushy, "running cost", ("'pusher of the action'",)),
    ],
)
def test_a_preferred_direction_is_refused_with_element_and_part(cls, what, parts):
    with pytest.raises(PluginError) as error:
        load_task(f"{__name__}:{cls.__name__}")
    said = str(error.value)
    assert f"its {what} is not symmetric under D8: element r" in said and "\n" not in said
    assert any(f"by part {part}" in said for part in parts), said


def test_a_smaller_group_may_be_true():
    """What costs along x alone, whichever way, is symmetric under half a turn and two mirrors."""
    task = Pushy()
    assert "D8" in asymmetry(task)
    own = task.symmetry
    task.symmetry = own.restrict("D2")
    assert isinstance(task.symmetry, Symmetry) and asymmetry(task) == ""


def test_a_cost_that_is_no_number_far_away_is_none_for_all():
    class Rooted(Push):
        def running_cost(self, x, u):
            with np.errstate(invalid="ignore"):
                return np.sqrt(0.05 - np.sum(x[..., 0:2] ** 2, axis=-1))

    assert asymmetry(Rooted()) == ""


class Windy(Push):
    """Declares that its physics is not as symmetric as its rules."""

    exact_dynamics = False


class Blown:
    """A model of push with a drift along x."""

    def __init__(self, task, drift):
        from covary.sim.numba_dynamics import NumbaDynamics

        self.still, self.drift, self.models = NumbaDynamics(task), drift, 1

    def next_state(self, x, u):
        y = self.still.next_state(x, u)
        y[..., 0] += self.drift
        return y

    def rollout(self, x0, actions, costs, states=None):
        self.still.rollout(x0, actions, costs, states)


def test_dynamics_are_graded_where_a_task_says_so_and_held_to_elsewhere():
    for task, ok, word in ((Push(), False, "FAILS"), (Windy(), True, "graded")):
        report = check_task(task, Blown(task, 1e-4), samples=12)
        law = next(law for law in report.laws if law.name == "dynamics equivariance")
        assert law.ok is ok and report.ok is ok and 1e-5 < law.worst < 3e-4
        assert word in next(
            line for line in str(report).splitlines() if line.startswith("dynamics")
        )
    report = check_task(Windy(), Blown(Windy(), np.nan), samples=12)
    assert not report.ok, "graded or not, a state is a number"


def test_the_tabletop_with_the_floating_gripper_is_exact_in_all_but_its_physics():
    from covary.sim.mujoco_dynamics import MujocoDynamics
    from covary.sim.tasks.block_pick import BlockPick

    task = BlockPick("floating_gripper")
    report = check_task(task, MujocoDynamics(task), samples=8, tolerance=1e-6)
    report.raise_if_failed()
    assert [law.name for law in report.laws if law.graded] == ["dynamics equivariance"]
