"""Whether a whole plan can be one kernel, and the plan by it: same numbers, many times faster."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...sim import fused_kernels
from ...sim.limits import Ball, Limits
from ...sim.numba_dynamics import NumbaDynamics
from ..kmppi import KMPPI
from ..loop.memory import Memory
from ..loop.noise import Antithetic, Drawn, Pool
from ..loop.spline import Spline
from ..mppi import MPPI
from ..plan import Plan
from .fused_steps import BALL, CLIPPED
from .plan_kernel import packed, place_of, plan_kernel

if TYPE_CHECKING:
    from ..sampling import SamplingPlanner

HOOKS = (
    *("plan", "planning", "kept", "scaled", "respread", "chosen", "population", "beside"),
    *("weight", "tempered", "initial_memory", "room", "_draw", "_learned", "_shifted", "_within"),
)
"""What must be MPPI's own for its plan to be this one; `update` and `moved_on` may be KMPPI's."""

FREE = {
    *("samples", "horizon", "iterations", "knots", "spline", "kernel_width", "rate", "noise"),
    *("noise_law", "colour", "correlation", "tail", "antithetic", "temperature", "precision"),
    *("risk", "risk_level", "risk_aversion", "tsallis_order", "constraints"),
    *("penalty", "barrier_share"),
}
"""Parameters that may have any value; all others must have MPPI's own. Those of risk are free, as
there is one model; the last four do nothing unless the planner is `bounded` or another says so."""


def why_not(planner: SamplingPlanner) -> str:
    """Why a planner's plans cannot be one kernel; empty: they can, if its task's kernels can."""
    cls, dynamics = type(planner), planner.dynamics
    if not isinstance(dynamics, NumbaDynamics) or type(dynamics) is not NumbaDynamics:
        return "its model is not the analytic one"
    if dynamics.models != 1:
        return "it has several models"
    if not isinstance(planner, MPPI):
        return f"{cls.__name__} is not MPPI or KMPPI"
    updates = (getattr(cls, "update", None), getattr(cls, "moved_on", None))
    if updates not in ((MPPI.update, MPPI.moved_on), (KMPPI.update, KMPPI.moved_on)):
        return f"{cls.__name__} has an update of its own"
    own = [hook for hook in HOOKS if getattr(cls, hook, None) is not getattr(MPPI, hook, None)]
    if own:
        return f"{cls.__name__} has its own {own[0]}"
    if not isinstance(_unpaired(planner.law), Drawn | Pool):
        return f"{cls.__name__} has a law of noise of its own"
    for field in dataclasses.fields(planner.parameters):
        value = getattr(planner.parameters, field.name)
        if field.name not in FREE and value != field.default:
            return f"{field.name}: {value}"
    if planner.bounded:
        return "it keeps to a delay, limits on rates, or constraints"
    orbit = len(planner.elements)
    if planner.parameters.samples % orbit or planner.orbits.split(planner.parameters.samples)[1]:
        return f"samples: {planner.parameters.samples} are no whole orbits of {orbit} actions"
    return ""


MOST = 256
"""Times between plans whose warm start is kept."""


class FusedPlan:
    """Plans of one planner by one kernel.

    The arrays that it works on are made here; a plan is one call, unless something is tried or
    timed, and allocates nothing but its result.

    Args:
        planner: For which `why_not` has nothing to say.
        beside: Of its samples so many are left for what is tried beside the noise.

    Raises:
        NotFusableError: The kernels of its task cannot be translated.
        NumbaError: What they are translated to cannot be compiled.
    """

    def __init__(self, planner: Any, beside: int = 0) -> None:
        self.planner, p, task = planner, planner.parameters, planner.task
        samples = p.samples - beside
        precision = planner.dynamics.precision
        curve = isinstance(planner, KMPPI)  # the noise alone is averaged
        knot, weight = taps(planner.spline, precision)
        width = len(task.action_names)
        count = samples // len(planner.elements)
        law = _unpaired(planner.law)
        half = count if law is planner.law else (count + 1) // 2
        lanes = fused_kernels.WIDE[precision]
        if half % lanes:
            lanes = fused_kernels.LANES[precision]
        self.improve = plan_kernel(task, precision, lanes, knot.shape[1], not curve)
        numbers = [half, count - half] * len(planner.elements)
        tiles = [-(-number // lanes) for number in numbers]
        rows, most = p.knots * width, tiles[0] * lanes
        projected = _projected(task.limits)
        noise, counts = _noise(law, rows, half, most)
        arrays: dict[str, Any] = {
            **noise,
            "orbit": planner.symmetry.orbit("action")[list(planner.elements)],
            "weight": weight,
            "knot": knot,
            "to_steps": np.kron(planner.matrix.T, np.eye(width)) if curve else 0.0,
            "mean": np.zeros((p.horizon, width)),
            "rest": np.tile(np.nan if p.rate else planner.rest, (p.horizon, 1)),
            "actions": np.zeros(0 if curve else (sum(tiles), p.horizon * width, lanes)),
            "parts": np.zeros(0 if curve else (p.horizon * width, lanes)),
            "limits": np.stack(task.limits.bound()),
            "projected": projected,
            "parameters": planner.dynamics.parameters[0],
            "temperature": p.temperature,
            "z": np.zeros((rows, lanes)),
            "shares": np.zeros(most),
            "sizes": [
                *(len(planner.elements), half, count - half, most, rows, sum(tiles)),
                *(len(projected), *counts),
            ],
        }
        arrays |= dict.fromkeys(("std", "factors"), planner.initial_std)
        arrays |= dict.fromkeys(("costs", "weights"), np.zeros(sum(tiles) * lanes))
        arrays |= dict.fromkeys(("totals", "sums"), np.zeros(rows))
        self._packs = packed(arrays, precision)
        self._costs = place_of("costs", self._packs, (sum(tiles) * lanes,))
        self._places = None  # where the samples stand in tiles that are not all full
        if len(self._costs) > samples:
            starts = lanes * np.cumsum([0, *tiles[:-1]])
            full = [first + np.arange(n) for first, n in zip(starts, numbers, strict=True)]
            self._places = np.concatenate(full)
        self._last, none = np.zeros((2 * p.horizon + 2, width)), np.empty((0, 0))
        self._moving: dict[float, np.ndarray] = {-1.0: none}
        self._trying: dict[int, Any] = {}  # the same for so many sequences that are tried
        self._call = self._compiled()
        self._quick = (
            *(planner, p.iterations, task.dt, p.horizon, (2 * p.horizon + 2, width)),
            *(slice(p.horizon, 2 * p.horizon), (len(task.state_names),), self._moving),
            *(planner.initial_std, planner.symmetry.group.order == 1, beside == 0, self._costs),
            *(self._places, None if curve else none, self._call, *self._packs),
        )

    def _compiled(self) -> Any:
        """The kernel as it is called: past Numba's look at the types, which would ask for more.

        It takes a state that may only be read, such as those of messages.
        """
        x, last, none = np.zeros(len(self.planner.task.state_names)), self._last, np.empty((0, 0))
        self.improve(x, 0, 0, last.copy(), -1.0, 0, 0, last, none, *self._packs)  # plans nothing
        return self.improve.get_overload(self.improve.signatures[0])

    def trying(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray]
    ) -> tuple[Plan, Memory] | None:
        """As `plan`, with action sequences tried beside the noise, if that leaves whole orbits."""
        from .fused_tried import FusedTried  # it is made of this

        count, orbit = len(tried), len(self.planner.elements)
        left = self.planner.parameters.samples - count - 1
        if left < orbit or left % orbit or self.planner.orbits.split(left)[1]:
            return None
        if count not in self._trying:
            self._trying[count] = FusedTried(self.planner, count)
        return self._trying[count].plan_trying(state, time, memory, tried)

    def plan(self, state: np.ndarray, time: float, memory: Memory) -> tuple[Plan, Memory] | None:
        """A plan as `SamplingPlanner.plan`'s; None: this one has to be made by the loop.

        That is so where a symmetric state needs a side or the memory has one, where the memory is
        too old or another planner's or its seed too large, where the state is no state, and where
        one iteration would not fit into the budget.
        """
        planner, rounds, dt, horizon, shape, cut, width, known, std, alone, whole = self._quick[:11]
        costs, places, moving, improve, reals, doubles, wholes = self._quick[11:]
        timed = planner.budget.seconds < math.inf
        if planner.proposer is not None or (
            timed and not planner.budget.holds(planner.parameters.samples)
        ):
            return None
        state = np.ascontiguousarray(state, float)
        if state.shape != width:
            return None
        if not alone and (memory.side.any() or self._symmetric(state)):
            return None
        before = memory.__dict__
        steps, draws, seed = -1.0, before["draws"], before["seed"]
        if seed >> 63:
            return None
        if draws:
            steps = (time - before["time"]) / dt
            if not 0.0 <= steps < horizon:
                return None
        moving = known.get(steps, moving)
        if moving is None:
            moving = self._moving_by(steps)
        last = before.get("filled")
        if last is None:
            last = np.concatenate([memory.mean, memory.planned, memory.sent]).astype(float)
        if last.shape != shape:
            return None
        out = np.empty(shape)
        try:
            if whole and not timed:
                lowest = improve(
                    state, 0, rounds, out, steps, seed, draws, last, moving, reals, doubles, wholes
                )
            else:
                known_of = (steps, seed, draws, last, moving)
                lowest, rounds = self._one_by_one(state, out, known_of, timed)
        except IndexError:  # of a kernel: the loop says which, and where
            return None
        if lowest != lowest:
            return None
        planner._last = (rounds, costs if places is None else costs[places])
        now = float(time)
        new, plan = object.__new__(Memory), object.__new__(Plan)  # a third of what calls take
        fields = new.__dict__
        fields["time"], fields["draws"], fields["seed"], fields["std"] = now, draws + 1, seed, std
        fields["side"], fields["side_time"] = before["side"], before["side_time"]
        fields["multipliers"], fields["filled"] = before["multipliers"], out
        fields = plan.__dict__
        fields["time"], fields["dt"], fields["actions"], fields["cost"] = now, dt, out[cut], lowest
        return plan, new

    def _one_by_one(
        self, state: np.ndarray, out: np.ndarray, known: tuple, timed: bool
    ) -> tuple[float, int]:
        """Iterations one after another, as many as the budget has time for.

        Returns:
            The lowest cost of the last, and how many there were.
        """
        planner, lowest, done = self.planner, math.inf, 0
        rounds, samples = planner.parameters.iterations, planner.parameters.samples
        budget = planner.budget
        if timed:
            budget.begin()
        while done < rounds and (not timed or not done or budget.allows(samples, samples)):
            lowest = self._round(state, done, out, known)
            if not lowest < math.inf:
                break  # nothing to learn from: the shifted plan stands
            done += 1
            if timed:
                budget.spent(samples)
        return lowest, max(done, 1)

    def _round(self, state: np.ndarray, done: int, out: np.ndarray, known: tuple) -> float:
        """An iteration, `done` of which were before it; its lowest cost."""
        return self._call(state, done, 1, out, *known, *self._packs)

    def _symmetric(self, state: np.ndarray) -> bool:
        """Whether more than the identity leaves the state where it is: it may need a side."""
        finite = bool(np.isfinite(state).all())
        return not finite or len(self.planner.symmetry.stabiliser(state=state)) > 1

    def _moving_by(self, steps: float) -> np.ndarray:
        """From a mean that is a curve to its knots after the planner's `moved_on`. (N m, H m)"""
        whole = float(round(steps))
        near = whole if -1e-9 < steps - whole < 1e-9 else steps
        width = len(self.planner.task.action_names)
        moving = np.kron(self.planner.later(near), np.eye(width))
        if near == whole and len(self._moving) < MOST:  # its neighbours by rounding are few
            self._moving[steps] = moving
        return moving


def _unpaired(law: Any) -> Any:
    """A law without the opposites of its draws."""
    return law.law if isinstance(law, Antithetic) else law


def _noise(
    law: Drawn | Pool, rows: int, half: int, most: int
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """What the kernel takes noise from.

    Args:
        law: Where draws come from.
        rows: N m.
        half: How many draws.
        most: Room for them.

    Returns:
        Those of the arrays, and the last of the sizes.
    """
    none = np.zeros(0)
    if isinstance(law, Pool):
        sets = law.sets[:, :half]
        pool = np.zeros((len(sets), rows, most))
        pool[:, :, :half] = np.moveaxis(sets.reshape(len(sets), half, rows), 1, 2)
        arrays = {"pool": pool, "mixing": none, "white": none, "room": none, "tail": 0.0}
        return arrays, (len(sets), law.words, 0, 0)
    mixed = law.mixing is not None
    arrays = {
        "pool": np.zeros((rows, most)) if mixed else none,
        "mixing": law.mixing if mixed else none,
        "white": np.zeros((-(-law.rows // 4) * 4, most)),
        "room": np.zeros(2 * most),
        "tail": law.tail,
    }
    return arrays, (0, 0, law.rows, law.sources if mixed else 0)


def _projected(limits: Limits) -> np.ndarray:
    """How `conclude` projects each action part. (parts, 3)"""
    kinds = {
        name: BALL if isinstance(limit, Ball) else CLIPPED for name, limit in limits.parts.items()
    }
    return np.array([[kinds[name], s.start, s.stop] for name, s in limits.slices.items()])


def taps(spline: Spline, precision: str) -> tuple[np.ndarray, np.ndarray]:
    """A spline's taps without those that are nothing in that precision.

    Returns:
        Which knots a step is made of, and with what weights. (H, taps) each
    """
    index, weight = spline.index, spline.weight
    counts = np.abs(weight) > 0.1 * np.finfo(precision).eps * np.abs(weight).max()
    width = max(1, int(counts.sum(axis=1).max()))
    knot, share = np.zeros((len(index), width), np.int64), np.zeros((len(index), width))
    for t, kept in enumerate(counts):
        here = np.flatnonzero(kept)
        knot[t, : len(here)], share[t, : len(here)] = index[t, here], weight[t, here]
    return knot, share


def fused(planner: Any) -> tuple[FusedPlan | None, str]:
    """A planner's fused plan, or None with the reason."""
    reason = why_not(planner)
    if reason:
        return None, reason
    try:
        return FusedPlan(planner), ""
    except Exception as error:  # Numba raises whatever its passes stumble over
        return None, str(error)
