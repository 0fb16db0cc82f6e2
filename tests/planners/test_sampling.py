"""The sampling loop: splines, warm starts, limits, bad input, and rollouts that blow up."""

import numpy as np
import pytest

from covary.planners.cem import CEM
from covary.planners.loop.spline import kernel_weights, spline
from covary.planners.mppi import MPPI
from covary.planners.plan import Plan
from covary.sim.limits import Ball, Box, Interval, Limits
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Vector


class Toy:
    """A point that goes where it is pushed."""

    name = "toy"
    dt = 0.1
    state_names = ("x", "y")
    action_interface = "velocity"

    def __init__(self, limit=None):
        self.symmetry = Symmetry(group("D4"), {"p": Vector()}, {"u": Vector()})
        self.limits = Limits({"u": limit or Ball(1.0)}, {"u": slice(0, 2)})

    def safe_action(self):
        return np.zeros(2)


class ToyDynamics:
    models = 1

    def __init__(self, task=None, cost=lambda p: np.sum(p**2, axis=-1)):
        self.task = task or Toy()
        self.cost = cost
        self.seen = []

    def rollout(self, x0, actions, costs, states):
        self.seen.append(actions.copy())
        p = x0 + np.cumsum(actions, axis=1) * self.task.dt
        costs[0] = self.cost(p).sum(axis=1)


@pytest.mark.parametrize("kind", ["zero", "linear", "cubic"])
@pytest.mark.parametrize(("horizon", "knots"), [(1, 1), (7, 1), (7, 2), (12, 5), (30, 30)])
def test_splines_keep_constants_and_straight_lines(kind, horizon, knots):
    s = spline(kind, horizon, knots)
    np.testing.assert_allclose(s.weight.sum(axis=1), 1.0, atol=1e-14)
    values = np.random.default_rng(0).normal(size=(3, knots, 2))
    out, scratch = np.empty((3, horizon, 2)), np.empty((3, horizon, 2))
    s.expand(values, out, scratch)
    np.testing.assert_allclose(out[:, 0], values[:, 0], atol=1e-14)
    if knots > 1:
        np.testing.assert_allclose(out[:, -1], values[:, -1], atol=1e-14)
    if knots == horizon:
        np.testing.assert_allclose(out, values, atol=1e-14)
    if kind == "linear" and knots > 2:
        line = np.linspace(0, 1, knots)[None, :, None] * np.ones((3, 1, 2))
        s.expand(line, out, scratch)
        np.testing.assert_allclose(out[0, :, 0], np.linspace(0, 1, horizon), atol=1e-14)


@pytest.mark.parametrize(("horizon", "knots"), [(12, 5), (30, 30), (7, 2), (4, 1)])
def test_b_splines_stay_between_their_knots(horizon, knots):
    weight = spline("b_spline", horizon, knots).matrix(knots)
    np.testing.assert_allclose(weight.sum(axis=1), 1.0, atol=1e-14)
    assert weight.min() >= 0.0
    if knots > 3:
        values = np.random.default_rng(0).normal(size=knots)
        fine = spline("b_spline", 4000, knots).matrix(knots) @ values
        apart = (knots - 1) / 3999
        assert np.abs(np.diff(fine, 3)).max() < 20 * apart**3  # curvature without jumps


@pytest.mark.parametrize(("horizon", "knots"), [(13, 5), (32, 4), (5, 5)])
def test_kernels_pass_through_their_knots_and_move_on(horizon, knots):
    values = np.random.default_rng(0).normal(size=(knots, 2))
    centres = np.linspace(0.0, horizon - 1.0, knots)
    there = kernel_weights(centres, horizon, knots, 2.0) @ values
    np.testing.assert_allclose(there, values, atol=1e-6)
    weight = spline("kernel", horizon, knots, 2.0).matrix(knots)
    np.testing.assert_allclose(weight, kernel_weights(np.arange(horizon), horizon, knots, 2.0))
    later = kernel_weights(np.arange(horizon) + 1.0, horizon, knots, 2.0)
    np.testing.assert_allclose(later[:-1], weight[1:], atol=1e-12)


def test_rates_add_up_to_as_much_noise_as_there_is_without():
    plain = spline("zero", 20, 5)
    weight = plain.integrated(5).matrix(5)
    for each in (weight, plain.matrix(5)):
        assert np.mean(np.sum(each**2, axis=1)) == pytest.approx(1.0)
    assert np.all(np.diff(weight, axis=0) >= 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"knots": 31}, "knots: 31"),
        ({"spline": "cubik"}, "did you mean cubic"),
        ({"samples": 0}, "samples"),
        ({"samples": 3}, "less than one orbit"),
        ({"iterations": 0}, "iterations"),
        ({"noise": float("nan")}, "noise"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_bad_parameters_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        MPPI(ToyDynamics(), **change)


def test_limits_that_break_the_group_are_refused():
    box = Toy(Box((-1.0, -2.0), (1.0, 2.0)))
    with pytest.raises(ValueError, match="'u'.*not symmetric under D4"):
        MPPI(ToyDynamics(box))
    MPPI(ToyDynamics(box), "D2")
    MPPI(ToyDynamics(Toy(Interval(-1.0, 1.0))))
    with pytest.raises(ValueError, match="not symmetric"):
        MPPI(ToyDynamics(Toy(Interval(-1.0, 0.5))))


@pytest.mark.parametrize("cls", [MPPI, CEM])
@pytest.mark.parametrize("kind", ["zero", "linear", "cubic"])
def test_every_sample_and_every_plan_is_within_the_limits(cls, kind):
    dynamics = ToyDynamics()
    planner = cls(dynamics, noise=3.0, spline=kind)
    plan, memory = planner.plan(np.array([3.0, 1.0]), 0.0, planner.initial_memory(0))
    plan, memory = planner.plan(np.array([3.0, 1.0]), 0.1, memory)
    assert max(np.linalg.norm(a, axis=-1).max() for a in dynamics.seen) <= 1 + 1e-12
    assert np.linalg.norm(plan.actions, axis=-1).max() <= 1 + 1e-12


def test_the_same_call_gives_the_same_plan_and_other_seeds_others():
    planner = MPPI(ToyDynamics())
    x = np.array([1.0, 0.3])
    one, _ = planner.plan(x, 0.0, planner.initial_memory(1))
    planner.plan(-x, 3.0, planner.initial_memory(9))  # nothing may be left behind
    two, _ = planner.plan(x, 0.0, planner.initial_memory(1))
    other, _ = planner.plan(x, 0.0, planner.initial_memory(2))
    np.testing.assert_array_equal(one.actions, two.actions)
    assert np.abs(one.actions - other.actions).max() > 1e-3


def test_the_warm_start_moves_with_time():
    """After a plan's end there is the safe action; where the rate is planned, no more rate."""
    planner, smooth = (MPPI(ToyDynamics(), horizon=5, knots=5, rate=r) for r in (False, True))
    memory = planner.initial_memory(0)
    ramp = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    from dataclasses import replace

    memory = replace(memory, mean=ramp, time=1.0, draws=1)
    shifted = planner._shifted
    np.testing.assert_array_equal(shifted(memory, 1.0).mean[:, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(shifted(memory, 1.1).mean[:, 0], [1, 2, 3, 4, 0])
    np.testing.assert_allclose(shifted(memory, 1.25).mean[:, 0], [2.5, 3.5, 2, 0, 0])
    held = smooth._shifted(memory, 1.25).mean[:, 0]
    np.testing.assert_allclose(held, [2.5, 3.5, 4, 4, 4])
    np.testing.assert_array_equal(shifted(memory, 9.0).mean, 0)  # older than its horizon
    np.testing.assert_array_equal(shifted(memory, 0.5).mean, 0)  # the clock went back


@pytest.mark.parametrize("cls", [MPPI, CEM])
def test_rollouts_that_blow_up_never_reach_the_plan(cls):
    def cost(p):
        bad = p[..., 0] > 1.0
        return np.where(bad, np.nan, np.sum(p**2, axis=-1))

    planner = cls(ToyDynamics(cost=cost))
    plan, _ = planner.plan(np.array([1.0, 0.0]), 0.0, planner.initial_memory(0))
    assert np.isfinite(plan.actions).all() and plan.actions[0, 0] < 0
    nothing = cls(ToyDynamics(cost=lambda p: np.full(p.shape[:-1], np.nan)))
    plan, memory = nothing.plan(np.array([1.0, 0.0]), 0.0, nothing.initial_memory(0))
    np.testing.assert_array_equal(plan.actions, 0)
    assert plan.cost == np.inf and np.isfinite(memory.mean).all()


@pytest.mark.parametrize("state", [[np.nan, 0.0], [np.inf, 0.0], [0.0], [[0.0, 0.0]]])
def test_states_that_are_none_are_refused(state):
    planner = MPPI(ToyDynamics())
    with pytest.raises(ValueError, match="finite in x|state coordinates"):
        planner.plan(np.array(state), 0.0, planner.initial_memory(0))


def test_a_plan_holds_its_actions():
    plan = Plan(1.0, 0.1, np.arange(3.0)[:, None], 0.0)
    assert [float(plan.action(t)[0]) for t in (0.0, 1.0, 1.05, 1.1, 1.2999, 9.0)] == [
        0,
        0,
        0,
        1,
        2,
        2,
    ]


def test_three_lines_make_an_outsiders_planner():
    class Mine(MPPI):
        def sample(self, memory, rng, count):
            return rng.uniform(-1, 1, (count, *memory.std.shape))

    planner = Mine(ToyDynamics())
    x = np.array([1.0, 0.3])
    memory = planner.initial_memory(0)
    plan, _ = planner.plan(x, 0.0, memory)
    s = planner.symmetry
    for g in s.group.elements:
        moved, _ = planner.plan(s.act(g, state=x), 0.0, memory.act(s, g))
        assert np.abs(moved.actions - s.act(g, action=plan.actions)).max() < 1e-9


def test_a_task_is_no_model():
    with pytest.raises(TypeError, match="NumbaDynamics"):
        MPPI(Toy())


class Lopsided(MPPI):
    """Somebody's, with a deviation of its own for each coordinate."""

    def __init__(self, dynamics, symmetry="full", **parameters):
        super().__init__(dynamics, symmetry, **parameters)
        self.initial_std = self.initial_std * [1.0, 2.0]


def test_noise_that_is_wider_along_an_axis_is_refused_where_it_breaks_the_symmetry():
    x = PointMass().initial_state(np.random.default_rng(0))
    size = {"samples": 32, "horizon": 8}
    one = Lopsided(NumbaDynamics(PointMass()), "full", **size)
    with pytest.raises(ValueError, match="not as wide in all directions that D8 makes of each"):
        one.plan(x, 0.0, one.initial_memory(0))
    other = Lopsided(NumbaDynamics(PointMass()), "none", **size)
    assert np.isfinite(other.plan(x, 0.0, other.initial_memory(0))[0].actions).all()


def test_a_plan_does_not_end_in_an_action_that_the_group_moves():
    """The safe action pushes to one side: after a plan's end there is what the group leaves."""

    class Leaning(PointMass):
        def safe_action(self):
            return np.array([0.5, 0.1])

    model = NumbaDynamics(Leaning())
    np.testing.assert_allclose(MPPI(model, "none").rest, [0.5, 0.1])
    np.testing.assert_allclose(MPPI(model, "reflection").rest, [0.5, 0.0])
    np.testing.assert_allclose(MPPI(model, "C4").rest, 0.0, atol=1e-15)
