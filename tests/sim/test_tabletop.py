"""Tabletop tasks: physics by contact alone, honest starts, and what a random policy gets."""

import pkgutil

import numpy as np
import pytest

import covary.planners.scripts
from covary.planners.expert import Expert
from covary.sim.judge import Judge
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.sim.tabletop.squares import gap
from covary.sim.tabletop.tabletop import Tabletop

TASKS = sorted(
    {module.name for module in pkgutil.iter_modules(covary.planners.scripts.__path__)}
    - {"moves", "push"}
)
ROBOTS = ("floating_gripper", "arm")


def episode(task, plant, seed, policy=None, periods=10**6):
    """Runs the expert, or another policy, to the end: success, and the states on the way."""
    rng = np.random.default_rng(seed)
    plant.reset(task.initial_state(rng))
    expert = Expert(task)
    memory, judge, states = expert.initial_memory(0), Judge(plant), []
    for k in range(periods):
        x = plant.state()
        states.append(x)
        if policy is None:
            plan, memory = expert.plan(x, k * task.dt, memory)
            u = plan.actions[0]
        else:
            u = task.limits.project(policy(rng, x))
        for _ in range(20):
            plant.apply(u)
            plant.step()
        done = judge.period(u, (k + 1) * task.dt)
        if done is not None:
            return done, states
    return False, states


def held(robot):
    """A plant in whose gripper a block is, in mid-lift."""
    task = load_task("block_pick", {"robot": robot})
    plant = Plant(task)
    done, _ = episode(task, plant, 5)
    assert done
    return task, plant


def moved(plant, u, seconds):
    for _ in range(round(seconds / plant.task.physics_dt)):
        plant.apply(np.asarray(u, float))
        plant.step()
    return plant.state()


EVERY = [
    pytest.param(n, r, marks=() if r == "arm" or n == "block_stack" else pytest.mark.slow)
    for r in ROBOTS
    for n in TASKS
]


@pytest.mark.parametrize(("name", "robot"), EVERY)
def test_the_expert_does_it(name, robot):
    task = load_task(name, {"robot": robot})
    plant = Plant(task)
    assert [episode(task, plant, [31, i])[0] for i in range(2)] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_random_policy_does_not(name):
    task = load_task(name, {"robot": "floating_gripper"})
    plant = Plant(task)
    low, high = task.limits.bound()
    held_action = {}

    def random(rng, x):
        if rng.uniform() < 0.1 or not held_action:
            held_action["u"] = rng.uniform(low, high)
        return held_action["u"]

    wins = sum(episode(task, plant, [77, i], random)[0] for i in range(40))
    assert wins < 2


@pytest.mark.parametrize("robot", ROBOTS)
def test_opened_in_mid_lift_the_gripper_lets_the_block_fall(robot):
    task, plant = held(robot)
    high = plant.state()[task.at["block_height"].start]
    assert high > 0.09
    x = moved(plant, [0.2, 0, 0, 0, 0], 1.0)
    assert x[task.at["block_height"].start] < 0.025


@pytest.mark.parametrize("robot", ROBOTS)
def test_zero_action_goes_on_holding(robot):
    task, plant = held(robot)
    before = plant.state()
    after = moved(plant, np.zeros(5), 1.0)
    assert after[task.at["block_height"].start] > before[task.at["block_height"].start] - 0.01


@pytest.mark.parametrize("robot", ROBOTS)
def test_with_half_the_friction_the_grasp_slips(robot):
    task = load_task("block_pick", {"robot": robot})
    plant = Plant(task)
    plant.model.geom_friction[:, 0] *= 0.5
    done, states = episode(task, plant, 5)
    assert not done and max(x[task.at["block_height"].start] for x in states) < 0.1


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("robot", ROBOTS)
def test_nothing_holds_the_things_but_contact_and_gravity(name, robot):
    task = load_task(name, {"robot": robot})
    model = Plant(task).model
    text = task.model_text()
    assert model.neq == 0 and "weld" not in text and "connect" not in text
    for body in range(model.nbody):  # a mocap body is a mark without collision
        if model.body_mocapid[body] >= 0:
            geoms = np.flatnonzero(model.geom_bodyid == body)
            assert not model.geom_contype[geoms].any() and not model.geom_conaffinity[geoms].any()
    for thing in task.things:
        joint = model.joint(thing.name)
        assert joint.type == 0 and model.body_gravcomp[model.body(thing.name).id] == 0
        assert not np.isin(model.actuator_trnid[:, 0], joint.id).any()


@pytest.mark.parametrize("name", TASKS)
def test_things_start_where_the_page_says_and_stay_there(name):
    task = load_task(name, {"robot": "floating_gripper"})
    assert isinstance(task, Tabletop)
    starts = np.stack([task.initial_state(np.random.default_rng(i)) for i in range(300)])
    for thing in task.things:
        here = starts[:, task.at[thing.name]]
        away = np.hypot(here[:, 0], here[:, 1])
        most = 0.12 if name == "drawer_open" else 0.20
        assert away.max() <= most and away.max() > 0.9 * most and away.min() < 0.4 * most
        assert here[:, 2].min() < -2.8 and here[:, 2].max() > 2.8
    plant = Plant(task)
    for x in starts[:3]:
        plant.reset(x)
        after = moved(plant, np.zeros(5), 0.5)
        assert np.abs(task.symmetry.difference("state", after, x)).max() < 1e-3


def test_a_plan_that_is_one_period_old_will_do():
    # In real time control follows the plan before the newest one.
    task = load_task("block_pick", {"robot": "floating_gripper"})
    plant = Plant(task)
    plant.reset(task.initial_state(np.random.default_rng(4)))
    expert, judge, old = Expert(task), Judge(plant), None
    memory, done, k = expert.initial_memory(0), None, 0
    while done is None:
        plan, memory = expert.plan(plant.state(), k * task.dt, memory)
        u = task.safe_action() if old is None else old.action(k * task.dt)
        for _ in range(20):
            plant.apply(u)
            plant.step()
        old, k = plan, k + 1
        done = judge.period(u, k * task.dt)
    assert done


def test_joint_actions_start_where_cartesian_ones_do():
    plain, joints = (
        load_task("block_stack", {"actions": words}) for words in ("cartesian", "joint")
    )
    for seed in range(5):
        a, b = (task.initial_state(np.random.default_rng(seed)) for task in (plain, joints))
        assert np.abs(a - b[: len(a)]).max() < 1e-5  # the joints stand at the end
        plant = Plant(joints)
        plant.reset(b)
        assert np.abs(plant.state() - b).max() < 1e-9


def test_joint_actions_do_it_too():
    task = load_task("block_pick", {"robot": "arm", "actions": "joint"})
    assert task.symmetry.group.order == 1
    assert len(task.action_names) == 8
    assert episode(task, Plant(task), 3)[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"robot": "hand"}, "robot: 'hand' is none of arm, floating_gripper"),
        ({"actions": "torque"}, "actions: 'torque' is none of cartesian, joint"),
        ({"actions": "joint", "robot": "floating_gripper"}, "joint is for the arm"),
    ],
)
def test_options_that_do_not_exist(options, words):
    with pytest.raises(Exception, match=words):
        load_task("block_pick", options)


def test_the_gap_of_squares():
    a, b = np.array([0.0, 0.0, 0.0]), np.array([0.1, 0.0, 0.0])
    assert gap(a, b, 0.03, 0.03) == pytest.approx(0.04)
    turned = np.array([0.1, 0.0, np.pi / 4])
    assert gap(a, turned, 0.03, 0.03) == pytest.approx(0.07 - 0.03 * np.sqrt(2))
    rng = np.random.default_rng(0)
    for _ in range(50):
        pair = rng.uniform(-0.2, 0.2, (2, 3))
        angle = rng.uniform(-3, 3)
        c, s = np.cos(angle), np.sin(angle)
        moved_pair = np.stack([[c * x - s * y, s * x + c * y, w + angle] for x, y, w in pair])
        assert gap(*pair, 0.03, 0.02) == pytest.approx(gap(*moved_pair, 0.03, 0.02), abs=1e-12)
        mirrored = pair * [1, -1, -1]
        assert gap(*pair, 0.03, 0.02) == pytest.approx(gap(*mirrored, 0.03, 0.02), abs=1e-12)
