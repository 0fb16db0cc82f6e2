"""Latent world models of a task's images: what they learn, tell and plan, and who hears them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from in_process import covary_here

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from hand_eyes import hand_card  # noqa: E402
from looked_at import LookedAt  # noqa: E402
from made_models import train  # noqa: E402

from covary.nodes import messages  # noqa: E402
from covary.nodes.launching.launch_file import read_assignments  # noqa: E402
from covary.nodes.parameters import ParameterError  # noqa: E402
from covary.nodes.training.recipe import find_recipe, read_recipe  # noqa: E402
from covary.perception.latent_observer import LatentObserver, correction  # noqa: E402
from covary.perception.latent_task import LatentTask, is_latent  # noqa: E402
from covary.perception.learned_dynamics import LearnedDynamics  # noqa: E402
from covary.perception.learning.seen_states import Renderer  # noqa: E402
from covary.perception.model_card import read_model_card, write_model_card  # noqa: E402
from covary.perception.observer import Stillness  # noqa: E402
from covary.planners.mppi import MPPI  # noqa: E402
from covary.planners.planner_node import PlannerNode  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.task_messages import command_message, state_message  # noqa: E402

TASK = load_task("push")
PIXELS = 32
SMALL = ("task:=push", "interaction:=150", f"heightmap:={PIXELS}", "steps:=2", "batch:=8",
         "width:=16", "channels:=8", "fields:=2", "unroll:=2", "horizon:=3", "evaluation:=8",
         "validate_every:=2")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A contrastive model that was trained for a moment."""
    out = tmp_path_factory.mktemp("latent") / "model"
    code, said = train("sen", *SMALL, f"out:={out}")
    assert code == 0, said
    assert f"perception:={out} model:={out}" in " ".join(said.split())
    return out


@pytest.fixture(scope="module")
def dynamics(folder):
    return LearnedDynamics.of(TASK, str(folder))


def test_a_folder_tells_latents_and_where_they_plan(folder):
    card = read_model_card(folder)
    assert is_latent(card) and card.method == "sen" and card.task == "push"
    assert card.equivariance["before"] < 1e-4 and card.equivariance["after"] < 1e-4
    assert set(card.files) >= {"estimate.onnx", "step.onnx", "told.onnx", "correct.onnx"}
    wanted = {"step_1_hits_at_10", "distance_error", "test_box_yaw", "told_3_box_yaw"}
    assert wanted <= set(card.metrics) and (folder / "foreseen.png").is_file()


def test_a_training_that_stops_while_latents_settle_goes_on_to_the_same_filter(tmp_path):
    longer = {"steps:=2": "steps:=4", "validate_every:=2": "validate_every:=1"}
    words = [*(longer.get(word, word) for word in SMALL), "settled:=0.5"]
    made = []
    for name, stops in (("whole", 0), ("killed", 3)):
        asked = read_assignments([*words, f"out:={tmp_path / name}"])
        recipe = read_recipe(find_recipe("sen"), asked)
        if stops:
            moments = recipe.kind.begin(recipe).moments()
            for _ in range(stops):  # it is killed after a checkpoint
                next(moments)
        training = recipe.kind.begin(recipe)
        for _ in training.moments():
            pass
        assert training.resumed == stops
        made.append(training.method)
    whole, again = made
    for one, other in ((whole.model, again.model), (whole.correction, again.correction)):
        for name, w in one.state_dict().items():
            assert torch.equal(w, other.state_dict()[name])
    assert any(w.abs().max() > 0 for w in whole.correction.parameters())


def test_moved_latents_have_moved_futures_equal_costs_and_moved_plans(dynamics):
    task, rng = dynamics.task, np.random.default_rng(0)
    x = task.initial_state(rng)
    x[: task.latent_width] += 0.1 * rng.standard_normal(task.latent_width)
    actions = task.limits.project(rng.uniform(-0.25, 0.25, (8, 5, 2)))
    costs, states = np.empty((1, 8)), np.empty((1, 8, 5, len(x)))
    dynamics.rollout(x, actions, costs, states)
    planner = MPPI(dynamics, samples=16, horizon=5, iterations=2, knots=5)
    plan, _ = planner.plan(x, 0.0, planner.initial_memory(0))
    symmetry, also = task.symmetry, np.empty_like(costs)
    assert symmetry.group.name == "D4"
    for g in symmetry.group.elements:
        moved, there = symmetry.act(g, state=x, action=actions), np.empty_like(states)
        dynamics.rollout(*moved, also, there)
        np.testing.assert_allclose(also, costs, rtol=1e-5)
        np.testing.assert_allclose(there, symmetry.act(g, state=states), atol=1e-5)
        again, _ = planner.plan(moved[0], 0.0, planner.initial_memory(0))
        np.testing.assert_allclose(again.actions, symmetry.act(g, action=plan.actions), atol=1e-4)
    told = task.told(x)
    assert float(task.running_cost(x, actions[0, 0])) == pytest.approx(
        float(TASK.running_cost(told, actions[0, 0]))
    )
    np.testing.assert_array_equal(told[TASK.goal_slice], x[task.goal_slice])


class World(LookedAt):
    """A perception node in latents, and someone who shows it states."""

    def __init__(self, folder, **params):
        self.renderer = Renderer(TASK, {"heightmap": PIXELS})
        known = {"task": "push", "perception": str(folder), "model": str(folder)}
        super().__init__(True, **{**known, **params})

    def moment(self, time, x, u, image=None):
        pixels = self.renderer.look(x)[0][0] if image is None else image
        pixels = np.ascontiguousarray(pixels, np.float32)
        header = messages.Header(stamp=messages.stamp(time), frame_id="")
        self.put(
            "/camera/heightmap/image_raw",
            messages.Image(
                header=header, height=len(pixels), width=len(pixels), encoding="32FC1",
                is_bigendian=0, step=4 * len(pixels), data=pixels.reshape(-1).view(np.uint8),
            ),
        )  # fmt: skip
        hidden = np.full(len(x), np.nan)
        hidden[TASK.goal_slice] = x[TASK.goal_slice]
        self.put("/state", state_message(TASK.state_names, time, 0, hidden))
        self.put("/command", command_message(TASK, time, u))
        found = []
        while (taken := self.heard.take()) is not None:
            found.append(messages.deserialize(taken[0], "covary_msgs/msg/State"))
        return found

    def said(self):
        newest = None
        while (taken := self.told.take()) is not None:
            newest = messages.deserialize(taken[0], "diagnostic_msgs/msg/DiagnosticArray")
        (status,) = newest.status
        return status


def test_the_node_tells_latents_corrected_by_what_was_foretold(folder, dynamics):
    world, rng = World(folder), np.random.default_rng(1)
    x, u = TASK.initial_state(rng), np.array([0.1, 0.0])
    (first,) = world.moment(0.0, x, u)
    assert list(first.name) == list(dynamics.task.state_names)
    assert first.name[0] == "latent.0" and first.name[-1] == "goal_yaw"
    np.testing.assert_array_equal(first.value[-3:], x[TASK.goal_slice])
    later = x + np.array([0.005, 0, 0, 0, 0, 0, 0, 0])
    (second,) = world.moment(TASK.dt, later, u)
    world.renderer.plant.reset(later)
    seen, _ = world.node.eyes.estimate(world.renderer.look(later)[0][0])
    foretold = dynamics.next_state(first.value, u)[:-3]
    wanted = correction(folder, read_model_card(folder))(foretold, seen)
    np.testing.assert_allclose(second.value[:-3], wanted, atol=1e-6)
    values = {v.key: float(v.value) for v in world.said().values}
    assert values["anomaly"] > 0 and values["uncertainty"] >= 0
    # What shows nothing, and what nobody expected.
    assert world.moment(2 * TASK.dt, x, u, np.zeros((PIXELS, PIXELS))) == []
    assert "shows nothing" in world.said().message
    assert len(world.moment(3 * TASK.dt, x, u)) == 1
    assert world.moment(4 * TASK.dt, x, u, np.full((8, 8), 0.01)) == []
    assert "8 x 8 x 1; the model sees 32 x 32 x 1" in world.said().message


def test_periods_without_an_image_make_a_latent_less_sure(dynamics):
    task, usual = dynamics.task, np.full(dynamics.task.latent_width, 0.1)
    observer = LatentObserver(task, dynamics, lambda foretold, seen: seen, usual)
    goal, u, value = np.zeros(3), np.zeros(2), np.zeros(task.latent_width)
    sure = observer.update(goal, u, value, usual)
    for _ in range(3):
        observer.skip(u)
    surprised = observer.update(goal, u, value + 100.0, usual, limit=1.0)
    assert surprised.anomaly > 1.0  # so what is seen is not taken in
    np.testing.assert_allclose(surprised.deviation, np.sqrt(5.0) * sure.deviation)
    expected = observer.ahead(observer.state, u)[observer.places]
    far = observer.update(goal, u, expected + np.sqrt(5.0) * usual, usual)
    assert far.anomaly == pytest.approx(1.0)
    np.testing.assert_allclose(far.deviation, sure.deviation)


def test_a_model_that_drifts_makes_no_frozen_image_of_a_scene_at_rest():
    class Following:
        task, places, drifts = TASK, [0], True
        model = state = np.zeros(2)

        def ahead(self, state, action):
            return state + 0.1 + action

        def apart(self, value, state):
            return value - state[self.places]

    image = np.ones((1, 4, 4), np.float32)
    for action, frozen in ((np.zeros(2), False), (np.array([0.1, 0.0]), True)):
        still = Stillness(Following(), 10)
        found = [still.frozen(image, action, np.array([0.1])) for _ in range(20)]
        assert found[-1] is frozen


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "numba", "planned_with": "numba"}, "only a planner with model:="),
        ({"planned_with": ""}, "knows, not a policy"),
        ({"model": "numba"}, "knows, not foretold_by:=numba"),
        ({"joint_states": True}, "of which joints are none"),
        ({"task": "reacher"}, "a model of push is not one of reacher"),
    ],
)
def test_latents_are_for_their_own_model_alone(folder, given, said):
    with pytest.raises(Exception, match=re.escape(said)):
        World(folder, **given)


def test_a_planner_takes_a_model_of_images_only_with_its_latents(folder):
    block = {"plugin": "mppi", "samples": 16, "horizon": 4, "knots": 4}
    asked = PlannerNode.Parameters("push", block, model=str(folder), estimated=True)
    planner = PlannerNode.check(asked)
    assert isinstance(planner.task, LatentTask)
    for changes, said in (
        ({"estimated": False}, "which only a launch has: perception:="),
        ({"symmetry": "C8"}, "C8 is no subgroup of D4"),
        ({"symmetry_mode": "memory"}, "it needs states of the task"),
    ):
        with pytest.raises(ParameterError, match=said):
            PlannerNode.check(replace(asked, **changes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fields": "many"}, "fields: 'many' is no number of fields"),
        ({"start": [0.0]}, "one number for each of 1"),
    ],
)
def test_a_card_that_says_something_else_is_refused_in_a_line(folder, tmp_path, change, said):
    card = read_model_card(folder)
    for file in card.files:
        (tmp_path / file).symlink_to(folder / file)
    write_model_card(tmp_path, replace(card, facts={**card.facts, **change}))
    with pytest.raises(ParameterError, match=said):
        World(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("task:=push", "world:=shapes", "interaction:=9"), "a model is of one of them"),
        (("interaction:=9",), "none is named: task:=NAME"),
        (("task:=push",), "nothing to learn from"),
        (("task:=reacher", "interaction:=150"), "no image tells shoulder_rate"),
        (("task:=push", "interaction:=150", "unroll:=99"), "no episode is so long"),
        (
            ("task:=push", "interaction:=150", "images:=40", "heightmap:=32", "horizon:=99"),
            "horizon:=99: no test episode is so long",
        ),
        (("world:=shapes", "world_options:={rng: 5}"), "'rng'; it takes group"),
        (("world:=shapes", "episodes:=1000000000000"), "are more than 10000000 transitions"),
        (("world:=shapes", "symmetry:=C3"), "command line: symmetry:=C3: symmetry: shapes"),
        (("world:=rush_hour",), "sen.yaml:3: actions: rush_hour has no action 'up'"),
        (("task:=push", "interaction:=99", "heightmap:=17"), "heightmap:=17: heightmap: images of"),
        (("task:=push", "interaction:=99", "heightmap:=16", "pool:=3"), "pool:=3: pool: 16 x 16"),
    ],
)
def test_what_cannot_be_learned_is_said_in_a_line(tmp_path, words, said):
    code, out = train("sen", *words, "steps:=1", f"out:={tmp_path / 'out'}")
    assert code == 2 and said in out and not (tmp_path / "out").exists()


def test_a_task_without_angles_tells_no_directions(tmp_path):
    words = ("task:=point_mass", "interaction:=150", "images:=40", "heightmap:=16", "frames:=2")
    few = ("steps:=1", "batch:=4", "width:=8", "unroll:=2", "horizon:=2", "evaluation:=5")
    code, out = train("sen", *words, *few, f"out:={tmp_path / 'seen'}")
    assert code == 0, out
    dynamics = LearnedDynamics.of(load_task("point_mass"), str(tmp_path / "seen"))
    z, action = np.zeros(len(dynamics.task.state_names)), np.zeros(2)
    assert np.isfinite(dynamics.next_state(z, action)).all()
    assert np.isfinite(dynamics.task.running_cost(z, action))


def test_a_model_of_a_pixel_world_is_none_of_a_task(tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    made = {"task": "shapes", "state_names": (), "action_names": (), "dt": 0.0}
    write_model_card(card, replace(hand_card("push", 32), **made, does=("encodes", "predicts")))
    with pytest.raises(ParameterError, match="a model of shapes knows no task's state"):
        LearnedDynamics.of(TASK, str(card))


@pytest.mark.slow
def test_the_whole_chain_runs_on_latents(tmp_path, folder):
    words = (f"heightmap:={PIXELS}", f"perception:={folder}", f"model:={folder}", "samples:=16")
    few = ("horizon:=4", "knots:=4", "iterations:=1", "episodes:=1")
    done = covary_here(tmp_path, "launch", "push.yaml", "--lockstep", *words, *few)
    assert done.returncode == 0, done.stdout + done.stderr
