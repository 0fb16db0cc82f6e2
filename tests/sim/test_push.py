"""`Push`: starts, thresholds, exactness of its kernels, and how well its model fits the plant."""

import math

import numpy as np
import pytest

from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks import push as kernels
from covary.sim.tasks.push import HALF_X, HALF_Y, RADIUS, SPEED, Push

TASK = Push()
EXACT = 1e-12


def turn(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def free(x):
    """Gap between pusher and box (m)."""
    return kernels.gap(x[0] - x[2], x[1] - x[3], math.cos(x[4]), math.sin(x[4]))


def touching(rng, count):
    """States whose pusher is within a period of the box, at faces and corners; and actions."""
    x = np.array([TASK.initial_state(rng) for _ in range(count)])
    for row in x:
        direction = turn(rng.uniform(-np.pi, np.pi))[0]
        row[:2] = row[2:4]
        while free(row) < 0.0:
            row[:2] += 1e-3 * direction
        row[:2] += rng.uniform(-1e-3, 5e-3) * direction
    return x, TASK.limits.project(rng.normal(0.0, SPEED, (count, 2)))


def test_starts():
    seeds = range(10_000, 12_000)
    x = np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])
    apart = np.hypot(x[:, 2] - x[:, 5], x[:, 3] - x[:, 6])
    assert apart.min() >= 0.15 and apart.max() <= 0.30
    assert np.hypot(x[:, 5], x[:, 6]).max() <= 0.10
    assert np.hypot(x[:, 0], x[:, 1]).max() <= 0.40
    assert min(free(row) for row in x) >= 0.010
    for yaw in (x[:, 4], x[:, 7]):
        assert yaw.min() >= -np.pi and yaw.max() < np.pi
        assert np.histogram(yaw, 8, (-np.pi, np.pi))[0].min() > 150
    assert not TASK.success(x).any()


def test_thresholds():
    x = np.zeros((6, 8))
    x[:, 4] = np.pi - 0.01
    x[:, 7] = [-np.pi + 0.01, 3.0, 3.0, -3.1, 2.9, -np.pi]
    x[1:, 2] = [0.0199, 0.0201, 0.0, 0.0, 0.0]
    assert TASK.success(x).tolist() == [True, True, False, True, False, True]
    assert TASK.hold == 0.5 and TASK.time_limit == 20.0
    assert TASK.physics_dt * 10 == TASK.dt


@pytest.mark.parametrize("where", ["free", "in contact"])
def test_kernels_are_equivariant(where):
    rng = np.random.default_rng(1)
    x, u = touching(rng, 1000)
    if where == "free":
        x = np.array([TASK.initial_state(rng) for _ in range(1000)])
    model, s = NumbaDynamics(TASK), TASK.symmetry
    after = model.next_state(x, u)
    if where == "in contact":
        assert np.mean(np.abs(after - x)[:, 2:5].max(axis=1) > 1e-6) > 0.4
    for g in s.group.elements:
        gx, gu = s.act(g, state=x, action=u)
        apart = s.difference("state", model.next_state(gx, gu), s.act(g, state=after))
        assert np.abs(apart).max() <= EXACT
        assert np.abs(TASK.running_cost(gx, gu) - TASK.running_cost(x, u)).max() <= EXACT
        assert np.abs(TASK.terminal_cost(gx) - TASK.terminal_cost(x)).max() <= EXACT
        assert (TASK.success(gx) == TASK.success(x)).all()


def test_costs_do_not_see_how_an_angle_is_written():
    x, u = touching(np.random.default_rng(2), 50)
    wound = x + 2 * np.pi * np.array([0, 0, 0, 0, 1, 0, 0, -2])
    assert np.abs(TASK.running_cost(wound, u) - TASK.running_cost(x, u)).max() <= EXACT
    assert np.abs(TASK.terminal_cost(wound) - TASK.terminal_cost(x)).max() <= EXACT


def test_costs_batched_and_one_by_one():
    x, u = touching(np.random.default_rng(3), 12)
    batched = TASK.running_cost(x.reshape(3, 4, 8), u.reshape(3, 4, 2))
    ends = TASK.terminal_cost(x.reshape(3, 4, 8))
    p = TASK.parameters
    for i in range(12):
        assert (
            batched.flat[i] == kernels.running_cost(x[i], u[i], p) == TASK.running_cost(x[i], u[i])
        )
        assert ends.flat[i] == kernels.terminal_cost(x[i], p) == TASK.terminal_cost(x[i])
    assert TASK.running_cost(x, u[0]).shape == (12,)


def test_the_cost_is_the_distance_of_the_corners():
    corners = np.array([[a * HALF_X, b * HALF_Y] for a in (1, -1) for b in (1, -1)])
    x = np.array([0.0, 0.0, 0.1, -0.05, 2.0, -0.02, 0.04, -2.5])
    apart = (corners @ turn(x[4]).T + x[2:4]) - (corners @ turn(x[7]).T + x[5:7])
    expected = math.sqrt(np.mean(np.sum(apart**2, axis=1)))
    assert float(TASK.terminal_cost(x)) == pytest.approx(kernels.W_END * expected, rel=1e-12)


def test_rollout_is_the_sum_of_its_steps():
    rng = np.random.default_rng(4)
    model = NumbaDynamics(TASK, np.stack([TASK.parameters, TASK.parameters * [1.5, 0.9, 1, 1, 1]]))
    x0, _ = touching(rng, 1)
    actions = TASK.limits.project(rng.normal(0.0, SPEED, (32, 30, 2)))
    costs, states = np.empty((2, 32)), np.empty((2, 32, 30, 8))
    model.rollout(x0[0], actions, costs, states)
    expected = TASK.running_cost(states, actions).sum(axis=-1) + TASK.terminal_cost(
        states[:, :, -1]
    )
    np.testing.assert_allclose(costs, expected, atol=EXACT)
    alone = np.empty((2, 32))
    model.rollout(x0[0], actions, alone, None)
    np.testing.assert_allclose(alone, costs, rtol=1e-12)  # by a kernel of its own
    x = np.tile(x0[0], (32, 1))
    for t in range(30):
        x = model.next_state(x, actions[:, t])
        assert np.abs(TASK.symmetry.difference("state", x, states[0, :, t])).max() <= EXACT


def test_the_model_leaves_no_penetration():
    """Not from contact, and not even from a start with the pusher in the box."""
    rng = np.random.default_rng(5)
    x, u = touching(rng, 500)
    model = NumbaDynamics(TASK)
    for _ in range(20):
        x = model.next_state(x, u)
        assert min(free(row) for row in x) > -2e-3
    inside = np.tile([0.03, 0.02, 0, 0, 0, 0.2, 0, 0], (1, 1)).astype(float)
    for _ in range(3):
        inside = model.next_state(inside, np.zeros((1, 2)))
    assert np.isfinite(inside).all() and free(inside[0]) > -1e-3


def pushed(dynamics_parameters, speed, length, count):
    """Ends of straight pushes at faces, by the plant and by the model. (count, 8), (count, 8)"""
    rng = np.random.default_rng(6)
    plant, ends, guesses = Plant(TASK), [], []
    steps = round(length / (speed * TASK.dt))
    for _ in range(count):
        normal = np.eye(2)[rng.integers(2)] * rng.choice([-1, 1])
        offset = np.where(normal == 0.0, rng.uniform(-0.7, 0.7), normal) * [HALF_X, HALF_Y]
        x = np.zeros(8)
        x[4] = rng.uniform(-np.pi, np.pi)
        x[:2] = turn(x[4]) @ (offset + (RADIUS + 1e-4) * normal)
        u = speed * turn(x[4] + rng.uniform(-0.5, 0.5)) @ -normal
        plant.reset(x)
        plant.apply(u)
        for _ in range(steps * 10):
            plant.step()
        for _ in range(steps):
            kernels.step(x, u, dynamics_parameters, x)
        ends.append(plant.state())
        guesses.append(x)
    return np.array(ends), np.array(guesses)


@pytest.mark.parametrize(("speed", "middle"), [(0.05, 4e-3), (0.25, 5e-3)])
def test_the_model_fits_the_plant(speed, middle):
    """Straight pushes of 80 mm; with the plant's own friction. Fast ones slide on when let go."""
    known = TASK.parameters * [0.3 / 0.24, 1, 1, 1, 1]
    plant, model = pushed(known, speed, 0.08, 60)
    apart = TASK.symmetry.difference("state", model, plant)
    assert np.median(np.hypot(plant[:, 2], plant[:, 3])) > 0.05
    distance, yaw = np.hypot(apart[:, 2], apart[:, 3]), np.abs(apart[:, 4])
    assert np.median(distance) < middle and distance.max() < 0.012
    assert np.median(yaw) < math.radians(2) and yaw.max() < math.radians(12)


def test_a_push_through_the_centre_goes_straight():
    for own in (NumbaDynamics(TASK), None):
        x = np.array([-HALF_X - RADIUS - 1e-3, 0, 0, 0, 0, 0.2, 0, 0])
        plant = Plant(TASK)
        plant.reset(x)
        plant.apply(np.array([0.1, 0.0]))
        for _ in range(20):
            if own is not None:
                x = own.next_state(x, np.array([0.1, 0.0]))
            for _ in range(10):
                plant.step()
        end = x if own is not None else plant.state()
        assert abs(end[3]) < 1e-12 and abs(end[4]) < 1e-12
        assert end[2] == pytest.approx(0.099, abs=2e-3)


def test_physics_and_back():
    x, _ = touching(np.random.default_rng(7), 6)
    qpos, qvel = TASK.physics_from_state(x.reshape(2, 3, 8))
    assert qpos.shape == (2, 3, 9) and qvel.shape == (2, 3, 8) and not qvel.any()
    back = TASK.state_from_physics(qpos, qvel, x.reshape(2, 3, 8)[..., 5:])
    np.testing.assert_allclose(back, x.reshape(2, 3, 8), atol=1e-14)
    np.testing.assert_allclose(TASK.state_from_physics(-qpos, qvel, x[0, 5:])[..., 4], back[..., 4])
    goal = TASK.goal_from_pose(0.1, 0.2, 4.0)
    np.testing.assert_allclose(goal, [0.1, 0.2, 4.0 - 2 * np.pi])
    moved = TASK.with_goal(x, goal)
    np.testing.assert_array_equal(moved[:, 5:], np.tile(goal, (6, 1)))
    np.testing.assert_array_equal(moved[:, :5], x[:, :5])
    assert not TASK.safe_action().any()


def test_the_model_is_twenty_percent_off():
    plant = Plant(TASK)
    friction = plant.model.geom("pusher").friction[0]
    assert plant.model.geom("pusher").priority[0] > plant.model.geom("box").priority[0]
    assert TASK.parameters[0] == pytest.approx(0.8 * friction)
    np.testing.assert_allclose(plant.model.geom("box").size[:2], [HALF_X, HALF_Y])
    assert plant.model.geom("pusher").size[0] == RADIUS
    assert plant.model.opt.timestep == TASK.physics_dt


# What a policy without a plan achieves.


def at_random(x, rng):
    return TASK.limits.project(rng.uniform(-SPEED, SPEED, 2))


def straight_at_the_box(x, rng):
    way = x[2:4] - x[:2]
    return SPEED * way / max(np.hypot(*way), 1e-9)


def successes(policy, seeds):
    plant, won = Plant(TASK), 0
    for seed in seeds:
        rng = np.random.default_rng([seed, 1])
        plant.reset(TASK.initial_state(np.random.default_rng(seed)))
        held = 0
        for _ in range(round(TASK.time_limit / TASK.dt)):
            plant.apply(policy(plant.state(), rng))
            for _ in range(10):
                plant.step()
            held = held + 1 if TASK.success(plant.state()) else 0
            if held > round(TASK.hold / TASK.dt):
                won += 1
                break
    return won


@pytest.mark.parametrize("policy", [at_random, straight_at_the_box])
def test_no_success_without_a_plan(policy):
    assert successes(policy, range(3000, 3010)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "most"), [(at_random, 0.05), (straight_at_the_box, 0.20)])
def test_floor_of_success(policy, most):
    assert successes(policy, range(3000, 3200)) < most * 200
