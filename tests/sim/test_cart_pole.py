"""`CartPole`: starts, thresholds, cost, the model against MuJoCo and energy, swinging up."""

import mujoco
import numpy as np
import pytest
from in_plant import episodes

from covary.planners.mppi import MPPI
from covary.planners.uniform import Uniform
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks.cart_pole import FORCE, GRAVITY, MIDDLE, CartPole

TASK = CartPole()
EXACT = 1e-12
PLANS = {"samples": 256, "horizon": 20, "iterations": 2, "knots": 8, "noise": 0.2}


def starts(seeds):
    return np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])


def test_starts():
    x = starts(range(10_000, 11_000))
    assert np.abs(x[:, [0, 4]]).max() <= 0.4 and np.ptp(x[:, [0, 4]], axis=0).min() > 0.78
    hanging = np.abs(np.abs(x[:, 1]) - np.pi)
    assert hanging.max() <= 0.3 and (x[:, 1] > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert (x[:, 2:4] == 0.0).all()


def test_thresholds():
    x = np.zeros((10, 5))
    x[:, 0] = x[:, 4] = 0.3
    x[1:3, 1] = 0.099, -0.101
    x[3:5, 0] += [0.049, -0.051]
    x[5:7, 2] = -0.099, 0.101
    x[7:9, 3] = 0.49, -0.51
    x[9, 1] = np.pi - 0.01
    assert TASK.success(x).tolist() == [True] + [True, False] * 4 + [False]
    assert TASK.hold == 0.5 and TASK.time_limit == 8.0
    assert TASK.limits.project(np.array([-30.0])).tolist() == [-FORCE] == [-8.0]


def test_the_cost_is_what_the_documents_say():
    x, u = np.array([1.2, 2.0, 0.5, -3.0, 0.1]), np.array([4.0])
    state = 1 - np.cos(2.0) + 1.1**2 + 0.05 * 0.25 + 0.01 * 9 + 50 * 0.2**2
    assert float(TASK.running_cost(x, u)) == pytest.approx(state + 0.016, rel=1e-12)
    assert float(TASK.terminal_cost(x)) == pytest.approx(5 * state, rel=1e-12)
    wound = x + [0, 2 * np.pi, 0, 0, 0]
    assert float(TASK.terminal_cost(wound)) == pytest.approx(5 * state, rel=1e-12)


def test_model_and_plant_agree_over_a_second():
    """At full force; both make the same semi-implicit substeps, so what is left is rounding."""
    rng = np.random.default_rng(0)
    for x in starts(range(6)):
        u = rng.uniform(-FORCE, FORCE, (4, 25, 1))
        costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, 25, 5))
        for i, dynamics in enumerate((NumbaDynamics(TASK), MujocoDynamics(TASK))):
            dynamics.rollout(x, u, costs[i], states[i])
        assert np.abs(TASK.symmetry.difference("state", states[0], states[1])).max() <= EXACT
        assert np.abs(costs[0] - costs[1]).max() <= 1e-10
        assert np.abs(states[0, 0, :, :, 2:4]).max() > 1.0, "it hardly moved"


def test_the_models_numbers_are_the_plants():
    model = Plant(TASK).model
    cart, pole, rail, hinge = TASK.parameters
    assert (model.body("cart").mass[0], model.body("pole").mass[0]) == (cart, pole)
    assert model.body("tip").mass[0] == 0.0 and model.dof_damping.tolist() == [rail, hinge]
    assert model.body("pole").ipos.tolist() == [0.0, 0.0, MIDDLE]
    assert model.body("pole").inertia[1] == pytest.approx(pole * MIDDLE**2 / 3.0, rel=1e-15)
    assert model.opt.gravity.tolist() == [0.0, 0.0, -GRAVITY]
    assert int(model.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_EULER)


def test_without_damping_and_force_energy_is_kept():
    """To the integrator's first order: a term with the wrong sign gains it tenfold."""
    free = NumbaDynamics(TASK, TASK.parameters * [1, 1, 0, 0])
    x = np.array([0.0, 2.0, 0.0, 0.0, 0.0])
    states = np.empty((1, 1, 50, 5))
    free.rollout(x, np.zeros((1, 50, 1)), np.empty((1, 1)), states)
    cart, pole = TASK.parameters[:2]

    def energy(x):
        _, q, v, w, _ = np.moveaxis(x, -1, 0)
        swing = 0.5 * pole * (v * v + 2 * MIDDLE * np.cos(q) * v * w + 4 / 3 * (MIDDLE * w) ** 2)
        return 0.5 * cart * v * v + swing + pole * GRAVITY * MIDDLE * (np.cos(q) + 1)

    kept = energy(states[0, 0]) / energy(x)
    assert np.abs(kept - 1.0).max() < 0.05 and np.abs(states[0, 0, :, 3]).max() > 3.0


def test_the_pole_cannot_be_lifted_at_once_and_random_forces_do_not():
    """So it has to be swung: no held force takes it half way up. A random policy: 0 of 40."""
    held = np.repeat(np.linspace(-FORCE, FORCE, 33)[:, None, None], 25, axis=1)
    states = np.empty((1, 33, 25, 5))
    x = np.array([0.0, np.pi - 1e-9, 0.0, 0.0, 0.0])
    NumbaDynamics(TASK).rollout(x, held, np.empty((1, 33)), states)
    assert np.cos(states[0, :, :, 1]).max() < 0.0
    assert sum(episodes(TASK, Uniform(TASK), range(40))) == 0


@pytest.mark.slow
def test_what_the_launch_file_says_solves_it():
    """The figures of docs/tasks.md: 20 of 20."""
    planner = MPPI(NumbaDynamics(TASK), temperature=0.1, **PLANS)
    assert all(episodes(TASK, planner, range(20)))
