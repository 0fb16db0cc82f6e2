"""LieGAN, compact: a basis of rotations that a discriminator cannot tell from the data.

After Yang et al., "Generative Adversarial Symmetry Discovery" (2023): elements are
exp(sum_i w_i L_i) with normal coefficients w and a learned basis L; moved data are to look like
data to a discriminator, which is trained against it, and not to stay where they were. A baseline
beside the flow: what it can say is a range of rotations about some axes, never a finite group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .two_sample import Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LieGanSettings:
    """How it is trained.

    Attributes:
        steps: Updates of discriminator and basis, in turn.
        batch: Samples an update.
        width: Of the discriminator's two hidden layers.
        rate: Adam's step size, of both.
        apart: Weight of the cosine between a sample and the moved one, which is to be small.
        alike: Weight of the cosines between basis elements.
    """

    steps: int = 2000
    batch: int = 256
    width: int = 64
    rate: float = 2e-3
    apart: float = 0.1
    alike: float = 0.1


def liegan_elements(
    points: np.ndarray, count: int = 1000, seed: int = 0, settings: LieGanSettings | None = None
) -> np.ndarray:
    """Elements that LieGAN finds, drawn from what it has learned.

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
    chosen = settings or LieGanSettings()
    data, generator, batch = batches(points, seed, chosen.batch)
    import torch
    from torch.nn.functional import softplus

    directions = so_basis(data.shape[2])
    # As many channels as so(d) has dimensions; they may come to point the same way.
    basis = torch.randn(len(directions), len(directions), generator=generator).requires_grad_()
    judge = perceptron(data[0].numel(), chosen.width, generator)
    basis_adam = torch.optim.Adam([basis], chosen.rate)
    judge_adam = torch.optim.Adam(judge.parameters(), chosen.rate)

    def elements(n: int) -> torch.Tensor:
        coefficients = torch.randn(n, len(basis), generator=generator)
        return torch.linalg.matrix_exp(torch.tensordot(coefficients @ basis, directions, dims=1))

    for _ in range(chosen.steps):
        moved = batch() @ elements(chosen.batch).transpose(1, 2)
        loss = softplus(-judge(batch().flatten(1))) + softplus(judge(moved.detach().flatten(1)))
        judge_adam.zero_grad()
        loss.mean().backward()
        judge_adam.step()
        still = batch()
        moved = still @ elements(chosen.batch).transpose(1, 2)
        cosine = torch.cosine_similarity(still.flatten(1), moved.flatten(1), dim=1)
        loss = softplus(-judge(moved.flatten(1))).mean() + chosen.apart * cosine.abs().mean()
        if len(basis) > 1:
            unit = torch.nn.functional.normalize(basis, dim=1)
            loss = loss + chosen.alike * torch.triu(unit @ unit.T, 1).abs().sum()
        basis_adam.zero_grad()
        loss.backward()
        basis_adam.step()
    with torch.no_grad():
        return elements(count).double().numpy()


def batches(
    points: np.ndarray, seed: int, size: int
) -> tuple[torch.Tensor, torch.Generator, Callable[[], torch.Tensor]]:
    """Points checked and scaled (N, k, d), a generator, and what draws (size, k, d) of them.

    Raises:
        ValueError: Points of a wrong shape, rows that are not finite or all the same.
    """
    checked = Sample(points, most=len(points), seed=seed).points
    import torch

    data, generator = torch.from_numpy(checked), torch.Generator().manual_seed(seed)
    return data, generator, lambda: data[torch.randint(len(data), (size,), generator=generator)]


def so_basis(d: int) -> torch.Tensor:
    """A basis of the antisymmetric matrices. (d (d - 1) / 2, d, d)"""
    import torch

    rows, columns = np.triu_indices(d, 1)
    basis = torch.zeros(len(rows), d, d)
    for i, (a, b) in enumerate(zip(rows, columns, strict=True)):
        basis[i, b, a], basis[i, a, b] = 1.0, -1.0
    return basis


def perceptron(inputs: int, width: int, generator: torch.Generator) -> torch.nn.Module:
    """Two hidden layers and one output (B, inputs) -> (B,), drawn from a generator of its own."""
    import torch

    sizes = (inputs, width, width, 1)
    layers: list[torch.nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layer = torch.nn.Linear(a, b)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(b, a, generator=generator) * np.sqrt(2.0 / a))
            layer.bias.zero_()
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Flatten(0))
