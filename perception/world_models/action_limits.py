"""`ActionLimits`: a task's actions as numbers of order one, and what keeps them within limits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...sim.limits import Ball
from ...sim.seen import Seen
from ...sim.task import Task
from ...symmetry.declaration import Symmetry

FLAT = 1.5
"""Numbers beyond it change little when they are squashed: tanh has a fifth of its slope there."""


class ActionLimits(nn.Module):
    """Between actions u in their units and scaled ones a = (u - middle) / reach, limits included.

    A part that is limited by a ball, or whose matrices do more than exchange coordinates and
    signs, is treated by its length; all others coordinate by coordinate. So both `squashed` and
    `projected` commute with the group.

    Args:
        task: The task.
        seen: Its coordinates, and the middle and the reach of its actions.
        symmetry: Whose group acts.
    """

    middle: Tensor
    reach: Tensor

    def __init__(self, task: Task, seen: Seen, symmetry: Symmetry) -> None:
        super().__init__()
        for name, values in (("middle", seen.middle), ("reach", seen.reach)):
            self.register_buffer(name, torch.tensor(np.array(values), dtype=torch.float32), False)
        matrices, exact = symmetry.orbit("action"), np.array([-1.0, 0.0, 1.0])
        self.parts: list[tuple[slice, bool]] = []
        """Where each part stands, in order, and whether it is treated by its length."""
        for name, here in sorted(task.limits.slices.items(), key=lambda item: item[1].start):
            block = matrices[:, here, here]
            mixes = np.abs(block[..., None] - exact).min(axis=-1).max() > 1e-9
            self.parts.append((here, isinstance(task.limits.parts[name], Ball) or bool(mixes)))
        self._alone = not any(by_length for _, by_length in self.parts)

    def scaled(self, u: Tensor) -> Tensor:
        """Actions in their units as scaled ones. (..., m)"""
        return (u - self.middle) / self.reach

    def in_units(self, a: Tensor) -> Tensor:
        """Scaled actions in their units. (..., m)"""
        return a * self.reach + self.middle

    def squashed(self, x: Tensor) -> Tensor:
        """Any numbers as scaled actions within the limits, smoothly. (..., m)"""
        if self._alone:
            return torch.tanh(x)
        return torch.cat(
            [_shortened(x[..., p]) if long else torch.tanh(x[..., p]) for p, long in self.parts], -1
        )

    def excess(self, x: Tensor) -> Tensor:
        """How far numbers lie where `squashed` is flat, squared; the group changes it not. (...)"""
        sizes = [
            torch.linalg.vector_norm(x[..., p], dim=-1, keepdim=True) if long else x[..., p].abs()
            for p, long in self.parts
        ]
        return ((torch.cat(sizes, dim=-1) - FLAT).clamp_min(0.0) ** 2).sum(dim=-1)

    def projected(self, a: Tensor) -> Tensor:
        """The nearest scaled actions within the limits. (..., m)"""
        if self._alone:
            return a.clamp(-1.0, 1.0)
        return torch.cat(
            [_cut(a[..., p]) if long else a[..., p].clamp(-1.0, 1.0) for p, long in self.parts], -1
        )


def _shortened(part: Tensor) -> Tensor:
    """A vector whose length is the hyperbolic tangent of what it was. (..., d)"""
    # + 1e-12: the root's slope at zero is infinite.
    size = torch.sqrt((part * part).sum(dim=-1, keepdim=True) + 1e-12)
    return part * (torch.tanh(size) / size)


def _cut(part: Tensor) -> Tensor:
    """A vector, or what of it is one long. (..., d)"""
    return part / torch.linalg.vector_norm(part, dim=-1, keepdim=True).clamp_min(1.0)
