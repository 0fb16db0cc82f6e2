"""Manipulation on Bullet: the same arm, grasps by friction, blocks that slide and fall alike."""

import importlib.util

import numpy as np
import pytest
from test_tabletop import episode, moved

from covary.sim.load_task import load_task

if importlib.util.find_spec("pybullet") is None:
    pytest.skip("PyBullet is not installed", allow_module_level=True)

from covary.sim.engines.bullet_client import bullet

TASKS = ("block_push", "block_pick", "drawer_open")
REST = np.zeros(5)


@pytest.fixture(scope="module")
def pick():
    """The task and a plant of it."""
    task = load_task("block_pick", {"robot": "arm"})
    return task, task.plant("pybullet")


def dropped(plant):
    """Where a block comes to rest that began 5 cm above the table."""
    task = plant.task
    x = task.initial_state(np.random.default_rng(3))
    x[0:2], x[task.at["block"]] = [-0.1, 0.1], [0.05, -0.08, 0.3]
    x[task.at["block_height"].start] += 0.05
    plant.reset(x)
    return moved(plant, REST, 1.0)


def pushed(plant, speed):
    """Where a block comes to rest that the gripper pushes by 90 mm."""
    task = plant.task
    x = task.initial_state(np.random.default_rng(3))
    x[0:5], x[task.at["block"]] = [-0.12, 0.004, 0.0, 0.012, 0.0], 0.0
    plant.reset(x)
    moved(plant, [-0.1, speed, 0.0, 0.0, 0.0], 0.15 / speed)
    return moved(plant, REST, 0.5)


def test_the_arm_is_where_the_model_has_it(pick):
    task, plant = pick
    rng = np.random.default_rng(0)
    plant.reset(task.initial_state(rng))
    engine, model, data = plant.engine, plant.model, plant.data
    arm = engine.world.links[model.body("arm_link_1").id][0]
    joints = len(task.joint_names)
    for _ in range(50):
        data.qpos[:joints] = rng.uniform(*model.jnt_range[:joints].T)
        engine.begin()
        for body, (number, link) in engine.world.links.items():
            if number == arm:
                at = bullet.getLinkState(
                    *(number, link, 0),
                    computeForwardKinematics=1,
                    physicsClientId=engine.world.client,
                )
                members = np.flatnonzero(model.body_weldid == body)
                mass = model.body_mass[members]
                assert np.abs(mass @ data.xipos[members] / mass.sum() - at[0]).max() < 1e-6
        assert bullet.getNumJoints(arm, physicsClientId=engine.world.client) >= joints


def test_a_dropped_block_comes_to_rest_where_it_does_in_mujoco(pick):
    task, plant = pick
    ours, theirs = dropped(plant), dropped(task.plant())
    block = task.at["block"].start
    assert ours[block : block + 2] == pytest.approx(theirs[block : block + 2], abs=2e-4)
    assert ours[block + 2] == pytest.approx(theirs[block + 2], abs=5e-3)
    height = task.at["block_height"].start
    assert ours[height] == pytest.approx(theirs[height], abs=1e-4)
    assert ours[height + 1] < 1e-3  # upright
    later = moved(plant, REST, 1.0)
    assert np.abs(later - ours)[block : block + 5].max() < 2e-4


@pytest.mark.parametrize("speed", [0.1, 0.2])
def test_a_pushed_block_slides_about_as_far_as_in_mujoco(speed):
    task = load_task("block_push", {"robot": "arm"})
    ours, theirs = (pushed(task.plant(engine), speed) for engine in ("pybullet", "mujoco"))
    block = task.at["block"].start
    assert theirs[block] > 0.06
    assert ours[block : block + 2] == pytest.approx(theirs[block : block + 2], abs=0.01)


@pytest.mark.parametrize("name", TASKS)
def test_the_expert_does_it(name):
    task = load_task(name, {"robot": "arm"})
    plant = task.plant("pybullet")
    assert episode(task, plant, [31, 0])[0]


def test_the_grasp_is_friction_and_nothing_else(pick):
    task, plant = pick
    height = task.at["block_height"].start
    done, states = episode(task, plant, 5)
    lifted = plant.state()[height]
    assert done and lifted > 0.09
    assert moved(plant, REST, 1.0)[height] > lifted - 0.002  # it goes on holding
    assert moved(plant, [0.2, 0.0, 0.0, 0.0, 0.0], 0.5)[height] < 0.025  # opened, it falls
    plant.model.geom_friction[:, 0] *= 0.5
    try:
        done, states = episode(task, plant, 5, periods=len(states) + 20)
    finally:
        plant.model.geom_friction[:, 0] *= 2.0
    assert not done and max(x[height] for x in states) < 0.05  # it slips out


def test_a_start_is_repeated_to_the_last_bit_with_the_arm(pick):
    task, plant = pick
    x = task.initial_state(np.random.default_rng(8))

    def states():
        found = []
        for _ in range(60):
            plant.apply(np.array([-0.2, 0.1, 0.05, -0.2, 0.5]))
            plant.step()
            found.append(plant.physics_state().tobytes())
        return found

    plant.reset(x)
    start = plant.physics_state()
    first = states()
    dropped(plant)
    plant.restore(start)
    assert states() == first
    other = task.plant("pybullet")
    other.reset(x)
    assert other.physics_state().tobytes() == start.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_expert_does_it_nearly_always(name):
    task = load_task(name, {"robot": "arm"})
    plant = task.plant("pybullet")
    assert sum(episode(task, plant, [32, i])[0] for i in range(20)) >= 18
