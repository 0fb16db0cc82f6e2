"""The four commands of docs/training.md in a row: demonstrations to a deployed policy."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")


@pytest.mark.slow
def test_collect_train_launch_evaluate_ends_above_90_percent(tmp_path):
    def covary(*words):
        command = [sys.executable, "-P", "-m", "covary.commands.main", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stdout + done.stderr

    scene = ("block_push.yaml", "robot:=floating_gripper")
    noisy = ("action_noise:=0.2", "success_only:=true")
    covary("collect", *scene, "episodes:=100", *noisy, "workers:=2", "out:=pushes")
    covary("train", "bc", "data:=pushes", "out:=pusher")
    covary("launch", *scene, "policy:=pusher", "episodes:=5", "seed:=7", "--lockstep",
           "--summary", "launch.json")  # fmt: skip
    covary("evaluate", "pusher", "seed:=7", "episodes:=200", "--json", "figures.json")
    launched = json.loads((tmp_path / "launch.json").read_text())
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert launched["success_rate"] >= 0.8 and launched["failed_plans"] == 0
    assert figures["success_rate"] > 0.9
    card = json.loads((tmp_path / "pusher" / "summary.json").read_text())
    assert card["equivariance"]["after"] < 1e-5
