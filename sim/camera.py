"""`TopCamera`: what a camera above the table sees: colours, depth and its own geometry."""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import importlib
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np

from .plant import Plant

NAME = "top"
"""The camera's name in the model."""

_open: weakref.WeakSet[TopCamera] = weakref.WeakSet()


class CameraError(RuntimeError):
    """Nothing can be rendered; one line that says what to do."""


class TopCamera:
    """The camera ``top`` of a plant's model, drawn by MuJoCo without shadows and reflections.

    It is a perspective camera given by its `fovy`, with square pixels. Close it when done.

    Args:
        plant: What it looks at: always the plant's present state.
        width: Pixels.
        height: Pixels.

    Raises:
        CameraError: No GL library, or the model has no such camera.
    """

    def __init__(self, plant: Plant, width: int, height: int) -> None:
        self._renderer: mujoco.Renderer | None = None
        self.plant = plant
        self.width, self.height = int(width), int(height)
        if self.width < 1 or self.height < 1:
            raise ValueError(f"an image of {width} x {height} pixels")
        self._id = int(mujoco.mj_name2id(plant.model, mujoco.mjtObj.mjOBJ_CAMERA, NAME))
        if self._id < 0:
            raise CameraError(f"{plant.task.mjcf} has no camera called {NAME!r}")
        self._renderer = _renderer(plant.model, self.width, self.height)
        # The shadow pass alone takes twenty times as long as all the rest of a software renderer.
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0
        if not _open:
            # After the context, and so before GL's own exit handlers.
            atexit.unregister(_close_all)
            atexit.register(_close_all)
        _open.add(self)

    def rgb(self) -> np.ndarray:
        """The image, row 0 at the top: there y is largest. (height, width, 3) uint8"""
        return self._drawn()

    def depth(self) -> np.ndarray:
        """Distance from the camera's plane, along its axis, m. (height, width) float32"""
        renderer = self._alive()
        renderer.enable_depth_rendering()
        try:
            return self._drawn()
        finally:
            renderer.disable_depth_rendering()

    def intrinsics(self) -> np.ndarray:
        """The camera matrix K, pixels; (0, 0) is the centre of the top left pixel. (3, 3)"""
        fovy = np.deg2rad(self.plant.model.cam_fovy[self._id])
        focal = self.height / 2 / np.tan(fovy / 2)
        cx, cy = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]])

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Where it is (m), and its axes in the world: right, down, ahead. (3,), (3, 3)"""
        position = self.plant.data.cam_xpos[self._id].copy()
        axes = self.plant.data.cam_xmat[self._id].reshape(3, 3)
        return position, axes * [1.0, -1.0, -1.0]  # MuJoCo's cameras: y up, looking along -z

    def close(self) -> None:
        """Free the GL context. Afterwards nothing can be drawn; closing again does no harm."""
        renderer, self._renderer = self._renderer, None
        _open.discard(self)
        if renderer is None:
            return
        # MuJoCo frees its textures and buffers in whatever context is current: let it be their own,
        # or a camera that closes takes the buffers of another.
        if renderer._gl_context is not None and renderer._mjr_context is not None:
            renderer._gl_context.make_current()
            renderer._mjr_context.free()
        renderer.close()

    def __enter__(self) -> TopCamera:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _alive(self) -> mujoco.Renderer:
        if self._renderer is None:
            raise CameraError("the camera is closed")
        return self._renderer

    def _drawn(self) -> np.ndarray:
        renderer = self._alive()
        renderer.update_scene(self.plant.data, self._id)
        return renderer.render()


def backend() -> str:
    """The GL that would be used: MUJOCO_GL if set, else ``egl``, else ``osmesa``.

    Raises:
        CameraError: There is none. (Elsewhere than on Linux the window system has one.)
    """
    chosen = os.environ.get("MUJOCO_GL", "").lower().strip()
    if chosen in ("disable", "disabled", "off", "false", "0"):
        raise CameraError(f"MUJOCO_GL={chosen} forbids rendering: unset it (see covary doctor)")
    if sys.platform != "linux":
        return "native"
    if chosen:
        return chosen if chosen in ("egl", "osmesa") else "native"
    if _egl_works():
        return "egl"
    if ctypes.util.find_library("OSMesa"):
        return "osmesa"
    raise CameraError(
        "no GL library to render with: apt install libegl1 (or libosmesa6); see covary doctor"
    )


def _context_class(name: str) -> Any:
    """MuJoCo's GL context of a backend. MuJoCo itself chooses but once, when it is imported."""
    if name == "native":
        from mujoco.rendering.classic import gl_context

        return gl_context.GLContext
    return importlib.import_module(f"mujoco.{name}").GLContext


def _renderer(model: mujoco.MjModel, width: int, height: int) -> mujoco.Renderer:
    """MuJoCo's renderer on the GL that is there."""
    name = backend()
    try:
        with _prepared(model, width, height, _context_class(name)):
            return mujoco.Renderer(model, height, width)
    except Exception as error:  # PyOpenGL raises whatever it stumbles over
        reason = str(error).strip().splitlines()
        raise CameraError(
            f"GL by {name} does not work ({reason[0] if reason else type(error).__name__}): "
            "apt install libegl1 (or libosmesa6 and export MUJOCO_GL=osmesa); see covary doctor"
        ) from error


@contextmanager
def _prepared(model: mujoco.MjModel, width: int, height: int, context: Any) -> Iterator[None]:
    """What MuJoCo reads while it makes a renderer: the GL context's class and the frame buffer."""
    from mujoco.rendering.classic import gl_context

    before = getattr(gl_context, "GLContext", None)
    buffer, quality = model.vis.global_, model.vis.quality
    kept = buffer.offwidth, buffer.offheight, quality.offsamples
    gl_context.GLContext = context
    buffer.offwidth, buffer.offheight = width, height
    quality.offsamples = 0
    try:
        yield
    finally:
        gl_context.GLContext = before
        buffer.offwidth, buffer.offheight, quality.offsamples = kept


def _egl_works() -> bool:
    """Whether libEGL is there and has a device that it can start.

    Asked of the library itself: PyOpenGL settles on one platform for good when it is imported, so
    trying EGL there would bar the way to OSMesa.
    """
    path = ctypes.util.find_library("EGL")
    if path is None:
        return False
    pointer = ctypes.c_void_p
    try:
        egl = ctypes.CDLL(path)
        egl.eglGetProcAddress.restype = pointer
        query_at = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
        display_at = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    except (OSError, AttributeError):
        return False
    if not query_at or not display_at:
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, pointer, pointer)(query_at)
    display_of = ctypes.CFUNCTYPE(pointer, ctypes.c_uint, pointer, pointer)(display_at)
    devices, count = (pointer * 16)(), ctypes.c_int()
    if not query(16, devices, ctypes.byref(count)):
        return False
    for device in devices[: count.value]:
        display = display_of(0x313F, device, None)  # EGL_PLATFORM_DEVICE_EXT
        if display and egl.eglInitialize(pointer(display), None, None):
            return True  # left open: MuJoCo opens the same one, and closes it at exit
    return False


def _close_all() -> None:
    """Free what is still open while GL is still there to free it."""
    for camera in list(_open):
        camera.close()
