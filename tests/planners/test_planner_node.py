"""The planner node on a local bus: an answer to every state, budgets, late policies, bad states."""

import sys

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.parameter_services import ParameterClient
from covary.nodes.parameters import ParameterError
from covary.nodes.plugin import PluginError
from covary.nodes.run import build
from covary.planners.plan import Plan, late_actions
from covary.sim.task_messages import plan_actions, state_message
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
PLANNER = {"plugin": "mppi", "samples": 64, "horizon": 10, "knots": 4}


class World:
    """A planner node, someone who sends states, and all plans that come back."""

    def __init__(self, realtime=False, folder=None, **params):
        self.graph = LocalGraph()
        spec = {
            "exec": "planner_node",
            "name": "planner",
            "realtime": realtime,
            "run_folder": folder and str(folder),
            "params": {"task": "point_mass", "planner": PLANNER, **params},
        }
        self.node = build(spec, LocalBus(self.graph, "planner"))
        self.node.configure()
        self.node.start()
        outside = LocalBus(self.graph, "outside")
        self.states = outside.publisher("covary_msgs/msg/State", "/state")
        self.plans = outside.subscribe("trajectory_msgs/msg/JointTrajectory", "/plan", 0)
        self.told = outside.subscribe("diagnostic_msgs/msg/DiagnosticArray", "/diagnostics", 0)

    def send(self, time, x, episode=0):
        self.states.put(messages.serialize(state_message(TASK.state_names, time, episode, x)))
        while self.graph.step():
            pass
        taken = self.plans.take()
        if taken is None:
            return None
        message = messages.deserialize(taken[0], "trajectory_msgs/msg/JointTrajectory")
        return plan_actions(TASK, message)

    def figures(self):
        """The stamp, the status and the values of the oldest diagnostics not yet looked at."""
        message = messages.deserialize(self.told.take()[0], "diagnostic_msgs/msg/DiagnosticArray")
        (status,) = message.status
        values = {value.key: float(value.value) for value in status.values}
        return messages.seconds(message.header.stamp), status, values


def start(seed=0):
    return TASK.initial_state(np.random.default_rng(seed))


def test_every_state_is_answered_with_its_own_stamp():
    world = World()
    for tick in range(5):
        time, dt, actions = world.send(tick * TASK.dt, start())
        assert time == pytest.approx(tick * TASK.dt) and dt == pytest.approx(TASK.dt)
        assert actions.shape == (10, 2) and TASK.limits.violation(actions).max() < 1e-9
    assert world.node.stats["plans"] == 5


def test_a_new_episode_begins_with_a_new_memory():
    world, fresh = World(), World()
    world.send(0.0, start(1), episode=0)
    world.send(0.05, start(1), episode=0)
    later = world.send(1.0, start(2), episode=1)[2]
    np.testing.assert_array_equal(later, fresh.send(1.0, start(2), episode=1)[2])
    assert np.abs(later - World().send(1.0, start(2), episode=2)[2]).max() > 1e-6


def test_a_state_that_is_not_finite_gets_no_plan_and_the_next_one_does():
    world = World()
    assert world.send(0.0, np.full(6, np.nan)) is None
    assert world.send(0.05, start()) is not None


def test_statistics_say_what_was_really_evaluated(tmp_path):
    world = World(folder=tmp_path, planner={**PLANNER, "samples": 96, "iterations": 3})
    world.send(0.0, start())
    stats = world.node.stats
    assert (stats["samples"], stats["horizon"], stats["iterations"]) == (96, 10, 3)
    world.node.write_stats()
    assert set(stats["plan_ms"]) == {"p50", "p99"}
    assert (tmp_path / "planner.json").is_file()


@pytest.mark.parametrize("policy", ["replay", "hold", "brake"])
def test_a_late_plan_is_published_as_the_policy_says(policy):
    world = World(realtime=True, budget_ms=1e-6, late_policy=policy)
    _, _, actions = world.send(0.0, start())
    assert world.node.stats["overruns"] == 1
    same = np.abs(actions - actions[0]).max() == 0.0
    assert same == (policy != "replay")
    assert (np.abs(actions).max() == 0.0) == (policy == "brake")


def test_behind_the_barrier_the_budget_is_ignored():
    world = World(budget_ms=1e-6, late_policy="brake")
    assert np.abs(world.send(0.0, start())[2]).max() > 0
    assert world.node.stats["overruns"] == 0


KNOWN = {"iterations", "samples", "best_cost", "mean_cost", "effective_samples", "temperature"}


def test_each_plan_is_told_of_and_behind_the_barrier_by_nothing_that_a_wall_clock_measured():
    world, again = World(budget_ms=1e-6), World()
    for tick in range(2):
        world.send(tick * TASK.dt, start())
        time, status, values = world.figures()
        assert time == pytest.approx(tick * TASK.dt)
        assert (status.name, status.level) == ("/planner: plans", 0) and set(values) == KNOWN
        assert 1.0 <= values["effective_samples"] <= 64 and values["iterations"] == 1
        again.send(tick * TASK.dt, start())
        assert again.figures()[2] == values
    assert world.told.take() is None


def test_in_real_time_latency_and_budget_are_told_too_and_late_plans_are_marked():
    world = World(realtime=True, budget_ms=1e-6)
    world.send(0.0, start())
    _, status, values = world.figures()
    assert set(values) == KNOWN | {"latency_ms", "budget_used"}
    assert values["budget_used"] > 1.0 and (status.level, status.message) == (1, "late")


def test_what_a_planner_that_knows_no_figures_can_tell():
    world = World(planner={"plugin": "uniform"})
    world.send(0.0, start())
    assert world.figures()[2] == {}


def test_the_equivariance_error_is_measured_when_it_is_its_turn():
    world = World(error_every=3)
    errors = []
    for tick in range(7):
        world.send(tick * TASK.dt, start())
        errors.append(world.figures()[2].get("equivariance_error"))
    assert [error is not None for error in errors] == [False, False, True] * 2 + [False]
    assert max(error for error in errors if error is not None) < 1e-9
    same = World()
    for tick in range(7):
        same.send(tick * TASK.dt, start())
    np.testing.assert_array_equal(world.node.memory.mean, same.node.memory.mean)  # a mere look


def test_in_real_time_a_plan_ends_when_no_further_iteration_would_fit():
    """By a clock that the rollouts move on: each iteration takes 30 ms of the 100."""
    world = World(realtime=True, planner={**PLANNER, "plugin": "cem", "iterations": 20})
    now, rollout = [0.0], world.node.planner.dynamics.rollout

    def timed(*of):
        now[0] += 0.03
        rollout(*of)

    world.node.planner.dynamics.rollout = timed
    world.node.planner.budget._clock = lambda: now[0]
    done = []
    for tick in range(12):
        world.send(tick * TASK.dt, start())
        done.append(world.figures()[2]["iterations"])
    assert done[-1] == 3
    world.node.write_stats()
    assert world.node.stats["iterations_done"]["least"] <= 3
    calm = World(planner={**PLANNER, "iterations": 5}, budget_ms=1e-6)
    calm.send(0.0, start())
    assert calm.figures()[2]["iterations"] == 5


def test_hold_holds_the_action_for_now():
    plan = Plan(0.0, 0.05, np.arange(5.0)[:, None] * np.ones(2), 0.0)
    np.testing.assert_array_equal(late_actions(TASK, plan, 0.12, "hold"), np.full((5, 2), 2.0))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"planner": {"samples": 64}}, "needs a plugin"),
        ({"planner": {"plugin": "mppi", "sampels": 64}}, "did you mean samples"),
        ({"symmetry": "C3"}, "no subgroup of D8"),
        ({"late_policy": "pray"}, "replay, hold, brake"),
        ({"planner": {**PLANNER, "samples": 3}}, "less than one orbit"),
        ({"planner": {**PLANNER, "samples": 10**12}}, "GiB of memory; at most 8"),
        ({"planner": {**PLANNER, "horizon": 10**9}}, "is too many; at most 10000"),
        ({"planner": {**PLANNER, "plugin": None}}, "None is not text"),
        ({"seed": -1}, "seed: -1 must be at least 0"),
        ({"seed": 2**64}, "has more than 64 bits"),
    ],
)
def test_bad_parameters_are_one_line(params, message):
    with pytest.raises(ParameterError, match=message) as caught:
        World(**params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    pass", "is no planner; it lacks Parameters, initial_memory, plan"),
        ("(MPPI):\n    def __init__(self, *a, **k): raise KeyError('x')", "be built .KeyError"),
        ("(MPPI):\n    def __init__(self, *a, **k): raise SystemExit(0)", "built .SystemExit"),
        ("(MPPI):\n    def plan(self): pass", "its first plan failed .TypeError"),
        ("(MPPI):\n    def plan(self, *a): raise OSError('1\\n2')", "failed .OSError: 1 2.$"),
        ("(MPPI):\n    def plan(self, *a): return None", "its first plan failed .TypeError"),
    ],
)
def test_an_outsiders_planner_fails_in_one_line(tmp_path, monkeypatch, body, message):
    head = body if body.startswith("(") else f":\n{body}"
    text = f"from covary.planners.mppi import MPPI\nclass Broken{head}\n"
    (tmp_path / "their_broken_planner.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_broken_planner", raising=False)
    with pytest.raises(PluginError, match=message) as caught:
        World(planner={**PLANNER, "plugin": "their_broken_planner:Broken"})
    assert "\n" not in str(caught.value)


def test_options_stand_above_everything_else_and_are_named_when_they_are_wrong():
    options = {"samples": 32, "noise_law": "sobol"}
    planner = World(planner_options=options, tuned={"sampling": {"samples": 80}}).node.planner
    assert planner.parameters.samples == 32 and planner.parameters.noise_law == "sobol"
    for wrong, said in (
        ({"noise_lav": "sobol"}, "noise_law"),
        ({"noise_law": "sobl"}, "did you mean sobol"),
        ({"plugin": "cem"}, "not plugin"),
    ):
        with pytest.raises(ParameterError, match=said) as raised:
            World(planner_options=wrong)
        assert raised.value.key.startswith("planner_options")


def test_several_models_are_drawn_about_the_tasks_own():
    dynamics = World(models=5, model_spread=0.3).node.planner.dynamics
    assert dynamics.models == 5
    assert World(models=3, model="mujoco", threads=2).node.planner.dynamics.models == 3
    for wrong in ({"threads": 2}, {"threads": 0, "model": "mujoco"}):
        with pytest.raises(ParameterError, match="threads: "):
            World(**wrong)


def test_what_is_tuned_for_an_algorithm_reaches_it_and_its_children():
    tuned = {"mppi": {"temperature": 0.7}, "cem": {"elite_fraction": 0.3}}
    assert World(tuned=tuned).node.planner.parameters.temperature == 0.7
    assert World(tuned=tuned, planner={**PLANNER, "plugin": "cem"}).node.planner.elites == 19


def test_a_plan_that_is_not_finite_is_not_published(tmp_path, monkeypatch):
    (tmp_path / "nan_planner.py").write_text(
        "import dataclasses, numpy\n"
        "from covary.planners.mppi import MPPI\n"
        "class Broken(MPPI):\n"
        "    def plan(self, state, time, memory):\n"
        "        plan, memory = super().plan(state, time, memory)\n"
        "        return dataclasses.replace(plan, actions=plan.actions * numpy.nan), memory\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    world = World(planner={**PLANNER, "plugin": "nan_planner:Broken"})
    assert world.send(0.0, start()) is None
    assert world.node.stats["plans"] == 1


def client(world):
    return ParameterClient(LocalBus(world.graph, "person"), "planner")


def test_a_parameter_that_is_set_takes_effect_with_the_next_plan():
    world = World()
    offered = {d.name: d for d in client(world).read()}
    assert {"samples", "horizon", "iterations", "knots", "noise", "temperature", "spline"} <= set(
        offered
    )
    assert offered["samples"].about == "Rollouts in each iteration, orbits included."
    world.send(0.0, start())
    for name, value in (("samples", 96), ("iterations", 2), ("horizon", 14), ("noise", 1)):
        assert client(world).set(name, value) == ""
    assert world.send(0.05, start())[2].shape == (14, 2)
    stats = world.node.stats
    assert (stats["samples"], stats["horizon"], stats["iterations"]) == (96, 14, 2)
    assert world.node.planner.parameters.noise == 1.0 and stats["retuned"] == 4


def test_what_the_planner_remembers_outlives_a_change_that_leaves_its_shape():
    world = World()
    for tick in range(3):
        world.send(tick * TASK.dt, start())
    before = world.node.memory
    assert client(world).set("samples", 128) == "" and world.node.memory is before
    assert client(world).set("horizon", 12) == ""
    assert world.node.memory.mean.shape == (12, 2) and world.node.memory.draws == before.draws


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("samples", 3, "samples: 3 is less than one orbit"),
        ("samples", 10**12, "GiB of memory"),
        ("samples", 0.5, "0.5 is not a whole number"),
        ("samples", "many", "'many' is not a whole number"),
        ("horizon", 0, "must be at least 1"),
        ("temperature", -1.0, "must be positive"),
        ("noise", float("nan"), "not finite"),
        ("noise", float("inf"), "not finite"),
        ("spline", "bent", "bent"),
        ("plugin", "cem", "no parameter 'plugin'"),
    ],
)
def test_a_parameter_that_is_refused_changes_nothing(name, value, reason):
    world, same = World(), World()
    assert reason in client(world).set(name, value)
    for tick in range(2):
        x = start()
        np.testing.assert_array_equal(
            world.send(tick * TASK.dt, x)[2], same.send(tick * TASK.dt, x)[2]
        )


def test_a_planner_without_a_model_can_be_set_too():
    world = World(planner={"plugin": "uniform"})
    assert client(world).set("horizon", 7) == ""
    assert world.send(0.0, start())[2].shape == (7, 2)
    assert "at least 1" in client(world).set("horizon", 0)


def test_a_planner_that_would_fail_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "moody_planner.py").write_text(
        "from covary.planners.mppi import MPPI\n"
        "class Moody(MPPI):\n"
        "    def plan(self, state, time, memory):\n"
        "        if self.parameters.samples > 64: raise OSError('too\\nmany')\n"
        "        return super().plan(state, time, memory)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    world = World(planner={**PLANNER, "plugin": "moody_planner:Moody"})
    reason = client(world).set("samples", 128)
    assert reason == "it would not plan: OSError: too many"
    assert world.send(0.0, start()) is not None and world.node.stats["samples"] == 64


# Modes of symmetry, and what is kept from run to run.


@pytest.mark.parametrize("mode", ["off", "orbit", "canonical", "memory"])
def test_every_mode_plans_and_can_be_retuned(mode):
    world = World(symmetry_mode=mode, planner={**PLANNER, "samples": 64})
    for tick in range(3):
        assert world.send(tick * TASK.dt, start())[2].shape == (10, 2)
    assert world.node.stats["symmetry_mode"] == mode
    elements = len(getattr(world.node.planner, "elements", ()))
    assert elements == (16 if mode == "orbit" else 1)
    kind = type(world.node.planner)
    world.node.retune({"horizon": 12})
    assert type(world.node.planner) is kind
    assert world.send(3 * TASK.dt, start())[2].shape == (12, 2)
    assert world.node.planner.symmetry.group.order == (1 if mode == "off" else 16)


def test_plans_of_finished_episodes_are_kept_from_run_to_run(tmp_path):
    file = tmp_path / "plans.npz"
    world = World(symmetry_mode="memory", memory_file=str(file), memory_size=5)
    for episode in range(2):
        for tick in range(4):
            world.send(tick * TASK.dt, start(episode), episode)
    assert len(world.node.memory.canonical) == 4  # those of the first episode
    world.node.retune({"samples": 48})
    assert len(world.node.memory.canonical) == 4
    world.node.shutdown()
    again = World(symmetry_mode="memory", memory_file=str(file), memory_size=5)
    assert len(again.node.memory.canonical) == 5
    again.send(0.0, start(), 0)
    assert len(again.node.memory.canonical) == 5 and again.node.memory.inner.draws == 1
    assert len(again.node.planner.initial_memory(3).canonical) == 5  # so in `covary evaluate` too


def test_a_planner_goes_on_where_it_left_off(tmp_path):
    file = str(tmp_path / "memory.npz")
    through, first = World(), World(memory_file=file)
    for tick in range(3):
        through.send(tick * TASK.dt, start(), 4)
        first.send(tick * TASK.dt, start(), 4)
    first.node.shutdown()
    second = World(memory_file=file)
    ours = second.send(3 * TASK.dt, start(), 4)[2]
    np.testing.assert_array_equal(ours, through.send(3 * TASK.dt, start(), 4)[2])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"symmetry": "O2"}, "symmetry: O2 is continuous, which no orbit is"),
        ({"symmetry": "SE2", "symmetry_mode": "canonical"}, "symmetry: SE2: no part is a Position"),
        ({"symmetry": "C3", "symmetry_mode": "canonical"}, "symmetry: C3 is no subgroup of D8"),
        ({"symmetry_mode": "orbits"}, "symmetry_mode"),
        ({"memory_file": "plans.pkl"}, "plans.pkl does not end in .npz"),
        ({"memory_file": "absent/plans.npz"}, "memory_file: no folder"),
        ({"memory_size": 0}, "memory_size: 0 must be from 1"),
        ({"memory_distance": 0.0}, "memory_distance: 0.0 must be positive"),
        ({"symmetry_mode": "memory", "planner": {"plugin": "uniform"}}, "does not say how a group"),
    ],
)
def test_modes_that_do_not_fit_are_refused(params, said):
    with pytest.raises(ParameterError, match=said):
        World(**params)
