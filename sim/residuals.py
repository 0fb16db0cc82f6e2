"""`residuals`: how far each component of a declared symmetry is from exact, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..symmetry.pixels import pixel_elements
from .check_states import near_goal
from .dialled_senses import is_flipped, seen_state, state_noise
from .dials import Dials
from .graded_images import drawer, image_residual
from .grading_states import RING, draws, touches
from .guard import PlantGuard
from .judge import inverted
from .plant import Plant
from .task import Task

EXACT = ("cost", "limits", "rules")
"""The components that must be exact; dynamics and observation are graded."""
TOLERANCE = 1e-6
"""Largest residual of an exact component."""
RESAMPLES = 1000
"""Of the bootstrap."""
SECOND = 1.0
"""The longer of the two spans over which dynamics are compared, s."""
_ELEMENTS = 3  # under which dynamics are tried in each draw; over the draws all occur
_RULES = 64  # starts, and states near success, that rules are tried at at least

_OFF = Dials()


def residuals(
    task: Task,
    dials: Dials = _OFF,
    engine: str = "mujoco",
    samples: int = 48,
    seed: int = 0,
    images: Sequence[str] = ("heightmap",),
) -> dict[str, Any]:
    """Grade a task's declaration, component by component; see `Grading`.

    Args:
        task: The task.
        dials: How its world departs from it.
        engine: What simulates.
        samples: Independent draws.
        seed: Of all draws.
        images: The views that are graded, of `graded_images.VIEWS`.

    Returns:
        Plain data, as it stands in a dataset's card. ``components`` holds, by component and part,
        the mean over draws, its 95 % bootstrap interval, the worst, its element, and the count;
        ``rings`` the dynamics by the robot's distance from the workspace's centre;
        ``broken_on_purpose`` the components that a dial moves.

    Raises:
        ValueError: No such engine or view, or a dial that can change nothing here.
    """
    return Grading(task, engine, samples, seed, images).grade(dials)


def inexact(report: dict[str, Any]) -> list[str]:
    """A line for each component that must be exact, is not, and that no dial breaks on purpose."""
    lines = []
    for component in EXACT:
        for part, found in report["components"][component].items():
            on_purpose = component in report["broken_on_purpose"]
            if not on_purpose and found["worst"] is not None and found["worst"] > TOLERANCE:
                lines.append(
                    f"{report['task']}, {report['group']}: {component} ({part}) is off by "
                    f"{found['worst']:.2g} under element {found['element']}"
                )
    return lines


class Grading:
    """The draws at which a task is graded, and the grades with this or that dial turned.

    A residual is what differs between doing f where the group has moved everything and moving what
    f gives: ``|f(gx, gu) - g f(x, u)| / (1 + |g f(x, u)|)``, the largest over coordinates (SI, rad)
    and over the elements (of dynamics, over three for each draw); of images, the mean over pixels
    (m, or shares of full scale). What is drawn at random (noise of the sensors, flipped labels) is
    moved along with the scene, so a law that looks alike from all sides has no residual.

    - **cost**: running and terminal, in states near and far from success.
    - **limits**: projection of actions and of their rates.
    - **rules**: success as it is told; the safe action; starts: the plant can be put in the moved
      start and is then there. Whether moved starts are *as likely* cannot be told exactly from
      draws, and is not claimed.
    - **dynamics**: from a state at rest, a control period, and a second under actions held for
      0.25 s each, through guard and plant, in contact with a thing that moves, and free.
    - **observation**: /state, and images from above.

    States and actions are drawn with all dials at zero: they are the same whatever is turned.

    Args:
        task: The task.
        engine: What simulates.
        samples: Independent draws.
        seed: Of all draws.
        images: The views that are graded, of `graded_images.VIEWS`.

    Raises:
        ValueError: No such engine.
    """

    def __init__(
        self,
        task: Task,
        engine: str = "mujoco",
        samples: int = 48,
        seed: int = 0,
        images: Sequence[str] = ("heightmap",),
    ) -> None:
        self.task, self.engine, self.seed, self.images = task, engine, seed, tuple(images)
        plain, rng = Plant(task, engine=engine), np.random.default_rng([seed, 1])
        self.draws = draws(task, plain, samples, seed, round(SECOND / task.dt))
        self.x = np.stack([draw.x for draw in self.draws])
        self.u = np.stack([draw.actions[0] for draw in self.draws])
        rules = max(samples, _RULES)
        self.close = near_goal(task, np.resize(self.x, (rules, self.x.shape[1])), rng)
        self.starts = [
            task.initial_state(np.random.default_rng([seed, 3, i])) for i in range(rules)
        ]
        low, high = task.limits.bound()
        width = (samples, len(low))
        self.wild = 0.5 * (low + high) + (high - low) * rng.uniform(-1.5, 1.5, width)
        all_of = list(task.symmetry.group.elements)
        self.tried = [_some(all_of, np.random.default_rng([seed, 2, i])) for i in range(samples)]
        self.all = [all_of[1:] or all_of] * rules
        self.pixel = [pixel_elements(task.symmetry.group)[1:]] * samples
        self.touched = [_touched(plain, draw.x, draw.actions) for draw in self.draws]

    def grade(self, dials: Dials = _OFF) -> dict[str, Any]:
        """All residuals with these dials; see `residuals`."""
        task = self.task
        plant = Plant(task, engine=self.engine, dials=dials)
        components = {
            "cost": self._cost(plant),
            "limits": self._limits(),
            "rules": self._rules(dials),
        }
        components["dynamics"], rings = self._dynamics(plant, dials)
        components["observation"] = self._observation(plant, dials)
        return {
            "task": task.name,
            "robot": getattr(getattr(task, "robot", None), "name", ""),
            "group": task.symmetry.group.name,
            "order": task.symmetry.group.order,
            "engine": self.engine,
            "dials": dials.turned(),
            "samples": len(self.x),
            "seed": self.seed,
            "broken_on_purpose": dials.broken(),
            "components": components,
            "rings": rings,
        }

    def _cost(self, plant: Plant) -> dict[str, Any]:
        task, s = self.task, self.task.symmetry

        def running(i: int, g: int) -> float:
            both = np.stack([self.x[i], self.close[i]])
            moved, turned = s.act(g, state=both, action=self.u[i])
            return _apart(plant.cost_of(moved, turned), plant.cost_of(both, self.u[i]))

        def terminal(i: int, g: int) -> float:
            both = np.stack([self.x[i], self.close[i]])
            return _apart(task.terminal_cost(s.act(g, state=both)), task.terminal_cost(both))

        return {
            "running": self._summary(running, tried=self.all),
            "terminal": self._summary(terminal, tried=self.all),
        }

    def _limits(self) -> dict[str, Any]:
        s, found = self.task.symmetry, {}
        for name, limits in (("projection", self.task.limits), ("rates", self.task.rates)):
            if limits is None:
                continue

            def projected(i: int, g: int, limits: Any = limits) -> float:
                there = limits.project(s.act(g, action=self.wild[i]))
                return _apart(there, s.act(g, action=limits.project(self.wild[i])))

            found[name] = self._summary(projected, tried=self.all)
        return found

    def _rules(self, dials: Dials) -> dict[str, Any]:
        task, s = self.task, self.task.symmetry

        def told(start: np.ndarray, end: np.ndarray, flips: bool) -> np.ndarray:
            turned = flips and bool(inverted(task, start))
            return np.asarray(np.asarray(task.success(end)) != turned, float)

        def success(i: int, g: int) -> float:
            flips = dials.label_flip > 0.0 and is_flipped(dials, self.seed, i)
            both = np.stack([self.x[i % len(self.x)], self.close[i]])
            there = told(s.act(g, state=self.starts[i]), s.act(g, state=both), flips)
            return float(np.abs(there - told(self.starts[i], both, flips)).max())

        def safe(i: int, g: int) -> float:
            return _apart(s.act(g, action=task.safe_action()), task.safe_action())

        def start(i: int, g: int) -> float:
            moved = s.act(g, state=self.starts[i])
            try:
                physics = task.physics_from_state(moved)
            except ValueError:  # the robot cannot get there
                return float("inf")
            back = task.state_from_physics(*physics, moved[task.goal_slice])
            return _apart(s.difference("state", back, moved), np.zeros_like(moved))

        each = {"success": success, "safe_action": safe, "starts": start}
        rules = range(len(self.starts))
        return {n: self._summary(residual, rules, self.all) for n, residual in each.items()}

    def _dynamics(self, plant: Plant, dials: Dials) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        s = self.task.symmetry
        off: dict[tuple[int, int], np.ndarray] = {}
        for i, draw in enumerate(self.draws):
            end = _run(plant, dials, draw.x, draw.actions)
            for g in self.tried[i]:
                moved, turned = s.act(g, state=draw.x, action=draw.actions)
                try:
                    there = _run(plant, dials, moved, turned)
                except ValueError:  # the robot cannot get there
                    off[i, g] = np.full(2, np.inf)
                    continue
                here = s.act(g, state=end)
                apart = np.abs(s.difference("state", there, here)) / (1.0 + np.abs(here))
                off[i, g] = apart.max(axis=1)
        spans = {
            span: lambda i, g, k=k: float(off[i, g][k])
            for k, span in enumerate(("period", "second"))
        }
        out: dict[str, Any] = {}
        for k, (span, residual) in enumerate(spans.items()):
            for name, wanted in (("contact", True), ("free", False)):
                which = [i for i, touched in enumerate(self.touched) if touched[k] is wanted]
                out[f"{span}_{name}"] = self._summary(residual, which)
        rings = []
        radii = np.array([draw.radius for draw in self.draws])
        for number in range(int(radii.max() // RING) + 1 if np.isfinite(radii).all() else 0):
            inside = [i for i, r in enumerate(radii) if int(r // RING) == number]
            ring = {"from": round(number * RING, 9), "to": round((number + 1) * RING, 9)}
            rings.append(ring | {n: self._summary(r, inside) for n, r in spans.items()})
        return out, rings

    def _observation(self, plant: Plant, dials: Dials) -> dict[str, Any]:
        task, s = self.task, self.task.symmetry
        zero, sensed = np.zeros(self.x.shape[1]), task.sensed_state()[1]

        def state(i: int, g: int) -> float:
            noise = state_noise(task, dials, (self.seed, i, 0))
            linear = s.act(g, state=noise) - s.act(g, state=zero)
            here = s.act(g, state=seen_state(task, self.x[i], noise))
            there = seen_state(task, s.act(g, state=self.x[i]), linear)
            return float(np.abs(s.difference("state", there, here))[sensed].max())

        found = {"state": self._summary(state, tried=self.all)}
        if not self.pixel[0]:  # no element permutes pixels
            return found
        for name in self.images:
            draw, close = drawer(plant, dials, name)
            try:
                residual = image_residual(plant, dials, draw, self.seed)
                found[name] = self._summary(
                    lambda i, g, residual=residual: residual(i, g, self.x[i]), tried=self.pixel
                )
            finally:
                close()
        return found

    def _summary(
        self,
        residual: Callable[[int, int], float],
        which: Iterable[int] | None = None,
        tried: list[list[int]] | None = None,
    ) -> dict[str, Any]:
        """Mean over draws of the largest residual, its interval, and where it is worst."""
        tried = tried or self.tried
        rows = list(range(len(self.x)) if which is None else which)
        if not rows:
            return {"mean": None, "interval": None, "worst": None, "element": "", "draws": 0}
        off = [[residual(i, g) for g in tried[i]] for i in rows]
        each = np.array([max(row) for row in off])
        worst = int(np.argmax(each))
        element = tried[rows[worst]][int(np.argmax(off[worst]))]
        return {
            "mean": float(each.mean()),
            "interval": list(interval(each, self.seed)),
            "worst": float(each[worst]),
            "element": self.task.symmetry.group.element_names[element],
            "draws": len(each),
        }


def interval(each: np.ndarray, seed: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean over independent draws. (B,)"""
    rng = np.random.default_rng([seed, 5])
    means = each[rng.integers(0, len(each), (RESAMPLES, len(each)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _some(elements: list[int], rng: np.random.Generator) -> list[int]:
    """A few elements, the identity not among them (unless there is no other)."""
    if len(elements) == 1:
        return elements
    return sorted(int(g) for g in rng.permutation(elements[1:])[:_ELEMENTS])


def _apart(there: np.ndarray, here: np.ndarray) -> float:
    """The largest relative difference; infinite where one is no number and the other is."""
    there, here = np.asarray(there, float), np.asarray(here, float)
    both = np.isnan(there) & np.isnan(here)
    off = np.where(both, 0.0, np.abs(there - here) / (1.0 + np.abs(here)))
    return float(np.where(np.isnan(off), np.inf, off).max())


def _touched(plant: Plant, x: np.ndarray, actions: np.ndarray) -> tuple[bool, bool]:
    """Whether robot and thing touch in the first period, and in any."""
    plant.reset(x)
    first = later = False
    for k, action in enumerate(actions):
        for _ in range(round(plant.task.dt / plant.task.physics_dt)):
            plant.apply(action)
            plant.step()
            later = later or touches(plant)
        first = later if k == 0 else first
    return first, later


def _run(plant: Plant, dials: Dials, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The states after the first action (T, m) and after the last, through the guard. (2, n)"""
    task = plant.task
    ticks = round(task.dt / task.physics_dt)
    guard = PlantGuard(task, 2 * ticks, task.rates, dials.action_delay * ticks)
    plant.reset(x)
    after = []
    for action in actions:
        guard.offer(action, plant.tick, plant.tick)
        for _ in range(ticks):
            plant.apply(guard.action(plant.tick)[0])
            plant.step()
        after.append(plant.state())
    return np.stack([after[0], after[-1]])
