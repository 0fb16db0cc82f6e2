"""`covary audit linear TASK`: slopes, free numbers and LQR of a task's model at a point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ...nodes.launching.launch_file import read_assignments
from ...nodes.launching.yaml_loader import InputError, in_a_line, nearest
from ...nodes.parameters import ParameterError
from ...nodes.plugin import PluginError
from ...nodes.supervision.run_folder import write_json
from ...sim.task import Task
from ...symmetry.linear_control.laws import Laws, laws
from ...symmetry.linear_control.linearised import LinearError
from .planner import in_single_precision

PLACE = "command line"
OWN = {
    "model": "numba", "symmetry": "full", "at": "start", "action": "safe", "action_cost": 0.1,
    "horizon": 50, "apart": 0.0, "seed": 0,
}  # fmt: skip
"""The arguments that are the command's own, with their defaults; all others are the task's."""
FINE, COARSE = 1e-5, 1e-2
"""Distance of the points of a difference, for models in float64, and for those in float32.
The first is short enough for curves, the second long enough for rounding."""
EXACT, NEARLY = 1e-6, 1e-3
"""Largest errors that such differences leave of a law that holds."""


def audit(name: str, values: Sequence[str], path: Path | None) -> int:
    """Do it; the exit code.

    Raises:
        InputError: Bad input; one line.
    """
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        said = "is a folder" if path.is_dir() else "its folder is not there; make it first"
        raise InputError(f"--json: {path}: {said}", PLACE)
    given = {key: variable.value for key, variable in read_assignments(list(values)).items()}
    own = {key: given.pop(key, default) for key, default in OWN.items()}
    _check(own)
    try:
        report = _found(name, {key: str(value) for key, value in given.items()}, own)
    except (PluginError, ParameterError, LinearError, ValueError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from error
    except NotImplementedError as error:
        said = f"{name} cannot be linearised: {in_a_line(str(error))}"
        raise InputError(said, PLACE) from error
    console = Console(highlight=False)
    for table in (_counts(report), _laws(report)):
        console.print(table)
    for line in _lines(report):
        console.print(line, markup=False, soft_wrap=True)
    if path is not None:
        try:
            write_json(path, report)
        except OSError as error:
            raise InputError(f"--json: {path}: {error.strerror}", PLACE) from error
    return 1 if report["failures"] else 0


def _check(own: dict[str, Any]) -> None:
    """Hold the command's own arguments to what they can be.

    Raises:
        InputError: One cannot.
    """
    for name, least in (("horizon", 1), ("seed", 0)):
        if type(own[name]) is not int or own[name] < least:
            raise InputError(f"{name}: {own[name]} is no whole number from {least} on", PLACE)
    for name in ("action_cost", "apart"):
        value = own[name]
        if type(value) not in (int, float) or not 0.0 <= value < np.inf:
            raise InputError(f"{name}: {value} is no positive number", PLACE)
    if own["action_cost"] == 0:
        raise InputError("action_cost: 0: without a cost of actions there is no gain", PLACE)
    if own["horizon"] > 10_000:
        raise InputError(f"horizon: {own['horizon']} is more than 10000 periods", PLACE)


def _found(name: str, options: dict[str, str], own: dict[str, Any]) -> dict[str, Any]:
    """The report.

    Raises:
        ParameterError: Arguments that do not fit the task.
        PluginError: There is no such task or model.
        LinearError: The model has no slopes there.
    """
    from ...sim.load_task import load_task
    from ...sim.planner_plugin import build_dynamics, check_symmetry
    from ...sim.symmetry_claim import claimed

    try:
        task = load_task(name, options)
    except ParameterError as error:
        hint = next(filter(None, (nearest(key, OWN) for key in options)), "")
        raise ParameterError(f"{error}{hint}", error.key) from error
    task, word = claimed(task, str(own["symmetry"]))
    check_symmetry(task, word)
    model = str(own["model"])
    x, u = _state(task, own["at"], own["seed"]), _action(task, own["action"])
    symmetry = task.symmetry if word == "full" else task.symmetry.restrict(word)
    dynamics = build_dynamics(task, model, 1.0)
    if getattr(dynamics, "latent", False):
        raise ParameterError(f"model: {model}: slopes: a latent model tells no state", "model")
    exact = not in_single_precision(dynamics, x, u)
    apart = float(own["apart"]) or (FINE if exact else COARSE)
    tolerance = EXACT if exact else NEARLY
    found = laws(
        dynamics.next_state, symmetry, x, u, task.goal,
        float(own["action_cost"]), own["horizon"], apart,
    )  # fmt: skip
    return _report(task, dynamics, found, x, u, tolerance) | {
        "model": model,
        "group": symmetry.group.name,
        **{key: own[key] for key in ("action_cost", "horizon", "seed")},
        "apart": apart,
    }


def _state(task: Task, at: Any, seed: int) -> np.ndarray:
    if at == "start":
        return task.initial_state(np.random.default_rng(seed))
    return _numbers("at", at, "start", task.state_names)


def _action(task: Task, action: Any) -> np.ndarray:
    if action == "safe":
        return task.safe_action()
    return _numbers("action", action, "safe", task.action_names)


def _numbers(key: str, value: Any, word: str, names: Sequence[str]) -> np.ndarray:
    """A point that somebody typed.

    Raises:
        ParameterError: It is none.
    """
    numbers = value if isinstance(value, list) else [value]
    if not all(type(v) in (int, float) for v in numbers) or not np.isfinite(numbers).all():
        raise ParameterError(f"{key}: {value!r} is neither {word} nor a list of numbers", key)
    if len(numbers) != len(names):
        said = f"{key}: {len(numbers)} numbers; it takes {len(names)}: {', '.join(names)}"
        raise ParameterError(said, key)
    return np.array(numbers, float)


def _report(
    task: Task, dynamics: Any, found: Laws, x: np.ndarray, u: np.ndarray, tolerance: float
) -> dict[str, Any]:
    after = task.symmetry.difference("state", dynamics.next_state(x[None], u[None])[0], x)
    worst = {
        what: max(by.items(), key=lambda one: one[1]) for what, by in found.errors.items()
    }  # the first one is the identity, whose error is 0
    loop = None
    if found.endless is not None:
        closed = found.slopes.A - found.slopes.B @ found.endless.K
        loop = float(np.abs(np.linalg.eigvals(closed)).max())
    drift = int(np.abs(after).argmax())
    return {
        "task": task.name,
        "state": dict(zip(task.state_names, x.tolist(), strict=True)),
        "action": dict(zip(task.action_names, u.tolist(), strict=True)),
        "coordinates": [task.state_names[i] for i in found.rows],
        "changes_by": float(np.abs(after[drift])),
        "changes_in": task.state_names[drift],
        "free_numbers": [vars(count) for count in found.counts],
        "untold": found.untold,
        "worst": {what: {"error": e, "element": g} for what, (g, e) in worst.items()},
        "errors": found.errors,
        "tolerance": tolerance,
        "no_endless_regulator": found.why,
        "closed_loop_radius": loop,
        "A": found.slopes.A,
        "B": found.slopes.B,
        "P": None if found.endless is None else found.endless.P,
        "K": None if found.endless is None else found.endless.K,
        "failures": [
            f"{what}: off by {e:.2g} under {g}" for what, (g, e) in worst.items() if e > tolerance
        ],
    }


def _counts(report: dict[str, Any]) -> Table:
    """How many free numbers slopes have."""
    n, m = len(report["coordinates"]), len(report["action"])
    model = Path(report["model"]).name
    title = f"slopes of {report['task']} ({model}): A {n} x {n}, B {n} x {m}"
    table = Table(title=title, title_justify="left")
    for name in ("held to", "elements that leave the point", "A, free numbers", "B"):
        table.add_column(name, justify="left" if name == "held to" else "right")
    for one in report["free_numbers"]:
        fixing = "-" if one["fixing"] is None else str(one["fixing"])
        table.add_row(one["held_to"] or "nothing", fixing, str(one["A"]), str(one["B"]))
    return table


def _laws(report: dict[str, Any]) -> Table:
    """How far each law is from holding."""
    elements = len(report["errors"]["A"])
    title = f"at gp against the moved ones of p, {elements} elements of {report['group']}"
    table = Table(title=title, title_justify="left")
    for name in ("what", "law", "worst error", "element"):
        table.add_column(name, justify="right" if name == "worst error" else "left")
    said = {
        "A": "rho_S A rho_S^-1", "B": "rho_S B rho_A^-1",
        "P": "rho_S^-T P rho_S^-1", "K": "rho_A K rho_S^-1",
    }  # fmt: skip
    for what, one in report["worst"].items():
        element = one["element"] if one["error"] > 0 else ""
        table.add_row(what, said[what[0]], f"{one['error']:.1e}", element)
    return table


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{word}: {why}" for word, why in report["untold"].items()]
    if report["changes_by"] > report["tolerance"]:
        lines.append(
            f"the point is no rest: in a period {report['changes_in']} changes by "
            f"{report['changes_by']:.2g}"
        )
    if report["no_endless_regulator"]:
        lines.append(f"without an end: {report['no_endless_regulator']}")
    else:
        lines.append(
            f"under the gain deviations shrink to {report['closed_loop_radius']:.3f} of themselves "
            "in a period, or less"
        )
    return lines + report["failures"]
