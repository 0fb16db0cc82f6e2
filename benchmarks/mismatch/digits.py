"""Digits as images, which turns and mirrors move: seven segments, printed and handwritten.

A 2 that is mirrored is a 5, a 6 that is turned is a 9, a 3 that is turned is nothing. Of seven
segments this is exactly so, and degrees and floor are known in closed form. Printed and handwritten
digits are nearly so: for them nothing is claimed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known, unmoved
from covary.symmetry.group import Group, group
from covary.symmetry.pixels import pixel_sources

# a: top, b: upper right, c: lower right, d: bottom, e: lower left, f: upper left, g: middle.
LIT = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
SIDE = 16
THICK = 2
SIZES = ((10, 6), (12, 6), (12, 8))
"""Heights and widths, pixels."""
SHIFTS = range(-1, 2)
"""Of the figure's middle from the image's, pixels, in both directions; so little that a mirrored 1,
which stands at the right, is not one that occurs."""
FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif"),
    *("DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10"),
)
"""Fonts among those that matplotlib ships."""


def segments(seed: int, n: int, name: str = "D2") -> Known:
    """Digits of seven segments, 16 x 16 pixels, in three sizes, somewhat shifted.

    Args:
        seed: Of what is drawn.
        n: Images.
        name: A group of quarter turns and mirrors.
    """
    rng, acting = np.random.default_rng(seed), group(name)
    digit, size = rng.integers(0, 10, n), rng.integers(0, len(SIZES), n)
    shift = rng.integers(SHIFTS.start, SHIFTS.stop, (n, 2))
    x = np.stack([_drawn(LIT[d], SIZES[s], *by) for d, s, by in zip(digit, size, shift)])  # noqa: B905
    known = {
        _drawn(LIT[d], measures, dx, dy).tobytes(): d
        for d in range(10)
        for measures in SIZES
        for dx in SHIFTS
        for dy in SHIFTS
    }

    def read(x: np.ndarray) -> np.ndarray:
        return np.array([known.get(np.ascontiguousarray(row).tobytes(), -1) for row in x])

    return Known(
        name=f"digits of seven segments, {name}",
        group=acting,
        x=x,
        y=digit,
        move=mover(acting, SIDE),
        answer=unmoved,
        degrees=_degrees(acting),
        floor=_floor(acting),
        occurs=lambda x: read(x) >= 0,
        truth=read,
        units=(tuple(range(SIDE * SIDE)),),
    )


def printed(seed: int, n: int, name: str = "D2", side: int = 28) -> Known:
    """Digits of eleven fonts that matplotlib ships, in several sizes, somewhat shifted.

    Args:
        seed: Of what is drawn.
        n: Images.
        name: A group of quarter turns and mirrors.
        side: Pixels.

    Raises:
        ImportError: matplotlib or Pillow is not installed.
    """
    from matplotlib import get_data_path
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(get_data_path()) / "fonts" / "ttf"
    rng, acting = np.random.default_rng(seed), group(name)
    digit, face = rng.integers(0, 10, n), rng.integers(0, len(FACES), n)
    height = rng.integers(round(0.65 * side), round(0.85 * side), n)
    shift = rng.uniform(-0.06 * side, 0.06 * side, (n, 2))
    x = np.empty((n, side * side))
    for i in range(n):
        font = ImageFont.truetype(str(folder / f"{FACES[face[i]]}.ttf"), int(height[i]))
        image = Image.new("L", (side, side))
        at = tuple(0.5 * side + shift[i])
        ImageDraw.Draw(image).text(at, str(digit[i]), fill=255, font=font, anchor="mm")
        x[i] = np.asarray(image, float).ravel() / 255.0
    return _images(f"printed digits, {name}", acting, x, digit, side)


def handwritten(seed: int, n: int, name: str = "D2") -> Known:
    """Some of the 1,797 handwritten digits of scikit-learn, 8 x 8 pixels, in a random order.

    Raises:
        ImportError: scikit-learn is not installed.
        ValueError: There are not so many.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    if n > len(labels):
        raise ValueError(f"there are {len(labels)} handwritten digits, not {n}")
    acting, chosen = group(name), np.random.default_rng(seed).permutation(len(labels))[:n]
    x, y = images[chosen] / 16.0, labels[chosen]
    return _images(f"handwritten digits, {name}", acting, x, y, 8)


def _images(name: str, acting: Group, x: np.ndarray, y: np.ndarray, side: int) -> Known:
    units = (tuple(range(side * side)),)
    return Known(name, acting, x, y, mover(acting, side), unmoved, units=units)


def mover(acting: Group, side: int):
    """How a group moves images that are rows of pixels. (N, side * side)"""
    sources = pixel_sources(acting, side)
    return lambda g, x: x[:, sources[g]]


def _drawn(lit: str, size: tuple[int, int], dx: int, dy: int) -> np.ndarray:
    """A figure; row by row. (256,)"""
    image, (height, width) = np.zeros((SIDE, SIDE)), size
    top, left = (SIDE - height) // 2 + dy, (SIDE - width) // 2 + dx
    middle, bottom, right = top + (height - THICK) // 2, top + height - THICK, left + width - THICK
    across, upper = slice(left, left + width), slice(top, top + height // 2)
    lower = slice(top + height // 2, top + height)
    for s in lit:
        if s in "adg":
            row = {"a": top, "g": middle, "d": bottom}[s]
            image[row : row + THICK, across] = 1.0
        else:
            column = right if s in "bc" else left
            image[upper if s in "bf" else lower, column : column + THICK] = 1.0
    return image.ravel()


def _read_after(acting: Group, g: int, lit: str) -> int:
    """The digit that a moved figure is; -1: none is so."""
    plane = np.round(acting.plane[g]).astype(int)
    if plane[0, 0] == 0:  # it lies
        return -1
    for flipped, pairs in ((plane[0, 0] < 0, "bfce"), (plane[1, 1] < 0, "adbcef")):
        if flipped:
            there = dict(zip(pairs[::2] + pairs[1::2], pairs[1::2] + pairs[::2], strict=True))
            lit = "".join(there.get(s, s) for s in lit)
    return next((d for d, other in enumerate(LIT) if set(other) == set(lit)), -1)


def _degrees(acting: Group) -> Degrees:
    pairs = [(d, _read_after(acting, g, LIT[d])) for d in range(10) for g in acting.elements[1:]]
    correct, extrinsic = (sum(found == d for d, found in pairs), sum(f < 0 for _, f in pairs))
    total = len(pairs)
    return Degrees(correct / total, 1.0 - (correct + extrinsic) / total, extrinsic / total)


def _floor(acting: Group) -> float:
    """Ten digits are equally likely, so of an orbit of k digits 1 - 1/k is lost."""
    orbits = [{_read_after(acting, g, lit) for g in acting.elements} - {-1} for lit in LIT]
    return float(np.mean([1.0 - 1.0 / len(orbit) for orbit in orbits]))
