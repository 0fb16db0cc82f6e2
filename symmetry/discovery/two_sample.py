"""Is a data set, moved by a group, distributed as before? A randomisation test without training.

If the law of the data is invariant under a group, then data whose units are moved by independent
random elements are distributed as the data themselves. So any statistic of the data is compared
with the same statistic of randomly moved copies, and the p-value is exact for every sample size
(Lehmann and Romano, "Testing Statistical Hypotheses", chapter 15.2). A unit is what was
drawn independently: an episode, with all its points, or else a point.

The statistic is the mean over pairs of log(distance^2 + a little), of whole rows, of each of their
points and of pairs of these, whichever departs most: by as much as it is lower for the data than
for moved copies, the data differ from their own orbit average in the energy distance that belongs
to this logarithm
(docs/decisions/0033-an-exact-test-of-invariance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .candidates import Candidate, finite
from .frames import Frames
from .moments import Moments

LEVEL = 0.01
"""The chance that a group which the data have is rejected."""
DRAWS = 199
"""Randomly moved copies."""
MOST = 400
"""Points that are compared with each other, drawn from all that there are."""
DOUBT = 0.1
"""Up to this p-value a group that was not rejected is not claimed either."""
ENOUGH = 0.9
"""The power from which on a group that was not rejected is claimed."""
REPEATS = 60
"""Data sets that are made for a statement of power."""
_MANY = 40_000
"""Rows that moments are taken over, of as many units as points are compared of."""
_BEHIND = (0.7, 0.5, 0.0, 1.5, 1.5)
"""Deviations by which clustering, side and moments have to be farther than frames to count as much:
what departs smoothly is given most of the level, and what is far off is seen by any."""
_BLOCK = 64
_SOFT = 1e-3  # of the median squared distance, added to each before the logarithm
_LEAST = 1e-6  # of what is added: rows are in units of their root mean square, in float32


@dataclass(frozen=True)
class Invariance:
    """What a test says of one candidate.

    Attributes:
        name: Of the candidate.
        p_value: Of the data, if they were invariant; NaN where it was not tested.
        rejected: Whether the data are not invariant.
        because: The candidate's subgroup whose rejection settled it; empty: its own test.
        power: Share of data sets of the same size, departing as `weakest` says, of which the test
            says p <= doubt; NaN where none was made.
        weakest: The departure that is hardest to see.
        units: Independent ones.
        doubt: Up to this p-value it is not to be claimed.
    """

    name: str
    p_value: float
    rejected: bool
    because: str = ""
    power: float = float("nan")
    weakest: str = ""
    units: int = 0
    doubt: float = DOUBT


class Sample:
    """Points to test: checked, scaled and thinned to a number that can be compared pair by pair.

    The k points of a row are put in the order of how little their distance from the centre varies.
    Each counts in units of its root mean square, so a group that turns
    them all alike acts as before. The centre that groups turn about is the origin.

    Args:
        points: (N, k, 2 or 3)
        episodes: Which unit each row belongs to, where rows depend on each other. (N,)
        most: Rows that are kept; of every unit some if that many are allowed.
        seed: Of the choice of rows.

    Raises:
        ValueError: A wrong shape, rows that are not finite, rows that are all the same.
    """

    def __init__(
        self,
        points: np.ndarray,
        episodes: np.ndarray | None = None,
        most: int = MOST,
        seed: int = 0,
    ) -> None:
        points = np.asarray(points, float)
        if points.ndim != 3 or points.shape[2] not in (2, 3) or not points.size:
            raise ValueError(f"points have the shape {points.shape}, not (N, k, 2) or (N, k, 3)")
        bad = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
        if len(bad):
            raise ValueError(f"points: row {bad[0]} is not finite ({len(bad)} such rows)")
        if np.ptp(points, axis=0).max() <= 1e-12 * max(1.0, np.abs(points).max()):
            raise ValueError("points: all rows are the same, so no group can be told from them")
        units = np.arange(len(points)) if episodes is None else np.asarray(episodes)
        if units.shape != (len(points),):
            raise ValueError(f"episodes have the shape {units.shape}, not ({len(points)},)")
        rng = np.random.default_rng(seed)
        units = np.unique(units, return_inverse=True)[1]
        rows = rng.permutation(len(points))
        # The first row of every unit, then the second, and so on.
        rows = rows[np.argsort(units[rows], kind="stable")]
        first = np.searchsorted(units[rows], units[rows])
        rows = rows[np.argsort(np.arange(len(rows)) - first, kind="stable")]
        rms = np.sqrt(np.square(points).sum(axis=2).mean(axis=0))
        kept = rms > 1e-12 * max(1.0, float(rms.max()))
        lengths = np.linalg.norm(points[rows[:most]][:, kept] / rms[kept][:, None], axis=2)
        order = np.flatnonzero(kept)[np.argsort(lengths.std(axis=0), kind="stable")]
        self.points = (points[rows[:most]][:, order] / rms[order, None]).astype(np.float32)
        chosen, self.of = np.unique(units[rows[:most]], return_inverse=True)
        self.units = len(chosen)
        rows = rows[np.isin(units[rows], chosen)][:_MANY]
        every = np.searchsorted(chosen, units[rows])
        self._moments = Moments(points[rows][:, order] / rms[order, None], every)
        lead = self.points[np.unique(self.of, return_index=True)[1]]
        self._lead = lead.astype(float)  # (units, k, d)
        self._frames = Frames(self._lead)
        sizes = (max(1, 2 * len(order)), 1, len(self._frames.weights) - 1)
        self._kind = np.concatenate([np.repeat([0, 1, 2], sizes), 3 + self._moments.family])
        some = self.points[: min(len(rows), 200)]
        apart = np.square(some[:, None] - some[None]).sum(axis=3)  # (S, S, k)
        pairs = apart[np.triu_indices(len(some), 1)]
        # Where most points are one and the same, what rounding leaves of their distance is 0 too.
        self._softs = np.maximum(_SOFT * np.median(pairs, axis=0), _LEAST).astype(np.float32)

    def statistics(self, moves: np.ndarray) -> np.ndarray:
        """Of the points whose units were moved: how clustered they are, and their moments. (s,)

        Args:
            moves: (units, d, d)
        """
        told = [self._clustered(moves), self._frames.means(moves), self._moments.means(moves)]
        return np.concatenate(told)

    def _clustered(self, moves: np.ndarray) -> np.ndarray:
        """Of each point, of the steadiest point with each other one, and of whole rows."""
        every = moves.astype(np.float32)[self.of]
        moved = np.einsum("nij,nkj->kni", every, self.points)  # (k, N, d)
        squares = np.einsum("kni,kni->kn", moved, moved)[..., None]
        ones = np.ones_like(squares)
        # The inner product of a row of one and a row of the other is a squared distance, softened.
        one = np.concatenate([moved, squares + self._softs[:, None, None], ones], axis=2)
        other = np.concatenate([-2.0 * moved, ones, squares], axis=2).transpose(0, 2, 1)
        k, count = squares.shape[:2]
        total = np.zeros(max(1, 2 * k))
        for start in range(0, count, _BLOCK):  # pairs within a block count twice, as all do
            rows = slice(start, start + _BLOCK)
            lead = np.maximum(one[0, rows] @ other[0, :, start:], self._softs[0])
            whole = lead.copy()
            total[0] += _twice(np.log(lead))
            for j in range(1, k):
                apart = np.maximum(one[j, rows] @ other[j, :, start:], self._softs[j])
                whole += apart
                total[2 * j - 1] += _twice(np.log(lead + apart))
                total[2 * j] += _twice(np.log(apart, out=apart))
            total[2 * k - 1] += _twice(np.log(whole, out=whole))
        return total / count**2

    def p_value(self, null: np.ndarray, here: np.ndarray) -> float:
        """Share of moved copies that depart as far or farther, the data themselves counted.

        Each statistic is told in standard deviations over all of them, each kind of statistic as
        the normal deviate that is as rare; the farthest counts, less what its kind has to be
        farther by. Data and copies are treated alike.

        Args:
            null: Statistics of moved copies. (draws, s)
            here: Of the data. (s,)
        """
        every = np.concatenate([here[None], null])
        rounds = np.where(self._kind == 0, 1e-5, 1e-9)  # float32, float64
        spread = every.std(axis=0) + rounds * (1.0 + np.abs(every[0]))
        far = (every - every.mean(axis=0)) / spread
        kinds = [far[:, self._kind == kind] for kind in range(len(_BEHIND))]
        told = np.stack(
            [
                -kinds[0].min(axis=1),
                np.square(kinds[1]).sum(axis=1),
                np.square(kinds[2]) @ self._frames.weights[1:],
                *(np.abs(kind).max(axis=1, initial=0.0) for kind in kinds[3:]),
            ]
        )
        most = (_normal(told) - np.array(_BEHIND)[:, None]).max(axis=0)
        return float(np.mean(most >= most[0] - 1e-6))

    def null(self, candidate: Candidate, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The statistics of randomly moved copies. (draws, s)"""
        return np.array([self.statistics(candidate.random(rng, self.units)) for _ in range(draws)])

    def cells(self, matrices: np.ndarray) -> np.ndarray:
        """The element that brings a reference nearest to each unit. (units,)

        Told by the steadiest point; mirror images by the side on which the next ones lie.
        """
        lead = self._lead
        d = lead.shape[2]
        first = lead[:, 0]
        tried = first[:: max(1, len(first) // 16)]
        moved = np.einsum("gij,tj->gti", matrices, tried)
        apart = np.square(moved - tried).sum(axis=2)  # (m, tried)
        apart[np.abs(matrices - np.eye(d)).max(axis=(1, 2)) < 1e-9] = np.inf
        best = int(np.argmax(apart.min(axis=0)))
        near = first @ moved[:, best].T  # (units, m)
        signs = np.sign(np.linalg.det(matrices))
        if (signs < 0).any() and lead.shape[1] >= d:
            side = np.sign(np.linalg.det(lead[:, :d]))
            near = np.where(signs[None] * side[:, None] < 0, -np.inf, near)
        return np.argmax(near, axis=1)


def _twice(logs: np.ndarray) -> float:
    """The sum of a block row of a symmetric matrix, and of what lies opposite to it."""
    summed = logs.sum(axis=0, dtype=np.float64)
    return float(summed[: len(logs)].sum() + 2.0 * summed[len(logs) :].sum())


def invariance(
    sample: Sample,
    candidate: Candidate,
    smaller: Sequence[Candidate] = (),
    level: float = LEVEL,
    doubts: Sequence[float] = (DOUBT,),
    enough: float = ENOUGH,
    draws: int = DRAWS,
    seed: int = 0,
) -> Invariance:
    """Whether a sample's law is invariant under a candidate, and what would have been seen.

    Args:
        sample: The points.
        candidate: The group.
        smaller: Its largest subgroups: had the data but one of these, would that have been seen?
        level: Of the test.
        doubts: P-values up to which it may not be claimed, rising: the first at which the power is
            enough, or the last.
        enough: Power that is enough.
        draws: Randomly moved copies; at least 1 / level - 1.
        seed: Of the copies.

    Raises:
        ValueError: Too few draws for the level, or points of another dimension.
    """
    if (draws + 1) * level < 1.0:
        raise ValueError(f"a level of {level:g} needs {1.0 / level - 1.0:.0f} draws, not {draws}")
    if candidate.dimension != sample.points.shape[2]:
        raise ValueError(
            f"{candidate.name} moves points of dimension {candidate.dimension}, "
            f"these have {sample.points.shape[2]}"
        )
    rng = np.random.default_rng(seed)
    null = sample.null(candidate, draws, rng)
    here = sample.statistics(np.repeat(np.eye(candidate.dimension)[None], sample.units, axis=0))
    p_value = sample.p_value(null, here)
    if p_value <= level:
        return Invariance(candidate.name, p_value, True, units=sample.units)
    departed = {
        words: np.array(
            [sample.p_value(null, sample.statistics(departing())) for _ in range(REPEATS)]
        )
        for words, departing in _departures(sample, candidate, smaller, rng)
    }
    doubt, power, weakest = doubts[-1], 1.0, ""
    for doubt in doubts:
        seen = {words: float(np.mean(found <= doubt)) for words, found in departed.items()}
        weakest = min(seen, key=lambda words: seen[words], default="")
        power = seen.get(weakest, 1.0)
        if power >= enough:
            break
    return Invariance(candidate.name, p_value, False, "", power, weakest, sample.units, doubt)


def element_p_values(
    sample: Sample, matrices: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """A p-value for each element: is the data's law kept by its powers? Adjusted by Holm. (m,)

    Elements that generate each other share one test. The identity has 1.

    Args:
        sample: The points.
        matrices: Elements of finite order, up to 120. (m, d, d)
        draws: Randomly moved copies of each.
        seed: Of the copies.

    Raises:
        ValueError: An element of no such order.
    """
    cyclic = [_powers(matrix) for matrix in np.asarray(matrices, float)]
    groups: list[Candidate] = []
    which = []
    for one in cyclic:
        same = (i for i, g in enumerate(groups) if one.within(g) and g.within(one))
        found = next(same, len(groups))
        if found == len(groups):
            groups.append(one)
        which.append(found)
    raw = np.ones(len(groups))
    for i, one in enumerate(groups):
        if len(one.matrices) > 1:
            rng = np.random.default_rng([seed, i])
            here = sample.statistics(np.repeat(one.matrices[:1], sample.units, axis=0))
            raw[i] = sample.p_value(sample.null(one, draws, rng), here)
    adjusted = np.ones(len(groups))
    proper = [i for i in np.argsort(raw, kind="stable") if len(groups[i].matrices) > 1]
    largest = 0.0
    for rank, i in enumerate(proper):
        largest = max(largest, min(1.0, (len(proper) - rank) * raw[i]))
        adjusted[i] = largest
    return adjusted[which]


def _normal(told: np.ndarray) -> np.ndarray:
    """Numbers of one kind in a row as normal deviates that are as rare (Wilson and Hilferty).

    Those that are far off do not count in what is usual.
    """
    usual = np.minimum(told, np.quantile(told, 0.98, axis=1, keepdims=True))
    middle, spread = usual.mean(axis=1, keepdims=True), usual.std(axis=1, keepdims=True) + 1e-3
    skew = np.clip(np.mean(((usual - middle) / spread) ** 3, axis=1, keepdims=True), 0.05, 1.5)
    far = (told - middle) / spread
    root = np.cbrt(np.maximum(1.0 + 0.5 * skew * far, 1e-3))
    return (root - 1.0 + skew**2 / 36.0) * 6.0 / skew


def _powers(matrix: np.ndarray) -> Candidate:
    """The group that an element generates."""
    powers = [np.eye(len(matrix))]
    while len(powers) <= 120:
        one = matrix @ powers[-1]
        if np.abs(one - powers[0]).max() < 1e-6:
            return finite("powers", np.stack(powers))
        powers.append(one)
    raise ValueError("an element's order is above 120; test a group with random elements instead")


def _departures(sample, candidate, smaller, rng):  # -> (words, () -> moves (units, d, d))
    """Ways to be less symmetric than a candidate, as data sets made of the sample's own points.

    Each unit is moved back to the cell of the identity, then out by an element drawn unevenly.
    """
    net = candidate.matrices
    if len(net) == 1:
        return
    back = net[sample.cells(net)].transpose(0, 2, 1)
    order = len(net)
    few = order // 2
    near = np.argsort(-net[:, 0, 0], kind="stable")[:few]  # the identity stands first
    weights = np.ones(order)
    weights[near] = 0.5
    weights /= weights.sum()

    def thinned():
        return net[rng.choice(order, sample.units, p=weights)] @ back

    yield "one side of its orbit thinned by half", thinned
    mirrored = np.linalg.det(net) < 0.0
    if mirrored.any() and order > 2:
        fewer = np.where(mirrored, 0.5, 1.0) / np.where(mirrored, 0.5, 1.0).sum()

        def unmirrored():
            return net[rng.choice(order, sample.units, p=fewer)] @ back

        yield "its mirror images thinned by half", unmirrored
    for one in smaller:

        def confined(one=one):
            return one.random(rng, sample.units) @ back

        yield f"only {one.name}", confined
