"""`Batches`: demonstrations as the tensors that a policy network is fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .augmentation import Augmentation
from .demonstrations import Demonstrations

if TYPE_CHECKING:
    import torch

    from ..policies.network import Batch, PolicyNetwork


class Batches:
    """Draws batches, moves them by the symmetry and adds noise, as the parameters say.

    Args:
        data: Where ticks are drawn from.
        policy: For whom.
        parameters: A `Method.Parameters`.
        device: Where the tensors go.
    """

    def __init__(
        self, data: Demonstrations, policy: PolicyNetwork, parameters: Any, device: torch.device
    ) -> None:
        self.data, self.policy, self.parameters, self.device = data, policy, parameters, device
        self.actions, self.there = data.chunks(parameters.chunk)
        self.spread = _spread(data, policy)
        symmetry = policy.seen.restrict(parameters.symmetry if parameters.augment else "none")
        self.moves = None
        if parameters.augment or parameters.shift:
            self.moves = Augmentation(symmetry, data.images, shift=parameters.shift)

    def draw(self, rng: np.random.Generator, rows: int | None = None) -> Batch:
        """A batch for an update: ticks drawn with replacement, augmented, with noise."""
        p = self.parameters
        chosen = rng.integers(len(self.data), size=rows or p.batch)
        state, action = self.data.state[chosen], self.actions[chosen]
        images = {name: image[chosen] for name, image in self.data.images.items()}
        if self.moves is not None:
            state, action, images = self.moves.draw(rng, state, action, images)
        if p.noise:
            state = state + p.noise * self.spread * rng.standard_normal(state.shape)
        return self.batch(state, action, self.there[chosen], images, rng)

    def rows(self, chosen: np.ndarray, rng: np.random.Generator) -> Batch:
        """A batch of given ticks as they are. (B,) indices"""
        images = {name: image[chosen] for name, image in self.data.images.items()}
        there = self.there[chosen]
        return self.batch(self.data.state[chosen], self.actions[chosen], there, images, rng)

    def batch(
        self,
        state: np.ndarray,
        action: np.ndarray,
        there: np.ndarray,
        images: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> Batch:
        """Arrays (B, n), (B, chunk, m), (B, chunk), images (B, C, H, W) by name as a batch."""
        from ..policies.network import Batch

        return Batch(
            state=self._tensor(state),
            images=tuple(self._tensor(images[name]) for name in self.policy.image_names),
            action=self._tensor(action),
            mask=self._tensor(there),
            draw=self._tensor(self.policy.draw(rng, len(state))),
        )

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        import torch

        held = torch.from_numpy(np.ascontiguousarray(array))
        return held.to(self.device).float()  # uint8 travels as bytes


def joined(first: Batch, second: Batch) -> Batch:
    """The rows of two batches of states, one after the other."""
    import torch

    return type(first)(
        state=torch.cat([first.state, second.state]),
        images=(),
        action=torch.cat([first.action, second.action]),
        mask=torch.cat([first.mask, second.mask]),
        draw=torch.cat([first.draw, second.draw]),
    )


def _spread(data: Demonstrations, policy: PolicyNetwork) -> np.ndarray:
    """Standard deviation of each coordinate, one number where the group mixes them. (n,)"""
    matrices, _, angles = policy.seen.symmetry.affine("state")
    mixed = (np.abs(matrices) > 1e-12).any(axis=0)
    values = data.state - data.state.mean(axis=0)
    if angles.any():  # about no mean, since they go round
        turned = data.state[:, angles]
        away = np.abs(np.mean(np.exp(1j * turned), axis=0)).clip(1e-6, 1.0)
        values[:, angles] = np.sqrt(-2.0 * np.log(away))
    variance = np.mean(values**2, axis=0)
    return np.sqrt(mixed @ variance / mixed.sum(axis=1))
