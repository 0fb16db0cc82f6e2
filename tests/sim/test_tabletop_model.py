"""The analytic model of tabletop tasks: what fingers do to things, and how near the plant is."""

import math

import numpy as np
import pytest

from covary.planners.expert import Expert
from covary.sim.env import TaskEnv
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tabletop.tabletop import VALUES

TASKS = [
    "block_push",
    "block_pick",
    "block_pull",
    "block_stack",
    "two_block_sort",
    "block_in_bowl",
    "peg_in_hole",
    "drawer_open",
]
ONE = [pytest.param(n, marks=() if n == "block_pick" else pytest.mark.slow) for n in TASKS]
"""Each compiles for many seconds."""
OPEN, CLOSE, UP = (
    np.array([0.2, 0, 0, 0, 0]),
    np.array([-0.2, 0, 0, 0, 0]),
    np.array([0, 0, 0, 0.2, 0]),
)


def task_of(name, **options):
    return load_task(name, {"robot": "floating_gripper", **options})


def after(task, x, actions):
    """States along actions. (n,), (H, m) -> (H, n)"""
    states = np.empty((1, 1, len(actions), len(x)))
    model = NumbaDynamics(task)
    model.rollout(x, np.asarray(actions, float)[None], np.empty((1, 1)), states)
    return states[0, 0]


def gripper_at(task, x, y, yaw, height, opening, thing):
    """A state with the first thing at a pose (x, y, yaw) on the table."""
    state = task.initial_state(np.random.default_rng(0))
    state[:5] = x, y, yaw, height, opening
    state[5:8] = thing
    return state


def test_closing_fingers_turn_and_centre_a_block_then_lift_it_and_let_it_fall():
    task = task_of("block_pick")
    x = gripper_at(task, 0.0, 0.0, 0.3, 0.02, 0.08, (0.004, -0.006, 0.15))
    path = after(task, x, [CLOSE] * 6 + [UP] * 8 + [OPEN] * 5)
    closed, lifted, dropped = path[5], path[13], path[18]
    assert closed[4] == pytest.approx(0.04)
    assert closed[7] == pytest.approx(0.3)  # as the fingers stand
    across = (closed[6] - closed[1]) * math.cos(0.3) - (closed[5] - closed[0]) * math.sin(0.3)
    assert across == pytest.approx(0.0, abs=1e-12)
    assert lifted[8] == pytest.approx(0.02 + 0.08)
    assert lifted[3] == pytest.approx(0.02 + 0.08)
    assert dropped[8] == pytest.approx(0.02) and dropped[4] == pytest.approx(0.08)


def test_a_block_is_held_by_its_corners_where_the_plant_s_is():
    """Turned by more than the friction cone leaves, it jams, and can be lifted like that."""
    task = task_of("block_pick")
    x = gripper_at(task, 0.0, 0.0, 0.0, 0.02, 0.08, (0.0, 0.0, 0.6))
    path = after(task, x, [CLOSE] * 8 + [UP] * 6)
    assert path[7, 7] == pytest.approx(0.6)
    assert path[7, 4] == pytest.approx(0.04 * (math.cos(0.6) + math.sin(0.6)))
    assert path[-1, 8] > 0.07


def test_two_fingers_push_a_face_straight_and_one_turns_it():
    task = task_of("block_pick")
    far = 0.02
    ahead = [np.array([0, 0.1, 0, 0, 0])] * 10
    x = gripper_at(task, -far - 0.012, 0.0, 0.0, 0.018, 0.035, (0.0, 0.0, 0.0))
    pushed = after(task, x, ahead)[-1]
    assert pushed[5] > 0.04 and abs(pushed[6]) < 1e-12 and abs(pushed[7]) < 1e-12
    x[1] = 0.03
    turned = after(task, x, ahead)[-1]
    assert turned[5] > 0.01 and turned[7] < -0.1


def test_fingers_come_to_stand_on_what_is_below_them():
    task = task_of("block_pick")
    x = gripper_at(task, 0.0, 0.0, 0.0, 0.10, 0.0, (0.0, 0.0, 0.0))
    down = after(task, x, [-UP] * 12)
    assert down[-1, 3] == pytest.approx(0.04 + 0.012)
    x[:2] = 0.1
    assert after(task, x, [-UP] * 12)[-1, 3] == pytest.approx(0.0125)


@pytest.mark.slow
def test_what_is_put_on_another_block_stands_there():
    task = task_of("block_stack")
    x = gripper_at(task, 0.0, 0.0, 0.0, 0.10, 0.04, (0.0, 0.0, 0.0))
    x[8] = 0.10
    x[10:14] = 0.003, 0.0, 0.0, 0.02
    path = after(task, x, [-UP] * 8 + [OPEN] * 4)
    assert path[7, 8] == pytest.approx(0.06)
    assert path[-1, 8] == pytest.approx(0.06)
    assert task.success(path[-1])
    assert path[-1, 13] == 0.02 and path[-1, 10] == 0.003


@pytest.mark.slow
def test_a_peg_goes_in_only_where_the_hole_is():
    task = task_of("peg_in_hole")
    x = gripper_at(task, 0.0, 0.0, 0.0, 0.12, 0.02, (0.0, 0.0, 0.0))
    x[8] = 0.10
    for beside, high in ((0.002, 0.04), (0.006, 0.08)):
        x[10:14] = beside, 0.0, 0.0, 0.0
        path = after(task, x, [-UP] * 12 + [OPEN] * 4)
        assert path[-1, 8] == pytest.approx(high)


@pytest.mark.slow
def test_a_bowl_s_wall_is_in_the_way_of_what_is_carried_low():
    task = task_of("block_in_bowl")
    x = gripper_at(task, 0.0, 0.0, 0.0, 0.02, 0.04, (0.0, 0.0, 0.0))
    x[10:14] = 0.1, 0.0, 0.0, 0.0
    ahead = [np.array([0, 0.2, 0, 0, 0])] * 10
    low = after(task, x, ahead)[-1]
    assert low[10] > 0.15 and math.hypot(low[5] - low[10], low[6] - low[11]) > 0.07
    x[3] = x[8] = 0.10
    high = after(task, x, [*ahead, *[OPEN] * 4])[-1]
    assert high[10] == 0.1 and high[8] == pytest.approx(0.024)


@pytest.mark.slow
def test_a_drawer_is_pulled_out_as_far_as_it_comes():
    task = task_of("drawer_open")
    x = task.initial_state(np.random.default_rng(0))
    x[5:11] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    x[:5] = 0.085, 0.0, math.pi / 2, 0.035, 0.028
    path = after(task, x, [CLOSE] * 3 + [np.array([0, 0.2, 0, 0, 0])] * 10)
    assert path[2, 10] == pytest.approx(0.0, abs=1e-12)
    assert task.success(path[-1]) and path[-1, 10] == pytest.approx(0.08)


ERRORS = {
    "block_push": lambda x: np.hypot(x[5] - x[-2], x[6] - x[-1]),
    "block_pick": lambda x: max(0.1 - x[8], 0.0),
    "block_stack": lambda x: np.linalg.norm(x[[5, 6, 8]] - x[[10, 11, 13]] - [0, 0, 0.04]),
    "peg_in_hole": lambda x: np.linalg.norm(x[[5, 6, 8]] - x[[10, 11, 13]] - [0, 0, 0.04]),
    "drawer_open": lambda x: max(0.055 - x[10], 0.0),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "block_pick" else pytest.mark.slow) for n in ERRORS],
)
def test_errors_are_the_metres_to_go(name):
    task = task_of(name)
    for seed in range(5):
        x = task.initial_state(np.random.default_rng(seed))
        assert task.error(x) == pytest.approx(ERRORS[name](x), rel=1e-12)


@pytest.mark.parametrize("name", ONE)
def test_contact_is_equivariant(name):
    """Fingers in the midst of things, every element; and costs are the task's."""
    task = task_of(name)
    s, model, rng = task.symmetry, NumbaDynamics(task), np.random.default_rng(3)
    high, moved = task.limits.bound()[1], 0
    for _ in range(10):
        x = task.initial_state(rng)
        x[0:2] = (task.handle(x) if name == "drawer_open" else x[5:])[:2]
        x[0:2] += 0.03 * rng.normal(size=2)
        x[3], x[4] = rng.uniform(0.013, 0.05), rng.uniform(0.02, 0.08)
        actions = task.limits.project(rng.normal(size=(8, 8, 5)) * high)
        costs, states = np.empty((1, 8)), np.empty((1, 8, 8, len(x)))
        model.rollout(x, actions, costs, states)
        moved += np.abs(s.difference("state", states, x)[..., 5:]).max() > 1e-3
        own = task.running_cost(states, actions).sum(axis=-1) + task.terminal_cost(states[:, :, -1])
        assert own == pytest.approx(costs, rel=1e-12)
        for g in s.group.elements:
            turned, there = np.empty((1, 8)), np.empty_like(states)
            model.rollout(s.act(g, state=x), s.act(g, action=actions), turned, there)
            assert np.abs(s.difference("state", s.act(g, state=states), there)).max() < 1e-8
            assert turned == pytest.approx(costs, abs=1e-8)
    assert moved >= 3


@pytest.mark.slow
def test_the_arm_s_tool_is_where_its_kinematics_have_it():
    task = load_task("block_pick", {"actions": "joint"})
    rng, first = np.random.default_rng(0), 10
    for _ in range(5):
        x = task.initial_state(rng)
        u = 0.5 * task.limits.project(rng.normal(size=8))
        new = after(task, x, [u])[0]
        joints = np.clip(x[first:] + 0.05 * u[1:], *task.robot._limits[:2])
        assert new[first:] == pytest.approx(joints, abs=1e-14)
        where = task.robot.gripper(np.array([*joints, 0.02, 0.02]))
        assert new[[0, 1, 3, 2]] == pytest.approx(where[:4], abs=1e-12)


@pytest.mark.slow
def test_a_gripper_that_joints_tilt_costs_more():
    task = load_task("block_pick", {"actions": "joint"})
    x, u = task.initial_state(np.random.default_rng(0)), np.zeros(8)
    upright = task.running_cost(x, u)
    x[10 + 5] += 0.3  # the wrist
    assert task.running_cost(x, u) - upright == pytest.approx(0.5 * (1 - math.cos(0.3)), rel=0.02)


@pytest.mark.slow
def test_an_arm_whose_gripper_stands_on_the_table_stays():
    task = load_task("block_pick", {"actions": "joint"})
    x = task.initial_state(np.random.default_rng(0))
    x[3] = 0.0126
    x[10:] = task.robot.posture(x[[0, 1, 3, 2, 4]])[:7]
    down = np.zeros(8)
    down[2] = 0.4  # the shoulder
    new = after(task, x, [down] * 3)[-1]
    assert new[10:] == pytest.approx(x[10:]) and new[3] == pytest.approx(x[3])
    assert after(task, x, [-down])[-1, 3] > x[3] + 0.003


@pytest.mark.parametrize("name", ONE)
def test_it_foresees_what_the_plant_with_the_arm_does(name):
    """0.4 s ahead along an expert's episode: 0.5 s takes the gripper 125 mm."""
    env = TaskEnv(name, robot="arm")
    task, model, periods = env.task, NumbaDynamics(env.task), 8
    env.reset(seed=0)
    expert = Expert(task)
    memory, states, actions, done = expert.initial_memory(0), [env.plant.state()], [], False
    while not done:
        plan, memory = expert.plan(states[-1], len(actions) * task.dt, memory)
        actions.append(plan.actions[0])
        _, _, done, late, _ = env.step(actions[-1])
        states.append(env.plant.state())
        assert not late
    errors = []
    for k in range(0, len(actions) - periods, 2):
        path, costs = np.empty((1, 1, periods, len(states[0]))), np.empty((1, 1))
        model.rollout(states[k], np.array(actions[k : k + periods])[None], costs, path)
        errors.append(
            np.abs(task.symmetry.difference("state", path[0, 0, -1], states[k + periods]))
        )
    places = [0, 1, 3, 10] if name == "drawer_open" else [0, 1, 3, 5, 6, 8]
    assert np.median(errors, axis=0)[places].max() < 0.003
    assert np.quantile(errors, 0.9, axis=0)[places].max() < 0.010


def test_parameters_are_the_friction_and_the_turning():
    task = task_of("block_push")
    assert np.array_equal(task.parameters, VALUES) and len(task.parameter_names) == 2
