"""`EquivariantMLP`: layers over regular fields between any two representations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...symmetry.layers.activation import Pointwise
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.norm import Norm
from ...symmetry.layers.representation import Representation, regular


class EquivariantMLP(nn.Module):
    """Linear layers with ReLU between them, the last hidden one normalised.

    f(rho_in(g) x) = rho_out(g) f(x) for every element in the mode ``exact``, whatever the weights.

    Args:
        inside: How the group acts on the input.
        outside: How it acts on the output.
        width: Hidden channels, a number of regular fields whatever the group: width / order.
        depth: Hidden layers, at least 1.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
    """

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        width: int = 128,
        depth: int = 2,
        mode: Mode = "exact",
        banks: int = 2,
    ) -> None:
        super().__init__()
        self.inside, self.outside = inside, outside
        hidden, layers = hidden_fields(inside, width), []
        for layer in range(depth):
            layers.append(Linear(inside, hidden, mode, banks))
            if layer == depth - 1:
                layers.append(normalisation(hidden, mode))
            layers.append(Pointwise(hidden))
            inside = hidden
        self.layers = nn.Sequential(*layers, Linear(inside, outside, mode, banks))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inside.width) -> (..., outside.width)"""
        return self.layers(x)


def start_at_zero(network: EquivariantMLP) -> None:
    """Let its output be zero until it is trained, so that a transition begins as no change.

    The weights of a relaxed layer's elements stay: with them zero too no gradient would come.
    """
    for name, parameter in network.layers[-1].named_parameters():
        if name != "elements":
            nn.init.zeros_(parameter)


def hidden_fields(of: Representation, width: int) -> Representation:
    """Regular fields of about `width` channels, at least one."""
    return regular(of.group, max(1, width // of.group.order))


def normalisation(inside: Representation, mode: Mode) -> nn.Module:
    """Layer normalisation, tied over the group where the layers are."""
    return nn.LayerNorm(inside.width) if mode == "free" else Norm(inside)


def relaxation(network: nn.Module) -> Tensor:
    """Mean of `penalty` over the layers of a network that have one: how relaxed they are. ()"""
    found = [m.penalty() for m in network.modules() if hasattr(m, "elements")]  # type: ignore
    return torch.stack(found).mean() if found else torch.zeros(())
