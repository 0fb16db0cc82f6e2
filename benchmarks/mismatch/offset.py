"""Offset: a thing is moved towards its goal, and always somewhat to one side.

State x is the way from the thing to its goal, drawn from a sector of a ring; the action is a = x +
b, and some noise. The group C4 turns both. Without b that is correct; with it every element is
incorrect where the moved state occurs, and the floor depends on how much of the circle does.
"""

from __future__ import annotations

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known
from covary.symmetry.group import cyclic

NEAR, FAR = 0.2, 1.0
"""Radii of the ring."""
ROWS = ((0.0, 360.0), (0.3, 360.0), (0.3, 80.0), (0.3, 180.0))
"""Size of b and width of the sector (deg), of the four rows that an audit is held to."""


def offset(seed: int, n: int, size: float, width: float, noise: float = 0.02) -> Known:
    """Draw ways and actions.

    Args:
        seed: Of what is drawn.
        n: Rows.
        size: Of b, which points along x.
        width: Of the sector about direction 0: 360, 180 or at most 90 deg.
        noise: Standard deviation of what is added to each coordinate of an action; it is not part
            of the truth, nor of the floor.

    Raises:
        ValueError: The sector is of another width, whose degrees are not stated.
    """
    if width not in (360.0, 180.0) and not 0.0 < width <= 90.0:
        raise ValueError(f"a sector of {width:g} deg is not 360, 180 or at most 90")
    rng, group, b = np.random.default_rng(seed), cyclic(4), np.array([size, 0.0])
    half = np.radians(width) / 2.0
    direction, away = rng.uniform(-half, half, n), np.sqrt(rng.uniform(NEAR**2, FAR**2, n))
    x = away[:, None] * np.stack([np.cos(direction), np.sin(direction)], -1)

    def turned(g: int, x: np.ndarray) -> np.ndarray:
        return x @ group.plane[g].T

    # Of three turns two lead half of a half-plane into it again, and the half turn none.
    supported = {360.0: 1.0, 180.0: 1.0 / 3.0}.get(width, 0.0)
    wrong = supported if size else 0.0
    # What is moved back is b, turned: by four quarters, by two that are neighbours, or not at all.
    variance = {360.0: 1.0, 180.0: 0.5}.get(width, 0.0)
    return Known(
        name=f"offset {size:g}, sector of {width:g} deg",
        group=group,
        x=x,
        y=x + b + noise * rng.normal(size=(n, 2)),
        move=turned,
        answer=turned,
        degrees=Degrees(supported - wrong, wrong, 1.0 - supported),
        floor=variance * size**2,
        occurs=lambda x: np.abs(np.arctan2(x[:, 1], x[:, 0])) <= half + 1e-12,
        truth=lambda x: x + b,
        units=((0, 1),),
        value_units=((0, 1),),
    )
