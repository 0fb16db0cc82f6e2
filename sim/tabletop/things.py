"""The things on the table, each free to move: blocks, a bowl, a drawer, a peg and its hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TABLE = 'friction="0.5 0.005 0.0001"'
"""Friction on the table, and of things with each other; on the pads the pads' own counts."""
_WALLS = 8  # of a bowl


@dataclass(frozen=True)
class Thing:
    """A body that rests on the table, moved by contact and gravity alone.

    Attributes:
        name: Its body's name, and the prefix of its coordinates.
        rest: Height of its frame when it stands on the table, m.
        radius: Of a disc about its frame that holds it, m; two things start with discs apart.
        inner: MJCF of its body's inside.
        slide: Name of a drawer's joint inside it, if it has one.
    """

    name: str
    rest: float
    radius: float
    inner: str
    slide: str = ""

    def body(self) -> str:
        """Its MJCF body, anywhere: a reset puts it in its place."""
        return (
            f'    <body name="{self.name}" pos="0 0 {self.rest:.9g}">\n'
            f'      <freejoint name="{self.name}"/>\n{self.inner}    </body>\n'
        )


def _box(
    half: tuple[float, ...], mass: float, look: str, pos: str = "0 0 0", name: str = ""
) -> str:
    size = " ".join(f"{h:.9g}" for h in half)
    named = f'name="{name}" ' if name else ""
    where = f'{named}type="box" pos="{pos}" size="{size}"'
    return f'      <geom {where} mass="{mass:.9g}" {look} {_TABLE}/>\n'


def block(
    name: str,
    half: tuple[float, float, float] = (0.02, 0.02, 0.02),
    mass: float = 0.3,
    rgba: str = "0.80 0.45 0.20 1",
) -> Thing:
    """A block of half sizes `half` (m) and a mass (kg)."""
    look = f'rgba="{rgba}"'
    return Thing(
        name, half[2], float(np.hypot(half[0], half[1])), _box(half, mass, look, name=name)
    )


BOWL_RADIUS = 0.055
"""Of the inside of a bowl, m."""
BOWL_FLOOR, BOWL_WALL, BOWL_HEIGHT = 0.004, 0.004, 0.035
"""How thick its floor and its wall are, and how high it is, m."""


def bowl(name: str) -> Thing:
    """An eight-sided bowl, 110 mm wide inside and 35 mm high; its frame is on the table."""
    look = 'rgba="0.30 0.50 0.70 1"'
    side, top = 1.008 * BOWL_RADIUS, BOWL_FLOOR
    # It stands on the middle one alone: a contact more is time lost, and tells nothing.
    parts = [_box((0.76 * side, 0.76 * side, top / 2), 0.06, look, f"0 0 {top / 2}")]
    low = 0.001
    for half_x, half_y in ((side, 0.42 * side), (0.42 * side, side)):
        flat = (half_x, half_y, (top - low) / 2)
        parts.append(_box(flat, 0.06, look, f"0 0 {(top + low) / 2}"))
    half = (BOWL_RADIUS + BOWL_WALL) * np.tan(np.pi / _WALLS)
    for k in range(_WALLS):
        angle = 2.0 * np.pi * k / _WALLS
        away = BOWL_RADIUS + BOWL_WALL / 2
        pos = f"{away * np.cos(angle):.9g} {away * np.sin(angle):.9g} {(BOWL_HEIGHT + low) / 2}"
        wall = _box((BOWL_WALL / 2, half, (BOWL_HEIGHT - low) / 2), 0.04, look, pos)
        parts.append(wall.replace("<geom ", f'<geom euler="0 0 {angle:.9g}" '))
    return Thing(name, 0.0, (BOWL_RADIUS + BOWL_WALL) / np.cos(np.pi / _WALLS), "".join(parts))


HANDLE_X, HANDLE_HEIGHT = 0.085, 0.035
"""Where a closed drawer's handle is ahead of its cabinet's frame, and above the table, m."""
BAR = 0.006
"""Half the handle's thickness, m."""
CABINET = (0.05, 0.06, 0.07)
"""Half a cabinet's length and width, and its height, m."""
DRAWER_TRAVEL = 0.08
"""How far a drawer comes out, m."""


def drawer(name: str) -> Thing:
    """A heavy cabinet with a drawer that slides out along its x, by a bar across its front."""
    look, dark = 'rgba="0.55 0.40 0.28 1"', 'rgba="0.25 0.25 0.28 1"'
    (half_x, half_y, high), wall = CABINET, 0.004
    parts = [
        _box((half_x, half_y, wall / 2), 3.0, look, f"0 0 {wall / 2}"),
        _box((half_x, half_y, wall / 2), 2.0, look, f"0 0 {high - wall / 2}"),
        _box((wall / 2, half_y, high / 2 - wall), 2.0, look, f"{-half_x + wall / 2} 0 {high / 2}"),
    ]
    for side in (-1, 1):
        pos = f"{wall / 2} {side * (half_y - wall / 2)} {high / 2}"
        parts.append(_box((half_x - wall / 2, wall / 2, high / 2 - wall), 2.0, look, pos))
    # The drawer is led by its joint: child and parent do not collide.
    inner = [
        f'      <body name="{name}_drawer" pos="0 0 {HANDLE_HEIGHT}">\n',
        f'        <joint name="{name}_slide" type="slide" axis="1 0 0" range="0 {DRAWER_TRAVEL}" '
        'damping="3" frictionloss="0.5"/>\n',
    ]
    for half, pos in (
        ((0.044, 0.052, 0.002), "0.003 0 -0.024"),
        ((0.002, 0.053, 0.026), "0.052 0 0"),
        ((0.002, 0.052, 0.016), "-0.039 0 -0.010"),
        ((0.044, 0.002, 0.016), "0.003 0.050 -0.010"),
        ((0.044, 0.002, 0.016), "0.003 -0.050 -0.010"),
        ((0.015, 0.005, 0.005), f"{HANDLE_X - 0.017} 0.035 0"),
        ((0.015, 0.005, 0.005), f"{HANDLE_X - 0.017} -0.035 0"),
    ):
        inner.append("  " + _box(half, 0.05, look, pos))
    bar = _box((BAR, 0.04, 0.008), 0.05, dark, f"{HANDLE_X} 0 0", f"{name}_handle")
    inner += ["  " + bar, "      </body>\n"]
    return Thing(name, 0.0, 0.10, "".join(parts + inner), f"{name}_slide")


PEG_HALF = (0.010, 0.010, 0.040)
"""Half sizes of a peg, m."""
HOLE_HALF = 0.013
"""Half the width of its square hole, m."""
HOLE_DEPTH = 0.04
HOLE_OUTER = 0.04
"""Half the width of the block that it is in, m."""


def peg(name: str) -> Thing:
    """A square peg, 20 mm wide and 80 mm high, that stands upright."""
    return block(name, PEG_HALF, 0.08, "0.75 0.25 0.25 1")


def hole(name: str) -> Thing:
    """A heavy block, 80 mm wide, with a square hole from its top down to the table."""
    look = 'rgba="0.35 0.38 0.42 1"'
    outer, z = HOLE_OUTER, HOLE_DEPTH / 2
    thick, middle = (outer - HOLE_HALF) / 2, (outer + HOLE_HALF) / 2
    parts = []
    for side in (-1, 1):
        parts.append(_box((thick, outer, z), 1.2, look, f"{side * middle:.9g} 0 {z}"))
        # These two hang between the others, clear of the table.
        parts.append(_box((HOLE_HALF, thick, z - 0.0005), 0.8, look, f"0 {side * middle:.9g} {z}"))
    return Thing(name, 0.0, outer * 2**0.5, "".join(parts))
