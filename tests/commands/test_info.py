"""`covary info`: a bag's table, a run folder's table, bad input."""

import numpy as np
import typer
from typer.testing import CliRunner

from covary.commands.info import info
from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter


def run(*arguments):
    app = typer.Typer()
    app.command()(info)
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "160"})


def write(folder, **metadata) -> BagWriter:
    writer = BagWriter(folder, {"task": "push", "seed": "7", "model_sha256": "ab" * 32, **metadata})
    for k in range(101):
        message = messages.PhysicsState(
            header=messages.Header(stamp=messages.stamp(k * 0.02), frame_id=""),
            tick=k,
            state=np.zeros(3),
        )
        payload = messages.serialize(message)
        writer.write("/physics", message.__msgtype__, payload, k * 20_000_000, 0, k)
    return writer


def test_a_bag(tmp_path):
    result = run(write(tmp_path / "bag", success="true", aborted="false").close())
    assert result.exit_code == 0
    for word in ("/physics", "covary_msgs/msg/PhysicsState", "101", "50.0", "push", "7", "ab" * 32):
        assert word in result.output


def test_a_run_folder_shows_every_bag_and_what_became_of_it(tmp_path):
    write(tmp_path / "bags" / "episode_000", success="true", aborted="false").close()
    write(tmp_path / "bags" / "episode_001", success="false", aborted="true").close()
    write(tmp_path / "bags" / "episode_002").flush()
    result = run(tmp_path)
    assert result.exit_code == 0
    lines = {
        line.split("│")[1].strip(): line for line in result.output.splitlines() if "episode" in line
    }
    assert "success" in lines["episode_000"] and "2.00 s" in lines["episode_000"]
    assert "aborted" in lines["episode_001"]
    assert "never closed" in lines["episode_002.open"] and "covary recover" in result.output


def test_bad_input(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        result = run(path)
        assert result.exit_code == 2 and len(result.output.strip().splitlines()) == 1
