"""`covary info`: a bag's table, a run folder's table, bad input."""

import numpy as np
import typer
from made_episodes import made
from PIL import Image
from typer.testing import CliRunner

from covary.commands.info import info
from covary.commands.pictures.contact_sheet import shaded
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


def test_a_dataset_in_tables_and_pictures(tmp_path):
    for number in range(14):
        made(tmp_path / "data" / "bags" / f"episode_{number:06d}", number, success=number % 2 == 0)
    card = "task: block_pick\nattempts: {made: 20, successes: 7}\nlicence: CC0-1.0\n"
    (tmp_path / "data" / "dataset.yaml").write_text(card)
    result = run(tmp_path / "data")
    assert result.exit_code == 0, result.output
    for word in ("7 of 20 attempts, 35.0 %", "CC0-1.0", "84; an episode 6 to 6", "-2.100"):
        assert word in result.output
    lines = [line for line in result.output.splitlines() if "success │" in line]
    assert len(lines) == 7
    names = ["actions", "contact_sheet_front", "contact_sheet_height", "workspace"]
    for name in names:
        path = tmp_path / "data" / f"{name}.png"
        assert str(path) in result.output
        with Image.open(path) as image:
            assert image.format == "PNG" and len(image.convert("RGB").getcolors(10**6)) > 2
    elsewhere = run(tmp_path / "data", "--out", tmp_path / "new")
    assert elsewhere.exit_code == 0
    assert sorted(p.stem for p in (tmp_path / "new").iterdir()) == names


def test_a_corrupt_episode_is_named_and_the_others_shown(tmp_path):
    for number in range(3):
        made(tmp_path / "bags" / f"episode_{number:06d}", number)
    (tmp_path / "dataset.yaml").write_text("task: block_pick\n")
    bad = next((tmp_path / "bags" / "episode_000001").glob("*.mcap"))
    bad.write_bytes(bad.read_bytes()[:-50])
    result = run(tmp_path)
    assert result.exit_code == 1 and (tmp_path / "actions.png").exists()
    (line,) = [line for line in result.output.splitlines() if line.startswith("warning")]
    assert "episode_000001" in line and "and 1 that cannot be read" in result.output


def test_heights_are_shaded(tmp_path):
    rows, columns = np.mgrid[0:32, 0:32]
    field = np.where((abs(rows - 16) < 6) & (abs(columns - 16) < 6), 0.05, 0.0)
    field[0, 0] = np.nan
    seen = shaded(field).astype(int).sum(axis=-1)
    assert seen[0, 0] == 0 and seen[16, 16] > seen[2, 16] > 0  # what is high is bright
    assert seen[16, 10] > seen[16, 22]  # the flank towards the light
    assert shaded(np.full((4, 4), np.inf)).max() == 0
