"""What plans for a task, built from the block ``{plugin: mppi, samples: 256}`` of a launch file."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes import plugin
from ..nodes.parameters import ParameterError, errors_of, from_dict
from ..symmetry.group import GroupError
from .dynamics import Dynamics
from .task import Task

MODELS = ("numba", "mujoco", "torch")
"""What `model` says of our own models."""


def planner_of(
    task: Task,
    block: dict[str, Any],
    tuned: dict[str, dict[str, Any]],
    symmetry: str,
    model: str,
    friction_scale: float,
    spread: ModelSpread | None = None,
    threads: int = 1,
    latents: bool = False,
) -> Any:
    """The planner that a block asks for, nothing compiled or run.

    Args:
        task: What it plans for.
        block: ``{plugin: name, parameter: value}``.
        tuned: Parameters of some algorithms only, by plugin name; a subclass takes its parent's.
        symmetry: Which of the task's symmetry it uses: full, none, or a subgroup.
        model: What it plans with: numba, mujoco, torch, a trained model's folder, or a user's own
            my_file:my_model.
        friction_scale: Contact friction of the mujoco model over the plant's.
        spread: Several models instead of one.
        threads: Threads of the mujoco model.
        latents: Whether a model of images is told the latents of those.

    Raises:
        ParameterError: Parameters that do not fit each other or the task.
        PluginError: There is no such planner, or it cannot be built.
    """
    check_symmetry(task, symmetry)
    check_tuned(tuned)
    cls = planner_class(block)
    modelled: Dynamics | Task = task
    if getattr(cls, "needs_model", True):
        modelled = build_dynamics(task, model, friction_scale, spread, threads, latents)
    return build_planner(cls, modelled, block, tuned, symmetry)


def check_symmetry(task: Task, symmetry: str) -> None:
    """Hold a word for part of a task's symmetry to the task.

    Raises:
        ParameterError: There is no such subgroup.
    """
    try:
        task.symmetry.restrict(symmetry)
    except GroupError as error:
        words = ("full", "none", *task.symmetry.group.subgroup_names())
        near = difflib.get_close_matches(symmetry, words, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near and "did you mean" not in str(error) else ""
        raise ParameterError(f"symmetry: {error}{hint}", "symmetry") from error


@dataclass(frozen=True)
class ModelSpread:
    """Several models of a task, whose physical parameters lie about the task's own."""

    models: int
    """How many; the first is the task's own."""
    share: float
    """Standard deviation of the logarithm of each parameter."""
    seed: int
    """Key of the draws."""

    def parameters(self, task: Task) -> np.ndarray:
        """The physical parameters of each model. (M, P)"""
        own = np.asarray(task.parameters, float)
        return own * self.factors(len(own))

    def factors(self, count: int) -> np.ndarray:
        """Factors on so many parameters, for each model; 1 for the first. (M, count)"""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, self.models]))
        drawn = np.exp(self.share * rng.standard_normal((self.models, count)))
        drawn[0] = 1.0
        return drawn


def build_dynamics(
    task: Task,
    model: str,
    friction_scale: float,
    spread: ModelSpread | None = None,
    threads: int = 1,
    latents: bool = False,
) -> Dynamics:
    """The planner's own model of the task: never the plant.

    Raises:
        ParameterError: The task has no analytic kernels, or can have no model at all; a user's own
            that does not fit, or of which there are to be several; threads for another model; a
            model of images where nobody tells `latents`.
        PluginError: There is no such model of a user, or it cannot be built.
    """
    if task.opaque:
        text = f"planner: {task.name} has no model to plan with; take one that needs none: uniform"
        raise ParameterError(text, "planner.plugin")
    if threads != 1 and model != "mujoco":
        raise ParameterError("threads: they are for model: mujoco; leave it at 1", "threads")
    learned = is_folder(model)
    if ":" in model or model == "torch" or learned:
        if spread is not None:
            said = "models: several are for model: numba and mujoco; leave it at 1"
            raise ParameterError(said, "models")
        if learned:
            found = learned_dynamics(task, model)
            if not latents and found.task.state_names != task.state_names:
                said = "it plans in latents of images, which only a launch has"
                raise ParameterError(f"model: {model}: {said}: perception:={model}", "model")
            return found
        return tensor_dynamics(task) if model == "torch" else outside_dynamics(task, model)
    if model not in MODELS:
        beside = [card.parent.name for card in Path().glob("*/model.yaml")]
        near = difflib.get_close_matches(model, [*MODELS, *beside], n=1)
        hint = "numba, mujoco, torch, a trained model's folder or my_file:my_model"
        hint = f"did you mean '{near[0]}'?" if near else hint
        raise ParameterError(f"model: {model!r} is none; {hint}", "model")
    if model == "mujoco":
        from .mujoco_dynamics import MujocoDynamics  # mujoco only where it runs

        factors = spread.factors(2) if spread else None
        return MujocoDynamics(task, friction_scale, threads, factors)
    from .numba_dynamics import NumbaDynamics  # numba only where it runs

    try:
        return NumbaDynamics(task, spread and spread.parameters(task))
    except ValueError as error:
        raise ParameterError(f"model: {error}", "model") from error


def is_folder(model: str) -> bool:
    """Whether what `model` says is a trained model's folder: a path, or a name that is one here."""
    return model not in MODELS and ":" not in model and ("/" in model or Path(model).is_dir())


def learned_dynamics(task: Task, folder: str) -> Dynamics:
    """The learned model of a folder that `covary train` left.

    Raises:
        ParameterError: It is none, or not one of this task.
        PluginError: What reads it cannot be imported.
    """
    # By its name: no room that plans imports the one that learns.
    return plugin.load("learned_dynamics", "perception").of(task, folder)


def tensor_dynamics(task: Task) -> Dynamics:
    """The analytic model on tensors: on CUDA in float32 where there is one, else as Numba's.

    Raises:
        ParameterError: torch is not installed, or the task's kernels cannot be written so.
    """
    try:
        import torch  # only where it runs
    except ModuleNotFoundError as error:
        said = "model: torch: it is not installed: pip install 'covary[learn]'"
        raise ParameterError(said, "model") from error
    from .torch_dynamics import TorchDynamics
    from .torch_kernels import TorchKernels

    where = ("cuda", torch.float32) if torch.cuda.is_available() else ("cpu", torch.float64)
    try:
        return TorchDynamics(task, TorchKernels(task, *where), "torch")
    except ValueError as error:
        raise ParameterError(f"model: {error}", "model") from error


def outside_dynamics(task: Task, spec: str) -> Dynamics:
    """A user's own model of the task: ``my_package.my_file:my_model``.

    It is a function ``next_state(x, u)``, or a class that is built with the task and has such a
    method, or is a `Dynamics` itself. It works on tensors where it is a torch module, or the first
    argument is annotated ``torch.Tensor``; else on arrays.

    Raises:
        ParameterError: It is none of these, or what it answers does not fit the task.
        PluginError: There is no such thing, or it cannot be imported or built.
    """
    found = plugin.load_callable(spec)
    if isinstance(found, type):
        try:
            found = found(task)
        except (Exception, SystemExit) as error:  # an outsider's may fail in any way
            text = f"model: {spec}: cannot be built ({in_a_line(error)})"
            raise plugin.PluginError(text, True, "model") from error
        if callable(getattr(found, "rollout", None)):
            return found
        if not callable(getattr(found, "next_state", None)):
            said = "has neither next_state nor rollout"
            raise ParameterError(f"model: {spec}: {said}", "model")
    try:
        if _takes_tensors(found):
            from .torch_dynamics import TorchDynamics  # torch only where it runs

            return TorchDynamics(task, found, spec)
        from .function_dynamics import FunctionDynamics

        return FunctionDynamics(task, getattr(found, "next_state", found), spec)
    except ValueError as error:
        raise ParameterError(" ".join(str(error).split()), "model") from error


def _takes_tensors(model: Any) -> bool:
    """Whether a model is a torch module, or says that it takes tensors."""
    torch = sys.modules.get("torch")  # a file that has such a model has imported it
    if torch is None:
        return False
    if isinstance(model, torch.nn.Module):
        return True
    function = getattr(model, "next_state", model)
    hints = getattr(function, "__annotations__", {})
    first = next(iter(hints.values()), None)
    return first is torch.Tensor or str(first).rpartition(".")[2] == "Tensor"


def check_tuned(tuned: dict[str, dict[str, Any]]) -> None:
    """Hold the parameters of our planners to their types, those of planners not chosen too.

    Raises:
        ParameterError: An unknown parameter, a value of another type, or a planner's name that is
            nearly one of ours.
    """
    known = plugin.offered("planners")
    for name, block in tuned.items():
        if name in known:
            parameters = plugin.load(name, "planners").Parameters
            for error in errors_of(parameters, block, f"planner {name}"):
                raise error.within(f"tuned.{name}")
        elif name in plugin.names("planners"):
            continue  # a parent of planners, none itself
        elif near := difflib.get_close_matches(name, known, n=1):
            text = f"tuned: no planner is called {name!r}; did you mean {near[0]}?"
            raise ParameterError(text, f"tuned.{name}", unknown=True)


def planner_class(block: dict[str, Any]) -> Any:
    """The class that a block ``{plugin: name, ...}`` names.

    A class with ``needs_model = False`` plans without a model and is built with the task instead.

    Raises:
        ParameterError: The block names none.
        PluginError: Unknown plugin, or one that is no planner.
    """
    if "plugin" not in block:
        raise ParameterError("planner: needs a plugin, e.g. {plugin: mppi}", "planner")
    spec = block["plugin"]
    if not isinstance(spec, str):
        raise ParameterError(
            f"planner: plugin: {spec!r} is not text; write mppi or my_file:MyClass",
            "planner.plugin",
        )
    cls = plugin.load(spec, "planners")
    lacking = [w for w in ("Parameters", "initial_memory", "plan") if not hasattr(cls, w)]
    if lacking:
        text = f"planner {spec}: is no planner; it lacks {', '.join(lacking)}"
        raise plugin.PluginError(text, True, "planner.plugin")
    return cls


def build_planner(
    cls: Any,
    model: Dynamics | Task,
    block: dict[str, Any],
    tuned: dict[str, dict[str, Any]],
    symmetry: str,
) -> Any:
    """The planner of a class with the parameters of its block ``{plugin: name, parameter: value}``.

    Raises:
        ParameterError: Unknown parameter, with the nearest valid word.
        PluginError: It cannot be built.
    """
    spec = block["plugin"]
    settings: dict[str, Any] = {}
    origin: dict[str, str] = {}  # setting -> the parameter of this node that holds it
    for parent in reversed(cls.__mro__):
        name = parent.__module__.rpartition(".")[2]
        more = tuned.get(name, {})
        settings.update(more)
        origin.update({key: f"tuned.{name}.{key}" for key in more})
    own = {key: value for key, value in block.items() if key != "plugin"}
    settings.update(own)
    origin.update({key: f"planner.{key}" for key in own})
    try:
        parameters = from_dict(cls.Parameters, settings, f"planner {spec}")
        return _checked(cls(model, symmetry, **vars(parameters)))
    except ParameterError as error:
        error.key = origin.get(error.key.partition(".")[0], "planner")
        raise
    except ValueError as error:
        key = str(error).partition(":")[0]
        text = f"planner {spec}: {' '.join(str(error).split())}"
        raise ParameterError(text, origin.get(key, "planner")) from error
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        text = f"planner {spec}: cannot be built ({in_a_line(error)})"
        raise plugin.PluginError(text, True, "planner.plugin") from error


def rebuilt(planner: Any, changes: dict[str, Any], spec: str, symmetry: str) -> Any:
    """A planner like another one, with some of its parameters changed.

    Raises:
        ParameterError: Values of another type, or that do not fit each other.
    """
    where = f"planner {spec}"
    cls = type(planner)
    settings = vars(planner.parameters) | changes
    parameters = from_dict(cls.Parameters, settings, where)
    try:
        model = getattr(planner, "dynamics", planner.task)  # some plan without one
        return _checked(cls(model, symmetry, **vars(parameters)))
    except ParameterError:
        raise
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        said = str(error) if isinstance(error, ValueError) else in_a_line(error)
        raise ParameterError(f"{where}: {' '.join(said.split())}") from error


def _checked(planner: Any) -> Any:
    """The planner, if it has nothing to say against itself."""
    if hasattr(planner, "check"):
        planner.check()
    return planner


def in_a_line(error: BaseException) -> str:
    """An error of somebody's class: its type and its words."""
    return " ".join(f"{type(error).__name__}: {error}".split())
