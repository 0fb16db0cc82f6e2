"""Does what some episodes teach of the next state hold of others, moved? A fitted model says.

A smooth model of (x, u) -> x' - x is fitted to half of the episodes and held to the other half, as
it is and moved by each element g: if the dynamics go with g, the model misses g (x' - x) at
(gx, gu) by no more than it misses x' - x at (x, u). What it misses by more is told as a gain: that
of actuators which do this share more on one side makes as large an error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..audit.claim import Claim
from ..audit.degrees import Degrees, Interval
from ..audit.neighbours import spread
from .smooth import Waves, fitted

ROWS = 10_000
"""At most so many transitions are learned from in each half."""
_ASKED = 160_000
"""At most so many predictions of each block, over all elements."""
FEATURES = 512
"""Of the model at most, beside the coordinates."""
_FOLDS, _ROUNDS = 3, 4
_METRICS, _CLEAR = 2, 0.02
"""So many metrics are tried by all blocks beside the mean one: of the blocks that are explained
best, those left out whose error is smaller."""
_LEAST = 1e-4
"""Of a metric: no coordinate is left out."""
_WIDTHS = (0.35, 0.7, 1.4)
_RIDGES = (1e-6, 1e-4, 1e-2)
_REPLICATES = 400


@dataclass(frozen=True)
class Gain:
    """How far some coordinates of a map are from going with a group.

    Attributes:
        coordinates: Those of y that elements mix with each other.
        explained: Share of their mean square that the model explains on episodes it has not seen;
            of what no element changes: of their variance.
        gain: Over all elements, in root mean squares; below zero where the model misses less when
            it is moved.
        interval: 95 % of it, over episodes.
        elements: Name, and gain and interval where moved transitions come near others; those for
            which none do are left out.
    """

    coordinates: tuple[int, ...]
    explained: float
    gain: float
    interval: Interval
    elements: tuple[tuple[str, float, Interval], ...]


def transferred(
    x: np.ndarray,
    y: np.ndarray,
    claim: Claim,
    found: Degrees,
    episode: np.ndarray | None,
    seed: int = 0,
) -> tuple[Gain, ...]:
    """How far a map is from going with a claim, for each of its blocks that varies.

    Args:
        x: (N, n)
        y: Vectors. (N, d)
        claim: What is proposed.
        found: Degrees of the same, which tell where moved transitions come near others.
        episode: As of `degrees`. (N,)
        seed: Of the choice of rows, of the models and of the bootstrap.
    """
    rng = np.random.default_rng([seed, 1])
    owner = np.arange(len(x)) if episode is None else np.unique(episode, return_inverse=True)[1]
    count = int(owner.max()) + 1
    order = rng.permutation(count)[owner]
    half, fold = order % 2, order // 2 % _FOLDS
    tested = found.rows
    others = rng.permutation(np.setdiff1d(np.arange(len(x)), tested))
    spare = max(0, _ASKED // claim.order - len(tested))
    tested = np.sort(np.concatenate([tested, others[:spare]]))
    points = _embedded(claim, x)
    unit = spread(points, claim.units)
    blocks = _blocks(claim, y)
    middles = [y[:, list(b)].mean(axis=0) * _still(claim, b, y.shape[1]) for b in blocks]
    size, missed = np.zeros((2, len(blocks), len(tested)))
    more = np.zeros((len(blocks), claim.order, len(tested)))
    for h in (0, 1):
        learned = rng.permutation(np.flatnonzero(half != h))[:ROWS]
        models = _models(points[learned] / unit, y[learned], blocks, fold[learned], rng)
        here = np.flatnonzero(half[tested] == h)
        rows = tested[here]
        for g in range(claim.order):
            moved = _embedded(claim, claim.move(g, x[rows])) / unit
            wanted = np.asarray(claim.carry(g, y[rows]))
            for k, model in enumerate(models):
                said = model.said(moved)
                error = np.square(said - wanted[:, list(model.block)]).sum(axis=1)
                if g == 0:
                    missed[k, here] = error
                    size[k, here] = np.square(said - middles[k]).sum(axis=1)
                more[k, g, here] = error - missed[k, here]
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), _REPLICATES)
    drawn = np.concatenate([np.ones((1, count), int), drawn])

    def gain(more: np.ndarray, size: np.ndarray, at: np.ndarray) -> tuple[float, Interval]:
        """Of squared errors and squared sizes of some rows."""
        sums = [drawn @ np.bincount(at, each, count) for each in (more, size)]
        share = 2.0 * sums[0] / np.maximum(sums[1], 1e-300)
        told = np.sign(share) * np.sqrt(np.abs(share))
        low, high = np.percentile(told[1:], [2.5, 97.5])
        return float(told[0]), (float(min(low, told[0])), float(max(high, told[0])))

    near, at = np.searchsorted(tested, found.rows), owner[tested]
    gains = []
    for k, block in enumerate(blocks):
        whole = np.square(y[tested][:, list(block)] - middles[k]).sum()
        elements = []
        for g in range(1, claim.order):
            some = near[found.supported[g]]
            if len(some):
                told = gain(more[k, g, some], size[k, some], at[some])
                elements.append((claim.names[g], *told))
        value, interval = gain(more[k, 1:].mean(axis=0), size[k], at)
        explained = 1.0 - float(missed[k].sum() / max(float(whole), 1e-300))
        gains.append(Gain(block, explained, value, interval, tuple(elements)))
    return tuple(gains)


@dataclass(frozen=True, eq=False)
class _Model:
    """Of a block of y, the best that was tried.

    Attributes:
        block: Its coordinates.
        metric: What inputs are multiplied by before they are compared. (m, m)
        waves: Along them.
        width: Of the kernel.
        weights: (m + features + 1, |block|)
        error: Mean square on folds that it had not seen, over the block's variance.
    """

    block: tuple[int, ...]
    metric: np.ndarray
    waves: Waves
    width: float
    weights: np.ndarray
    error: float

    def said(self, points: np.ndarray) -> np.ndarray:
        """(N, m) -> (N, |block|)"""
        return _told(points, self.metric, self.waves, self.width) @ self.weights

    def slopes(self, points: np.ndarray) -> np.ndarray:
        """The mean of its gradients' products, of trace one. (m, m)"""
        m = points.shape[1]
        steep = self.metric @ (self.waves.frequencies / self.width)  # (m, features)
        sines = np.sin(points @ steep + self.waves.phases)
        total = np.zeros((m, m))
        for own in self.weights.T:
            slope = own[:m] - (sines * own[m:-1]) @ steep.T
            total += slope.T @ slope
        return total / max(float(np.trace(total)), 1e-300)


def _models(
    points: np.ndarray,
    y: np.ndarray,
    blocks: list[tuple[int, ...]],
    fold: np.ndarray,
    rng: np.random.Generator,
) -> list[_Model]:
    """The best for each block, by its error on folds that it had not seen.

    Each round compares inputs by how steep the models of the last one are along them (Radhakrishnan
    et al., "Mechanism for feature learning in neural networks and backpropagation-free machine
    learning models", Science 2024), since most coordinates say nothing of most blocks.
    """
    features = min(FEATURES, max(16, len(points) // 8))
    metrics = [np.eye(points.shape[1])]
    best: dict[tuple[int, ...], _Model] = {}
    for _ in range(_ROUNDS):
        for metric in metrics:
            waves = Waves.drawn(points @ metric, features, rng)
            for width in _WIDTHS:
                told = _told(points, metric, waves, width)
                missed = np.empty((len(_RIDGES), *y.shape))
                weights = np.zeros((len(_RIDGES), told.shape[1], y.shape[1]))
                for here, each in fitted([told], [y], fold, _RIDGES):
                    missed[:, here] = told[here] @ np.stack(each) - y[here]
                    weights += np.stack(each) / len(np.unique(fold))
                for block in blocks:
                    b = list(block)
                    errors = np.square(missed[:, :, b]).mean(axis=(1, 2))
                    k = int(errors.argmin())
                    error = float(errors[k] / max(y[:, b].var(axis=0).mean(), 1e-300))
                    if block not in best or error < best[block].error:
                        best[block] = _Model(block, metric, waves, width, weights[k][:, b], error)
        if all(model.error < _CLEAR for model in best.values()):
            break
        slopes = {b: model.slopes(points[: ROWS // 4]) for b, model in best.items()}
        unclear = [b for b in blocks if best[b].error >= _CLEAR]
        unclear.sort(key=lambda b: best[b].error)
        metrics = [_root(np.mean(list(slopes.values()), axis=0))]
        metrics += [_root(slopes[b]) for b in unclear[:_METRICS]]
    return [best[block] for block in blocks]


def _root(slopes: np.ndarray) -> np.ndarray:
    """The metric of slopes: their square root, with a little of each direction."""
    values, vectors = np.linalg.eigh(slopes)
    return (vectors * np.sqrt(np.maximum(values, 0.0) + _LEAST)) @ vectors.T


def _told(points: np.ndarray, metric: np.ndarray, waves: Waves, width: float) -> np.ndarray:
    """Features: the coordinates, and waves."""
    return np.concatenate([points, waves.told(points @ metric, width)], axis=1)


def _embedded(claim: Claim, x: np.ndarray) -> np.ndarray:
    return x if claim.embed is None else claim.embed(x)


def _blocks(claim: Claim, y: np.ndarray) -> list[tuple[int, ...]]:
    """Coordinates that elements mix, those that do not vary left out."""
    blocks = claim.value_units or tuple((j,) for j in range(y.shape[1]))
    varies = np.ptp(y, axis=0) > 1e-9 * (1.0 + np.abs(y).max(axis=0))
    return [block for block in blocks if varies[list(block)].any()]


def _still(claim: Claim, block: tuple[int, ...], width: int) -> bool:
    """Whether no element changes these coordinates."""
    eye = np.eye(width)[list(block)]
    return all(np.abs(claim.carry(g, eye) - eye).max() < 1e-9 for g in range(claim.order))
