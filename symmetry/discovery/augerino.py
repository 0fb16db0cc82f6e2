"""Augerino, compact: how wide a uniform range of rotations may be before the task suffers.

After Benton et al., "Learning Invariances in Neural Networks" (2020): inputs are moved by
exp(sum_i u_i w_i G_i), u uniform in [-1, 1], and the widths w are learned with the network while a
regulariser rewards wide ones. Its task is supervised; here it is to tell data from copies that any
rotation has moved. A baseline beside the flow: what it can say is a box about the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .liegan import batches, perceptron, so_basis

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AugerinoSettings:
    """How it is trained.

    Attributes:
        steps: Updates of network and widths.
        batch: Samples an update.
        width: Of the network's two hidden layers.
        rate: Adam's step size.
        reward: Weight of the widths' length.
        begin: Widths at the beginning, rad.
    """

    steps: int = 2000
    batch: int = 256
    width: int = 64
    rate: float = 2e-3
    reward: float = 0.05
    begin: float = 0.5


def augerino_elements(
    points: np.ndarray, count: int = 1000, seed: int = 0, settings: AugerinoSettings | None = None
) -> np.ndarray:
    """Elements of the range that Augerino finds, drawn uniformly.

    Args:
        points: About the centre. (N, k, 2 or 3)
        count: Elements to draw.
        seed: Of everything that is random.
        settings: How it is trained; None: as usual.

    Returns:
        Rotations. (count, d, d)

    Raises:
        ValueError: Points of a wrong shape, rows that are not finite or all the same.
    """
    chosen = settings or AugerinoSettings()
    data, generator, batch = batches(points, seed, chosen.batch)
    import torch
    from torch.nn.functional import softplus

    basis = so_basis(data.shape[2])
    widths = torch.full((len(basis),), chosen.begin).requires_grad_()
    network = perceptron(data[0].numel(), chosen.width, generator)
    adam = torch.optim.Adam([*network.parameters(), widths], chosen.rate)

    def elements(n: int, reach: torch.Tensor) -> torch.Tensor:
        uniform = 2.0 * torch.rand(n, len(basis), generator=generator) - 1.0
        return torch.linalg.matrix_exp(torch.tensordot(uniform * reach, basis, dims=1))

    whole = torch.full((len(basis),), np.pi)
    for _ in range(chosen.steps):
        kept = batch() @ elements(chosen.batch, widths).transpose(1, 2)
        other = batch() @ elements(chosen.batch, whole).transpose(1, 2)
        loss = softplus(-network(kept.flatten(1))) + softplus(network(other.flatten(1)))
        reach = widths.abs().clamp(max=np.pi)
        loss = loss.mean() - chosen.reward * reach.norm()
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            widths.clamp_(-np.pi, np.pi)
    with torch.no_grad():
        return elements(count, widths).double().numpy()
