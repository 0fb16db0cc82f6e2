"""Tasks by name, held to what can be told of them at once, before anything is compiled or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.parameters import ParameterError
from ..nodes.plugin import PluginError, load
from ..symmetry.declaration import Symmetry
from .limits import Limits, symmetry_clash
from .task import Task

_NEEDED = (
    *("name", "dt", "physics_dt", "time_limit", "hold", "action_interface"),
    *("state_names", "action_names", "goal", "mjcf", "symmetry", "limits"),
)


def load_task(spec: str) -> Task:
    """The task that a name stands for.

    Args:
        spec: A file of sim/tasks, or ``my_package.my_file:MyTask``.

    Raises:
        PluginError: There is none, it cannot be built, or what it declares contradicts itself:
            above all limits that are not as symmetric as its group. `check_task` measures the rest.
    """
    cls = load(spec, "sim.tasks")
    try:
        task = cls()
        reason = _flaw(task)
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"task {spec!r}: cannot be built ({said})", True, "task") from error
    if reason:
        raise PluginError(f"task {spec!r}: {reason}", True, "task")
    return task


def check_task_parameter(parameters: Any) -> None:
    """The `check` of nodes that have a parameter `task` and nothing else to hold against it.

    Raises:
        PluginError: As `load_task`.
    """
    load_task(parameters.task)


def check_plant_parameters(parameters: Any) -> None:
    """The `check` of a node that holds commands to a deadline.

    Raises:
        PluginError: As `load_task`.
        ParameterError: A deadline shorter than a physics tick.
    """
    tick_ms = load_task(parameters.task).physics_dt * 1e3
    if parameters.command_deadline_ms < tick_ms:
        said = f"{parameters.command_deadline_ms:g} is shorter than a physics tick"
        raise ParameterError(f"command_deadline_ms: {said} ({tick_ms:g} ms)")


def _flaw(task: Any) -> str:
    """What is wrong with what a task declares, or nothing."""
    if not isinstance(task, Task):
        return "is no task: it must derive from covary.sim.task.Task"
    lacking = [name for name in _NEEDED if not hasattr(task, name)]
    if lacking == ["symmetry"]:
        return "declares no symmetry; a task that has none declares the group trivial()"
    if lacking:
        return f"lacks {', '.join(lacking)}"
    s = task.symmetry
    if not isinstance(s, Symmetry) or not isinstance(task.limits, Limits):
        return "its symmetry must be a Symmetry, its limits must be Limits"
    for space, names in (("state", task.state_names), ("action", task.action_names)):
        if s.width(space) != len(names):  # type: ignore[arg-type]
            return (
                f"the {space} parts of its symmetry have {s.width(space)} coordinates, "  # type: ignore[arg-type]
                f"its {space}_names are {len(names)}"
            )
    if task.goal not in s.state:
        return f"its goal {task.goal!r} is no part of its state ({', '.join(s.state)})"
    if task.limits.slices != s.slices("action"):
        return "its limits stand elsewhere than the parts of its action"
    for what, limits in (("limits", task.limits), ("rates", task.rates)):
        clash = symmetry_clash(limits, s) if limits is not None else None
        if clash:
            return clash.replace("limits", what, 1)
    safe = task.safe_action()
    for g in s.group.elements:
        if np.abs(s.act(g, action=safe) - safe).max() > 1e-9 * (1.0 + np.abs(safe).max()):
            return f"element {s.group.element_names[g]} of {s.group.name} moves its safe action"
    if not Path(task.mjcf).is_file():
        return f"its MuJoCo model {task.mjcf} is no file"
    return ""
