"""`Linear`: a matrix and a bias between two representations, equivariant exactly, nearly or not."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .fourier import fourier
from .intertwiner import maps, terms
from .representation import Piece, Representation, RepresentationError, check_same_group, trivial_of

Mode = Literal["exact", "relaxed", "free"]
MODES: tuple[Mode, ...] = ("exact", "relaxed", "free")

_FOURIER_FROM = 192 * 192
"""Entries of W from which a convolution is faster in the Fourier basis (benchmarks/layers.py)."""


class Block(nn.Module):
    """The part of the matrix from one piece of the input to one piece of the output.

    A parameter for each (output copy, input copy, basis map), times the basis: one product of
    small matrices forwards and one backwards. In the relaxed mode the basis is the sum of its
    terms over the group, weighted, for each of the banks.
    """

    basis: Tensor

    def __init__(
        self, into: Piece, out: Piece, basis: np.ndarray, banks: int, free_inputs: int
    ) -> None:
        super().__init__()
        self.sizes = (out.copies, into.copies, out.size, into.size)
        if banks:  # (order, K, d_out d_in), else (K, d_out d_in)
            basis = basis.reshape(*basis.shape[:2], -1)
        else:
            basis = basis.reshape(len(basis), -1)
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32), persistent=False)
        count = max(banks, 1) * basis.shape[-2]
        self.weight = nn.Parameter(torch.empty(out.copies, into.copies, count))
        bound = 1.0 / math.sqrt(free_inputs)
        nn.init.uniform_(self.weight, -bound, bound)

    def matrix(self, elements: Tensor | None) -> Tensor:
        """The block as a matrix; `elements` are the weights of the relaxed mode. (rows, columns)"""
        basis = self.basis
        if elements is None and basis.numel() == 1:  # one number to one number: the basis is 1
            return self.weight.squeeze(-1)
        if elements is not None:
            basis = torch.tensordot(elements, basis, 1).flatten(0, 1)  # (banks K, d_out d_in)
        m, n, rows, columns = self.sizes
        entries = torch.mm(self.weight.view(m * n, -1), basis)
        if n * columns == 1:
            return entries.view(m * rows, 1)
        return entries.view(m, n, rows, columns).transpose(1, 2).reshape(m * rows, n * columns)


class Linear(nn.Module):
    """y = W x + b from one representation to another, on the last axis.

    In the mode `exact`, rho_out(g) (W x + b) = W rho_in(g) x + b for every element g, whatever the
    parameters: W is a combination of all the maps that commute with the group, and b lies in what
    the group leaves in place (`intertwiner.maps` names the sources). `relaxed` adds a weight
    w_l(g) for each element and each of `banks` sets of parameters,

        W = sum_l sum_g w_l(g) rho_out(g) A_l rho_in(g)^-1,

    which between regular fields is W[g, h] = sum_l w_l(g) psi_l(g^-1 h): the relaxed group
    convolution of Wang, Walters, Yu, "Approximately Equivariant Networks for Imperfectly Symmetric
    Dynamics" (ICML 2022), which Park et al., "Approximate Equivariance in Reinforcement Learning"
    (AISTATS 2025) build agents of; in the paper the weights belong to h, here to the output's
    element g. They start equal, so the layer starts equivariant and departs from it only as the
    data ask. `free` is an ordinary layer of the same width.

    An exact layer between regular fields is evaluated in the group's Fourier basis where that is
    faster than building W: from a width of 192 on, or as many entries of W (`fourier.Fourier`).

    Parameters start uniform, with the variance at which each output has the variance that an
    ordinary layer of this width gives it.

    Args:
        inside: How the group acts on the input.
        outside: How it acts on the output.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: L of the relaxed mode; with as many as elements it reaches every matrix between
            regular fields.
        bias: Whether b is there.

    Raises:
        RepresentationError: The groups differ, or no equivariant map reaches some output.
        ValueError: No such mode, or no bank.
    """

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        mode: Mode = "exact",
        banks: int = 2,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_same_group(inside, outside)
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        if banks < 1:
            raise ValueError(f"a relaxed layer needs at least one bank, not {banks}")
        self.inside, self.outside, self.mode = inside, outside, mode
        self.plain = nn.Linear(inside.width, outside.width, bias) if mode == "free" else None
        self.blocks = nn.ModuleDict()
        self.bias_blocks = nn.ModuleDict()
        self.elements = None
        self.fourier = None
        if mode == "free":
            return
        if mode == "relaxed":
            equal = torch.full((banks, inside.group.order), 1.0 / math.sqrt(banks))
            self.elements = nn.Parameter(equal)
        self._make_blocks(banks if mode == "relaxed" else 0, bias)
        order = inside.group.order
        large = inside.fields * outside.fields * order**2 >= _FOURIER_FROM
        if mode == "exact" and large and order > 1:
            self.fourier = fourier(inside.group)

    def _make_blocks(self, banks: int, bias: bool) -> None:
        group = self.inside.group
        one = trivial_of(group).pieces[0]
        for row, out in enumerate(self.outside.pieces):
            found = {c: maps(group, into, out) for c, into in enumerate(self.inside.pieces)}
            free = sum(self.inside.pieces[c].copies * len(basis) for c, basis in found.items())
            if free == 0:
                raise RepresentationError(
                    f"no equivariant map from {self.inside} reaches piece {row} of {self.outside}"
                )
            for column, basis in found.items():
                into = self.inside.pieces[column]
                if len(basis):
                    basis = terms(group, into, out) if banks else basis
                    self.blocks[f"{row}_{column}"] = Block(into, out, basis, banks, free)
            fixed = maps(group, one, out)
            if bias and len(fixed):
                fixed = terms(group, one, out) if banks else fixed
                self.bias_blocks[f"{row}"] = Block(one, out, fixed, banks, free)

    def matrix(self) -> Tensor:
        """W as it stands. (outside.width, inside.width)"""
        if self.plain is not None:
            return self.plain.weight
        rows = []
        for r, out in enumerate(self.outside.pieces):
            row = []
            for c, into in enumerate(self.inside.pieces):
                block = self.blocks[f"{r}_{c}"] if f"{r}_{c}" in self.blocks else None
                row.append(self._part(block, out.width, into.width))
            rows.append(row[0] if len(row) == 1 else torch.cat(row, dim=1))
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def bias(self) -> Tensor | None:
        """The bias as it stands. (outside.width,)"""
        if self.plain is not None:
            return self.plain.bias
        if not len(self.bias_blocks):
            return None
        parts = []
        for r, out in enumerate(self.outside.pieces):
            block = self.bias_blocks[f"{r}"] if f"{r}" in self.bias_blocks else None
            parts.append(self._part(block, out.width, 1))
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).squeeze(1)

    def _part(self, block: nn.Module | None, rows: int, columns: int) -> Tensor:
        if isinstance(block, Block):
            return block.matrix(self.elements)
        return next(self.parameters()).new_zeros(rows, columns)

    def forward(self, x: Tensor) -> Tensor:
        """W x + b. (..., inside.width) -> (..., outside.width)"""
        if self.fourier is None:
            return functional.linear(x, self.matrix(), self.bias())
        psi = self.get_parameter("blocks.0_0.weight")
        bias = self.get_parameter("bias_blocks.0.weight").flatten() if self.bias_blocks else None
        fields = x.reshape(-1, self.inside.fields, self.inside.group.order)
        return self.fourier.convolve(fields, psi, bias).view(*x.shape[:-1], self.outside.width)

    def penalty(self) -> Tensor:
        """Variance over the group of the relaxed weights, mean over banks; otherwise 0. ()

        Added to a loss it holds the layer near to an equivariant one. It sees the weights alone:
        how much they matter is what `drift` measures.
        """
        if self.elements is None:
            return next(self.parameters()).new_zeros(())
        return self.elements.var(dim=1, unbiased=False).mean()

    @torch.no_grad()
    def drift(self) -> float:
        """How far W and b are from the nearest equivariant ones, relative (Frobenius norm).

        0 for an equivariant layer, by construction for `exact`; 1 for one with nothing
        equivariant in it.
        """
        if self.mode == "exact":
            return 0.0
        bias = self.bias()
        whole = self.matrix().double()
        mean = torch.zeros_like(whole)
        for g in self.inside.group.elements:
            mean += self._moved(whole, g)
        mean /= self.inside.group.order
        off, size = (whole - mean).square().sum(), whole.square().sum()
        if bias is not None:
            b = bias.double()
            fixed = torch.stack([self.outside.act(g, b) for g in self.inside.group.elements])
            off, size = off + (b - fixed.mean(0)).square().sum(), size + b.square().sum()
        return float((off / size).sqrt()) if size > 0 else 0.0

    def _moved(self, matrix: Tensor, g: int) -> Tensor:
        """rho_out(g) W rho_in(g)^-1; W rho^T is rho applied to W's rows. (rows, columns)"""
        return self.outside.act(g, self.inside.act(g, matrix).T).T

    @torch.no_grad()
    def export(self) -> nn.Linear:
        """The layer as it stands as an ordinary `nn.Linear`, which knows no group."""
        weight, bias = self.matrix(), self.bias()
        made = nn.Linear(self.inside.width, self.outside.width, bias is not None)
        made = made.to(weight.device, weight.dtype)
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
        return made

    def extra_repr(self) -> str:
        """What `print` says of it."""
        return f"{self.inside} -> {self.outside}, {self.mode}"
