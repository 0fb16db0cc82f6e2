"""Steerable convolutions and an encoder for C_n and D_n of any n: the one door to escnn."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..escnn_compat import provide_lie_learn
from ..group import Group
from ..pixels import PixelError
from .convolution import MaxPool
from .linear import MODES, Mode
from .representation import (
    Representation,
    RepresentationError,
    check_same_group,
    regular,
    trivial_of,
)


class SteerableError(ValueError):
    """A steerable layer that cannot be had; one line that says why."""


def steerable_kernels(group: Group, from_regular: bool, size: int) -> np.ndarray:
    """A basis of the kernels that are steerable under a group, onto one regular field.

    Solutions of k(g x) = rho_out(g) k(x) rho_in(g)^-1, rings times circular harmonics, sampled on
    the pixels by escnn (Weiler, Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS 2019,
    section 2.4). Under quarter turns and mirrors they are exact, under finer turns as exact as
    sampling allows. The first use of a group computes its representations (D8: 10 s).

    Args:
        group: Turns and mirrors of the plane.
        from_regular: From a regular field; otherwise from a channel that no element changes.
        size: Pixels on a side, odd.

    Returns:
        (K, order, d_in, size, size), each of squared norm `order`.

    Raises:
        SteerableError: The group does not move the plane, or the size is even.
    """
    if size % 2 == 0:
        raise SteerableError(f"kernel: {size} is even; a steerable one has a pixel in its middle")
    turns = int(np.sum(group.sign > 0))
    if group.order > 1 and np.allclose(group.plane, np.eye(2)):
        raise SteerableError(f"{group.name} does not move the plane, so it steers no kernel")
    return _kernels(turns, group.order > turns, from_regular, size)


@lru_cache(maxsize=32)
def _kernels(turns: int, mirrored: bool, from_regular: bool, size: int) -> np.ndarray:
    space, escnn = _plane(turns, mirrored)
    out = escnn.FieldType(space, [space.regular_repr])
    into = out if from_regular else escnn.FieldType(space, [space.trivial_repr])
    convolution = escnn.R2Conv(into, out, size, bias=False, initialize=False)
    found = []
    with torch.no_grad():
        for k in range(convolution.weights.numel()):
            convolution.weights.zero_()
            convolution.weights[k] = 1.0
            found.append(convolution.expand_parameters()[0].double().numpy())
    basis = np.array(found)
    norms = np.sqrt((basis**2).sum(axis=(1, 2, 3, 4), keepdims=True) / basis.shape[1])
    basis /= norms
    basis.setflags(write=False)
    return basis


def _plane(turns: int, mirrored: bool) -> tuple[Any, Any]:
    """The plane under a group in escnn's words, and escnn's layers.

    Its mirror axis is set to x, as ours is; then its elements stand in the order of ours.
    """
    provide_lie_learn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that only its SO(3) would need
        from escnn import gspaces
        from escnn import nn as layers

    if not mirrored:
        return (gspaces.rot2dOnR2(turns) if turns > 1 else gspaces.trivialOnR2()), layers
    if turns == 1:
        return gspaces.flip2dOnR2(axis=0.0), layers
    return gspaces.flipRot2dOnR2(turns, axis=0.0), layers


class SteerableConvolution(nn.Module):
    """A convolution whose kernels are sums of steerable ones, onto regular fields.

    `exact`: K = sum_b w_b B_b for each pair of fields. `relaxed` lets the coefficients depend on
    the place p in the kernel, K(p) = sum_b w_b(p) B_b(p): the relaxed steerable convolution of
    Wang, Walters, Yu, "Approximately Equivariant Networks for Imperfectly Symmetric Dynamics" (ICML
    2022, section 4.2). They start equal, so it starts as equivariant as an exact one. `free` is an
    ordinary convolution.

    Args:
        inside: Regular fields, or channels that no element changes.
        outside: Regular fields.
        kernel: Pixels on a side, odd.
        padding: Rows of zeros around the image; None keeps its size.
        mode: ``exact``, ``relaxed`` or ``free``.
        bias: Whether there is one.

    Raises:
        SteerableError: The group steers no kernel, or the kernel's size is even.
        RepresentationError: The groups differ, or the channels are of another kind.
    """

    basis: Tensor
    rings: Tensor

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        kernel: int = 5,
        padding: int | None = None,
        mode: Mode = "exact",
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_same_group(inside, outside)
        group, copies = inside.group, inside.fields
        if not outside.fields:
            raise RepresentationError(f"an image layer gives regular fields, not {outside}")
        if not copies and not np.all(inside.matrices == np.eye(inside.width)):
            raise RepresentationError(f"{inside} is neither regular fields nor left in place")
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        self.inside, self.outside, self.mode, self.kernel = inside, outside, mode, kernel
        self.padding = kernel // 2 if padding is None else padding
        basis = steerable_kernels(group, copies > 0, kernel)
        self.register_buffer("basis", torch.tensor(basis).float(), persistent=False)
        self.register_buffer("rings", torch.tensor(_rings(kernel)), persistent=False)
        fields, copies = outside.fields, copies or inside.width
        shape = (fields, copies, len(basis))
        if mode == "free":
            shape = (outside.width, inside.width, kernel, kernel)
        self.coefficients = nn.Parameter(torch.empty(shape))
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        nn.init.uniform_(self.coefficients, -bound, bound)
        self.deviations = None
        if mode == "relaxed":
            self.deviations = nn.Parameter(torch.zeros(*shape, kernel * kernel))
        self.shifts = None
        if bias:
            self.shifts = nn.Parameter(torch.empty(outside.width if mode == "free" else fields))
            nn.init.uniform_(self.shifts, -bound, bound)

    def weight(self) -> Tensor:
        """The kernel as it stands. (outside.width, inside.width, kernel, kernel)"""
        if self.mode == "free":
            return self.coefficients
        basis = self.basis.flatten(3)  # (K, order, d_in, cells)
        kernel = torch.einsum("oib,bxyp->oxiyp", self.coefficients, basis)
        if self.deviations is not None:
            kernel = kernel + torch.einsum("oibp,bxyp->oxiyp", self.deviations, basis)
        return kernel.reshape(self.outside.width, self.inside.width, self.kernel, self.kernel)

    def bias(self) -> Tensor | None:
        """The bias as it stands. (outside.width,)"""
        if self.shifts is None or self.mode == "free":
            return self.shifts
        return self.shifts.repeat_interleave(self.outside.group.order)

    def forward(self, x: Tensor) -> Tensor:
        """Images to feature maps. (B, inside.width, H, W) -> (B, outside.width, H', W')"""
        return functional.conv2d(x, self.weight(), self.bias(), padding=self.padding)

    def penalty(self) -> Tensor:
        """Variance of the relaxed coefficients around each ring of the kernel, the mean. ()

        A coefficient that only differs from ring to ring breaks no symmetry.
        """
        if self.deviations is None:
            return self.coefficients.new_zeros(())
        around = self.deviations @ self.rings
        return (self.deviations - around).square().mean()

    @torch.no_grad()
    def drift(self) -> float:
        """How far K and b are from the nearest steerable ones, relative (Frobenius norm)."""
        if self.mode == "exact":
            return 0.0
        order, copies = self.outside.group.order, self.coefficients.shape[1]
        if self.mode == "free":
            copies = self.inside.fields or self.inside.width
        kernel = self.weight().double()
        kernel = kernel.view(-1, order, copies, kernel.shape[1] // copies, self.kernel**2)
        kernel = kernel.transpose(1, 2).flatten(0, 1)  # (pairs, order, d_in, cells)
        basis, off = self.basis.double().flatten(3), kernel.new_zeros(())
        for ring in torch.unique(self.rings > 0, dim=0):  # what differs between rings is steerable
            part, here = kernel[..., ring].flatten(1), basis[..., ring].flatten(1)
            _, values, rows = torch.linalg.svd(here, full_matrices=False)
            rows = rows[values > 1e-5]
            off += (part - part @ rows.T @ rows).square().sum()
        size = kernel.square().sum()
        bias = self.bias()
        if bias is not None:
            b = bias.double().view(-1, order)
            off = off + (b - b.mean(1, keepdim=True)).square().sum()
            size = size + b.square().sum()
        return float((off / size).sqrt()) if size > 0 else 0.0

    @torch.no_grad()
    def export(self) -> nn.Conv2d:
        """The layer as it stands as an ordinary `nn.Conv2d`, which knows no group."""
        weight, bias = self.weight(), self.bias()
        plain = nn.Conv2d(
            self.inside.width,
            self.outside.width,
            self.kernel,
            padding=self.padding,
            bias=bias is not None,
        ).to(weight.device, weight.dtype)
        plain.weight.copy_(weight)
        if plain.bias is not None and bias is not None:
            plain.bias.copy_(bias)
        return plain


class FieldBatchNorm(nn.Module):
    """Batch normalisation with one mean, variance, scale and shift for each regular field.

    What escnn calls InnerBatchNorm: Ioffe, Szegedy (ICML 2015), its statistics taken over the
    channels of a field too, so that it commutes with the group. In the mode `free` an ordinary one.

    Args:
        inside: Regular fields.
        mode: ``free``, or any other.
    """

    def __init__(self, inside: Representation, mode: Mode = "exact") -> None:
        super().__init__()
        self.inside = self.outside = inside
        self.copies = inside.width if mode == "free" else inside.fields
        self.norm = nn.BatchNorm2d(self.copies)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, width, H, W)"""
        size = x.shape[-2:]
        return self.norm(x.reshape(len(x), self.copies, -1, size[1])).reshape(x.shape)

    @torch.no_grad()
    def export(self) -> nn.BatchNorm2d:
        """As it stands, for evaluation, as an ordinary `nn.BatchNorm2d`."""
        plain = nn.BatchNorm2d(self.inside.width, self.norm.eps)
        each = self.inside.width // self.copies
        for name in ("weight", "bias", "running_mean", "running_var"):
            own = getattr(self.norm, name)
            getattr(plain, name).copy_(own.repeat_interleave(each))
        return plain.to(self.norm.weight.device).eval()


class SteerableEncoder(nn.Module):
    """From images to regular fields of C_n or D_n: steerable 5x5 convolutions, batch norm, ReLU.

    2x2 max pooling halves the side down to 8, and a last kernel of 7 pixels sees what is left:
    64 -> 32 -> 16 -> 8 -> 1. Quarter turns and mirrors are exact. The eighth turns of C8 and D8 are
    not: on smooth images they err by 5 to 18 % before training (4 seeds), and training is free to
    use what the grid tells of the direction: 26 to 82 % after 20 large steps towards targets
    without a symmetry (tests/symmetry/layers/test_steerable.py has the images). Where exactness
    matters take `pixels.pixel_subgroup`.

    It is a plain module: its arguments and its state_dict are all there is to keep of it.

    Args:
        group: Turns and mirrors of the plane.
        channels: Of the images.
        size: Pixels on a side: 8 times a power of two.
        width: Channels of the output, a multiple of the group's order.
        mode: ``exact``, ``relaxed`` or ``free``.

    Raises:
        PixelError: Another size.
        SteerableError: The group does not move the plane.
        ValueError: The width is no multiple of the order.
    """

    def __init__(
        self, group: Group, channels: int, size: int = 64, width: int = 128, mode: Mode = "exact"
    ) -> None:
        super().__init__()
        if width % group.order:
            raise ValueError(f"width: {width} is no multiple of the {group.order} of {group.name}")
        halvings = int(math.log2(size / 8)) if size >= 8 else -1
        if halvings < 0 or 8 * 2**halvings != size:
            raise PixelError(f"images of {size} pixels: take 64, or another 8 times a power of two")
        self.representation = regular(group, width // group.order)
        inside = trivial_of(group, channels)
        self.stages = nn.Sequential()
        for stage in range(halvings + 1):
            last = stage == halvings
            wanted = min(16 * 2**stage, 64)
            outside = self.representation if last else regular(group, max(1, wanted // group.order))
            kernel, padding = (7, 0) if last else (5, 2)
            self.stages.append(SteerableConvolution(inside, outside, kernel, padding, mode, False))
            self.stages.append(FieldBatchNorm(outside, mode))
            self.stages.append(nn.ReLU())
            self.stages.append(MaxPool(group))
            inside = outside

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B, width)"""
        return self.stages(images).flatten(1)

    def convolutions(self) -> list[SteerableConvolution]:
        """In order."""
        return [layer for layer in self.stages if isinstance(layer, SteerableConvolution)]

    def penalty(self) -> Tensor:
        """Of the relaxed convolutions, the mean. ()"""
        return torch.stack([layer.penalty() for layer in self.convolutions()]).mean()

    def drift(self) -> dict[str, float]:
        """How far each convolution is from the nearest steerable one, relative."""
        return {f"convolution_{i}": layer.drift() for i, layer in enumerate(self.convolutions())}

    def export(self) -> nn.Sequential:
        """The encoder as it stands in torch's own layers, which know no group, for evaluation."""
        made = [getattr(layer, "export", lambda layer=layer: layer)() for layer in self.stages]
        return nn.Sequential(*made, nn.Flatten()).eval()


def _rings(size: int) -> np.ndarray:
    """Takes the mean over each ring of pixels as far from the middle. (cells, cells) float32"""
    at = np.arange(size) - size // 2
    radius = (at[:, None] ** 2 + at**2).ravel()
    same = (radius[:, None] == radius).astype(np.float32)
    return same / same.sum(axis=1, keepdims=True)
