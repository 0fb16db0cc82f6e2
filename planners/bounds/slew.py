"""Limits on how fast a plan's actions change: rates and accelerations, part by part."""

from __future__ import annotations

import numpy as np

from ...sim.limits import Ball, Limit
from ...sim.task import Task


class Slew:
    """Makes action sequences change no faster than a task allows, from what is applied now on.

    Step by step an action goes as far towards what is asked as its limits, their rates and their
    accelerations allow, and never faster than it can brake before the limits. Balls are treated as
    balls and coordinates one by one, so it commutes with every group with which the limits do. What
    it allows is convex: a mean of sequences within it is within it.

    Args:
        task: Whose `rates`, `accelerations` and `limits` hold.

    Raises:
        ValueError: Of a part of several coordinates some limits are balls and some are not, or a
            rate or acceleration may not be zero.
    """

    def __init__(self, task: Task) -> None:
        self.dt, self.limits = task.dt, task.limits
        self._parts: list[_Part] = []
        declared = {
            kind: getattr(task, kind, None) for kind in ("limits", "rates", "accelerations")
        }
        for name, here in task.limits.slices.items():
            found = {kind: limits.parts[name] for kind, limits in declared.items() if limits}
            if len({isinstance(limit, Ball) for limit in found.values()}) > 1:
                if here.stop - here.start > 1:
                    kinds = ", ".join(f"{k}: {type(v).__name__}" for k, v in found.items())
                    raise ValueError(f"{name}: limits of one kind are needed ({kinds})")
            for kind in set(found) - {"limits"}:
                low, high = found[kind].bound(here.stop - here.start)
                if not ((low < 0.0).all() and (high > 0.0).all()):
                    raise ValueError(f"{name}: its {kind} must allow both signs")
            self._parts.append(_Part(here, found, task.dt))

    @staticmethod
    def needed(task: Task) -> bool:
        """Whether a task limits how fast its actions change."""
        return any(getattr(task, kind, None) is not None for kind in ("rates", "accelerations"))

    def project(self, actions: np.ndarray, before: np.ndarray) -> None:
        """Slow sequences down, in place.

        Args:
            actions: (K, H, m)
            before: The last two actions before them, the one that is applied now last. (2, m)
        """
        now = np.broadcast_to(before[1], actions[:, 0].shape).copy()
        rate = np.broadcast_to((before[1] - before[0]) / self.dt, now.shape).copy()
        for t in range(actions.shape[1]):
            asked = (actions[:, t] - now) / self.dt
            for part in self._parts:
                here = part.here
                rate[:, here] = part.rate(now[:, here], rate[:, here], asked[:, here])
            now += self.dt * rate
            actions[:, t] = now
        actions[:] = self.limits.project(actions)  # what rounding has added


class _Part:
    """One part of the action: how fast it may change next."""

    def __init__(self, here: slice, found: dict[str, Limit], dt: float) -> None:
        self.here, self.dt = here, dt
        self.rates, self.accelerations = found.get("rates"), found.get("accelerations")
        self.ball = isinstance(found["limits"], Ball) and here.stop - here.start > 1
        width = here.stop - here.start
        self.low, self.high = found["limits"].bound(width)
        if self.accelerations is not None:
            self.down, self.up = self.accelerations.bound(width)

    def rate(self, now: np.ndarray, rate: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """The rate for the next period. now, rate, asked (K, d) -> (K, d)"""
        if self.rates is not None:
            asked = self.rates.project(asked)
        if self.accelerations is None:
            return asked
        asked = rate + self.dt * self.accelerations.project((asked - rate) / self.dt)
        if self.ball:
            from .braking import brake  # numba only where it runs

            now, asked = np.ascontiguousarray(now), np.ascontiguousarray(asked)
            brake(now, np.ascontiguousarray(rate), asked, self.dt, self.up[0], self.high[0])
            return asked
        up, down = (
            self._fastest(self.high - now, -self.down),
            self._fastest(now - self.low, self.up),
        )
        return np.clip(asked, -down, up)

    def _fastest(self, room: np.ndarray, braking: np.ndarray) -> np.ndarray:
        """The rate from which braking ends within some room: dt r + r^2 / (2 braking) = room."""
        square = self.dt**2 + 2.0 * np.maximum(room, 0.0) / braking
        return braking * (np.sqrt(square) - self.dt)
