"""`make bench` and `make results`: the finished stays, a failure stops nothing, all is shown."""

import json
from functools import partial

import pytest
from code_blocks import ROOT

from covary.benchmarks.running import parts, peers
from covary.benchmarks.running.parts import Part, Run
from covary.benchmarks.running.rows import kept_rows
from covary.benchmarks.running.tables import as_markdown


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Four programs, one of which fails, one prints no JSON and one misses its peer."""
    programs = {
        "whole.py": "import json, sys; print(json.dumps({'words': sys.argv[1:]}))",
        "fails.py": "print('{}'); raise SystemExit(3)",
        "talks.py": "print('hello')",
        "alone.py": 'print(\'{"skipped": "no judo"}\')',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(parts, "HERE", tmp_path)
    of = {name[:-3]: Part(name, 1.5, "judo" if name == "alone.py" else "") for name in programs}
    return Run(of | {"whole": Part("whole.py --long", 1.5)}, tmp_path / "out")


def test_a_failure_stops_nothing_and_only_it_is_left(run, monkeypatch, capsys):
    monkeypatch.setattr(peers, "has", lambda module: False)
    run.run(run.left())
    assert run.failed == ["fails", "talks"] == run.left()
    assert "4 of 4 parts, about 6 min" in capsys.readouterr().out
    assert run.figures("whole") == {"words": ["--long"]}
    again = Run(run.parts, run.folder)
    assert set(again.summary) == {"whole", "alone"} and again.left() == ["fails", "talks"]
    assert "| whole |" in again.tables() and "## alone" in again.tables()


def test_a_part_without_its_peer_is_run_again_once_that_is_there(run, monkeypatch):
    monkeypatch.setattr(peers, "has", lambda module: False)
    run.run(["alone"])
    assert "alone" not in run.left()
    monkeypatch.setattr(peers, "has", lambda module: module == "judo")
    assert "alone" in run.left()


def test_a_part_that_is_named_is_run_again_and_a_failure_keeps_the_figures(run):
    run.run(["whole"])
    (parts.HERE / "whole.py").write_text("raise SystemExit(1)")
    run.run(["whole"])
    assert run.failed == ["whole"] and run.figures("whole") == {"words": ["--long"]}


def test_every_benchmark_is_a_part():
    for folder, of in (("", parts.BENCH), ("results/", parts.RESULTS)):
        files = {f"{folder}{f.name}" for f in (ROOT / "benchmarks" / folder).glob("*.py")}
        assert files == {part.words.split()[0] for part in of.values()}


def test_no_index_is_one_line_and_nothing_is_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(peers.venv, "create", lambda folder, **more: folder.mkdir())
    monkeypatch.setattr(peers, "install", lambda *wanted: "ERROR: no index")
    peers.make()
    _, told = capsys.readouterr().out.splitlines()
    assert told == "peers: nothing is compared with pytorch_mppi and judo (ERROR: no index)"
    assert not peers.has("judo") and not (tmp_path / "peers" / "stamp").exists()


def test_figures_of_any_shape_become_tables():
    figures = {"load": 0.5, "rows": [{"a": 1.23456, "b": None}, {"a": 2e5, "c": [1, 2]}]}
    figures |= {"loops": {"mine": {"cost": 1}, "theirs": {"cost": 2}}}
    told = as_markdown(json.loads(json.dumps(figures)))
    assert "load 0.5" in told and "| 1.235 |  |  |" in told and "| 200,000 |  | 1, 2 |" in told
    assert "| theirs | 2 |" in told


def test_rows_of_workers_are_kept_and_one_that_fails_takes_no_other_with_it(tmp_path):
    todo = [("fails", partial(int, "x")), *((n, partial(dict, name=n)) for n in "abc")]
    assert kept_rows(todo, tmp_path, 0.0) == []
    with pytest.raises(RuntimeError, match="fails: ValueError"):
        kept_rows(todo, tmp_path, 1.0, 2)
    assert [row["name"] for row in kept_rows(todo[1:], tmp_path, 0.0)] == ["a", "b", "c"]
