"""The largest candidate group that a data set has, or that this cannot be told from so few data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .candidates import Candidate
from .two_sample import DOUBT, DRAWS, ENOUGH, LEVEL, MOST, Invariance, Sample, invariance

Verdict = Literal["found", "none", "cannot be told"]


@dataclass(frozen=True)
class Finding:
    """What the tests of all candidates say together.

    Attributes:
        verdict: ``found``: `group` is claimed; ``none``: every candidate but the trivial one is
            rejected; ``cannot be told``: nothing is claimed.
        group: The name of the group, ``trivial`` for none; empty where it cannot be told.
        at_least: The largest candidate that could be claimed by itself, whatever else holds;
            ``trivial`` if none can.
        words: Why, in a sentence.
        tests: One for each candidate.
    """

    verdict: Verdict
    group: str
    at_least: str
    words: str
    tests: tuple[Invariance, ...]


def largest_group(
    points: np.ndarray,
    candidates: Sequence[Candidate],
    episodes: np.ndarray | None = None,
    level: float = LEVEL,
    enough: float = ENOUGH,
    doubts: Sequence[float] = (DOUBT,),
    most: int = MOST,
    seed: int = 0,
) -> Finding:
    """The largest candidate not rejected, if all larger ones are and a smaller one would show.

    Smaller candidates are tested first: one that is rejected settles all that contain it. So the
    chance to lose a group that the data have is at most `level` times the number of its subgroups
    among the candidates. A group is claimed only if its p-value is above a doubt, and if below it
    the test has the power `enough` to see one side of its orbit or its mirror images thinned by
    half, and to see that the data have but one of its largest subgroups.

    Args:
        points: (N, k, 2 or 3), about the centre that the groups turn about.
        candidates: Groups; their containment is worked out from their matrices.
        episodes: Which rows depend on each other. (N,)
        level: Of each test.
        enough: Least power of a claim.
        doubts: Up to these p-values a group that was not rejected is not claimed either, rising:
            the first at which the power is enough counts, or the last.
        most: Points that are compared.
        seed: Of all draws.

    Raises:
        ValueError: No candidates, points of a wrong shape, NaN rows, rows that are all the same.
    """
    if not candidates:
        raise ValueError("no candidate groups")
    sample = Sample(points, episodes, most, seed)
    ordered = sorted(candidates, key=lambda c: (c.draw is not None, len(c.matrices)))
    below = [
        [j for j, b in enumerate(ordered) if j != i and b.within(a) and not a.within(b)]
        for i, a in enumerate(ordered)
    ]
    done: list[Invariance] = []
    for i, one in enumerate(ordered):
        fatal = [j for j in below[i] if done[j].rejected]
        if fatal:
            because = done[fatal[0]].because or done[fatal[0]].name
            done.append(Invariance(one.name, np.nan, True, because, units=sample.units))
        else:
            nearest = [j for j in below[i] if not any(j in below[k] for k in below[i])]
            smaller = [ordered[j] for j in nearest]
            done.append(invariance(sample, one, smaller, level, doubts, enough, DRAWS, seed + i))
    kept = [i for i, test in enumerate(done) if not test.rejected]
    top = [i for i in kept if not any(i in below[k] for k in kept)]
    sure = [i for i in kept if _sure(done[i], enough) and all(i == j or i in below[j] for j in top)]
    at_least = done[sure[-1]].name if sure else "trivial"
    return _judged([done[i] for i in top], tuple(done), enough, at_least)


def _sure(test: Invariance, enough: float) -> bool:
    """Whether a candidate that was not rejected may be claimed."""
    return test.p_value > test.doubt and test.power >= enough


def _judged(
    top: list[Invariance],
    tests: tuple[Invariance, ...],
    enough: float,
    at_least: str,
) -> Finding:
    if not top or top[0].name == "trivial":
        words = "every candidate but the trivial one is rejected"
        return Finding("none", "trivial", "trivial", words, tests)
    if len(top) > 1:
        names = " and ".join(test.name for test in top)
        words = f"too few to tell: {names} are not rejected, though no larger one is kept"
    elif top[0].p_value <= top[0].doubt:
        doubt = top[0].doubt
        words = (
            f"not clear enough: {top[0].name} is not rejected, but p = {top[0].p_value:.2f}; data "
            f"that have it give no more than {doubt:g} in one case of {1.0 / doubt:.0f}"
        )
    elif top[0].power < enough:
        words = (
            f"too few to tell: {top[0].name} is not rejected, but {top[0].weakest} would have been "
            f"seen in {100.0 * top[0].power:.0f} % of data sets of {top[0].units} independent units"
        )
    else:
        words = (
            f"{top[0].name} is not rejected (p = {top[0].p_value:.2f}), every larger candidate is; "
            f"{top[0].weakest} would have been seen in {100.0 * top[0].power:.0f} % of such data"
        )
        return Finding("found", top[0].name, top[0].name, words, tests)
    return Finding("cannot be told", "", at_least, words, tests)
