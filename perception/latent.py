"""`Latent`: how the group acts on what an encoder gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..symmetry.group import Group
from ..symmetry.layers.representation import Representation


@dataclass(frozen=True)
class Latent:
    """A finite group's action on a latent, and things in it that may change places.

    A latent lies on an array's last axis: the slots side by side, each of `representation`'s width.

    Attributes:
        representation: How the group acts on one slot; on all of them alike.
        slots: Interchangeable things, each with a slot of its own; 1: none.
    """

    representation: Representation
    slots: int = 1

    @property
    def group(self) -> Group:
        """The group that acts."""
        return self.representation.group

    @property
    def width(self) -> int:
        """Channels of all slots."""
        return self.slots * self.representation.width

    @property
    def whole(self) -> Representation:
        """The group's action on all slots."""
        return self.slots * self.representation

    def act(self, g: int, z: Any, order: Sequence[int] | None = None) -> Any:
        """Where element g sends latents, an array or a tensor. (..., width)

        Args:
            g: Index of the element.
            z: The latents.
            order: ``order[i]`` is the slot to which slot i goes; None: each stays.
        """
        moved = self.whole.act(g, z)
        if order is None:
            return moved
        back = [0] * self.slots
        for i, k in enumerate(order):
            back[k] = i
        parts = moved.reshape(*moved.shape[:-1], self.slots, -1)
        return parts[..., back, :].reshape(moved.shape)
