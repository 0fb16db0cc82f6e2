"""Hostile MCAP files: one clear error, or messages that were written; in little time and room."""

import shutil

import pytest
from bounds import COUNTS, QUIET, outcome
from hypothesis import given, settings
from mcap_inputs import built, everything, mutated, small_bag

from covary.nodes.bags.bag import BagError, bag_file, is_whole
from covary.nodes.bags.reader import Bag, read
from covary.nodes.bags.recovery import recover

COMPRESSIONS = ("none", "lz4", "zstd")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Compression to the path of a whole bag."""
    folder = tmp_path_factory.mktemp("whole")
    return {name: small_bag(folder / name, name) for name in COMPRESSIONS}


def decoded(path):
    bag = Bag(path)
    return [bag.decode(message) for message in bag.messages()]


def try_everything(folder, data):
    """All that opens a bag, on these bytes; gives what was recovered."""
    path = folder / "it.open" / "it_0.mcap"
    path.parent.mkdir()
    path.write_bytes(data)
    try:
        for call in (bag_file, is_whole, Bag, decoded, read):
            outcome(lambda call=call: call(path), BagError)
        result = outcome(lambda: recover(path.parent), BagError)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]
        if result is None:
            assert list(folder.iterdir()) == [path.parent]  # nothing half done
            return None
        assert result.path == folder / "it_recovered" and is_whole(result.path)
        saved = everything(result.path)
        assert len(saved) == sum(result.counts.values()) > 0
        outcome(lambda: decoded(result.path), BagError)
        return saved
    finally:
        for left in folder.iterdir():
            shutil.rmtree(left)


@pytest.mark.parametrize("count", COUNTS)
def test_a_changed_bag_gives_an_error_or_what_was_written(tmp_path, originals, count):
    written = everything(originals["none"])
    files = [bag_file(path).read_bytes() for path in originals.values()]

    @settings(max_examples=count, **QUIET)
    @given(mutated(files))
    def check(data):
        saved = try_everything(tmp_path, data)
        # A piece of the file may stand in it twice now, and then so may its messages.
        assert saved is None or set(saved) <= set(written)

    check()


@pytest.mark.parametrize("count", COUNTS)
def test_a_file_built_to_harm_gives_an_error_or_a_bag(tmp_path, count):
    @settings(max_examples=count, **QUIET)
    @given(built())
    def check(data):
        try_everything(tmp_path, data)

    check()
