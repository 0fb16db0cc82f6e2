"""`check_task` passes honest tasks and names the law, the element and the coordinate of a lie."""

import copy
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from covary.sim.check_task import Report, TaskError, check_task
from covary.sim.limits import Ball, Box, Interval, Limits
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.push import Push
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import o2
from covary.symmetry.part import Pose, Pseudoscalar, Scalar, Vector


def only_failure(task, dynamics=None):
    report = check_task(task, dynamics, samples=24)
    assert [law.name for law in report.failures] == [report.failures[0].name], str(report)
    with pytest.raises(TaskError) as error:
        report.raise_if_failed()
    assert len(str(error.value).splitlines()) == 1
    assert report.failures[0].coordinate in str(error.value)
    assert "FAILS" in str(report)
    return report.failures[0]


def declared(task, **changes):
    own = task.symmetry
    parts = {"group": own.group, "state": own.state, "action": own.action, **changes}
    task.symmetry = Symmetry(**parts)
    task.limits = Limits(task.limits.parts, task.symmetry.slices("action"))
    return task


class Bare(Push):
    """Has costs of its own and no kernels."""

    full = Push()

    def __init__(self):
        super().__init__()
        self.kernels = None

    def running_cost(self, x, u):
        return self.full.running_cost(x, u)

    def terminal_cost(self, x):
        return self.full.terminal_cost(x)


def test_an_honest_task_without_kernels_is_tried_in_mujoco():
    report = check_task(Bare(), samples=8)
    report.raise_if_failed()
    assert report.ok and report.dynamics == "MujocoDynamics" and report.order == 16


def test_the_report():
    report = check_task(Push())
    assert isinstance(report, Report) and report.ok and report.failures == ()
    assert report.active >= 16, "too few samples are in contact"
    assert report.successes >= 4, "too few states are successes"
    assert {law.name for law in report.laws} == {
        "symmetry parts match",
        "initial states valid",
        "running cost invariance",
        "terminal cost invariance",
        "success invariance",
        "dynamics equivariance",
        "limits projection commutes",
        "safe action fixed",
    }
    lines = str(report).splitlines()
    assert len(lines) == 2 + len(report.laws) and lines[0].startswith("push under D8 (16 elements)")
    assert report == check_task(Push()), "the report depends on more than its seed"
    with pytest.raises(FrozenInstanceError):
        report.task = "other"


def test_a_wrong_part_type_is_named():
    """A box whose position is declared as two scalars does not turn with the world."""
    task = declared(Push(), state={"pusher": Vector(), "box": Scalar(3), "goal": Pose()})
    report = check_task(task, samples=24)
    failed = {law.name: law for law in report.failures}
    law = failed["dynamics equivariance"]
    assert law.coordinate.startswith("box_") and law.part == "box: Scalar"
    assert "running cost invariance" in failed
    with pytest.raises(TaskError, match="dynamics equivariance: off by .*box_"):
        report.raise_if_failed()


def test_a_wrong_sign_is_named():
    """A direction declared as a pseudoscalar is right under mirrors y -> -y and wrong otherwise."""
    task = declared(
        Push(),
        group=o2(4),
        state={"pusher": Vector(), "box": Vector(), "yaw": Pseudoscalar(), "goal": Pose()},
    )
    failed = {law.name for law in check_task(task, samples=24).failures}
    assert "dynamics equivariance" in failed


class Slanted(Push):
    """Costs more on the right."""

    def running_cost(self, x, u):
        return super().running_cost(x, u) + 0.01 * x[..., 0]


def test_a_cost_with_a_preferred_direction_is_named():
    law = only_failure(Slanted())
    assert law.name == "running cost invariance"
    assert law.coordinate == "pusher_x" and law.part == "pusher: Position"
    assert law.element not in ("", "e")


class Leaning(Push):
    """Ends better to the left."""

    def terminal_cost(self, x):
        return super().terminal_cost(x) + 0.02 * x[..., 3]


def test_a_terminal_cost_with_a_preferred_direction_is_named():
    law = only_failure(Leaning())
    assert law.name == "terminal cost invariance" and law.coordinate == "box_y"


class OneSided(Push):
    """Looks at x alone."""

    def success(self, x):
        return np.abs(x[..., 2] - x[..., 5]) <= 0.02


def test_a_success_with_a_preferred_direction_is_named():
    law = only_failure(OneSided())
    assert law.name == "success invariance" and law.coordinate in ("box_x", "goal_x")


def test_d8_over_a_box_is_named():
    task = Push()
    task.limits = Limits({"pusher": Box((-0.25,) * 2, (0.25,) * 2)}, task.limits.slices)
    law = only_failure(task)
    assert law.name == "limits projection commutes" and law.part == "pusher: Vector"
    assert law.element[:2] in ("r1", "r3", "r5", "r7"), "a Box bears quarter turns"
    assert check_task(declared(task, group=o2(4)), samples=24).ok


def test_an_uneven_interval_is_named():
    task = declared(Push(), group=o2(4))
    task.limits = Limits({"pusher": Interval(-0.1, 0.25)}, task.limits.slices)
    assert only_failure(task).name == "limits projection commutes"


def test_uneven_rates_are_named():
    task = Push()
    task.rates = Limits({"pusher": Box((-2.0,) * 2, (2.0,) * 2)}, task.limits.slices)
    law = only_failure(task)
    assert law.name == "rates projection commutes" and law.part == "pusher: Vector"
    task.rates = Limits({"pusher": Ball(2.0)}, task.limits.slices)
    assert check_task(task, samples=24).ok


class Creeping(Push):
    """Does not stand still when told to be safe."""

    def safe_action(self):
        return np.array([0.0, 0.1])


def test_an_unsafe_action_is_named():
    law = only_failure(Creeping())
    assert law.name == "safe action fixed" and law.coordinate == "pusher_y"


class Overturned(Push):
    """Starts with an angle beyond pi."""

    def initial_state(self, rng):
        x = super().initial_state(rng)
        x[4] += 2.0 * math.pi
        return x


class Undefined(Push):
    """Starts nowhere."""

    def initial_state(self, rng):
        return np.where(np.arange(8) == 3, np.nan, super().initial_state(rng))


class Drifting(Push):
    """Starts elsewhere the second time."""

    drawn = 0

    def initial_state(self, rng):
        self.drawn += 1
        x = super().initial_state(rng)
        x[6] += 1e-6 * self.drawn
        return x


@pytest.mark.parametrize(
    ("task", "coordinate"), [(Overturned, "box_yaw"), (Undefined, "box_y"), (Drifting, "goal_y")]
)
def test_a_wrong_start_is_named(task, coordinate):
    law = only_failure(task())
    assert law.name == "initial states valid" and law.coordinate == coordinate


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"pusher": Vector(), "goal": Pose()}, "goal_x"),
        ({"pusher": Vector(2), "box": Pose(), "goal": Pose()}, "not named"),
        ({"pusher": Vector(), "box": Pose(), "aim": Pose()}, "goal"),
    ],
)
def test_parts_that_do_not_fit_are_named(state, said):
    law = only_failure(declared(Push(), state=state))
    assert law.name == "symmetry parts match" and said in law.coordinate


class Windy:
    """The analytic model, with a wind from the left; or with a jump nobody declared."""

    models = 1

    def __init__(self, task, wind=0.0, wall=None):
        self.task, self.wind, self.wall = task, wind, wall
        self._model = NumbaDynamics(task)
        self.rollout = self._model.rollout

    def next_state(self, x, u):
        y = self._model.next_state(x, u)
        y[..., 0] += self.wind
        if self.wall is not None:
            y[..., 1] += 0.01 * (x[..., 0] > self.wall)
        return y


def test_a_dynamics_with_wind_is_named():
    task = Push()
    law = only_failure(task, Windy(task, wind=1e-6))
    assert law.name == "dynamics equivariance" and law.coordinate.startswith("pusher_")
    assert law.worst == pytest.approx(2e-6, rel=0.5)


def test_a_wall_is_no_switch():
    """A jump far from the samples breaks the law; only one within 1e-9 of a sample is excused."""
    task = Push()
    law = only_failure(task, Windy(task, wall=0.0))
    assert law.name == "dynamics equivariance" and law.switches == 0


class AtTheEdge(Push):
    """Succeeds beyond a circle that goes right through one of the states tried."""

    edge = np.inf

    def __init__(self):
        super().__init__()
        self.seen = []

    def far(self, x):
        return np.hypot(x[..., 0], x[..., 1])

    def success(self, x):
        self.seen.append(np.array(x))
        return self.far(x) >= self.edge


def test_points_at_a_switch_are_counted_not_failed():
    task = AtTheEdge()
    check_task(task)
    orbit = np.stack([x for x in task.seen if len(x) == 128][1:17])  # (16, 128, 8)
    far = task.far(orbit)
    split = np.flatnonzero((far < far[0]).any(axis=0))[0]  # where rounding divides the orbit
    task.edge = far[0, split]
    law = next(law for law in check_task(task).laws if law.name == "success invariance")
    assert law.ok and 0 < law.switches < 0.01 * law.points


def test_the_check_changes_nothing_on_the_task():
    task = Push()
    before = copy.deepcopy(
        {k: v for k, v in vars(task).items() if k not in ("kernels", "symmetry", "limits")}
    )
    check_task(task, MujocoDynamics(task), samples=4)
    after = {k: v for k, v in vars(task).items() if k in before}
    assert all(np.array_equal(after[k], before[k]) for k in before)
