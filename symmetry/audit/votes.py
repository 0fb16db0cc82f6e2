"""Values of the map as its neighbours tell them: means of vectors, or votes for a label."""

from __future__ import annotations

import numpy as np

from .claim import AuditError, Claim
from .local import RIDGES, told
from .neighbours import checked_rows, spread


class VectorValues:
    """Vectors y, of which neighbours tell the map's by their mean or a plane through them.

    Where neighbours agree little the map is told badly, so residuals are taken over how far they
    scatter (locally weighted conformal prediction: Lei et al., "Distribution-free predictive
    inference for regression", 2018): a few samples at which an expert changes its mind then do not
    set the tolerance of all others.

    Args:
        y: (N, d) or (N,)
        claim: How elements act on y.
        count: N.

    Attributes:
        compared: y in units of its spread. (N, d)
        ridges: The ways that may tell it.
        residual: |f(gx) - g f(x)| in units of the spread of y, times how well the middle sample is
            told over how well this one is, element by element. (order, S)
        tolerance: What of it is none.
    """

    ridges = RIDGES

    def __init__(self, y: np.ndarray, claim: Claim, count: int) -> None:
        self._y = checked_rows("values", y, count)
        self._claim = claim
        width = self._y.shape[1]
        if claim.value_width and width != claim.value_width:
            raise AuditError(
                f"values: {width} coordinates; the parts that the group acts on have "
                f"{claim.value_width}"
            )
        if (self._y.max(axis=0) == self._y.min(axis=0)).all():
            raise AuditError("values: constant: all rows are the same")
        self._unit = spread(self._y, claim.value_units)
        self.compared = self._y / self._unit
        self._back = np.stack([self._inverse(g, width) for g in range(claim.order)])
        self._apart: list[np.ndarray] = []
        self._told: list[np.ndarray] = []
        self._noise: list[np.ndarray] = []
        self._scatter: list[np.ndarray] = []
        self.tolerance = 0.0

    def _inverse(self, g: int, width: int) -> np.ndarray:
        """The matrix that undoes g on y."""
        rows = np.asarray(self._claim.carry(g, np.eye(width)), float)
        zero = np.asarray(self._claim.carry(g, np.zeros((1, width))), float)
        if rows.shape != (width, width) or np.abs(zero).max() > 1e-9:
            raise AuditError(f"{self._claim.names[g]} does not act on y by a matrix")
        try:
            return np.linalg.inv(rows.T)
        except np.linalg.LinAlgError:
            raise AuditError(f"{self._claim.names[g]} cannot be undone on y") from None

    def seen(
        self, g: int, offsets: np.ndarray, found: np.ndarray, chosen: np.ndarray, ridge: float
    ) -> None:
        """Take in the neighbours of the chosen points (S,) moved by g.

        Args:
            g: The element.
            offsets: From there to them. (S, k, m)
            found: Their rows. (S, k)
            chosen: Rows of the points. (S,)
            ridge: How they tell the value.
        """
        here = told(offsets, self._y[found], ridge)
        self._own = self._y[chosen]
        self._apart.append((here.value - np.asarray(self._claim.carry(g, self._own))) / self._unit)
        self._told.append(here.value @ self._back[g].T)
        self._noise.append(here.noise @ (self._back[g].T ** 2))
        self._scatter.append(((here.rest + here.noise) / self._unit**2).sum(axis=1))

    @property
    def _scale(self) -> np.ndarray:
        """How badly each point is told, over how badly the middle one is. (order, S)"""
        scatter = np.stack(self._scatter)
        least = max(float(np.median(scatter[0])), 1e-12)
        scale = np.sqrt(scatter + least)
        return scale / np.median(scale[0])

    @property
    def residual(self) -> np.ndarray:
        """(order, S)"""
        return np.sqrt(np.square(np.stack(self._apart)).sum(axis=2)) / self._scale

    @property
    def excess(self) -> np.ndarray:
        """Squared error of the moved values, less what chance makes. (order, S)"""
        return np.square(np.stack(self._apart)).sum(axis=2) - np.stack(self._scatter)

    @property
    def exchanged(self) -> np.ndarray:
        """How much more the squared error would be with another sample's value. (S,)"""
        middle, whole = self.compared.mean(axis=0), self.compared.var(axis=0).sum()
        told = self._apart[0] + self._own / self._unit
        other = np.square(told - middle).sum(axis=1) + whole
        return other - np.square(self._apart[0]).sum(axis=1)

    def calibrate(self, percentile: float, factor: float) -> None:
        """Let what the identity shows be the tolerance."""
        own = self._apart[0] / self._scale[0][:, None]
        self.tolerance = factor * float(np.percentile(self.residual[0], percentile)) + 1e-9
        self._each = factor * np.percentile(np.abs(own), percentile, axis=0) + 1e-9

    def coordinates(self, supported: np.ndarray) -> np.ndarray:
        """Share of supported pairs at which each coordinate is off by itself. (d,)"""
        off = np.abs(np.stack(self._apart)) / self._scale[..., None] > self._each
        floor = off[0].mean(axis=0)
        others = supported[1:]
        if not others.any():
            return np.zeros(len(floor))
        share = off[1:][others].mean(axis=0)
        return np.clip((share - floor) / np.maximum(1.0 - floor, 1e-12), 0.0, 1.0)

    def floor_terms(self, supported: np.ndarray) -> np.ndarray:
        """Of each point the variance of its orbit's values, less what their noise makes. (S,)

        What few neighbours tell is off by chance, whether that comes of noise or of how steep or
        bent the map is.
        """
        told, noise = np.stack(self._told), np.stack(self._noise).sum(axis=2)
        seen = supported.astype(float)
        count = np.maximum(seen.sum(axis=0), 1.0)
        middle = (told * seen[..., None]).sum(axis=0) / count[:, None]
        variance = (np.square(told - middle).sum(axis=2) * seen).sum(axis=0) / count
        expected = (noise * seen).sum(axis=0) / count * (1.0 - 1.0 / count)
        return variance - expected

    def power(self, rng: np.random.Generator) -> float:
        """Share of points told wrong if each got another value, less those that are anyway."""
        other = rng.permutation(len(self._own))
        apart = self._apart[0] + (self._own - self._own[other]) / self._unit
        off = np.sqrt(np.square(apart).sum(axis=1)) / self._scale[0]
        anyway = (self.residual[0] > self.tolerance).mean()
        return max(float((off > self.tolerance).mean() - anyway), 0.0)


class LabelValues:
    """Labels y, of which neighbours' votes tell the map's; attributes as of `VectorValues`.

    The residual is the share of neighbours that say otherwise, and most of them make it wrong.
    """

    ridges = RIDGES[:1]

    def __init__(self, y: np.ndarray, claim: Claim, count: int) -> None:
        given = np.asarray(y)
        given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
        if given.shape != (count,):
            raise AuditError(f"label: must be one for each of {count} rows, not {given.shape}")
        if given.dtype.kind == "f" and not np.isfinite(given).all():
            raise AuditError(f"label: row {np.flatnonzero(~np.isfinite(given))[0]} is not finite")
        self._classes, self._y = np.unique(given, return_inverse=True)
        if len(self._classes) < 2:
            raise AuditError("label: constant: all rows have the same one")
        self.compared = np.eye(len(self._classes))[self._y]
        self._claim = claim
        self._maps = [self._map(g) for g in range(claim.order)]
        self._residual: list[np.ndarray] = []
        self._told: list[np.ndarray] = []
        self.tolerance = 0.5

    def _map(self, g: int) -> np.ndarray:
        """To which class each one goes. (classes,)"""
        there = np.asarray(self._claim.carry(g, self._classes))
        at = np.searchsorted(self._classes, there).clip(0, len(self._classes) - 1)
        if there.shape != self._classes.shape or (self._classes[at] != there).any():
            raise AuditError(f"{self._claim.names[g]} makes labels that the data do not have")
        if len(np.unique(at)) != len(at):
            raise AuditError(f"{self._claim.names[g]} makes one of two labels")
        return at

    def seen(
        self, g: int, offsets: np.ndarray, found: np.ndarray, chosen: np.ndarray, ridge: float
    ) -> None:
        """Take in the neighbours of the chosen points, as of `VectorValues`."""
        near = self._y[found]
        self._own = self._y[chosen]
        self._near = near if g == 0 else self._near
        self._residual.append((near != self._maps[g][self._own][:, None]).mean(axis=1))
        back = np.argsort(self._maps[g])
        votes = np.zeros((len(chosen), len(self._classes)))
        np.add.at(votes, (np.arange(len(chosen))[:, None], back[near]), 1.0 / near.shape[1])
        self._told.append(votes)

    @property
    def residual(self) -> np.ndarray:
        """(order, S)"""
        return np.stack(self._residual)

    @property
    def excess(self) -> np.ndarray:
        """Squared error of the votes, less what chance makes. (order, S)"""
        votes, k = np.stack(self._told), self._near.shape[1]
        scatter = (votes * (1.0 - votes)).sum(axis=2) * (k + 1.0) / (k - 1.0)
        return np.square(votes - np.eye(len(self._classes))[self._own]).sum(axis=2) - scatter

    @property
    def exchanged(self) -> np.ndarray:
        """How much more the squared error would be with another sample's label. (S,)"""
        votes, middle = self._told[0], self.compared.mean(axis=0)
        other = np.square(votes - middle).sum(axis=1) + 1.0 - np.square(middle).sum()
        return other - np.square(votes - np.eye(len(self._classes))[self._own]).sum(axis=1)

    def calibrate(self, percentile: float, factor: float) -> None:
        """Nothing: most votes decide."""

    def coordinates(self, supported: np.ndarray) -> np.ndarray:
        """One: the label. (1,)"""
        off = self.residual > self.tolerance
        others, floor = supported[1:], off[0].mean()
        share = off[1:][others].mean() if others.any() else floor
        return np.clip([(share - floor) / max(1.0 - floor, 1e-12)], 0.0, 1.0)

    def floor_terms(self, supported: np.ndarray) -> np.ndarray:
        """Of each point the share of its orbit that is against its most frequent label. (S,)"""
        votes = np.stack(self._told)
        winner = np.zeros_like(votes)
        np.put_along_axis(winner, votes.argmax(axis=2)[..., None], 1.0, axis=2)
        seen = supported.astype(float)[..., None]
        count = np.maximum(seen.sum(axis=0), 1.0)
        return 1.0 - (winner * seen).sum(axis=0).max(axis=1) / count[:, 0]

    def power(self, rng: np.random.Generator) -> float:
        """Share of points told wrong if each got another label, less those that are anyway."""
        other = self._own[rng.permutation(len(self._own))]
        wrong = (self._near != other[:, None]).mean(axis=1) > self.tolerance
        differ = other != self._own
        anyway = (self._residual[0] > self.tolerance).mean()
        return max(float(wrong[differ].mean() - anyway), 0.0) if differ.any() else 0.0
