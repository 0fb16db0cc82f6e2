"""What folding the data by a group does to a kernel model's error: harm where it should help.

Extrinsic pairs cost nothing by themselves, but moved samples may come to lie between those that
say something else: then a boundary that was simple is not (the harmful case of the paper that
`degrees.py` names). So held-out samples are predicted by ridge regression on random Fourier
features (Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007), as they
are and by its equivariant twin, which is fitted to all moved copies too and averages over them.

Each of the two learns by itself which directions of x matter, as a network would: distances are
taken in the metric of the mean outer product of the model's gradients, a few times over
(Radhakrishnan, Beaglehole, Pandit and Belkin, "Mechanism for feature learning in neural networks
and backpropagation-free machine learning models", Science 2024). Without it a kernel in 14
coordinates errs by what is irrelevant, and both errors are the model's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from .claim import Claim
from .neighbours import checked_episodes, checked_rows, spread

REPLICATES = 400
"""Of the bootstrap."""
PARTS = 5
"""That the episodes are dealt into; each is predicted from the others."""
FEATURES = 512
"""Of the model, or one for each sample; beside them the coordinates themselves and a constant."""
COARSE = 256
"""Of the models that the metric is learned from."""
WIDTHS = (0.5, 1.0)
"""Of the kernel, in median distances of two samples; each model takes the best."""
RIDGES = (1e-7, 1e-5, 1e-3, 1e-1)
"""Times the mean square of a feature; the best again."""
ROUNDS = 2
"""Of learning the metric."""
MOVED = 4000
"""Moved copies that the twin's metric is learned from, or one of each sample if that is more."""
BLUR = 1e-3
"""Of the mean, is added to what each direction matters: none is lost for ever."""


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
    samples: int = 3000,
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
    fold = owner % PARTS
    best = []
    for elements in ([0], list(range(claim.order))):
        metric = _metric(points, targets.values, elements, fold, rng)
        near = [points[g] @ metric for g in elements]
        values, back = ([which[g] for g in elements] for which in (targets.values, targets.back))
        errors = []
        for width in WIDTHS:
            waves = _Waves.drawn(near[0], width, FEATURES, rng)
            errors += _errors([waves(z) for z in near], values, back, fold)
        best.append(min(errors, key=np.mean))
    plain, folded = best
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


@dataclass(frozen=True)
class _Waves:
    """Random Fourier features of a Gaussian kernel, the coordinates and a constant."""

    frequencies: np.ndarray  # (m, F)
    phases: np.ndarray  # (F,)

    @classmethod
    def drawn(cls, points: np.ndarray, width: float, most: int, rng: np.random.Generator) -> _Waves:
        """For a kernel of a width, in median distances of two points (S, m)."""
        count, m = points.shape
        other = rng.permutation(count)
        median = float(np.median(np.linalg.norm(points - points[other], axis=1)))
        count = min(count, most)
        frequencies = rng.standard_normal((m, count)) / max(width * median, 1e-9)
        return cls(frequencies, rng.uniform(0.0, 2.0 * np.pi, count))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(S, m) -> (S, F + m + 1)"""
        waves = np.cos(points @ self.frequencies + self.phases)
        return np.concatenate([waves, points, np.ones((len(points), 1))], axis=1)

    def gradient(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Of this, weighted, with respect to the points. (S, m), (F + m + 1,) -> (S, m)"""
        count = len(self.phases)
        slopes = -np.sin(points @ self.frequencies + self.phases) * weights[:count]
        return slopes @ self.frequencies.T + weights[count:-1]


def _metric(
    points: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    elements: Sequence[int],
    fold: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """What to multiply points by so that each direction counts as much as it matters. (m, m)"""
    count, order = len(fold), len(elements)
    copies = min(order, max(1, MOVED // count))
    every = np.tile(np.asarray(elements), (count, 1))
    chosen = rng.permuted(every, axis=1)[:, :copies].reshape(-1)
    row = np.repeat(np.arange(count), copies)
    x, y = np.stack(points)[chosen, row], np.stack(values)[chosen, row]
    m, d = x.shape[1], y.shape[1]
    metric = np.eye(m)
    for _ in range(ROUNDS):
        near = x @ metric
        waves = _Waves.drawn(near, 1.0, COARSE, rng)
        told = waves(near)
        errors = _errors([told], [y], [np.eye(d)], fold[row])
        ridge = RIDGES[int(np.argmin([error.mean() for error in errors]))]
        weights = _solved(told.T @ told, told.T @ y, ridge)
        outer = np.zeros((m, m))
        for j in range(d):
            slope = waves.gradient(near, weights[:, j]) @ metric.T
            outer += slope.T @ slope
        whole = np.trace(outer) / m
        if not whole > 0.0:  # nothing depends on anything
            return np.eye(m)
        size, direction = np.linalg.eigh(outer / whole)
        metric = (direction * np.sqrt(np.maximum(size, 0.0) + BLUR)) @ direction.T
    return metric


def without_each(
    told: Sequence[np.ndarray], values: Sequence[np.ndarray], fold: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What a least-squares fit needs of all samples but those of one fold, for each fold.

    Args:
        told: Features of the samples, and of copies of them that are fitted too. (S, F) each
        values: What each says. (S, d) each
        fold: Of each sample. (S,)

    Yields:
        Which samples are left out (S,), and of the others the products of features with features
        (F, F) and with values (F, d).
    """
    parts = []
    for f in np.unique(fold):
        here = fold == f
        gram = sum(t[here].T @ t[here] for t in told)
        right = sum(t[here].T @ v[here] for t, v in zip(told, values, strict=True))
        parts.append((here, np.asarray(gram), np.asarray(right)))
    whole = sum(p[1] for p in parts), sum(p[2] for p in parts)
    for here, gram, right in parts:
        yield here, whole[0] - gram, whole[1] - right


def _solved(gram: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
    """Weights of ridge regression."""
    shrunk = gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    factor = cho_factor(shrunk, lower=True, overwrite_a=True, check_finite=False)
    return cho_solve(factor, right, check_finite=False)


def _errors(
    told: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    back: Sequence[np.ndarray],
    fold: np.ndarray,
) -> list[np.ndarray]:
    """Squared error of each held-out sample, for each ridge. (S,)

    Args:
        told: Features of gx, element by element, the identity first.
        values: gy, the same.
        back: What undoes g, the same.
        fold: The part that each sample belongs to.
    """
    found = [np.empty(len(fold)) for _ in RIDGES]
    for here, gram, right in without_each(told, values, fold):
        for k, ridge in enumerate(RIDGES):
            weights = _solved(gram, right, ridge)
            said = sum(t[here] @ weights @ b for t, b in zip(told, back, strict=True))
            found[k][here] = np.square(said / len(told) - values[0][here]).sum(axis=1)
    return found
