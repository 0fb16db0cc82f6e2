"""`make test-all` runs what has not passed at this code, whatever fails, and says what is left."""

import pytest
import run_all


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The parts that were run; `b` fails."""
    names = []

    def run(name):
        names.append(name)
        return {"ok": name != "b", "told": "1 test", "seconds": 60.0}

    monkeypatch.setattr(run_all, "FOLDER", tmp_path / "test-all")
    monkeypatch.setattr(run_all, "ROOT", tmp_path)
    monkeypatch.setattr(run_all, "slow_files", lambda: {"a": 1, "b": 2, "c": 3})
    monkeypatch.setattr(run_all, "revision", lambda: "one")
    monkeypatch.setattr(run_all, "run", run)
    return names


def test_a_failure_stops_nothing_and_is_run_again(ran, capsys):
    assert run_all.main() == 1 and ran == [run_all.DEFAULT, "a", "b", "c"]
    assert "FAILED  b: 1 test; 1 left, about 1 min" in capsys.readouterr().out
    assert run_all.main() == 1 and ran[4:] == ["b"]


def test_what_passed_is_run_again_when_the_code_has_changed(ran, monkeypatch):
    run_all.main()
    monkeypatch.setattr(run_all, "revision", lambda: "another")
    run_all.main()
    assert ran[4:] == [run_all.DEFAULT, "a", "b", "c"]


def test_ctrl_c_keeps_what_was_run(ran, monkeypatch):
    run = run_all.run

    def stopped(name):
        if name == "b":
            raise KeyboardInterrupt
        return run(name)

    monkeypatch.setattr(run_all, "run", stopped)
    assert run_all.main() == 130
    monkeypatch.setattr(run_all, "run", run)
    run_all.main()
    assert ran == [run_all.DEFAULT, "a", "b", "c"]
