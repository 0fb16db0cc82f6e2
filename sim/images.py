"""`Images`: everything that a sim node sees, on ROS topics: cameras, heightmap, in-hand image."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import mujoco
import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from ..nodes.parameters import ParameterError
from .camera_view import LARGEST, CameraView, HeightmapView
from .dialled_senses import Key, dialled_view, seen_image
from .dials import Dials
from .plant import Plant

if TYPE_CHECKING:
    from .camera import Camera
    from .heightmap import Heightmap

TOP, HEIGHTMAP, IN_HAND = "top", "heightmap", "in_hand"
"""Names of the images that need no description."""
ASKED = ("camera", "cameras", "heightmap", "in_hand")
"""The parameters that ask for images."""
TOP_PIXELS = 128
"""On a side of the top camera's images."""


class Views:
    """Everything that looks at a plant, and what it sees as it is published, dials and all.

    Args:
        plant: What is looked at.
        parameters: The sim node's: `camera`, `cameras`, `heightmap`, `in_hand`, and `dials`.

    Raises:
        ParameterError: One of them cannot be had; it says which, and what to do.
    """

    def __init__(self, plant: Plant, parameters: Any) -> None:
        self.dials: Dials = parameters.dials
        self.sources: list[_Rendered | _Measured] = []
        asked = [name for name in ASKED if getattr(parameters, name)]
        if asked and plant.model is None:
            said = f"{asked[0]}: {plant.task.name} has no MuJoCo model of which there are images"
            raise ParameterError(said, asked[0])
        try:
            self.sources += [_Rendered(name, camera) for name, camera in _opened(plant, parameters)]
            self.sources += [_Measured(name, seen) for name, seen in _heightmaps(plant, parameters)]
        except ParameterError:
            self.close()
            raise

    def look(self, key: Key) -> Iterator[tuple[_Rendered | _Measured, _Seen]]:
        """What each source sees now; the key settles what the dials draw."""
        for number, source in enumerate(self.sources):
            seen = source.look()
            pixels = [seen_image(one, self.dials, key, number) for one in seen.pixels]
            yield source, seen._replace(pixels=pixels)

    def images(self, key: Key) -> dict[str, np.ndarray]:
        """The images (H, W) or (H, W, 3) by their topics."""
        return {
            f"{place}/image_raw": pixels
            for source, seen in self.look(key)
            for place, pixels in zip(source.places, seen.pixels, strict=True)
        }

    def close(self) -> None:
        """Let the cameras go."""
        for source in self.sources:
            source.close()


class Images:
    """Publishes images of a plant, what they show in metres or pixels, and where from.

    An image NAME is /camera/NAME/image_raw, beside it camera_info, and on /tf the optical frame
    ``camera_NAME``: x right, y down, z ahead. Distances are /camera/NAME/depth/image_raw, with a
    camera_info of their own, as ROS's drivers have it.

    Args:
        node: Whose publishers they are.
        plant: What is looked at.
        parameters: The sim node's: those of `Views`, and `camera_hz`.

    Raises:
        ParameterError: One of them cannot be had; it says which, and what to do.
    """

    def __init__(self, node: Node, plant: Plant, parameters: Any) -> None:
        self.hz = parameters.camera_hz
        self._last = -1
        self._tf = node.create_publisher(messages.TFMessage, "/tf")
        self.views = Views(plant, parameters)
        places = [place for source in self.views.sources for place in source.places]
        self._eyes = {place: _Eye(node, place) for place in places}

    def publish(self, time: float, key: Key) -> None:
        """Publish what is seen now (s), if images are due: at the first call after each 1 / hz.

        Args:
            time: Simulated time, s.
            key: Of what the dials draw.
        """
        if self.hz:
            frame = math.floor(time * self.hz + 1e-6)
            if frame == self._last:
                return
            self._last = frame
        for source, seen in self.views.look(key):
            self._tf.publish(_transform(time, f"camera_{source.name}", seen))
            header = messages.Header(stamp=messages.stamp(time), frame_id=f"camera_{source.name}")
            for place, pixels in zip(source.places, seen.pixels, strict=True):
                self._eyes[place].info.publish(_info(header, pixels, seen.k, seen.p))
                self._eyes[place].image.publish(_image(header, pixels))

    def repeat(self) -> None:
        """Send the last images again as they were."""
        for eye in self._eyes.values():
            eye.info.repeat()
            eye.image.repeat()

    def close(self) -> None:
        """Let the cameras go."""
        self.views.close()


class _Seen(NamedTuple):
    """What one source shows at one moment."""

    pixels: list[np.ndarray]
    """(height, width, 3) uint8 or (height, width) float32 each, one for each of its places."""
    k: np.ndarray
    """(3, 3)"""
    p: np.ndarray
    """(3, 4), from the optical frame to pixels."""
    position: np.ndarray
    """(3,), m."""
    axes: np.ndarray
    """(3, 3), as columns: right, down, ahead."""


class _Eye:
    """The two topics of one kind of image."""

    def __init__(self, node: Node, place: str) -> None:
        self.info = node.create_publisher(messages.CameraInfo, f"{place}/camera_info")
        self.image = node.create_publisher(messages.Image, f"{place}/image_raw")


class _Rendered:
    """A camera: colours, and distances if its view says so."""

    def __init__(self, name: str, camera: Camera) -> None:
        self.name, self.camera = name, camera
        self.places = _places(name, camera.view.depth)

    def look(self) -> _Seen:
        k = self.camera.intrinsics()
        pixels = [self.camera.rgb()]
        if self.camera.view.depth:
            pixels.append(self.camera.depth())
        return _Seen(pixels, k, np.hstack([k, np.zeros((3, 1))]), *self.camera.pose())

    def close(self) -> None:
        self.camera.close()


class _Measured:
    """A heightmap. Its rays are parallel, so the last row of P is (0, 0, 0, 1)."""

    def __init__(self, name: str, heightmap: Heightmap) -> None:
        self.name, self.heightmap = name, heightmap
        self.places = _places(name, False)

    def look(self) -> _Seen:
        view = self.heightmap.now()
        k, pixels = view.intrinsics(), [self.heightmap.image(view)]
        p = np.zeros((3, 4))
        p[:, :2], p[:, 3] = k[:, :2], k[:, 2]
        return _Seen(pixels, k, p, np.array(view.centre), view.axes())

    def close(self) -> None:
        pass


# What there is to see.


def _opened(plant: Plant, parameters: Any) -> list[tuple[str, Camera]]:
    """The cameras, by name."""
    wanted: list[tuple[str, str, CameraView | None]] = []
    if parameters.camera:
        wanted.append(("camera", TOP, None))
    wanted += [("cameras", name, view) for name, view in parameters.cameras.items()]
    found: list[tuple[str, Camera]] = []
    if not wanted:
        return found
    from .camera import Camera, CameraError, top_view  # GL only where it is asked for

    for parameter, name, view in wanted:
        try:
            view = view or top_view(plant, TOP_PIXELS, TOP_PIXELS)
            camera = Camera(plant, dialled_view(view, parameters.dials))
        except CameraError as error:
            for _, other in found:
                other.close()
            raise _refused(parameter, error) from error
        found.append((name, camera))
    return found


def _heightmaps(plant: Plant, parameters: Any) -> list[tuple[str, Heightmap]]:
    """The heightmap and the in-hand image."""
    found: list[tuple[str, Heightmap]] = []
    if not (parameters.heightmap or parameters.in_hand):
        return found
    from .heightmap import Heightmap, HeightmapError, in_hand  # Numba only where it is asked for

    name = HEIGHTMAP
    try:
        if parameters.heightmap:
            view = HeightmapView(parameters.heightmap, plant.task.extent)
            found.append((name, Heightmap(plant, dialled_view(view, parameters.dials))))
        name = IN_HAND
        if parameters.in_hand:
            found.append((name, in_hand(plant, parameters.in_hand)))
    except HeightmapError as error:
        raise ParameterError(f"{name}: {error}", name) from error
    for _, heightmap in found:
        heightmap.image()  # its kernel is loaded now
    return found


def _refused(parameter: str, error: Exception) -> ParameterError:
    said = f"{parameter}: {error}; heightmap:=64 needs no GL"
    return ParameterError(said, parameter)


def image_topics(parameters: Any) -> dict[str, str]:
    """What these parameters add to a node's topics: topic -> message type."""
    places = _places(TOP, False) if parameters.camera else []
    for name, view in parameters.cameras.items():
        places += _places(name, view.depth)
    for name in (HEIGHTMAP, IN_HAND):
        places += _places(name, False) if getattr(parameters, name) else []
    kinds = {"image_raw": "Image", "camera_info": "CameraInfo"}
    return {
        f"{place}/{word}": f"sensor_msgs/msg/{kind}"
        for place in places
        for word, kind in kinds.items()
    }


def check_images(parameters: Any) -> None:
    """Hold the parameters of images to what can be had here, with nothing opened.

    Raises:
        ParameterError: A name or size that is none, or no GL where it is needed.
    """
    for name in (HEIGHTMAP, IN_HAND):
        if not 0 <= (pixels := getattr(parameters, name)) <= LARGEST:
            raise ParameterError(f"{name}: {pixels} is not between 0 and {LARGEST}", name)
    for name in parameters.cameras:
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in (TOP, HEIGHTMAP, IN_HAND):
            said = "is no name for a camera: small letters, digits and _"
            if name in (TOP, HEIGHTMAP, IN_HAND):
                said = f"is taken: {'camera' if name == TOP else name} publishes it"
            raise ParameterError(f"cameras: {name!r} {said}", f"cameras.{name}", unknown=True)
    if parameters.camera or parameters.cameras:
        from .camera import CameraError, backend

        try:
            backend()
        except CameraError as error:
            raise _refused("camera" if parameters.camera else "cameras", error) from error


# Messages.


def _places(name: str, depth: bool) -> list[str]:
    """Where the topics of an image stand."""
    return [f"/camera/{name}", f"/camera/{name}/depth"][: 2 if depth else 1]


def _image(header: messages.Header, pixels: np.ndarray) -> messages.Image:
    """Colours (height, width, 3) uint8, or metres (height, width) float32."""
    height, width = pixels.shape[:2]
    metres = pixels.ndim == 2
    return messages.Image(
        header=header,
        height=height,
        width=width,
        encoding="32FC1" if metres else "rgb8",
        is_bigendian=0,
        step=(4 if metres else 3) * width,
        data=np.ascontiguousarray(pixels, "<f4" if metres else "u1").reshape(-1).view(np.uint8),
    )


def _info(
    header: messages.Header, pixels: np.ndarray, k: np.ndarray, p: np.ndarray
) -> messages.CameraInfo:
    """The geometry of an image, which has no distortion. (3, 3), (3, 4)"""
    height, width = pixels.shape[:2]
    return messages.CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=p.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=messages.RegionOfInterest(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def _transform(time: float, frame: str, seen: _Seen) -> messages.TFMessage:
    """Where an optical frame is in the world."""
    turn = np.empty(4)
    mujoco.mju_mat2Quat(turn, np.ascontiguousarray(seen.axes, float).reshape(-1))
    w, x, y, z = map(float, turn)
    return messages.TFMessage(
        transforms=[
            messages.TransformStamped(
                header=messages.Header(stamp=messages.stamp(time), frame_id="world"),
                child_frame_id=frame,
                transform=messages.Transform(
                    translation=messages.Vector3(*map(float, seen.position)),
                    rotation=messages.Quaternion(x=x, y=y, z=z, w=w),
                ),
            )
        ]
    )
