"""What folding the data by a group does to a smooth model's error: harm where it should help.

Extrinsic pairs cost nothing by themselves, but moved samples may come to lie between those that
say something else: then a boundary that was simple is not (the harmful case of the paper that
`degrees.py` names). So held-out samples are predicted by ridge regression on random Fourier
features (Rahimi and Recht, 2007), as they are and by its equivariant twin, which is fitted to all
moved copies too and averages over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .claim import Claim
from .neighbours import FOLDS, checked_episodes, checked_rows, spread

REPLICATES = 400
"""Of the bootstrap."""
FEATURES = 256
"""Of the model."""
WIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Of the kernel, in median distances of two samples; each model takes the best."""
RIDGES = (1e-6, 1e-3)
"""Times the number of samples; the best again."""


@dataclass(frozen=True)
class Folding:
    """Errors on held-out episodes or samples.

    Attributes:
        plain: Mean squared error of the model (of a label: of its indicators).
        folded: Of its equivariant twin.
        change: (folded - plain) / the error of predicting the mean. Below zero the group helps,
            above it harms.
        interval: 95 % of it, over episodes or samples.
    """

    plain: float
    folded: float
    change: float
    interval: tuple[float, float]


def folding(
    x: np.ndarray,
    y: np.ndarray,
    claim: Claim,
    episode: np.ndarray | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> Folding:
    """Compare the two on the same samples.

    Args:
        x: (N, n)
        y: (N, d), or labels (N,)
        claim: What is proposed.
        episode: As of `degrees`.
        samples: At most so many samples are taken, all of them predicted.
        seed: Of their choice, of the features and of the bootstrap.

    Raises:
        AuditError: As `degrees`.
    """
    rng = np.random.default_rng(seed)
    x = checked_rows("state", x)
    numbers = checked_episodes(episode, len(x))
    rows = np.arange(len(x))
    if len(x) > samples:
        rows = np.sort(rng.choice(len(x), samples, replace=False))
    x = x[rows]
    owner = (
        np.arange(len(x)) if numbers is None else np.unique(numbers[rows], return_inverse=True)[1]
    )
    targets = _targets(np.asarray(y)[rows], claim)
    moved = [claim.move(g, x) for g in range(claim.order)]
    points = [z if claim.embed is None else claim.embed(z) for z in moved]
    unit = spread(points[0], claim.units)
    points = [p / unit for p in points]
    other = rng.permutation(len(x))
    median = float(np.median(np.linalg.norm(points[0] - points[0][other], axis=1)))
    frequencies = rng.standard_normal((points[0].shape[1], FEATURES)) / max(median, 1e-9)
    phases = rng.uniform(0.0, 2.0 * np.pi, FEATURES)
    fold = owner % FOLDS
    best: list[np.ndarray | None] = [None, None]
    for width in WIDTHS:
        told = [np.cos(p @ (frequencies / width) + phases) for p in points]
        told = [np.concatenate([t, np.ones((len(t), 1))], axis=1) for t in told]
        for k, elements in enumerate(([0], list(range(claim.order)))):
            for error in _errors([told[g] for g in elements], targets, elements, fold):
                if best[k] is None or error.mean() < best[k].mean():  # type: ignore[union-attr]
                    best[k] = error
    plain, folded = best
    assert plain is not None and folded is not None
    middle = targets.values[0] - targets.values[0].mean(axis=0)
    whole = float(np.square(middle).sum(axis=1).mean())
    each, counts = np.bincount(owner, folded - plain), np.bincount(owner).astype(float)
    weights = rng.multinomial(len(counts), np.full(len(counts), 1.0 / len(counts)), REPLICATES)
    drawn = (weights @ each) / (weights @ counts) / whole
    low, high = np.percentile(drawn, [2.5, 97.5])
    change = float((folded - plain).mean()) / whole
    return Folding(float(plain.mean()), float(folded.mean()), change, (float(low), float(high)))


@dataclass(frozen=True)
class _Targets:
    values: list[np.ndarray]  # g y, element by element. (S, d)
    back: list[np.ndarray]  # what undoes g, for rows. (d, d)


def _targets(y: np.ndarray, claim: Claim) -> _Targets:
    """What is predicted: vectors, or indicators of labels."""
    if not claim.label:
        rows = checked_rows("values", y)
        values = [np.asarray(claim.carry(g, rows), float) for g in range(claim.order)]
        eye = np.eye(rows.shape[1])
        return _Targets(values, [np.linalg.inv(claim.carry(g, eye)) for g in range(claim.order)])
    classes = np.unique(y)
    carried = [np.asarray(claim.carry(g, classes)) for g in range(claim.order)]
    maps = [(c[:, None] == classes).astype(float) for c in carried]
    own = (y.reshape(len(y), 1) == classes).astype(float)
    return _Targets([own @ m for m in maps], [m.T for m in maps])


def _errors(
    told: list[np.ndarray], targets: _Targets, elements: list[int], fold: np.ndarray
) -> list[np.ndarray]:
    """Squared error of each held-out sample, for each ridge. (S,)"""
    width, values = told[0].shape[1], targets.values
    found = [np.empty(len(fold)) for _ in RIDGES]
    parts = []
    for f in np.unique(fold):
        here = fold == f
        gram = sum(t[here].T @ t[here] for t in told)
        right = sum(t[here].T @ values[g][here] for t, g in zip(told, elements, strict=True))
        parts.append((here, np.asarray(gram), np.asarray(right)))
    whole = sum(p[1] for p in parts), sum(p[2] for p in parts)
    for here, gram, right in parts:
        for k, ridge in enumerate(RIDGES):
            shrink = ridge * len(fold) * len(elements) * np.eye(width)
            weights = np.linalg.solve(whole[0] - gram + shrink, whole[1] - right)
            said = sum(
                t[here] @ weights @ targets.back[g] for t, g in zip(told, elements, strict=True)
            )
            found[k][here] = np.square(said / len(elements) - values[0][here]).sum(axis=1)
    return found
