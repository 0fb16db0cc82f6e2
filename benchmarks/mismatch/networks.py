"""Small networks that are equivariant by construction, or free, and how they are trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from covary.benchmarks.mismatch.known import Known
from covary.symmetry.group import Group
from covary.symmetry.layers.activation import Pointwise
from covary.symmetry.layers.convolution import Convolution
from covary.symmetry.layers.keypoints import Keypoints
from covary.symmetry.layers.linear import Linear, Mode
from covary.symmetry.layers.representation import Representation, regular, trivial_of

SHARPNESS = 10.0
"""Of the softmax by which places are read off feature maps."""


class Perceptron(nn.Sequential):
    """Two hidden layers.

    Args:
        inside: How the group acts on the input.
        outside: How it acts on the output.
        width: Of each hidden layer: regular fields of an `exact` network, channels of a free one.
        mode: `exact` or `free`.
    """

    def __init__(
        self, inside: Representation, outside: Representation, width: int, mode: Mode
    ) -> None:
        hidden = (regular if mode == "exact" else trivial_of)(inside.group, width)
        super().__init__(
            Linear(inside, hidden, mode),
            Pointwise(hidden),
            Linear(hidden, hidden, mode),
            Pointwise(hidden),
            Linear(hidden, outside, mode),
        )


class Views(nn.Module):
    """Tells the label of two views: feature maps, places of what they show, a perceptron.

    Args:
        group: Of quarter turns.
        labels: How many there are.
        width: Of the perceptron's hidden layers.
        mode: `exact` or `free`.
        maps: Fields of the feature maps.
        side: Pixels on a side of the images, of which there are two of three colours.
    """

    def __init__(
        self, group: Group, labels: int, width: int, mode: Mode, maps: int = 4, side: int = 16
    ) -> None:
        super().__init__()
        hidden = regular(group, maps)
        self.lift = Convolution(trivial_of(group, 6), hidden, 3, mode=mode)
        self.mix = Convolution(hidden, hidden, 1, mode=mode)
        self.places = Keypoints(hidden, side)
        self.head = Perceptron(self.places.outside, trivial_of(group, labels), width, mode)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6 * side * side) -> (B, labels)"""
        images = x.view(-1, 6, self.places.side, self.places.side)
        maps = self.mix(functional.relu(self.lift(images)))
        return self.head(self.places(SHARPNESS * maps))


def sized(make: Callable[[int], nn.Module], parameters: int, most: int = 1000) -> nn.Module:
    """The network whose number of parameters is nearest to what is asked for.

    Args:
        make: From the width.
        parameters: As many as there should be.
        most: Width, at the most.
    """
    low, high = 1, most  # the number of parameters grows with the width
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if counted(make(middle)) >= parameters else (middle + 1, high)
    near = [make(width) for width in (max(low - 1, 1), low)]
    return min(near, key=lambda network: abs(counted(network) - parameters))


def counted(network: nn.Module) -> int:
    """How many parameters there are."""
    return sum(p.numel() for p in network.parameters())


def fit(
    network: nn.Module,
    data: Known,
    steps: int,
    features: Callable[[np.ndarray], np.ndarray],
    seed: int,
    augment: bool = False,
    validation: Known | None = None,
    batch: int = 128,
    rate: float = 1e-3,
    decay: float = 1e-5,
) -> None:
    """Train with Adam, its rate falling to nothing along a cosine.

    Args:
        network: From features to logits or values.
        data: What is learned.
        steps: Of Adam.
        features: What the network is told of `x`, (N, n) -> (N, m).
        seed: Of the batches.
        augment: Whether each row of a batch is moved by an element drawn for it.
        validation: Of these the network with the least error is kept; None: the last one is.
        batch: Rows.
        rate: Learning rate at the start.
        decay: Of the weights.
    """
    rng = np.random.default_rng([seed, 1])
    adam = torch.optim.Adam(network.parameters(), rate, weight_decay=decay)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    order = data.group.elements if augment else data.group.elements[:1]
    told = [tensor(features(data.move(g, data.x))) for g in order]
    asked = [tensor(data.answer(g, data.y)) for g in order]
    told, asked = torch.stack(told), torch.stack(asked)
    best, kept = np.inf, None
    for step in range(steps):
        rows = torch.from_numpy(rng.integers(len(data.x), size=min(batch, len(data.x))))
        moved = torch.from_numpy(rng.integers(len(order), size=len(rows)))
        adam.zero_grad(set_to_none=True)
        loss(network(told[moved, rows]), asked[moved, rows]).backward()
        adam.step()
        falling.step()
        if validation is not None and (step % 50 == 49 or step == steps - 1):
            if (wrong := error(network, validation, features)) <= best:
                best = wrong
                kept = {name: value.clone() for name, value in network.state_dict().items()}
    if kept is not None:
        network.load_state_dict(kept)


def loss(out: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of labels, squared error (summed over outputs) of values."""
    if y.dtype == torch.int64:
        return functional.cross_entropy(out, y)
    return (out - y).square().sum(-1).mean()


@torch.no_grad()
def error(network: nn.Module, data: Known, features: Callable[[np.ndarray], np.ndarray]) -> float:
    """Share of wrong labels, or mean squared error summed over outputs."""
    parts = np.array_split(data.x, 1 + len(data.x) // 5000)
    out = torch.cat([network(tensor(features(part))) for part in parts])
    y = tensor(data.y)
    if data.labels:
        return float((out.argmax(-1) != y).double().mean())
    return float((out.double() - y.double()).square().sum(-1).mean())


def tensor(a: np.ndarray) -> Tensor:
    """Labels as whole numbers, all else in single precision."""
    whole = np.issubdtype(a.dtype, np.integer)
    return torch.from_numpy(np.ascontiguousarray(a, np.int64 if whole else np.float32))
