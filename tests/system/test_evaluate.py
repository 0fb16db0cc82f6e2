"""`covary evaluate`: judged as a launch judges; one result whoever runs it; figures, mistakes."""

import json
import os
import re
import signal
import subprocess

import made_policies
import numpy as np
import pytest
from launches import command, covary_here, environment, launch, wait_for

from covary.commands.evaluating import crew
from covary.commands.evaluating.episodes import Job, Result
from covary.commands.evaluating.figures import counted
from covary.commands.intervals import of_mean, wilson
from covary.control.success_map import read_map

PILOT = '''"""Drives the mass to its goal, from the side it starts on, as far as it looks."""

import numpy as np


class Pilot:
    """Brakes in time; some of its draws are too timid to arrive."""

    def __init__(self, task):
        self.task = task

    def reset(self, rng):
        self.gain = rng.choice([0.2, 4.0])

    def act(self, observation):
        x = observation["state"]
        return self.gain * (x[4:6] - x[0:2]) - 3.0 * x[2:4]


class Broken(Pilot):
    """Says no number in the second episode."""

    def __init__(self, task):
        super().__init__(task)
        self.episodes = 0

    def reset(self, rng):
        super().reset(rng)
        self.episodes += 1

    def act(self, observation):
        if self.episodes == 2:
            raise RuntimeError("out of ideas")
        return super().act(observation)


class Looks(Pilot):
    """Looks from above."""

    images = {"heights": "/camera/heightmap/image_raw"}


class Lists(Pilot):
    """Names no topic."""

    images = ("heightmap",)


class Mute(Pilot):
    """Its answers are too short."""

    def act(self, observation):
        return np.zeros(1)


class Nothing:
    """Is no policy."""
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "pilot.py").write_text(PILOT)
    return folder


def evaluate(place, *words, code=0):
    done = covary_here(place, "evaluate", *words)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def lines(folder):
    return [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]


def test_the_same_episodes_whoever_runs_them_and_all_that_is_written(place):
    words = ("pilot:Pilot", "point_mass", "seed:=3")
    done = evaluate(place, *words, "episodes:=8", "workers:=1", "out:=one", "--json", "one.json")
    evaluate(place, *words, "episodes:=6", "workers:=2", "out:=two")
    one, two = lines(place / "one"), lines(place / "two")
    assert one[:6] == two
    found = json.loads((place / "one.json").read_text())
    assert found == json.loads((place / "one" / "summary.json").read_text())
    wins = sum(line["success"] for line in one)
    assert 0 < wins < 8
    assert (found["successes"], found["episodes"], found["success_rate"]) == (wins, 8, wins / 8)
    assert found["interval"] == wilson(wins, 8)
    assert found["cost"]["mean"] == pytest.approx(np.mean([line["cost"] for line in one]))
    assert found["cost"]["interval"] == of_mean([line["cost"] for line in one])
    assert found["complete"] and found["exit_code"] == 0 and found["latency_ms"]["p50"] > 0
    assert found["failed"] == [line["episode"] for line in one if not line["success"]]
    assert (place / "one" / "starts.png").read_bytes()[:4] == b"\x89PNG"
    assert f"{wins} of 8" in done.stdout and "one/summary.json" in done.stdout


def test_a_planner_is_judged_as_in_a_launch(place):
    words = ("robot:=floating_gripper", "seed:=4", "dials:={gravity_tilt: 8, label_flip: 0.7}")
    run = launch(
        place, "block_pick", *words, "episodes:=2", "--lockstep", "record:=false", here=True
    )
    evaluate(place, "expert", "block_pick", *words, "episodes:=2", "workers:=1", "out:=expert")
    told = run.stats("sim")["episodes"]
    for line, episode in zip(lines(place / "expert"), told, strict=True):
        assert line["success"] == episode["success"]
        assert line["cost"] == pytest.approx(episode["cost"], rel=1e-6)
        assert line["seconds"] == pytest.approx(episode["duration"])


@pytest.mark.parametrize(
    ("policy", "task", "words"),
    [
        ("pilot:Pilot", "point_mass", ("dials:={observation_noise: 0.01, actuator_gain: 0.3}",)),
        ("flow", "push", ("dials:={camera_tilt: 30, mirrored_image: 0.5, action_delay: 1}",)),
    ],
)
def test_a_policy_is_judged_as_in_a_launch(place, policy, task, words):
    """Starts, draws, chunks, images, dials: everything that it sees and does, to the last bit."""
    if policy == "flow":
        made = {"head": "flow", "chunk": 4, "execute": 3, "pixels": 16}
        made_policies.made_policy(place / "flow", "push", **made)
    words, episodes = (*words, "seed:=2"), 4 if policy == "pilot:Pilot" else 1
    asked = ("heightmap:=16",) if policy == "flow" else ()
    run = launch(place, task, f"policy:={policy}", *words, *asked, f"episodes:={episodes}",
                 "--lockstep", "record:=false", here=True)  # fmt: skip
    evaluate(place, policy, task, *words, f"episodes:={episodes}", "workers:=1", "out:=policy")
    told = run.stats("sim")["episodes"]
    found = lines(place / "policy")
    assert [line["success"] for line in found] == [episode["success"] for episode in told]
    assert [line["cost"] for line in found] == [episode["cost"] for episode in told]
    if policy == "pilot:Pilot":
        assert {line["success"] for line in found} == {True, False}


def test_dials_are_values_apart_over_the_same_starts(place):
    done = evaluate(
        place,
        *("pilot:Pilot", "point_mass", "dials:={actuator_gain: [0, 1.0], wind: 2}"),
        *("episodes:=3", "workers:=1", "out:=dials", "--json", "-"),
    )
    found = json.loads(done.stdout)
    assert found["episodes"] == 6
    rows = found["by_dial"]
    assert [row["dials"] for row in rows] == [
        {"actuator_gain": 0, "wind": 2},
        {"actuator_gain": 1.0, "wind": 2},
    ]
    assert all(row["episodes"] == 3 and len(row["interval"]) == 2 for row in rows)
    assert rows[0]["cost"]["mean"] != rows[1]["cost"]["mean"]
    starts = [line["start"] for line in lines(place / "dials")]
    assert starts[0::2] == starts[1::2]
    assert "actuator_gain 1, wind 2" in done.stderr


def test_a_map_over_two_coordinates(place):
    words = ("expert", "block_pick", "robot:=floating_gripper", "workers:=1")
    asked = "map:={block_x: [-0.1, 0.1], block_y: [-0.4, 0.4]}"
    evaluate(place, *words, asked, "grid:=2", "episodes:=1", "out:=map")
    found = read_map(place / "map")
    assert found.names == ("block_x", "block_y")
    np.testing.assert_allclose(found.first, [-0.05, 0.05])
    np.testing.assert_allclose(found.second, [-0.2, 0.2])
    np.testing.assert_array_equal(found.episodes, np.ones((2, 2)))
    assert found.about["task"] == "block_pick" and found.about["seed"] == 0
    starts = [(line["start"]["block_x"], line["start"]["block_y"]) for line in lines(place / "map")]
    np.testing.assert_allclose(starts, [[x, y] for x in (-0.05, 0.05) for y in (-0.2, 0.2)])
    assert (place / "map" / "map.png").exists()
    evaluate(place, "gym_expert", "Reacher-v5", "map:=target_x,target_y", "grid:=2",
             "episodes:=3", "workers:=1", "out:=maze")  # fmt: skip
    assert read_map(place / "maze").episodes.sum() <= 3


def test_broken_off_it_has_the_figures_so_far(place, monkeypatch):
    def until_ctrl_c(episodes, jobs, workers):
        yield from map(episodes.run, [jobs[0], jobs[1], jobs[3]])
        raise KeyboardInterrupt

    monkeypatch.setattr(crew, "results", until_ctrl_c)
    done = evaluate(place, "pilot:Pilot", "point_mass", "out:=part", code=130)
    found = json.loads((place / "part" / "summary.json").read_text())
    assert (found["episodes"], found["wanted"], found["complete"]) == (2, 200, False)
    assert found["exit_code"] == 130 and "2 of 200, the first ones" in done.stdout


def test_only_what_came_before_the_first_gap_counts():
    jobs = [Job(0, k) for k in range(4)]
    made = {job: Result(job, True, 0.0, 1.0, np.zeros(1), np.zeros(1)) for job in jobs}
    del made[jobs[2]]
    assert [result.job.episode for result in counted(jobs, made)] == [0, 1]


def test_why_there_was_no_answer_is_told(place):
    done = evaluate(place, "pilot:Mute", "point_mass", "episodes:=1", "workers:=1", "out:=mute")
    found = json.loads((place / "mute" / "summary.json").read_text())
    assert found["without_answer"] > 0 and "not (chunk, 2)" in found["why_without"]
    assert "the safe action each: its answer has the shape" in done.stdout


def test_a_policy_that_fails_ends_it_with_a_line(place):
    done = evaluate(
        place, "pilot:Broken", "point_mass", "episodes:=4", "workers:=1", "out:=b", code=1
    )
    assert "episode 1: RuntimeError: out of ideas" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((place / "b" / "summary.json").read_text())["episodes"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exprt", "push"), "exprt: is no policy's folder.*did you mean 'expert'"),
        (("nowhere/exprt", "push"), "planners are cem, cma_es, .*, uniform$"),
        (("expert",), "which task"),
        (("expert", "push", "pull"), "one TASK at most, not push and pull"),
        (("expert", "block_puhs"), "did you mean block_push"),
        (("expert", "point_mass"), "no script for point_mass"),
        (("expert", "block_push", "robt:=arm"), "did you mean 'robot'"),
        (("expert", "block_push", "robot:=amr"), "robot: 'amr' is none of arm"),
        (("mppi", "push", "samplse:=3"), "did you mean 'samples'"),
        (("mppi", "reacher", "perception:=runs/eyes"), "sees no images and plans from the state"),
        (("expert", "block_push", "dials:={gravty_tilt: 1}"), "did you mean gravity_tilt"),
        (("expert", "block_push", "dials:=5"), "dials:=5: is no mapping"),
        (("expert", "block_push", "dials:={gravity_tilt: [0, 99]}"), "not within 0 .. 30"),
        (("expert", "block_push", "engine:=bulet"), "engine: 'bulet' is none of"),
        (("expert", "block_push", "episodes:=no"), "episodes:=no: must be a whole number"),
        (("expert", "block_push", "grid:=3"), "grid:= is for map"),
        (("expert", "block_push", "map:=block_x"), "map: needs two coordinates"),
        (("expert", "block_push", "map:=block_x,blok_y"), "did you mean 'block_y'"),
        (("expert", "block_push", "map:={block_x: 3, block_y: 4}"), "block_x: 3 is no range"),
        (("expert", "block_push", "out:=pilot.py"), "out:=pilot.py: no folder"),
        (("gym_expert", "FetchPus-v4"), "did you mean FetchPush-v4"),
        (("pilot:Nothing", "push"), "is no policy; it lacks reset, act"),
        (("pilot:Pilott", "push"), "no class 'Pilott'"),
        (("pilot:Lists", "push"), "images: .* is no mapping of names to topics, such as"),
        (("pilot:Looks", "push"), "it looks at heightmap: say heightmap:=64"),
        ((".",), "there is no policy.yaml"),
        (("expert", "block_push", "--json", "nowhere/x.json"), "no folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(place, words, said):
    done = evaluate(place, *words, code=2)
    assert done.stderr.count("\n") == 1
    assert re.search(said, done.stderr), done.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_no_worker_behind(place):
    words = ("expert", "block_push", "workers:=2", "out:=long", "episodes:=500")
    process = subprocess.Popen(
        command("evaluate", *words),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert process.stdout is not None
    while "100/500 episodes" not in process.stdout.readline():
        assert process.poll() is None
    children = _children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    found = json.loads((place / "long" / "summary.json").read_text())
    assert 90 < found["episodes"] < 500
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 20)


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return file.read().split()
    except OSError:
        return []
