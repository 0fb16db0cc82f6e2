"""Canonical planning: bring state and memory to a canonical place, plan there, bring the plan back.

So any planner becomes exactly equivariant at no rollout more, under every group, continuous ones
too: ``plan(x, memory) = c plan'(c^-1 x, c^-1 memory)`` with a frame c(x) that goes with the state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from ...nodes.parameters import ParameterError
from ...sim.exactness import asymmetry
from ...sim.limits import clash_of
from ...symmetry.declaration import Symmetry, SymmetryError
from ...symmetry.frame import ContinuousFrame, FiniteFrame, Frame
from ...symmetry.group import GroupError
from ...symmetry.motion import CONTINUOUS, check_continuous, drawn, under
from ...symmetry.part import Vector, Vector3
from ..plan import Plan, check_state

_TRIED = 24
"""Elements of a continuous group that limits, costs and model are tried under."""


class Canonical:
    """Any planner, exact under the task's group, or a continuous one, by a canonical frame.

    For every g there is an s that fixes state and memory with ``plan(gx, g memory) =
    g s plan(x, memory)``. The planner inside knows no symmetry, so what it does need not be
    symmetric: a spread of each coordinate for itself, a Cholesky factor, best samples by their
    order. Its memory must say how the group acts on it; what a planner begins anew in each plan,
    such as its spread, need not. Where the frame jumps is said in `symmetry/frame.py`: there the
    noise changes its orientation from one plan to the next, and nothing else does.

    Args:
        planner: Built with symmetry none.
        symmetry: ``full``, a subgroup of the task's, or a continuous group: SO2, O2, SE2, E2, SO3,
            O3, SE3, E3.

    Raises:
        ParameterError: The planner's memory does not say how the group acts on it, or the
            continuous group is not a symmetry of the task's parts, limits or costs.
        GroupError: There is no such group here.
    """

    def __init__(self, planner: Any, symmetry: str = "full") -> None:
        self.planner, self.word = planner, symmetry
        self.task, self.parameters = planner.task, planner.parameters
        self.Parameters = planner.Parameters
        memory = planner.initial_memory(0)
        if not hasattr(memory, "act"):
            raise ParameterError(
                f"symmetry_mode: {type(planner).__name__}'s memory ({type(memory).__name__}) does "
                "not say how a group acts on it; give it act(symmetry, g), or take off",
                "symmetry_mode",
            )
        self.continuous = symmetry if is_continuous(symmetry) else ""
        if self.continuous:
            self.symmetry = self.task.symmetry
            if getattr(getattr(planner, "dynamics", None), "latent", False):
                said = "a latent model tells no state, so nothing says how symmetric it is"
                raise ParameterError(f"symmetry: {symmetry}: {said}", "symmetry")
            self._check_continuous()
            self.frames = ContinuousFrame(self.symmetry, symmetry, self.task.goal)
        else:
            self.symmetry = self.task.symmetry.restrict(symmetry)
            self.frames = FiniteFrame(self.symmetry)
        self._checked = not self.continuous

    def __getattr__(self, name: str) -> Any:
        """What else there is, is the inner planner's."""
        if name == "planner":  # asked for before it is there, by copy or pickle
            raise AttributeError(name)
        return getattr(self.planner, name)

    def around(self, planner: Any) -> Canonical:
        """The same around another planner."""
        return Canonical(planner, self.word)

    def initial_memory(self, seed: int = 0) -> Any:
        """The inner planner's."""
        return self.planner.initial_memory(seed)

    def plan(self, state: np.ndarray, time: float, memory: Any, **more: Any) -> tuple[Plan, Any]:
        """A plan from a state (n,) at a time (s); more keywords are the inner planner's.

        Raises:
            ValueError: The state is not finite, or the model breaks the continuous group.
        """
        x = self.checked(state)
        frame = self.frames.of(x, Remembered(memory, self.symmetry))
        return self.plan_in(frame, x, time, memory, **more)

    def plan_batch(
        self, states: np.ndarray, times: Sequence[float], memories: Sequence[Any]
    ) -> tuple[list[Plan], list[Any]]:
        """What `plan` gives for each. (B, n)"""
        found = [self.plan(*one) for one in zip(states, times, memories, strict=True)]
        return [plan for plan, _ in found], [memory for _, memory in found]

    def checked(self, state: np.ndarray) -> np.ndarray:
        """The state, if there is a frame for it; the model is held to the group the first time.

        Raises:
            ValueError: The state is not finite, or the model breaks the continuous group.
        """
        x = np.asarray(state, float)
        check_state(self.task, x)
        if not self._checked:
            self._check_model()
            self._checked = True
        return x

    def plan_in(
        self, frame: Frame, x: np.ndarray, time: float, memory: Any, **more: Any
    ) -> tuple[Plan, Any]:
        """The plan that the inner planner makes in a frame."""
        acting, there, back = frame
        plan, memory = self.planner.plan(
            acting.act(back, state=x), time, memory.act(acting, back), **more
        )
        # Rounding may leave a limit behind.
        actions = self.task.limits.project(acting.act(there, action=plan.actions))
        return replace(plan, actions=actions), memory.act(acting, there)

    def _check_continuous(self) -> None:
        task, word = self.task, self.continuous
        try:
            check_continuous(task.symmetry, word)
            clash = clash_of(task, self.tried()) or asymmetry(task, self.tried())
        except (GroupError, SymmetryError) as error:
            hint = getattr(task, "continuous", "")
            own = isinstance(error, GroupError) and hint and word in CONTINUOUS
            clash = f"{error}; here take task_options: {hint}" if own else str(error)
        if clash:
            raise ParameterError(f"symmetry: {word}: {clash}", "symmetry")

    def _check_model(self) -> None:
        """Hold the model to the continuous group, at starts and random actions."""
        dynamics = getattr(self.planner, "dynamics", None)
        if dynamics is None:
            return
        rng, tried = np.random.default_rng(1), self.tried()
        x = np.stack([self.task.initial_state(rng) for _ in range(16)])
        low, high = self.task.limits.bound()
        u = self.task.limits.project(rng.uniform(low, high, (16, len(low))))
        here = dynamics.next_state(x, u)
        for g in tried.group.elements:
            there = dynamics.next_state(*tried.act(g, state=x, action=u))
            apart = np.abs(tried.difference("state", there, tried.act(g, state=here)))
            if apart.max() > 1e-6 * (1.0 + np.abs(here).max()):
                worst = self.task.state_names[int(np.argmax(apart.max(axis=0)))]
                raise ValueError(
                    f"symmetry: {self.continuous}: the model of {self.task.name} is not symmetric "
                    f"under it, above all in {worst} (by {apart.max():.2g})"
                )

    def tried(self, count: int = _TRIED, seed: int = 0) -> Symmetry:
        """The declaration under the identity and some random elements of the continuous group."""
        rng = np.random.default_rng(seed)
        motions = [drawn(self.continuous, rng) for _ in range(count)]
        return under(self.task.symmetry, motions, self.continuous)


def is_continuous(word: str) -> bool:
    """Whether a word names no finite group but a continuous one, or means to: SO2, E2, SO3."""
    # O alone is the finite group of the cube's rotations.
    return re.fullmatch(r"(SO|O|SE|E)\d+", word) is not None


class Remembered:
    """A planner's memory as what chooses among frames that the state leaves equal."""

    def __init__(self, memory: Any, symmetry: Symmetry) -> None:
        self.memory, self.symmetry = memory, symmetry

    def key(self, acting: Symmetry, g: int) -> float:
        """A generic linear function of all its arrays after element g."""
        if self.memory is None:
            return 0.0
        numbers = np.concatenate([np.zeros(1), *arrays_of(self.memory.act(acting, g))])
        numbers = numbers[np.isfinite(numbers)]
        return float(numbers @ np.random.default_rng(21).standard_normal(len(numbers)))

    def directions(self) -> np.ndarray:
        """Its mean's vectors, each as two generic sums over time. (k, 3)"""
        mean, found = getattr(self.memory, "mean", None), []
        if mean is not None:
            totals = np.random.default_rng(22).standard_normal((2, len(mean))) @ mean
            for name, here in self.symmetry.slices("action").items():
                part = self.symmetry.action[name]
                width = 3 if isinstance(part, Vector3) else 2 if isinstance(part, Vector) else 0
                for start in range(here.start, here.stop, width) if width else ():
                    found += [np.resize([*t[start : start + width], 0.0], 3) for t in totals]
        return np.array(found).reshape(-1, 3)


def arrays_of(memory: Any) -> list[np.ndarray]:
    """All arrays of numbers in a dataclass and in those that it holds, flat."""
    found: list[np.ndarray] = []
    for field in fields(memory) if is_dataclass(memory) else ():
        value = getattr(memory, field.name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            found.append(value.ravel())
        elif is_dataclass(value):
            found += arrays_of(value)
        elif isinstance(value, tuple | list):
            found += [a.ravel() for a in value if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return found
