"""`GymPlant`: a Gymnasium environment in the place of a plant, one step a control period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dials import Dials
from .environments import flat, make, mujoco_model

if TYPE_CHECKING:
    from .gym_task import GymTask


class GymPlant:
    """What `covary.sim.plant.Plant` does, done by an environment.

    A physics tick is a control period: the environment steps its own physics within it, and holds
    the action while it does. An episode can only be taken up from its beginning, since what an
    environment remembers is more than its physics.

    Args:
        task: Whose environment it is.
        dials: What is turned; none of them acts on the environment.

    Attributes:
        tick: Steps since the episode's start.
        model: Its `mujoco.MjModel`; None where it has none.
        data: Its `mujoco.MjData`; None where it has none.
        over: Whether the environment has terminated or truncated the episode.
        resumes: It does not go on from within an episode: `restore` refuses it.

    Raises:
        ParameterError: The environment cannot be made.
    """

    resumes = False

    def __init__(self, task: GymTask, dials: Dials | None = None) -> None:
        self.task, self.dials = task, dials or Dials()
        self.env = make(task.env_id, task.starts)
        self.model = mujoco_model(self.env)
        self.data = self.env.unwrapped.data if self.model is not None else None  # type: ignore
        self.goal = np.zeros(0)
        self.tick = 0
        self.over = False
        self._x = np.zeros(len(task.state_names))
        self._u = task.safe_action()
        self._reward = 0.0
        self._success = False

    def begin(self, rng: np.random.Generator) -> None:
        """Begin the episode whose seed these draws give."""
        observation, _ = self.env.reset(seed=episode_seed(rng))
        self._x = flat(self.task.facts.keys, observation)
        self._u = self.task.safe_action()
        self._reward = 0.0
        self.over = self._success = False
        self.tick = 0

    def reset(self, x: np.ndarray) -> None:
        """Refuses: no state of an environment can be told from what it shows.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{self.task.env_id} begins where its seed says, and nowhere else")

    def set_goal(self, goal: np.ndarray) -> None:
        """Takes nothing: the environment chooses its goals (`task.goal` is empty)."""

    def apply(self, u: np.ndarray) -> None:
        """Take an action (m,) for the next step."""
        self._u = np.asarray(u, float)

    def step(self) -> None:
        """One step of the environment, which is one control period.

        Raises:
            ValueError: The action is not finite; nothing has moved.
        """
        if not np.isfinite(self._u).all():
            raise ValueError(f"the action is not finite: {self._u}")
        action = self._u.astype(self.env.action_space.dtype)
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._x = flat(self.task.facts.keys, observation)
        self._reward = float(reward)
        self.over = bool(terminated or truncated)
        # Time may run out in our clock before it does in the environment's wrapper, never after.
        timed_out = bool(truncated) or self.tick + 1 >= self.task.facts.steps
        declared = self.task.facts.declaration
        self._success = bool(declared.success(self._x, info, bool(terminated), timed_out))
        self.tick += 1

    def place(self) -> None:
        """Leaves bodies and shapes where the environment has them, which may read them itself."""

    def state(self) -> np.ndarray:
        """The observation as one vector. (n,)"""
        return self._x.copy()

    def cost(self, u: np.ndarray) -> float:
        """Minus the reward of the last step."""
        return -self._reward

    def success(self) -> bool:
        """Whether the last step was a success, by the rule that the declaration names."""
        return self._success

    def joints(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (m, rad) and velocities (m/s, rad/s) of `task.joint_names`. (j,), (j,)"""
        joints = list(self.task.facts.joints)
        if not joints:
            return np.zeros(0), np.zeros(0)
        model, data = self.model, self.data
        return data.qpos[model.jnt_qposadr[joints]], data.qvel[model.jnt_dofadr[joints]]

    def physics_state(self) -> np.ndarray:
        """MuJoCo's integration state; empty where the environment is of another make. (N,)"""
        if self.model is None:
            return np.zeros(0)
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(self.model, self.data, state, kind)
        return state

    def physics_name(self, index: int) -> str:
        """What one number of `physics_state` is, e.g. ``qpos[3] (joint hinge)``."""
        from ..engines.mujoco_engine import integration_name

        return integration_name(self.model, index)

    def restore(self, state: np.ndarray) -> None:
        """Hold the beginning of an episode to the physics that was recorded of it (N,).

        Raises:
            ValueError: It is of another model, or nothing was recorded.
        """
        if self.model is None or not len(state):
            raise ValueError(
                f"{self.task.env_id} is no MuJoCo environment: no physics was recorded to replay"
            )
        now = self.physics_state()
        if now.shape != state.shape:
            raise ValueError(f"a physics state of {len(state)} numbers; this has {len(now)}")
        if state[0] != now[0]:  # MuJoCo's clock
            raise ValueError(f"{self.task.env_id} can only be replayed from an episode's beginning")

    def close(self) -> None:
        """Let the environment go."""
        self.env.close()


def episode_seed(rng: np.random.Generator) -> int:
    """The seed for an environment's reset: the first draw, so that it is told by the episode."""
    return int(rng.integers(2**31))
