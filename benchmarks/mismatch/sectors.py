"""Sectors: a linear policy on a plane that is cut into sectors, some empty, some turned.

The family is our own. States x are uniform in a ring of the plane; the group C_n turns them from
one of n sectors into the next. The action is a = -K x, K a scaled turn, so that it commutes with
every turn; in a turned sector it is moreover turned by an angle. A sector may be empty. So a pair
(x, g) is known from the two sectors that g joins.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known
from covary.symmetry.group import cyclic

Sector = Literal["plain", "turned", "empty"]
NEAR, FAR = 0.3, 1.0
"""Radii of the ring."""
GAIN, LEAN = 1.5, 0.4
"""K turns by `LEAN` rad and scales by `GAIN`."""


def sectors(
    seed: int, n: int, kinds: tuple[Sector, ...], angle: float = 1.0, noise: float = 0.0
) -> Known:
    """Draw states of the sectors that are not empty, and their actions.

    With p the turned share of the sectors that occur, the floor is
    p (1 - p) (2 - 2 cos angle) GAIN^2 E|x|^2: the variance of what is moved back.

    Args:
        seed: Of states and noise.
        n: States.
        kinds: Of the sectors, counterclockwise from direction 0; as many as the group has turns.
        angle: By which turned sectors turn the action, rad.
        noise: Standard deviation of what is added to each coordinate of an action; it is not part
            of the truth, nor of the floor.

    Raises:
        ValueError: All sectors are empty.
    """
    rng, group = np.random.default_rng(seed), cyclic(len(kinds))
    present = np.flatnonzero([kind != "empty" for kind in kinds])
    is_turned = np.array([kind == "turned" for kind in kinds])
    if not len(present):
        raise ValueError("all sectors are empty")
    width = 2.0 * np.pi / len(kinds)
    direction = width * (rng.choice(present, n) + rng.uniform(size=n))
    radius = np.sqrt(rng.uniform(NEAR**2, FAR**2, n))
    x = radius[:, None] * np.stack([np.cos(direction), np.sin(direction)], -1)

    def sector(x: np.ndarray) -> np.ndarray:
        around = np.arctan2(x[:, 1], x[:, 0]) % (2.0 * np.pi)
        return np.minimum((around / width).astype(int), len(kinds) - 1)

    def truth(x: np.ndarray) -> np.ndarray:
        by = LEAN + angle * is_turned[sector(x)]
        c, s = np.cos(by), np.sin(by)
        return -GAIN * np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], -1)

    def turned(g: int, x: np.ndarray) -> np.ndarray:
        return x @ group.plane[g].T

    return Known(
        name="sectors " + "".join(kind[0] for kind in kinds) + f" by {angle:g} rad",
        group=group,
        x=x,
        y=truth(x) + noise * rng.normal(size=(n, 2)),
        move=turned,
        answer=turned,
        degrees=_degrees(kinds),
        floor=_floor(is_turned[present], angle),
        occurs=lambda x: np.isin(sector(x), present),
        truth=truth,
        units=((0, 1),),
        value_units=((0, 1),),
    )


def _degrees(kinds: tuple[Sector, ...]) -> Degrees:
    """Of the ordered pairs of different sectors, the first of which is not empty."""
    pairs = [
        (here, there)
        for j, here in enumerate(kinds)
        for k, there in enumerate(kinds)
        if j != k and here != "empty"
    ]
    extrinsic = sum(there == "empty" for _, there in pairs)
    correct = sum(here == there for here, there in pairs)
    total = max(len(pairs), 1)
    return Degrees(correct / total, 1.0 - (correct + extrinsic) / total, extrinsic / total)


def _floor(is_turned: np.ndarray, angle: float) -> float:
    p, square = float(is_turned.mean()), 0.5 * (NEAR**2 + FAR**2)
    return p * (1.0 - p) * (2.0 - 2.0 * np.cos(angle)) * GAIN**2 * square
