"""Every task as a Gymnasium environment: it passes the checker, and judges as the task says."""

import pickle
import subprocess
import sys
import warnings
from itertools import repeat

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from covary.nodes import plugin
from covary.nodes.parameters import ParameterError
from covary.sim.camera import CameraError, backend
from covary.sim.env import TaskEnv, environment_id, recorded_environment, register
from covary.sim.tabletop.tabletop import Tabletop

TASKS = plugin.names("sim.tasks")
MANIPULATION = [name for name in TASKS if issubclass(plugin.load(name, "sim.tasks"), Tabletop)]

HARMLESS = ("infinity", "symmetric and normalized")
"""Warnings of the checker that units in SI bring with them: a metre has no natural bound."""


@pytest.fixture(params=TASKS)
def env(request):
    env = TaskEnv(request.param)
    yield env
    env.close()


def judge(env: TaskEnv, verdicts) -> None:
    """Let the task say of one state after the other what `verdicts` says, whatever it is."""
    said = iter(verdicts)
    env.task.success = lambda x: np.bool_(next(said))


def needed(env: TaskEnv) -> int:
    """Good states on end that make a success: n periods lie between n + 1 of them."""
    return int(env.task.hold / env.task.dt + 1e-6) + 1


def test_there_are_tasks():
    assert {"point_mass", "reacher", "push"} <= set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_the_checker_has_no_complaint(task):
    register()
    try:
        backend()
        can_render = True
    except CameraError:
        can_render = False  # the rest of the check goes on
    env = gymnasium.make(environment_id(task), disable_env_checker=True)
    check_quietly(env.unwrapped, can_render)


def check_quietly(env, can_render=False):
    """Gymnasium's own checker, which has nothing to say that matters."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=not can_render)
    said = [str(warning.message) for warning in caught]
    assert [w for w in said if not any(harmless in w for harmless in HARMLESS)] == []


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_made_by_the_four_in_a_vector(task):
    register()
    envs = gymnasium.make_vec(environment_id(task), num_envs=4, vectorization_mode="sync")
    first, _ = envs.reset(seed=3)
    assert len(np.unique(first, axis=0)) == 4
    envs.action_space.seed(0)
    for _ in range(2):
        seen, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
    assert seen.shape == first.shape and np.isfinite(seen).all() and np.isfinite(rewards).all()
    assert not terminated.any() and not truncated.any() and info["success"].shape == (4,)
    again, _ = envs.reset(seed=3)
    np.testing.assert_array_equal(again, first)
    envs.close()


@pytest.mark.parametrize("robot", ["arm", "floating_gripper"])
@pytest.mark.parametrize("task", MANIPULATION)
def test_a_manipulation_task_takes_its_robot(task, robot):
    env = gymnasium.make(environment_id(task), robot=robot, disable_env_checker=True)
    assert type(env.unwrapped.task.robot).__module__.endswith(f".{robot}")
    check_quietly(env.unwrapped)
    env.close()


def test_an_option_that_is_none_is_one_line_with_the_nearest():
    with pytest.raises(ParameterError, match="takes no option 'robt'; did you mean robot?"):
        TaskEnv("block_pick", robt="arm")
    with pytest.raises(ValueError, match="robot: 'amr'"):
        TaskEnv("block_pick", robot="amr")
    with pytest.raises(ValueError, match="made already"):
        TaskEnv(plugin.load("push", "sim.tasks")(), robot="arm")
    with pytest.raises(ValueError, match="engine: 'mujco' is none of mujoco, pybullet"):
        TaskEnv("push", engine="mujco")


def test_what_was_recorded_can_be_made_again():
    options = '{"actions": "", "robot": "arm"}'
    made = recorded_environment(
        {"task": "block_pick", "task_options": options, "engine": "pybullet"}
    )
    assert made == ("covary.sim.env:covary/BlockPick-v0", {"robot": "arm", "engine": "pybullet"})
    made = recorded_environment({"task": "push", "engine": "mujoco"})
    assert gymnasium.make(made[0], **made[1]).unwrapped.task.name == "push"
    spec, options = "covary.sim.gym.gym_task:GymTask", '{"env_id": "Reacher-v5"}'
    assert recorded_environment({"task": spec, "task_options": options}) == ("Reacher-v5", {})
    assert recorded_environment({"task": "my_file:Mine"}) == ("my_file:Mine", {})


def test_another_engine_simulates_it():
    pytest.importorskip("pybullet")
    env = TaskEnv("push", engine="pybullet")
    mujoco = TaskEnv("push")
    first, second = env.reset(seed=3)[0], mujoco.reset(seed=3)[0]
    np.testing.assert_allclose(first, second, atol=1e-9)
    check_quietly(env)
    env.close()


def test_registering_twice_is_quiet_and_imports_no_task():
    code = (
        "import sys, warnings\n"
        "warnings.simplefilter('error')\n"
        "import gymnasium, covary.sim.env as env\n"
        "env.register()\n"  # importing has done it
        "names = sorted(name for name in gymnasium.registry if name.startswith('covary/'))\n"
        "assert {'covary/PointMass-v0', 'covary/Push-v0', 'covary/Reacher-v0'} <= set(names)\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_name_of_the_module_is_enough():
    code = "import gymnasium; gymnasium.make('covary.sim.env:covary/PointMass-v0').reset(seed=0)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_task_may_be_a_name_a_class_or_an_object():
    push = plugin.load("push", "sim.tasks")
    for task in ("push", push, push(), "covary.sim.tasks.push:Push"):
        assert type(TaskEnv(task).task) is push
    with pytest.raises(plugin.PluginError, match="push"):
        TaskEnv("pusch")


def test_what_is_made_can_be_made_again_from_its_spec():
    register()
    env = gymnasium.make("covary/Push-v0")
    again = gymnasium.make(pickle.loads(pickle.dumps(env.spec)))
    assert (env.reset(seed=3)[0] == again.reset(seed=3)[0]).all()


def test_a_seed_gives_one_episode_and_np_random_draws_the_next(env):
    def run():
        first, _ = env.reset(seed=5)
        steps = [env.step(action)[0] for action in actions]
        return [first, *steps, env.reset()[0]]

    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(5)]
    once, twice = run(), run()
    assert all((a == b).all() for a, b in zip(once, twice, strict=True))
    assert not np.array_equal(once[0], once[-1])
    assert once[0].dtype == np.float64
    rng = np.random.default_rng(5)
    assert np.allclose(once[0], env.task.observe(env.task.initial_state(rng)), atol=1e-12)


def test_the_reward_is_minus_the_running_cost_of_the_projected_action(env):
    env.reset(seed=1)
    far = 1e3 * np.ones(env.action_space.shape)
    inside = env.task.limits.project(far)
    _, reward, *_ = env.step(far)
    x = env.plant.state()
    assert reward == -float(env.task.running_cost(x, inside))
    env.reset(seed=1)
    env.step(inside)
    assert (env.plant.state() == x).all()


def test_an_action_that_is_not_finite_or_not_fit_is_refused_and_nothing_moves(env):
    env.reset(seed=1)
    before = env.plant.physics_state()
    for bad in (np.nan, np.inf):
        action = np.zeros(env.action_space.shape)
        action[-1] = bad
        with pytest.raises(ValueError, match="not finite"):
            env.step(action)
    with pytest.raises(ValueError, match="shape"):
        env.step(np.zeros(env.action_space.shape[0] + 1))
    assert (env.plant.physics_state() == before).all()


def test_step_wants_a_reset_and_reset_knows_its_options(env):
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(env.task.safe_action())
    with pytest.raises(ValueError, match="'state'"):
        env.reset(options={"stat": 1})
    with pytest.raises(ValueError, match="shape"):
        env.reset(options={"state": np.zeros(1)})
    with pytest.raises(ValueError, match="render_mode"):
        TaskEnv("push", render_mode="human")


def test_success_must_be_held_and_then_terminates(env):
    env.reset(seed=0)
    judge(env, repeat(True))
    for step in range(1, needed(env) + 1):
        _, _, terminated, truncated, info = env.step(env.task.safe_action())
        assert terminated is (step == needed(env))
        assert info["success"] is terminated
        assert truncated is False


def test_success_that_is_lost_is_counted_anew_and_so_is_each_episodes(env):
    short = needed(env) - 1
    env.reset(seed=0)
    judge(env, [*[True] * short, False, *[True] * short, *[True] * short])
    for _ in range(2 * short + 1):
        assert not env.step(env.task.safe_action())[2]
    env.reset()
    for _ in range(short):
        assert not env.step(env.task.safe_action())[2]


def test_a_box_on_its_goal_is_a_success():
    env = TaskEnv("push")
    env.reset(options={"state": [0.3, 0.3, 0.1, -0.1, 0.4, 0.1, -0.1, 0.4]})
    results = [env.step(np.zeros(2)) for _ in range(needed(env))]
    assert [result[2] for result in results] == [False] * (len(results) - 1) + [True]


LIMITED = ("push", "drone", "block_pick")


@pytest.mark.parametrize(
    "env",
    [pytest.param(t, marks=() if t in LIMITED else pytest.mark.slow) for t in TASKS],
    indirect=True,
)
def test_the_time_limit_truncates(env):
    env.reset(seed=2)
    last = round(env.task.time_limit / env.task.dt)
    for step in range(1, last + 1):
        _, _, terminated, truncated, info = env.step(env.task.safe_action())
        assert truncated is (step == last)
        assert not terminated
        assert not info["success"]
    env.reset()
    assert env.step(env.task.safe_action())[3] is False


@pytest.mark.parametrize("task", TASKS)
def test_it_renders_through_the_camera(task):
    env = TaskEnv(task, render_mode="rgb_array", width=64, height=48)
    env.reset(seed=0)
    try:
        image = env.render()
    except CameraError as error:
        pytest.skip(str(error))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image.std() > 1
    env.close()
    env.close()
    assert (env.render() == image).all()  # it can still be used
    env.close()


def test_without_a_render_mode_nothing_is_drawn(env):
    env.reset(seed=0)
    assert env.render() is None
