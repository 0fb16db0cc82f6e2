"""`symmetry:=symmetry.yaml` on the launch line: it runs, stays with the run, or is refused."""

import pytest
from in_process import covary_here
from launches import SMALL, launch

from covary.nodes.bags.reader import Bag
from covary.sim.symmetry_file import SymmetryFile, write_symmetry
from covary.symmetry.part import Angle, Pose, Position, Pseudoscalar, Vector

PUSH = (Position(), Pose(), Pose())
QUIET = ("episodes:=1", *SMALL, "--lockstep")


def commands(run):
    (folder,) = run.bags
    return [m.payload for m in Bag(folder).messages(["/command"])]


def claim(place):
    return write_symmetry(place / "symmetry.yaml", SymmetryFile("C4", PUSH, (Vector(),), "push"))


def test_a_launch_runs_by_a_file_and_keeps_it(tmp_path):
    file = claim(tmp_path)
    run = launch(tmp_path, "push.yaml", "symmetry:=symmetry.yaml", *QUIET, here=True)
    assert run.summary["episodes"] == 1 and run.summary["failed_plans"] == 0
    assert run.summary["symmetry"] == "C4 of symmetry.yaml"
    assert (run.folder / "symmetry.yaml").read_bytes() == file.read_bytes()
    file.unlink()  # what the run kept is enough
    done = covary_here(tmp_path, "check", run.folder / "launch.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_it_is_the_same_to_the_bit_as_the_word_and_as_the_runs_own_launch_file(tmp_path):
    claim(tmp_path)
    run = launch(tmp_path, "push.yaml", "symmetry:=symmetry.yaml", *QUIET, here=True)
    again = launch(tmp_path, run.folder / "launch.yaml", "--lockstep", here=True)
    word = launch(tmp_path, "push.yaml", "symmetry:=C4", *QUIET, here=True)
    assert len(commands(run)) > 10
    assert commands(run) == commands(again) == commands(word)


def test_what_is_not_so_is_refused_in_one_line(tmp_path):
    claim = SymmetryFile(
        "D2", (Pseudoscalar(), Angle(), Pseudoscalar(2), Pseudoscalar()), (Pseudoscalar(),)
    )
    write_symmetry(tmp_path / "symmetry.yaml", claim)
    for words in (("cart_pole",), ("push",)):
        done = covary_here(tmp_path, "launch", *words, "symmetry:=symmetry.yaml", "--lockstep")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "symmetry.yaml: " in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_dataset_keeps_it_and_is_not_gone_on_with_by_another(tmp_path):
    words = ("collect", "push.yaml", "symmetry:=symmetry.yaml", *SMALL, "out:=data", "workers:=1")
    file = claim(tmp_path)
    done = covary_here(tmp_path, *words, "episodes:=1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "symmetry.yaml").read_bytes() == file.read_bytes()
    assert "$(dirname)/symmetry.yaml" in (tmp_path / "data" / "launch.yaml").read_text()
    file.write_text(file.read_text().replace("C4", "C2"))
    done = covary_here(tmp_path, *words, "episodes:=2")
    assert done.returncode == 2 and "symmetry.yaml is not what it was" in done.stderr
