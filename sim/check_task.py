"""`check_task`: measures whether a task is as symmetric as it declares, and names what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from .check_states import near_goal, rolled
from .dynamics import Dynamics
from .numba_dynamics import NumbaDynamics
from .task import Task

SWITCH = 1e-9
"""A point is at a switch if moving it by this much moves the outcome as far as the group does."""
SWITCHES = 0.01
"""Largest share of points at a switch that is excused."""


class TaskError(ValueError):
    """A task that breaks a law it declares."""


@dataclass(frozen=True)
class Law:
    """How well one law holds, and where it holds worst.

    Attributes:
        name: The law.
        worst: Largest residual: change of an invariant, or distance of two states that should be
            equal, divided by 1 + the size of the value itself. Points at a switch are left out.
        tolerance: Largest residual that passes.
        element: Name of the group element of the worst residual; empty if none is involved.
        coordinate: Name of the worst coordinate. A cost or a success has none of its own: there,
            and only when the law fails, it is the one on which the failure depends most.
        part: The declared part that holds the coordinate, and its type.
        points: How many comparisons were made.
        switches: How many of them failed within 1e-9 of a point where the outcome itself jumps.
        graded: Whether the law is not promised to hold exactly: then its residual is told and that
            it is finite is all that is asked (see `Task.exact_dynamics`).
    """

    name: str
    worst: float
    tolerance: float
    element: str = ""
    coordinate: str = ""
    part: str = ""
    points: int = 0
    switches: int = 0
    graded: bool = False

    @property
    def ok(self) -> bool:
        """Whether the law holds; a residual that is no number does not."""
        if self.graded:
            return bool(np.isfinite(self.worst))
        return bool(self.worst <= self.tolerance)

    def __str__(self) -> str:
        element = f", element {self.element}" if self.element else ""
        part = f" (part {self.part})" if self.part else ""
        coordinate = f", coordinate {self.coordinate}{part}" if self.coordinate else ""
        return f"{self.name}: off by {self.worst:.2g} > {self.tolerance:.0e}{element}{coordinate}"


@dataclass(frozen=True)
class Report:
    """What `check_task` found.

    Attributes:
        task: Name of the task.
        group: Name of the group that it declares.
        order: Number of its elements; all were tried.
        dynamics: Class of the dynamics that was tried.
        samples: States and actions under which the dynamics was compared.
        active: How many of them changed as many coordinates as any did (for a task with contact:
            the samples in contact).
        successes: How many of the states near the goal were successes.
        laws: The laws, in the order in which they were tried.
    """

    task: str
    group: str
    order: int
    dynamics: str
    samples: int
    active: int
    successes: int
    laws: tuple[Law, ...]

    @property
    def ok(self) -> bool:
        """Whether all laws hold."""
        return not self.failures

    @property
    def failures(self) -> tuple[Law, ...]:
        """The laws that do not hold."""
        return tuple(law for law in self.laws if not law.ok)

    def raise_if_failed(self) -> None:
        """Say one line for each law that does not hold.

        Raises:
            TaskError: There is one.
        """
        if not self.ok:
            raise TaskError("\n".join(f"{self.task}, {self.group}: {law}" for law in self.failures))

    def __str__(self) -> str:
        head = (
            f"{self.task} under {self.group} ({self.order} elements), {self.dynamics}: "
            f"{self.samples} samples, {self.active} active, {self.successes} successes"
        )
        form = "{:<32} {:>8} {:>8} {:<20} {:>9}  {}"
        rows = [form.format("law", "worst", "element", "coordinate", "switches", "")]
        for law in self.laws:
            worst, verdict = f"{law.worst:.1e}", "ok" if law.ok else "FAILS"
            verdict = "graded" if law.ok and law.graded else verdict
            rows.append(
                form.format(
                    law.name, worst, law.element, law.coordinate, law.switches, verdict
                ).rstrip()
            )
        return "\n".join([head, *rows])


def check_task(
    task: Task,
    dynamics: Dynamics | None = None,
    samples: int = 64,
    seed: int = 0,
    tolerance: float = 1e-9,
) -> Report:
    """Try every law that a task's symmetry promises, under every element of its group.

    States are reached from the task's own starts by held random actions, half of them chosen where
    most coordinates move (there is contact, where a task has any); costs and success are tried near
    the goal too. Nothing is raised for a broken law: see `Report.raise_if_failed`.

    Args:
        task: The task.
        dynamics: A model of it; by default its kernels, or MuJoCo where it has none.
        samples: Number of states.
        seed: Of the states and actions.
        tolerance: Largest residual that passes, relative to 1 + the size of the value. The dynamics
            of a task whose `exact_dynamics` is False may have any: it is told, and passes. Not so
            its analytic model.

    Returns:
        The report. If the declared parts do not fit the state and action vectors, nothing else can
        be tried, and it holds that law alone.
    """
    rng = np.random.default_rng(seed)
    s = task.symmetry
    match = _parts_match(task, tolerance)
    if not match.ok:
        return Report(task.name, s.group.name, s.group.order, "no dynamics", 0, 0, 0, (match,))
    if dynamics is None:
        dynamics = _default_dynamics(task)
    head = (task.name, s.group.name, s.group.order, type(dynamics).__name__, samples)
    starts = np.stack([task.initial_state(rng) for _ in range(samples)])
    valid = _starts_valid(task, starts, seed, tolerance)
    if not np.isfinite(starts).all():
        return Report(*head, 0, 0, (match, valid))
    x, u, active = rolled(task, dynamics, starts, rng)
    close = near_goal(task, x, rng)
    both = np.concatenate([x, close])
    twice = np.concatenate([u, task.limits.project(rng.normal(0.0, 1.0, u.shape) + u)])

    def same(g: int, value: np.ndarray) -> np.ndarray:
        return value

    def minus(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a - b

    def running(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return task.running_cost(x, u)[..., None]

    def terminal(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return task.terminal_cost(x)[..., None]

    def success(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.asarray(task.success(x), float)[..., None]

    laws = [match, valid]
    for name, f in (
        ("running cost invariance", running),
        ("terminal cost invariance", terminal),
        ("success invariance", success),
    ):
        law = _measure(task, name, f, same, minus, (), both, twice, tolerance, rng)
        laws.append(law if law.ok else _blamed(task, law, f, both, twice, rng))
    if task.constraint_names:
        names = tuple((name, "constraint") for name in task.constraint_names)

        def constraint(x: np.ndarray, u: np.ndarray) -> np.ndarray:
            return task.constraint(x)

        name = "constraint invariance"
        measured = (task, name, constraint, same, minus, names, both, twice, tolerance, rng)
        laws.append(_measure(*measured))
    moves = _measure(
        task,
        "dynamics equivariance",
        dynamics.next_state,
        lambda g, y: s.act(g, state=y),
        lambda a, b: s.difference("state", a, b),
        _labels(s, "state", task.state_names),
        x,
        u,
        tolerance,
        rng,
    )
    exact = task.exact_dynamics or isinstance(dynamics, NumbaDynamics)
    laws.append(moves if exact else replace(moves, graded=True))
    actions = _labels(s, "action", task.action_names)
    on_actions = (lambda g, y: s.act(g, action=y), minus, actions, x)
    slew = (("rates", task.rates), ("accelerations", task.accelerations))
    for what, limits in (("limits", task.limits), *slew):
        if limits is not None:
            low, high = limits.bound()
            wild = 0.5 * (low + high) + (high - low) * rng.uniform(-1.5, 1.5, u.shape)
            name, f = f"{what} projection commutes", lambda x, u, limits=limits: limits.project(u)
            laws.append(_measure(task, name, f, *on_actions, wild, tolerance, rng))
    laws.append(_safe_action_fixed(task, actions, tolerance))
    if s.observation is not None:
        names = tuple(f"observation {i}" for i in range(s.width("observation")))
        laws.append(
            _measure(
                task,
                "observation equivariance",
                lambda x, u: task.observe(x),
                lambda g, y: s.act(g, observation=y),
                lambda a, b: s.difference("observation", a, b),
                _labels(s, "observation", names),
                both,
                twice,
                tolerance,
                rng,
            )
        )
    return Report(*head, active, int(np.sum(task.success(close))), tuple(laws))


def _default_dynamics(task: Task) -> Dynamics:
    if task.kernels is not None:
        return NumbaDynamics(task)
    from .mujoco_dynamics import MujocoDynamics  # here, so that a task with kernels needs no MuJoCo

    return MujocoDynamics(task)


def _labels(s: Symmetry, space: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(name, "part Type") of each coordinate of a space."""
    parts = {
        i: f"{part}: {type(getattr(s, space)[part]).__name__}"
        for part, here in s.slices(space).items()  # type: ignore[arg-type]
        for i in range(here.start, here.stop)
    }
    return tuple((name, parts[i]) for i, name in enumerate(names))


def _measure(
    task: Task,
    name: str,
    f: Callable,
    moved: Callable,
    minus: Callable,
    labels: tuple[tuple[str, str], ...],
    x: np.ndarray,
    u: np.ndarray,
    tolerance: float,
    rng: np.random.Generator,
) -> Law:
    """The law f(gx, gu) = moved(g, f(x, u)) over all g, with points at a switch counted apart."""
    s = task.symmetry
    y = f(x, u)  # (B, k)
    off = np.empty((s.group.order, *y.shape))
    for g in s.group.elements:
        there = moved(g, y)
        off[g] = np.abs(minus(f(*s.act(g, state=x, action=u)), there)) / (1.0 + np.abs(there))
    off[np.isnan(off)] = np.inf
    worst = off.max(axis=2)  # (order, B)
    suspects = np.flatnonzero((worst > tolerance).any(axis=0))
    switched = np.zeros(worst.shape, bool)
    if len(suspects):
        at_x, at_u = x[suspects], u[suspects]
        spread = np.zeros(len(suspects))
        for _ in range(16):
            near_x = at_x + SWITCH * (1.0 + np.abs(at_x)) * rng.choice([-1.0, 1.0], at_x.shape)
            near_u = at_u + SWITCH * (1.0 + np.abs(at_u)) * rng.choice([-1.0, 1.0], at_u.shape)
            apart = np.abs(minus(f(near_x, near_u), y[suspects])) / (1.0 + np.abs(y[suspects]))
            spread = np.maximum(spread, apart.max(axis=1))
        bad = worst[:, suspects]
        switched[:, suspects] = (bad > tolerance) & (2.0 * spread >= bad) & np.isfinite(bad)
    if switched.mean() < SWITCHES:
        off[switched] = 0.0
    g, _, i = np.unravel_index(np.argmax(off), off.shape)
    coordinate, part = labels[i] if labels else ("", "")
    return Law(
        name,
        float(off.max()),
        tolerance,
        s.group.element_names[g],
        coordinate,
        part,
        worst.size,
        int(switched.sum()),
    )


def _blamed(
    task: Task, law: Law, f: Callable, x: np.ndarray, u: np.ndarray, rng: np.random.Generator
) -> Law:
    """The law with the coordinate on which the defect f(gx, gu) - f(x, u) depends most.

    The defect is regressed on random moves of all coordinates; that works for a success too, which
    has no gradient.
    """
    s = task.symmetry
    n = x.shape[1]
    base = np.concatenate([x, u], axis=1)
    base = np.repeat(base, max(1, 4096 // len(base)), axis=0)
    move = rng.normal(0.0, 0.03, base.shape)
    slope = np.zeros(base.shape[1])
    at = base + move
    for g in s.group.elements:
        defect = [
            f(*s.act(g, state=z[:, :n], action=z[:, n:])) - f(z[:, :n], z[:, n:])
            for z in (at, base)
        ]
        slope += np.abs(move.T @ (defect[0] - defect[1])[:, 0])
    labels = _labels(s, "state", task.state_names) + _labels(
        s, "action", tuple(f"action {name}" for name in task.action_names)
    )
    coordinate, part = labels[int(np.argmax(slope))]
    return Law(
        law.name, law.worst, law.tolerance, law.element, coordinate, part, law.points, law.switches
    )


def _safe_action_fixed(task: Task, labels: tuple[tuple[str, str], ...], tolerance: float) -> Law:
    """No element moves the safe action, and the limits allow it."""
    s = task.symmetry
    safe = task.safe_action()
    off = np.stack([np.abs(s.act(g, action=safe) - safe) for g in s.group.elements])
    off[0] = np.maximum(off[0], np.abs(task.limits.project(safe) - safe))
    g, i = np.unravel_index(np.argmax(off), off.shape)
    name = "safe action fixed"
    element = s.group.element_names[g]
    return Law(name, float(off.max()), tolerance, element, *labels[i], points=s.group.order)


def _starts_valid(task: Task, starts: np.ndarray, seed: int, tolerance: float) -> Law:
    """Finite, angles in [-pi, pi), the same for the same seed, and kept by MuJoCo's coordinates."""
    s = task.symmetry
    rng = np.random.default_rng(seed)
    again = np.stack([task.initial_state(rng) for _ in starts])
    goal = starts[:, task.goal_slice]
    back = task.state_from_physics(*task.physics_from_state(starts), goal)
    off = np.abs(s.difference("state", starts, np.zeros_like(starts)) - starts)
    for other in (again, back):
        off = np.maximum(off, np.abs(s.difference("state", other, starts)))
    off[~np.isfinite(off)] = np.inf
    b, i = np.unravel_index(np.argmax(off), off.shape)
    coordinate, part = _labels(s, "state", task.state_names)[i]
    points = len(starts)
    return Law("initial states valid", float(off[b, i]), tolerance, "", coordinate, part, points)


def _parts_match(task: Task, tolerance: float) -> Law:
    """The declared parts cover the state, action and observation vectors, and no more."""
    s = task.symmetry

    def fails(coordinate: str, part: str) -> Law:
        return Law("symmetry parts match", np.inf, tolerance, "", coordinate, part)

    for space, names in (("state", task.state_names), ("action", task.action_names)):
        width = s.width(space)  # type: ignore[arg-type]
        if width != len(names):
            last = list(s.slices(space))[-1]  # type: ignore[arg-type]
            kind = type(getattr(s, space)[last]).__name__
            which = names[width] if width < len(names) else f"{space} {len(names)}, not named"
            return fails(which, f"{last}: {kind} ends at {width}, the {space} has {len(names)}")
    if task.goal and task.goal not in s.state:
        return fails(task.goal, f"{task.goal}: not among {', '.join(s.state)}")
    for name, here in s.slices("action").items():
        if task.limits.slices.get(name) != here:
            return fails(task.action_names[here.start], f"{name}: limits stand elsewhere")
    start = task.initial_state(np.random.default_rng(0))
    if start.shape != (len(task.state_names),):
        return fails("initial_state", f"gives {start.shape}, not ({len(task.state_names)},)")
    if s.observation is not None and task.observe(start).shape != (s.width("observation"),):
        return fails("observation", f"of {task.observe(start).shape} coordinates")
    return Law("symmetry parts match", 0.0, tolerance)
