"""The sampling planner: draw noise, close it under the group, roll out, update.

`update` makes an algorithm of it; the other hooks have answers that most algorithms keep.

The set of samples of one iteration is ``{mean + A(g) noise_i}`` over all base draws i and all g of
the group: the *noise* is moved, not the whole action, since only then is the set for (gx, g mean)
exactly g times the set for (x, mean) once the mean is warm (derived from the single-step result of
Zhao et al., "Equivariant Action Sampling for Reinforcement Learning and Planning", WAFR 2024).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..sim.dynamics import Dynamics, in_precision
from ..sim.limits import clash_of, largest_actions
from ..symmetry.declaration import Symmetry
from .bounds.budget import Budget
from .bounds.constraints import StateConstraints, constraints_of
from .bounds.delay import ahead, check_told, delayed_periods
from .bounds.slew import Slew
from .loop.batch import Planning, driven, together
from .loop.figures import Figures, figures_of
from .loop.memory import Memory
from .loop.noise import Antithetic, noise_law
from .loop.noise_scale import noise_scale
from .loop.orbits import Orbits
from .loop.parameters import SamplingParameters
from .loop.proposal import Proposer, charge, idle_actions, proposal
from .loop.risk import risk_measure
from .loop.samples import Samples, check_room, check_size
from .loop.spline import spline
from .loop.warm_start import moved_on, rest_action
from .loop.weights import elite
from .plan import Plan, check_state
from .symmetric.side import draw_side, on_side
from .symmetric.spread import check_spread

if TYPE_CHECKING:
    from .fused.fused_plan import FusedPlan


class SamplingPlanner(ABC):
    """What all sampling planners share; `update` is the algorithm.

    Exactness: for every g there is an s that fixes state and memory such that
    ``plan(gx, g memory) = g s plan(x, memory)``; s is the identity unless the state lies on a
    mirror or a rotation centre (see `side`). A proposal keeps this as far as its proposer is
    equivariant itself: then the samples for gx are still g times those for x.

    Args:
        dynamics: The model to plan with; its task gives costs, limits and the symmetry.
        symmetry: ``full``, ``none``, a subgroup's name, or a `Symmetry` with the task's parts.
        **parameters: Fields of `Parameters`.

    Raises:
        TypeError: It was given a task instead of a model of it.
        ValueError: Parameters that do not fit each other, or limits that break the symmetry.
    """

    Parameters = SamplingParameters
    check = check_spread

    def __init__(self, dynamics: Dynamics, symmetry: Symmetry | str = "full", **parameters) -> None:
        if not hasattr(dynamics, "rollout"):
            raise TypeError(f"a planner needs a model: pass NumbaDynamics(task), not {dynamics!r}")
        self.parameters = self.Parameters(**parameters)
        self.dynamics = dynamics = in_precision(dynamics, self.parameters.precision)
        self.task = dynamics.task
        self.symmetry = (
            self.task.symmetry.restrict(symmetry) if isinstance(symmetry, str) else symmetry
        )
        clash = clash_of(self.task, self.symmetry)
        if clash:
            raise ValueError(clash)
        p = self.parameters
        width, models = self.symmetry.width("action"), getattr(dynamics, "models", 1)
        check_size(p.samples, p.horizon, width, models)
        self.spline = spline(p.spline, p.horizon, p.knots, p.kernel_width)
        self._knot_steps = self.spline.steps(p.knots)  # (N,)
        if p.rate:
            self.spline = self.spline.integrated(p.knots)
        self.blocks = self.symmetry.blocks("action")
        self.elements = self.symmetry.distinct_actions()
        self.proposer: Proposer | None = None
        self.rest = rest_action(self.task, self.symmetry)  # (m,)
        self.idle = idle_actions(self.task, self.symmetry, p.horizon) if p.null_sample else None
        self.room = self.room + p.previous_plan + p.null_sample
        check_room(p.samples, self.room, len(self.elements), self.symmetry.group.name)
        self.orbits = Orbits(self.symmetry.orbit("action")[list(self.elements)], p.knots)
        most = self.orbits.most_draws(p.samples)
        law = (p.noise_law, p.knots, width, most, p.colour, p.correlation, p.tail)
        self.law = Antithetic(noise_law(*law)) if p.antithetic else noise_law(*law)
        self.risk = risk_measure(p.risk, p.risk_level, p.risk_aversion)
        self._integrals = 2 if self.task.action_interface == "effort" else 1
        self.largest = largest_actions(self.task.limits, self.symmetry)  # (m,)
        self.initial_std = np.tile(p.noise * self.largest, (p.knots, 1))  # (N, m)
        self.scale = noise_scale(p, self.symmetry, self.initial_std, self.largest)
        self.delay = delayed_periods(p.delay_ms * 1e-3, self.task.dt)
        if self.delay:
            check_told(dynamics, "delay_ms")
        self.slew = Slew(self.task) if Slew.needed(self.task) else None
        self.budget = Budget(np.inf)
        self._last: tuple[int, np.ndarray] = (0, np.empty(0))  # iterations, costs of the last
        self.samples, self.constraints = self.buffers()
        self.rooms: list[tuple[Samples, StateConstraints | None]] = []  # for plans made at once

    def buffers(self) -> tuple[Samples, StateConstraints | None]:
        """New room for the samples of a plan, and for the states that constraints are told of."""
        p, models = self.parameters, getattr(self.dynamics, "models", 1)
        rules = (p.constraints, p.penalty, p.barrier_share)
        return (
            Samples(p.samples, p.knots, p.horizon, models, self.orbits),
            constraints_of(self.dynamics, p.samples, p.horizon, *rules),
        )

    def take_proposals(self, proposer: Proposer | None) -> None:
        """Let what somebody else would do be one of the samples; None: nobody.

        It takes no sample from an orbit: there is room for one orbit less if all samples were in
        one.

        Raises:
            ValueError: There are too few samples for one orbit and the proposal.
        """
        samples, taken = self.parameters.samples, self.room + (proposer is not None)
        if samples - taken < len(self.elements):
            raise ValueError(f"samples: {samples} have no room for a proposal beside one orbit")
        self.proposer = proposer

    @property
    def bounded(self) -> bool:
        """Whether plans keep to more than the limits: a delay, rates, constraints on the state."""
        return bool(self.delay or self.slew or self.constraints)

    def keep_within(self, seconds: float) -> None:
        """Bound the time of each plan, by the wall clock; infinite: no bound. See `Budget`."""
        self.budget.seconds = seconds

    # The algorithm.

    @abstractmethod
    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The memory after one iteration, with a new mean (and spread).

        It must treat all samples alike, whatever their order: then it is equivariant.

        Args:
            memory: Before the iteration.
            noise: The noise of each sample on the knots. (K, N, m)
            actions: Its actions, within the limits. (K, H, m)
            costs: Its cost; finite or +inf, at least one finite. (K,)
        """

    room: int = 0
    """Samples that are no noise but what is `kept`, at most; they take none from an orbit."""

    def kept(self, memory: Memory, iteration: int) -> list[np.ndarray]:
        """What is tried beside the noise: action sequences that the memory knows, each (H, m).

        They are within the limits.
        """
        return []

    def scaled(self, memory: Memory, noise: np.ndarray) -> None:
        """Give noise of variance 1, a set closed under the group, its spread, in place. (K, N, m)

        The spread stands in the memory and goes with it under the group, so that the set stays
        closed.
        """
        noise *= memory.std

    def respread(self, memory: Memory) -> Memory:
        """The memory with the spread that a plan begins with: the initial, or the adapted one."""
        return memory if self.scale else replace(memory, std=self.initial_std)

    def chosen(self, memory: Memory) -> np.ndarray:
        """What is planned, by what is known after the last iteration. (H, m)"""
        return memory.mean

    def population(self, iteration: int) -> int:
        """How many samples an iteration of a plan has; at most `samples`."""
        return self.parameters.samples

    def moved_on(self, mean: np.ndarray, steps: float) -> np.ndarray:
        """The mean `steps` control periods later, what is planned at rest after its last. (H, m)"""
        return moved_on(mean, steps, mean[-1] if self.parameters.rate else self.rest)

    def beside(self, memory: Memory, actions: np.ndarray) -> np.ndarray | float:
        """What the algorithm charges beside the task's cost; invariant under the group. (K,)"""
        return 0.0

    def weight(self, costs: np.ndarray) -> np.ndarray | None:
        """How much each sample counts, summing to 1 (K,); None: that cannot be told."""
        return None

    def tempered(self, costs: np.ndarray) -> float:
        """The temperature of those weights, in units of cost; NaN: they have none."""
        return np.nan

    # The loop.

    def initial_memory(self, seed: int = 0) -> Memory:
        """A memory of doing nothing."""
        p = self.parameters
        mean = np.tile(self.rest, (p.horizon, 1))
        side = np.zeros((mean.shape[1], mean.shape[1]))
        sent = np.tile(mean[0], (self.delay + 2, 1))
        multipliers = np.zeros((p.horizon, len(getattr(self.task, "constraint_names", ()))))
        start = (-np.inf, mean, self.initial_std, side, -np.inf, int(seed), 0)
        return Memory(*start, mean, sent, multipliers)

    def plan(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray] = ()
    ) -> tuple[Plan, Memory]:
        """A plan from `state` at `time`.

        Args:
            state: The task's state vector, goal included. (n,)
            time: Its time, s. The last plan is shifted by what has passed since.
            memory: From `initial_memory` or the last call.
            tried: Other action sequences to try, within the limits, each (H, m). They and the last
                plan take samples from the noise.

        Returns:
            The plan, and the memory for the next call.

        Raises:
            ValueError: The state has another shape, or holds NaN or infinities.
        """
        fused, known = self.fused, (state, time, memory)
        whole = fused and (fused.trying(*known, tried) if len(tried) else fused.plan(*known))
        return whole or driven(self.dynamics, self.planning(state, time, memory, tried))

    @cached_property
    def fused(self) -> FusedPlan | None:
        """Makes whole plans as one kernel, the same to rounding; None: that cannot be had here."""
        from .fused.fused_plan import fused  # it knows the algorithms, which know this file

        self.check()
        return fused(self)[0]

    def warm_up(self, state: np.ndarray) -> None:
        """Have the loop's kernels compiled too: a plan that is fused may need it at any moment."""
        driven(self.dynamics, self.planning(state, 0.0, self.initial_memory(0)))

    def plan_batch(
        self, states: np.ndarray, times: Sequence[float], memories: Sequence[Memory]
    ) -> tuple[list[Plan], list[Memory]]:
        """Plans from several states at once: bit for bit what `plan` gives for each.

        A model that has `rollout_batch` rolls out the samples of all of them in one call.

        Args:
            states: (B, n)
            times: Of each, s. B of them.
            memories: Of each, B of them.

        Raises:
            ValueError: As `plan`.
        """
        asked = list(zip(states, times, memories, strict=True))
        if type(self).plan is SamplingPlanner.plan and not self.fused:
            found = together(self, asked)
        else:  # what it does around this loop, or in its place, it does for each
            found = [self.plan(*one) for one in asked]
        return [plan for plan, _ in found], [memory for _, memory in found]

    def figures(self) -> Figures:
        """Of the last plan."""
        iterations, costs = self._last
        known = np.isfinite(costs).any()
        weight = self.weight(costs) if known else None
        return figures_of(iterations, costs, weight, self.tempered(costs) if known else np.nan)

    def planning(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray] = ()
    ) -> Planning:
        """What `plan` does, but for the rollouts: it asks for them."""
        state = np.asarray(state, float)
        check_state(self.task, state)
        self.budget.begin()
        memory = self.respread(self._shifted(memory, time))
        fixing = self.symmetry.stabiliser(state=state)
        pending = memory.sent[len(memory.sent) - self.delay :]
        if self.delay:
            state = ahead(self.dynamics, state, pending)
        rng = np.random.Generator(np.random.Philox(key=[memory.seed, memory.draws]))
        proposed = list(tried)
        if self.proposer is not None:
            own = proposal(self.proposer, self.dynamics, state, self.parameters.horizon)
            proposed += [] if own is None else [own]
        samples, constraints, lowest = self.samples, self.constraints, np.inf
        least = len(self.elements) + self.room + len(proposed) + bool(len(tried))
        for iteration in range(self.parameters.iterations):
            count = self.budget.allows(self.population(iteration), least)
            if not count:
                break
            samples.use(count)
            self._draw(memory, rng, iteration, [*proposed, *[memory.mean] * bool(len(tried))])
            count = len(samples.costs[0])  # as many as make orbits
            states = constraints and constraints.states(count)
            yield state, samples.actions, samples.costs, states
            if constraints:
                samples.costs += constraints.price(state, states, memory.multipliers)
            costs = self.risk(samples.costs)  # (K,)
            costs[~np.isfinite(costs)] = np.inf  # a rollout that blew up is the worst, never NaN
            lowest = float(costs.min())
            self._last = (iteration + 1, costs)
            if lowest == np.inf:
                break  # nothing to learn from: the shifted plan stands
            costs += self.beside(memory, samples.actions)
            if len(tried):
                costs[-1] += charge(self.tempered(costs))
            memory = self._learned(memory, fixing, costs, float(time))
            self.budget.spent(count)
        chosen = memory.mean if memory.side_time == time else self.chosen(memory)
        actions = self._within(chosen[None].copy(), memory)[0]
        if constraints and lowest < np.inf:
            actions, multipliers = yield from constraints.settled(
                state, actions, self._best(memory, actions), memory.multipliers
            )
            memory = replace(memory, multipliers=multipliers)
        memory = replace(memory, time=float(time), draws=memory.draws + 1, planned=actions)
        actions = np.concatenate([pending, actions])
        return Plan(float(time), self.task.dt, actions, lowest), memory

    def _within(self, actions: np.ndarray, memory: Memory) -> np.ndarray:
        """Action sequences brought within the limits, and within what may follow now. (K, H, m)"""
        actions[:] = self.task.limits.project(actions)
        if self.slew is not None:
            self.slew.project(actions, memory.sent[-2:])
        return actions

    def _best(self, memory: Memory, plan: np.ndarray) -> np.ndarray:
        """The best sample of the last iteration, on the plan's side if sides are kept. (H, m)"""
        costs, actions = self._last[1], self.samples.actions
        if memory.side.any():
            kept = on_side(memory.side, self._integrals, plan, actions)
            if np.isfinite(costs[kept]).any():
                costs, actions = costs[kept], actions[kept]
        return actions[int(np.argmin(costs))].copy()

    def _draw(
        self,
        memory: Memory,
        rng: np.random.Generator,
        iteration: int,
        proposed: list[np.ndarray],
    ) -> None:
        """Fill the samples: the orbit of the noise about the mean, and what is tried beside it."""
        beside = [*self.kept(memory, iteration), *proposed]
        if self.parameters.previous_plan:
            beside.insert(0, memory.mean)
        if self.idle is not None:
            beside.insert(0, self.idle)
        samples = self.samples
        samples.draw(self.law, rng, len(beside))
        self.scaled(memory, samples.noise)
        samples.act(memory.mean, self.spline, self.task.limits, beside)
        for row, actions in enumerate(reversed(beside), 1):
            samples.noise[-row] = (actions - memory.mean)[self._knot_steps]
        if self.slew is not None:
            self.slew.project(samples.actions, memory.sent[-2:])

    def _learned(
        self, memory: Memory, fixing: tuple[int, ...], costs: np.ndarray, time: float
    ) -> Memory:
        """The memory after one iteration: updated, or given a side if it has none and needs one."""
        samples = self.samples
        kept: np.ndarray | slice = slice(None)
        if memory.side.any():
            kept = on_side(memory.side, self._integrals, memory.mean, samples.actions)
            if not np.isfinite(costs[kept]).any():
                kept = slice(None)
            if memory.side_time == time:  # drawn in this plan: an average could still undo it
                # Of several that cost the same the mean: a choice would hang on their order.
                best = samples.actions[kept][elite(costs[kept], 1)].mean(axis=0)
                return replace(memory, mean=best)
        else:
            key = (memory.seed, memory.draws)
            drawn = draw_side(self.symmetry, fixing, memory.mean, samples.actions, costs, key)
            if drawn is not None:
                return replace(memory, mean=drawn[0], side=drawn[1], side_time=time)
        noise, costs = samples.noise[kept], costs[kept]
        learned = self.update(memory, noise, samples.actions[kept], costs)
        if not self.scale:
            return learned
        return replace(learned, std=self.scale.fitted(memory.std, noise, self.weight(costs)))

    def _shifted(self, memory: Memory, time: float) -> Memory:
        """The memory moved ahead by the time that has passed; too old a one is forgotten."""
        if memory.draws == 0:
            return memory
        steps = (time - memory.time) / self.task.dt
        if not 0.0 <= steps < self.parameters.horizon:
            fresh = self.initial_memory(memory.seed)
            return replace(fresh, draws=memory.draws)
        mean = self.moved_on(memory.mean, steps)
        sent, multipliers = memory.sent_after(steps), memory.multipliers_after(steps)
        std = self.scale.later(memory.std, steps) if self.scale else memory.std
        side = memory.side
        if time - memory.side_time >= self.parameters.horizon * self.task.dt:
            side = np.zeros_like(side)
        moved = {"mean": mean, "std": std, "side": side}
        return replace(memory, sent=sent, multipliers=multipliers, **moved)
