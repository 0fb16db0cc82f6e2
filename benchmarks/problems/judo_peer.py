"""judo's controller and ours behind the same calls, on one task; judo must be installed."""

import os

import numpy as np
from judo.controller.controller import Controller, ControllerConfig
from judo.optimizers import get_registered_optimizers
from judo.tasks import cylinder_push

from covary.benchmarks.problems.pushing import Pushing
from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.planners.predictive_sampling import PredictiveSampling
from covary.sim.mujoco_dynamics import MujocoDynamics

HORIZON = 50  # control periods: the 1 s that judo looks ahead
PLANNERS = {"mppi": MPPI, "ps": PredictiveSampling, "cem": CEM}  # by judo's names


class Judo:
    """judo's controller as it ships it for cylinder_push, but for the number of rollouts.

    On another task it has that one's XML and costs.

    Args:
        task: The task.
        name: Of the planner.
        samples: Rollouts of a plan.
        changed: Settings of its planner that are not as shipped.
    """

    def __init__(self, task: Pushing, name: str, samples: int, changed: dict | None = None) -> None:
        class Other(cylinder_push.CylinderPush):
            def reward(self, states, sensors, controls, system_metadata=None):
                return -task.running_cost(states, controls).sum(axis=-1)

            def reset(self):
                self.data.qpos[:], self.data.qvel[:] = 0.0, 0.0

        own = task.name == "cylinder_push"
        theirs = cylinder_push.CylinderPush() if own else Other(model_path=task.mjcf)
        kind, config = get_registered_optimizers()[name]
        options = config()
        options.set_override("cylinder_push")
        options.num_rollouts = samples
        for key, value in (changed or {}).items():
            assert hasattr(options, key)
            setattr(options, key, value)
        settings = ControllerConfig()
        settings.set_override("cylinder_push")
        self.controller = Controller(settings, theirs, kind(options, theirs.nu))
        assert self.controller.num_timesteps == HORIZON

    def reset(self) -> None:
        """Forget."""
        self.controller.time = 0.0
        self.controller.reset()

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (n,)."""
        self.controller.current_state, self.controller.time = x, now
        self.controller.update_action()

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.controller.action(now)


class Ours:
    """One of our planners behind the same calls.

    Args:
        task: The task.
        name: Of the planner.
        samples: Rollouts of a plan.
        settings: Of the planner.
        symmetry: As planners take it.
        seed: Of its random numbers.
    """

    def __init__(
        self,
        task: Pushing,
        name: str,
        samples: int,
        settings: dict,
        symmetry: str = "none",
        seed: int = 0,
    ) -> None:
        size = {"horizon": HORIZON, "knots": 4, "spline": "zero"}  # as judo has them
        size |= {"samples": samples // settings.get("iterations", 1), "iterations": 1}
        dynamics = MujocoDynamics(task, threads=os.cpu_count() or 1)
        self.planner = PLANNERS[name](dynamics, symmetry, **(size | settings))
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self.memory = self.planner.initial_memory(self.seed)

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (n,)."""
        self.found, self.memory = self.planner.plan(x, now, self.memory)

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.found.action(now)
