"""`Banks`: filters onto regular fields, tied by a group that permutes what they act on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .linear import MODES, Mode
from .representation import Representation, RepresentationError, check_same_group


class Banks(nn.Module):
    """The matrix from inputs that the group permutes onto regular fields.

    Row h of a field is what element h makes of the field's filter: W[h] = h psi, so that
    y_h(g x) = y_{g^-1 h}(x). That is every equivariant map there is, in as many parameters
    (`linear.Linear` holds the same for vectors, where to multiply by a basis is quicker than to
    gather). `relaxed` has L filters, weighted anew for each element, W[h] = sum_l w_l(h) h psi_l
    (Wang, Walters, Yu, "Approximately Equivariant Networks for Imperfectly Symmetric Dynamics",
    ICML 2022, section 4); the weights start equal. `free` has no ties.

    Args:
        inside: How the group acts on the channels that are filtered.
        outside: Regular fields.
        sources: ``(h psi)[j] = psi[sources[h, j]]``. (order, N)
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: L of the relaxed mode.
        bias: Whether there is one: a number for each field, which moves as the filters do.

    Raises:
        RepresentationError: The groups differ, or `outside` holds more than regular fields.
        ValueError: No such mode, or no bank.
    """

    sources: Tensor

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        sources: np.ndarray,
        mode: Mode = "exact",
        banks: int = 2,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_same_group(inside, outside)
        if not outside.fields:
            raise RepresentationError(f"an image layer gives regular fields, not {outside}")
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        if banks < 1:
            raise ValueError(f"a relaxed layer needs at least one bank, not {banks}")
        self.inside, self.outside, self.mode = inside, outside, mode
        order, inputs = sources.shape
        self.register_buffer("sources", torch.tensor(sources), persistent=False)
        sets = {"exact": (1,), "relaxed": (banks,), "free": (order,)}[mode]
        self.filters = nn.Parameter(torch.empty(outside.fields, *sets, inputs))
        self.shifts = nn.Parameter(torch.empty(outside.fields, *sets)) if bias else None
        self.elements = None
        if mode == "relaxed":
            self.elements = nn.Parameter(torch.full((banks, order), 1.0 / math.sqrt(banks)))
        bound = 1.0 / math.sqrt(inputs)  # the variance that torch's own layers start with
        for parameter in self.parameters():
            if parameter is not self.elements:
                nn.init.uniform_(parameter, -bound, bound)

    def matrix(self) -> Tensor:
        """W as it stands. (outside.width, N)"""
        if self.mode == "free":
            return self.filters.flatten(0, 1)
        sources = self.sources.expand(len(self.filters), -1, -1)
        return self._weighted(self.filters).gather(2, sources).flatten(0, 1)

    def bias(self) -> Tensor | None:
        """The bias as it stands. (outside.width,)"""
        if self.shifts is None:
            return None
        return self._weighted(self.shifts).flatten()

    def _weighted(self, sets: Tensor) -> Tensor:
        """Each element's own filter, not moved yet. (fields, L, ...) -> (fields, order, ...)"""
        if self.mode == "free":
            return sets
        if self.elements is not None:
            return torch.einsum("fl...,lh->fh...", sets, self.elements)
        return sets.expand(-1, self.outside.group.order, *sets.shape[2:])

    def penalty(self) -> Tensor:
        """Variance over the group of the relaxed weights, mean over banks; otherwise 0. ()"""
        if self.elements is None:
            return self.filters.new_zeros(())
        return self.elements.var(dim=1, unbiased=False).mean()

    @torch.no_grad()
    def drift(self) -> float:
        """How far W and b are from the nearest equivariant ones, relative (Frobenius norm).

        0 for an equivariant layer, by construction for `exact`; 1 for one with nothing
        equivariant in it.
        """
        if self.mode == "exact":
            return 0.0
        # Of the filters before they are moved the nearest equal ones are the mean.
        filters = self._weighted(self.filters)
        if self.mode == "free":
            back = torch.argsort(self.sources, dim=1).expand(len(filters), -1, -1)
            filters = filters.gather(2, back)
        if self.shifts is not None:
            filters = torch.cat([filters, self._weighted(self.shifts)[..., None]], dim=2)
        filters = filters.double()
        off = (filters - filters.mean(dim=1, keepdim=True)).square().sum()
        size = filters.square().sum()
        return float((off / size).sqrt()) if size > 0 else 0.0

    def fill(self, plain: Any) -> None:
        """Write W and b into an ordinary layer's weight and bias."""
        with torch.no_grad():
            weight, bias = self.matrix(), self.bias()
            plain.weight.copy_(weight.view_as(plain.weight))
            if bias is not None:
                plain.bias.copy_(bias)

    def extra_repr(self) -> str:
        """What `print` says of it."""
        return f"{self.inside} -> {self.outside}, {self.mode}"


def moved_channels(inside: Representation) -> np.ndarray:
    """Which channel comes to stand at each channel: moved[g] = x[channels[g]]. (order, width)

    Raises:
        RepresentationError: Some element mixes channels.
    """
    if inside.permutation is None:
        raise RepresentationError(
            f"an image layer takes channels that the group permutes (regular or trivial), "
            f"not {inside}"
        )
    return inside.permutation[inside.group.inverse]
