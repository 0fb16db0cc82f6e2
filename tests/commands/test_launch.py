"""`covary launch` and its companions from the shell: exit codes, tables, and errors of one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import covary_here

from covary.commands.launch import report
from covary.nodes.launching.description import LaunchDescription
from covary.nodes.supervision.run_folder import Outcome, summarise

LAUNCH = """
launch:
- arg: {name: episodes, default: 2, description: How many}
- arg: {name: samples, default: 4}
- arg: {name: realtime, default: true}
- arg: {name: who, default: outsider:Answerer, description: "Who answers, in one [word]"}
- node:
    exec: outsider:Ticker
    name: ticker
    on_exit: shutdown
    param: [{name: episodes, value: $(var episodes)}]
- node: {exec: $(var who), name: answerer, param: [{name: samples, value: $(var samples)}]}
- node: {exec: outsider:Listener, name: listener}
"""


@pytest.fixture
def place(tmp_path):
    source = Path(__file__).parents[1] / "nodes" / "supervision" / "outsider_nodes.py"
    shutil.copy(source, tmp_path / "outsider.py")
    (tmp_path / "talk.yaml").write_text(LAUNCH)
    return tmp_path


def covary(place, *words, timeout=60):
    command = [sys.executable, "-m", "covary.commands.main", *words]
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=timeout, env=environment
    )


def test_help_names_every_command_and_imports_nothing_slow(place):
    done = covary(place, "--help")
    assert done.returncode == 0
    for name in (
        "launch",
        "check",
        "graph",
        "topic",
        "service",
        "doctor",
        "info",
        "replay",
        "recover",
    ):
        assert name in done.stdout
    code = (
        "import sys; sys.argv = ['covary', '--help']\n"
        "from covary.commands.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'zenoh', 'numba', 'mujoco', 'rosbags') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=place)
    assert done.stdout.strip().endswith("[]")


def test_an_unknown_command_names_the_nearest(place):
    done = covary(place, "lauch")
    assert (done.returncode, done.stderr) == (2, "no command 'lauch'; did you mean 'launch'?\n")


def test_show_args(place):
    done = covary(place, "launch", "talk.yaml", "--show-args")
    assert done.returncode == 0
    assert "How many" in done.stdout and "outsider:Answerer" in done.stdout
    assert "in one [word]" in done.stdout
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "command line: no launch file 'nope'"),
        (("talk.yaml", "sampels:=3"), "did you mean 'samples'?"),
        (("talk.yaml", "samples=3"), "did you mean 'samples:=3'?"),
        (("talk.yaml", "realtime:=maybe"), "realtime:=maybe: must be true or false"),
        (("talk.yaml", "--summary", "no/such/place.json"), "--summary: no folder"),
        (("broken.yaml",), "broken.yaml:2: unknown entity 'nod'; did you mean 'node'?"),
        (("empty.yaml",), "empty.yaml:1: it starts nothing"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(place, words, message):
    (place / "broken.yaml").write_text("launch:\n- nod: {}")
    (place / "empty.yaml").write_text("launch: []")
    done = covary(place, "launch", *words)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (place / "runs").exists()


@pytest.mark.parametrize("mode", ["processes", "lockstep"])
def test_a_launch_prints_a_table_and_writes_its_summary_twice(place, mode):
    flags = ["--lockstep"] if mode == "lockstep" else []
    done = covary(place, "launch", "talk.yaml", "samples:=9", "--summary", "s.json", *flags)
    assert done.returncode == 0, done.stderr
    assert "episode   1  failure" in done.stderr and "\x1b" not in done.stderr
    assert "planner" in done.stdout and "answerer" in done.stdout
    assert "covary info bags/episode_000" in done.stdout
    assert "covary replay bags/episode_000" in done.stdout
    (summary,) = place.glob("runs/talk-*/summary.json")
    found = json.loads(summary.read_text())
    assert found == json.loads((place / "s.json").read_text())
    assert (found["samples"], found["episodes"]) == (9, 2)
    assert found["realtime"] is (mode == "processes")


def test_the_end_says_what_mends_an_open_bag_and_finds_covary(tmp_path, capsys, monkeypatch):
    (tmp_path / "a run" / "bags" / "episode_000.open").mkdir(parents=True)
    monkeypatch.setenv("PATH", "/nowhere")
    found = summarise(tmp_path, LaunchDescription(tmp_path / "a.yaml"), Outcome())
    report(found | {"bags": ["bags/episode_000"]}, tmp_path / "a run")
    said = capsys.readouterr().out
    assert f"unclosed    covary recover '{tmp_path}/a run/bags/episode_000.open'\n" in said
    assert f"covary view '{tmp_path}/a run'\n" in said
    activate = Path(sys.prefix) / "bin" / "activate"
    assert ("next        . " in said) == activate.is_file()


def test_a_summary_that_cannot_be_written_is_said(place):
    (place / "taken.json").mkdir()
    done = covary(place, "launch", "talk.yaml", "--summary", "taken.json", "--lockstep")
    assert done.returncode == 1 and "taken.json cannot be written: " in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "summary" in done.stdout


def test_a_working_folder_that_is_gone(place):
    (place / "gone").mkdir()
    words = 'rmdir ../gone; exec "$0" -m covary.commands.main launch push'
    done = subprocess.run(
        ["sh", "-c", words, sys.executable], cwd=place / "gone", capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "the working folder does not exist any more" in done.stderr


def test_an_unknown_node_ends_the_launch_with_bad_input(place):
    done = covary(place, "launch", "talk.yaml", "who:=outsider:Anwserer")
    assert done.returncode == 2
    assert "did you mean Answerer?" in done.stderr
    done = covary(place, "launch", "talk.yaml", "who:=outsider:Anwserer", "--lockstep")
    assert done.returncode == 2
    assert "talk.yaml:12: " in done.stderr and "did you mean Answerer?" in done.stderr


def test_check_finds_mistakes_without_starting_anything(place):
    done = covary(place, "check", "talk.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 nodes, 3 topics, no errors" in done.stdout
    for words, message in {
        "samples:=many": "talk.yaml:12: /answerer: samples: 'many' is not a whole number",
        "who:=outsider:Anwserer": "did you mean Answerer?",
        "who:=sim_nod": "did you mean sim_node?",
    }.items():
        done = covary_here(place, "check", "talk.yaml", words)
        assert done.returncode == 2 and message in done.stderr, done.stderr
    done = covary_here(place, "check", "push", "planner:=cemm")
    assert done.stderr.count("did you mean cem?") == 1, done.stderr
    text = LAUNCH.replace("name: answerer,", "name: answerer, remap: [{from: /wrod, to: /a}],")
    (place / "remap.yaml").write_text(text)
    done = covary_here(place, "check", "remap.yaml")
    assert done.returncode == 2
    assert "has no topic '/wrod' to remap; did you mean '/word'?" in done.stderr
    text = LAUNCH.replace("name: answerer,", "name: answerer, remap: [{from: /word, to: /a}],")
    (place / "dangling.yaml").write_text(text)
    done = covary_here(place, "check", "dangling.yaml")
    assert done.returncode == 2
    assert "dangling.yaml:12: /answerer listens to '/a', which nobody publishes" in done.stderr
    more = '- executable: {cmd: "true"}\n'  # it may publish anything
    (place / "open.yaml").write_text(text + more)
    done = covary_here(place, "check", "open.yaml")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: open.yaml:12: /answerer listens to '/a', which")
    words = ("fallback:=cem", "success_limit:=0", "samples:=64", "realtime:=false", "domain:=3")
    done = covary_here(place, "check", "push", *words)
    assert done.stderr == "warning: fallback:=cem: nothing here uses it\n"
    assert not (place / "runs").exists()


def test_our_own_launch_files_pass_their_check(place):
    for name in ("push", "block_pick", "gym"):  # test_graph.py wires all of them
        done = covary_here(place, "check", name)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_doctor(place):
    done = covary(place, "doctor")
    assert done.returncode == 0
    for word in ("python", "numba", "GL library", "GPU", "processor cores", "Numba cache"):
        assert word in done.stdout


def test_topics_of_a_running_launch(place):
    nothing = covary_here(place, "topic", "list")
    assert nothing.returncode == 2 and "no launch is running" in nothing.stderr
    launcher = subprocess.Popen(
        [sys.executable, "-m", "covary.commands.main", "launch", "talk.yaml", "episodes:=0"],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while not list(place.glob("runs/*/ticker.json")) and time.monotonic() < until:
            time.sleep(0.1)
        (endpoint,) = place.glob("runs/*/endpoint.json")
        assert endpoint.stat().st_mode & 0o777 == 0o600
        listed = covary_here(place, "topic", "list")
        line = next(line for line in listed.stdout.splitlines() if "/word" in line)
        assert "/ticker" in line and "/answerer, /listener" in line
        said = covary_here(place, "topic", "echo", "word", "--count", "2", "--run", endpoint.parent)
        assert said.returncode == 0 and said.stdout.count("data: hello") == 2
        done = covary_here(place, "topic", "echo", "/episode", "--count", "1")
        assert "task: nothing" in done.stdout and "START" not in done.stdout
        done = covary_here(place, "topic", "hz", "/word", "--seconds", "2.3")
        rates = [float(line.split()[0]) for line in done.stdout.splitlines()]
        assert rates and all(10 < rate < 60 for rate in rates)
        wrong = covary_here(place, "topic", "echo", "/wrod")
        assert (wrong.returncode, wrong.stderr) == (2, "no topic '/wrod'; did you mean '/word'?\n")
        served = covary_here(place, "service", "list").stdout
        assert "/ticker/get_state" in served and "lifecycle_msgs/srv/ChangeState" in served
        done = covary_here(place, "service", "call", "ticker/get_state")
        assert done.returncode == 0 and "label: active" in done.stdout, done.stderr
        wrong = covary_here(place, "service", "call", "/ticker/get_stat")
        assert wrong.returncode == 2
        assert wrong.stderr == "no service '/ticker/get_stat'; did you mean '/ticker/get_state'?\n"
        wrong = covary_here(place, "service", "call", "/ticker/change_state")
        assert wrong.returncode == 2 and "only empty ones can be sent" in wrong.stderr
    finally:
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(30) == 130
