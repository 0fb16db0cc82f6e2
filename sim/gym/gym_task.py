"""`GymTask`: any Gymnasium environment with Box actions as a task; its state is what it shows."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ...nodes.parameters import ParameterError
from ...symmetry.declaration import Symmetry
from ..dials import Dials
from ..limits import Box, Limits
from ..task import Task
from .starts import check_starts, hold_of

_DIALS = {"action_delay", "label_flip", "observation_noise"}
"""Those that need no hold on the physics."""


class GymTask(Task):
    """Do what an environment rewards. Cost is minus its reward, and only the environment knows it.

    The state vector is the observation; of a goal environment observation, achieved goal and
    desired goal, one after the other. Names, symmetry and what counts as a success come from
    `covary.sim.gym.declarations`, where the environment is known; any other has the trivial group.

    Args:
        env_id: Its id in Gymnasium, such as ``FetchPickAndPlace-v4``.
        starts: ``own``; for those that `covary.sim.gym.starts` knows ``demonstrated`` or
            ``widened`` too.

    Raises:
        ParameterError: There is no such environment, it has no such starts, or its spaces are none
            that a task can have.
    """

    goal = ""  # the environment chooses it; nobody else can move it
    opaque = True

    def __init__(self, env_id: str, starts: str = "own") -> None:
        from .environments import facts  # here, because gymnasium is slow to import

        self.name = self.env_id = env_id
        self.starts = starts
        self.facts = known = facts(env_id)
        check_starts(env_id, starts)
        declared = known.declaration
        self.dt = self.physics_dt = known.dt
        self.time_limit = known.steps * known.dt
        self.hold = declared.hold or hold_of(env_id, starts)
        self.action_interface = declared.action_interface
        self.state_names, self.action_names = declared.state_names, declared.action_names
        self.symmetry = Symmetry(
            declared.group,
            state=declared.state,
            action=declared.action,
            observation=declared.state,
        )
        self.limits = Limits(
            {
                part: Box(known.low[here], known.high[here])
                for part, here in self.symmetry.slices("action").items()
            },
            self.symmetry.slices("action"),
        )

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The hinges and slides of its MuJoCo model."""
        return self.facts.joint_names

    def model_text(self) -> str:
        """What it is and of which version, and its MJCF where it has one."""
        return self.facts.model

    def plant(
        self, engine: str = "mujoco", model: str | None = None, dials: Dials | None = None
    ) -> Any:
        """The environment itself.

        Raises:
            EngineError: Another engine than its own.
            ValueError: Another model than its own.
            ParameterError: A dial that would change its physics, its cost or its pictures.
        """
        from ..engines.engine import EngineError
        from .gym_plant import GymPlant

        if engine != "mujoco":
            raise EngineError(f"engine: {self.env_id} brings its own physics; leave out {engine}")
        if model is not None:
            said = model.partition("\n")[0].removeprefix("<!-- ").removesuffix(" -->")
            raise ValueError(
                f"it is of another version ({said}), and brings its model with it; "
                f"here is {self.facts.model.partition(chr(10))[0][5:-4]}"
            )
        if wrong := sorted(set((dials or Dials()).turned()) - _DIALS):
            said = f"dials: {wrong[0]}: {self.env_id} brings its own world; there are "
            raise ParameterError(said + ", ".join(sorted(_DIALS)), "dials")
        return GymPlant(self, dials)

    def safe_action(self) -> np.ndarray:
        """Zeros where the limits allow them, else their middle. (m,)"""
        low, high = np.array(self.facts.low), np.array(self.facts.high)
        return np.where((low <= 0.0) & (high >= 0.0), 0.0, (low + high) / 2)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """What the environment shows after a reset with the seed that these draws give. (n,)"""
        plant = self.plant()
        try:
            plant.begin(rng)
            return plant.state()
        finally:
            plant.close()

    def running_cost(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Not known outside of the environment: see `GymPlant.cost`."""
        self._untold("cost")

    def terminal_cost(self, x: np.ndarray) -> np.ndarray:
        """Not known outside of the environment."""
        self._untold("cost")

    def success(self, x: np.ndarray) -> np.ndarray:
        """Not known outside of the environment: see `GymPlant.success`."""
        self._untold("success")

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Not known: what an environment shows is not where everything is."""
        self._untold("physics")

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """Not known: an environment makes its observation itself."""
        self._untold("observation")

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """Nothing: it has no goal that can be moved."""
        return np.zeros(0)

    def _untold(self, what: str) -> NoReturn:
        raise NotImplementedError(f"the {what} of {self.env_id} is known to the environment alone")
