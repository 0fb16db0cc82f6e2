"""Planner, symmetry, model and policies are swapped from the command line; mistakes cost a line."""

import pytest
from launches import SMALL, covary, covary_here, launch, messages_of, processes_in

THREE_LINES = """
from covary.planners.mppi import MPPI
class Calm(MPPI):
    def sample(self, memory, rng, count): return super().sample(memory, rng, count) / 2
"""
CASES = {
    "plain": (),
    "cem": ("planner:=cem",),
    "mppi": ("planner:=mppi",),
    "no symmetry": ("symmetry:=none",),
    "a subgroup": ("symmetry:=C4",),
    "delay": ("plan_delay_ms:=40",),
}
BARRIER = "every policy for late plans is the same behind the tick barrier, where none is late"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """What /command carried in one episode of push, by case."""
    found = {}
    for name, words in CASES.items():
        place = tmp_path_factory.mktemp("swap")
        run = launch(place, "push", *SMALL, "episodes:=1", *words, "--lockstep", here=True)
        assert run.summary["episodes"] == 1
        for word in words:
            key, _, value = word.partition(":=")
            assert run.summary.get(key, value) == value
        found[name] = messages_of(run, "/command")
    return found


def test_every_swap_changes_what_is_done(commands):
    assert commands["mppi"] == commands["plain"]
    others = [commands[name] for name in CASES if name != "mppi"]
    assert all(a != b for i, a in enumerate(others) for b in others[:i])


@pytest.mark.parametrize("policy", ["replay", "hold", "brake"])
def test_late_policies(tmp_path, commands, policy):
    words = ("episodes:=1", f"late_policy:={policy}", "--lockstep")
    run = launch(tmp_path, "push", *SMALL, *words, here=True)
    assert messages_of(run, "/command") == commands["plain"], BARRIER


def test_mujoco_as_the_planners_model(tmp_path):
    tiny = ("samples:=16", "horizon:=6", "knots:=3", "iterations:=1")
    run = launch(tmp_path, "push", "model:=mujoco", *tiny, "episodes:=1", "--lockstep", here=True)
    assert (run.summary["samples"], run.summary["horizon"]) == (16, 6)
    assert run.summary["episodes"] == 1


@pytest.mark.slow
def test_mujoco_as_the_planners_model_succeeds_as_it_comes(tmp_path):
    run = launch(tmp_path, "push", "model:=mujoco", "episodes:=2", "--lockstep", timeout=600)
    assert run.summary["success_rate"] == 1.0


@pytest.mark.parametrize("mode", ["lockstep", "processes"])
def test_a_planner_from_outside(tmp_path, mode):
    (tmp_path / "my_file.py").write_text(THREE_LINES)
    flags = ["--lockstep"] if mode == "lockstep" else []
    run = launch(tmp_path, "push", *SMALL, "planner:=my_file:Calm", "episodes:=1", *flags)
    assert run.summary["planner"] == "my_file:Calm"
    assert (run.summary["episodes"], run.summary["samples"]) == (1, 64)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--lockstep"], []], ids=["lockstep", "processes"])
def test_a_planner_that_breaks_down_at_once_ends_the_launch(tmp_path, flags):
    """Its reason is on the screen, and nobody starts it again and again."""
    (tmp_path / "my_file.py").write_text(THREE_LINES.replace(", count)", ")"))
    done = covary(tmp_path, "launch", "push", *SMALL, "planner:=my_file:Calm", *flags)
    assert done.returncode in (1, 2)
    assert "TypeError: Calm.sample() takes 3 positional arguments" in done.stderr
    assert "start 4" not in done.stderr and processes_in(tmp_path) == {}


MISTAKES = {
    "planner:=mpi": "no planners file is called 'mpi'; did you mean mppi?",
    "planner:=nowhere:Mine": "there is no module 'nowhere'",
    "planner:=my_file:Clam": "did you mean Calm?",
    "planner:=my_file:broken": "my_file:broken",
    "symmetry:=D5": "D5 is no subgroup of D8",
    "symmetry:=al": "'al'",
    "samples:=many": "samples: 'many' is not a whole number",
    "samples:=0": "samples: 0",
    "samples:=5": "samples: 5 is less than one orbit of D8",
    "horizon:=0": "horizon: 0 must be at least 1",
    "iterations:=-1": "iterations: -1",
    "knots:=99": "knots: 99 does not fit a horizon of 20 steps",
    "noise:=.inf": "noise: inf is not finite",
    "temperature:=0": "temperature: 0.0 must be positive",
    "late_policy:=wait": "late_policy: 'wait' is none of replay, hold, brake",
    "plan_delay_ms:=-1": "plan_delay_ms: -1.0 must not be negative",
    "episodes:=0": "episodes: 0 must be at least 1",
    "episodes:=two": "episodes: 'two' is not a whole number",
    "seed:=-1": "seed: -1 must",
    "model:=numbo": "model: 'numbo' is none; did you mean 'numba'?",
    "record:=perhaps": "'perhaps' is neither true nor false",
    "realtime:=perhaps": "realtime:=perhaps: must be true or false",
    "planer:=mppi": "did you mean 'planner'?",
}
IN_PROCESSES = ("planner:=mpi",)


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_in_lockstep_is_one_line(tmp_path, word):
    """All but the line that names the mistake was said before it was found."""
    (tmp_path / "my_file.py").write_text(THREE_LINES + "broken = 1\n")
    given = {w.partition(":=")[0]: w for w in (*SMALL, word)}
    run = covary if word == next(iter(MISTAKES)) else covary_here
    done = run(tmp_path, "launch", "push", *given.values(), "--lockstep")
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert MISTAKES[word] in done.stderr.splitlines()[-1]
    said_before = ("push.yaml -> ", "  sim ", "  planner ", "  control ")
    assert all(line.startswith(said_before) for line in done.stderr.splitlines()[:-1])


@pytest.mark.parametrize(
    "word", [w if w in IN_PROCESSES else pytest.param(w, marks=pytest.mark.slow) for w in MISTAKES]
)
def test_a_mistake_in_processes_is_told_on_the_screen(tmp_path, word):
    (tmp_path / "my_file.py").write_text(THREE_LINES + "broken = 1\n")
    given = {w.partition(":=")[0]: w for w in (*SMALL, word)}
    done = covary(tmp_path, "launch", "push", *given.values())
    assert done.returncode == 2, done.stderr
    assert MISTAKES[word] in done.stderr and "Traceback" not in done.stderr
    assert processes_in(tmp_path) == {}
