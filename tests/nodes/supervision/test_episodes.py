"""Episodes as the launcher hears of them: counted, and aborted where their end never comes."""

import io
import json
from types import SimpleNamespace

from covary.nodes.launching.description import LaunchDescription, NodeDescription
from covary.nodes.supervision.episodes import Episodes
from covary.nodes.supervision.progress import RunProgress
from covary.nodes.supervision.run_folder import Outcome, summarise


def message(index, phase, aborted=False):
    return SimpleNamespace(
        task="t", index=index, seed=0, phase=phase, success=not aborted, aborted=aborted,
        cost=2.0 + index, duration=1.0,
    )  # fmt: skip


def heard(*messages, interrupted=False):
    outcome = Outcome()
    episodes = Episodes(outcome, RunProgress(stream=io.StringIO()))
    for one in messages:
        episodes.note("/episode", one, False)
    episodes.close(interrupted)
    return outcome


def test_what_was_heard_stands_in_for_what_the_sim_could_not_write(tmp_path):
    outcome = heard(message(0, 0), message(0, 1), message(1, 0), message(1, 1))
    found = summarise(tmp_path, LaunchDescription(tmp_path / "a.yaml"), outcome)
    assert (found["episodes"], found["success_rate"], found["aborted"]) == (2, 1.0, 0)
    assert found["cost"]["mean"] == 2.5


def test_what_the_launcher_missed_the_sim_wrote_down(tmp_path):
    outcome = heard(message(0, 0), message(2, 0), message(2, 1), interrupted=True)
    launch = LaunchDescription(tmp_path / "a.yaml", nodes=(NodeDescription("sim"),))
    assert summarise(tmp_path, launch, outcome)["aborted"] == 1
    listed = [{"index": k, "success": True, "aborted": False, "cost": 1.0} for k in range(3)]
    (tmp_path / "sim.json").write_text(json.dumps({"episodes": listed}))
    found = summarise(tmp_path, launch, outcome)
    assert (found["episodes"], found["aborted"]) == (3, 0)


def test_a_cost_that_is_no_number_costs_no_summary(tmp_path):
    endless = message(1, 1)
    endless.cost = float("inf")
    outcome = heard(message(0, 0), message(0, 1), message(1, 0), endless)
    found = summarise(tmp_path, LaunchDescription(tmp_path / "a.yaml"), outcome)
    assert (found["episodes"], found["cost"]["mean"]) == (2, 2.0)


def test_an_episode_without_an_end_was_aborted():
    outcome = heard(message(0, 0), message(0, 1), message(1, 0))
    assert outcome.unended == [1]
    assert outcome.failures == ["episode 1 was aborted: its end never came"]
    begun_anew = heard(message(0, 0), message(0, 0), message(0, 1))
    assert begun_anew.unended == [0] and len(begun_anew.episodes) == 1
    assert heard(message(0, 0), interrupted=True).failures == []
    assert heard(message(0, 0), message(0, 1, aborted=True)).unended == []
