"""`ToldState`: coordinates of a task's state in numbers on which the group acts by matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...sim.seen import seen
from ...sim.state_features import blocks_of, centre_of, harmonic_of
from ...sim.task import Task
from ...symmetry.declaration import Symmetry
from ...symmetry.layers.representation import Representation
from ...symmetry.pixels import pixel_subgroup
from ..latent import Latent

LEAST = 1e-3
"""Smallest spread that is taken for one (SI units)."""


class ToldState(nn.Module):
    """What a network tells of a state, between coordinates and numbers.

    The numbers are coordinates from the centre that the group leaves in place, in units of their
    spread, and (cos a, sin a) of angles and of joints' own angles.

    Args:
        task: Whose state.
        places: The coordinates that are told, whole parts. (k)
        word: Which of the task's symmetry, at most what permutes pixels.

    Raises:
        GroupError: A symmetry that the task has not.

    Attributes:
        latent: How the group acts on the numbers.
        names: The coordinates of the task's state. (k)
    """

    centre: Tensor
    mean: Tensor
    scale: Tensor
    linear: Tensor
    told: Tensor

    def __init__(self, task: Task, places: Sequence[int], word: str = "full") -> None:
        super().__init__()
        self.names = tuple(task.state_names[i] for i in places)
        self.seen = seen(task, self.names)
        self.symmetry = seen_in_pixels(self.seen.symmetry, word)
        self._declare(task, list(places))

    def _declare(self, task: Task, places: list[int]) -> None:
        """Which coordinates are told by matrices, which by directions, and how the group acts."""
        declared, group = self.seen.symmetry, self.symmetry.group
        whole, offsets, angles = declared.affine("state")
        used, used_offsets, _ = self.symmetry.affine("state")
        units = task.state_units or ("",) * len(task.state_names)
        blocks = blocks_of(whole, np.ones(len(places), bool))
        turns = [
            len(b) == 1 and (bool(angles[b[0]]) or units[places[b[0]]] == "rad") for b in blocks
        ]
        self.linear_blocks = [b for b, turn in zip(blocks, turns, strict=True) if not turn]
        self.direct = [b[0] for b, turn in zip(blocks, turns, strict=True) if turn]
        self.blocks = [*self.linear_blocks, *([i] for i in self.direct)]
        """Of the coordinates that it tells, in the latent's order; each has one variance."""
        parts = [Representation(group, used[:, b][:, :, b]) for b in self.linear_blocks]
        for i in self.direct:
            one = used[:, [i]][:, :, [i]]
            parts += harmonic_of(group, one, used_offsets[:, [i]], 1)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        self.latent = Latent(total)
        flat = [i for b in self.linear_blocks for i in b]
        self.register_buffer("linear", torch.tensor(flat, dtype=torch.int64), persistent=False)
        middle = torch.tensor(centre_of(whole, offsets, angles)[flat]).float()
        self.register_buffer("centre", middle, persistent=False)
        order = np.argsort([*flat, *self.direct])
        self.register_buffer("told", torch.tensor(order), persistent=False)
        self.register_buffer("mean", torch.zeros(len(flat)))
        self.register_buffer("scale", torch.ones(len(flat)))

    def fit_states(self, states: np.ndarray) -> None:
        """Take mean and spread from the training data. (N, k)"""
        whole, _, _ = self.seen.symmetry.affine("state")
        there = np.asarray(states, float)[:, self.linear.cpu().numpy()]
        there = there - self.centre.double().cpu().numpy()
        start = 0
        for block in self.linear_blocks:
            here, moved = slice(start, start + len(block)), whole[:, block][:, :, block]
            mean = moved.mean(axis=0) @ there[:, here].mean(axis=0)
            spread = float(np.sqrt(np.mean((there[:, here] - mean) ** 2)))
            self.mean[here] = torch.tensor(mean).float()
            self.scale[here] = max(spread, LEAST)
            start = here.stop

    def encode(self, states: Tensor) -> Tensor:
        """The latent that belongs to a state. (B, k) -> (B, latent.width)"""
        found = [(states[:, self.linear] - self.centre - self.mean) / self.scale]
        for i in self.direct:
            found += [torch.cos(states[:, i : i + 1]), torch.sin(states[:, i : i + 1])]
        return torch.cat(found, dim=1)

    def decode(self, latent: Tensor) -> Tensor:
        """The state that a latent stands for, angles in (-pi, pi]. (B, width) -> (B, k)"""
        n = self.linear.shape[0]
        found = [self.in_units(latent)]
        for i in range(len(self.direct)):
            pair = latent[:, n + 2 * i : n + 2 * i + 2]
            found.append(torch.atan2(pair[:, 1:], pair[:, :1]))
        return torch.cat(found, dim=1)[:, self.told]

    def in_units(self, latent: Tensor) -> Tensor:
        """Of the numbers those that are no directions, as coordinates. (B, width) -> (B, l)"""
        n = self.linear.shape[0]
        return latent[:, :n] * self.scale + self.mean + self.centre


def seen_in_pixels(symmetry: Symmetry, word: str = "full") -> Symmetry:
    """The elements of a symmetry, or of one of its subgroups, that permute pixels.

    Raises:
        GroupError: There is no such subgroup.
    """
    found = symmetry.restrict(word)
    return found.restrict(pixel_subgroup(found))


def told_by_images(task: Task, frames: int) -> list[int]:
    """The coordinates of a task's state that so many images can tell: not its goal, not rates."""
    units = task.state_units or ("",) * len(task.state_names)
    found = []
    for name, here in task.symmetry.slices("state").items():
        rates = any(units[i].endswith("/s") for i in range(here.start, here.stop))
        if name != task.goal and not (rates and frames == 1):
            found += range(here.start, here.stop)
    return found
