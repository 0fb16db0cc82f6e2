"""Words for parts, as files and command lines say them: ``vector``, ``pose``, ``scalar(3)``."""

from __future__ import annotations

import difflib
import re

from .declaration import SymmetryError
from .part import (
    Angle,
    Part,
    Point3,
    Pose,
    Position,
    Pseudoscalar,
    Pseudovector,
    Quaternion,
    Regular,
    Scalar,
    Vector,
    Vector3,
)

MOST = 64
"""Largest number in brackets."""
_SIZED = {
    kind.__name__.lower(): kind
    for kind in (
        *(Scalar, Pseudoscalar, Vector, Vector3, Point3, Pseudovector, Quaternion, Regular),
        Angle,
    )
}
_CENTRED = {"position": Position, "pose": Pose}
_WIDTHS = {"vector": 2, "position": 2, "vector3": 3, "point3": 3, "pseudovector": 3, "pose": 3}
_WIDTHS |= {"quaternion": 4}


def part_of(word: str, centre: tuple[float, float] = (0.0, 0.0)) -> Part:
    """The part that a word names.

    Args:
        word: Such as ``vector``; all but ``position`` and ``pose`` take a number: ``scalar(3)``.
        centre: About which a position or a pose is moved, m.

    Raises:
        SymmetryError: There is no such part; the message names the nearest word.
    """
    found = re.fullmatch(r"([a-z]+3?)(?:\((\d{1,4})\))?", word.strip())
    name, size = (found[1], int(found[2] or 1)) if found else (word, 1)
    if name in _CENTRED and not (found and found[2]):
        return _CENTRED[name](centre)
    if name not in _SIZED:
        raise SymmetryError(f"{word!r} is no part{_nearest(name)}")
    if not 1 <= size <= MOST:
        raise SymmetryError(f"{word!r}: a part has 1 to {MOST} entries")
    return _SIZED[name](size)


def word_of(part: Part) -> str:
    """The word that names a part; the centre of a position or a pose is not in it.

    Raises:
        SymmetryError: It is of a kind that has no word, or has too many entries.
    """
    name = type(part).__name__.lower()
    if type(part) is _CENTRED.get(name):
        return name
    size = getattr(part, "size", 0)
    if type(part) is not _SIZED.get(name) or size > MOST:
        raise SymmetryError(f"no word names the part {part!r}")
    return name if size == 1 else f"{name}({size})"


def width_of(part: Part, order: int) -> int:
    """Number of coordinates of a part that has a word, under a group of that order."""
    name = type(part).__name__.lower()
    each = order if name == "regular" else _WIDTHS.get(name, 1)
    return each * getattr(part, "size", 1)


def _nearest(word: str) -> str:
    known = (*_SIZED, *_CENTRED)
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
