"""`Engine`: what a plant asks of whatever simulates its scene."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import mujoco

PACKAGES = {"mujoco": "mujoco", "pybullet": "pybullet"}
"""The physics engines (`<name>_engine.py`), and the package that each needs."""


class EngineError(RuntimeError):
    """An engine that is not installed or cannot have a scene; one line that says why."""


class Engine(Protocol):
    """Moves a scene, given as a compiled MuJoCo model, and mirrors it in MuJoCo's data.

    The model says what there is: bodies, joints, shapes, masses, actuators. The data hold where it
    is: the engine reads `ctrl` and writes `qpos`, `qvel`, `act`, `time` and all that follows from
    them (poses of bodies, shapes and sites). So cameras, tasks and robots ask the data alone, and
    cannot tell engines apart.

    Attributes:
        name: What a launch file calls it.
        resumes: Whether a restored state goes on bit for bit wherever in an episode it is of. If
            not, only one of tick 0 does.
        model: The scene.
        data: Where everything is.
    """

    name: str
    resumes: bool
    model: mujoco.MjModel
    data: mujoco.MjData

    def begin(self) -> None:
        """Take up what the data say: `qpos`, `qvel`, `act`, `mocap_pos`, `ctrl`, at time 0."""
        ...

    def step(self) -> None:
        """One physics tick under ``data.ctrl``."""
        ...

    def state(self) -> np.ndarray:
        """All that it needs to go on from here. (N,)"""
        ...

    def restore(self, state: np.ndarray) -> None:
        """Go back to what `state` gave (N,).

        Raises:
            ValueError: It is of another scene: its size differs.
        """
        ...

    def name_of(self, index: int) -> str:
        """What one number of a state is, e.g. ``qpos[3] (joint box)``.

        Raises:
            IndexError: A state has no such number.
        """
        ...


def check_engine(name: str) -> None:
    """Hold an engine's name to what is installed; nothing is imported.

    Raises:
        EngineError: The engine is not installed.
    """
    package = PACKAGES[name]
    if find_spec(package) is None:
        raise EngineError(
            f"engine: {name} needs {package}, which is not installed: "
            f"pip install --only-binary=:all: {package}"
        )


def coordinate(model: mujoco.MjModel, array: str, index: int) -> str:
    """What one number of an array of MuJoCo's data is, e.g. ``qpos[3] (joint box)``.

    Args:
        model: The scene.
        array: Name of the array.
        index: Place in it.
    """
    addresses = {"qpos": model.jnt_qposadr, "qvel": model.jnt_dofadr}.get(array)
    if addresses is None:
        return f"{array}[{index}]"
    joint = int(np.searchsorted(addresses, index, side="right")) - 1
    return f"{array}[{index}] (joint {model.joint(joint).name or joint})"
