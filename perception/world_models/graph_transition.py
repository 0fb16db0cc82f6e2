"""`GraphTransition`: messages between all slots, equivariant to the group and to their order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...symmetry.layers.activation import Pointwise
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.representation import Representation
from ..latent import Latent
from .equivariant_mlp import EquivariantMLP, hidden_fields, normalisation, start_at_zero
from .transition import HEARD, LatentTransition


class GraphTransition(LatentTransition):
    """z_i' = z_i + node(z_i, sum_j edge(z_i, z_j), a_i), with layers shared by all slots.

    The fully connected network of Kipf, van der Pol, Welling (ICLR 2020, section 2.3) with
    equivariant layers (Park et al., ICML 2022). The edge's first layer is the sum of one of the
    receiver and one of the sender, and its last one stands behind the sum over edges, with which
    it commutes; both save work and change nothing.

    Args:
        latent: With slots.
        action: How the group acts on one slot's part of an action.
        width: Hidden channels, whatever the group.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
    """

    def __init__(
        self,
        latent: Latent,
        action: Representation,
        width: int = 128,
        mode: Mode = "exact",
        banks: int = 2,
    ) -> None:
        super().__init__()
        slot = latent.representation
        hidden = hidden_fields(slot, width)
        self.latent, self.action = latent, latent.slots * action
        self.receiver = Linear(slot, hidden, mode, banks)
        self.sender = Linear(slot, hidden, mode, banks, bias=False)
        self.edge = nn.Sequential(
            Pointwise(hidden),
            Linear(hidden, hidden, mode, banks),
            normalisation(hidden, mode),
            Pointwise(hidden),
        )
        self.message = Linear(hidden, hidden, mode, banks)
        self.node = EquivariantMLP(slot + hidden + action, slot, width, 2, mode, banks)
        start_at_zero(self.node)
        apart = ~torch.eye(latent.slots, dtype=torch.bool)
        receivers, senders = apart.nonzero().T
        self.register_buffer("receivers", receivers, persistent=False)
        self.register_buffer("senders", senders, persistent=False)

    receivers: Tensor
    senders: Tensor

    def next_latent(self, z: Tensor, a: Tensor) -> Tensor:
        """(B, latent.width), (B, action.width) -> (B, latent.width)"""
        k = self.latent.slots
        own, done = z.unflatten(-1, (k, -1)), HEARD * a.unflatten(-1, (k, -1))
        to, of = self.receiver(own), self.sender(own)
        edges = self.edge(to[:, self.receivers] + of[:, self.senders])  # those of a slot together
        heard = edges.unflatten(1, (k, k - 1)).sum(2) if k > 1 else torch.zeros_like(to)
        change = self.node(torch.cat([own, self.message(heard), done], dim=-1))
        return z + change.flatten(1)
