"""Claims on images: a group moves their pixels, a frozen encoder says which ones are alike.

Distances between pixels do not tell a mirrored 2 from a 2. The encoder here needs no training and
no download: at each place how strongly brightness changes in each of eight directions (as in Dalal
and Triggs, "Histograms of oriented gradients", 2005), brought down to a few independent numbers by
the images' own principal components, each in units of its spread, so that what no image shows
counts much.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..declaration import Symmetry
from ..pixels import pixel_sources
from .claim import AuditError, Claim, Values, claim_of
from .neighbours import LEAST_SAMPLES

DIRECTIONS = 8
"""In which brightness may rise."""
CELLS = 7
"""Places along a side."""
SHARE = 0.97
"""Of the variance that the numbers which are told of an image make up."""
NEAR = 1.15
"""As `claim.NEAR`. In so many coordinates half as far again holds a hundred times as many points:
with that a mirrored 2 counts as one of the 5s. This and `SHARE` were settled on printed and
handwritten digits."""
BATCH = 256
"""Images that are looked at together."""

Encoder = Callable[[np.ndarray], np.ndarray]
"""(N, H, W, C) -> (N, d)"""


def claim_of_images(
    symmetry: Symmetry, values: Values, shape: tuple[int, int, int], encoder: Encoder
) -> Claim:
    """The claim that a map of images goes with a group that moves their pixels.

    Args:
        symmetry: Its group moves the images; its `action` says how it acts on an action.
        values: What the map gives.
        shape: H, W, C; an image is a row of so many numbers.
        encoder: In its distances images are alike.

    Raises:
        PixelError: An element moves no pixels onto pixels.
        AuditError: The images are not square.
    """
    high, wide, channels = shape
    if high != wide:
        raise AuditError(f"state: images of {high} x {wide} pixels; a group moves square ones only")
    sources = pixel_sources(symmetry.group, high)
    if len(sources) > 1 and (sources == sources[0]).all():
        raise AuditError(f"{symmetry.group.name} moves no pixels")
    plain = claim_of(symmetry, values)

    def move(g: int, x: np.ndarray) -> np.ndarray:
        pixels = x.reshape(len(x), high * wide, channels)
        return pixels[:, sources[g]].reshape(x.shape)

    def embed(x: np.ndarray) -> np.ndarray:
        images = x.reshape(len(x), *shape)
        parts = [encoder(images[k : k + BATCH]) for k in range(0, len(x), BATCH)]
        return np.concatenate(parts).reshape(len(x), -1)

    width = embed(np.zeros((1, high * wide * channels))).shape[1]
    return Claim(
        names=plain.names,
        move=move,
        carry=plain.carry,
        embed=embed,
        units=(tuple(range(width)),),
        value_units=plain.value_units,
        label=plain.label,
        width=high * wide * channels,
        value_width=plain.value_width,
        near=NEAR,
    )


def edges(images: np.ndarray) -> np.ndarray:
    """How strongly brightness changes in each direction at each place. (N, H, W, C) -> (N, d)"""
    images = np.asarray(images, np.float32)
    down, right = np.gradient(images, axis=(1, 2))
    angle = 2.0 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    rows, columns = _cells(images.shape[1]), _cells(images.shape[2])
    told = []
    for c, s in zip(np.cos(angle), np.sin(angle), strict=True):
        strength = np.maximum(c * right + s * down, 0.0).sum(axis=3)
        told.append(rows @ strength @ columns.T)
    found = np.sqrt(np.stack(told, axis=1).reshape(len(images), -1))  # as of any histogram
    if images.shape[3] > 1:
        colours = rows @ np.moveaxis(images, 3, 1) @ columns.T
        found = np.concatenate([found, colours.reshape(len(images), -1)], axis=1)
    size = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.maximum(size, 1e-6)


def fitted(images: np.ndarray) -> Encoder:
    """The encoder of some images: `edges` along their principal components.

    Args:
        images: (N, H, W, C)

    Raises:
        AuditError: There are too few, or all look the same.
    """
    if len(images) < LEAST_SAMPLES:
        raise AuditError(f"{len(images)} samples are too few: an audit needs {LEAST_SAMPLES}")
    if min(images.shape[1:3]) < 2:
        raise AuditError("state: images of one pixel in height or width show nothing")
    parts = [edges(images[k : k + BATCH]) for k in range(0, len(images), BATCH)]
    found = np.concatenate(parts).astype(float)
    centre = found.mean(axis=0)
    variance, along = np.linalg.eigh(np.cov(found.T))
    variance, along = variance[::-1], along[:, ::-1]
    if variance[0] <= 1e-12:
        raise AuditError("state: constant: all images look the same")
    kept = int(np.searchsorted(np.cumsum(variance), SHARE * variance.sum())) + 1
    along = along[:, :kept] / np.sqrt(variance[:kept])
    return lambda more: (edges(more) - centre) @ along


def _cells(side: int) -> np.ndarray:
    """How much each pixel counts in each place: a hat, twice as wide as the places are apart."""
    count = min(CELLS, max(side // 2, 1))
    at = (np.arange(count) + 0.5) * side / count - 0.5
    away = np.abs(np.arange(side)[None] - at[:, None]) * count / side
    return np.maximum(1.0 - away, 0.0).astype(np.float32)
