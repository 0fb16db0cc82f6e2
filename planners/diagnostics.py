"""What the planner node says of each plan on /diagnostics."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from .loop.figures import Figures, equivariance_error
from .plan import Plan

PLANS = "plans"
"""The status is called ``NODE: plans``; a heartbeat's is the node's name alone."""


class Diagnostics:
    """Publishes the figures of each plan, and measures now and then how exact plans are.

    Behind the tick barrier and in lockstep nothing that a wall clock measured is among them.

    Args:
        node: The planner node.
        budget_ms: Of a plan.
        error_every: Every so many plans the equivariance error is measured, by two more plans; 0:
            never.
    """

    def __init__(self, node: Node, budget_ms: float, error_every: int) -> None:
        self.node, self.budget_ms, self.error_every = node, budget_ms, error_every
        self.name = f"{node.naming.namespace}/{node.name}: {PLANS}"
        self.publisher = node.create_publisher(messages.DiagnosticArray, "/diagnostics")
        self.plans = 0

    def tell(self, plan: Plan, figures: Figures | None, taken_ms: float, error: float) -> None:
        """Publish what is known of a plan.

        Args:
            plan: It.
            figures: What it was chosen from; None: its planner does not say.
            taken_ms: How long it took.
            error: Its equivariance error; NaN: not measured.
        """
        known = {} if figures is None else asdict(figures)
        if not math.isfinite(known.get("best_cost", math.nan)):  # the plan itself tells one too
            known["best_cost"] = plan.cost
        known["equivariance_error"] = error
        if self.node.realtime:
            known |= {"latency_ms": taken_ms, "budget_used": taken_ms / self.budget_ms}
        values = [
            messages.KeyValue(key=key, value=f"{value:.6g}")
            for key, value in known.items()
            if math.isfinite(value)
        ]
        late = self.node.realtime and taken_ms > self.budget_ms
        status = messages.DiagnosticStatus(
            level=int(late), name=self.name, message="late" * late, hardware_id="", values=values
        )
        header = messages.Header(stamp=messages.stamp(plan.time), frame_id="")
        self.publisher.publish(messages.DiagnosticArray(header=header, status=[status]))

    def error(self, planner: Any, state: np.ndarray, time: float, memory: Any) -> float:
        """The equivariance error of a plan whose turn it is, with one element after the other.

        Args:
            planner: Who made it.
            state: What it was made from. (n,)
            time: When, s.
            memory: Before it.

        Returns:
            In units of the largest action; NaN if it is not its turn, or there is no symmetry.
        """
        self.plans += 1
        order = planner.symmetry.group.order if hasattr(planner, "symmetry") else 1
        if not self.error_every or self.plans % self.error_every or order == 1:
            return math.nan
        if not hasattr(memory, "act"):
            return math.nan
        g = 1 + (self.plans // self.error_every - 1) % (order - 1)
        return equivariance_error(planner, state, time, memory, g)
