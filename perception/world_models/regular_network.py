"""`RegularNetwork`: layers over regular fields whose matrices can be built once for many calls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.norm import Norm
from ...symmetry.layers.representation import Representation, regular

After = Literal["elu", "norm_tanh", ""]
"""What follows a layer's matrix: ELU, a normalisation and tanh, nothing."""
_EPSILON = 1e-5  # in the normalisation's root


def fields_for(width: int, order: int, mode: Mode, banks: int) -> int:
    """How many regular fields have about the parameters of an ordinary layer of `width` channels.

    A layer from f fields to f fields has f^2 |G| parameters in the mode exact, `banks` times as
    many in the mode relaxed and (f |G|)^2 in the mode free (Zhao et al., "Can Euclidean Symmetry be
    Leveraged in Reinforcement Learning and Planning?", 2023: widths divided by sqrt |G|).
    """
    shared = {"exact": order, "relaxed": order * banks, "free": order * order}[mode]
    return max(1, round(width / math.sqrt(shared)))


class Layer(nn.Module):
    """A `Linear` and what follows it.

    Its matrix is a combination of basis maps, built anew in each call; inside `held` it is built
    once, gradients included.

    Args:
        inside: How the group acts on the input.
        outside: How it acts on the output.
        after: What follows; only on channels that the group permutes.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
    """

    def __init__(
        self, inside: Representation, outside: Representation, after: After, mode: Mode, banks: int
    ) -> None:
        super().__init__()
        self.after: After = after
        self.linear = Linear(inside, outside, mode, banks)
        self.norm: nn.Module | None = None
        if after == "norm_tanh":
            self.norm = nn.LayerNorm(outside.width) if mode == "free" else Norm(outside)
        self._held: list[Tensor | None] | None = None

    def materials(self) -> list[Tensor | None]:
        """Matrix and bias as they stand; of the normalisation, if there is one, scale and shift."""
        found = [self.linear.matrix(), self.linear.bias()]
        if isinstance(self.norm, Norm):
            found += [self.norm._channels(self.norm.weight), self.norm._channels(self.norm.bias)]
        elif isinstance(self.norm, nn.LayerNorm):
            found += [self.norm.weight, self.norm.bias]
        return found

    def hold(self, materials: list[Tensor | None] | None) -> list[Tensor | None] | None:
        """Compute with these from now on; None: with what is built anew in each call.

        Returns:
            What was held before.
        """
        before, self._held = self._held, materials
        return before

    def forward(self, x: Tensor) -> Tensor:
        """(..., inside.width) -> (..., outside.width)"""
        weight, bias, *scales = self._held or self.materials()
        assert weight is not None
        x = functional.linear(x, weight, bias)
        if self.after == "elu":
            return functional.elu(x)
        if self.after == "norm_tanh":
            scale, shift = scales
            return torch.tanh(functional.layer_norm(x, x.shape[-1:], scale, shift, _EPSILON))
        return x

    @torch.no_grad()
    def zero(self) -> None:
        """Let it answer zero, as it is good for a reward or a value that nothing is known of."""
        if self.linear.plain is not None:
            for p in self.linear.plain.parameters():
                p.zero_()
        for p in (*self.linear.blocks.parameters(), *self.linear.bias_blocks.parameters()):
            p.zero_()

    @torch.no_grad()
    def export(self) -> nn.Module:
        """The same of ordinary layers of torch, for running alone."""
        made: list[nn.Module] = [self.linear.export()]
        if self.after == "elu":
            made.append(nn.ELU(inplace=True))
        elif self.after == "norm_tanh":
            weight, _, scale, shift = self.materials()
            assert weight is not None and scale is not None and shift is not None
            tied = nn.LayerNorm(len(scale), _EPSILON).to(weight)
            tied.weight.copy_(scale)
            tied.bias.copy_(shift)
            made += [tied, nn.Tanh()]
        return nn.Sequential(*made)


class RegularNetwork(nn.Module):
    """Layers with hidden regular fields, ELU after each, between any two representations.

    f(rho_in(g) x) = rho_out(g) f(x) for every element in the mode ``exact``, whatever the weights.

    Args:
        inside: How the group acts on the input.
        outside: How it acts on the output.
        hidden: Regular fields of each hidden layer.
        first: What follows the first layer.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
    """

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        hidden: Sequence[int],
        first: After = "elu",
        mode: Mode = "exact",
        banks: int = 2,
    ) -> None:
        super().__init__()
        self.inside, self.outside = inside, outside
        layers: list[nn.Module] = []
        for number, fields in enumerate(hidden):
            between = regular(inside.group, fields)
            after: After = "elu" if number else first
            layers.append(Layer(inside, between, after, mode, banks))
            inside = between
        layers.append(Layer(inside, outside, "", mode, banks))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inside.width) -> (..., outside.width)"""
        return self.layers(x)

    def zero_last(self) -> None:
        """Let it answer zero at first."""
        last = self.layers[-1]
        assert isinstance(last, Layer)
        last.zero()


@contextmanager
def held(*networks: nn.Module) -> Iterator[None]:
    """Build the matrices of all `Layer`s in some networks once, for whatever is called inside."""
    with _holding({layer: layer.materials() for n in networks for layer in layers_of(n)}):
        yield


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Inside `held`: let no gradient reach the parameters of some networks."""
    known = {layer: layer._held or layer.materials() for n in networks for layer in layers_of(n)}
    still = {k: [v if v is None else v.detach() for v in m] for k, m in known.items()}
    with _holding(still):
        yield


@contextmanager
def _holding(materials: dict[Layer, list[Tensor | None]]) -> Iterator[None]:
    before = {layer: layer.hold(found) for layer, found in materials.items()}
    try:
        yield
    finally:
        for layer, found in before.items():
            layer.hold(found)


def layers_of(network: nn.Module) -> list[Layer]:
    """Its layers, in order."""
    return [m for m in network.modules() if isinstance(m, Layer)]


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move an exported network towards another, which is held or not, by a share of what is left.

    A matrix is linear in its parameters (but in the mode ``relaxed``), so the average of matrices
    is that of parameters, and need not be built anew.
    """
    found = [v for layer in layers_of(network) for v in layer._held or layer.materials()]
    towards = [v for v in found if v is not None]
    torch._foreach_lerp_(list(average.parameters()), towards, share)  # pyright: ignore
