"""Degrees of a map that can be asked at moved points: a simulator, a policy, a planner.

Nothing is extrinsic then, and no neighbour has to stand for anything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .claim import AuditError, Claim
from .counts import REPLICATES, Interval, Shares, around
from .degrees import WORST, Degrees, Element, Frame
from .neighbours import checked_rows, spread

WITHIN = 0.01
"""A difference of at most this share of the spread of y counts as none."""
_GRID = 2.0**32


def asked(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, claim: Claim, seed: int = 0
) -> Degrees:
    """How correct it is that a map goes with a claim, at some points.

    Args:
        f: (N, n) -> (N, d), vectors; of one x always the same.
        x: (N, n)
        claim: What is proposed, of vectors.
        seed: Of the bootstrap.

    Raises:
        AuditError: Values that are not finite, do not vary or do not fit.
    """
    x = checked_rows("state", x)
    y = checked_rows("values", f(x), len(x))
    if claim.label:
        raise AuditError("a map that is asked gives vectors, no labels")
    for what, rows, width in (("state", x, claim.width), ("values", y, claim.value_width)):
        if width and rows.shape[1] != width:
            raise AuditError(f"{what}: {rows.shape[1]} coordinates; its parts have {width}")
    if (y.max(axis=0) == y.min(axis=0)).all():
        raise AuditError("values: constant: all rows are the same")
    unit = spread(y, claim.value_units)
    eye = np.eye(y.shape[1])
    apart, told = [], []
    for g in range(claim.order):
        there = checked_rows("moved values", f(claim.move(g, x)), len(x))
        apart.append((there - claim.carry(g, y)) / unit)
        told.append(there @ np.linalg.inv(np.asarray(claim.carry(g, eye), float)))
    off = np.sqrt(np.square(np.stack(apart)).sum(axis=2))  # (order, N)
    wrong = off > WITHIN
    variance = np.stack(told).var(axis=0).sum(axis=1)
    departed = np.square(off[1:] if claim.order > 1 else off).mean(axis=0)
    departed = departed / (2.0 * float((y / unit).var(axis=0).sum()))  # of exchanged values
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(x), np.full(len(x), 1.0 / len(x)), REPLICATES) / len(x)
    others = wrong[1:] if claim.order > 1 else wrong

    def told_of(rows: np.ndarray) -> tuple[Shares, dict[str, Interval]]:
        share = rows.mean(axis=0)
        incorrect = float(np.round(share.mean() * _GRID) / _GRID)
        low, high = around(float(share.mean()), weights @ share)
        return Shares(1.0 - incorrect, incorrect, 0.0), {
            "correct": (1.0 - high, 1.0 - low),
            "incorrect": (low, high),
            "extrinsic": (0.0, 0.0),
        }

    shares, intervals = told_of(others)
    elements = tuple(
        Element(name, *told_of(wrong[g : g + 1])) for g, name in enumerate(claim.names) if g
    )
    most, which = off.max(axis=0), off.argmax(axis=0)
    rows = [int(i) for i in np.argsort(-most, kind="stable")[:WORST] if most[i] > WITHIN]
    each = np.abs(np.stack(apart))[1:] > WITHIN
    return Degrees(
        shares=shares,
        intervals=intervals,
        elements=elements,
        coordinates=each.mean(axis=(0, 1)) if claim.order > 1 else np.zeros(y.shape[1]),
        steps=np.zeros((0, 3)),
        worst=tuple(Frame(i, claim.names[int(which[i])], float(most[i]) / WITHIN) for i in rows),
        bound=float(variance.mean()),
        bound_interval=around(float(variance.mean()), weights @ variance),
        reach=float("inf"),
        tolerance=WITHIN,
        by="pairs",
        power=1.0,
        departure=float(departed.mean()),
        departure_interval=around(float(departed.mean()), weights @ departed),
        samples=len(x),
        episodes=0,
    )
