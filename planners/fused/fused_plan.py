"""Whether a whole plan can be one kernel, and the plan by it: same numbers, many times faster."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core.errors import NumbaError

from ...sim import fused_kernels
from ...sim.fused_source import NotFusableError
from ...sim.limits import Ball, Limits
from ...sim.numba_dynamics import NumbaDynamics
from ..kmppi import KMPPI
from ..loop.memory import Memory
from ..loop.noise import Antithetic, Pool
from ..loop.spline import Spline
from ..mppi import MPPI
from ..plan import Plan
from .fused_steps import BALL, CLIPPED, conclude, prepare

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
    for field in dataclasses.fields(planner.parameters):
        value = getattr(planner.parameters, field.name)
        if field.name not in FREE and value != field.default:
            return f"{field.name}: {value}"
    if planner.bounded:
        return "it keeps to a delay, limits on rates, or constraints"
    return ""


class FusedPlan:
    """Plans of one planner by one kernel.

    The arrays that it works on are made here; a plan allocates nothing but its result.

    Args:
        planner: For which `why_not` has nothing to say.

    Raises:
        NotFusableError: The kernels of its task cannot be translated.
    """

    def __init__(self, planner: Any) -> None:
        self.planner, p, task = planner, planner.parameters, planner.task
        precision = planner.dynamics.precision
        block = fused_kernels.LARGE if p.samples % fused_kernels.LARGE == 0 else fused_kernels.BLOCK
        self.improve = fused_kernels.load(task, precision, block).improve
        width, orbit = len(task.action_names), len(planner.elements)
        count = p.samples // orbit
        paired = isinstance(planner.law, Antithetic)
        pool = planner.law.law if paired else planner.law
        half = (count + 1) // 2 if paired else count
        self.pooled = isinstance(pool, Pool)
        sets = pool.sets[:, :half] if self.pooled else np.empty((0, 0, p.knots, width))
        sets = np.moveaxis(sets.reshape(*sets.shape[:2], p.knots * width), 1, 2)  # (S, N m, half)
        matrices = planner.symmetry.orbit("action")[list(planner.elements)]
        knot, weight, pairs = taps(planner.spline, precision)
        limits = np.stack(task.limits.bound())

        def real(a: Any) -> np.ndarray:
            return np.ascontiguousarray(a, precision)

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros(shape, precision)

        blocks = -(-p.samples // block)
        costs, weights = zeros(blocks, block), zeros(blocks, block)
        noise, mean = zeros(blocks, p.knots * width, block), zeros(p.horizon, width)
        to_steps = np.empty((p.horizon, 0))
        actions = zeros(blocks, p.horizon * width, block)
        if isinstance(planner, KMPPI):
            to_steps = np.ascontiguousarray(planner.matrix)
            actions = zeros(0, 0, 0)  # the noise alone is averaged
        self._first = (
            *(real(sets), real(matrices), real(planner.initial_std)),
            *(zeros(p.knots * width, count), zeros(count), noise, mean),
        )
        self._sizes = (count, half, pool.words if self.pooled else 0)
        self._rollout = (
            *(planner.dynamics.parameters[0], mean, noise, knot, real(weight), pairs),
            *(real(limits), actions, costs, weights),
            *(fused_kernels.scratch_of(task, precision, block), p.samples, float(p.temperature)),
        )
        rows = actions if len(actions) else noise
        self._last = (weights, rows, to_steps, limits, _parts(task.limits))
        self._pooled = np.empty((0, 0, 0))
        self._moving: dict[float, np.ndarray] = {}
        self._costs, self._horizon = costs.reshape(-1)[: p.samples], p.horizon
        self._quick = (
            *(planner, p.samples, (2 * p.horizon + 2, width), task.dt, p.horizon),
            *(range(p.iterations), self.improve, self._rollout),
        )
        self._state_shape = (len(task.state_names),)
        self._alone = planner.symmetry.group.order == 1

    def plan(self, state: np.ndarray, time: float, memory: Memory) -> tuple[Plan, Memory] | None:
        """A plan as `SamplingPlanner.plan`'s; None: this one has to be made by the loop.

        That is so where a symmetric state needs a side or the memory has one, where the memory is
        too old, where the state is no state, and where one iteration would not fit into the budget.
        """
        planner, samples, shape, dt, horizon, iterations, improve, rollout = self._quick
        budget = planner.budget
        timed = budget.seconds < math.inf
        if planner.proposer is not None or (timed and not budget.holds(samples)):
            return None
        state = np.array(state, float)  # one that may be written: else it is compiled for anew
        if state.shape != self._state_shape:
            return None
        if not self._alone and (memory.side.any() or self._symmetric(state)):
            return None
        steps = -1.0
        if memory.draws:
            steps = (time - memory.time) / dt
            if not 0.0 <= steps < horizon:
                return None
            whole = float(round(steps))
            steps = whole if -1e-9 < steps - whole < 1e-9 else steps
        moving = self._moving.get(steps)
        if moving is None:
            moving = self._moving_by(steps)
        out, lowest, done = np.empty(shape), math.inf, 0
        if timed:
            budget.begin()
        seed, draws, rng = memory.seed, memory.draws, None
        for iteration in iterations:
            if timed and iteration and not budget.allows(samples, samples):
                break
            given = self._pooled
            if not self.pooled:
                rng = rng or np.random.Generator(np.random.Philox(key=[seed, draws]))
                given = planner.law(rng, self._sizes[0])
            prepare(
                *(iteration, steps, seed, draws, memory.mean, memory.planned, memory.sent, moving),
                *(given, self._first, self._sizes, out),
            )
            lowest = improve(state, *rollout)
            if lowest != lowest:
                return None
            conclude(lowest < math.inf, *self._last, out)
            done += 1
            if timed:
                budget.spent(samples)
            if lowest == math.inf:
                break  # nothing to learn from: the shifted plan stands
        planner._last = (done, self._costs)
        now = float(time)
        actions = out[horizon : 2 * horizon]
        new = object.__new__(type(memory))  # a third of what dataclasses.replace takes
        fields = new.__dict__
        fields.update(memory.__dict__)
        fields["time"], fields["draws"], fields["std"] = now, draws + 1, planner.initial_std
        fields["mean"], fields["planned"], fields["sent"] = out[:horizon], actions, out[-2:]
        plan = object.__new__(Plan)
        plan.__dict__.update(time=now, dt=dt, actions=actions, cost=lowest)
        return plan, new

    def _symmetric(self, state: np.ndarray) -> bool:
        """Whether more than the identity leaves the state where it is: it may need a side."""
        finite = bool(np.isfinite(state).all())
        return not finite or len(self.planner.symmetry.stabiliser(state=state)) > 1

    def _moving_by(self, steps: float) -> np.ndarray:
        """What the planner's `moved_on` does to a mean, which is linear. (H, H)"""
        same = np.eye(self._horizon)
        moving = same if steps < 0.0 else self.planner.moved_on(same, steps)
        if steps == int(steps):
            self._moving[steps] = np.ascontiguousarray(moving)
        return np.ascontiguousarray(moving)


def _parts(limits: Limits) -> np.ndarray:
    """How `conclude` projects each action part. (parts, 3)"""
    kinds = {
        name: BALL if isinstance(limit, Ball) else CLIPPED for name, limit in limits.parts.items()
    }
    return np.array([[kinds[name], s.start, s.stop] for name, s in limits.slices.items()])


def taps(spline: Spline, precision: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A spline's taps in pairs, without those that are nothing in that precision.

    Returns:
        Which knots a step is made of, with what weights (H, 2 x pairs each), and how many pairs of
        them count. (H,)
    """
    index, weight = spline.index, spline.weight
    counts = np.abs(weight) > 0.1 * np.finfo(precision).eps * np.abs(weight).max()
    width = max(1, -(-int(counts.sum(axis=1).max()) // 2)) * 2
    knot, share = np.zeros((len(index), width), np.int64), np.zeros((len(index), width))
    pairs = np.ones(len(index), np.int64)
    for t, kept in enumerate(counts):
        here = np.flatnonzero(kept)
        knot[t, : len(here)], share[t, : len(here)] = index[t, here], weight[t, here]
        pairs[t] = max(1, -(-len(here) // 2))
    return knot, share, pairs


def fused(planner: Any) -> tuple[FusedPlan | None, str]:
    """A planner's fused plan, or None with the reason."""
    reason = why_not(planner)
    if reason:
        return None, reason
    try:
        return FusedPlan(planner), ""
    except (NotFusableError, NumbaError) as error:
        return None, str(error)
