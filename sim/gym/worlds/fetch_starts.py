"""FetchPush and FetchPickAndPlace with a fixed block and goal; the gripper's start varies."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np

GRIP = np.array([1.342, 0.749, 0.535])
"""Where the gripper begins in demonstrated starts, m."""
OBJECT, GOAL, GOAL_UP = 0.0375, 0.075, 0.2
"""How far ahead and aside of `GRIP` block and goal are, each along x and along y, m; and how far
above the table's block a goal is that it is lifted to."""
JITTER, WIDE, RAISED = 0.01, 0.15, 0.02
"""How far the gripper is from `GRIP` along x and along y at most, m: demonstrated and widened, and
how much higher it is in widened starts."""


class FetchStarts(gymnasium.Wrapper):
    """FetchPush or FetchPickAndPlace that begins as in experiments with backwards models.

    Block and goal stand where they always stand: 37.5 and 75 mm from `GRIP` along x and along y, on
    the table; the goal of FetchPickAndPlace is 0.2 m up. Only the gripper's start varies, at rest:

    **demonstrated** at (1.342, 0.749, 0.535) m, within 10 mm along x and along y.
    **widened** within 150 mm of it along x and along y, and 20 mm higher.

    So did Park and Wong, "Robust imitation of a few demonstrations with a backwards model", NeurIPS
    2022, but for the 10 mm: their experts draw their actions, ours would do the same five times.

    Args:
        env: The environment.
        starts: ``demonstrated`` or ``widened``.
    """

    def __init__(self, env: gymnasium.Env, starts: str) -> None:
        super().__init__(env)
        self.starts = starts

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; a function of the seed, as the environment's own reset is."""
        _, info = self.env.reset(seed=seed, options=options)
        fetch: Any = self.unwrapped
        wide = WIDE if self.starts == "widened" else JITTER
        grip = GRIP + np.append(fetch.np_random.uniform(-wide, wide, 2), 0.0)
        grip[2] += RAISED if self.starts == "widened" else 0.0
        _move_gripper(fetch, grip)
        block = fetch.data.joint("object0:joint")
        block.qpos[:] = [*(GRIP[:2] + OBJECT), fetch.height_offset, 1.0, 0.0, 0.0, 0.0]
        fetch.goal = np.append(GRIP[:2] + GOAL, fetch.height_offset)
        fetch.goal[2] += GOAL_UP if fetch.target_in_the_air else 0.0
        fetch.data.qvel[:] = 0.0
        fetch.data.qacc_warmstart[:] = 0.0
        fetch.data.time = fetch.initial_time
        mujoco.mj_forward(fetch.model, fetch.data)
        return fetch._get_obs(), info


def _move_gripper(fetch: Any, place: np.ndarray) -> None:
    """Lead Fetch's gripper to a place (3,) by the body that it is welded to."""
    model, data = fetch.model, fetch.data
    fetch._utils.reset_mocap2body_xpos(model, data)
    for _ in range(20):
        gap = place - fetch._utils.get_site_xpos(model, data, "robot0:grip")
        data.mocap_pos[0] += gap
        mujoco.mj_step(model, data, nstep=fetch.n_substeps)
        fetch._step_callback()
