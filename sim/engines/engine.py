"""`Engine`: what a plant asks of whatever simulates its scene."""

from __future__ import annotations

from typing import Protocol

import mujoco
import numpy as np


class Engine(Protocol):
    """Moves a scene, given as a compiled MuJoCo model, and mirrors it in MuJoCo's data.

    The model says what there is: bodies, joints, shapes, masses, actuators. The data hold where it
    is: the engine reads `ctrl` and writes `qpos`, `qvel`, `act`, `time` and all that follows from
    them (poses of bodies, shapes and sites). So cameras, tasks and robots ask the data alone, and
    cannot tell engines apart.

    Attributes:
        name: What a launch file calls it.
        model: The scene.
        data: Where everything is.
    """

    name: str
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
