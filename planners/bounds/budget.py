"""An anytime budget: how many samples, and how many more iterations, still fit into a plan."""

from __future__ import annotations

import time as wall
from collections.abc import Callable

LEAST_SHARE = 1.0 / 8.0
"""The first iteration is never made smaller than this share of its samples."""


class Budget:
    """Bounds a plan's iterations by the wall clock, from what earlier ones took.

    What a sample will take is expected as TCP expects its answers (Jacobson, "Congestion Avoidance
    and Control", 1988): the mean so far and four times the mean deviation, so that it is careful
    where times scatter. One iteration is always made, with fewer samples if all would not fit; each
    further one only if it fits whole. A planner's first plan, which may compile things, is neither
    bounded nor learned from.

    Args:
        seconds: For one plan; infinite: no bound.
        clock: Tells seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = wall.perf_counter) -> None:
        self.seconds = seconds
        self._clock = clock
        self._mean: float | None = None  # of a sample in an iteration, s
        self._deviation = 0.0
        self._plans = 0

    def begin(self) -> None:
        """A plan begins now."""
        self._plans += 1
        self._began = self._mark = self._clock()
        self._iterations = 0

    def holds(self, samples: int) -> bool:
        """Whether a plan with so many samples in all, made at one go, is expected to fit."""
        if self._mean is None:  # nothing is known yet
            return True
        return self.seconds >= samples * (self._mean + 4.0 * self._deviation)

    def allows(self, wanted: int, least: int) -> int:
        """How many samples the next iteration may have; 0: it does not fit.

        Args:
            wanted: As many as it would have.
            least: Fewer make no iteration.
        """
        if self._mean is None:  # nothing is known yet
            return wanted
        left = self.seconds - (self._clock() - self._began)
        fits = left / max(self._mean + 4.0 * self._deviation, 1e-12)
        if self._iterations:
            return wanted if fits >= wanted else 0
        least = max(least, round(LEAST_SHARE * wanted))
        return int(min(wanted, max(least, fits)))

    def spent(self, samples: int) -> None:
        """An iteration with so many samples ends now."""
        now = self._clock()
        taken, self._mark = (now - self._mark) / samples, now
        self._iterations += 1
        if self._plans == 1:
            return
        if self._mean is None:
            self._mean, self._deviation = taken, 0.5 * taken
            return
        off = taken - self._mean
        self._mean += off / 8.0
        self._deviation += (abs(off) - self._deviation) / 4.0
