"""`Drone`: starts, thresholds, cost, flight against MuJoCo and by its laws, what is a symmetry."""

import numpy as np
import pytest
from in_plant import episodes

from covary.planners.mppi import MPPI
from covary.planners.uniform import Uniform
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.task_messages import tf_message
from covary.sim.tasks.drone import GRAVITY, HOVER, RATE, Drone
from covary.sim.viewing.scene import Scene
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import octahedral

TASK = Drone()
WORLD = NumbaDynamics(TASK)
PLANS = {"samples": 256, "horizon": 18, "iterations": 2, "knots": 5, "noise": 0.03}


def starts(seeds):
    return np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])


def rotated(q, v):
    """Vectors of the body in the world. (..., 4), (3,) -> (..., 3)"""
    w, u = q[..., :1], q[..., 1:]
    return v + 2 * np.cross(u, np.cross(u, v) + w * v)


def in_flight(rng, rows):
    """States at any attitude, speed and rate. (rows, 16)"""
    x = starts(range(rows))
    q = rng.normal(size=(rows, 4))
    x[:, 6:10] = q * np.sign(q[:, :1]) / np.linalg.norm(q, axis=1, keepdims=True)
    x[:, 3:6], x[:, 10:13] = rng.normal(size=(rows, 3)), 3 * rng.normal(size=(rows, 3))
    return x


def test_starts():
    x = starts(range(1000))
    for points in (x[:, 0:3], x[:, 13:16]):
        assert np.hypot(points[:, 0], points[:, 1]).max() <= 1.0
        assert points[:, 2].min() >= 0.5 and points[:, 2].max() <= 1.5
    assert np.linalg.norm(x[:, 0:3] - x[:, 13:16], axis=1).min() >= 0.7
    assert np.abs(np.linalg.norm(x[:, 6:10], axis=1) - 1).max() < 1e-15 and x[:, 6].min() >= 0.0
    up = rotated(x[:, 6:10], np.array([0.0, 0.0, 1.0]))
    tilt = np.degrees(np.arccos(up[:, 2]))
    assert tilt.max() <= 20.0 and tilt.max() > 19.5 and not x[:, [3, 4, 5, 10, 11, 12]].any()
    ahead = rotated(x[:, 6:10], np.array([1.0, 0.0, 0.0]))
    for way in (ahead, up):
        turned = np.arctan2(way[:, 1], way[:, 0])
        assert np.histogram(turned, 8, (-np.pi, np.pi))[0].min() > 80
    assert TASK.frames(x[0])["drone"][2] == pytest.approx(np.arctan2(ahead[0, 1], ahead[0, 0]))


def test_thresholds():
    x = np.tile(starts([0])[0], (9, 1))
    x[:, 0:3], x[:, 6:10] = x[:, 13:16], [1.0, 0.0, 0.0, 0.0]
    x[1:3, 0] += [0.099, 0.101]
    x[3:5, 4] = 0.199, 0.201
    for row, degrees in ((5, 9.9), (6, 10.1)):
        half = np.radians(degrees) / 2
        x[row, 6:10] = np.cos(half), 0.6 * np.sin(half), 0.8 * np.sin(half), 0.0
    x[7:9, 12] = -0.49, 0.51
    assert TASK.success(x).tolist() == [True] + [True, False] * 4
    projected = TASK.limits.project(np.array([99.0, 9.0, 12.0, 0.0]))
    assert projected == pytest.approx([2 * HOVER, 0.6 * RATE, 0.8 * RATE, 0.0], rel=1e-12)
    assert RATE == 6.0


def test_the_cost_is_what_the_documents_say():
    x = in_flight(np.random.default_rng(0), 1)[0]
    u = np.array([6.0, 0.5, -1.0, 0.2])
    tilt = (1 - rotated(x[6:10], np.array([0.0, 0.0, 1.0]))[2]) / 2
    rest = 0.1 * x[3:6] @ x[3:6] + tilt + 0.005 * x[10:13] @ x[10:13]
    away = np.linalg.norm(x[0:3] - x[13:16])
    expected = away + rest + 0.005 * (6.0 - HOVER) ** 2 + 0.002 * u[1:] @ u[1:]
    assert float(TASK.running_cost(x, u)) == pytest.approx(expected, rel=1e-12)
    assert float(TASK.terminal_cost(x)) == pytest.approx(5 * (away + rest), rel=1e-12)


def test_model_and_plant_agree_over_a_second():
    """At all attitudes and full rates; both make the same substeps, so what is left is rounding."""
    rng = np.random.default_rng(0)
    low, high = TASK.limits.bound()
    turned_over = False
    for x in in_flight(rng, 8):
        u = TASK.limits.project(rng.uniform(low, high, (4, 20, 4)))
        costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, 20, 16))
        for i, dynamics in enumerate((WORLD, MujocoDynamics(TASK))):
            dynamics.rollout(x, u, costs[i], states[i])
        assert np.abs(states[0] - states[1]).max() <= 1e-12
        assert np.abs(costs[0] - costs[1]).max() <= 1e-10
        assert states[0, ..., 6].min() >= 0.0 and np.abs(states[0, ..., 10:13]).max() > 2.0
        turned_over |= bool((np.abs(np.diff(states[0, 0, :, :, 9], axis=1)) > 0.5).any())
    assert turned_over, "no quaternion has changed its sign"


def test_the_models_numbers_are_the_plants_and_the_mark_is_at_the_goal():
    plant, x = Plant(TASK), starts([4])[0]
    body, (mass, across, along, gain, gain_z) = plant.model.body("drone"), TASK.parameters
    assert body.mass[0] == mass and body.inertia.tolist() == [across, across, along]
    assert plant.model.actuator_gainprm[1:, 0].tolist() == [gain, gain, gain_z]
    assert plant.model.opt.gravity.tolist() == [0, 0, -GRAVITY] and mass * GRAVITY == HOVER
    plant.reset(x)
    plant.place()
    scene = Scene(TASK)
    drawn = dict(zip(scene.bodies, scene.poses(x)[0], strict=True))
    for name, there in (("goal", x[13:16]), ("drone", x[0:3])):
        assert np.array_equal(drawn[name], there)
        assert np.array_equal(plant.data.body(name).xpos, there)


def test_its_frames_on_tf_have_a_height():
    x = starts([3])[0]
    found = {t.child_frame_id: t.transform for t in tf_message(TASK, 0.0, x).transforms}
    for name, there in (("drone", x[0:3]), ("goal", x[13:16])):
        at = found[name].translation
        assert [at.x, at.y, at.z] == there.tolist()


def test_the_safe_action_hovers_and_free_fall_keeps_angular_momentum():
    x = starts([0])[0]
    x[6:10] = 1.0, 0.0, 0.0, 0.0
    after = x
    for _ in range(20):
        after = WORLD.next_state(after, TASK.safe_action())
    assert np.abs(after - x).max() < 1e-12
    free = NumbaDynamics(TASK, TASK.parameters * [1, 1, 1, 0, 0])
    x = in_flight(np.random.default_rng(1), 1)[0]
    states = np.empty((1, 1, 20, 16))
    free.rollout(x, np.zeros((1, 20, 4)), np.empty((1, 1)), states)
    inertia = TASK.parameters[[1, 1, 2]]
    before, now = (rotated(s[..., 6:10], inertia * s[..., 10:13]) for s in (x, states[0, 0]))
    assert np.abs(now - before).max() < 0.03 * np.linalg.norm(before)  # to the first order
    assert np.abs(
        now - rotated(x[6:10], inertia * states[0, 0, :, 10:13])
    ).max() > 0.2 * np.linalg.norm(before)
    fallen = x[5] - GRAVITY * TASK.dt * np.arange(1, 21)
    assert np.abs(states[0, 0, :, 5] - fallen).max() < 1e-12


def test_gravity_leaves_the_vertical_and_no_cube():
    """The declared group holds at every attitude; of the cube's only what keeps the vertical."""
    rng = np.random.default_rng(2)
    x = in_flight(rng, 50)
    u = TASK.limits.project(rng.uniform(*TASK.limits.bound(), (50, 4)))
    after = WORLD.next_state(x, u)

    def errors(s):
        moved = [WORLD.next_state(*s.act(g, state=x, action=u)) for g in s.group.elements]
        return [np.abs(m - s.act(g, state=after)).max() for g, m in enumerate(moved)]

    own = TASK.symmetry
    assert max(errors(own)) < 1e-12
    wider = Symmetry(octahedral(full=True), own.state, own.action)
    off, upright = np.array(errors(wider)), wider.group.space[:, 2, 2] == 1.0
    assert off[upright].max() < 1e-12 and off[~upright].min() > 0.1
    assert upright.sum() == 8


def test_random_actions_are_no_success():
    assert sum(episodes(TASK, Uniform(TASK), range(20))) == 0


@pytest.mark.slow
def test_what_the_launch_file_says_solves_it():
    """The figures of docs/tasks.md: 20 of 20."""
    assert all(episodes(TASK, MPPI(WORLD, temperature=0.5, **PLANS), range(20)))
