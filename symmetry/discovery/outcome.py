"""What a search for symmetry comes to: the group, its elements, distances beside their floors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .catalogue import Snapped, sampler, snapped
from .cloud import Cloud
from .flow import Found, Settings, discover
from .hypothesis import Hypothesis
from .sampling_floor import distance_and_floor

_TURNED = 0.5
"""A rotation by less (rad) says little about its centre."""
_CENTRED = 0.2
"""Shifts that miss those of rotations about one centre by more, in spreads, are no rotations."""
_PER_ELEMENT, _CONTINUOUS = 10, 200
"""Samples that a finite group needs for each element, and a continuous one altogether."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found in data, before it has been tested.

    Attributes:
        snapped: The group and its elements.
        found: What the flow drew.
        centre: About which SE(2)'s elements turn, in the unit of the data; else None. (2,)
        distance: Between found and ideal elements (Wasserstein-1, see `sampling_floor`); None where
            there is no group.
        floor: That of two fresh samples of the group.
        verdict: ``none``, ``too few`` or ``not verified``.
        why: Why it is none or too few; empty otherwise.
    """

    snapped: Snapped
    found: Found
    centre: np.ndarray | None
    distance: float | None
    floor: float | None
    verdict: str
    why: str

    @property
    def group(self) -> str:
        """Name of what may be claimed: ``none`` where nothing fits or the data cannot tell."""
        return self.snapped.name if self.verdict == "not verified" else "none"

    @property
    def score(self) -> float:
        """How much of a uniform sample of the group was found; 0 where there is none."""
        return self.snapped.score if self.verdict == "not verified" else 0.0


def search(
    data: Cloud,
    hypothesis: Hypothesis,
    seed: int = 0,
    settings: Settings | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """Look for the group of some data: the flow, then the catalogue.

    Args:
        data: What may be symmetric.
        hypothesis: The group in which elements are looked for.
        seed: Of all draws.
        settings: Of the flow; None: `flow.usual`.
        progress: Is told after each update how many there were.

    Raises:
        DiscoveryError: The hypothesis does not fit the data.
    """
    found = discover(data, hypothesis, seed, settings, progress)
    kept = found.kept
    fits = snapped(kept.matrices)
    why, centre = fits.why, None
    if found.unmoved < 0.5:
        why = f"only {100 * found.unmoved:.0f} % of the flow's ends lie on the data"
    elif fits.name != "none" and hypothesis.shifts:
        centre, miss = centre_of(kept, data)
        if miss > _CENTRED * data.spread:
            why = f"the shifts miss rotations about one centre by {miss / data.spread:.2f} spreads"
    if why:
        return Outcome(fits, found, None, None, None, "none", why)
    need = _PER_ELEMENT * len(fits.elements) if fits.finite else _CONTINUOUS
    distance, floor = distance_and_floor(
        kept.matrices, sampler(fits.name, data.dimension, fits.frame), seed
    )
    if len(data) < need:
        why = f"{fits.name} needs {need} samples, there are {len(data)}"
    verdict = "too few" if why else "not verified"
    return Outcome(fits, found, centre, distance, floor, verdict, why)


def centre_of(found: Found, data: Cloud) -> tuple[np.ndarray | None, float]:
    """The centre that found motions leave in place, and how far they are from doing so.

    Returns:
        The median of the centres of those that turn (2,), None where none does; and the median
        distance of shifts from c - A c, in the unit of the data.
    """
    angle = np.arctan2(found.matrices[:, 1, 0], found.matrices[:, 0, 0])
    turned = np.abs(angle) > _TURNED
    away = np.eye(2) - found.matrices
    if turned.mean() < 0.2:  # the identity: its shift about the data is what it moves them by
        placed = data.points[:, ~data.free].mean(axis=(0, 1))
        missed = found.shifts - away @ placed
        return None, float(np.median(np.linalg.norm(missed, axis=1)))
    each = np.linalg.solve(away[turned], found.shifts[turned][:, :, None])[:, :, 0]
    centre = np.median(each, axis=0)
    missed = np.linalg.norm(found.shifts - away @ centre, axis=1)
    return centre, float(np.median(missed))
