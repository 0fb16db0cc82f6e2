"""`covary collect`: one dataset whoever makes it, kills and full disks included; bad input."""

import fcntl
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from launches import command, covary_here, environment, wait_for

from covary.commands.collecting import collection
from covary.nodes.bags.dataset import Dataset
from covary.nodes.collecting.worker import Attempter
from covary.nodes.launching.launch_file import find, read_assignments, resolve

PICK = ("collect", "block_pick", "robot:=floating_gripper", "dials:={label_flip: 0.6}")
"""Short episodes of an expert, some of which are called failures."""
WORDS = (*PICK, "seed:=3", "episodes:=3", "success_only:=true")


@pytest.fixture(scope="module", autouse=True)
def ungraded():
    """Grading for the card takes longer than all that is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "residuals_of", lambda _: {"not_graded": "by a test"})
        yield


def collect(place, *words, code=0):
    done = covary_here(place, *words)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def started(place, *words):
    place.mkdir(exist_ok=True)
    return subprocess.Popen(
        command(*words),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files_of(folder):
    """Every file's bytes, but for what says how long it took."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "summary.json"
    }


def bags(folder):
    return sorted(path.name for path in (folder / "bags").glob("*"))


def workers_in(folder):
    """Processes that work on a dataset: pids."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        if str(folder).encode() in line and state not in "ZX":
            found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dataset that nobody disturbed, made by one worker."""
    place = tmp_path_factory.mktemp("whole")
    collect(place, *WORDS, "workers:=1", f"out:={place / 'data'}")
    return place / "data"


def test_a_dataset_is_whole_and_says_what_it_is(whole):
    dataset = Dataset(whole)
    episodes = list(dataset)
    lines = [json.loads(line) for line in (whole / "attempts.jsonl").read_text().splitlines()]
    numbers = [line["attempt"] for line in lines if line["success"]]
    assert len(dataset) == 3 and [e.number for e in episodes] == numbers
    assert [line["attempt"] for line in lines] == list(range(numbers[-1] + 1))
    for episode in episodes:
        assert episode.success and episode.time[0] == 0.0
        assert -episode.reward.sum() == pytest.approx(float(episode.metadata["cost"]))
    card = yaml.safe_load((whole / "dataset.yaml").read_text())
    assert card == dataset.card
    assert card["complete"] and card["attempts"]["made"] == len(lines)
    assert card["task"] == "block_pick" and card["symmetry"]["group"] == "D8"
    assert card["arguments"]["robot"] == "floating_gripper" and card["model_sha256"]
    assert card["dials"] == {"label_flip": 0.6} and card["residuals"]
    assert 3 < card["attempts"]["made"] and card["attempts"]["successes"] == 3
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["episodes"] == 3 and summary["exit_code"] == 0
    text = (whole / "README.md").read_text()
    assert card["model_sha256"] in text and "CC-BY-4.0" in text and card["command"] in text
    assert not (whole / ".work").exists()


@pytest.mark.slow
def test_killed_and_begun_again_it_is_the_same(whole, tmp_path):
    """Two workers where there was one; collect and its workers die, then one worker alone."""
    data = tmp_path / "data"
    words = (*WORDS, "workers:=2", f"out:={data}")
    child = started(tmp_path, *words)
    try:
        wait_for(lambda: len(list(data.glob("bags/episode_*"))) >= 2, launcher=child)
    finally:
        child.kill()
        child.communicate()
    wait_for(lambda: not workers_in(data), 10.0)
    killed = []

    def kill_one():
        killed.append(wait_for(lambda: workers_in(data))[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    collect(tmp_path, *words)
    killer.join()
    assert killed and files_of(data) == files_of(whole)


def test_ctrl_c_leaves_a_usable_dataset_and_nobody_behind(tmp_path, whole):
    data = tmp_path / "data"
    words = (*(word for word in WORDS if word != "episodes:=3"), "workers:=2", f"out:={data}")
    child = started(tmp_path, *words, "episodes:=2")
    wait_for(lambda: len(list(data.glob("bags/episode_*"))) >= 1, launcher=child)
    child.send_signal(signal.SIGINT)
    screen, _ = child.communicate(timeout=60)
    assert child.returncode == 130 and "goes on from here" in screen
    assert workers_in(data) == [] and not (data / ".work").exists()
    dataset = Dataset(data)
    assert not dataset.card["complete"] and 1 <= len(list(dataset))
    assert json.loads((data / "summary.json").read_text())["exit_code"] == 130
    collect(tmp_path, *words, "episodes:=3")  # it may be asked to grow
    assert files_of(data) == files_of(whole)


def test_a_whole_dataset_is_left_alone(whole):
    place = whole.parent
    before = files_of(whole)
    done = collect(place, *WORDS, f"out:={whole}")
    assert "3 of them there already" in done.stderr and files_of(whole) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["robot:=arm"], "was begun with robot:=floating_gripper, not robot:=arm"),
        (["seed:=1"], "was begun with seed:=3, not seed:=1"),
        (["licence:=CC0-1.0"], "was begun with licence:=CC-BY-4.0, not licence:=CC0-1.0"),
        (["success_only:=false"], "was begun with success_only:=true, not success_only:=false"),
        (["episodes:=2"], "was begun with episodes:=3, not episodes:=2"),
    ],
)
def test_other_arguments_are_refused(whole, words, said):
    names = {word.partition(":=")[0] for word in words}
    rest = [word for word in WORDS if word.partition(":=")[0] not in names]
    done = collect(whole.parent, *rest, *words, f"out:={whole}", code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_another_launch_file_is_refused(whole):
    done = collect(
        whole.parent, "collect", "push.yaml", "success_only:=true", f"out:={whole}", code=2
    )
    assert "was begun with launch:=block_pick.yaml, not launch:=push.yaml" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["push"], "out:= is needed"),
        (["push", "out:=x", "worker:=2"], "'worker'; did you mean 'workers'?"),
        (["push", "out:=x", "sample:=2"], "'sample'; did you mean 'samples'?"),
        (["push", "out:=x", "workers:=none"], "workers:=none: must be a whole number"),
        (["push", "out:=x", "success_only:=ture"], "did you mean 'true'?"),
        (["push", "out:=x", "episodes:=5", "attempts:=4"], "too few for 5 episodes"),
        (["push", "out:=x", "record:=false"], "needs one recorder"),
        (["push", "out:=x", "realtime:=true"], "in simulated time"),
        (["push", "out:=x", "planner:=mpi"], "mppi"),
        (["nothing", "out:=x"], "no launch file"),
        (["no_seed.yaml", "out:=x"], "it has no argument 'seed'"),
        (["push", "out:=other"], "holds something that is no dataset"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_bad_input(tmp_path, words, said):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    (tmp_path / "no_seed.yaml").write_text(
        "launch:\n  - arg: {name: episodes, default: 1}\n"
        "  - include: {file: $(find-pkg-share covary)/launch/push.yaml,"
        " arg: [{name: seed, value: 3}]}\n"
    )
    done = collect(tmp_path, "collect", *words, code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no_seed.yaml", "other"]


def test_it_ends_where_nothing_succeeds(tmp_path):
    data = tmp_path / "data"
    own = ("episodes:=1", "attempts:=2", "success_only:=true", "plan_delay_ms:=60000")
    done = collect(tmp_path, *PICK[:3], *own, f"out:={data}", code=1)
    assert "0 of 1 episodes after 2 attempts" in done.stdout
    assert bags(data) == [] and len((data / "attempts.jsonl").read_text().splitlines()) == 2
    card = yaml.safe_load((data / "dataset.yaml").read_text())
    assert card["attempts"]["wilson_95"][0] == 0.0 and not card["complete"]


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_collected(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {error}")
    try:
        words = (*PICK, "episodes:=9", f"out:={place / 'data'}")
        done = collect(tmp_path, *words, code=1)
        assert "No space left on device" in done.stdout and "Traceback" not in done.stderr
        dataset = Dataset(place / "data")
        assert 1 <= len(dataset) < 9 and dataset.unreadable() == {}
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        collect(tmp_path, *words[:-2], f"episodes:={len(dataset) + 1}", words[-1], code=2)
        collect(tmp_path, *words)
        assert len(Dataset(place / "data")) == 9
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_an_attempt_whose_worker_was_killed_before_it_said_so(tmp_path):
    words = read_assignments(["robot:=floating_gripper", "episodes:=1"])
    (tmp_path / "bags").mkdir()
    attempter = Attempter(resolve(find("block_pick"), words), tmp_path, tmp_path / "work", False)
    first, second = attempter.make(0), attempter.make(0)
    attempter.close()
    assert first == second and "error" not in first
    assert [path.name for path in (tmp_path / "bags").iterdir()] == ["episode_000000"]


def test_two_do_not_work_in_one_folder(whole, monkeypatch):
    monkeypatch.setattr(collection, "_LOCK_S", 0.1)
    with open(whole / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = collect(whole.parent, *WORDS, f"out:={whole}", code=2)
    assert "another covary collect is at work there" in done.stderr


BROKEN = '''"""A planner that breaks at its tenth plan."""

import os

from covary.planners.uniform import Uniform


class Broken(Uniform):
    plans = 0

    def plan(self, state, time, memory):
        self.plans += 1
        if self.plans == 10:
            print("this goes nowhere near the answers")
            os.write(2, b"its last words") and HOW
        return super().plan(state, time, memory)
'''
HOWS = {"raise": "exec('raise RuntimeError(1)')", "die": "os._exit(3)"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "attempt 0: /planner: RuntimeError: 1"),
        pytest.param(
            "die",
            "attempt 0: its worker ended 3 times (exit code 3): its last words",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_node_that_breaks_ends_it_with_a_line(tmp_path, how, said):
    (tmp_path / "broken.py").write_text(BROKEN.replace("HOW", HOWS[how]))
    words = (*PICK, "planner:=broken:Broken", "episodes:=2", "out:=data")
    done = collect(tmp_path, *words, code=1)
    assert f"failed: {said}" in done.stdout and "Traceback" not in done.stdout + done.stderr
    assert len(Dataset(tmp_path / "data")) == 0
    assert list((tmp_path / "data" / ".work").glob("worker_0*"))  # the logs are there to look into
