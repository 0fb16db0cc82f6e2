"""`covary audit` of arrays, datasets and tasks: the table, the files, and words that are wrong."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.symmetry_file import read_symmetry

WORDS = ("--group", "C4", "--state", "vector+vector", "--action", "vector")


def run(*words):
    return CliRunner().invoke(build("audit"), ["audit", *map(str, words)])


def said(*words):
    result = run(*words)
    assert isinstance(result.exception, InputError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def arrays(n=600, lean=0.3):
    rng = np.random.default_rng(0)
    place, goal = rng.normal(size=(2, n, 2))
    action = goal - place + np.array([lean, 0.0])
    return {"state": np.concatenate([place, goal], axis=1), "action": action}


@pytest.fixture
def file(tmp_path):
    def write(name="data.npz", **more):
        path = tmp_path / name
        np.savez(path, **{k: v for k, v in more.items() if v is not None})
        return path

    return write


def test_arrays(file, tmp_path):
    data = arrays(1500, lean=1.5)
    data["next_state"] = data["state"] + 0.1 * np.tile(data["action"], 2)
    data["reward"] = -np.square(data["action"]).sum(axis=1)
    path, out, figures = file(**data, episode=np.arange(1500) // 15), tmp_path / "out", "a.json"
    result = run(path, *WORDS, "--json", tmp_path / figures, "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / figures).read_text())
    assert report["incorrect"] > 0.9 and report["extrinsic"] < 0.05 and report["map"] == "actions"
    assert sum(report[name] for name in ("correct", "incorrect", "extrinsic")) == 1.0
    assert report["bound"] == pytest.approx(2.25, rel=0.15)
    assert set(report["elements"]) == {"r1", "r2", "r3"}
    for name, (low, high) in report["intervals"].items():
        assert low <= report[name] <= high
    assert set(report["maps"]) == {"dynamics", "reward"} and len(report["steps"]) == 15
    assert report["value"]["bound"] > 0 and "Wasserstein-1" in report["value"]["metric"]
    assert json.loads((out / "summary.json").read_text()) == report
    assert "actions: Drop C4" in result.output or "actions: Relax C4" in result.output
    for name in ("ternary.png", "timeline.png", "worst.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    found = read_symmetry(out / "symmetry.yaml")
    assert found.group == report["advice"]["group"] and found.task == ""
    assert found.evidence.samples == 1500 and set(found.evidence.degrees) >= {"correct"}


def test_labels_need_no_action_and_a_centre_is_moved_about(file, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2)) + [2.0, 1.0]
    label = np.where(np.hypot(x[:, 0] - 2.0, x[:, 1] - 1.0) > 0.6, "outside", "inside")
    path, figures = file(state=x, label=label), tmp_path / "a.json"
    words = ("--group", "D4", "--state", "position", "--out", tmp_path / "out", "--json", figures)
    assert run(path, *words, "--centre", "2,1").exit_code == 0
    assert json.loads(figures.read_text())["correct"] > 0.9
    assert run(path, *words).exit_code == 0  # about the origin nothing lands on the data
    assert json.loads(figures.read_text())["extrinsic"] > 0.9


def test_bad_words_are_one_line(file, tmp_path):
    path = file(**arrays())
    assert "did you mean vector?" in said(path, "--group", "C4", "--state", "vectr+vector",
                                          "--action", "vector")  # fmt: skip
    assert "no group is called 'C4x'; did you mean C4?" in said(path, "--group", "C4x", *WORDS[2:])
    assert "state: 4 coordinates; vector under C4 has 2" in said(
        path, "--group", "C4", "--state", "vector", "--action", "vector"
    )
    assert "it needs --group, --state and --action" in said(path)
    assert "--centre: 'a' is no point" in said(path, *WORDS, "--centre", "a")
    assert "--gamma: 1 must be" in said(path, *WORDS, "--gamma", "1")
    assert "only a task takes values" in said(path, "robot:=arm", *WORDS)
    assert "--action: pose has a place" in said(path, *WORDS[:4], "--action", "pose")
    assert "'pusch'" in said("pusch")


def test_bad_arrays_are_one_line(file, tmp_path):
    data = arrays()
    assert "unknown array 'acton'; did you mean 'action'?" in said(
        file(state=data["state"], acton=data["action"]), *WORDS
    )
    assert "it needs state, and action" in said(file(state=data["state"]), *WORDS)
    bad = data["action"].copy()
    bad[3] = np.nan
    assert "action: row 3 is not finite" in said(file(state=data["state"], action=bad), *WORDS)
    few = {name: rows[:20] for name, rows in data.items()}
    assert "20 samples are too few" in said(file(**few), *WORDS)
    assert "action: constant" in said(file(state=data["state"], action=np.ones((600, 2))), *WORDS)
    assert "no npz file" in said(file(state=np.array([{}], object), action=bad), *WORDS)
    (tmp_path / "text.npz").write_text("no zip")
    assert "no npz file" in said(tmp_path / "text.npz", *WORDS)


def test_arrays_that_do_not_fit_are_one_line(file):
    x, u = arrays(100).values()
    nan = np.where(np.arange(100) == 3, np.nan, 1.0)
    for more, line in (
        ({"reward": nan}, "reward: row 3 is not finite (1 such rows)"),
        ({"episode": nan}, "episode: row 3 is not finite"),
        ({"reward": nan[4:]}, "reward: 96 rows beside 100"),
        ({"next_state": x[:, :3]}, "next_state: its shape is (100, 3)"),
        ({"episode": 0 * nan[4]}, "episode: one number beside 100"),
        ({"episode": np.zeros(100)}, "episode: 1, and intervals need 5"),
        ({"state": x + 1j}, "state: holds what are no numbers but complex128"),
        ({"state": x[None, None, None]}, "state: its shape is (1, 1, 1, 100, 4)"),
        ({"state": 1e200 * x}, "choose other units"),
        ({"action": 1e-200 * u}, "choose other units"),
        ({"state": np.repeat(x[:2], 50, axis=0)}, "state: 2 different rows"),
        ({"state": x[:0], "action": u[:0]}, "0 samples are too few"),
    ):
        assert line in said(file(**{"state": x, "action": u, **more}), *WORDS)
    plain = ("--group", "C4", "--state", "scalar(4)", "--action", "vector")
    assert "--state: C4 moves none of its parts" in said(file(state=x, action=u), *plain)
    alone = file()
    with open(alone, "wb") as stream:
        np.save(stream, x)
    assert "no npz file of plain arrays, such as np.savez" in said(alone, *WORDS)
    twice = file(state=x, action=u, reward=np.ones((100, 2)))
    assert "reward: its shape is (100, 2), not (100,)" in said(twice, *WORDS)
    placed = ("--group", "C4", "--state", "vector+vector", "--action", "position")
    assert "--action: position has a place" in said(file(state=x, action=u), *placed)
    many = file(state=np.tile(x, (3, 1)), label=np.random.default_rng(0).random(300))
    assert "label: 300 different ones in 300 rows" in said(many, *WORDS[:4])
    away = said(file(state=x, action=u), *WORDS, "--json", "nowhere/audit.json")
    assert "its folder is not there" in away


def test_labels_of_which_each_occurs_once_say_nothing(file, tmp_path):
    path = file(state=arrays(60)["state"], label=np.arange(60))
    result = run(path, *WORDS[:4], "--out", tmp_path / "out")
    assert result.exit_code == 0 and "labels: Nothing can be said" in result.output


def test_data_that_say_nothing_give_no_symmetry(file, tmp_path):
    rng = np.random.default_rng(0)
    path, out = file(state=rng.normal(size=(300, 4)), action=rng.normal(size=(300, 2))), tmp_path
    result = run(path, *WORDS, "--out", out / "out")
    assert result.exit_code == 0 and "Nothing can be said" in result.output
    assert not (out / "out" / "symmetry.yaml").exists()
    low, high = json.loads((out / "out" / "summary.json").read_text())["intervals"]["incorrect"]
    assert low < 0.2 and high > 0.3


def test_a_lerobot_folder_of_anybody(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    data = arrays(600, lean=0.0)
    (tmp_path / "set" / "meta").mkdir(parents=True)
    (tmp_path / "set" / "data" / "chunk-000").mkdir(parents=True)
    names = {"observation.state": ["x", "y", "goal_x", "goal_y"], "action": ["vx", "vy"]}
    features = {n: {"dtype": "float32", "shape": [len(m)], "names": m} for n, m in names.items()}
    features["episode_index"] = {"dtype": "int64", "shape": [1], "names": None}
    (tmp_path / "set" / "meta" / "info.json").write_text(json.dumps({"features": features}))
    table = pa.table(
        {
            "observation.state": data["state"].tolist(),
            "action": data["action"].tolist(),
            "episode_index": (np.arange(600) // 20).tolist(),
        }
    )
    pq.write_table(table, tmp_path / "set" / "data" / "chunk-000" / "file-000.parquet")
    figures = tmp_path / "a.json"
    result = run(tmp_path / "set", *WORDS, "--json", figures, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    report = json.loads(figures.read_text())
    assert report["episodes"] == 30 and report["correct"] > 0.9
    assert set(report["coordinates"]) == {"vx", "vy"} and "dynamics" in report["maps"]
    assert "it needs --group, --state and --action" in said(tmp_path / "set")


def images(n=200, seed=0):
    """A bright bar, level or upright, and which it is; its mirror image is one again."""
    rng = np.random.default_rng(seed)
    upright, at = rng.integers(0, 2, n), rng.integers(1, 7, n)
    found = rng.integers(0, 30, (n, 8, 8)).astype(np.uint8)
    for image, up, k in zip(found, upright, at, strict=True):
        (image.T if up else image)[k] = 200
    return found, np.where(upright, "upright", "level")


def test_images_with_labels(file, tmp_path):
    state, label = images()
    figures, out = tmp_path / "a.json", tmp_path / "out"
    result = run(file(state=state, label=label), "--group", "D4", "--json", figures, "--out", out)
    assert result.exit_code == 0, result.output
    report = json.loads(figures.read_text())
    shares = {name: one["incorrect"] for name, one in report["elements"].items()}
    assert all((shares[g] > 0.9) == (g in ("r1", "r3", "r1s", "r3s")) for g in shares), shares
    assert report["map"] == "labels" and report["state"]["image"].startswith("8 x 8 x 1 pixels")
    assert report["advice"]["word"] == "restrict" and report["advice"]["group"] == "D2"
    assert (out / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert "no symmetry.yaml: it tells of a state's parts" in result.output


def onnx_mean(path, shape, outputs=1):
    """A network that tells the mean of each row of pixels."""
    from onnx import TensorProto, helper, save

    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy"[:outputs]]
    told = helper.make_tensor_value_info("told", TensorProto.FLOAT, None)
    node = helper.make_node("ReduceMean", ["x"], ["told"], axes=[3], keepdims=0)
    graph = helper.make_graph([node], "mean", inputs, [told])
    opset = [helper.make_opsetid("", 13)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_an_encoder_of_ones_own(file, tmp_path):
    state, label = images(120)
    path, words = file(state=state, label=label), ("--group", "C2", "--out", tmp_path / "out")
    for shape in ((None, 1, 8, 8), (7, 1, 8, 8)):
        network = onnx_mean(tmp_path / "mean.onnx", shape)
        result = run(path, *words, "--encoder", network)
        assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["correct"] > 0.9
    two = onnx_mean(tmp_path / "two.onnx", (None, 1, 8, 8), outputs=2)
    assert "it takes x, y; an encoder takes images alone" in said(path, *words, "--encoder", two)
    wide = onnx_mean(tmp_path / "wide.onnx", (None, 3, 9, 9))
    assert "--encoder: it fails" in said(path, *words, "--encoder", wide)
    (tmp_path / "no.onnx").write_text("no network")
    assert "no ONNX network" in said(path, *words, "--encoder", tmp_path / "no.onnx")
    assert "No such file" in said(path, *words, "--encoder", tmp_path / "none.onnx")
    assert "the state is no images" in said(file(**arrays()), *WORDS, "--encoder", two)


def test_bad_images_are_one_line(file):
    state, label = images(60)
    words = ("--group", "D4")
    assert "restrict it to C4" in said(file(state=state, label=label), "--group", "C8")
    assert "8 x 7 pixels" in said(file(state=state[:, :, :7], label=label), *words)
    assert "label: 59 rows beside 60" in said(file(state=state, label=label[1:]), *words)
    assert "of images only label or action" in said(
        file(state=state, label=label, next_state=state), *words
    )
    assert "leave it out" in said(file(state=state, label=label), *words, "--state", "vector")
    assert "it needs --group" in said(file(state=state, label=label))
    assert "all images look the same" in said(file(state=0 * state, label=label), *words)
    bad = state.astype(float)
    bad[3, 2, 2] = np.nan
    assert "state: row 3 is not finite" in said(file(state=bad, label=label), *words)
    assert "no numbers" in said(file(state=state.astype(str), label=label), *words)
    assert "no images" in said(file(state=state[:, :0], label=label), *words)
    assert "constant" in said(file(state=state, label=0 * state[:, 0, 0]), *words)


@pytest.mark.slow
def test_a_task_by_its_plant_and_its_expert(tmp_path):
    out = tmp_path / "out"
    words = ("robot:=floating_gripper", "dials:={wind: 5}", "--episodes", "6", "--out", out)
    result = run("block_push", *words)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "summary.json").read_text())
    assert report["map"] == "simulator" and {"actions", "dynamics", "reward"} <= set(report["maps"])
    assert report["extrinsic"] == 0.0 and report["incorrect"] > 0.5
    assert report["elements"]["s"]["correct"] == 1.0  # wind along x: its mirror stays
    assert report["advice"]["word"] == "restrict" and report["advice"]["group"] == "reflection"
    assert read_symmetry(out / "symmetry.yaml").task == "block_push"


@pytest.mark.slow
@pytest.mark.parametrize("episode", [2, 7])
def test_an_interrupted_expert_leaves_an_answer_or_a_line(tmp_path, monkeypatch, capfd, episode):
    from covary.planners.expert import Expert

    begin, begun = Expert.initial_memory, []

    def interrupted(self, seed):
        begun.append(seed)
        if len(begun) == episode:
            raise KeyboardInterrupt
        return begin(self, seed)

    monkeypatch.setattr(Expert, "initial_memory", interrupted)
    out = tmp_path / "out"
    result = run("push", "--group", "C2", "--samples", "200", "--out", out)
    assert result.exit_code == 130
    if episode < 6:
        line = "interrupted in episode 2 of the expert: an audit needs 5; nothing was written"
        assert line in result.stderr + capfd.readouterr().err and not out.exists()
        return
    report = json.loads((out / "summary.json").read_text())
    assert report["interrupted"] and report["maps"]["actions"]["episodes"] == episode - 1
    assert (out / "symmetry.yaml").is_file() and (out / "timeline.png").is_file()


def test_a_task_without_an_expert(tmp_path):
    result = run("point_mass", "--samples", "50", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (report["correct"], report["group"], report["maps"]) == (1.0, "D8", {})
    assert report["value"]["bound"] < 1e-6
