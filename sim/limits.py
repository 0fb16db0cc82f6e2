"""What an actuator can do, declared part by part, and the projection onto it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..symmetry.declaration import Symmetry


@dataclass(frozen=True)
class Interval:
    """Each coordinate of the part between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval needs low <= high, got {self.low} .. {self.high}")

    def project(self, u: np.ndarray) -> np.ndarray:
        """The nearest point of the interval. (..., d)"""
        return np.clip(u, self.low, self.high)

    def bound(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each coordinate. (width,), (width,)"""
        return np.full(width, float(self.low)), np.full(width, float(self.high))


@dataclass(frozen=True)
class Box:
    """Coordinate i of the part between ``low[i]`` and ``high[i]``."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or any(
            a > b for a, b in zip(self.low, self.high, strict=True)
        ):
            raise ValueError(
                f"a box needs low <= high entry by entry, got {self.low} .. {self.high}"
            )

    def project(self, u: np.ndarray) -> np.ndarray:
        """The nearest point of the box. (..., d)"""
        return np.clip(u, np.array(self.low), np.array(self.high))

    def bound(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each coordinate. (width,), (width,)"""
        return np.array(self.low, float), np.array(self.high, float)


@dataclass(frozen=True)
class Ball:
    """The Euclidean norm of the part at most `radius`; the limit that every rotation respects."""

    radius: float

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ValueError(f"a ball needs a positive radius, got {self.radius}")

    def project(self, u: np.ndarray) -> np.ndarray:
        """The nearest point of the ball; what was projected before stays to the bit. (..., d)"""
        # Coordinate by coordinate: loops over a last axis of two or three are slow in NumPy.
        squared = u[..., 0] * u[..., 0]
        for j in range(1, u.shape[-1]):
            squared = squared + u[..., j] * u[..., j]
        scale = self.radius / np.sqrt(np.maximum(squared, self.radius * self.radius))
        scale = np.where(scale > 1.0 - 4e-15, 1.0, scale)  # on the sphere, but for rounding
        out = np.empty_like(u, dtype=float)
        for j in range(u.shape[-1]):
            np.multiply(u[..., j], scale, out=out[..., j])
        return out

    def bound(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each coordinate. (width,), (width,)"""
        return np.full(width, -float(self.radius)), np.full(width, float(self.radius))


Limit = Interval | Box | Ball


@dataclass(frozen=True)
class Limits:
    """One limit for each action part.

    Attributes:
        parts: Part name -> its limit, for every part of the action.
        slices: Part name -> where it stands in the action vector.
    """

    parts: Mapping[str, Limit]
    slices: Mapping[str, slice]

    def __post_init__(self) -> None:
        if set(self.parts) != set(self.slices):
            raise ValueError(
                f"limits are declared for {sorted(self.parts)}, "
                f"the action has {sorted(self.slices)}"
            )

    def project(self, u: np.ndarray) -> np.ndarray:
        """The nearest action within the limits, part by part. (..., m) -> (..., m)"""
        if len(self.parts) == 1:
            return next(iter(self.parts.values())).project(u)
        out = np.empty_like(u)
        for name, limit in self.parts.items():
            out[..., self.slices[name]] = limit.project(u[..., self.slices[name]])
        return out

    def violation(self, u: np.ndarray) -> np.ndarray:
        """Distance of actions from the limits; 0 inside. (..., m) -> (...)"""
        return np.sqrt(np.sum((u - self.project(u)) ** 2, axis=-1))

    def bound(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest box around the limits. (m,), (m,)"""
        width = max(s.stop for s in self.slices.values())
        low, high = np.empty(width), np.empty(width)
        for name, limit in self.parts.items():
            here = self.slices[name]
            low[here], high[here] = limit.bound(here.stop - here.start)
        return low, high


def largest_actions(limits: Limits, symmetry: Symmetry) -> np.ndarray:
    """Largest action of each coordinate, made equal within each block that the group mixes. (m,)"""
    low, high = limits.bound()
    scale = np.maximum(np.abs(low), np.abs(high))
    for block in symmetry.blocks("action"):
        scale[list(block)] = scale[list(block)].min()
    return scale


def symmetry_clash(limits: Limits, symmetry: Symmetry) -> str | None:
    """Why projection onto the limits does not commute with the group, in one line; None if it does.

    Projects a fixed set of actions, inside and outside the limits, under every element.
    """
    low, high = limits.bound()
    rng = np.random.default_rng(0)
    u = (low + high) / 2 + (high - low) * rng.uniform(-1.5, 1.5, (64, len(low)))
    tolerance = 1e-9 * (1.0 + np.abs(u).max())
    for g in symmetry.group.elements:
        apart = np.abs(
            limits.project(symmetry.act(g, action=u)) - symmetry.act(g, action=limits.project(u))
        )
        if apart.max() > tolerance:
            worst = int(np.argmax(apart.max(axis=0)))
            part = next(name for name, s in limits.slices.items() if s.start <= worst < s.stop)
            return (
                f"limits of action part {part!r} ({type(limits.parts[part]).__name__}) "
                f"are not symmetric under {symmetry.group.name}: "
                f"element {symmetry.group.element_names[g]} breaks them by {apart.max():.2g}; "
                "use a Ball, or a smaller group"
            )
    return None


def clash_of(task: Any, symmetry: Symmetry) -> str | None:
    """As `symmetry_clash`, of a task's limits and of those on rates and accelerations, if any."""
    for kind in ("limits", "rates", "accelerations"):
        limits = getattr(task, kind, None)
        clash = symmetry_clash(limits, symmetry) if limits is not None else None
        if clash:
            return clash.replace("limits", kind, 1)
    return None
