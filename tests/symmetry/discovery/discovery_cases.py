"""Data sets whose group is known, drawn at random: true groups, near misses, noise, few points."""

from dataclasses import dataclass

import numpy as np

from covary.symmetry.discovery.candidates import named


@dataclass(frozen=True, eq=False)
class Case:
    """Points (N, k, 2), and the name of the largest group that their law has."""

    kind: str
    truth: str
    points: np.ndarray
    episodes: np.ndarray | None = None


def shape(rng):
    """Five points with no symmetry of their own, on which all turns are far apart. (5, 2)"""
    points = rng.normal(0.0, 0.4, (5, 2))
    points[0] = [1.0, 0.3]
    return points


def orbit(rng, name, count, noise=0.05, weights=None):
    """Copies of a shape moved by random elements of a group. (count, 5, 2)"""
    one = named(name)
    if weights is None:
        moves = one.random(rng, count)
    else:
        moves = one.matrices[rng.choice(len(one.matrices), count, p=weights / np.sum(weights))]
    points = np.einsum("nij,kj->nki", moves, shape(rng))
    return points + noise * rng.normal(size=points.shape)


def _true(rng):
    name = str(rng.choice(["C2", "C3", "C4", "C6", "D3", "D4", "reflection", "SO2", "O2"]))
    return Case("true group", name, orbit(rng, name, int(rng.integers(200, 600))))


def _thinned(rng):
    weights = np.ones(4)
    weights[rng.integers(4)] = rng.uniform(0.3, 0.6)
    points = orbit(rng, "C4", int(rng.integers(150, 600)), weights=weights)
    return Case("C4, an arm thinned", "trivial", points)


def _six(rng):
    name = str(rng.choice(["C6", "D3"]))
    return Case("C6 against D3", name, orbit(rng, name, int(rng.integers(60, 500))))


def _uniform(rng):
    """Every direction as often as any other, but the shape depends on the direction."""
    count = int(rng.integers(200, 600))
    angle = rng.uniform(-np.pi, np.pi, count)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    long = 0.8 + 0.4 * np.cos(angle - rng.uniform(-np.pi, np.pi))
    beside = np.stack([-direction[:, 1], direction[:, 0]], axis=-1)
    points = np.stack([direction, long[:, None] * beside, -0.5 * direction], axis=1)
    return Case("uniform angles", "trivial", points + 0.05 * rng.normal(size=points.shape))


def _half(rng):
    return Case("C2 within D4", "C2", orbit(rng, "C2", int(rng.integers(60, 500))))


def _noise(rng):
    points = orbit(rng, "C3", int(rng.integers(200, 600)), noise=rng.uniform(0.2, 0.4))
    return Case("noise", "C3", points)


def _few(rng):
    name = str(rng.choice(["trivial", "C2", "C4"]))
    return Case("few points", name, orbit(rng, name, int(rng.integers(8, 40))))


def _episodes(rng):
    """Few episodes of many points each, all on one side or all over the place by chance."""
    count = int(rng.integers(6, 30))
    weights = np.array([1.0, 1.0, 1.0, 0.3])
    starts = orbit(rng, "C4", count, weights=weights)
    points = np.repeat(starts, 40, axis=0) + 0.02 * rng.normal(size=(40 * count, 5, 2))
    return Case("few episodes", "trivial", points, np.repeat(np.arange(count), 40))


KINDS = (_true, _thinned, _six, _uniform, _half, _noise, _few, _episodes)


def cases(count, seed):
    """As many cases, the kinds in turn, each drawn anew."""
    return [KINDS[i % len(KINDS)](np.random.default_rng([seed, i])) for i in range(count)]


def claimed_falsely(name, case):
    """Whether a claimed group has an element that the truth lacks."""
    return bool(name) and not named(name).within(named(case.truth))
