"""Smooth models of samples: ridge regression on random Fourier features, by held-out folds.

After Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..audit.folding import without_each

WIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Of the kernel, in median distances of two samples; each model takes the best."""


@dataclass(frozen=True, eq=False)
class Waves:
    """Cosines along random directions, as many as there are features.

    Attributes:
        frequencies: For a width of one median distance. (m, features)
        phases: rad. (features,)
    """

    frequencies: np.ndarray
    phases: np.ndarray

    @classmethod
    def drawn(cls, points: np.ndarray, features: int, rng: np.random.Generator) -> Waves:
        """Those of some points (N, m), each coordinate in a unit of its own."""
        other = rng.permutation(len(points))
        median = float(np.median(np.linalg.norm(points - points[other], axis=1)))
        frequencies = rng.standard_normal((points.shape[1], features)) / max(median, 1e-9)
        return cls(frequencies, rng.uniform(0.0, 2.0 * np.pi, features))

    def told(self, points: np.ndarray, width: float) -> np.ndarray:
        """(N, m) -> (N, features + 1); the last one is constant."""
        waves = np.cos(points @ (self.frequencies / width) + self.phases)
        return np.concatenate([waves, np.ones((len(waves), 1))], axis=1)


def fitted(
    told: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    fold: np.ndarray,
    ridges: Sequence[float],
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """For each fold its rows, and weights that have not seen them, for each ridge.

    Args:
        told: Features of the samples, and of copies of them that are fitted too. (N, F) each
        values: What each says. (N, d) each
        fold: Of each sample. (N,)
        ridges: Times the number of samples and copies.

    Yields:
        (N,) bool, and (F, d) for each ridge.
    """
    eye = np.eye(told[0].shape[1])
    for here, gram, right in without_each(told, values, fold):
        shrinks = [ridge * len(fold) * len(told) * eye for ridge in ridges]
        yield here, [np.linalg.solve(gram + s, right) for s in shrinks]
