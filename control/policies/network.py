"""`PolicyNetwork`: from raw observations to actions in physical units, equivariant by one word."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.images import IN_HAND
from ...sim.seen import seen
from ...sim.state_features import StateFeatures
from ...sim.task import Task
from ...symmetry.declaration import Symmetry
from ...symmetry.layers.image_encoder import ImageEncoder
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.plain import plain
from ...symmetry.layers.representation import regular
from ...symmetry.pixels import pixel_subgroup
from ..equivariance import equivariance_error
from ..policy_card import ImageInput
from .heads import HEADS, HeadName
from .size import check_counts, check_size


@dataclass(frozen=True)
class Architecture:
    """What a network is like; recipes have fields of these names."""

    symmetry: str = "full"
    """Which of the task's: full, none, or a subgroup. With images at most what permutes pixels."""
    mode: Mode = "exact"
    """How strictly: exact, relaxed or free."""
    banks: int = 2
    """Of relaxed layers."""
    head: HeadName = "deterministic"
    """What it says of the action."""
    width: int = 128
    """Hidden channels, whatever the group; taken down to a multiple of its order."""
    depth: int = 3
    """Hidden layers."""
    chunk: int = 1
    """Actions in an answer."""
    image_maps: int = 32
    """Feature maps of an image's first convolutions, whatever the group."""

    def __post_init__(self) -> None:
        check_size(self.width, self.depth, self.chunk, self.banks)
        check_counts(image_maps=self.image_maps)

    @classmethod
    def of(cls, parameters: Any) -> Architecture:
        """The fields of a recipe's parameters, or of a card's recipe, that have these names."""
        given = parameters if isinstance(parameters, Mapping) else vars(parameters)
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: given[name] for name in names if name in given})


@dataclass
class Batch:
    """B ticks of demonstrations as tensors, in the units in which they were recorded."""

    state: Tensor
    """(B, n)"""
    images: tuple[Tensor, ...]
    """(B, C, H, W) for each input, in the network's order."""
    action: Tensor
    """(B, chunk, m)"""
    mask: Tensor
    """(B, chunk), 1 where the episode still had the action, else 0."""
    draw: Tensor
    """(B, draws), from `PolicyNetwork.draw`."""


class PolicyNetwork(nn.Module):
    """Features and image encoders, a trunk of regular fields, and a head.

    With the mode `exact`, f(g x, g noise) = g f(x, noise) for every element of `symmetry.group`,
    whatever the parameters. Inputs are raw: a state in the task's units, images as published.

    Args:
        task: Whose symmetry, limits and coordinates hold.
        state_names: The coordinates of its state that are seen, whole parts.
        images: What else is seen, by the name of the input.
        architecture: What the network is like.

    Raises:
        SeenError: Coordinates that the task has not, or part of a part.
        GroupError: A symmetry that the task has not.
        PixelError: Images of a size that the encoder cannot take.
    """

    middle: Tensor
    reach: Tensor

    def __init__(
        self,
        task: Task,
        state_names: Sequence[str],
        images: Mapping[str, ImageInput] | None = None,
        architecture: Architecture = Architecture(),  # noqa: B008  frozen
    ) -> None:
        super().__init__()
        a, images = architecture, dict(images or {})
        self.architecture, self.image_names = a, tuple(images)
        self.seen = seen(task, state_names)
        symmetry = self.seen.restrict(a.symmetry)
        if images:
            symmetry = symmetry.restrict(pixel_subgroup(symmetry))
        self.symmetry: Symmetry = symmetry
        """Of the coordinates seen and of the action, under the network's group."""
        group = symmetry.group
        hidden = regular(group, max(1, a.width // group.order))
        self.features = StateFeatures(self.seen, symmetry)
        self.encoders = nn.ModuleList()
        inside = self.features.representation
        for name, image in images.items():
            channels, height, width = image.shape
            if height != width:
                raise ValueError(f"image {name!r}: it is {height} x {width} pixels, not square")
            frame = "hand" if name == IN_HAND else "world"
            self.encoders.append(
                ImageEncoder(
                    group, channels, height, hidden.width, a.mode, a.banks, frame, a.image_maps
                )
            )
            inside = inside + hidden
        self.layers = nn.ModuleList()
        for _ in range(a.depth):
            self.layers.append(Linear(inside, hidden, a.mode, a.banks))
            inside = hidden
        self.head = HEADS[a.head](hidden, self.seen.symmetry, symmetry, a.chunk, a.mode, a.banks)
        self.register_buffer("middle", torch.tensor(self.seen.middle).float(), persistent=False)
        self.register_buffer("reach", torch.tensor(self.seen.reach).float(), persistent=False)

    @property
    def noise(self) -> int:
        """Normal draws that an answer takes; 0: none."""
        return self.head.noise

    @property
    def parameter_count(self) -> int:
        """Numbers that are learned."""
        return sum(p.numel() for p in self.parameters())

    def fit_normaliser(self, state: np.ndarray, images: Mapping[str, np.ndarray]) -> None:
        """Take the statistics of the inputs from the training data: (N, n), (N, C, H, W) each."""
        self.features.fit(state)
        for name, encoder in zip(self.image_names, self.encoders, strict=True):
            encoder.fit(images[name])  # type: ignore[operator]

    def draw(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """What `loss` needs of chance, for a batch of so many rows. (rows, draws) float32"""
        drawn = rng.standard_normal((rows, self.head.draws), dtype=np.float32)
        if self.head.draws:
            drawn[:, -1] = rng.uniform(size=rows)
        return drawn

    def forward(
        self, state: Tensor, images: Sequence[Tensor] = (), noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What to do.

        Args:
            state: Raw. (B, n)
            images: As published, in the order of `image_names`. (B, C, H, W) each
            noise: Normal draws; may be left out where the head takes none. (B, noise)

        Returns:
            Actions in the task's units, not projected onto its limits (B, chunk, m); how uncertain
            the first one is, in units of the limits (B,).
        """
        noise = state[:, :0] if noise is None else noise
        action, uncertainty = self.head(self.hidden(state, images), noise)
        return self.middle + self.reach * action, uncertainty

    def hidden(self, state: Tensor, images: Sequence[Tensor] = ()) -> Tensor:
        """What the head sees: regular fields. (B, n), images -> (B, hidden)"""
        found = [self.features(state)]
        for encoder, image in zip(self.encoders, images, strict=True):
            found.append(encoder(image))
        x = torch.cat(found, dim=1) if len(found) > 1 else found[0]
        for layer in self.layers:
            x = functional.silu(layer(x))
        return x

    def loss(self, batch: Batch) -> Tensor:
        """Of each sample, in units of the action's limits. (B,)"""
        target = (batch.action - self.middle) / self.reach
        hidden = self.hidden(batch.state, batch.images)
        return self.head.loss(hidden, target, batch.mask, batch.draw)

    def penalty(self) -> Tensor:
        """How far the relaxed layers' weights are from equal over the group, the mean. ()"""
        found = [module.penalty() for _, module in self._own()]
        return torch.stack(found).mean()

    def drift(self) -> dict[str, float]:
        """How far each layer is from the nearest equivariant one; 0 in the mode exact."""
        found: dict[str, float] = {}
        for name, module in self._own():
            drift = module.drift()
            inner = drift if isinstance(drift, dict) else {"": drift}
            found |= {f"{name}.{layer}".rstrip("."): value for layer, value in inner.items()}
        return found

    def _own(self) -> list[tuple[str, Any]]:
        """Linear layers and image encoders, by name."""
        return [(n, m) for n, m in self.named_modules() if isinstance(m, Linear | ImageEncoder)]

    @torch.no_grad()
    def equivariance_error(
        self,
        states: np.ndarray,
        images: Mapping[str, np.ndarray] | None = None,
        symmetry: Symmetry | None = None,
    ) -> float:
        """Largest relative error of f(g x, g noise) = g f(x, noise) over a group.

        Args:
            states: (N, n)
            images: (N, C, H, W) by name.
            symmetry: Of the coordinates seen; by default the network's own.
        """
        device = self.middle.device

        def answer(state: np.ndarray, seen: Mapping[str, np.ndarray], noise: np.ndarray):
            tensors = [torch.as_tensor(np.ascontiguousarray(a)).float().to(device)
                       for a in (state, noise, *(seen[n] for n in self.image_names))]  # fmt: skip
            action, _ = self(tensors[0], tensors[2:], tensors[1])
            return action.double().cpu().numpy()

        return equivariance_error(
            answer, symmetry or self.symmetry, states, images or {}, self.noise, self.seen.reach
        )

    def export(self) -> nn.Module:
        """The network as it stands in torch's own layers, which know no group."""
        twin = copy.copy(self)
        twin._modules = {name: plain(child) for name, child in self.named_children()}
        return twin


def width_for(
    parameters: int,
    task: Task,
    state_names: Sequence[str],
    images: Mapping[str, ImageInput] | None = None,
    architecture: Architecture = Architecture(),  # noqa: B008  frozen
) -> int:
    """The width at which a network has most nearly so many parameters.

    Networks of equal width differ in them by a factor of about the group's order: an exact one has
    so many fewer. Widths are multiples of the order, so a network without symmetry
    (``symmetry="none"``) comes nearer to a number than one that is free of a group of 16.
    """

    def count(width: int) -> int:
        made = dataclasses.replace(architecture, width=width)
        with torch.device("meta"):
            return PolicyNetwork(task, state_names, images, made).parameter_count

    step = PolicyNetwork(task, state_names, images, architecture).symmetry.group.order
    low, high = 1, 2
    while count(high * step) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle * step) < parameters else (low, middle)
    return step * min((low, high), key=lambda fields: abs(count(fields * step) - parameters))
