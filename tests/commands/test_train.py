"""`covary train`: from a dataset to a policy's folder, through Ctrl-C and SIGKILL."""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from made_demonstrations import recorded
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
SMALL = ("width:=32", "depth:=2", "batch:=16", "validate_every:=4")


def train(*words):
    done = CliRunner().invoke(build("train"), ["train", *map(str, words)])
    if isinstance(done.exception, InputError):
        return 2, str(done.exception)
    return done.exit_code, done.output


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def test_ctrl_c_leaves_a_policy_and_the_same_command_goes_on(tmp_path, monkeypatch):
    from covary.commands.training.progress import TrainProgress
    from covary.control.onnx_policy import OnnxPolicy

    data, made = recorded(tmp_path / "springs"), TrainProgress.made
    words = ("bc", f"data:={data}", "steps:=16", *SMALL)
    assert train(*words, f"out:={tmp_path / 'whole'}")[0] == 0

    def interrupted(self, moment):
        made(self, moment)
        if moment.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "p"
    with monkeypatch.context() as patch:
        patch.setattr(TrainProgress, "made", interrupted)
        code, said = train(*words, f"out:={out}")
    assert code == 130 and "6 of 16" in said and "the same command again goes on" in said
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["exit_code"], summary["step"], summary["kept"]["step"]) == (130, 6, 4)
    assert (out / "curves.png").is_file()
    card = OnnxPolicy(out).card  # a policy of the best step so far, that runs
    assert (card.task, card.metrics["step"], card.equivariance["after"] < 1e-5) == (
        "point_mass",
        4,
        True,
    )
    assert weights(out) != weights(tmp_path / "whole")
    code, said = train(*words, f"out:={out}")
    assert code == 0 and "goes on from update 6" in said
    assert weights(out) == weights(tmp_path / "whole")
    code, said = train(*words, f"out:={out}")  # a finished one is not trained again
    assert code == 0 and "nothing is left to do" in said
    (out / "policy.onnx").unlink()  # but what is missing of its policy is written again
    assert train(*words, f"out:={out}")[0] == 0
    assert OnnxPolicy(out).card.metrics["step"] == 16


def test_the_time_that_is_left_is_what_an_update_takes(monkeypatch):
    """But for the first, in which a method may do more."""
    from covary.commands.training import progress as shown
    from covary.nodes.training.loop import Moment

    said, now = [], [0.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(shown.TrainProgress, "at", lambda self, *words: said.append(words))
    bar = shown.TrainProgress()
    bar.begin(5, 20)
    for step in range(6, 10):
        now[0] += 90.0 if step == 6 else 3.0
        bar.made(Moment(step, 1.0, None))
    assert [left for _, _, left in said] == ["", "39 s", "36 s", "33 s"]


@pytest.mark.parametrize(("task", "options", "said"), [
    ("point_masses", {"balls": 2, "group": "I"}, ["task_options:={balls: 2, group: I}"]),
    ("block_pick", {"robot": "floating_gripper"}, ["robot:=floating_gripper", "planner:=mppi"]),
    ("push", {}, []),
])  # fmt: skip
def test_the_launch_of_a_model_is_of_its_world(task, options, said):
    from covary.commands.training.progress import _model_launch

    summary = {"task": task, "task_options": options, "does": ["plans"], "images": {}, "out": "m"}
    words = shlex.split(_model_launch(summary))
    assert words == ["covary", "launch", f"{task}.yaml", *said, "model:=m"]


def test_what_is_wrong_is_a_line_and_leaves_nothing_behind(tmp_path):
    data, out = recorded(tmp_path / "springs"), tmp_path / "p"
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "dataset.yaml").write_text("covary_dataset: 1\n")
    for words, said in (
        ((f"data:={tmp_path / 'no'}",), "no dataset: there is no such folder"),
        ((f"data:={empty}",), "an empty dataset: there are no episodes in it"),
        ((f"data:={data}", "demonstrations:=1"), "one episode cannot be split"),
        ((f"data:={data}", "symmetry:=C7"), "symmetry:=C7: symmetry: C7 is no subgroup of D8"),
        ((f"data:={data}", "images:=[top]"), "no images of 'top' in it; collect again with"),
        ((f"data:={data}", "observation:=/ground_truth"), "no /ground_truth in it; observation:="),
    ):
        code, line = train("bc", f"out:={out}", *words)
        assert code == 2 and said in line and "\n" not in line, line
        assert not out.exists()
    code, line = train("bc", f"data:={data}", f"out:={data}")
    assert code == 2 and "holds something that is no training; name a new folder" in line
    assert sorted(path.name for path in data.iterdir()) == ["bags"]
    out.mkdir()
    with (out / ".lock").open("w") as held:  # another one that is still reading its data
        fcntl.flock(held, fcntl.LOCK_EX)
        code, line = train("bc", f"data:={data}", f"out:={out}")
        assert code == 2 and "another covary train is at work there" in line
        assert (out / ".lock").exists()


def test_what_one_might_not_expect_is_said_first(tmp_path):
    data = recorded(tmp_path / "springs")
    words = ("demonstrations:=99", "steps:=4", *SMALL)
    out = tmp_path / "a policy"
    code, said = train("bc", f"data:={data}", f"out:={out}", *words)
    assert code == 0 and "demonstrations, not 99: there are no more" in said
    assert f"covary evaluate '{out}'" in said and str(out / "curves.png") in said
    words = ("model_steps:=10", "ensemble:=2", "consistency:=0.5", "steps:=4", *SMALL)
    code, said = train("bmil", f"data:={data}", f"out:={tmp_path / 'q'}", *words)
    assert code == 0 and "first 4 models are fitted, by at most 40 updates" in said


def test_a_loss_that_is_no_number_is_exit_code_1(tmp_path, monkeypatch):
    from covary.control.imitation.bc import BC

    update = BC.update

    def broken(self, step, rng):
        return {"loss": float("inf")} if step == 6 else update(self, step, rng)

    monkeypatch.setattr(BC, "update", broken)
    data, out = recorded(tmp_path / "springs"), tmp_path / "p"
    code, said = train("bc", f"data:={data}", f"out:={out}", "steps:=16", *SMALL)
    assert code == 1 and "step 7: the loss is inf" in said and "good up to step 4" in said
    assert json.loads((out / "summary.json").read_text())["exit_code"] == 1
    assert not (out / "policy.yaml").exists()
    monkeypatch.setattr(BC, "update", lambda *_: {"loss": float("nan")})
    out = tmp_path / "q"
    for _ in range(2):  # what came to nothing can be tried again
        code, said = train("bc", f"data:={data}", f"out:={out}", "steps:=16", *SMALL)
        assert code == 1 and "step 1: the loss is nan" in said and "no checkpoint yet" in said


def test_show_args_says_what_each_parameter_is():
    code, said = train("bc_augmented", "--show-args")
    assert code == 0
    for word in ("augment", "true", "relaxation_penalty", "validate_every", "(needed)"):
        assert word in said


@pytest.mark.slow
@pytest.mark.parametrize("after", [5, 23, 61])
def test_sigkill_at_any_moment_ends_with_the_same_weights(tmp_path, after):
    """Killed once the log of updates has come so far; then killed again; then left alone."""
    data = recorded(tmp_path / "springs")
    words = ["bc", f"data:={data}", "steps:=80", *SMALL]

    def command(out):
        return [sys.executable, "-P", "-m", "covary.commands.main", "train", *words, f"out:={out}"]

    whole, out = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), check=True, capture_output=True)
    for wanted in (after, after + 10):
        child = subprocess.Popen(command(out), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        log = out / "log.jsonl"
        while child.poll() is None:
            lines = log.read_text().splitlines() if log.exists() else []
            if lines and json.loads(lines[-1])["step"] >= wanted:
                child.kill()
                break
            time.sleep(0.001)
        child.communicate()
    assert not (out / "policy.yaml").exists()
    subprocess.run(command(out), check=True, capture_output=True)
    assert weights(out) == weights(whole)
    assert (out / "last" / "modules.safetensors").read_bytes() == (
        whole / "last" / "modules.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_a_symmetry_file_trains_as_its_word_and_stays_with_the_policy(tmp_path):
    from covary.control.load_policy import wants_of
    from covary.control.onnx_policy import OnnxPolicy
    from covary.nodes.parameters import ParameterError
    from covary.sim.load_task import load_task
    from covary.sim.symmetry_file import SymmetryFile, write_symmetry

    data, task = recorded(tmp_path / "springs"), load_task("point_mass")
    words = ("bc", f"data:={data}", "steps:=4", *SMALL)
    parts = (dict(task.symmetry.state), dict(task.symmetry.action))
    held = {}
    for group in ("C4", "D16"):  # of D8, and more than it, which is so
        file = write_symmetry(tmp_path / f"{group}.yaml", SymmetryFile(group, *parts, "point_mass"))
        out = tmp_path / f"by_file_{group}"
        code, said = train(*words, f"symmetry:={file}", f"out:={out}")
        assert code == 0, said
        held[group] = weights(out)
        card = OnnxPolicy(out).card
        assert card.symmetry["group"] == group and card.equivariance["after"] < 1e-5
        assert (out / "symmetry.yaml").read_bytes() == file.read_bytes()
        file.unlink()
        assert wants_of(str(out), task).symmetry == group
    assert train(*words, "symmetry:=C4", f"out:={tmp_path / 'by_word'}")[0] == 0
    assert weights(tmp_path / "by_word") == held["C4"]
    claim = out / "symmetry.yaml"
    claim.write_text(claim.read_text().replace("point_mass", "push"))
    with pytest.raises(ParameterError, match="it is of the task push"):
        wants_of(str(out), task)
    code, said = train(*words, f"symmetry:={claim}", f"out:={tmp_path / 'none'}")
    assert code == 2 and "it is of the task push" in said
