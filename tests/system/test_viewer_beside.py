"""A launch with its live page is the launch without it, and outlives it."""

import os
import signal

import pytest
from launches import SMALL, launch, left, messages_of, processes_in, start, wait_for

WORDS = (*SMALL, "episodes:=1")


def viewers(place):
    """Process numbers of the viewer node."""
    return [pid for pid, line in processes_in(place).items() if "viewer" in line.split("/")[-1]]


def test_the_page_changes_no_bit_of_a_recording(tmp_path):
    plain = launch(tmp_path / "plain", "point_mass", *WORDS, "--lockstep", here=True)
    seen = launch(
        tmp_path / "seen", "point_mass", *WORDS, "view:=true", "port:=0", "--lockstep", here=True
    )
    assert seen.stats("viewer")["frames"] >= 1
    assert messages_of(seen) == messages_of(plain)
    assert seen.summary["cost"] == plain.summary["cost"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "realtime"),
    [(signal.SIGKILL, "false"), (signal.SIGSTOP, "true")],
    ids=["killed", "frozen"],
)
def test_a_page_that_is_killed_or_hangs_costs_the_run_nothing(tmp_path, end, realtime):
    words = (*SMALL, "episodes:=20")
    plain = launch(tmp_path / "plain", "point_mass", *words, "--lockstep", here=True)
    live = ("view:=true", "port:=0", f"realtime:={realtime}")
    launcher = start(tmp_path, "point_mass", *words, *live)
    (folder,) = wait_for(lambda: list(tmp_path.glob("runs/*")), launcher=launcher)
    (pid,) = wait_for(lambda: (folder / "bags").is_dir() and viewers(tmp_path), launcher=launcher)
    os.kill(pid, end)
    wait_for(lambda: set(viewers(tmp_path)) - {pid}, launcher=launcher)  # another takes its place
    said = launcher.communicate(timeout=200)[0]
    run = left(folder, said)
    assert (run.summary["exit_code"], run.summary["failures"]) == (0, []), said
    assert (run.summary["episodes"], run.summary["respawns"]) == (20, 1)
    assert realtime == "true" or run.summary["cost"] == plain.summary["cost"]
    assert not viewers(tmp_path)
