"""What a person demonstrates with in the page: a gizmo at the gripper, fields, and buttons."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np

from .hand import HIGHEST, LOWEST, REACH, Hand, yaw_of
from .page import Input, Page

GIZMO, RING = "/target", "/target_yaw"
"""Names in the scene of the arrows, and of the arc that turns the gripper."""
SIZE, RING_SIZE = 0.12, 0.22
"""Their sizes, m: the arc lies beyond the arrows, so that neither is taken for the other."""
EPISODE_BUTTONS = {
    "start": "begin an episode",
    "success": "end the episode and keep its recording",
    "discard": "end the episode and mark its recording as aborted",
}
"""What begins and ends an episode."""


class HandControls:
    """Shows a hand's target in a page, and takes a person's changes to it.

    Args:
        page: Where.
        hand: Whose target it is.
    """

    def __init__(self, page: Page, hand: Hand) -> None:
        self.page, self.hand = page, hand
        self.shown: tuple[Any, ...] = ()
        gui = page.server.gui
        with gui.add_folder("demonstrate", order=-1):
            self._said = gui.add_html("")
            for name, hint in EPISODE_BUTTONS.items():
                page.button(name, hint)
            self._gripper = gui.add_button("close gripper", hint="opens and closes the fingers")
            reach = (REACH, REACH, HIGHEST)
            self._position = gui.add_vector3(
                "target",
                (0.0, 0.0, 0.0),
                min=(-REACH, -REACH, LOWEST),
                max=reach,
                step=0.005,
                hint="x, y and height of the gripper, m",
            )
            self._yaw = gui.add_number("yaw", 0.0, step=0.05, hint="of the gripper, rad")

        @self._gripper.on_click
        async def _(event: Any) -> None:
            page.put(Input("gripper"))

        @self._position.on_update
        async def _(event: Any) -> None:
            if event.client is not None:
                page.put(Input("target", "position", event.target.value))

        @self._yaw.on_update
        async def _(event: Any) -> None:
            if event.client is not None:
                page.put(Input("target", "yaw", event.target.value))

        self.draw()
        self.say("press start")

    def draw(self) -> None:
        """Put the gizmo into the scene, which may have been built anew."""
        add = self.page.server.scene.add_transform_controls
        self._gizmo = add(GIZMO, scale=SIZE, disable_rotations=True, depth_test=False)
        # A gripper that points down turns about the vertical only.
        flat = {"active_axes": (True, True, False), "disable_axes": True, "disable_sliders": True}
        self._ring = add(RING, scale=RING_SIZE, depth_test=False, **flat)
        self.shown = ()

        @self._gizmo.on_update
        async def _(event: Any) -> None:
            if event.phase == "update":
                self.page.put(Input("target", "position", tuple(event.target.position)))

        @self._ring.on_update
        async def _(event: Any) -> None:
            if event.phase == "update":
                self.page.put(Input("target", "yaw", yaw_of(event.target.wxyz)))

    def obey(self, given: Input) -> None:
        """Take a change of the target, or of the fingers.

        Raises:
            ValueError: A target that is none.
        """
        hand = self.hand
        if given.what == "gripper":
            hand.closed = not hand.closed
        elif given.name == "position":
            hand.aim(np.array(given.value, float), hand.yaw)
        else:
            hand.aim(hand.position, float(given.value))

    def show(self) -> None:
        """Bring gizmo and fields to the target, where they are not there already."""
        hand = self.hand
        now = (*(round(float(v), 4) for v in (*hand.position, hand.yaw)), hand.closed)
        if now == self.shown or not hand.ready:
            return
        self.shown = now
        half = 0.5 * hand.yaw
        for handle in (self._gizmo, self._ring):
            handle.position = tuple(float(v) for v in hand.position)
            handle.wxyz = (math.cos(half), 0.0, 0.0, math.sin(half))
        self._position.value = now[:3]
        self._yaw.value = now[3]
        self._gripper.label = "open gripper" if hand.closed else "close gripper"

    def say(self, text: str) -> None:
        """Say what has become of an episode, or what to do."""
        self._said.content = f'<div style="margin:0.6em">{html.escape(text)}</div>'
