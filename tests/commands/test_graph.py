"""`covary graph`: a tree and a table for the terminal, and mermaid text that is valid."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from covary.commands.graph import drawn
from covary.nodes.launching.drawing import mermaid, tree
from covary.nodes.launching.launch_file import find, resolve
from covary.nodes.launching.wiring import wire

LAUNCH = """
launch:
- node: {exec: "outsider:Ticker", name: ticker, on_exit: shutdown}
- timer:
    period: 1.5
    children:
    - node: {exec: "outsider:Answerer", name: answerer, namespace: left/arm, respawn: true}
- node: {exec: "outsider:Listener", name: listener}
- executable: {cmd: sh -c "exit 0", name: shout, x-required: false}
"""
BOX = re.compile(r'    (n\d+)\["([^"\[\]{}()]*)"\]')
ROUND = re.compile(r'    (t\d+)\(\["([^"\[\]{}()]*)"\]\)')
ARROW = re.compile(r"    ([nt]\d+) --> ([nt]\d+)")


@pytest.fixture
def place(tmp_path):
    source = Path(__file__).parents[1] / "nodes" / "supervision" / "outsider_nodes.py"
    shutil.copy(source, tmp_path / "outsider.py")
    (tmp_path / "talk.yaml").write_text(LAUNCH)
    return tmp_path


def graph(place, *words, **more):
    done = subprocess.run(
        [sys.executable, "-m", "covary.commands.main", "graph", *words],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80", **more},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout


def test_the_drawing_shows_who_speaks_to_whom_and_when_it_starts(place):
    shown = graph(place, "talk.yaml", PYTHONIOENCODING="utf-8").decode()
    lines = shown.splitlines()
    assert lines[0] == "/ticker  outsider:Ticker, its end ends the launch"
    assert "└── /word ─▶ /left/arm/answerer, /listener" in lines
    assert "/left/arm/answerer  outsider:Answerer, after 1.5 s, respawn" in lines
    assert "/listener  outsider:Listener" in lines
    assert "/shout  sh -c exit 0, not required" in lines
    assert any("std_msgs/msg/" in line and "/answer" in line for line in lines)
    assert max(map(len, lines)) <= 80 and "\x1b" not in shown


def test_a_terminal_without_utf_8_gets_ascii(place):
    shown = graph(place, "talk.yaml", PYTHONIOENCODING="ascii").decode("ascii")
    assert "`-- /word -> /left/arm/answerer, /listener" in shown.splitlines()


def test_a_terminal_gets_colours():
    launch = resolve(find("push"))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", _environ={})
    for branch in tree(wire(launch), launch):
        console.print(drawn(branch, "->"))
    shown = screen.getvalue()
    assert "\x1b[1;32m/sim" in shown and "\x1b[36m/state" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert plain[-2:] == ["from outside", "└── /goal -> /sim, /recorder"]


def test_mermaid_alone_is_valid(place):
    lines = graph(place, "talk.yaml", "--mermaid").decode().splitlines()
    assert lines[0] == "flowchart LR"
    boxes = dict(m.groups() for line in lines if (m := BOX.fullmatch(line)))
    rounds = dict(m.groups() for line in lines if (m := ROUND.fullmatch(line)))
    arrows = [m.groups() for line in lines if (m := ARROW.fullmatch(line))]
    assert len(lines) == 1 + len(boxes) + len(rounds) + len(arrows)
    assert set(boxes.values()) == {
        *("/ticker", "/left/arm/answerer<br/>after 1.5 s, respawn", "/listener", "/shout")
    }
    assert set(rounds.values()) == {"/word", "/answer", "/episode"}
    named = {key: text.partition("<")[0] for key, text in (boxes | rounds).items()}
    assert {(named[a], named[b]) for a, b in arrows} == {
        *(("/ticker", "/word"), ("/ticker", "/episode"), ("/answer", "/ticker")),
        *(("/left/arm/answerer", "/answer"), ("/word", "/left/arm/answerer")),
        *(("/word", "/listener"), ("/answer", "/listener")),
    }


def test_every_launch_file_of_ours_can_be_drawn():
    for path in sorted((Path(__file__).parents[2] / "launch").glob("*.yaml")):
        launch = resolve(path)
        wiring = wire(launch)
        assert (wiring.errors, wiring.warnings) == ([], [])
        assert mermaid(wiring, launch).count("[") >= len(launch.nodes)
        assert [b.name for b in tree(wiring, launch)][:4] == [n.full_name for n in launch.nodes]
