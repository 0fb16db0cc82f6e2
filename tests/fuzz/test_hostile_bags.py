"""Bags made to harm, one trick each: what the commands say, what they cost, what they leave."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from bounds import bounded, outcome
from mcap_inputs import (
    MAGIC,
    attachment,
    channel,
    chunk,
    everything,
    file,
    message,
    metadata,
    record,
    schema,
    small_bag,
)
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.bags.bag import BagError, bag_file
from covary.nodes.bags.reader import Bag, read
from covary.nodes.bags.recovery import recover

STRING = schema(1, "std_msgs/msg/String", "string data") + channel(1, 1, "/a")
HELLO = b"\0\1\0\0" + struct.pack("<I", 6) + b"hello\0"
ONE = STRING + message(1, HELLO)


def run(command, path):
    """One command as typed; it must end with 0, 1 or 2, and 2 with one line."""
    result = CliRunner().invoke(build(command), [command, str(path)], env={"COLUMNS": "200"})
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert "Traceback" not in result.output and "\x1b" not in result.output
    if result.exit_code == 2:
        assert len(result.stderr.splitlines()) == 1, result.stderr
    return result


def put(folder, data):
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / "bag_0.mcap"
    path.write_bytes(data)
    return path


def test_the_builder_builds_what_is_read(tmp_path):
    path = put(tmp_path, file(chunk(ONE), ONE[: len(STRING)], 1))
    bag = Bag(path)
    assert [bag.decode(m).data for m in bag.messages()] == ["hello"]


GIGABYTE = 2**30
BOMBS = {
    "zstd, honest": ("zstd", lambda: zstandard.compress(bytes(GIGABYTE)), GIGABYTE),
    "zstd, says less": ("zstd", lambda: zstandard.compress(bytes(GIGABYTE)), 100),
    "zstd, says more": ("zstd", lambda: zstandard.compress(bytes(100)), 2**63),
    "zstd, a frame of 2^60": ("zstd", lambda: b"\x28\xb5\x2f\xfd\xe0" + b"\0" * 7 + b"\x10", 2**60),
    "lz4, says less": ("lz4", lambda: lz4.frame.compress(bytes(GIGABYTE // 4)), 100),
    "lz4, honest": ("lz4", lambda: lz4.frame.compress(bytes(GIGABYTE // 4)), GIGABYTE // 4),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_not_unpacked(tmp_path, name):
    compression, pack, size = BOMBS[name]
    bomb = chunk(b"", compression, packed=pack(), size=size, checksum=0)
    path = put(tmp_path / "bag", file(chunk(ONE) + bomb, STRING, 1))
    bag = outcome(lambda: Bag(path))
    with pytest.raises(BagError, match="damaged"), bounded(memory=100 * 2**20):
        list(bag.messages())
    path = put(tmp_path / "cut", path.read_bytes()[:-9])
    with bounded(memory=100 * 2**20):
        result = recover(path)
    assert result.counts == {"/a": 1} and result.damaged == 1


def test_many_small_bombs_are_one_large_one(tmp_path):
    """Each chunk is within the limit, and all together are not."""
    inside = record(0x80, bytes(2**24))
    bomb = chunk(inside, "zstd")
    path = put(tmp_path, file(bomb * 100, STRING, 0))
    assert path.stat().st_size < 200_000
    with pytest.raises(BagError, match="unpack to more than"), bounded():
        list(Bag(path).messages())


def test_hundreds_of_thousands_of_records_of_nothing(tmp_path):
    """They cost time in proportion, and no memory."""
    path = put(tmp_path, file(record(0x80, b"") * 300_000 + chunk(ONE), STRING, 1))
    with bounded(cpu_s=20.0, memory=64 * 2**20):
        assert len(list(Bag(path).messages())) == 1
    inside = ONE + record(0x80, b"") * 300_000
    path = put(tmp_path / "inside", file(chunk(inside), STRING, 1))
    with bounded(cpu_s=20.0, memory=128 * 2**20):
        assert len(list(Bag(path).messages())) == 1


def test_a_hole_of_a_terabyte(tmp_path):
    """What a file system gives for bytes nobody wrote is no record."""
    path = put(tmp_path, MAGIC + record(1, bytes(8)) + chunk(ONE))
    os.truncate(path, 2**40)
    with bounded():
        result = recover(path)
        assert result.counts == {"/a": 1} and result.lost_bytes > 2**39
        with pytest.raises(BagError, match="never closed"):
            Bag(path)


def test_a_pipe_is_no_bag(tmp_path):
    os.mkfifo(tmp_path / "bag_0.mcap")
    for path in (tmp_path, tmp_path / "bag_0.mcap"):
        with pytest.raises(BagError, match="not a file"), bounded():
            Bag(path)


@pytest.mark.parametrize(
    "inner",
    [
        message(9, HELLO),
        channel(2, 9, "/b") + message(2, HELLO),
        schema(2, "std_msgs/msg/String", "string other") + channel(2, 2, "/b") + message(2, HELLO),
        schema(2, "b/msg/B", "uint8 x") + channel(2, 2, "/a") + message(2, HELLO),
        channel(2, 0, "/b") + message(2, HELLO),
        channel(2, 1, "/b", "json") + message(2, HELLO),
        schema(2, "std_msgs/msg/String", "\xff", "protobuf") + channel(2, 2, "/b")
        + message(2, HELLO),
        message(1, HELLO, 2**63),
    ],
    ids=["no channel", "no schema", "two definitions", "two types", "plain bytes", "json",
         "protobuf", "2262"],
)  # fmt: skip
def test_a_message_that_cannot_be_kept_as_it_was_is_left_out(tmp_path, inner):
    result = recover(put(tmp_path, file(chunk(ONE) + chunk(inner), STRING)[:-9]))
    assert result.counts == {"/a": 1} and result.damaged == 1


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_makes_no_message(tmp_path, bit):
    """One bit of its first byte makes a message index, which has no checksum, a message."""
    whole = small_bag(tmp_path / "whole", "none")
    data = bag_file(whole).read_bytes()
    at, written = len(MAGIC), set(everything(whole))
    while at < len(data) - 100:
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        path = put(tmp_path / f"{at}", bytes(changed[:-9]))
        result = outcome(lambda path=path: recover(path), BagError)
        if result is not None:
            assert set(everything(result.path)) <= written
        at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")


NASTY = "\x1b[2J\x07\r\nname [bold]é\u202e"


def test_the_commands_print_no_control_characters(tmp_path):
    inner = schema(1, NASTY, NASTY) + channel(1, 1, NASTY) + message(1, HELLO)
    data = file(
        chunk(inner) + metadata("covary", {"task": NASTY, "seed": NASTY, "launch": NASTY}),
        inner,
        1,
    )
    bag = put(tmp_path / "bags" / "\x1b[31mred", data)
    assert run("info", bag).exit_code == 0
    assert run("info", tmp_path).exit_code == 0
    assert run("recover", put(tmp_path / "\x1b[32m.open", data[:-9])).exit_code == 0
    for command in ("replay", "view"):
        assert run(command, bag).exit_code == 2
    odd = put(tmp_path / os.fsdecode(b"\xff\xfe"), data)
    assert run("info", odd).exit_code == 0


@pytest.mark.parametrize("command", ["replay", "view"])
@pytest.mark.parametrize(
    "task", ["os:_exit", "subprocess:Popen", "antigravity:x", "../../push", "push:Push", "\n", "x"]
)
def test_the_task_that_a_bag_names_is_a_task_or_is_not_called(tmp_path, command, task, monkeypatch):
    monkeypatch.chdir(tmp_path)
    states = schema(1, "a/msg/A", "uint64 tick\nfloat64[] state\n")
    inner = states + channel(1, 1, "/physics") + channel(2, 1, "/state") + message(1, bytes(24))
    path = put(tmp_path / "it", file(metadata("covary", {"task": task}) + chunk(inner), inner, 1))
    assert run(command, path).exit_code == 2


def test_names_in_a_bag_are_no_paths(tmp_path):
    """Attachments stay inside the recovered file, whatever they are called."""
    data = attachment("../../evil", b"x") + attachment("/tmp/evil", b"x") + chunk(ONE)
    put(tmp_path / "b.open", file(data, STRING, 1))
    recover(tmp_path / "b.open")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        "b.open", "b.open/bag_0.mcap", "b_recovered", "b_recovered/b_recovered_0.mcap",
        "b_recovered/metadata.yaml",
    ]  # fmt: skip


def test_metadata_of_other_writers_may_be_long(tmp_path):
    """Of ours nothing is near a megabyte; a longer record is passed over."""
    long = metadata("rosbag2", {"serialized_metadata": "x" * 2**21})
    path = put(tmp_path, file(long + metadata("covary", {"seed": "1"}) + chunk(ONE), STRING, 1))
    assert Bag(path).metadata == {"seed": "1"}


DEFINITIONS = {
    "inside itself": "a/msg/A again",
    "inside a list of itself": "a/msg/A[] again",
    "an array of nothing": "uint8[0] x",
    "a negative array": "uint8[-3] x",
    "a billion texts": "string[1000000000] x",
    "a billion messages": "b/msg/B[1000000000] x\n" + "=" * 80 + "\nMSG: b/msg/B\nuint8 x",
    "not there": "b/msg/B x",
    "long": "uint8 x\n" * 200_000,
    "many lines": "\n" * 6000 + "uint8 x",
    "many fields": "\n".join(f"uint8 x{k}" for k in range(3000)),
    "infinity": "float32 F=1e999\nuint8 x",
    "a keyword twice": "uint8 class\nuint8 class_",
    "another time": "builtin_interfaces/Time t\n" + "=" * 80 + "\nMSG: builtin_interfaces/Time\n"
    "string sec\nstring nanosec",
    "no UTF-8": b"\xff\xfe",
    "code": "uint8 x\n\"\"\"\nimport os\nos._exit(3)",
    "code in a constant": "string S='\"\"\"); import os; os._exit(3) #'\nuint8 x[3",
    "deep": "".join(
        f"m/msg/M{k + 1} x\n{'=' * 80}\nMSG: m/msg/M{k + 1}\n" for k in range(60)
    ) + "uint8 x",
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_hostile_definition_is_an_error_of_one_line(tmp_path, name):
    inner = schema(1, "a/msg/A", DEFINITIONS[name]) + channel(1, 1, "/a") + message(1, bytes(64))
    path = put(tmp_path, file(chunk(inner), inner, 1))
    assert outcome(lambda: read(path), BagError, memory=100 * 2**20) is None


def test_zero_sized_things_cannot_be_multiplied(tmp_path):
    """Ten levels of a hundred each would be 1e20 elements; each needs a byte, and there are few."""
    levels = "".join(f"m/msg/M{k + 1}[100] x\n{'=' * 80}\nMSG: m/msg/M{k + 1}\n" for k in range(10))
    inner = schema(1, "a/msg/A", levels) + channel(1, 1, "/a") + message(1, bytes(4) + bytes(5000))
    path = put(tmp_path, file(chunk(inner), inner, 1))
    assert outcome(lambda: read(path), BagError, memory=100 * 2**20) is None


def test_a_model_in_a_bag_opens_no_files(tmp_path):
    from covary.sim.plant import Plant
    from covary.sim.tasks.push import Push

    for text in (
        "<mujoco><include file='/etc/passwd'/></mujoco>",
        "<mujoco><asset><mesh name='a' file='/tmp/a.obj'/></asset></mujoco>",
        "<mujoco><extension><plugin plugin='x'/></extension></mujoco>",
    ):
        with pytest.raises(ValueError, match="outside"):
            Plant(Push(), model=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<mujoco>\0</mujoco>",
        "<mujoco>" + "<body>" * 20_000,
        "<mujoco/>",
    ],
    ids=["empty", "NUL", "deep", "no joints"],
)
def test_a_model_in_a_bag_that_does_not_load_is_an_error(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings where it stands
    from covary.sim.plant import Plant
    from covary.sim.tasks.push import Push

    with pytest.raises((ValueError, KeyError)), bounded():
        Plant(Push(), model=text)


@pytest.mark.slow
def test_a_command_on_a_bomb_in_a_process_of_little_memory(tmp_path):
    """The whole command, with all it imports, in 1 GB of address space."""
    bomb = chunk(b"", "zstd", packed=zstandard.compress(bytes(GIGABYTE)), size=GIGABYTE, checksum=0)
    path = put(tmp_path, file(chunk(ONE) + bomb, STRING, 1))
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "from covary.commands.main import main\n"
        f"sys.argv = ['covary', 'info', {str(path)!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "damaged" in done.stderr and Path(path).exists()
