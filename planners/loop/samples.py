"""The samples of an iteration: noise closed under the group, actions that follow, costs."""

from __future__ import annotations

import numpy as np

from ...sim.limits import Limits
from .noise import Law
from .orbits import Orbits
from .spline import Spline

LARGEST_BUFFERS = 8 << 30
"""Most memory that a planner's samples may take: more is a slip of the keyboard, bytes."""


def check_size(samples: int, horizon: int, width: int, models: int) -> None:
    """Refuse samples that would not fit into memory, before anything is made for them.

    Raises:
        ValueError: They would not.
    """
    needed = 8 * samples * (2 * horizon * width + models)  # actions, scratch and costs
    if needed > LARGEST_BUFFERS:
        raise ValueError(
            f"samples: {samples} with a horizon of {horizon} need {needed / 2**30:.3g} "
            f"GiB of memory; at most {LARGEST_BUFFERS >> 30}"
        )


def check_room(samples: int, beside: int, orbit: int, group: str) -> None:
    """Refuse samples that have no room for one orbit and what is tried beside the noise.

    Raises:
        ValueError: They have not.
    """
    if samples - beside < orbit:
        kept = f" and {beside} that are kept" if beside else ""
        raise ValueError(
            f"samples: {samples} is less than one orbit of {group} ({orbit} actions){kept}; "
            f"use at least {orbit + beside}"
        )


class Samples:
    """Buffers, made once, so that nothing large is allocated while planning.

    They carry nothing over from one iteration to the next.

    Args:
        most: Samples of the largest iteration.
        knots: Values of noise along the horizon, N.
        horizon: Control periods, H.
        models: Models that each is rolled out in, M.
        orbits: Of noise, under the group.

    Attributes:
        noise: On the knots, of each sample. (K, N, m)
        actions: Within the limits. (K, H, m)
        costs: In each model. (M, K)
    """

    noise: np.ndarray
    actions: np.ndarray
    costs: np.ndarray

    def __init__(self, most: int, knots: int, horizon: int, models: int, orbits: Orbits) -> None:
        width = orbits.matrices.shape[-1]
        self.orbits, self._models = orbits, models
        self._noise = np.zeros((most, knots, width))
        self._actions = np.empty((most, horizon, width))
        self._scratch = np.empty_like(self._actions)
        self._costs = np.empty(models * most)
        self.use(most)

    def use(self, count: int) -> None:
        """Take the first `count` rows of the buffers, K."""
        self.noise, self.actions = self._noise[:count], self._actions[:count]
        self.costs = self._costs[: self._models * count].reshape(self._models, count)

    def draw(self, law: Law, rng: np.random.Generator, beside: int) -> None:
        """Fill the noise with draws of variance 1 and all that the group makes of each.

        The last rows go where not even a small orbit fits: there are so many samples less.

        Args:
            law: What draws.
            rng: Its random state.
            beside: How many samples at the end are left for what is tried beside the noise.
        """
        count, small = self.orbits.split(len(self.noise) - beside)
        whole = count * self.orbits.order
        self.use(whole + sum(len(kind.moved) for kind in small) + beside)
        base = law(rng, count + len(small))  # (draws, N, m)
        self.noise[len(self.noise) - beside :] = 0.0
        if self.orbits.order == 1:
            self.noise[:count] = base
            return
        closed = self.noise[:whole].reshape(count, self.orbits.order, *base.shape[1:])
        for i, row in enumerate(np.moveaxis(self.orbits.matrices, 1, 0)):  # (E, m)
            terms = (base[:count, None, :, j] * row[:, None, j] for j in range(base.shape[-1]))
            closed[..., i] = sum(terms)
        at = whole
        for kind, draw in zip(small, base[count:], strict=True):
            images = self.noise[at : at + len(kind.moved)]
            np.einsum("sij,nj->sni", kind.moved, draw @ kind.fixed.T, out=images)
            at += len(kind.moved)

    def act(
        self, mean: np.ndarray, spline: Spline, limits: Limits, beside: list[np.ndarray]
    ) -> None:
        """The actions that follow from the noise about a mean, within the limits.

        Args:
            mean: The last plan. (H, m)
            spline: From knots to the horizon.
            limits: Of actions.
            beside: What is tried beside the noise: the last samples, within the limits as they are.
                Each (H, m).
        """
        spline.expand(self.noise, self.actions, self._scratch[: len(self.noise)])
        self.actions += mean
        self.actions[:] = limits.project(self.actions)
        for row, actions in enumerate(reversed(beside), 1):
            self.actions[-row] = actions
