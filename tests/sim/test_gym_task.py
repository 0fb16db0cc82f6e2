"""A Gymnasium environment as task and plant: seeds, limits, rewards, success, bad ids."""

import sys

import gymnasium
import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.sim.engines.engine import EngineError
from covary.sim.gym import environments
from covary.sim.gym.environments import facts, nearest_id
from covary.sim.gym.gym_plant import episode_seed
from covary.sim.gym.gym_task import GymTask
from covary.sim.load_task import load_task

SPEC = "covary.sim.gym.gym_task:GymTask"
KNOWN = (
    *("FetchPickAndPlace-v4", "FetchReach-v4", "PointMaze_UMaze-v3"),
    *("Reacher-v5", "InvertedPendulum-v5", "Pendulum-v1"),
)
pytest.importorskip("gymnasium_robotics")


@pytest.fixture(params=KNOWN)
def plant(request):
    plant = load_task(SPEC, {"env_id": request.param}).plant()
    yield plant
    plant.close()


def rng(index, seed=7):
    return np.random.default_rng([seed, index])


def some(task, count, seed=0):
    return np.random.default_rng(seed).uniform(
        *task.limits.bound(), (count, len(task.action_names))
    )


def run(plant, index, actions):
    """States, costs and physics of an episode."""
    plant.begin(rng(index))
    out = [plant.state()]
    for u in actions:
        plant.apply(u)
        plant.step()
        out += [plant.state(), np.array([plant.cost(u)]), plant.physics_state()]
    return np.concatenate(out)


def test_what_stands_in_the_state_is_what_gymnasium_shows(plant):
    task, env = plant.task, gymnasium.make(plant.task.env_id)
    observation, _ = env.reset(seed=episode_seed(rng(3)))
    plant.begin(rng(3))
    cost = 0.0
    for u in some(task, 5):
        seen = observation if isinstance(observation, dict) else {"": observation}
        shown = [seen[key] for key in task.facts.keys] or [observation]
        np.testing.assert_array_equal(plant.state(), np.concatenate(shown))
        observation, reward, terminated, truncated, _ = env.step(u.astype(np.float32))
        plant.apply(u)
        plant.step()
        assert plant.cost(u) == -reward
        assert plant.over == (terminated or truncated)
        if plant.over:
            break
        cost += reward
    assert len(task.state_names) == len(set(task.state_names)) == len(plant.state())
    env.close()


def test_an_episode_is_a_function_of_seed_and_number_whatever_came_before(plant):
    actions = some(plant.task, 3)
    first = run(plant, 4, actions)
    run(plant, 0, some(plant.task, 3, seed=1))
    np.testing.assert_array_equal(run(plant, 4, actions), first)
    fresh = plant.task.plant()
    np.testing.assert_array_equal(run(fresh, 4, actions), first)
    np.testing.assert_array_equal(plant.task.initial_state(rng(4)), first[: len(plant.state())])
    assert not np.array_equal(run(fresh, 5, actions), first)
    fresh.close()


OTHERS = (
    *("Ant-v5", "Hopper-v5", "Pusher-v5", "HandReach-v3", "AdroitHandDoor-v1"),
    *("AntMaze_UMaze-v5", "MountainCarContinuous-v0"),
)


@pytest.mark.parametrize("env_id", OTHERS)
def test_others_need_no_declaration_to_run_and_to_run_again(env_id):
    task = load_task(SPEC, {"env_id": env_id})
    plant, actions = task.plant(), some(task, 4)
    once = run(plant, 2, actions)
    run(plant, 0, actions[:1])
    assert np.isfinite(once).all() and task.symmetry.group.order == 1
    np.testing.assert_array_equal(run(plant, 2, actions), once)
    plant.close()


def test_nothing_that_is_not_finite_reaches_it(plant):
    plant.begin(rng(0))
    before, tick = plant.physics_state(), plant.tick
    for bad in (np.nan, np.inf):
        u = plant.task.safe_action()
        u[-1] = bad
        plant.apply(u)
        with pytest.raises(ValueError, match="not finite"):
            plant.step()
    np.testing.assert_array_equal(plant.physics_state(), before)
    assert plant.tick == tick


def test_limits_are_those_of_its_action_space(plant):
    low, high = plant.task.limits.bound()
    space = plant.env.action_space
    np.testing.assert_array_equal(low, space.low)
    np.testing.assert_array_equal(high, space.high)
    projected = plant.task.limits.project(1e3 * np.ones(len(low)))
    assert space.contains(projected.astype(space.dtype))
    safe = plant.task.safe_action()
    np.testing.assert_array_equal(safe, np.zeros(len(low)))


def test_a_period_lasts_as_long_as_its_clock_says():
    periods = {"Reacher-v5": 0.02, "FetchReach-v4": 0.04, "Pendulum-v1": 0.05}
    # It says 50 frames a second, and advances by 10 ms.
    periods["PointMaze_UMaze-v3"] = 0.01
    for env_id, dt in periods.items():
        assert (facts(env_id).dt, GymTask(env_id).physics_dt) == (dt, dt)


def test_time_runs_out_when_the_environment_says():
    task = GymTask("Reacher-v5")
    assert task.time_limit == pytest.approx(50 * 0.02)
    plant = task.plant()
    plant.begin(rng(0))
    for step in range(1, 51):
        plant.step()
        assert plant.over is (step == 50)


def test_a_pendulum_that_stands_until_the_end_is_a_success_and_one_that_falls_is_none():
    task = GymTask("InvertedPendulum-v5")
    plant = task.plant()
    plant.begin(rng(0))
    gains = np.array([0.72, 6.83, 0.92, 1.08])  # of the optimal linear feedback
    while not plant.over:
        assert not plant.success()
        plant.apply(task.limits.project(np.array([gains @ plant.state()])))
        plant.step()
    assert plant.tick == task.facts.steps and plant.success()
    plant.begin(rng(0))
    plant.apply(np.array([3.0]))
    while not plant.over:
        plant.step()
    assert plant.tick < 10 and not plant.success()


def test_a_flag_of_the_environment_is_its_success():
    plant = GymTask("FetchReach-v4").plant()
    plant.begin(rng(0))
    while not plant.success() and not plant.over:
        x = plant.state()
        assert np.linalg.norm(x[-6:-3] - x[-3:]) >= 0.05
        plant.apply(plant.task.limits.project(np.append(10 * (x[-3:] - x[-6:-3]), 0.0)))
        plant.step()
    x = plant.state()
    assert np.linalg.norm(x[-6:-3] - x[-3:]) < 0.05


def test_only_its_own_physics_and_its_own_model():
    task = GymTask("Reacher-v5")
    with pytest.raises(EngineError, match="Reacher-v5 brings its own physics"):
        task.plant("pybullet")
    with pytest.raises(ValueError, match="of another version"):
        task.plant("mujoco", task.model_text().replace("gymnasium 1", "gymnasium 0"))
    with pytest.raises(ValueError, match="begins where its seed says"):
        task.plant().reset(np.zeros(10))


def test_what_cannot_be_a_task_is_one_line():
    for env_id, said in {
        "Fetchpick": "did you mean FetchPickAndPlace-v4?",
        "FetchPickAndPlac-v4": "did you mean FetchPickAndPlace-v4?",
        "reacher": "did you mean Reacher-v5?",
        "Reacher-v99": "did you mean Reacher-v5?",
        "zzzz": "one of yours is written my_file:MyEnv-v0",
        "CartPole-v1": "its action is Discrete(2); a Box of one axis is needed",
        "FrankaKitchen-v1": "a Box of one axis is needed",
        "no_such_module:Env-v0": "no_such_module",
    }.items():
        with pytest.raises(ParameterError) as caught:
            load_task(SPEC, {"env_id": env_id})
        text = str(caught.value)
        assert text.startswith("env_id: ") and said in text and "\n" not in text, text
        assert caught.value.key == "task_options.env_id"


def test_an_id_is_needed():
    with pytest.raises(ParameterError, match=r"GymTask' needs the option 'env_id'"):
        load_task(SPEC)


def test_without_gymnasium_robotics_it_says_what_to_type(monkeypatch):
    env_id = "FetchReach-v4"
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    monkeypatch.delitem(gymnasium.registry, env_id, raising=False)
    with pytest.raises(ParameterError, match="pip install gymnasium-robotics") as caught:
        environments.make(env_id)
    assert "\n" not in str(caught.value)


def test_the_nearest_id_is_the_newest_version():
    known = ["Reacher-v4", "Reacher-v5", "ReacherLong-v1", "Pusher-v5"]
    assert nearest_id("reacher", known) == "Reacher-v5"
    assert nearest_id("Pushr-v1", known) == "Pusher-v5"
    assert nearest_id("zzz", known) == ""
    assert nearest_id("", known) == ""


def test_a_module_of_ones_own_registers_its_environment(tmp_path, monkeypatch):
    (tmp_path / "own_env.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    task = GymTask("own_env:Own-v0")
    assert (task.dt, task.facts.steps, task.safe_action().tolist()) == (0.05, 7, [1.5])
    plant = task.plant()
    plant.begin(rng(0))
    plant.apply(np.array([2.0]))
    plant.step()
    assert plant.state().tolist() == [2.0] and plant.cost(np.zeros(1)) == -2.0
    assert len(plant.physics_state()) == 0 and plant.joints()[0].size == 0
    monkeypatch.delitem(gymnasium.registry, "Own-v0")


OWN = """
import gymnasium
import numpy as np


class Own(gymnasium.Env):
    action_space = gymnasium.spaces.Box(1.0, 2.0, (1,))
    observation_space = gymnasium.spaces.Box(-9.0, 9.0, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return action, float(action[0]), False, False, {}


gymnasium.register("Own-v0", Own, max_episode_steps=7)
"""
