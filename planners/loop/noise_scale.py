"""Noise as large as what the samples that count ask for: its scale, adapted from round to round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...symmetry.declaration import Symmetry
from .parameters import SamplingParameters


@dataclass(frozen=True)
class NoiseParameters(SamplingParameters):
    """Parameters of noise whose scale is adapted."""

    noise_adaptation: float = 0.0
    """Share of the noise's variance that each round of samples sets anew by those that count, knot
    by knot; 0: it stays at `noise`, which is also the most that it comes to."""
    smallest_noise: float = 0.02
    """The least that it comes to: a standard deviation, as a fraction of the largest action."""

    def __post_init__(self) -> None:
        super().__post_init__()
        share, least = self.noise_adaptation, self.smallest_noise
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"noise_adaptation: {share} must be in [0, 1]")
        if not least >= 0.0:
            raise ValueError(f"smallest_noise: {least} must not be negative")
        if share and least > self.noise:
            raise ValueError(f"smallest_noise: {least} is more than noise, {self.noise}")


class NoiseScale:
    """Adaptive importance sampling of one number for each knot and action part.

    The variance becomes what the weighted samples have about the mean that they were drawn around
    (population Monte Carlo: Cappe et al., JCGS 2004; with MPPI's weights: Asmar et al., "Model
    Predictive Optimized Path Integral Strategies", ICRA 2023). About the old mean, as in CMA-ES: so
    it grows where the best lies far away, and shrinks where it is near. It is measured against what
    all samples have, so that it is a factor on whatever noise there is, and no samples that count
    more than others change nothing.

    A part has one factor, whatever the group: so it goes with every group that acts on the part.

    Args:
        parameters: Share and least noise, knots and horizon.
        parts: Coordinates of each action part.
        initial: Standard deviation of the noise where nothing is known, the most. (N, m)
        largest: Action of each coordinate. (m,)
    """

    def __init__(
        self,
        parameters: NoiseParameters,
        parts: list[slice],
        initial: np.ndarray,
        largest: np.ndarray,
    ) -> None:
        self.share, self.parts, self.most = parameters.noise_adaptation, parts, initial
        self.least = np.minimum(parameters.smallest_noise * largest, initial)
        self.apart = max(parameters.horizon - 1, 1) / max(parameters.knots - 1, 1)
        """Control periods from knot to knot."""

    def fitted(self, std: np.ndarray, noise: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """The deviation after a round of samples.

        Args:
            std: Before it. (N, m)
            noise: Of the samples, on the knots. (K, N, m)
            weight: What each counts, summing to 1 (K,); None: that cannot be told.
        """
        if weight is None:
            return std
        square = (noise / self.most) ** 2
        asked, drawn = np.einsum("k,knm->nm", weight, square), square.mean(axis=0)
        factor = np.ones_like(std)
        for part in self.parts:
            all_of_it = drawn[:, part].sum(axis=1, keepdims=True)
            share = asked[:, part].sum(axis=1, keepdims=True) / np.maximum(all_of_it, 1e-300)
            factor[:, part] = np.where(all_of_it > 0.0, share, 1.0)
        grown = np.sqrt(1.0 - self.share + self.share * factor)
        return np.clip(std * grown, self.least, self.most)

    def later(self, std: np.ndarray, steps: float) -> np.ndarray:
        """The deviation of a plan that begins some control periods later: it moves on with it.

        What comes into view at the end has the initial noise. (N, m) -> (N, m)
        """
        knots = len(std)
        at = np.minimum(np.arange(knots) + steps / self.apart, knots)
        left = np.minimum(at.astype(int), knots - 1)
        part = (at - left)[:, None]
        beyond = np.concatenate([std, self.most[-1:]]) ** 2
        variance = (1.0 - part) * beyond[left] + part * beyond[left + 1]
        return np.clip(np.sqrt(variance), self.least, self.most)


def noise_scale(
    parameters: SamplingParameters, symmetry: Symmetry, initial: np.ndarray, largest: np.ndarray
) -> NoiseScale | None:
    """What adapts the noise of a planner with these parameters; None: nothing does."""
    if not isinstance(parameters, NoiseParameters) or not parameters.noise_adaptation:
        return None
    return NoiseScale(parameters, list(symmetry.slices("action").values()), initial, largest)
