"""`Reacher`: starts, thresholds, cost, arm dynamics against MuJoCo and against energy, floors."""

import math

import mujoco
import numpy as np
import pytest

from covary.sim.env import TaskEnv
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks import reacher as kernels
from covary.sim.tasks.reacher import LENGTH, TORQUE, Reacher
from covary.symmetry.declaration import wrap

TASK = Reacher()
EXACT = 1e-12


def starts(seeds):
    return np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])


def test_starts():
    x = starts(range(10_000, 12_000))
    far = np.hypot(x[:, 4], x[:, 5])
    assert far.min() >= 0.12 and far.max() <= 0.45
    assert np.linalg.norm(TASK.tip(x) - x[:, 4:6], axis=1).min() >= 0.10
    assert np.abs(x[:, 1]).max() <= 2.5 and np.ptp(x[:, 1]) > 4.9
    assert (x[:, 2:4] == 0.0).all()
    for angle in (x[:, 0], np.arctan2(x[:, 5], x[:, 4])):
        assert np.histogram(angle, 8, (-np.pi, np.pi))[0].min() > 150


def test_thresholds():
    x = np.zeros((6, 6))
    x[:, 0], x[:, 1] = 0.3, -1.1
    x[:, 4:6] = TASK.tip(x)
    x[1:3, 4] += [0.0199, 0.0201]
    x[3:, 2:4] = [[0.299, -0.299], [0.0, 0.301], [-0.301, 0.0]]
    assert TASK.success(x).tolist() == [True, True, False, True, False, False]
    assert TASK.hold == 0.5 and TASK.time_limit == 6.0
    assert TASK.limits.project(np.array([3.0, -0.4])).tolist() == [TORQUE, -0.4] == [1.0, -0.4]


def test_the_tip_is_where_mujoco_has_it():
    plant = Plant(TASK)
    for x in starts(range(5)):
        plant.reset(x)
        body = plant.model.body("fore").id
        there = plant.data.xpos[body] + plant.data.xmat[body].reshape(3, 3) @ [LENGTH, 0.0, 0.0]
        assert TASK.tip(x) == pytest.approx(there[:2], abs=EXACT)
        assert there[2] == 0.0


def test_the_cost_is_what_the_documents_say():
    x = np.array([0.4, -0.9, 1.5, -2.0, 0.1, 0.3])
    u = np.array([0.5, -0.25])
    away = np.linalg.norm(TASK.tip(x) - x[4:6])
    expected = away + 0.003 * 6.25 + 0.005 * 0.3125
    assert float(TASK.running_cost(x, u)) == pytest.approx(expected, rel=1e-12)
    assert float(TASK.terminal_cost(x)) == pytest.approx(3.0 * away, rel=1e-12)
    wound = x + 2.0 * np.pi * np.array([1, 0, 0, 0, 0, 0])
    assert float(TASK.running_cost(wound, u)) == pytest.approx(expected, rel=1e-12)


def test_model_and_plant_agree_over_a_second():
    """At full torque; both make the same semi-implicit substeps, so what is left is rounding."""
    rng = np.random.default_rng(0)
    ticks = round(1.0 / TASK.dt)
    for x in starts(range(10)):
        u = TASK.limits.project(rng.uniform(-TORQUE, TORQUE, (4, ticks, 2)))
        costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, ticks, 6))
        for i, dynamics in enumerate((NumbaDynamics(TASK), MujocoDynamics(TASK))):
            dynamics.rollout(x, u, costs[i], states[i])
        apart = TASK.symmetry.difference("state", states[0], states[1])
        assert np.abs(apart).max() <= EXACT
        assert np.abs(costs[0] - costs[1]).max() <= 1e-11
        assert np.abs(states[0, 0, :, :, 2:4]).max() > 1.0, "it hardly moved"


def test_the_models_numbers_are_the_plants():
    model = Plant(TASK).model
    mass, inertia, damping = TASK.parameters
    for name in ("upper", "fore"):
        assert model.body(name).mass[0] == mass
        assert model.body(name).inertia[2] == inertia
        assert model.body(name).ipos.tolist() == [LENGTH / 2, 0.0, 0.0]
    assert model.dof_damping.tolist() == [damping, damping]
    assert model.body("fore").pos.tolist() == [LENGTH, 0.0, 0.0]
    assert int(model.opt.integrator) == int(mujoco.mjtIntegrator.mjINT_EULER)
    assert not model.opt.gravity.any()


def energy(x, mass, inertia):
    """Kinetic energy, from the speeds of both centres of mass. (..., 6) -> (...)"""
    q1, q12, w1, w12 = x[..., 0], x[..., 0] + x[..., 1], x[..., 2], x[..., 2] + x[..., 3]
    outer = LENGTH * np.stack([-np.sin(q1) * w1, np.cos(q1) * w1]) + LENGTH / 2 * np.stack(
        [-np.sin(q12) * w12, np.cos(q12) * w12]
    )
    linear = (LENGTH / 2 * w1) ** 2 + np.sum(outer**2, axis=0)
    return 0.5 * mass * linear + 0.5 * inertia * (w1**2 + w12**2)


def test_without_damping_and_torque_energy_is_kept():
    """To the integrator's first order: a coefficient with the wrong sign gains it tenfold."""
    mass, inertia, _ = TASK.parameters
    free = NumbaDynamics(TASK, np.array([mass, inertia, 0.0]))
    x = np.array([0.2, 0.7, 2.0, -3.0, 0.0, 0.3])
    states = np.empty((1, 1, 50, 6))
    free.rollout(x, np.zeros((1, 50, 2)), np.empty((1, 1)), states)
    kept = energy(states[0, 0], mass, inertia) / energy(x, mass, inertia)
    assert np.abs(kept - 1.0).max() < 0.03
    assert np.abs(np.diff(states[0, 0, :, 3])).max() > 0.05, "no Coriolis torque was felt"


def test_torque_and_damping_do_the_work_that_the_energy_shows():
    """Over one period: change of energy = (u - d w) w dt, with w the mean of both ends."""
    mass, inertia, damping = TASK.parameters
    rng = np.random.default_rng(3)
    x = starts(range(50))
    x[:, 2:4] = rng.uniform(-2.0, 2.0, (50, 2))
    u = 0.2 * rng.uniform(-TORQUE, TORQUE, (50, 2))
    after = NumbaDynamics(TASK).next_state(x, u)
    middle = 0.5 * (x[:, 2:4] + after[:, 2:4])
    work = np.sum((u - damping * middle) * middle, axis=1) * TASK.dt
    gained = energy(after, mass, inertia) - energy(x, mass, inertia)
    assert np.linalg.norm(gained - work) < 0.1 * np.linalg.norm(work)


def test_angles_are_wrapped_as_the_declaration_wraps_them():
    edges = np.pi * np.array([-3.0, -1.0, 1.0, 3.0])
    angles = np.concatenate([np.nextafter(edges, -9), edges, np.nextafter(edges, 9), [9.0, -9.0]])
    ours = np.array([kernels.wrapped(angle) for angle in angles])
    assert ours.min() >= -np.pi and ours.max() < np.pi
    assert np.abs(np.exp(1j * ours) - np.exp(1j * wrap(angles))).max() < 4e-15
    inside = (angles >= -np.pi) & (angles < np.pi)
    assert np.array_equal(ours[inside], angles[inside]), "it loses digits of a wrapped angle"
    x = np.zeros((1, 6))
    x[0, :4] = np.pi - 0.01, 0.5, 3.0, 0.0
    states = np.empty((1, 1, 10, 6))
    NumbaDynamics(TASK).rollout(x[0], np.zeros((1, 10, 2)), np.empty((1, 1)), states)
    shoulder = states[0, 0, :, 0]
    assert shoulder[0] < 0.0 and (np.abs(shoulder) <= np.pi).all()


def test_the_elbow_is_blind_to_rotations():
    """All rotations act trivially on torques: of 16 elements, two actions differ."""
    assert len(TASK.symmetry.distinct_actions()) == 2
    x, u = starts([4])[0], np.array([0.3, -0.2])
    for g in TASK.symmetry.group.elements:
        gx, gu = TASK.symmetry.act(g, state=x, action=u)
        mirrored = np.linalg.det(TASK.symmetry.group.plane[g]) < 0
        sign = -1.0 if mirrored else 1.0
        assert np.array_equal(gu, sign * u) and gx[1] == sign * x[1]


def test_step_may_write_over_its_argument():
    x = starts([1])[0]
    out = np.empty(6)
    kernels.step(x, np.array([1.0, -1.0]), TASK.parameters, out)
    kernels.step(x, np.array([1.0, -1.0]), TASK.parameters, x)
    assert np.array_equal(x, out)


def test_frames():
    x = starts([3])[0]
    frames = TASK.frames(x)
    assert frames["tip"][:2] == pytest.approx(TASK.tip(x))
    assert frames["tip"][2] == pytest.approx(math.remainder(x[0] + x[1], 2 * math.pi))
    assert frames["goal"] == (x[4], x[5], 0.0)


def elbow_for(x):
    """Joint angles that bring the tip to the goal, bending the elbow as it is bent. -> (2,)"""
    gx, gy = x[4:6]
    cosine = np.clip((gx * gx + gy * gy) / (2 * LENGTH**2) - 1.0, -1.0, 1.0)
    q2 = math.copysign(math.acos(cosine), x[1])
    q1 = math.atan2(gy, gx) - math.atan2(math.sin(q2), 1.0 + math.cos(q2))
    return np.array([q1, q2])


def steered(x):
    """A spring and a damper in the joints, towards the inverse kinematics of the goal."""
    error = elbow_for(x) - x[:2]
    error[0] = wrap(error[0])
    return np.array([2.0, 0.8]) * error - np.array([0.35, 0.12]) * x[2:4]


def succeeds(env, seed, policy):
    x, _ = env.reset(seed=seed)
    while True:
        x, _, terminated, truncated, info = env.step(policy(x))
        if terminated or truncated:
            return info["success"]


def test_a_sensible_controller_succeeds_and_a_random_one_does_not():
    env = TaskEnv(TASK)
    assert sum(succeeds(env, seed, steered) for seed in range(3000, 3040)) >= 38
    rng = np.random.default_rng(0)
    blind = [succeeds(env, s, lambda x: rng.uniform(-TORQUE, TORQUE, 2)) for s in range(3000, 3040)]
    assert sum(blind) <= 2
