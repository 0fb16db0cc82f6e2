"""One coverage-guided run of atheris: ``python coverage_guided.py cdr|mcap|yaml RUNS FOLDER``.

A process of its own, as libFuzzer ends the process it runs in. FOLDER holds the corpus to begin
with, and room for files. Anything but the one kind of error that is expected is a crash.
"""

import sys
from pathlib import Path

import atheris
from mcap_inputs import chunk, file

NAME, RUNS, FOLDER = sys.argv[1], sys.argv[2], Path(sys.argv[3])
CORPUS, ROOM = FOLDER / "corpus", FOLDER / "room"

with atheris.instrument_imports(
    include=["covary", "rosbags", "yaml"], enable_loader_override=False
):
    import rosbags.serde.cdr as generator

    from covary.nodes import messages
    from covary.nodes.bags.bag import BagError
    from covary.nodes.bags.reader import Bag
    from covary.nodes.bags.recovery import recover
    from covary.nodes.launching.launch_file import resolve
    from covary.nodes.launching.yaml_loader import InputError, load_text

original = generator.compile_lines


def compile_lines(lines):
    """What rosbags generates is looked into as well."""
    module = original(lines)
    if hasattr(module, "deserialize_cdr"):
        module.deserialize_cdr = atheris.instrument_func(module.deserialize_cdr)
    return module


generator.compile_lines = compile_lines
KINDS = sorted(messages.TYPES.values())


def cdr(data: bytes) -> None:
    """The first byte is the type."""
    try:
        messages.deserialize(data[1:], KINDS[data[0] % len(KINDS)] if data else KINDS[0])
    except messages.MessageError as error:
        assert "MemoryError" not in str(error)


def mcap(data: bytes) -> None:
    """A file, read and mended; then one whose only chunk holds this, its checksum right."""
    read_and_mend(data)
    read_and_mend(file(chunk(data), data[:1000], 1))


def read_and_mend(data: bytes) -> None:
    """A whole file and a cut one."""
    path = ROOM / "it.mcap"
    path.write_bytes(data)
    for path_of in (lambda: path, lambda: recover(path).path):
        try:
            bag = Bag(path_of())
            for message in bag.messages():
                bag.decode(message)
        except BagError:
            pass
    assert path.read_bytes() == data
    for left in ROOM.rglob("*"):
        if left.is_file() and left != path:
            left.unlink()
    for left in ROOM.glob("*/"):
        left.rmdir()


def yaml(data: bytes) -> None:
    """A launch file."""
    text = data.decode("utf-8", "replace")
    path = ROOM / "it.yaml"
    path.write_text(text)
    for call in (lambda: load_text(text), lambda: resolve(path, {}, {})):
        try:
            call()
        except InputError:
            pass


if __name__ == "__main__":
    target = {"cdr": cdr, "mcap": mcap, "yaml": yaml}[NAME]
    ROOM.mkdir(exist_ok=True)
    # Seconds an input may take, and megabytes of the whole process.
    limits = ["-timeout=20", "-rss_limit_mb=1500", "-max_len=16384"]
    words = [sys.argv[0], f"-atheris_runs={RUNS}", *limits, f"-artifact_prefix={FOLDER}/"]
    atheris.Setup([*words, str(CORPUS)], target)
    atheris.Fuzz()
