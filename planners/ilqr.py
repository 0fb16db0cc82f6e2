"""iLQR: Newton's method on a whole trajectory, by one backward and one forward pass a step.

Li and Todorov, "Iterative Linear Quadratic Regulator Design for Nonlinear Biological Movement
Systems" (ICINCO 2004); damping and line search as in Tassa, Erez and Todorov, "Synthesis and
Stabilization of Complex Behaviors through Online Trajectory Optimization" (IROS 2012); constraints
on the state by an augmented Lagrangian as in Howell, Jackson and Manchester, "ALTRO: A Fast Solver
for Constrained Trajectory Optimization" (IROS 2019), without its second phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..sim.dynamics import Dynamics
from ..sim.limits import clash_of, largest_actions
from ..symmetry.declaration import Symmetry
from .bounds.budget import Budget
from .bounds.constraints import Lagrangian, StateConstraints, constraints_of
from .bounds.delay import check_told
from .bounds.slew import Slew
from .loop.batch import driven
from .loop.parameters import check_counts
from .loop.warm_start import held_on, moved_on
from .plan import Plan, Planner
from .trajectory.derivatives import Derivatives, Expansion
from .trajectory.feedback import Feedback, backward

SHARES = 0.5 ** np.arange(8)
"""Of a step, tried at once; the best is taken."""
DAMPING, LEAST, MOST = 1e-6, 1e-9, 1e6
MARGIN = 1e-9
"""Of a cost: what differs by less is alike. A choice between such would hang on rounding, which no
group moves along; and near the optimum, where plans are most of the time, all costs are alike."""


class Descent:
    """Steps of iLQR from an action sequence, each of which lowers its cost or is not taken.

    Args:
        dynamics: The model, differentiable where it goes; its first one, if there are several.
        symmetry: Which the steps go with.
        tolerance: Decrease of the cost, as a fraction of it, below which it is good enough.
        constraints: What breaking the task's constraints costs beside; None: nothing.

    Raises:
        ValueError: The task tells no cost of a state, or limits how fast actions change; or its
            model switches, and there is a symmetry to keep.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        symmetry: Symmetry,
        tolerance: float,
        constraints: Lagrangian | None = None,
    ) -> None:
        self.dynamics, self.task, self.symmetry = dynamics, dynamics.task, symmetry
        self.scale = largest_actions(self.task.limits, symmetry)
        self.derivatives = Derivatives(dynamics, symmetry, self.scale)
        self.tolerance, self.constraints = tolerance, constraints
        self.budget = Budget(np.inf)
        x = np.zeros((1, symmetry.width("state")))
        try:
            self.task.running_cost(x, np.zeros((1, len(self.scale))))
            self.task.terminal_cost(x)
        except (AttributeError, NotImplementedError) as error:
            text = f"{self.task.name} tells no cost of a state; iLQR needs the slope of one"
            raise ValueError(text) from error
        if getattr(self.task, "switching", False) and symmetry.group.order > 1:
            text = (
                f"{self.task.name}'s model switches, as things are grasped and let go; steps along "
                f"its slopes would not be exact under {symmetry.group.name}: take mppi or cem, or "
                "say symmetry:=none"
            )
            raise ValueError(text)
        if Slew.needed(self.task):
            text = f"{self.task.name} limits how fast actions change, which iLQR does not know"
            raise ValueError(text)

    def improved(
        self,
        state: np.ndarray,
        actions: np.ndarray,
        iterations: int,
        multipliers: np.ndarray | None = None,
    ) -> tuple[np.ndarray, list[float]]:
        """Better actions from a state, and the cost before and after each step.

        Args:
            state: (n,)
            actions: Within the limits. (H, m)
            iterations: Steps at most; fewer where the budget ends before, but one.
            multipliers: Of the constraints, if they are kept. (H, C)
        """
        nothing = Feedback(np.zeros_like(actions), np.zeros((*actions.shape, len(state))))
        states, tried, costs = self._forward(state, None, actions, nothing, SHARES[:1], multipliers)
        x, u, found, damping = states[0], tried[0], [float(costs[0])], DAMPING
        if not np.isfinite(found[0]):
            return actions, found
        self.budget.begin()
        for _ in range(iterations):
            if not self.budget.allows(1, 1):
                break
            about = self.derivatives.along(x, u)
            if self.constraints and multipliers is not None:
                slopes = self.derivatives.broken(x[1:])
                about = about.with_price(*self.constraints.bent(x[1:], slopes, multipliers))
            step = self._step(state, x, u, about, found[-1], damping, multipliers)
            if step is None:
                break
            x, u, cost, damping = step
            damping = max(0.1 * damping, LEAST)
            found.append(cost)
            self.budget.spent(1)
            if found[-2] - found[-1] <= self.tolerance * abs(found[-2]):
                break
        return u, found

    def _step(
        self,
        state: np.ndarray,
        x: np.ndarray,
        u: np.ndarray,
        about: Expansion,
        cost: float,
        damping: float,
        multipliers: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, float, float] | None:
        """A trajectory that costs less: states, actions, cost, damping; None: there is none near.

        Of the shares of a step that cost alike it is the longest.
        """
        alike = MARGIN * abs(cost)
        while damping <= MOST:
            feedback = backward(about, u, self.task.limits, self.scale, damping)
            if feedback is not None:
                states, tried, costs = self._forward(state, x, u, feedback, SHARES, multipliers)
                best = int(np.argmax(costs <= costs.min() + alike))
                if costs[best] < cost - alike:
                    return states[best], tried[best], float(costs[best]), damping
                if costs[best] <= cost + alike:
                    return None
            damping *= 10.0
        return None

    def _forward(
        self,
        state: np.ndarray,
        x: np.ndarray | None,
        u: np.ndarray,
        feedback: Feedback,
        shares: np.ndarray,
        multipliers: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Trajectories with a share of the step each: (S, H + 1, n), (S, H, m), costs (S,)."""
        count, steps = len(shares), len(u)
        states = np.empty((count, steps + 1, len(state)))
        actions = np.empty((count, *u.shape))
        states[:, 0] = state
        for t in range(steps):
            wanted = u[t] + shares[:, None] * feedback.step[t]
            if x is not None:
                away = self.symmetry.difference("state", states[:, t], x[t])
                wanted = wanted + away @ feedback.gain[t].T
            actions[:, t] = self.task.limits.project(wanted)
            states[:, t + 1] = self.dynamics.next_state(states[:, t], actions[:, t])
        costs = self.task.running_cost(states[:, 1:], actions).sum(axis=1)
        costs = costs + self.task.terminal_cost(states[:, -1])
        if self.constraints and multipliers is not None:
            costs = costs + self.constraints.price(state, states[None, :, 1:], multipliers)[0]
        return states, actions, np.where(np.isfinite(costs), costs, np.inf)


def with_slopes(constraints: StateConstraints | None) -> Lagrangian | None:
    """Constraints as iLQR can keep them.

    Raises:
        ValueError: By a barrier: its price begins with a kink, at which no step is taken, and its
            filter chooses among samples, of which there are none.
    """
    if constraints is None or isinstance(constraints, Lagrangian):
        return constraints
    raise ValueError("constraints: iLQR keeps none by a barrier; say lagrangian, or off")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """All that iLQR carries from one plan to the next.

    Attributes:
        time: Time of the last plan, s; -inf before the first.
        mean: Its actions. (H, m)
        start: Where a plan with nothing before it begins: hardly anything, to some side. (H, m)
        multipliers: Of the constraints, for each moment of the last plan; invariant. (H, C)
    """

    time: float
    mean: np.ndarray
    start: np.ndarray
    multipliers: np.ndarray

    def act(self, symmetry: Symmetry, g: int) -> Trajectory:
        """Where element g sends this memory."""
        mean, start = symmetry.act(g, action=self.mean), symmetry.act(g, action=self.start)
        return replace(self, mean=mean, start=start)


class ILQR(Planner):
    """Iterative LQR over the actions of a plan, warm-started with the last one.

    It is a local method: it follows slopes from where it begins, sees nothing of a thing that it
    does not touch, and passes an obstacle on the side where it begins. On a mirror line that is the
    side of the small push, drawn once, that its memory holds; so plan(gx, g memory) is g plan(x,
    memory), whatever x.

    Args:
        dynamics: The model to plan with, a single one. Its derivatives are differences of
            `next_state`, so MuJoCo will do, contacts included, as far as those have slopes.
        symmetry: ``full``, ``none``, a subgroup's name, or a `Symmetry` with the task's parts.
        **parameters: Fields of `Parameters`.

    Raises:
        TypeError: It was given a task instead of a model of it.
        ValueError: Parameters out of their ranges, several models at once, limits that break the
            symmetry, or a task that tells no cost of a state or limits how fast actions change.
    """

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of iLQR."""

        horizon: int = 30
        """Control periods looked ahead."""
        iterations: int = 5
        """Steps of Newton's method in each plan, at most."""
        tolerance: float = 1e-5
        """Decrease of the cost in a step, as a fraction of it, below which no more are made."""
        push: float = 0.01
        """What an episode's first plan begins with, as a fraction of the largest action."""
        constraints: Literal["lagrangian", "off"] = "lagrangian"
        """How the task's constraints on the state are kept, where it has any."""
        penalty: float = 100.0
        """Cost of breaking a constraint by a unit, in a period."""

    def __init__(self, dynamics: Dynamics, symmetry: Symmetry | str = "full", **parameters) -> None:
        if not hasattr(dynamics, "next_state"):
            raise TypeError(f"a planner needs a model: pass NumbaDynamics(task), not {dynamics!r}")
        check_told(dynamics, "slopes")
        self.parameters = p = self.Parameters(**parameters)
        self.dynamics, self.task = dynamics, dynamics.task
        self.symmetry = (
            self.task.symmetry.restrict(symmetry) if isinstance(symmetry, str) else symmetry
        )
        clash = clash_of(self.task, self.symmetry)
        if clash:
            raise ValueError(clash)
        check_counts(p)
        for name in ("tolerance", "push"):
            if not (np.isfinite(getattr(p, name)) and getattr(p, name) >= 0):
                raise ValueError(f"{name}: {getattr(p, name)} must not be negative")
        models = getattr(dynamics, "models", 1)
        if models > 1:
            raise ValueError(f"models: {models} are too many; iLQR has the slopes of one")
        rules = (p.constraints, p.penalty, 1.0)
        self.constraints = with_slopes(constraints_of(dynamics, 1, p.horizon, *rules))
        self.descent = Descent(dynamics, self.symmetry, p.tolerance, self.constraints)

    def keep_within(self, seconds: float) -> None:
        """Bound the time of each plan, by the wall clock; infinite: no bound. See `Budget`."""
        self.descent.budget.seconds = seconds

    def initial_memory(self, seed: int = 0) -> Trajectory:
        """A memory of doing nothing, but for the push that the seed draws."""
        p, limits = self.parameters, self.task.limits
        draw = np.random.Generator(np.random.Philox(key=[int(seed), 0]))
        push = p.push * self.descent.scale * draw.standard_normal(len(self.descent.scale))
        start = limits.project(limits.project(self.task.safe_action()) + push)
        start = np.tile(start, (p.horizon, 1))
        multipliers = np.zeros((p.horizon, len(getattr(self.task, "constraint_names", ()))))
        return Trajectory(-np.inf, start, start, multipliers)

    def plan(
        self, state: np.ndarray, time: float, memory: Trajectory, tried: Sequence[np.ndarray] = ()
    ) -> tuple[Plan, Trajectory]:
        """A plan from `state` (n,) at `time` (s); the last one is moved on by what has passed.

        Where others are tried (each (H, m)), it begins with the one of them and the last that costs
        least.

        Raises:
            ValueError: The state has another shape, or holds NaN or infinities.
        """
        state = np.asarray(state, float)
        if state.shape != (len(self.task.state_names),) or not np.isfinite(state).all():
            raise ValueError(
                f"{self.task.name} has {len(self.task.state_names)} finite state coordinates; "
                f"got {state.shape}"
            )
        steps = (time - memory.time) / self.task.dt
        warm, multipliers = memory.start, np.zeros_like(memory.multipliers)
        if 0.0 <= steps < self.parameters.horizon:
            warm = moved_on(memory.mean, steps, memory.mean[-1])
            multipliers = held_on(memory.multipliers, steps)
        if len(tried):
            starts = [warm, *tried]
            costs = [self.descent.improved(state, one, 0, multipliers)[1][0] for one in starts]
            warm = starts[int(np.argmin(costs))]
        iterations = self.parameters.iterations
        actions, costs = self.descent.improved(state, warm, iterations, multipliers)
        if self.constraints:
            settling = self.constraints.settled(state, actions, actions, multipliers)
            _, multipliers = driven(self.dynamics, settling)
        plan = Plan(float(time), self.task.dt, actions, costs[-1])
        return plan, replace(memory, time=float(time), mean=actions, multipliers=multipliers)
