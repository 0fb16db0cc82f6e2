"""The parallel gripper that every tabletop robot carries: two fingers on slides, as MJCF."""

from __future__ import annotations

MAX_OPENING = 0.08
"""Between the pads, m."""
FINGER_RATE = 0.1
"""Largest rate of one finger, m/s; the gripper opens and closes twice as fast."""
STIFFNESS = 280.0
"""Of a finger's position servo, N/m: closed on a block of 40 mm it presses with 5.6 N."""
MAX_FORCE = 20.0
"""Of one finger, N."""
FRICTION = 0.5
"""Of the pads on whatever they hold; by priority it is the contact's own."""
TOOL_HEIGHT = 0.012
"""Of the site `tool` above the finger tips, m."""
HAND_HEIGHT = 0.10
"""Of the hand's frame (a robot's flange) above the site `tool`, m."""
HALF_FINGER = (0.010, 0.006, 0.030)
"""Half sizes of a finger, m."""

JOINTS = ("finger_left", "finger_right")


def hand(indent: str = "      ") -> str:
    """The hand and its fingers as child bodies of a flange whose z axis points down.

    The flange's own axes are x ahead, y to the right and z down, so that yaw 0 is x along x.
    """
    hx, hy, hz = HALF_FINGER
    centre = HAND_HEIGHT + TOOL_HEIGHT - hz  # of a finger, down from the flange
    lines = [
        '<body name="hand" gravcomp="1">',
        '  <inertial pos="0 0 0.035" mass="0.6" diaginertia="8e-4 4e-4 8e-4"/>',
        '  <geom name="palm" type="box" pos="0 0 0.03" size="0.022 0.075 0.022" '
        'material="metal" mass="0"/>',
        f'  <site name="tool" pos="0 0 {HAND_HEIGHT}" size="0.004" rgba="1 0 0 0"/>',
    ]
    for name, side in zip(JOINTS, (-1, 1), strict=True):
        lines += [
            f'  <body name="{name}" pos="0 0 {centre:g}" gravcomp="1">',
            f'    <joint name="{name}" type="slide" axis="0 {side} 0" '
            f'range="0 {MAX_OPENING / 2:g}" damping="4" armature="0.05"/>',
            f'    <geom name="{name}" type="box" pos="0 {side * hy:g} 0" '
            f'size="{hx:g} {hy:g} {hz:g}" '
            f'mass="0.05" material="rubber" friction="{FRICTION} 0.01 0.0001" priority="1" '
            'solimp="0.95 0.99 0.001" solref="0.01 1" condim="4"/>',
            "  </body>",
        ]
    lines.append("</body>")
    return "\n".join(indent + line for line in lines)


def actuators(indent: str = "    ") -> str:
    """One integrating velocity actuator a finger; held below zero it presses on what it holds."""
    return "\n".join(
        f'{indent}<intvelocity name="{name}" joint="{name}" kp="{STIFFNESS:g}" kv="20" '
        f'ctrlrange="-{FINGER_RATE} {FINGER_RATE}" actrange="0 {MAX_OPENING / 2:g}" '
        f'forcerange="-{MAX_FORCE:g} {MAX_FORCE:g}"/>'
        for name in JOINTS
    )
