"""`covary grade`: a table, the figures as JSON, and an exit code that a script can use."""

import json

import pytest
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError


def run(*words):
    return CliRunner().invoke(build("grade"), ["grade", *map(str, words)])


def test_push_is_exact(tmp_path):
    out = tmp_path / "residuals.json"
    result = run("push", "samples:=4", "--json", out)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert report["task"] == "push" and report["group"] == "D8" and report["samples"] == 4
    assert set(report["components"]) == {"cost", "limits", "rules", "dynamics", "observation"}
    for words in ("push under D8", "dynamics: second free", "ring, m", "cost: running"):
        assert words in result.output


def test_what_is_broken_on_purpose_is_said_and_no_failure():
    result = run("push", "samples:=4", "dials:={cost_offset: 1}")
    assert result.exit_code == 0 and "cost: broken on purpose by cost_offset" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["psh"], "did you mean push"),
        (["push", "dials:={wnd: 1}"], "did you mean wind"),
        (["push", "dials:={wind: 50}"], "wind: 50 is not within -20 .. 20 m/s"),
        (["push", "dials:=3"], "dials"),
        (["push", "samples:=1"], "samples: 1 is no whole number from 2 on"),
        (["push", "engine:=foo"], "engine"),
        (["push", "images:=[depth]"], "none of heightmap, rgb"),
        (["push", "robot:=arm"], "takes no option 'robot'"),
        (["reacher", "dials:={gravity_tilt: 5}"], "reacher has no gravity"),
    ],
)
def test_bad_words_are_one_line(words, said):
    result = run(*words)
    assert isinstance(result.exception, InputError), result.output
    assert said in str(result.exception) and "\n" not in str(result.exception)
