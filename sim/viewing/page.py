"""The page in the browser: scene, plans, images, status, and what a person does in it."""

from __future__ import annotations

import html
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...nodes.parameter_services import Described
from .plan_paths import FAINT, Paths
from .scene import Scene, Shape
from .server import HOST, serve, stop

THIN = 0.002
"""Thickness of a plane as it is drawn, m."""
LOOK_FROM = (0.6, -0.8, 0.8)
"""Where a look begins, over the scene's extent; it goes to the origin."""
MOVED = 1e-6
"""What moves less is not sent again, m and parts of a quaternion."""


@dataclass(frozen=True)
class Input:
    """Something that a person did in the page. What it holds has not been looked at.

    Attributes:
        what: The button, or the kind of field.
        name: Which of several.
        value: What was put in.
    """

    what: str
    name: str = ""
    value: Any = None


@dataclass(frozen=True)
class Slider:
    """A number to set: name, value, range, and whether it is a whole one."""

    name: str
    value: float
    low: float
    high: float
    whole: bool
    hint: str = ""


def slider_of(described: Described) -> Slider:
    """A slider for a number that can be set: up to four times what it was when first seen."""
    value, whole = float(described.value), isinstance(described.value, int)
    high = max(4 * abs(value), 4.0 if whole else 1.0)
    low = -high if value < 0 else min(1.0, value) if whole else 0.0
    return Slider(described.name, value, low, high, whole, described.about)


class Page:
    """What is shown, and a queue of what a person did; all but `inputs` is for one thread.

    Args:
        port: Of loopback; the next free one if it is taken, 0 for any.
        title: Above the panel.
        wake: Called, from another thread, when something is in `inputs`.
        live: Whether there is a run to stop.

    Attributes:
        url: Where it is.
        inputs: What a person did, oldest first.
    """

    def __init__(
        self, port: int, title: str, wake: Callable[[], None] = lambda: None, live: bool = True
    ) -> None:
        self.inputs: queue.SimpleQueue[Input] = queue.SimpleQueue()
        self._wake = wake
        self.server = serve(port, title)
        self.url = f"http://{HOST}:{self.server.get_port()}"
        gui = self.server.gui
        self._status = gui.add_html("")
        self._said = ""
        if live:
            with gui.add_folder("run"):
                self.button("stop", "the safe action, until reset")
                self.button("reset", "commands are obeyed again")
        with gui.add_folder("draw"):
            self._plan = gui.add_checkbox("plan", True, hint="blue is cheap, red is dear")
            self._orbit = gui.add_checkbox("orbit", True, hint="the plan under the symmetry")
        self._folders: dict[str, Any] = {}
        self._images: dict[str, Any] = {}
        self.sliders: dict[str, Any] = {}
        self.bodies: dict[str, Any] = {}
        self._placed = np.zeros((0, 7))

    # The scene.

    def show_scene(self, scene: Scene) -> None:
        """Draw a scene's bodies, and nothing else any more."""
        self.server.scene.reset()
        self.server.scene.set_up_direction("+z")
        # Without a GPU shadows cost more than all the rest of a frame.
        self.server.scene.configure_default_lights(cast_shadow=False)
        place = tuple(scene.extent * share for share in LOOK_FROM)
        self.server.initial_camera.position = place
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self.bodies = {}
        for body, shapes in zip(scene.bodies, scene.shapes, strict=True):
            root = f"/scene/{body}"
            self.bodies[body] = self.server.scene.add_frame(root, show_axes=False)
            for shape in shapes:
                self._draw(f"{root}/{shape.name}", shape)
        self._placed = np.full((len(self.bodies), 7), np.nan)

    def move(self, positions: np.ndarray, orientations: np.ndarray) -> None:
        """Put the bodies where they are. (B, 3), (B, 4)"""
        poses = np.hstack([positions, orientations])
        if not np.isfinite(poses).all():
            return
        moved = ~(np.abs(poses - self._placed) <= MOVED).all(axis=1)
        with self.server.atomic():
            for handle, pose, changed in zip(self.bodies.values(), poses, moved, strict=True):
                if changed:
                    handle.position, handle.wxyz = pose[:3], pose[3:]
        self._placed[moved] = poses[moved]

    def _draw(self, name: str, shape: Shape) -> None:
        add, size = self.server.scene, shape.size
        look: dict[str, Any] = {
            "color": shape.colour,
            "opacity": None if shape.opacity >= 1 else shape.opacity,
        }
        place: dict[str, Any] = {"position": shape.position, "wxyz": shape.wxyz}
        if shape.kind == "box":
            add.add_box(name, dimensions=tuple(2 * size), **look, **place)
        elif shape.kind == "plane":
            add.add_frame(name, show_axes=False, **place)
            flat = (2 * size[0], 2 * size[1], THIN)
            below = (0.0, 0.0, -THIN / 2)
            add.add_box(f"{name}/sheet", dimensions=flat, position=below, **look)
        elif shape.kind == "sphere":
            add.add_icosphere(name, radius=size[0], **look, **place)
        elif shape.kind == "ellipsoid":
            add.add_icosphere(name, radius=1.0, scale=tuple(size), **look, **place)
        elif shape.kind == "cylinder":
            add.add_cylinder(name, radius=size[0], height=2 * size[1], **look, **place)
        elif shape.kind == "capsule":
            add.add_frame(name, show_axes=False, **place)
            add.add_cylinder(f"{name}/shaft", radius=size[0], height=2 * size[1], **look)
            for end, z in (("top", size[1]), ("bottom", -size[1])):
                add.add_icosphere(f"{name}/{end}", radius=size[0], position=(0, 0, z), **look)
        else:
            add.add_mesh_simple(name, shape.vertices, shape.faces, **look, **place)

    # Plans.

    @property
    def wants_paths(self) -> bool:
        """Whether anyone would see a plan."""
        return bool(self._plan.value or self._orbit.value)

    def show_paths(self, paths: Paths | None) -> None:
        """Draw a plan's paths, or none."""
        drawn = paths if paths is not None else Paths(*[np.zeros((0, 2, 3))] * 3)
        self._lines("/plan", drawn.points if self._plan.value else drawn.points[:0], drawn.colours)
        copies = drawn.copies if self._orbit.value else drawn.copies[:0]
        self._lines("/orbit", copies, np.array(FAINT), 1.0)

    def _lines(
        self, name: str, points: np.ndarray, colours: np.ndarray, thickness: float = 4.0
    ) -> None:
        if not len(points):
            self.server.scene.remove_by_name(name)
            return
        if colours.ndim == 3:
            colours = colours[: len(points)]
        self.server.scene.add_line_segments(
            name,
            points.astype(np.float32),
            colours.astype(np.uint8),
            thickness=thickness,
            thickness_units="screen",
        )

    # The panel.

    def button(self, name: str, hint: str) -> Any:
        """A button; a click is an `Input` of its name."""
        handle = self.server.gui.add_button(name, hint=hint)

        @handle.on_click
        async def _(event: Any) -> None:
            self.put(Input(name))

        return handle

    def put(self, given: Input) -> None:
        """Note what a person did."""
        self.inputs.put(given)
        self._wake()

    def taken(self) -> list[Input]:
        """What a person has done since; of several moves of one slider the last."""
        found: list[Input] = []
        while True:
            try:
                given = self.inputs.get_nowait()
            except queue.Empty:
                return found
            if found and (found[-1].what, found[-1].name) == (given.what, given.name):
                found.pop()
            found.append(given)

    def say(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show the status: names and values."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}&nbsp;</td><td>{html.escape(value)}</td></tr>"
            for name, value in lines
        )
        if rows != self._said:
            self._said = rows
            self._status.content = f'<table style="margin:0.6em;font-size:0.9em">{rows}</table>'

    def show_image(self, name: str, pixels: np.ndarray) -> None:
        """Show an image (H, W, 3) in the panel."""
        if name not in self._images:
            with self._folder("cameras"):
                self._images[name] = self.server.gui.add_image(pixels, label=name)
        else:
            self._images[name].image = pixels

    def show_sliders(self, sliders: Sequence[Slider]) -> None:
        """Offer numbers to set; a move is an `Input` ("parameter", name, value)."""
        for slider in sliders:
            step = 1 if slider.whole else (slider.high - slider.low) / 200
            kind = int if slider.whole else float
            with self._folder("planner"):
                handle = self.server.gui.add_slider(
                    slider.name,
                    min=kind(slider.low),
                    max=kind(slider.high),
                    step=kind(step),
                    initial_value=kind(slider.value),
                    hint=slider.hint or None,
                )
            self.sliders[slider.name] = handle

            @handle.on_update
            async def _(event: Any, name: str = slider.name) -> None:
                if event.client is not None:  # a person, not `set_slider`
                    self.put(Input("parameter", name, event.target.value))

    def set_slider(self, name: str, value: float) -> None:
        """Show the value that a parameter really has."""
        handle = self.sliders[name]
        if handle.value != value:
            kind = type(handle.value)
            handle.min, handle.max = kind(min(handle.min, value)), kind(max(handle.max, value))
            handle.value = kind(value)

    @property
    def watched(self) -> bool:
        """Whether anybody has it open."""
        return bool(self.server.get_clients())

    def tell(self, title: str, text: str) -> None:
        """Show everyone who looks at the page a note for some seconds."""
        for client in self.server.get_clients().values():
            client.add_notification(title, text, auto_close_seconds=8.0, color="red")

    def _folder(self, name: str) -> Any:
        if name not in self._folders:
            self._folders[name] = self.server.gui.add_folder(name)
        return self._folders[name]

    def close(self) -> None:
        """End the server."""
        stop(self.server)
