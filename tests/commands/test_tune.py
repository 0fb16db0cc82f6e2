"""`covary tune`: from ranges to an argument file, through Ctrl-C and a kill."""

import json
import os
import signal

import numpy as np
import pytest
from in_process import covary_here

from covary.commands.tuning.progress import TuneProgress
from covary.commands.tuning.search import FIRST, Search
from covary.commands.tuning.space import Range, default_space
from covary.nodes.launching.launch_file import find, read_assignments, resolve
from covary.nodes.parameters import from_dict
from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.planners.planner_node import PlannerNode
from covary.sim.tasks.point_mass import PointMass

SMALL = ("point_mass", "samples:=32", "horizon:=20", "knots:=3", "episodes:=1", "workers:=1")


@pytest.fixture
def short(monkeypatch):
    """Episodes end after a second, in this process: what a trial costs is told all the same."""
    monkeypatch.setattr(PointMass, "time_limit", 1.0)


def trials_of(folder):
    """All but the wall times of a file of trials."""
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_tuning_ends_with_a_file_that_launches(tmp_path, short):
    done = covary_here(tmp_path, "tune", *SMALL, "trials:=2", "symmetry:=C4", "out:=t")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "t" / "summary.json").read_text())
    first, second = trials_of(tmp_path / "t")[:2]
    assert (summary["trials"], summary["exit_code"], summary["planner"]) == (2, 0, "mppi")
    assert summary["before"]["cost"] == first["costs"][0]  # what the launch file has comes first
    assert first["values"] == {"noise": 0.2, "knots": 3, "temperature": 0.3}
    assert second["values"] != first["values"]
    assert summary["best"]["cost"] == min(first["costs"][0], second["costs"][0])
    assert summary["other_starts"]["best"]["episodes"] == 2
    assert (tmp_path / "t" / "tuning.png").stat().st_size > 2000
    assert not (tmp_path / "t" / ".work").exists()
    assert "covary launch point_mass.yaml @t/tuned.yaml" in done.stdout
    assert covary_here(tmp_path, "check", "point_mass", "@t/tuned.yaml").returncode == 0
    words = read_assignments([f"@{tmp_path / 't' / 'tuned.yaml'}", "samples:=48"])
    nodes = {node.name: node for node in resolve(find("point_mass"), words).nodes}
    planner = PlannerNode.check(
        from_dict(PlannerNode.Parameters, nodes["planner"].parameters, "planner")
    ).parameters
    assert nodes["planner"].parameters["symmetry"] == "C4"
    assert (planner.samples, planner.horizon) == (48, 20)  # what is typed stands above the file
    for name, value in summary["best"]["values"].items():
        assert getattr(planner, name) == value


def test_a_killed_one_goes_on_to_the_same_end(tmp_path, short, monkeypatch):
    words = ("tune", *SMALL, "ranges:={knots: null}", "trials:=9", "out:=t")
    made = TuneProgress.made

    def interrupted(self, trial, best):
        made(self, trial, best)
        if trial.number == 3:
            os.kill(os.getpid(), signal.SIGINT)

    # What runs in the background of a shell ignores Ctrl-C, and so would this.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(TuneProgress, "made", interrupted)
        done = covary_here(tmp_path, *words)
    signal.signal(signal.SIGINT, before)
    assert done.returncode == 130 and "the same command again goes on" in done.stdout
    before = trials_of(tmp_path / "t")
    assert json.loads((tmp_path / "t" / "summary.json").read_text())["trials"] == 4 == len(before)
    assert (tmp_path / "t" / "tuned.yaml").is_file() and (tmp_path / "t" / "tuning.png").is_file()
    with (tmp_path / "t" / "trials.jsonl").open("a") as file:
        file.write('{"number": 4, "che')  # what a kill leaves
    done = covary_here(tmp_path, *words)
    assert done.returncode == 0 and "goes on from trial 4 of 9" in done.stderr
    trials = trials_of(tmp_path / "t")
    assert trials[:4] == before and [t["check"] for t in trials[:9]] == 9 * [False]
    best = json.loads((tmp_path / "t" / "summary.json").read_text())["best"]["trial"]
    assert {t["number"] for t in trials[9:] if t["check"]} == {0, best}
    ranges = json.loads((tmp_path / "t" / "tuning.json").read_text())["ranges"]
    space = {name: Range(*found) for name, found in ranges.items()}
    search, costs = Search(space, trials[0]["values"], 0), [t["costs"][0] for t in trials[:9]]
    assert search.batch() == [t["values"] for t in trials[:FIRST]]
    search.tell(costs[:FIRST])  # what comes next hangs on all of these
    assert search.batch()[0] == trials[FIRST]["values"]
    again = covary_here(tmp_path, *words)  # nothing is left to do
    assert again.returncode == 0 and trials_of(tmp_path / "t") == trials


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plnner:=mppi",), "neither point_mass.yaml nor tune has 'plnner'; did you mean"),
        (("planner:=mpi",), "did you mean mppi?"),
        (("ranges:={nois: [0.1, 1.0]}",), "no parameter 'nois'; did you mean 'noise'?"),
        (("ranges:={noise: [1.0, 0.1]}",), "noise: 1.0 is not below 0.1"),
        (("ranges:={noise: 1.0}",), "noise: 1.0 is not [low, high], two numbers"),
        (("ranges:={knots: [1.5, 3]}",), "is not [low, high], two whole numbers"),
        (("ranges:={spline: [linear]}",), "spline: [linear]: it wants at least two words"),
        (("ranges:={spline: [linear, cubc]}",), "cubc"),
        (("ranges:={noise: [-1.0, 1.0]}",), "noise: -1.0 must be a positive number"),
        (("ranges:=no.yaml",), "no.yaml: cannot read it"),
        (("ranges:=r.yaml",), "r.yaml:2: ranges: the planner has no parameter 'horizn'"),
        (("trials:=0",), "trials:=0: must be a whole number >= 1"),
        (("realtime:=true",), "tuning is in simulated time"),
        (("planner:=uniform",), "nothing to search"),
        (("@no.yaml",), "no argument file 'no.yaml'; did you mean 'r.yaml'?"),
        (("out:=mine",), "out:=mine: holds something that is no tuning"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(tmp_path, words, said):
    (tmp_path / "r.yaml").write_text("noise: [0.1, 1.0]\nhorizn: [5, 9]\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    done = covary_here(tmp_path, "tune", "point_mass", *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_another_tuning_is_not_gone_on_with(tmp_path, short):
    words = ("tune", *SMALL, "trials:=1", "out:=t")
    assert covary_here(tmp_path, *words).returncode == 0
    for more, what in (
        ("seed:=1", "seed"),
        ("symmetry:=none", "launch"),
        ("ranges:={noise: null}", "ranges"),
    ):
        done = covary_here(tmp_path, *words, more)
        assert done.returncode == 2 and f"holds a tuning with another {what};" in done.stderr


def test_values_lie_in_their_ranges_and_come_back():
    for found in (Range(0.1, 0.5), Range(0.01, 10.0), Range(2, 9, True), Range(3, 400, True)):
        values = [found.value(at) for at in np.linspace(-0.1, 1.1, 61)]
        assert min(values) == found.low and max(values) == found.high
        assert all(type(value) is type(found.low) for value in values)
        assert all(
            found.value(found.place(value)) == pytest.approx(value, rel=1e-3) for value in values
        )
    assert Range(0.01, 1.0).value(0.5) == pytest.approx(0.1)  # factors count
    words = Range(choices=("linear", "cubic"))
    assert [words.value(at) for at in (0.0, 0.49, 0.51, 1.0)] == 2 * ["linear"] + 2 * ["cubic"]
    assert words.value(words.place("cubic")) == "cubic"


def test_what_does_nothing_is_not_searched():
    def names(cls, **settings):
        return set(default_space(vars(cls.Parameters(**settings))))

    assert names(MPPI) == {"noise", "knots", "temperature"}
    assert names(MPPI, effective_samples=16.0) == {"noise", "knots", "effective_samples"}
    assert names(MPPI, noise_law="coloured", spline="kernel") >= {"colour", "kernel_width"}
    assert names(CEM) == {"noise", "knots", "elite_fraction", "smallest_noise"}


@pytest.mark.parametrize("count", [1, 3])
def test_the_search_finds_the_valley_of_a_noisy_bowl_and_is_repeatable(count):
    rng, space = np.random.default_rng(0), {f"p{k}": Range(0.0, 1.0) for k in range(count)}
    own = dict.fromkeys(space, 0.9)

    def run(seed, noise):
        search, best = Search(space, own, seed), []
        for _ in range(8):
            batch = search.batch()
            costs = [sum((v - 0.3) ** 2 for v in one.values()) for one in batch]
            search.tell([c + noise * rng.standard_normal() for c in costs])
            best += batch
        return best

    last = [sum((v - 0.3) ** 2 for v in one.values()) for one in run(0, 1e-3)[-6:]]
    assert np.median(last) < 0.05 < sum((v - 0.3) ** 2 for v in own.values())
    assert run(1, 0.0) == run(1, 0.0) != run(2, 0.0)
    assert run(3, 0.0)[0] == own
    search = Search(space, own, 0)
    search.tell([np.inf] * len(search.batch()))  # all came to nothing: it goes on
    assert len(search.batch()) >= 4


@pytest.mark.slow
def test_workers_change_nothing(tmp_path):
    words = ("tune", *SMALL[:-1], "trials:=6")
    for workers in (1, 3):
        done = covary_here(tmp_path, *words, f"workers:={workers}", f"out:=t{workers}")
        assert done.returncode == 0, done.stderr
    ordered = [
        sorted(trials_of(tmp_path / f"t{w}"), key=lambda t: (t["check"], t["number"]))
        for w in (1, 3)
    ]
    assert ordered[0] == ordered[1]
