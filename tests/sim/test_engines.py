"""What holds for every engine: a line about one that is not installed, names of numbers."""

import numpy as np
import pytest

from covary.commands.main import main
from covary.sim.engines.engine import EngineError, check_engine
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push

FIND_SPEC = "covary.sim.engines.engine.find_spec"


def test_an_engine_that_is_not_installed_is_refused_before_anything_starts(monkeypatch, capsys):
    monkeypatch.setattr(
        "covary.sim.engines.engine.find_spec", lambda name: name != "pybullet" or None
    )
    advice = "needs pybullet, which is not installed: pip install --only-binary=:all: pybullet"
    with pytest.raises(EngineError) as caught:
        check_engine("pybullet")
    assert str(caught.value) == f"engine: pybullet {advice}"
    for command in ("check", "launch"):
        monkeypatch.setattr("sys.argv", ["covary", command, "push.yaml", "engine:=pybullet"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"/sim: engine: pybullet {advice}" in line


def test_an_engine_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="'ode' is none of mujoco, pybullet"):
        Plant(Push(), engine="ode")


def test_each_number_of_mujocos_state_has_a_name():
    plant = Plant(Push())
    plant.reset(Push().initial_state(np.random.default_rng(0)))
    size = len(plant.physics_state())
    names = [plant.engine.name_of(k) for k in range(size)]
    assert names[:2] == ["time[0]", "qpos[0] (joint pusher_x)"]
    assert names[3] == "qpos[2] (joint box)" and len(set(names)) == size
    with pytest.raises(IndexError):
        plant.engine.name_of(size)
