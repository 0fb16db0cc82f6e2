"""Finished plans, kept under their canonical states, as proposals for states like them.

A state seen in any orientation has the same canonical state, so its plans are found again from all
of them. What is found is one more sample beside the noise, and so is the last plan: costs decide.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...nodes.parameters import ParameterError
from ...symmetry.alignment import Alignment
from ...symmetry.declaration import Symmetry
from ...symmetry.frame import TIE
from ..plan import Plan
from .canonical import Canonical, Remembered

STARTS = 128
"""States of the task's start distribution that say how far states are apart."""
GOAL = 0.5
"""How much the goal counts in that: most plans end before they are there."""


@dataclass(frozen=True, eq=False)
class PlanMemory:
    """A planner's memory, and finished plans.

    States and plans are canonical, so no element moves them.

    Attributes:
        inner: The planner's own memory.
        canonical: Canonical states that the plans were made in. (S, n)
        plans: (S, H, m)
        unfinished: State and plan of each period of the present episode, which nobody looks up yet.
    """

    inner: Any
    canonical: np.ndarray
    plans: np.ndarray
    unfinished: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def act(self, symmetry: Symmetry, g: int) -> PlanMemory:
        """Where element g sends this memory."""
        return replace(self, inner=self.inner.act(symmetry, g))

    def finished(self, most: int) -> PlanMemory:
        """The memory once the episode is over: its plans are kept, the newest `most` of all."""
        if not self.unfinished:
            return self
        states, plans = (np.stack(rows) for rows in zip(*self.unfinished, strict=True))
        return replace(
            self,
            canonical=np.concatenate([self.canonical, states])[-most:],
            plans=np.concatenate([self.plans, plans])[-most:],
            unfinished=(),
        )


class Recalling(Canonical):
    """A planner that plans in canonical frames and looks up finished plans at every step.

    Args:
        planner: Built with symmetry none; its `plan` takes `tried`.
        symmetry: As of `Canonical`; ``none`` keeps states as they are.
        size: Plans that are kept at most, the newest.
        nearest: How many of them are tried in each plan.
        distance: From how far, in units of the spread of the task's starts.

    Raises:
        ParameterError: As `Canonical`, or the planner tries no plan of others, or has no samples
            left for it.
    """

    def __init__(
        self,
        planner: Any,
        symmetry: str = "full",
        size: int = 20_000,
        nearest: int = 1,
        distance: float = 3.0,
    ) -> None:
        super().__init__(planner, symmetry)
        self.size, self.nearest, self.distance = size, nearest, distance
        name = type(planner).__name__
        if "tried" not in inspect.signature(planner.plan).parameters:
            text = f"symmetry_mode: {name} tries no plans of others; sampling planners such as mppi"
            raise ParameterError(f"{text} do", "symmetry_mode")
        self._check_room()
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self.first: PlanMemory | None = None
        """Whose plans every fresh memory has; None: nobody's."""

    def _check_room(self) -> None:
        planner = self.planner
        if not hasattr(planner, "population"):  # it has no samples to be taken
            return
        taken = planner.room + self.nearest + 1 + (planner.proposer is not None)
        if min(planner.population(i) for i in range(planner.parameters.iterations)) <= taken:
            text = f"samples: {planner.parameters.samples} leave none beside {taken} that are tried"
            raise ParameterError(text, "planner.samples")

    def take_proposals(self, proposer: Any) -> None:
        """Let the planner take proposals too; None: nobody's.

        Raises:
            ValueError: It has no samples left for them.
        """
        self.planner.take_proposals(proposer)
        self._check_room()

    def around(self, planner: Any) -> Recalling:
        """The same around another planner."""
        other = Recalling(planner, self.word, self.size, self.nearest, self.distance)
        other.first = self.first
        return other

    def initial_memory(self, seed: int = 0) -> PlanMemory:
        """The inner planner's, and the plans of `first`, if any."""
        inner = self.planner.initial_memory(seed)
        if self.first is not None:
            return replace(self.first, inner=inner)
        shape = (0, self.planner.parameters.horizon, self.task.symmetry.width("action"))
        return PlanMemory(inner, np.empty((0, self.task.symmetry.width("state"))), np.empty(shape))

    def next_memory(self, memory: PlanMemory, seed: int) -> PlanMemory:
        """The memory for the next episode: what was finished stays."""
        return replace(memory.finished(self.size), inner=self.planner.initial_memory(seed))

    def plan(
        self, state: np.ndarray, time: float, memory: PlanMemory, **more: Any
    ) -> tuple[Plan, PlanMemory]:
        """A plan from a state (n,) at a time (s), and the memory with it.

        Raises:
            ValueError: As `Canonical.plan`.
        """
        x = self.checked(state)
        frame = self.frames.of(x, Remembered(memory.inner, self.symmetry))
        acting, _, back = frame
        canonical = acting.act(back, state=x)
        tried = self.recalled(memory, canonical)
        plan, inner = self.plan_in(frame, x, time, memory.inner, tried=tried, **more)
        made = (
            canonical,
            self.padded(acting.act(back, action=plan.actions), memory.plans.shape[1]),
        )
        unfinished = (*memory.unfinished, made)[-self.size :]
        return plan, replace(memory, inner=inner, unfinished=unfinished)

    def recalled(self, memory: PlanMemory, canonical: np.ndarray) -> list[np.ndarray]:
        """The plans of the nearest states that are near enough, nearest first. Each (H, m)

        Each plan is moved by what brings its state nearest to the canonical one.
        """
        if not len(memory.canonical):
            return []
        found, (kept, squares) = [], self._compared(memory.canonical)
        apart = self.alignment.squared(kept, canonical, squares)
        for _ in range(min(self.nearest, len(apart))):
            row = int(np.argmax(apart <= apart.min() + TIE))
            if apart[row] > self.distance**2:
                break
            acting, g = self.alignment.bringing(kept[row], canonical)
            plan = acting.act(g, action=memory.plans[row])
            found.append(self.padded(plan, self.planner.parameters.horizon))
            apart[row] = np.inf
        return found

    def padded(self, plan: np.ndarray, horizon: int) -> np.ndarray:
        """A plan over another horizon H: nothing is done after its end. (H', m) -> (H, m)"""
        if len(plan) < horizon:
            rest = np.tile(self.task.safe_action(), (horizon - len(plan), 1))
            plan = np.concatenate([plan, rest])
        return self.task.limits.project(plan[:horizon])

    def _compared(self, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of a memory's states (S, d) and their squared lengths (S,).

        They are made once for as long as it stays the same.
        """
        if self._last is None or self._last[0] is not canonical:
            kept = self.alignment.features(canonical)
            self._last = canonical, kept, np.einsum("sd,sd->s", kept, kept)
        return self._last[1:]

    @cached_property
    def alignment(self) -> Alignment:
        """How far states are apart, in units of the spread of the task's starts."""
        rng = np.random.default_rng(0)
        starts = np.stack([self.task.initial_state(rng) for _ in range(STARTS)])
        counts = {self.task.goal: GOAL} if self.task.goal else {}
        return Alignment(self.symmetry, self.continuous, starts, counts)
