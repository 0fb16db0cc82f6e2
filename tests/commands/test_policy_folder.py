"""`covary export POLICY --onnx` and `covary info POLICY`: a policy's folder and what it says."""

import dataclasses
import hashlib
import json
import os

import numpy as np
import pytest
from hand_policies import hand_policy, homing_gain
from typer.testing import CliRunner

from covary.commands.main import build
from covary.control.onnx_policy import OnnxPolicy
from covary.control.policy_card import read_card, write_card
from covary.nodes.supervision.run_folder import write_json
from covary.sim.tasks.point_mass import PointMass

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TASK = PointMass()


def run(*words):
    return CliRunner().invoke(build(words[0]), list(map(str, words)), env={"COLUMNS": "120"})


@pytest.fixture
def policy(tmp_path):
    return hand_policy(tmp_path / "policy", TASK, homing_gain(), chunk=4, execute=2,
                       images={"heightmap": 8}, metrics={"validation_loss": 0.125})  # fmt: skip


def test_a_network_is_held_to_its_card_and_copied(policy, tmp_path):
    copy, summary = tmp_path / "there.onnx", tmp_path / "summary.json"
    done = run("export", policy, "--onnx", "--out", copy, "--summary", summary)
    assert done.exit_code == 0, done.output
    for words in ("1 x 6", "1 x 1 x 8 x 8", "1 x 4 x 2", "output uncertainty", "an answer"):
        assert words in done.output
    assert copy.read_bytes() == (policy / "policy.onnx").read_bytes()
    said = json.loads(summary.read_text())
    assert said["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    assert said["outputs"]["action"] == [1, 4, 2] and not said["made"]
    assert list(tmp_path.glob(".*")) == []


def test_more_than_anybody_waits_for_is_refused_and_what_is_no_file_is_kept(policy, tmp_path):
    for words, said in (
        (["episodes:=10000000000000"], "must be a whole number >= 1 and <= 1000000"),
        (["workers:=100000"], "workers:=100000: must be a whole number >= 1 and <= 256"),
        (["map:=mass_x,mass_y", "grid:=1000000"], "grid:=1000000: must be"),
        (["out:="], "out:= needs a folder"),
        (["--json", tmp_path], "is a folder; name a file"),
    ):
        assert said in str(run("evaluate", policy, *words).exception)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json(pipe, {"a": 1})
        assert json.loads(os.read(reader, 100)) == {"a": 1} and pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_card_has_nothing_imported_that_is_no_task_of_ours(tmp_path, monkeypatch):
    away = tmp_path / "away"
    away.mkdir()
    (away / "evil_away.py").write_text("open('pwned', 'w')\nclass Evil:\n    pass\n")
    monkeypatch.syspath_prepend(str(away))
    monkeypatch.chdir(tmp_path)
    policy = hand_policy(tmp_path / "p", TASK, homing_gain())
    write_card(policy, dataclasses.replace(read_card(policy), task="evil_away:Evil"))
    for words in (("evaluate", policy), ("export", policy, "--onnx")):
        done = run(*words)
        assert "a policy's card may not have it imported" in f"{done.output}{done.exception}"
        assert done.exit_code != 0 and not (tmp_path / "pwned").exists()


def test_what_cannot_be_exported_is_one_line(policy, tmp_path):
    broken = hand_policy(tmp_path / "broken", TASK, homing_gain(), bias=np.inf)
    bare = hand_policy(tmp_path / "bare", TASK, homing_gain(), network=False)
    (tmp_path / "taken").write_text("mine")
    cut = hand_policy(tmp_path / "cut", TASK, homing_gain())
    (cut / "policy.onnx").write_bytes((cut / "policy.onnx").read_bytes()[:-9])
    cases = {
        (broken, "--onnx"): "an answer of it is not finite",
        (bare, "--onnx"): "neither policy.onnx nor weights.safetensors",
        (cut, "--onnx"): "truncated or changed",
        (tmp_path, "--onnx"): "no policy: there is no policy.yaml in it",
        (policy,): "is a policy: say --onnx",
        (policy, "--out", "x"): "say --onnx",
        (policy, "--lerobot", "x"): "is a policy; --lerobot is for datasets: say --onnx",
        (policy, "--onnx", "--out", tmp_path / "taken"): "is there already",
        (policy, "--onnx", "--out", tmp_path / "nowhere" / "x.onnx"): "there is no folder",
        (policy, "--onnx", "--robomimic", "x"): "--robomimic is for datasets",
        (tmp_path, "--out", "x"): "--out is for a policy's network: say --onnx",
    }
    for words, said in cases.items():
        done = run("export", *words)
        assert done.exit_code == 2 and said in done.output, done.output
        assert done.output.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("head", ["deterministic", "flow"])
def test_a_network_that_is_gone_is_made_from_the_weights(tmp_path, head):
    torch = pytest.importorskip("torch")
    from made_policies import made_policy
    from safetensors.torch import save_file

    from covary.control.policies.network import Architecture, PolicyNetwork

    folder, card = made_policy(tmp_path / "policy", "point_mass", head=head, chunk=2)
    recipe = {"head": head, "chunk": 2, "width": 32, "depth": 2, "symmetry": "full"}
    card = type(card)(**{**vars(card), "recipe": recipe, "state_topic": "/state"})
    write_card(folder, card)
    torch.manual_seed(1)
    network = PolicyNetwork(TASK, card.state_names, {}, Architecture.of(recipe))
    save_file(network.state_dict(), folder / "weights.safetensors")
    (folder / "policy.onnx").unlink()
    done = run("export", folder, "--onnx")
    assert done.exit_code == 0 and "from the weights" in done.output, done.output
    assert read_card(folder).files["policy.onnx"] != card.files["policy.onnx"]
    policy = OnnxPolicy(folder)
    assert np.isfinite(policy.plan({"state": TASK.initial_state(np.random.default_rng(0))})).all()
    (folder / "policy.onnx").unlink()
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    done = run("export", folder, "--onnx")
    assert done.exit_code == 2 and "not the weights that its card is of" in done.output
    assert done.output.count("\n") == 1


def test_info_shows_the_card(policy):
    done = run("info", policy)
    assert done.exit_code == 0, done.output
    for words in ("point_mass", "D8, exact", "heightmap (1 x 8 x 8)", "4, of which 2 are executed",
                  "validation_loss 0.125", "policy.onnx", "6 coordinates of /state"):  # fmt: skip
        assert words in done.output
    whole = (policy / "policy.onnx").read_bytes()
    (policy / "policy.onnx").write_bytes(whole[:-1])
    done = run("info", policy)
    assert done.exit_code == 2
    assert f"{policy}: damaged: policy.onnx is not what its card was written with" in done.output
    (policy / "policy.onnx").write_bytes(whole)
    text = (policy / "policy.yaml").read_text()
    (policy / "policy.yaml").write_text(text.replace("chunk: 4", "chunk: many"))
    done = run("info", policy)
    assert done.exit_code == 2 and "policy.yaml:" in done.output and done.output.count("\n") == 1


def test_what_is_no_recording_is_named_as_what_it_is(policy, tmp_path):
    (tmp_path / "training" / "last").mkdir(parents=True)
    (tmp_path / "judged").mkdir()
    (tmp_path / "judged" / "episodes.jsonl").touch()
    cases = {
        ("view", policy): f"a policy, not a recording; `covary info {policy}` shows it",
        ("info", tmp_path / "training"): "a training that has not ended",
        ("info", tmp_path / "judged"): "an evaluation; its figures are in",
    }
    for words, said in cases.items():
        done = run(*words)
        assert done.exit_code == 2 and said in done.output, done.output
        assert done.output.count("\n") == 1
