"""Constraints and limits on accelerations that a task declares are held to its symmetry."""

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.nodes.plugin import PluginError
from covary.sim.check_task import check_task
from covary.sim.exactness import asymmetry
from covary.sim.limits import Ball, Interval, Limits
from covary.sim.load_task import load_task
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_mass_obstacles import TOUCH, PointMassObstacles


class Fenced(PointMass):
    """Within a circle about the origin."""

    constraint_names = ("fence",)

    def constraint(self, x):
        return np.linalg.norm(x[..., :2], axis=-1, keepdims=True) - 0.9


class Walled(Fenced):
    """A wall on one side: no rotation leaves it where it is."""

    constraint_names = ("fence", "wall")

    def constraint(self, x):
        return np.concatenate([super().constraint(x), x[..., :1] - 0.9], axis=-1)


class Misnamed(Fenced):
    """One name for two constraints."""

    def constraint(self, x):
        return np.zeros((*x.shape[:-1], 2))


class Jerky(PointMass):
    """An acceleration limit that no rotation by an eighth respects."""

    def __init__(self):
        super().__init__()
        self.accelerations = Limits({"force": Interval(-1.0, 1.0)}, self.limits.slices)


def test_a_task_has_no_constraints_unless_it_declares_some():
    assert PointMass().constraint(np.zeros((3, 4, 6))).shape == (3, 4, 0)


def test_invariant_constraints_pass():
    assert asymmetry(Fenced()) == ""
    report = check_task(Fenced(), samples=16)
    assert report.ok and "constraint invariance" in {law.name for law in report.laws}


def test_numba_kernels_tell_constraints_beside_the_cost():
    task = PointMassObstacles("constrained")
    x = np.stack([[task.initial_state(np.random.default_rng(k))] * 2 for k in range(3)])
    x[:, 1, :2] = x[:, 1, 8:10] + [0.03, 0.04]  # inside the second obstacle
    inside = TOUCH - np.hypot(*(x[..., None, i] - x[..., 6 + i :: 2] for i in (0, 1)))
    assert task.constraint(x).shape == (3, 2, 3)
    np.testing.assert_allclose(task.constraint(x), inside, atol=1e-12)
    np.testing.assert_allclose(task.constraint(x[:, 1])[:, 1], TOUCH - 0.05, atol=1e-12)
    assert asymmetry(task) == "" and PointMassObstacles().constraint(x).shape == (3, 2, 0)
    with pytest.raises(ParameterError, match="walls: 'none' is not priced or constrained"):
        PointMassObstacles("none")


def test_one_that_the_group_changes_is_named():
    assert "constraint 'wall' is not symmetric under D8" in asymmetry(Walled())
    (law,) = check_task(Walled(), samples=16).failures
    assert (law.name, law.coordinate) == ("constraint invariance", "wall")


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Walled, "constraint 'wall'"),
        (Misnamed, r"constraint_names are 1, its constraint of two states is \(2, 2\)"),
        (Jerky, "accelerations of action part 'force'"),
    ],
)
def test_a_launch_refuses_what_breaks_the_symmetry(cls, said):
    with pytest.raises(PluginError, match=said):
        load_task(f"{__name__}:{cls.__name__}")


def test_ball_limits_on_accelerations_pass():
    task = PointMass()
    task.accelerations = Limits({"force": Ball(1.0)}, task.limits.slices)
    report = check_task(task, samples=16)
    assert report.ok and "accelerations projection commutes" in {law.name for law in report.laws}
