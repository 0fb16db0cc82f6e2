"""Tasks by name, held to what can be told of them at once, before anything is compiled or run."""

from __future__ import annotations

import difflib
import inspect
import json
import re
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.parameters import ParameterError
from ..nodes.plugin import PluginError, load
from ..symmetry.declaration import Symmetry
from .dials import check_dials
from .engines.engine import EngineError, check_engine
from .exactness import asymmetry
from .limits import Limits, clash_of
from .task import Task

_NEEDED = (
    *("name", "dt", "physics_dt", "time_limit", "hold", "action_interface"),
    *("state_names", "action_names", "goal", "symmetry", "limits"),
)


def load_task(spec: str, options: Mapping[str, Any] | None = None) -> Task:
    """The task that a name stands for.

    Args:
        spec: A file of sim/tasks, or ``my_package.my_file:MyTask``.
        options: What its class takes beside, such as ``robot``; an empty text is not given.

    Raises:
        PluginError: There is none, it cannot be built, or what it declares contradicts itself:
            above all limits, a cost or a success that are not as symmetric as its group.
            `check_task` measures the rest.
        ParameterError: Options that its class does not take, or with values that it refuses.
    """
    cls = load(spec, "sim.tasks")
    if not (isinstance(cls, type) and issubclass(cls, Task)):  # no word of a file calls it
        said = "is no task: it must derive from covary.sim.task.Task"
        raise PluginError(f"task {spec!r}: {said}", True, "task")
    given = {name: value for name, value in (options or {}).items() if value != ""}
    _check_options(spec, cls, given)
    try:
        task = cls(**_as_taken(cls, given))
        reason = _flaw(task)
    except ParameterError:  # of an option's value: it says itself what is wrong
        raise
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())
        said = str(error) if said.startswith("KernelError") else f"cannot be built ({said})"
        raise PluginError(f"task {spec!r}: {said}", True, "task") from error
    if reason:
        raise PluginError(f"task {spec!r}: {reason}", True, "task")
    return task


def recorded_task(metadata: Mapping[str, str]) -> Task:
    """The task that a recording's metadata name, which may come from anybody.

    Raises:
        PluginError: As `named_task`, or they name none.
        ParameterError: Its options do not fit.
    """
    spec, options = metadata.get("task", ""), task_options(metadata)
    if not spec:
        raise PluginError("its metadata do not say which task it is of")
    return named_task(spec, options, "a recording")


def named_task(spec: str, options: Mapping[str, str | int], by: str) -> Task:
    """The task that a file names which may come from anybody, such as a policy's card.

    Args:
        spec: As of `load_task`.
        options: As of `load_task`.
        by: What names it, for the error.

    Raises:
        PluginError: As `load_task` and `check_may_import`.
        ParameterError: Its options do not fit.
    """
    check_may_import(spec, options, by)
    return load_task(spec, options)


def check_may_import(spec: str, options: Mapping[str, str | int], by: str) -> None:
    """Refuse to import what somebody's file names, unless it is ours or in the working folder.

    There it must have, by its text, a class of that name with a parent.

    Raises:
        PluginError: It may not be imported.
    """
    for word, is_class in ((spec, True), (str(options.get("env_id", "")), False)):
        module, colon, name = word.partition(":")
        ours = not colon or module.partition(".")[0] in _OURS
        if not ours and not _lies_here(module, name if is_class else ""):
            raise PluginError(
                f"{word!r} is of a module that does not lie in the working folder, or has no such "
                f"class: {by} may not have it imported"
            )


_OURS = (__name__.partition(".")[0], "gymnasium", "gymnasium_robotics")


def _lies_here(module: str, name: str) -> bool:
    """Whether a module is a file in the working folder, with a class of a name unless empty."""
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    file = Path.cwd().joinpath(*module.split(".")).with_suffix(".py")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return not name or re.search(rf"^class {re.escape(name)}\(", text, re.MULTILINE) is not None


def task_options(metadata: Mapping[str, str]) -> dict[str, str | int]:
    """The options that a recording's metadata state; whatever is no such thing is none."""
    try:
        found = json.loads(metadata.get("task_options", "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str | int)}


def _check_options(spec: str, cls: Any, options: Mapping[str, Any]) -> None:
    """Hold options to the names that a task's class takes.

    Raises:
        ParameterError: One that it does not take, or one that it needs is missing.
    """
    taken = inspect.signature(cls).parameters
    known = list(taken)
    for name, option in taken.items():
        named = option.kind in (option.POSITIONAL_OR_KEYWORD, option.KEYWORD_ONLY)
        if named and option.default is option.empty and name not in options:
            raise ParameterError(f"task {spec!r} needs the option {name!r}", "task_options")
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
            raise ParameterError(f"task {spec!r} takes no option {name!r}; {hint}", "task_options")


def _as_taken(cls: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a class takes them: words of a command line are text, whole numbers too."""
    taken, given = inspect.signature(cls).parameters, dict(options)
    for name, value in given.items():
        number = type(taken[name].default) is int and isinstance(value, str)
        if number and re.fullmatch(r"-?\d{1,9}", value):
            given[name] = int(value)
    return given


def check_task_parameter(parameters: Any) -> None:
    """The `check` of nodes that have a parameter `task` and nothing else to hold against it.

    Raises:
        PluginError: As `load_task`.
    """
    load_task(parameters.task, parameters.task_options)


def check_plant_parameters(parameters: Any) -> None:
    """The `check` of a node that simulates, and holds commands to a deadline.

    Raises:
        PluginError: As `load_task`.
        ParameterError: An engine that is not installed, a deadline shorter than a tick, or a dial
            that can break nothing here.
    """
    try:
        check_engine(parameters.engine)
    except EngineError as error:
        raise ParameterError(str(error), "engine") from error
    task = load_task(parameters.task, parameters.task_options)
    check_dials(task, parameters.dials, parameters.engine)
    tick_ms = task.physics_dt * 1e3
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
    for name in ("dt", "physics_dt"):
        if not (isinstance(period := getattr(task, name), Real) and 0 < period < np.inf):
            return f"its {name} is {period!r}, and must be a positive number of seconds"
    s = task.symmetry
    if not isinstance(s, Symmetry) or not isinstance(task.limits, Limits):
        return "its symmetry must be a Symmetry, its limits must be Limits"
    for space, names in (("state", task.state_names), ("action", task.action_names)):
        if s.width(space) != len(names):  # type: ignore[arg-type]
            return (
                f"the {space} parts of its symmetry have {s.width(space)} coordinates, "  # type: ignore[arg-type]
                f"its {space}_names are {len(names)}"
            )
        if twice := [name for name in names if list(names).count(name) > 1]:
            return f"its {space}_names have {twice[0]!r} twice"
    for space in ("state", "action"):
        names, units = getattr(task, f"{space}_names"), getattr(task, f"{space}_units")
        if units and len(units) != len(names):
            return f"its {space}_names are {len(names)}, its {space}_units {len(units)}"
    # What ours compute is held to the same by tests; trying it would make every process load Numba.
    ours = type(task).__module__.startswith(f"{__package__}.tasks.")
    if not ours and task.kernels is not None:
        from .kernel_trial import check_kernels  # here, because Numba is for tasks with kernels

        check_kernels(task)
    names = task.constraint_names
    found = np.shape(task.constraint(np.zeros((2, s.width("state")))))
    if found != (2, len(names)):
        return f"its constraint_names are {len(names)}, its constraint of two states is {found}"
    if task.goal and task.goal not in s.state:
        return f"its goal {task.goal!r} is no part of its state ({', '.join(s.state)})"
    if task.limits.slices != s.slices("action"):
        return "its limits stand elsewhere than the parts of its action"
    clash = clash_of(task, s)
    if clash:
        return clash
    safe = task.safe_action()
    for g in s.group.elements:
        if np.abs(s.act(g, action=safe) - safe).max() > 1e-9 * (1.0 + np.abs(safe).max()):
            return f"element {s.group.element_names[g]} of {s.group.name} moves its safe action"
    if task.mjcf and not Path(task.mjcf).is_file():
        return f"its MuJoCo model {task.mjcf} is no file"
    if not task.mjcf and type(task).model_text is Task.model_text:
        return "lacks mjcf, or a model_text of its own"
    return "" if ours else asymmetry(task)
