"""What leaves points in place: the stabilisers that decide how few numbers a model needs there.

Of a finite group `Symmetry.stabiliser` finds the elements. Of the continuous ones it is known: what
leaves k independent vectors of R^d in place moves the d - k dimensions across them, by SO(d - k) or
O(d - k). A map that commutes with some matrices commutes with all products of them and their
limits, so a rotation by one radian, which is no part of a turn, stands for all about its axis.
"""

from __future__ import annotations

import difflib

import numpy as np

from ..declaration import Space, Symmetry
from ..group import GroupError
from ..motion import CONTINUOUS, Motion, check_continuous, mirrors, shifts, spatial, under
from ..part import (
    Angle,
    Part,
    Pose,
    Position,
    Pseudoscalar,
    Pseudovector,
    Quaternion,
    Scalar,
    Vector,
    Vector3,
)

ANGLE = 1.0
"""rad"""
_SMALL = 1e-9


def stabiliser(word: str, vectors: np.ndarray) -> list[Motion]:
    """Motions whose products come as near as one likes to each that leaves vectors in place.

    Args:
        word: SO2, O2, SO3 or O3; those of the plane leave the vertical where it is.
        vectors: (k, 3); of SO2 and O2 only x and y count. Vectors, not pseudovectors.

    Returns:
        None if only the identity leaves them.

    Raises:
        GroupError: Another word.
    """
    _check(word)
    d = 3 if spatial(word) else 2
    kept = np.asarray(vectors, float).reshape(-1, 3)[:, :d]
    _, sizes, rows = np.linalg.svd(kept, full_matrices=True)
    rank = int(np.sum(sizes > _SMALL * max(1.0, float(sizes.max(initial=0.0)))))
    across = rows[rank:]  # an orthonormal basis of what may move
    found = []
    for i in range(len(across) - 1):
        found.append(_rotation(across[i], across[i + 1]))
    if mirrors(word) and len(across):
        found.append(np.eye(d) - 2.0 * np.outer(across[-1], across[-1]))
    return [_motion(matrix) for matrix in found]


def fixing(symmetry: Symmetry, word: str, state: np.ndarray, action: np.ndarray) -> list[Motion]:
    """`stabiliser` of a point of a declaration, by the vectors, places and directions in it.

    Args:
        symmetry: A sample of the continuous group or of a larger one.
        word: SO2, O2, SO3 or O3.
        state: (n,)
        action: (m,)

    Raises:
        GroupError: Another word, or a part that no vectors tell.
        SymmetryError: The parts go with the finite group only.
    """
    _check(word)
    check_continuous(symmetry, word)
    vectors = [np.zeros((0, 3))]
    spaces: tuple[tuple[Space, np.ndarray], ...] = (("state", state), ("action", action))
    for space, whole in spaces:
        for name, here in symmetry.slices(space).items():
            vectors.append(_vectors(name, getattr(symmetry, space)[name], whole[here], word))
    found = stabiliser(word, np.concatenate(vectors))
    acting = under(symmetry, found)
    kept = acting.stabiliser(state=state, action=action)  # a sign that changes drops mirrors
    return [found[g - 1] for g in kept if g]


def _vectors(name: str, part: Part, values: np.ndarray, word: str) -> np.ndarray:
    """The vectors that stay in place where, and only where, a part's values do. (k, 3)"""
    flat: np.ndarray | None = None
    match part:
        case Scalar() | Pseudoscalar():
            return np.zeros((0, 3))
        case Vector3():
            return values.reshape(-1, 3)
        case Vector():
            flat = values.reshape(-1, 2)
        case Position():
            flat = (values - part.centre)[None]
        case Pose():
            heading = np.array([np.cos(values[2]), np.sin(values[2])])
            flat = np.stack([values[:2] - part.centre, heading])
        case Angle():
            flat = np.stack([np.cos(values), np.sin(values)], axis=1)
        case Pseudovector() if not mirrors(word) or not values.any():
            return values.reshape(-1, 3)
        case Quaternion() if not mirrors(word) or not values.reshape(-1, 4)[:, 1:].any():
            return values.reshape(-1, 4)[:, 1:]
    if flat is None:
        said = f"the {type(part).__name__} {name!r} is there"
        raise GroupError(f"what of {word} leaves this point in place is not known: {said}")
    return np.hstack([flat, np.zeros((len(flat), 1))])


def aligning(word: str, start: np.ndarray, end: np.ndarray) -> Motion:
    """A rotation that sends one vector to another of the same length, the short way. (3,), (3,)

    Raises:
        GroupError: Another word, or vectors of which no rotation sends one to the other.
    """
    _check(word)
    d = 3 if spatial(word) else 2
    a, b = np.asarray(start, float), np.asarray(end, float)
    lengths = np.linalg.norm(a[:d]), np.linalg.norm(b[:d])
    off = max(abs(lengths[0] - lengths[1]), np.abs(a[d:] - b[d:]).max(initial=0.0))
    if off > 1e-6 * (1.0 + lengths[0]):
        raise GroupError(f"no element of {word} sends {a.round(6)} to {b.round(6)}")
    if lengths[0] < _SMALL:
        return _motion(np.eye(d))
    a, b = a[:d] / lengths[0], b[:d] / lengths[1]
    if a @ b > -1.0 + _SMALL:  # in the plane of both
        return _motion(_short_way(a, b))
    beside = np.eye(d)[np.argmin(np.abs(a))]
    beside = beside - (beside @ a) * a
    half = beside / np.linalg.norm(beside)  # half a turn in the plane of a and this
    return _motion(np.eye(d) - 2.0 * (np.outer(a, a) + np.outer(half, half)))


def _short_way(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation in the plane of two unit vectors that are not opposite. (d, d)"""
    both = a + b
    reflected = np.eye(len(a)) - np.outer(both, both) / (1.0 + a @ b)
    return reflected @ (np.eye(len(a)) - 2.0 * np.outer(a, a))


def _rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """By `ANGLE` in the plane of two orthonormal vectors. (d, d)"""
    flat = np.outer(a, a) + np.outer(b, b)
    turn = np.outer(b, a) - np.outer(a, b)
    return np.eye(len(a)) + (np.cos(ANGLE) - 1.0) * flat + np.sin(ANGLE) * turn


def _motion(matrix: np.ndarray) -> Motion:
    space = np.eye(3)
    space[: len(matrix), : len(matrix)] = matrix
    return Motion(space, np.zeros(3))


def _check(word: str) -> None:
    known = [w for w in CONTINUOUS if not shifts(w)]
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise GroupError(f"{word!r} is none of {', '.join(known)}{hint}")
