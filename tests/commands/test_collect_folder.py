"""`covary collect` and the folder it is given: what is not its own it leaves, and says so."""

import sys

import pytest

from covary.commands.main import main
from covary.nodes.bags.bag import BagError
from covary.nodes.bags.dataset import read_card

RESOLVED = "# Resolved from somewhere\nlaunch: []\n"
MINE = """launch:
  - include: {file: $(find-pkg-share covary)/launch/push.yaml}
"""


@pytest.fixture
def collect(tmp_path, monkeypatch, capsys):
    """Runs `covary collect` in an empty folder, which refuses in one line; that line."""

    def refused(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["covary", "collect", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code == 2 and len(said.splitlines()) == 1, said
        return said

    return refused


def text_of(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("files", "launch"),
    [
        ({}, "launch.yaml"),
        ({}, "push"),
        ({".lock": ""}, "push"),  # of whom is not known
        ({"launch.yaml": RESOLVED}, "push"),  # a resolved one that somebody keeps
        ({".work/notes": "mine"}, "push"),
        ({"launch.yaml": RESOLVED, ".lock": ""}, "launch.yaml"),
        ({"dataset.yaml": "{}"}, "push"),
    ],
    ids=str,
)
def test_a_file_that_is_not_its_own_is_not_written_over(collect, tmp_path, files, launch):
    for name, text in {"launch.yaml": MINE, **files}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    if launch == "launch.yaml" and files:  # what is launched is what would be written over
        (tmp_path / "launch.yaml").write_text("# Resolved from here\n" + MINE)
    before = text_of(tmp_path)
    assert "out:=." in collect(launch, "episodes:=1", "out:=.")
    assert text_of(tmp_path) == before


def test_a_link_in_place_of_its_launch_file_is_not_followed(collect, tmp_path):
    (tmp_path / "mine").write_text(RESOLVED)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").touch()
    (tmp_path / "out" / "launch.yaml").symlink_to(tmp_path / "mine")
    assert "holds something" in collect("push", "episodes:=1", "out:=out")
    assert (tmp_path / "mine").read_text() == RESOLVED


def dataset(folder, card="covary_dataset: 1"):
    (folder / "bags").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(card + "\n")
    (folder / "launch.yaml").write_text(RESOLVED)


def test_what_is_no_attempt_among_the_bags_is_named_and_left(collect, tmp_path):
    dataset(tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.mcap").write_bytes(b"damaged")
    (tmp_path / "out" / "bags" / "episode_000000").symlink_to(tmp_path / "mine")
    before = {*text_of(tmp_path)}
    said = collect("push", "episodes:=1", "out:=out")
    assert said.startswith("out/bags/episode_000000: is nothing that collect made")
    assert {*text_of(tmp_path)} - before == {str(tmp_path / "out" / ".lock")}


CARD = """covary_dataset: 1
launch: push.yaml
success_only: false
licence: CC-BY-4.0
"""


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("wanted: .inf\narguments: {}\nresiduals: {}", "none of collect's (cannot convert"),
        ("wanted: 1\narguments: {}\nresiduals: {}\ngit_revisions: 5", "no list of texts"),
        ("wanted: 1\narguments: {}\nresiduals: {}\ngit_revisions: [5]", "no list of texts"),
        ("wanted: 1\narguments: {}\nresiduals: {components: 5}", "none of collect's"),
        ("wanted: 1\narguments: 5\nresiduals: {}", "none of collect's"),
    ],
)
def test_a_card_of_others_is_refused(collect, tmp_path, card, said):
    dataset(tmp_path / "out", CARD + card)
    assert said in collect("push", "episodes:=1", "out:=out")


@pytest.mark.parametrize("format_", ["99", "2", "true", "1.0", "one", "[1]", "{}"])
def test_a_card_of_a_format_that_is_not_known_is_refused(tmp_path, format_):
    dataset(tmp_path / "out", f"task: push\ncovary_dataset: {format_}")
    with pytest.raises(BagError, match=r"out/dataset.yaml:2: covary_dataset is .* reads 1"):
        read_card(tmp_path / "out")


LONG = "x" * 300


@pytest.mark.parametrize(
    ("out", "said"),
    [(LONG, "File name too long"), ("~nobody_of_that_name/x", "nobody here has that name")],
)
def test_a_folder_that_cannot_be(collect, out, said):
    assert said in collect("push", "episodes:=1", f"out:={out}")


@pytest.mark.parametrize("words", [["replay"], ["view"], ["view", "--live"], ["info"]], ids=str)
def test_a_path_that_is_too_long(tmp_path, monkeypatch, capsys, words):
    for path in (LONG, str(tmp_path / LONG), f"{LONG}/{LONG}"):
        monkeypatch.setattr(sys, "argv", ["covary", *words, path])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code == 2 and len(said.splitlines()) == 1 and "too long" in said
