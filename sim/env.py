"""`TaskEnv`: any task as a Gymnasium environment; the one place where cost becomes reward."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ..nodes import plugin
from .judge import Judge
from .load_task import load_task, task_options
from .task import Task

ROOM = "sim.tasks"
NAMESPACE, VERSION = "covary", "v0"


class TaskEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """A task on its plant. A step is one control period; judged as the sim node judges.

    The reward is ``-running_cost(x', u)``. The episode is terminated when success has held for
    `task.hold` seconds (then ``info["success"]`` is true) and truncated at `task.time_limit`, here
    and not by a wrapper. Actions are projected onto the task's limits, which are tighter than the
    action space where they are no box. Units are the task's: nothing is scaled to [-1, 1].

    Args:
        task: A task, its class, or its name as in launch files: ``push``, ``my_file:MyTask``.
        render_mode: ``"rgb_array"`` for `render`, or None.
        width: Of rendered images, pixels.
        height: Of rendered images, pixels.
        engine: What simulates it: ``mujoco`` or ``pybullet``.
        **options: What the task's class takes beside, as ``robot="arm"`` in manipulation tasks.

    Raises:
        ValueError: An option that the class does not take, or options of a task that is made
            already; also no such task, engine or render mode.
        EngineError: The engine is not installed.

    Attributes:
        task: The task.
        plant: What is stepped.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(
        self,
        task: Task | type[Task] | str,
        render_mode: str | None = None,
        width: int = 256,
        height: int = 256,
        engine: str = "mujoco",
        **options: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is 'rgb_array' or None, not {render_mode!r}")
        self.task = _made(task, options)
        self.plant = self.task.plant(engine)
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": round(1 / self.task.dt)}
        self.action_space = self.task.action_space
        self.observation_space = self.task.observation_space
        self._size = width, height
        self._camera = None
        self._ticks_per_step = round(self.task.dt / self.task.physics_dt)
        self._judge = Judge(self.plant)
        self._ready = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode at a start drawn from the task's distribution.

        Args:
            seed: Seeds `np_random`, from which this start and those after it are drawn.
            options: ``{"state": x}`` starts in state x (n,) instead.

        Returns:
            Observation, and ``{"success": False}``.

        Raises:
            ValueError: A start of the wrong size or not finite, or an option of another name.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        x = options.pop("state", None)
        if options:
            raise ValueError(f"unknown reset option {next(iter(options))!r}; there is 'state'")
        if x is None:
            self.plant.begin(self.np_random)
        else:
            self.plant.reset(_vector(x, len(self.task.state_names), "start"))
        self._judge = Judge(self.plant)
        self._ready = True
        return self._observation(self.plant.state()), {"success": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Do an action (m,) for one control period.

        Returns:
            Observation, reward, terminated, truncated, and ``{"success": bool}``.

        Raises:
            ValueError: An action of the wrong size or not finite; nothing has moved.
            gymnasium.error.ResetNeeded: Before the first `reset`.
        """
        if not self._ready:
            raise gymnasium.error.ResetNeeded("call reset before step")
        u = self.task.limits.project(_vector(action, len(self.task.action_names), "action"))
        for _ in range(self._ticks_per_step):
            self.plant.apply(u)
            self.plant.step()
        verdict = self._judge.period(u, self.plant.tick * self.task.physics_dt)
        success, out_of_time = verdict is True, verdict is False
        seen = self._observation(self.plant.state())
        return seen, -self._judge.running, success, out_of_time, {"success": success}

    def render(self) -> np.ndarray | None:
        """The top camera's image (height, width, 3) uint8; None without a render mode.

        Raises:
            CameraError: There is no GL library to render with.
        """
        if self.render_mode is None:
            return None
        if self._camera is None:
            from .camera import TopCamera  # only those who look pay for it

            self._camera = TopCamera(self.plant, *self._size)
        return self._camera.rgb()

    def close(self) -> None:
        """Let the camera go. The environment can still be used."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _observation(self, x: np.ndarray) -> np.ndarray:
        return np.array(self.task.observe(x), dtype=np.float64)


def environment_id(task: str) -> str:
    """What a task of ours is called in Gymnasium: ``point_mass`` -> ``covary/PointMass-v0``."""
    return f"{NAMESPACE}/{''.join(word.capitalize() for word in task.split('_'))}-{VERSION}"


def recorded_environment(metadata: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Id and arguments by which `gymnasium.make` makes what a recording is of.

    Args:
        metadata: Of the recording: ``task``, ``task_options``, ``engine``.
    """
    name, options = metadata.get("task", ""), task_options(metadata)
    if "env_id" in options:  # a Gymnasium environment in the place of a task
        return options["env_id"], {}
    given = {key: value for key, value in options.items() if value}
    if (engine := metadata.get("engine", "")) not in ("", "mujoco"):
        given["engine"] = engine
    # Of ours Gymnasium imports the module before the colon, which registers what comes after it.
    return (name if ":" in name else f"{__name__}:{environment_id(name)}"), given


def register() -> None:
    """Make every task of sim/tasks known to `gymnasium.make`; again does no harm.

    Importing this module does it: Gymnasium 1 has no plug-ins, it knows what is registered in the
    running process. Nothing of a task is imported before it is made.
    """
    for name in plugin.names(ROOM):
        if environment_id(name) not in gymnasium.registry:
            gymnasium.register(
                environment_id(name), entry_point=f"{__name__}:TaskEnv", kwargs={"task": name}
            )


def _made(task: Task | type[Task] | str, options: dict[str, Any]) -> Task:
    """The task that a name, a class or an object stands for."""
    if isinstance(task, str):
        return load_task(task, options)
    if inspect.isclass(task):
        return task(**options)
    if options:
        raise ValueError(f"{task.name} is made already; it takes no option {next(iter(options))!r}")
    return task


def _vector(values: Any, size: int, what: str) -> np.ndarray:
    """Finite numbers of the right count, as float64. (size,)"""
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (size,):
        raise ValueError(f"the {what} has shape {vector.shape}; it should be ({size},)")
    if not np.isfinite(vector).all():
        raise ValueError(f"the {what} is not finite: {vector}")
    return vector


# Gymnasium's own convention: make("covary.sim.env:covary/Push-v0") imports this module for this.
register()
