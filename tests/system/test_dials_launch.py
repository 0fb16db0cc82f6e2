"""A launch with dials: recorded, judged by them, replayed bit for bit, and refused in a line."""

import pytest
from launches import SMALL, covary_here

from covary.commands.replay import verify
from covary.nodes.bags.reader import Bag

DIALS = (
    "dials:={gravity_tilt: 1, wind: 2, actuator_gain: 0.2, damping: 1, action_delay: 1, "
    "cost_offset: 5, observation_noise: 0.001, label_flip: 1}"
)


def test_what_is_recorded_with_dials_is_replayed_with_them(tmp_path):
    words = ("launch", "push.yaml", "--lockstep", "episodes:=1", "seed:=4", *SMALL)
    done = covary_here(tmp_path, *words, DIALS, "heightmap:=16")
    assert done.returncode == 0, done.stderr
    (bag,) = tmp_path.glob("runs/*/bags/*")
    assert '"gravity_tilt": 1.0' in Bag(bag).metadata["dials"]
    assert Bag(bag).metadata["success"] in ("true", "false")
    verdict = verify(bag)
    assert verdict.difference is None and verdict.compared > 50, verdict
    (log,) = tmp_path.glob("runs/*/sim.log")
    for words in ("the dynamics is not as symmetric as declared, on purpose", "cost_offset 5"):
        assert words in log.read_text()


@pytest.mark.parametrize(
    ("dials", "said"),
    [
        ("{gravity_tlt: 5}", "did you mean gravity_tilt?"),
        ("{wind: 21}", "wind: 21 is not within -20 .. 20 m/s"),
        ("[1]", "dials"),
    ],
)
def test_what_is_no_dial_is_refused(tmp_path, dials, said):
    done = covary_here(tmp_path, "launch", "push.yaml", f"dials:={dials}")
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not list(tmp_path.glob("runs/*"))
