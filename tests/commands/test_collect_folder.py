"""`covary collect` and the folder it is given: what is not its own it leaves, and says so."""

import sys

import pytest

from covary.commands.main import main

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
