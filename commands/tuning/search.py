"""`Search`: which values a tuning tries next, by CMA-ES; a function of the seed and the costs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .space import Range

FIRST = 8
"""Trials of the first batch: what the planner has, and a Latin hypercube over all ranges."""
_SPREAD = 0.12
"""Standard deviation about the best of them with which CMA-ES begins, in parts of a range."""


class Search:
    """Batches of values, each better by what is told of the costs of the ones before.

    Nothing of it is saved: told the same costs it goes on in the same way, so a tuning that was
    killed begins again and is told what its file of trials knows.

    Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), by the package `cma`.

    Args:
        space: The ranges.
        own: The values that the planner has: the first trial, and about what the search begins.
        seed: Key of its draws.
    """

    def __init__(self, space: Mapping[str, Range], own: Mapping[str, Any], seed: int) -> None:
        self.space = space
        self._own = [space[name].place(own[name]) for name in space]
        self._first = {name: own[name] for name in space}
        self._rng = np.random.default_rng([seed, len(space)])
        self._strategy: Any = None  # after the first batch
        self._points: list[np.ndarray] = []

    def batch(self) -> list[dict[str, Any]]:
        """The values to try next, to be told of all together."""
        if self._strategy is not None:
            self._points = self._strategy.ask()
            return [self._values(point) for point in self._points]
        rows = FIRST - 1
        places = np.array([self._rng.permutation(rows) for _ in self.space]).T
        cells = (places + self._rng.random(places.shape)) / rows
        self._points = [np.array(self._own), *cells]
        return [self._first, *map(self._values, cells)]

    def tell(self, costs: Sequence[float]) -> None:
        """What the last batch cost; infinite where a trial came to nothing."""
        known = np.asarray(costs, float)
        if self._strategy is None:
            self._strategy = self._begun(self._points[int(np.argmin(known))])
            return
        finite = known[np.isfinite(known)]
        worst = float(finite.max()) if len(finite) else 0.0
        # Only their order counts.
        self._strategy.tell(self._points, np.where(np.isfinite(known), known, worst + 1.0))

    def _begun(self, point: np.ndarray) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it wants matplotlib for plots of its own
            import cma

        begin = [*point] + [0.5] * (len(point) == 1)  # it knows no search along one line
        options = {
            "bounds": [0.0, 1.0],
            "randn": lambda rows, columns: self._rng.standard_normal((rows, columns)),
            "seed": np.nan,  # NumPy's global draws are nobody's
            "verbose": -10,
            "signals_filename": "",
        }
        return cma.CMAEvolutionStrategy(begin, _SPREAD, options)

    def _values(self, point: np.ndarray) -> dict[str, Any]:
        pairs = zip(self.space.items(), point, strict=False)
        return {name: found.value(at) for (name, found), at in pairs}
