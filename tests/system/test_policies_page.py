"""The page from demonstrations to a deployed policy: its first block as it stands, and small."""

import json
import re

import code_blocks
import pytest
from launches import covary_here, launch

from covary.commands.collecting import collection

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

PAGE = code_blocks.ROOT / "docs" / "policies.md"
MAIN = next(block for block in code_blocks.blocks(PAGE) if block.language == "bash")


def test_the_block_is_the_four_commands_on_held_out_starts():
    lines = MAIN.text.splitlines()
    assert [line.split()[1] for line in lines] == ["collect", "train", "launch", "evaluate"]
    seeds = [re.findall(r"seed:=(\d+)", line) for line in lines]
    assert seeds == [[], [], ["7"], ["7"]], "the demonstrations are of seed 0, the others are not"


@pytest.mark.slow
def test_the_page_runs_and_ends_above_90_percent(tmp_path):
    code_blocks.run(["bash", "-euc", MAIN.text], tmp_path, timeout=1500)
    figures = json.loads((tmp_path / "picker.json").read_text())
    assert figures["episodes"] == 200 and figures["success_rate"] > 0.9
    (run,) = tmp_path.glob("runs/block_pick-*")
    launched = json.loads((run / "summary.json").read_text())
    assert launched["episodes"] == 5 and launched["failed_plans"] == 0
    assert launched["success_rate"] >= 0.8
    trained = json.loads((tmp_path / "runs" / "picker" / "summary.json").read_text())
    assert trained["equivariance"]["after"] < 1e-5


@pytest.mark.slow
def test_the_same_way_on_a_small_task(tmp_path, monkeypatch):
    """Collect, train, launch, evaluate: each takes up what the one before left."""
    monkeypatch.setattr(collection, "residuals_of", lambda _: {"not_graded": "by a test"})

    def covary(*words):
        done = covary_here(tmp_path, *words)
        assert done.returncode == 0, done.stdout + done.stderr

    covary("collect", "point_mass", "samples:=32", "episodes:=6", "workers:=1", "out:=drives")
    small = ("width:=32", "steps:=60", "batch:=64", "validate_every:=30")
    covary("train", "bc", "data:=drives", "out:=driver", *small)
    words = ("point_mass", "policy:=driver", "seed:=7", "episodes:=2")
    run = launch(tmp_path, *words, "record:=false", "--lockstep", here=True)
    covary("evaluate", "driver", "seed:=7", "episodes:=3", "workers:=1", "--json", "driver.json")
    figures = json.loads((tmp_path / "driver.json").read_text())
    assert (figures["task"], figures["episodes"], figures["complete"]) == ("point_mass", 3, True)
    (folder,) = tmp_path.glob("runs/evaluate-*")
    lines = (folder / "episodes.jsonl").read_text().splitlines()
    judged = [(line["success"], line["cost"]) for line in map(json.loads, lines)]
    told = [(episode["success"], episode["cost"]) for episode in run.stats("sim")["episodes"]]
    assert judged[:2] == told
    where = "map:={mass_x: [-0.6, 0.6], mass_y: [-0.6, 0.6]}"
    covary("evaluate", "driver", where, "grid:=2", "workers:=1", "out:=grid")
    assert (tmp_path / "driver" / "map.npz").exists()
