"""`MujocoEngine`: MuJoCo itself; a restored state goes on bit for bit."""

from __future__ import annotations

import mujoco
import numpy as np

from .engine import coordinate

_INTEGRATION = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class MujocoEngine:
    """An `Engine` that needs no mirror: what it steps are the data themselves.

    Args:
        model: The scene.
        data: Where everything is.
    """

    name = "mujoco"
    resumes = True

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self.model, self.data = model, data
        self._size = mujoco.mj_stateSize(model, _INTEGRATION)

    def begin(self) -> None:
        """Compute what follows from the positions."""
        mujoco.mj_forward(self.model, self.data)

    def step(self) -> None:
        """One physics tick."""
        mujoco.mj_step(self.model, self.data)

    def state(self) -> np.ndarray:
        """All that MuJoCo needs to go on bit for bit (mjSTATE_INTEGRATION). (N,)"""
        state = np.empty(self._size)
        mujoco.mj_getState(self.model, self.data, state, _INTEGRATION)
        return state

    def restore(self, state: np.ndarray) -> None:
        """Go back to what `state` gave (N,).

        Raises:
            ValueError: It is of another model: its size differs.
        """
        if state.shape != (self._size,):
            raise ValueError(
                f"a physics state of {state.shape} numbers; this model has {self._size}: "
                "recorded with another model or MuJoCo version"
            )
        given = np.ascontiguousarray(state)
        mujoco.mj_setState(self.model, self.data, given, _INTEGRATION)
        mujoco.mj_forward(self.model, self.data)
        # The forward pass computes what depends on the state; it must not warm-start the solver.
        mujoco.mj_setState(self.model, self.data, given, _INTEGRATION)

    def name_of(self, index: int) -> str:
        """Name of one number of a state, e.g. ``qpos[3] (joint box)``.

        Raises:
            IndexError: A state has no such number.
        """
        return integration_name(self.model, index)


def integration_name(model: mujoco.MjModel, index: int) -> str:
    """Name of one number of MuJoCo's integration state, e.g. ``qpos[3] (joint box)``.

    Raises:
        IndexError: The state has no such number.
    """
    for bit in range(int(mujoco.mjtState.mjNSTATE)):
        if not _INTEGRATION >> bit & 1:
            continue
        size = mujoco.mj_stateSize(model, 1 << bit)
        if index < size:
            name = mujoco.mjtState(1 << bit).name.removeprefix("mjSTATE_").lower()
            return coordinate(model, name, index)
        index -= size
    raise IndexError("beyond the integration state")
