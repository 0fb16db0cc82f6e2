"""Swiss roll: two spiral arms on two planes, and a group that exchanges the planes.

After Wang et al. (NeurIPS 2023), section 6.1, with the numbers of their published program (arms of
2.25 turns, the second one 3 rad behind, 16 rings). Inputs (x, y, z): z is the plane, 0 or 1; the
group exchanges the planes, and an invariant network cannot see z. In the first 16 c rings the arms
take turns, arm B in the even rings and arm A in the odd ones, each on both planes with the arm for
a label (correct); in the next 16 i there is arm A alone, on both planes, and the label is the plane
(incorrect); in the rest arm A lies on z = 0 and arm B on z = 1, with the arm for a label, and the
moved points never occur (extrinsic).
"""

from __future__ import annotations

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known, unmoved
from covary.symmetry.group import permutation_pair

RINGS = 16
RADIUS = 0.5
TURNS = 2.25
"""Of each arm, from the middle to its end."""
APART = 3.0
"""Angle from arm A to arm B, rad."""


def swiss_roll(seed: int, n: int, correct: float, incorrect: float) -> Known:
    """Draw points at any radius; half of them have either label.

    Args:
        seed: Of what is drawn.
        n: Points.
        correct: c, a multiple of 1/8, since the arms take turns.
        incorrect: i, a multiple of 1/16; the rest is extrinsic.

    Raises:
        ValueError: c and i are no such shares.
    """
    rings = [2 * round(RINGS * correct / 2), round(RINGS * incorrect)]
    if abs(RINGS * correct - rings[0]) + abs(RINGS * incorrect - rings[1]) > 1e-9:
        raise ValueError(f"c {correct:g} and i {incorrect:g} are no multiples of 1/8 and 1/{RINGS}")
    if min(rings) < 0 or sum(rings) > RINGS:
        raise ValueError(f"c {correct:g} and i {incorrect:g} are no shares of a whole")
    rng = np.random.default_rng(seed)
    radius, either = rng.uniform(0.0, RADIUS, n), rng.integers(0, 2, (2, n))
    ring = _ring(radius)

    def kind(ring: np.ndarray) -> np.ndarray:  # 0: correct, 1: incorrect, 2: extrinsic
        return (ring >= rings[0]).astype(int) + (ring >= sum(rings))

    arm = np.choose(kind(ring), [1 - ring % 2, 0, either[0]])
    z = np.where(kind(ring) == 2, arm, either[1])
    angle = 2.0 * np.pi * TURNS * radius / RADIUS + APART * arm
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], -1)

    def truth(x: np.ndarray) -> np.ndarray:
        ring = _ring(np.hypot(x[:, 0], x[:, 1]))
        return np.where(kind(ring) == 1, x[:, 2].astype(int), _arm(x))

    def occurs(x: np.ndarray) -> np.ndarray:
        outside = kind(_ring(np.hypot(x[:, 0], x[:, 1]))) == 2
        return ~outside | (x[:, 2].astype(int) == _arm(x))

    extrinsic = 1.0 - correct - incorrect
    return Known(
        name=f"swiss roll {correct:g}, {incorrect:g}, {extrinsic:g}",
        group=permutation_pair(),
        x=x,
        y=truth(x),
        move=exchanged,
        answer=unmoved,
        degrees=Degrees(correct, incorrect, extrinsic),
        floor=0.5 * incorrect,
        occurs=occurs,
        truth=truth,
        units=((0, 1),),
    )


def exchanged(g: int, x: np.ndarray) -> np.ndarray:
    """Points with their planes exchanged, or not. (N, 3)"""
    return np.column_stack([x[:, :2], np.where(g, 1.0 - x[:, 2], x[:, 2])])


def _ring(radius: np.ndarray) -> np.ndarray:
    return np.minimum((RINGS * radius / RADIUS).astype(int), RINGS - 1)


def _arm(x: np.ndarray) -> np.ndarray:
    """The arm whose angle at that radius is nearer."""
    radius = np.hypot(x[:, 0], x[:, 1])
    off = np.arctan2(x[:, 1], x[:, 0]) - 2.0 * np.pi * TURNS * radius / RADIUS
    return (np.cos(off - APART) > np.cos(off)).astype(int)
