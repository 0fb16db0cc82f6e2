"""`Camera`: what a pinhole camera sees of a plant, colours and distances, drawn by MuJoCo."""

from __future__ import annotations

import atexit
import ctypes
import ctypes.util
import importlib
import math
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import mujoco
import numpy as np

from .camera_view import CameraView, triple
from .plant import Plant

NAME = "top"
"""The camera's name in the model."""

_open: weakref.WeakSet[Camera] = weakref.WeakSet()


class CameraError(RuntimeError):
    """Nothing can be rendered; one line that says what to do."""


class Camera:
    """What a view shows of a plant, drawn by MuJoCo without shadows and reflections.

    Close it when done.

    Args:
        plant: What it looks at: always the plant's present state.
        view: Where it stands and how it sees. The model need not know of it.

    Raises:
        CameraError: There is no GL library to render with.
    """

    def __init__(self, plant: Plant, view: CameraView) -> None:
        self._renderer: mujoco.Renderer | None = None
        self.plant, self.view = plant, view
        self._axes = view.axes()
        self._renderer = _renderer(plant.model, view.width, view.height)
        # The shadow pass alone takes twenty times as long as all the rest of a software renderer.
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0
        self._aimed = mujoco.MjvCamera()
        self._aimed.type = mujoco.mjtCamera.mjCAMERA_USER
        self._aim(self._renderer.scene)
        if not _open:
            # After the context, and so before GL's own exit handlers.
            atexit.unregister(_close_all)
            atexit.register(_close_all)
        _open.add(self)

    def rgb(self) -> np.ndarray:
        """The image, row 0 at the top. (height, width, 3) uint8"""
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
        return self.view.intrinsics()

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Where it is (m), and its axes in the world as columns: right, down, ahead."""
        return np.array(self.view.position), self._axes.copy()

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

    def __enter__(self) -> Self:
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
        self.plant.place()
        renderer.update_scene(self.plant.data, self._aimed)
        return renderer.render()

    def _aim(self, scene: mujoco.MjvScene) -> None:
        """Put both eyes of a scene's camera where the view has its one; MuJoCo leaves it so."""
        model = self.plant.model
        near, far = (model.stat.extent * z for z in (model.vis.map.znear, model.vis.map.zfar))
        _, down, ahead = self._axes.T
        for eye in scene.camera:
            eye.pos, eye.forward, eye.up = self.view.position, ahead, -down
            eye.frustum_near, eye.frustum_far = near, far
            eye.frustum_top = near * math.tan(0.5 * math.radians(self.view.fovy_deg))
            eye.frustum_bottom = -eye.frustum_top
            eye.frustum_center = eye.frustum_width = 0.0  # as the pixels are square
            eye.orthographic = 0


class TopCamera(Camera):
    """The camera ``top`` of a plant's model, given there by its pose in the world and its `fovy`.

    Args:
        plant: What it looks at.
        width: Pixels.
        height: Pixels.

    Raises:
        CameraError: No GL library, or the model has no such camera.
    """

    def __init__(self, plant: Plant, width: int, height: int) -> None:
        self._renderer = None  # also where what follows fails
        super().__init__(plant, top_view(plant, width, height))


def top_view(plant: Plant, width: int, height: int) -> CameraView:
    """The view of the camera ``top`` in a plant's model.

    Raises:
        CameraError: The model has no such camera.
    """
    camera = int(mujoco.mj_name2id(plant.model, mujoco.mjtObj.mjOBJ_CAMERA, NAME))
    if camera < 0:
        raise CameraError(f"the model of {plant.task.name} has no camera called {NAME!r}")
    plant.place()
    place = plant.data.cam_xpos[camera]
    _, up, back = plant.data.cam_xmat[camera].reshape(3, 3).T  # MuJoCo's look along -z
    return CameraView(
        position=triple(place),
        look_at=triple(place - back),
        up=triple(up),
        fovy_deg=float(plant.model.cam_fovy[camera]),
        width=int(width),
        height=int(height),
        depth=False,
    )


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
