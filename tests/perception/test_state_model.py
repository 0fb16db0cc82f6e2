"""The learned state model: its law, what it learns from, and what a planner makes of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from in_process import covary_here
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.parameters import ParameterError
from covary.sim.load_task import load_task
from covary.sim.planner_plugin import build_dynamics, planner_of
from covary.sim.symmetry_file import SymmetryFile, write_symmetry
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from made_models import state_model, train  # noqa: E402

from covary.perception.learning import state_model as learning  # noqa: E402
from covary.perception.model_card import read_model_card  # noqa: E402
from covary.perception.model_folder import load_model  # noqa: E402
from covary.perception.world_models.state_model import StateModel  # noqa: E402

TASKS = ("point_mass", "point_masses", "reacher", "push", "cart_pole", "drone", "block_push")


def states_of(task, count=8):
    rng = np.random.default_rng(0)
    x = np.stack([task.initial_state(rng) for _ in range(count)])
    low, high = task.limits.bound()
    return x, task.limits.project(rng.uniform(low, high, (count, len(low))))


def law_error(model, task):
    """Largest difference of f(g x, g u) and g f(x, u) over the group, in the states' units."""
    x, u = states_of(task)

    def step(x, u):
        with torch.no_grad():
            return model.next_state(torch.tensor(x).float(), torch.tensor(u).float()).numpy()

    worst, here = 0.0, step(x, u)
    for g in task.symmetry.group.elements:
        there = step(*task.symmetry.act(g, state=x, action=u))
        moved = task.symmetry.act(g, state=here)
        worst = max(worst, np.abs(task.symmetry.difference("state", there, moved)).max())
    return worst


@pytest.mark.parametrize("name", TASKS)
def test_a_moved_state_and_action_give_the_moved_next_state(name):
    task = load_task(name)
    torch.manual_seed(0)
    model = StateModel(task, width=max(32, 2 * task.symmetry.group.order), depth=1)
    x, _ = states_of(task)
    model.fit(x, x + 0.01)
    assert law_error(model, task) < 1e-5


def test_the_law_holds_after_training():
    assert law_error(load_model(state_model()), load_task("reacher")) < 1e-5


@pytest.mark.slow
def test_a_free_network_breaks_the_law():
    task = load_task("reacher")
    free = load_model(state_model("reacher", "mode:=free"))
    assert law_error(free, task) > 1e-4
    relaxed = load_model(state_model("reacher", "mode:=relaxed", "augment:=true"))
    assert np.isfinite(law_error(relaxed, task))


def test_what_stands_in_the_folder():
    folder = state_model()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["equivariance"]["after"] < 1e-5 and summary["metrics"]["open_loop_10"] > 0
    done = CliRunner().invoke(build("info"), ["info", str(folder)])
    assert done.exit_code == 0 and "predicts" in done.output and "step.onnx" in done.output


def test_a_planner_takes_the_folder_as_a_model():
    task = load_task("reacher")
    dynamics = build_dynamics(task, str(state_model()), 0.8)
    x, u = states_of(task)
    with torch.no_grad():
        wanted = load_model(state_model()).next_state(
            torch.tensor(x).float(), torch.tensor(u).float()
        )
    found = dynamics.next_state(x, u)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
    np.testing.assert_array_equal(found[:, task.goal_slice], x[:, task.goal_slice])
    block = {"plugin": "mppi", "samples": 16, "horizon": 4, "knots": 2, "iterations": 1}
    for symmetry in ("full", "C4", "none"):
        planner = planner_of(task, block, {}, symmetry, str(state_model()), 0.8)
        plan, _ = planner.plan(x[0], 0.0, planner.initial_memory(0))
        assert np.isfinite(plan.actions).all()


def test_slopes_of_a_learned_model_go_with_the_group_to_the_rounding_of_float32():
    words = ["linear", "reacher", f"model:={state_model()}", "horizon:=20"]
    done = CliRunner().invoke(build("audit"), ["audit", *words])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_planner_with_a_learned_model_is_exact_to_the_rounding_of_float32():
    words = ("samples:=16", "horizon:=4", "knots:=2", f"model:={state_model()}", "--states", "1")
    done = CliRunner().invoke(build("audit"), ["audit", "planner", "reach", *words])
    assert done.exit_code == 0, done.output


def damaged(folder, copy, bytes_left):
    import shutil

    shutil.copytree(folder, copy)
    path = copy / "step.onnx"
    path.write_bytes(path.read_bytes()[:-1]) if bytes_left else path.unlink()
    return str(copy)


def test_a_folder_that_does_not_fit_is_one_line(tmp_path):
    folder = state_model()
    for task, model, said in (
        ("push", str(folder), "a model of reacher is not one of push: it has no 'shoulder'"),
        ("reacher", f"{folder}/no", "there is no such folder"),
        ("reacher", str(tmp_path), "no model: there is no model.yaml in it"),
        ("reacher", damaged(folder, tmp_path / "m", True), "truncated or changed"),
        ("reacher", damaged(folder, tmp_path / "n", False), "the same `covary train` again"),
    ):
        with pytest.raises(ParameterError, match=said) as found:
            build_dynamics(load_task(task), model, 0.8)
        assert found.value.key == "model" and "\n" not in str(found.value)


def test_what_there_is_nothing_to_learn_from_is_one_line(tmp_path):
    for words, said in (
        ((), "nothing to learn from: data:=DIR, or task:=NAME interaction:=20000"),
        (("interaction:=9",), "task:=NAME is needed"),
        (("task:=reach", "interaction:=9"), "did you mean reacher?"),
        (("task:=reacher", "interaction:=90", "symmetry:=C5"), "symmetry:=C5"),
        (("task:=reacher", "interaction:=90", "unroll:=99"), "no episode is so long"),
        ((f"data:={tmp_path}/no",), "no dataset: there is no such folder"),
    ):
        code, text = train("state_model", *words, f"out:={tmp_path / 'o'}")
        assert code == 2 and said in text, text
        assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("line", ("method: os:system", "task: antigravity:Task"))
def test_a_card_may_not_have_anything_imported(tmp_path, line):
    import shutil

    copy = shutil.copytree(state_model(), tmp_path / "m")
    text = (copy / "model.yaml").read_text(encoding="utf-8")
    key = line.partition(":")[0]
    changed = [line if old.startswith(f"{key}: ") else old for old in text.splitlines()]
    (copy / "model.yaml").write_text("\n".join(changed), encoding="utf-8")
    with pytest.raises(InputError, match="a model's card may not have it imported"):
        load_model(copy)


def test_options_of_another_dataset_are_not_passed_over(monkeypatch):
    of = SimpleNamespace(task_name="point_masses", task_options={"balls": 2})
    monkeypatch.setattr(learning, "recorded", lambda folder: of)
    asked = SimpleNamespace(data="pushes", task="", task_options={"balls": 3}, interaction=0)
    with pytest.raises(InputError, match="balls: 3: the dataset is of point_masses with .*2"):
        learning.transitions_of(asked)
    asked.task_options = {"balls": 2}
    assert learning.transitions_of(asked) is of


TASKS = """
from covary.sim.tasks.point_mass import PointMass


class Timeless(PointMass):
    dt = 0.0


class Twins(PointMass):
    state_names = ("a", "a", "b", "c", "d", "e")


class Lost(PointMass):
    def initial_state(self, rng):
        return super().initial_state(rng) + float("nan")


class Late(PointMass):
    def plant(self):
        raise KeyError("no plant")
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Timeless",
            "task:=wrong_tasks:Timeless: task: task 'wrong_tasks:Timeless': its dt is 0.0",
        ),
        ("Twins", "its state_names have 'a' twice"),
        ("Lost", "its states do not stay finite"),
        ("Late", "wrong_tasks.py:20: KeyError: 'no plant'"),
    ],
)
def test_what_is_wrong_in_somebodys_task_is_one_line(tmp_path, name, said):
    (tmp_path / "wrong_tasks.py").write_text(TASKS)
    words = (f"task:=wrong_tasks:{name}", "interaction:=150", "steps:=1", "out:=o")
    done = covary_here(tmp_path, "train", "state_model", *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "o").exists()


def test_a_symmetry_file_restricts_a_model_and_claims_no_more(tmp_path):
    file, s = tmp_path / "symmetry.yaml", load_task("reacher").symmetry
    for word, wanted in (("C4", 0), ("D16", 2)):
        claim = Symmetry(group(word), s.state, s.action)
        write_symmetry(file, SymmetryFile.of(claim, "reacher"))
        words = ("task:=reacher", "interaction:=150", "steps:=1", "batch:=8", "width:=16")
        code, text = train("state_model", *words, f"symmetry:={file}", f"out:={tmp_path / word}")
        assert code == wanted, text
    assert read_model_card(tmp_path / "C4").symmetry["group"] == "C4"
    assert "it claims D16, and reacher declares less" in text
    code, text = train("sen", "steps:=1", f"symmetry:={file}", f"out:={tmp_path / 'sen'}")
    assert code == 2 and "say task:=NAME beside it" in text
