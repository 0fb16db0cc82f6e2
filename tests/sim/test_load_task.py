"""Tasks by name: what a file or a recording names is not called before it is known to be a task."""

import sys

import pytest

from covary.nodes.plugin import PluginError
from covary.sim.load_task import load_task, recorded_task

EVIL = {"args": "touch pwned", "shell": "1"}


def test_what_is_no_task_is_not_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError, match="is no task: it must derive from"):
        load_task("subprocess:Popen", EVIL)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "metadata",
    [
        {"task": "subprocess:Popen", "task_options": '{"args": "touch pwned", "shell": "1"}'},
        {"task": "this:X"},
        {"task": "careless:Other"},
        {"task": "../careless:Boom"},
        {"task": "covary.sim.gym.gym_task:GymTask", "task_options": '{"env_id": "this:X-v0"}'},
        {"task": ""},
        {},
    ],
    ids=str,
)
def test_a_recording_has_nothing_imported_that_is_no_task(tmp_path, monkeypatch, metadata):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "careless.py").write_text("open('pwned', 'w')\nclass Boom(object):\n    pass\n")
    monkeypatch.delitem(sys.modules, "this", raising=False)
    with pytest.raises(PluginError):
        recorded_task(metadata)
    assert not (tmp_path / "pwned").exists() and "this" not in sys.modules


def test_a_recording_of_ours_and_of_the_working_folder(tmp_path, monkeypatch):
    assert recorded_task({"task": "block_pick", "task_options": '{"robot": "arm"}'}).name
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine_here.py").write_text(
        "from covary.sim.tasks.push import Push\nclass Mine(Push):\n    name = 'mine'\n"
    )
    assert recorded_task({"task": "mine_here:Mine"}).name == "mine"
