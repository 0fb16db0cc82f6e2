"""Tube-MPPI rejects disturbances better than MPPI, lets go of what it cannot mend, and is exact."""

from dataclasses import replace

import numpy as np
import pytest

from covary.benchmarks.problems.pointmass import Pointmass
from covary.planners.mppi import MPPI
from covary.planners.tube_mppi import TubeMPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

FEW = {"samples": 32, "horizon": 24, "noise": 0.1, "temperature": 1.0}


def disturbed(one, seed, kick=0.2, steps=40):
    """Cost of a closed loop whose velocity gets a kick in each period, by the seed."""
    task, total = one.task, 0.0
    rng = np.random.default_rng(seed)
    x, memory = task.initial_state(rng), one.initial_memory(seed)
    for k in range(steps):
        plan, memory = one.plan(x, k * task.dt, memory)
        x = one.dynamics.next_state(x, plan.actions[0])
        total += float(task.running_cost(x, plan.actions[0]))
        x[2:4] += kick * rng.standard_normal(2)
    return total


def test_it_rejects_disturbances_better_than_mppi_on_the_same_draws():
    model = NumbaDynamics(Pointmass())
    plain, tube = (
        np.array([disturbed(cls(model, **FEW), seed) for seed in range(8)])
        for cls in (MPPI, TubeMPPI)
    )
    assert np.sum(tube < plain) >= 7 and tube.sum() < 0.85 * plain.sum()


def test_without_disturbances_it_is_mppi():
    model = NumbaDynamics(Pointmass())
    tube, plain = (disturbed(cls(model, **FEW), 0, 0.0) for cls in (TubeMPPI, MPPI))
    assert tube == pytest.approx(plain, rel=1e-12)  # one is a loop, the other a kernel


def test_the_feedback_pulls_back_and_the_nominal_state_goes_on():
    task = Pointmass()
    one = TubeMPPI(NumbaDynamics(task), **FEW)
    x, memory = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0]), one.initial_memory(0)
    plan, memory = one.plan(x, 0.0, memory)
    x = one.dynamics.next_state(x, plan.actions[0])
    kick = np.array([0.3, -0.2])
    plan, memory = one.plan(x + np.array([0.0, 0.0, *kick, 0.0, 0.0]), task.dt, memory)
    np.testing.assert_allclose(memory.nominal, x, atol=1e-12)
    pull = plan.actions[0] - memory.mean[0]
    assert pull @ kick < -0.9 * np.linalg.norm(pull) * np.linalg.norm(kick) < -0.05


def test_it_lets_go_of_what_no_feedback_brings_back():
    """The box of push: it lies where it lies, until it is pushed."""
    task = Push()
    one = TubeMPPI(NumbaDynamics(task), samples=64, horizon=20)
    x, memory = task.initial_state(np.random.default_rng(0)), one.initial_memory(0)
    plan, memory = one.plan(x, 0.0, memory)
    x = one.dynamics.next_state(x, plan.actions[0])
    away = x[2:4] - x[5:7]
    x[2:4] += 0.05 * away / np.linalg.norm(away)
    _, memory = one.plan(x, task.dt, memory)
    np.testing.assert_array_equal(memory.nominal, x)


def test_a_goal_that_moves_is_no_disturbance():
    task = Pointmass()
    one = TubeMPPI(NumbaDynamics(task), **FEW)
    x, memory = task.initial_state(np.random.default_rng(0)), one.initial_memory(0)
    plan, memory = one.plan(x, 0.0, memory)
    x = task.with_goal(one.dynamics.next_state(x, plan.actions[0]), np.array([-1.0, 0.5]))
    _, memory = one.plan(x, task.dt, memory)
    np.testing.assert_allclose(memory.nominal[4:], [-1.0, 0.5])


@pytest.mark.parametrize("task_class", [PointMass, Reacher, Push])
def test_it_is_exact_while_it_is_disturbed(task_class):
    """The tasks' walk has no disturbances: there the nominal state is the real one."""
    task = task_class()
    one = TubeMPPI(NumbaDynamics(task), samples=64, horizon=30, noise=1.5)
    s, rng = one.symmetry, np.random.default_rng(4)
    x, memory = task.initial_state(rng), one.initial_memory(2)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    held = 0
    things = 2 if task_class is Push else 4  # a feedback moves the pusher, not the box
    for k in range(3):
        plan, memory = one.plan(x, k * task.dt, memory)
        held += not np.array_equal(memory.nominal, x)
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), k * task.dt, moved[g])
            off = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            assert off < 1e-8 * one.largest.max()
        x = one.dynamics.next_state(x, plan.actions[0])
        x[:things] += 0.01 * rng.standard_normal(things)
    assert held > 0


def test_a_nominal_state_that_does_not_go_with_the_group_is_caught():
    """The control of the law above."""
    task = Pointmass()
    one = TubeMPPI(NumbaDynamics(task), **FEW)
    s, x, memory = one.symmetry, np.array([0.1, 0.2, 0.0, 0.0, 1.0, 0.7]), one.initial_memory(0)
    plan, memory = one.plan(x, 0.0, memory)
    y = one.dynamics.next_state(x, plan.actions[0]) - [0.0, 0.0, 0.2, 0.1, 0.0, 0.0]
    plan, after = one.plan(y, task.dt, memory)
    assert not np.array_equal(after.nominal, y)
    g = s.group.generators[0]
    broken = replace(memory.act(s, g), nominal=memory.nominal)
    there, _ = one.plan(s.act(g, state=y), task.dt, broken)
    assert np.abs(there.actions - s.act(g, action=plan.actions)).max() > 1e-3


def test_a_delay_is_refused():
    with pytest.raises(ValueError, match="delay_ms"):
        TubeMPPI(NumbaDynamics(Pointmass()), delay_ms=60.0)


def test_where_the_real_state_lies_on_no_mirror_line_the_nominal_one_is_let_go():
    task = PointMass()
    one = TubeMPPI(NumbaDynamics(task), samples=64, horizon=20)
    x = np.array([-0.5, 0.0, 0.0, 0.0, 0.5, 0.0])
    memory = one.initial_memory(0)
    memory = replace(memory, time=0.0, draws=1, nominal=x)
    y = one.dynamics.next_state(x, memory.mean[0]) + [0.0, 0.02, 0.0, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(one.nominal(y, task.dt, memory), y)
