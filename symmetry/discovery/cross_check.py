"""Holds what the flow found to the test of invariance: the largest part that the data have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .candidates import Candidate, catalogue, finite, named
from .catalogue import Snapped, own_matrices
from .cloud import Cloud
from .largest import largest_group
from .two_sample import DOUBT, ENOUGH, Invariance

_POINTS = 1000
"""That are compared with each other."""
_LEVEL = 0.005
"""Of each test."""
_DOUBTS = (0.05, DOUBT)
"""Up to these p-values a group that is not rejected is not claimed either: the first at which the
power is enough. It may be less than where a group is claimed by the test alone, since the flow has
found this one without it; but the flow sees where data are, not how many, so a thinned arm is left
to the test."""
_CYCLES = (2, 3)
"""Tried below a continuous group; larger ones it was told from by the flow."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What is left of a group after the test.

    Attributes:
        group: Of the catalogue; ``trivial`` where every larger one is rejected, ``none`` where it
            cannot be told.
        elements: Its matrices, in the axes of the data, the identity first. (m, d, d)
        verdict: ``found``, ``none`` (all are rejected) or ``cannot be told``.
        words: Why.
        p_value: Of the group that is claimed; NaN where none is.
    """

    group: str
    elements: np.ndarray
    verdict: str
    words: str
    p_value: float


def cross_checked(
    data: Cloud,
    found: Snapped,
    centre: np.ndarray | None = None,
    episodes: np.ndarray | None = None,
    seed: int = 0,
) -> Checked:
    """The largest subgroup of a found group under which the data are distributed as before.

    Scalars stand by the points, as heights over the plane; those that change their sign are left
    out, as are scalars beside points of space.

    Args:
        data: What it was found in.
        found: A group of the catalogue, not none.
        centre: About which it turns; None: the origin.
        episodes: Which samples depend on each other. (N,)
        seed: Of all draws.
    """
    back = np.linalg.inv(found.frame)
    shift = np.zeros(data.dimension) if centre is None else -back @ centre
    points = data.moved(np.tile(back, (len(data), 1, 1)), shift).points / data.spread
    if data.dimension == 2:
        points = _raised(points, data.scalars[:, ~data.odd])
    candidates = _within(found, data.dimension, points.shape[2])
    said = largest_group(
        points, candidates, episodes, _LEVEL, doubts=_DOUBTS, most=_POINTS, seed=seed
    )
    return _told(said.tests, candidates, found, data.dimension)


def by_test_alone(
    data: Cloud, word: str, episodes: np.ndarray | None = None, seed: int = 0
) -> Checked:
    """The largest group of the plane's catalogue that the test can claim without a flow.

    Args:
        data: Points of the plane, about the centre that the groups turn about.
        word: SO2 or O2, of the hypothesis.
        episodes: Which samples depend on each other. (N,)
        seed: Of all draws.

    Returns:
        ``found`` or ``cannot be told``: mirrors about other lines than y = 0 are not tried, so that
        there is no symmetry at all is not claimed.
    """
    points = _raised(data.points / data.spread, data.scalars[:, ~data.odd])
    candidates = [one for one in catalogue(2) if one.within(named(word))]
    candidates = [named(one.name, points.shape[2]) for one in candidates]
    said = largest_group(points, candidates, episodes, seed=seed)
    if said.verdict != "found":
        return Checked("none", np.eye(2)[None], "cannot be told", said.words, float("nan"))
    best = next(test for test in said.tests if test.name == said.group)
    elements = named(said.group).matrices
    return Checked(said.group, elements, "found", said.words, best.p_value)


def _raised(points: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Points of the plane in space, with scalars as heights, where there are any scalars."""
    if not even.shape[1]:
        return points
    flat = np.concatenate([points, np.zeros((*points.shape[:2], 1))], axis=2)
    high = np.zeros((len(even), even.shape[1], 3))
    high[:, :, 2] = even - even.mean(axis=0)
    return np.concatenate([flat, high], axis=1)


def _within(found: Snapped, d: int, space: int) -> list[Candidate]:
    """The groups that are tried, in the found group's own axes; names may end in a number."""
    if not found.finite:
        names = ["trivial", *(f"C{n}" for n in _CYCLES), "SO2"]
        if found.name == "O2":
            names += ["reflection", *(f"D{n}" for n in _CYCLES), "O2"]
        if found.name == "SO3":
            names = ["trivial", "C2", "C3", "SO3"]
        if d == 3 and found.name == "O2":  # half turns of space, which the plane's mirrors are not
            names = [f"C{n}" for n in _CYCLES]
        return [named(name, space) for name in names]
    own = own_matrices(found.name, d)
    if space > d:
        own = np.stack([np.block([[m, np.zeros((d, 1))], [np.zeros((1, d)), 1.0]]) for m in own])
    return [
        finite(f"{_name(own[list(some)], d)}#{k}", own[list(some)])
        for k, some in enumerate(subgroups(own, cyclic_only=len(own) > 24))
    ]


def subgroups(matrices: np.ndarray, cyclic_only: bool = False) -> list[tuple[int, ...]]:
    """All subgroups of a group that two elements generate, as those of the catalogue are.

    Args:
        matrices: All elements, the identity first. (m, d, d)
        cyclic_only: Only those of one element, and the group itself.
    """
    flat = matrices.reshape(len(matrices), -1)
    products = np.einsum("aij,bjk->abik", matrices, matrices).reshape(-1, flat.shape[1])
    table = np.argmin(((products[:, None] - flat[None]) ** 2).sum(axis=2), axis=1)
    table = table.reshape(len(matrices), -1)
    whole = tuple(range(len(matrices)))
    found = {(0,), whole}
    cycles = sorted({_closed((g,), table) for g in whole})
    found |= set(cycles)
    if not cyclic_only:
        found |= {_closed((a[-1], *a, *b), table) for a in cycles for b in cycles}
    return sorted(found, key=lambda some: (len(some), some))


def _closed(some: tuple[int, ...], table: np.ndarray) -> tuple[int, ...]:
    reached, fresh = {0}, set(some)
    while fresh:
        reached |= fresh
        fresh = {int(table[a, b]) for a in reached for b in reached} - reached
    return tuple(sorted(reached))


def _name(matrices: np.ndarray, d: int) -> str:
    plane = matrices[:, :d, :d]
    plain = int(np.sum(np.linalg.det(plane) > 0))
    if d == 2:
        if plain == len(plane):
            return f"C{plain}" if plain > 1 else "trivial"
        return f"D{plain}" if plain > 1 else "reflection"
    count = len(plane)
    trace = np.trace(plane, axis1=1, axis2=2)
    halves = int(np.sum(np.abs(trace + 1.0) < 1e-6))
    by_halves = {(1, 0): "trivial", (12, 3): "T", (24, 9): "O", (60, 15): "I"}
    if (count, halves) in by_halves:
        return by_halves[count, halves]
    smallest = np.arccos(np.clip(0.5 * (trace[1:].max() - 1.0), -1.0, 1.0))
    return f"C{count}" if abs(smallest - 2 * np.pi / count) < 1e-6 else f"D{count // 2}"


def _told(
    tests: tuple[Invariance, ...], candidates: list[Candidate], found: Snapped, d: int
) -> Checked:
    nothing = np.eye(d)[None]
    by_name = {one.name: one for one in candidates}
    kept = [test for test in tests if not test.rejected]
    top = [
        test
        for test in kept
        if not any(
            by_name[test.name].within(by_name[other.name])
            and not by_name[other.name].within(by_name[test.name])
            for other in kept
        )
    ]
    if len(top) > 1:
        names = " and ".join(test.name.split("#")[0] for test in top)
        words = f"too few to tell: {names} are not rejected, a group that holds both is"
        return Checked("none", nothing, "cannot be told", words, float("nan"))
    best = top[0] if top else None
    group = best.name.split("#")[0] if best else "trivial"
    if best is None or group == "trivial":
        return Checked("trivial", nothing, "none", "every larger group is rejected", float("nan"))
    weakest = best.weakest.split("#")[0]
    if best.power < ENOUGH:
        words = (
            f"too few to tell: {group} is not rejected, but of {best.units} independent samples "
            f"with {weakest} the test would have rejected {100.0 * best.power:.0f} % only"
        )
        return Checked("none", nothing, "cannot be told", words, float("nan"))
    if best.p_value <= best.doubt:
        words = (
            f"not clear enough: {group} is not rejected, but p = {best.p_value:.2f}; data that "
            f"have it give no more than {best.doubt:g} in one case of {1.0 / best.doubt:.0f}"
        )
        return Checked("none", nothing, "cannot be told", words, float("nan"))
    words = (
        f"{group} is not rejected (p = {best.p_value:.2f}); {weakest} would have been seen in "
        f"{100.0 * best.power:.0f} % of such data"
    )
    own = by_name[best.name].matrices
    elements = found.frame @ own[:, :d, :d] @ np.linalg.inv(found.frame)
    elements = found.elements if group == found.name else elements
    return Checked(group, elements, "found", words, best.p_value)
