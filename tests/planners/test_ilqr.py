"""iLQR is optimal in a few steps, keeps limits, goes with the group, and polishes MPPI."""

import numpy as np
import pytest

from covary.benchmarks.problems.pointmass import Pointmass
from covary.benchmarks.problems.reacher2 import Reacher2
from covary.planners.bounds.budget import Budget
from covary.planners.ilqr import ILQR, MARGIN, Descent
from covary.planners.mppi import MPPI
from covary.planners.mppi_ilqr import MPPIiLQR
from covary.planners.trajectory.derivatives import Derivatives
from covary.sim.function_dynamics import FunctionDynamics
from covary.sim.limits import Ball, largest_actions
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.block_push import BlockPush
from covary.sim.tasks.cart_pole import CartPole
from covary.sim.tasks.drone import Drone
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_masses import PointMasses
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

ROUNDING = 1e-9
"""Of the largest action."""


def closed_loop(one, steps, seed=0):
    """Cost, and the last distance from the goal."""
    task, total = one.task, 0.0
    x, memory = task.initial_state(np.random.default_rng(0)), one.initial_memory(seed)
    for k in range(steps):
        plan, memory = one.plan(x, k * task.dt, memory)
        x = one.dynamics.next_state(x, plan.actions[0])
        total += float(task.running_cost(x, plan.actions[0]))
    return total, float(task.distance(x))


@pytest.mark.parametrize(
    ("task", "steps", "cost", "near"),
    [
        (Pointmass(), 100, 25.05, 1e-4),
        pytest.param(Reacher2(), 150, 51.64, 1e-6, marks=pytest.mark.slow),
    ],
)
def test_it_is_near_optimal_on_the_reference_problems(task, steps, cost, near):
    total, distance = closed_loop(ILQR(NumbaDynamics(task), horizon=32), steps)
    assert total <= cost and distance <= near


def test_a_linear_model_with_a_quadratic_cost_takes_one_step():
    task = Pointmass()
    one = Descent(NumbaDynamics(task), task.symmetry, 0.0)
    x = np.array([0.9, 1.05, 0.0, 0.1, 1.0, 1.0])  # so near that no limit is met
    _, costs = one.improved(x, np.zeros((32, 2)), 2)
    assert costs[1] < 0.2 * costs[0]
    assert costs[-1] >= costs[1] * (1.0 - 1e-6)


def test_from_nothing_five_steps_come_within_a_millionth():
    """First ever faster; at the very end linearly, since the model's curvature is left out."""
    task = Reacher2()
    one = Descent(NumbaDynamics(task), task.symmetry, 0.0)
    _, costs = one.improved(task.initial_state(np.random.default_rng(0)), np.zeros((32, 2)), 20)
    above = np.array(costs) - costs[-1]
    assert np.all(np.diff(costs) < 0.0)
    assert above[5] < 2e-6 * costs[-1] and above[4] < 0.01 * above[3]


class RoundLimit(Pointmass):
    """The force in a ball instead of a square."""

    def __init__(self):
        super().__init__()
        self.limits = type(self.limits)({"force": Ball(2.0)}, self.limits.slices)


@pytest.mark.parametrize("task", [Pointmass(), RoundLimit()])
def test_at_the_limits_no_better_plan_is_near(task):
    one = Descent(NumbaDynamics(task), task.symmetry, 0.0)
    x = np.array([-1.0, 0.2, 0.0, -0.5, 1.5, 1.0])
    best, costs = one.improved(x, np.zeros((20, 2)), 50)
    assert task.limits.violation(best).max() < 1e-12
    held = np.abs(best).max(axis=1) if task.limits.parts["force"] != Ball(2.0) else None
    held = np.linalg.norm(best, axis=1) if held is None else held
    assert np.sum(held > 2.0 - 1e-9) >= 5  # it does press against them
    rng, cost = np.random.default_rng(0), np.empty((1, 400))
    for size in (1e-1, 1e-2, 1e-3):
        there = task.limits.project(best + size * rng.normal(size=(400, 20, 2)))
        one.dynamics.rollout(x, there, cost, None)
        assert cost.min() >= costs[-1] - 1e-9


def test_derivatives_are_those_of_the_reference():
    task = Pointmass()
    one = Derivatives(NumbaDynamics(task), task.symmetry, np.full(2, 2.0))
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(4, 6)), rng.normal(size=(3, 2))
    found = one.along(x, u)
    drag = 1.0 - 0.05 * 0.1
    np.testing.assert_allclose(found.by_state[0, 2:4, 2:4], drag * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(found.by_state[0, :2, 2:4], 0.05 * drag * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(found.by_action[0, 2:4], 0.05 * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(found.slope[1, :2], 2.0 * (x[2, :2] - x[2, 4:]), atol=1e-10)
    np.testing.assert_allclose(found.slope[1, 6:], 0.02 * u[1], atol=1e-10)
    diagonal = np.concatenate([[2.0, 2.0, 0.2, 0.2, 0.0, 0.0], [0.02, 0.02]])
    np.testing.assert_allclose(found.curvature[2], np.diag(diagonal), atol=1e-9)


@pytest.mark.parametrize(
    "task_class",
    [PointMass, *(pytest.param(task, marks=pytest.mark.slow) for task in (Reacher, Push))],
)
def test_derivatives_go_with_every_element(task_class):
    task = task_class()
    s, model = task.symmetry, NumbaDynamics(task)
    one = Derivatives(model, s, largest_actions(task.limits, s))
    rng = np.random.default_rng(1)
    x = np.stack([task.initial_state(rng) for _ in range(6)])
    u = task.limits.project(rng.normal(size=(5, s.width("action"))))
    here = one.along(x, u)
    single = Derivatives(model, s, largest_actions(task.limits, s))
    single.frames = (0,)
    worst = 0.0
    for g in s.group.elements:
        moved = s.act(g, state=x, action=u)
        both = one._both(g)
        n = x.shape[1]
        there = one.along(*moved)
        of_x, of_u = both[:n, :n], both[n:, n:]
        np.testing.assert_allclose(there.by_state, of_x @ here.by_state @ of_x.T, atol=1e-9)
        np.testing.assert_allclose(there.by_action, of_x @ here.by_action @ of_u.T, atol=1e-9)
        np.testing.assert_allclose(there.slope, here.slope @ both.T, atol=1e-9)
        np.testing.assert_allclose(there.curvature, both @ here.curvature @ both.T, atol=1e-8)
        off = single.along(*moved).curvature - both @ single.along(x, u).curvature @ both.T
        worst = max(worst, float(np.abs(off).max()))
    if len(one.frames) > 1:  # the control: differences along the axes alone
        assert worst > 1e-6


@pytest.mark.parametrize(
    "task_class", [PointMass, pytest.param(Reacher, marks=pytest.mark.slow), Push]
)
def test_plans_go_with_every_element_warm_or_not(task_class):
    task = task_class()
    one = ILQR(NumbaDynamics(task), horizon=16, iterations=3)
    s, x = one.symmetry, task.initial_state(np.random.default_rng(2))
    memory = one.initial_memory(5)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    for k in range(3):
        plan, memory = one.plan(x, k * task.dt, memory)
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), k * task.dt, moved[g])
            off = there.actions - s.act(g, action=plan.actions)
            assert np.abs(off).max() < ROUNDING * one.descent.scale.max()
        x = one.dynamics.next_state(x, plan.actions[0])


EVERYWHERE = [PointMass] + [
    pytest.param(task, marks=pytest.mark.slow)
    for task in (Reacher, Push, CartPole, Drone, PointMasses)
]


@pytest.mark.parametrize("task_class", EVERYWHERE)
def test_whole_episodes_are_exact_and_no_decision_is_left_to_rounding(task_class, monkeypatch):
    """From start to rest, where all costs are alike, each plan is moved with state and memory.

    A plan may jump where a decision of its descent is nearer to falling otherwise than rounding;
    states on the way are not there.
    """
    task, costs = task_class(), watched(monkeypatch)
    one = ILQR(NumbaDynamics(task), horizon=16)
    s, x, memory = one.symmetry, task.initial_state(np.random.default_rng(1)), one.initial_memory(5)
    for k in range(40):
        costs.clear()
        plan, after = one.plan(x, k * task.dt, memory)
        assert decided(costs, one.parameters.tolerance)[0] > ROUNDED
        for g in s.group.generators:
            there, _ = one.plan(s.act(g, state=x), k * task.dt, memory.act(s, g))
            off = there.actions - s.act(g, action=plan.actions)
            assert np.abs(off).max() < ROUNDING * max(1.0, one.descent.scale.max())
        x, memory = one.dynamics.next_state(x, plan.actions[0]), after


@pytest.mark.slow
def test_where_a_plan_jumps_a_decision_is_undecided(monkeypatch):
    """The control: between two states whose plans took other shares there is one that jumps."""
    task, costs = Push(), watched(monkeypatch)
    one = ILQR(NumbaDynamics(task), horizon=16)
    rng, memory = np.random.default_rng(1), one.initial_memory(5)
    ends = [task.initial_state(rng) for _ in range(2)]

    def at(share):
        costs.clear()
        x = ends[0] + share * (ends[1] - ends[0])
        return one.plan(x, 0.0, memory)[0].actions, decided(costs, one.parameters.tolerance)[1]

    low, high, first = 0.0, 1.0, at(0.0)[1]
    assert at(1.0)[1] != first
    while high - low > 1e-15:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at(middle)[1] == first else (low, middle)
    before = at(low)[0]
    assert decided(costs, one.parameters.tolerance)[0] < 1e-10
    assert np.abs(at(high)[0] - before).max() > 1e-6


ROUNDED = 1e-14
"""Of a cost of a plan: what the order of sums makes of it."""


def watched(monkeypatch):
    """The costs of the shares of each step that are tried from now on, the first those before."""
    costs, forward = [], Descent._forward

    def told(*asked):
        found = forward(*asked)
        costs.append(found[2])
        return found

    monkeypatch.setattr(Descent, "_forward", told)
    return costs


def decided(costs, tolerance):
    """How far the nearest decision of a descent is from falling otherwise, in costs; and all."""
    cost, apart, taken = float(costs[0][0]), [np.inf], []
    for shares in costs[1:]:
        alike = MARGIN * abs(cost)
        longest = int(np.argmax(shares <= shares.min() + alike))
        best, others = shares[longest], np.sort(shares[np.isfinite(shares)])[1:]
        limits = [*(others - shares.min() - alike)]  # which of them are as good as the best
        limits += [best - cost + alike, best - cost - alike]  # better, alike, or worse than before
        taken.append((longest, bool(best < cost - alike)))
        if taken[-1][1]:
            limits.append(cost - best - tolerance * abs(cost))  # and by so much that it goes on
        apart.append(np.abs(limits).min() / abs(cost))
        cost = float(best) if taken[-1][1] else cost
    return min(apart), taken


def test_before_an_obstacle_the_seed_chooses_the_side():
    task = PointMass()
    one = ILQR(NumbaDynamics(task), horizon=30, iterations=15)
    x, sides = np.array([-0.5, 0.0, 0.0, 0.0, 0.5, 0.0]), set()
    for seed in range(6):
        plan, _ = one.plan(x, 0.0, one.initial_memory(seed))
        cost, states = np.empty((1, 1)), np.empty((1, 1, 30, 6))
        one.dynamics.rollout(x, plan.actions[None], cost, states)
        way = states[0, 0]
        assert way[-1, 0] > 0.3, "it got stuck"
        assert np.hypot(way[:, 0], way[:, 1]).min() > 0.1
        sides.add(np.sign(way[np.argmin(np.abs(way[:, 0])), 1]))
    assert sides == {-1.0, 1.0}


@pytest.mark.slow  # test_a_polish_knows_of_a_delay has one
def test_a_polish_lowers_the_cost_at_equal_samples():
    task = Pointmass()
    more = {"samples": 64, "horizon": 32}
    plain, polished = (
        [closed_loop(cls(NumbaDynamics(task), **more), 30, seed)[0] for seed in range(2)]
        for cls in (MPPI, MPPIiLQR)
    )
    assert max(polished) < 0.97 * min(plain)


def test_where_time_is_short_it_makes_fewer_steps():
    task, now = Reacher2(), [0.0]

    def clock():
        now[0] += 0.010
        return now[0]

    done = []
    for seconds in (np.inf, 0.15, 1e-6):
        one = ILQR(NumbaDynamics(task), horizon=32, iterations=8, tolerance=0.0)
        one.descent.budget = Budget(np.inf, clock)
        one.keep_within(seconds)
        x, memory = task.initial_state(np.random.default_rng(0)), one.initial_memory(0)
        for _ in range(3):  # from the third on it knows how long a step takes
            _, costs = one.descent.improved(x, memory.mean, 8)
        done.append(len(costs) - 1)
    assert done[0] == 8 and 1 < done[1] < 8 and done[2] == 1


def test_mujoco_has_slopes_too():
    task = PointMass()
    here, there = (
        Derivatives(model, task.symmetry, largest_actions(task.limits, task.symmetry))
        for model in (NumbaDynamics(task), MujocoDynamics(task))
    )
    x = np.array([[0.4, 0.1, 0.2, 0.0, 0.1, 0.1]])
    found = [one.linear(x, np.array([[0.1, 0.3]])) for one in (here, there)]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_users_own_function_will_do():
    def moved(x, u):
        v = x[:, 2:4] + 0.05 * (u - 0.1 * x[:, 2:4])
        return np.concatenate([x[:, :2] + 0.05 * v, v, x[:, 4:]], axis=1)

    task, found = Pointmass(), []
    for model in (NumbaDynamics(task), FunctionDynamics(task, moved)):
        start = task.initial_state(np.random.default_rng(0))
        found.append(Descent(model, task.symmetry, 0.0).improved(start, np.zeros((32, 2)), 2)[0])
    np.testing.assert_allclose(found[0], found[1], atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon"),
        ({"iterations": 0}, "iterations"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"push": -1.0}, "push"),
    ],
)
def test_bad_parameters_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        ILQR(NumbaDynamics(Pointmass()), **change)


def test_what_it_cannot_do_is_refused_with_the_reason():
    task = PointMass()
    several = NumbaDynamics(task, np.tile(task.parameters, (3, 1)))
    with pytest.raises(ValueError, match="models: 3 are too many"):
        ILQR(several)
    with pytest.raises(TypeError, match="NumbaDynamics"):
        ILQR(task)
    one = ILQR(NumbaDynamics(task))
    with pytest.raises(ValueError, match="6 finite state coordinates"):
        one.plan(np.zeros(4), 0.0, one.initial_memory(0))

    class Silent(Pointmass):
        def running_cost(self, x, u):
            raise NotImplementedError

    class Slow(Pointmass):
        def __init__(self):
            super().__init__()
            self.rates = self.limits

    for cls, message in (
        (Silent, "tells no cost of a state"),
        (Slow, "limits how fast actions change"),
    ):
        with pytest.raises(ValueError, match=message):
            ILQR(NumbaDynamics(cls()))


def test_a_polish_knows_of_a_delay():
    """It starts where the state will be, and leaves alone what was sent already."""
    model = NumbaDynamics(Pointmass())
    more = {"samples": 64, "horizon": 20, "delay_ms": 90.0}
    plain, polished = MPPI(model, **more), MPPIiLQR(model, **more)
    x, memory = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0]), polished.initial_memory(0)
    for k in range(3):
        before, _ = plain.plan(x, 0.05 * k, memory)
        plan, memory = polished.plan(x, 0.05 * k, memory)
        np.testing.assert_array_equal(plan.actions[:2], before.actions[:2])
        costs = np.empty((1, 2))
        both = np.stack([before.actions, plan.actions])
        model.rollout(x, both, costs, None)
        assert costs[0, 1] < costs[0, 0]
        x = model.next_state(x, plan.actions[0])


@pytest.mark.parametrize("cls", [ILQR, MPPIiLQR])
def test_a_model_that_switches_has_no_exact_plan(cls):
    """Things are grasped and let go: what rounding decides there is no small difference."""
    model = NumbaDynamics(BlockPush())
    with pytest.raises(ValueError, match="block_push's model switches.* say symmetry:=none"):
        cls(model)
    cls(model, "none")
