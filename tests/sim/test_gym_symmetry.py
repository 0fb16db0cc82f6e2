"""The symmetry declared of known environments, held against their own physics, step by step."""

import mujoco
import numpy as np
import pytest

from covary.sim.gym.declarations import FETCH_Y
from covary.sim.gym.environments import flat
from covary.sim.gym.gym_task import GymTask

pytest.importorskip("gymnasium_robotics")


def reacher(env, image, s, g, rng):
    """Somewhere in its range, joints in motion, and the image of that."""
    q, rates = rng.uniform([-3.0, -2.9], [3.0, 2.9]), rng.normal(0.0, 2.0, 2)
    target = 0.13 * rng.uniform(-1.0, 1.0, 2)
    sign, turn, plane = s.group.sign[g], s.group.turn[g], s.group.plane[g]
    env.set_state(np.array([*q, *target]), np.array([*rates, 0.0, 0.0]))
    moved = sign * q + [turn, 0.0]
    image.set_state(np.array([*moved, *(plane @ target)]), np.array([*(sign * rates), 0.0, 0.0]))


def pendulum(env, image, s, g, rng):
    """Near upright, and its mirror image."""
    qpos, qvel = rng.uniform([-0.5, -0.05], [0.5, 0.05]), rng.normal(0.0, 0.1, 2)
    env.set_state(qpos, qvel)
    image.set_state(-qpos, -qvel)


def maze(env, image, s, g, rng):
    """Where the episode starts, at any speed, often soon at a wall."""
    plane, speed = s.group.plane[g], rng.uniform(-5.0, 5.0, 2)
    place = env.data.qpos.copy()
    env.point_env.set_state(place, speed)
    image.point_env.set_state(plane @ place, plane @ speed)
    image.goal = plane @ env.goal


def fetch(env, image, s, g, rng):
    """After some random moves, and the mirror image of every joint, body and goal."""
    model, data, other = env.model, env.data, image.data
    for _ in range(10):
        env.step(rng.uniform(-1.0, 1.0, 4).astype(np.float32))
    mirror, spun = np.array([1.0, -1.0, 1.0]), np.array([-1.0, 1.0, -1.0])
    shift = np.array([0.0, 2.0 * FETCH_Y, 0.0])
    for j in range(model.njnt):
        name, a, v = model.joint(j).name, model.jnt_qposadr[j], model.jnt_dofadr[j]
        if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE:
            other.qpos[a : a + 3] = data.qpos[a : a + 3] * mirror + shift
            other.qpos[a + 3 : a + 7] = data.qpos[a + 3 : a + 7] * [1.0, *spun]
            other.qvel[v : v + 3] = data.qvel[v : v + 3] * mirror
            other.qvel[v + 3 : v + 6] = data.qvel[v + 3 : v + 6] * spun
        else:
            sign = -1.0 if "pan" in name or "roll" in name else 1.0
            other.qpos[a], other.qvel[v] = sign * data.qpos[a], sign * data.qvel[v]
    right, left = (
        model.joint(f"robot0:{side}_gripper_finger_joint").qposadr[0] for side in ("r", "l")
    )
    for there, here in ((other.qpos, data.qpos), (other.qvel, data.qvel)):
        there[right], there[left] = here[left], here[right]
    other.mocap_pos[:] = data.mocap_pos * mirror + shift
    other.mocap_quat[:] = data.mocap_quat * [1.0, *spun]
    image.goal = env.goal * mirror + shift
    for e in (env, image):
        mujoco.mj_forward(e.model, e.data)
        e.data.qacc_warmstart[:] = 0.0


def shown(plant):
    """The state vector of where everything is now, no step having been made."""
    env = plant.env.unwrapped
    seen = (
        env._get_obs(env.point_env._get_obs()[0]) if hasattr(env, "point_env") else env._get_obs()
    )
    return flat(plant.task.facts.keys, seen)


def residuals(task, put, starts, steps, wrong=False):
    """How far the image is from where the declaration has it, at worst.

    At the start, after one step, after all steps; and how far its reward is from the original's.
    """
    plant, other, s = task.plant(), task.plant(), task.symmetry
    rng = np.random.default_rng(0)
    off, reward = np.zeros(steps + 1), 0.0
    for k in range(starts):
        for g in s.group.elements[1:]:
            plant.begin(np.random.default_rng(k))
            other.begin(np.random.default_rng(k))
            put(plant.env.unwrapped, other.env.unwrapped, s, g, rng)
            x, y = shown(plant), shown(other)
            off[0] = max(off[0], np.abs(s.difference("state", s.act(g, state=x), y)).max())
            for step in range(1, steps + 1):
                u = rng.uniform(*task.limits.bound())
                plant.apply(u)
                other.apply(u if wrong else s.act(g, action=u))
                plant.step()
                other.step()
                there = s.act(g, state=plant.state())
                apart = np.abs(s.difference("state", there, other.state())).max()
                off[step] = max(off[step], apart)
                reward = max(reward, abs(plant.cost(u) - other.cost(u)))
    plant.close()
    other.close()
    return off[0], off[1], off.max(), reward


DECLARED = [
    # id, group, order, how to put it and its image, starts, steps, bounds: start, 1 step, all
    ("Reacher-v5", "D8", 16, reacher, 3, 10, (1e-12, 1e-12, 1e-12)),
    ("PointMaze_UMaze-v3", "reflection", 2, maze, 6, 30, (1e-12, 1e-12, 1e-12)),
    ("PointMaze_Open-v3", "D2", 4, maze, 4, 30, (1e-12, 1e-12, 1e-12)),
    ("PointMazeRooms-v0", "reflection", 2, maze, 6, 30, (1e-12, 1e-12, 1e-12)),
    # Its pole leans by 1.7 mrad in the model itself.
    ("InvertedPendulum-v5", "reflection", 2, pendulum, 6, 3, (1e-12, 5e-3, 2e-2)),
    # The links' masses are not quite mirrored, nor is the base nailed down; and a block tumbles.
    ("FetchReach-v4", "reflection", 2, fetch, 4, 10, (1e-8, 1e-5, 1e-3)),
    ("FetchPush-v4", "reflection", 2, fetch, 4, 10, (1e-8, 1e-5, 1e-2)),
    ("FetchPickAndPlace-v4", "reflection", 2, fetch, 4, 10, (1e-8, 1e-5, 1e-2)),
]


@pytest.mark.parametrize(
    ("env_id", "group", "order", "put", "starts", "steps", "bounds"),
    DECLARED,
    ids=[row[0] for row in DECLARED],
)
def test_the_physics_keeps_what_is_declared(env_id, group, order, put, starts, steps, bounds):
    task = GymTask(env_id)
    assert (task.symmetry.group.name, task.symmetry.group.order) == (group, order)
    *off, reward = residuals(task, put, starts, steps)
    assert (np.array(off) <= bounds).all(), off
    assert reward <= 1e-12  # no sparse one jumps between these, and the dense one is exact
    wrong = residuals(task, put, 1, 1, wrong=True)
    assert wrong[1] > 100 * bounds[1] or wrong[1] > 5 * off[1]  # the same actions are no images


def test_a_maze_has_the_symmetry_of_its_map():
    groups = {
        "PointMaze_Medium-v3": "trivial",
        "PointMaze_Open_Diverse_GR-v3": "D2",
        "PointMaze_Open_Diverse_G-v3": "trivial",
        "PointMazeCorridor-v0": "trivial",  # its goal breaks the half turn of its walls
    }
    for env_id, group in groups.items():
        assert GymTask(env_id).symmetry.group.name == group


def test_an_environment_that_nobody_knows_has_the_trivial_group():
    task = GymTask("Pendulum-v1")
    assert task.symmetry.group.order == 1
    assert task.state_names == ("observation_0", "observation_1", "observation_2")
    assert task.action_names == ("action_0",)


def test_every_declaration_keeps_the_homomorphism_law():
    rng = np.random.default_rng(0)
    for env_id, *_ in DECLARED:
        s = GymTask(env_id).symmetry
        x, u = rng.normal(size=s.width("state")), rng.normal(size=s.width("action"))
        for g in s.group.elements:
            for h in s.group.elements:
                gh = int(s.group.product[g, h])
                twice = s.act(g, state=s.act(h, state=x), action=s.act(h, action=u))
                once = s.act(gh, state=x, action=u)
                for a, b in zip(twice, once, strict=True):
                    np.testing.assert_allclose(a, b, atol=1e-12)
