"""Data sets drawn at random whose group is known, near misses among them, for a whole search.

An object of random points is moved by random elements of a group about random axes (and a random
centre), with noise and in random number. What a search claims is then held to the elements that
the law of the data has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covary.symmetry.discovery.catalogue import own_matrices, sampler, turns

_ALIKE = 0.3
"""Elements nearer than this (Frobenius norm) are one: a turn by 0.2 rad."""
_CENTRED = 0.1
"""A centre that is off by more of the data's spread is another one."""
_OFTEN = (200, 800)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A data set, and the largest group that its law has.

    Attributes:
        kind: In words.
        hypothesis: Where it is looked for.
        truth: Name of the group, as the catalogue has it.
        frame: Its axes. (d, d)
        points: (N, k, d)
        centre: About which it turns. (d,)
        episode: Which rows depend on each other (N,); None: none.
    """

    kind: str
    hypothesis: str
    truth: str
    frame: np.ndarray
    points: np.ndarray
    centre: np.ndarray
    episode: np.ndarray | None = None

    def judged(self, group: str, elements: np.ndarray, centre: np.ndarray | None) -> str:
        """What a claim is worth: ``right``, ``weak`` (a subgroup), ``false``, or ``silent``.

        Args:
            group: That is claimed; ``none`` and ``trivial`` claim nothing.
            elements: Its matrices. (m, d, d)
            centre: About which they turn; None: the origin.
        """
        if group in ("none", "trivial"):
            return "right" if (group, self.truth) == ("trivial", "trivial") else "silent"
        spread = np.sqrt(np.square(self.points - self.points.mean((0, 1))).sum(2).mean())
        if centre is not None and np.linalg.norm(centre - self.centre) > _CENTRED * spread:
            return "false"
        if not all(self._has(element) for element in elements):
            return "false"
        return "right" if group == self.truth else "weak"

    def _has(self, element: np.ndarray) -> bool:
        back = np.linalg.inv(self.frame)
        own = back @ element @ self.frame
        if self.truth in ("SO2", "O2"):
            turned = np.linalg.norm(own.T @ own - np.eye(len(own))) < _ALIKE
            return bool(turned and (self.truth == "O2" or np.linalg.det(own) > 0))
        known = own_matrices(self.truth, len(own))
        return bool(np.linalg.norm(known - own, axis=(1, 2)).min() < _ALIKE)


def _made(
    rng: np.random.Generator,
    kind: str,
    hypothesis: str,
    truth: str,
    base: str = "",
    weights: np.ndarray | None = None,
    count: tuple[int, int] = _OFTEN,
    noise: tuple[float, float] = (0.01, 0.08),
    rows: int = 1,
) -> Drawn:
    """Copies of a random object, moved by elements of `base` (`truth`) as often as weights say."""
    d = 3 if hypothesis == "SO3" else 2
    base = base or truth
    frame = _frame(rng, d)
    if hypothesis == "GL2":
        frame = frame @ np.diag(rng.uniform(0.8, 1.25, 2))
    number = int(rng.integers(*count))
    if weights is None:
        moves = sampler(base, d, frame)(number, rng)
    else:
        own = own_matrices(base, d)
        chosen = own[rng.choice(len(own), number, p=weights / weights.sum())]
        moves = frame @ chosen @ np.linalg.inv(frame)
    shape = rng.normal(0.0, 0.4, (int(rng.integers(4, 8)), d))
    shape[0] = [1.0, 0.3, 0.0][:d]
    sizes = rng.uniform(0.8, 1.2, (number, 1, 1)) if hypothesis != "GL2" else 1.0
    points = (sizes * shape) @ np.swapaxes(moves, 1, 2)
    centre = rng.uniform(-2.0, 2.0, d) if hypothesis == "SE2" else np.zeros(d)
    points = np.repeat(points + centre, rows, axis=0)
    points = points + rng.uniform(*noise) * rng.standard_normal(points.shape)
    episode = None if rows == 1 else np.repeat(np.arange(number), rows)
    return Drawn(kind, hypothesis, truth, frame, points, centre, episode)


def _frame(rng: np.random.Generator, d: int) -> np.ndarray:
    if d == 2:
        return turns(rng.uniform(-np.pi, np.pi, 1), 2)[0]
    return sampler("SO3", 3, np.eye(3))(1, rng)[0]


def _turned(rng: np.random.Generator) -> Drawn:
    name = str(rng.choice(["trivial", "C2", "C3", "C4", "C6", "SO2"]))
    return _made(rng, "a group of turns", "SO2", name)


def _mirrored(rng: np.random.Generator) -> Drawn:
    name = str(rng.choice(["reflection", "C4", "D2", "D3", "D4", "O2"]))
    return _made(rng, "a group with mirrors", "O2", name)


def _thinned(rng: np.random.Generator) -> Drawn:
    weights = np.ones(4)
    weights[rng.integers(4)] = rng.uniform(0.3, 0.6)
    return _made(rng, "C4, an arm thinned", "SO2", "trivial", "C4", weights)


def _six(rng: np.random.Generator) -> Drawn:
    name = str(rng.choice(["C6", "D3"]))
    return _made(rng, "C6 against D3", "O2", name, count=(100, 800))


def _uniform(rng: np.random.Generator) -> Drawn:
    """Every direction as often as any other, but the object depends on the direction."""
    hypothesis = str(rng.choice(["SO2", "O2"]))
    count = int(rng.integers(*_OFTEN))
    angle = rng.uniform(-np.pi, np.pi, count)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    beside = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    # Two harmonics, so that no mirror undoes it.
    first, second = rng.uniform(-np.pi, np.pi, 2)
    long = 0.8 + 0.4 * np.cos(angle - first) + 0.2 * np.cos(2.0 * angle - second)
    points = np.stack([along, long[:, None] * beside, -0.5 * along + 0.3 * beside], axis=1)
    points += 0.05 * rng.standard_normal(points.shape)
    return Drawn("uniform angles", hypothesis, "trivial", np.eye(2), points, np.zeros(2))


def _centred(rng: np.random.Generator) -> Drawn:
    if rng.random() < 0.25:
        weights = np.array([1.0, 1.0, 1.0, rng.uniform(0.3, 0.6)])
        return _made(rng, "an arm thinned, a centre", "SE2", "trivial", "C4", weights)
    name = str(rng.choice(["C2", "C3", "C4"]))
    return _made(rng, "an unknown centre", "SE2", name, noise=(0.01, 0.04))


def _noisy(rng: np.random.Generator) -> Drawn:
    return _made(rng, "noise", "SO2", "C3", noise=(0.15, 0.3))


def _few(rng: np.random.Generator) -> Drawn:
    name = str(rng.choice(["trivial", "C2", "C4"]))
    if rng.random() < 0.5:
        return _made(rng, "few samples", "SO2", name, count=(34, 80))
    weights = np.array([1.0, 1.0, 1.0, 0.3])
    return _made(
        rng, "few episodes", "SO2", "trivial", "C4", weights, count=(6, 30), noise=(0.01, 0.03),
        rows=40,
    )  # fmt: skip


def _skewed(rng: np.random.Generator) -> Drawn:
    name = str(rng.choice(["trivial", "C3", "C4"]))
    return _made(rng, "skewed axes", "GL2", name, noise=(0.01, 0.04))


def _spatial(rng: np.random.Generator) -> Drawn:
    if rng.random() < 0.5:
        weights = np.array([1.0, 1.0, rng.uniform(0.3, 0.6)])
        return _made(rng, "C3 of space, an arm thinned", "SO3", "trivial", "C3", weights)
    name = str(rng.choice(["C2", "C3", "D2"]))
    return _made(rng, "a group of space", "SO3", name, noise=(0.01, 0.04))


_KINDS = (
    _turned, _mirrored, _thinned, _six, _uniform, _centred, _noisy, _few, _skewed, _spatial,
)  # fmt: skip


def drawn(index: int, seed: int) -> Drawn:
    """One of a series of data sets, the kinds in turn."""
    return _KINDS[index % len(_KINDS)](np.random.default_rng([seed, index]))
