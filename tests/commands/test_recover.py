"""`covary recover`: what it prints and how it exits."""

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from covary.commands.recover import recover
from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.bags.reader import Bag


def run(*arguments):
    app = typer.Typer()
    app.command()(recover)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder, count=300):
    writer = BagWriter(folder, {"task": "push"}, chunk_bytes=2048)
    for k in range(count):
        message = messages.PhysicsState(
            header=messages.Header(stamp=messages.stamp(k * 0.01), frame_id=""),
            tick=k,
            state=np.zeros(3),
        )
        payload = messages.serialize(message)
        writer.write("/physics", message.__msgtype__, payload, k * 10_000_000, 0, k)
    return writer


def test_a_killed_bag_is_mended_beside_the_original(tmp_path):
    write(tmp_path / "episode_000").abandon()
    result = run(tmp_path / "episode_000.open")
    assert result.exit_code == 0
    assert f"messages saved in {tmp_path / 'episode_000_recovered'}" in result.output
    assert 250 < Bag(tmp_path / "episode_000_recovered").counts["/physics"] <= 300
    assert (tmp_path / "episode_000.open").exists()


def test_a_whole_bag_needs_nothing(tmp_path):
    result = run(write(tmp_path / "bag").close())
    assert result.exit_code == 0 and "is whole" in result.output


def test_a_full_disk_names_the_bag(tmp_path, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("covary.nodes.bags.recovery.recover", full)
    result = run(tmp_path / "bag.open")
    assert result.exit_code == 2
    assert f"{tmp_path}/bag.open: cannot be mended: [Errno 28]" in result.output


@pytest.mark.parametrize("content", [None, b"", b"no bag", b"\x89MCAP0\r\n\x01\x02"])
def test_bad_input_gives_one_line_and_exit_code_2(tmp_path, content):
    path = tmp_path / "a[b]c.mcap"
    if content is not None:
        path.write_bytes(content)
    result = run(path)
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1 and "a[b]c.mcap" in result.output
