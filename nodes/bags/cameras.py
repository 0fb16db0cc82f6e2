"""Recorded images as arrays, aligned to control ticks, with their intrinsics, poses and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .bag import BagError
from .reader import Bag, TopicArrays

IMAGE, INFO, TF = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
ENCODINGS: dict[str, tuple[str, int]] = {
    **{name: ("u1", 3) for name in ("rgb8", "bgr8", "8UC3")},
    **{name: ("u1", 4) for name in ("rgba8", "bgra8", "8UC4")},
    **{name: ("u1", 1) for name in ("mono8", "8UC1")},
    **{name: ("u2", 1) for name in ("mono16", "16UC1")},
    "32FC1": ("f4", 1),
}
"""ROS's names of pixels: type of a value, values in a pixel. 32FC1 is metres, 16UC1 millimetres
(REP 118); the others have no unit."""


@dataclass(frozen=True)
class Camera:
    """The images of one topic: F frames, and which of them each of T ticks had seen last."""

    topic: str
    """Its image topic, such as `/camera/top/image_raw`."""
    encoding: str
    """How pixels are coded, one of `ENCODINGS`."""
    frames: np.ndarray
    """(F, H, W, C) as they were recorded."""
    stamps: np.ndarray
    """(F,) simulated time of each frame, s."""
    row: np.ndarray
    """(T,) the newest frame at each tick; the first one for ticks before it."""
    frame_id: str
    """The optical frame: x right, y down, z ahead."""
    parent: str
    """The frame that `pose` is in; empty: /tf never told."""
    pose: np.ndarray
    """(F, 7) of the optical frame: x, y, z (m), quaternion x, y, z, w; NaN where /tf never told."""
    distortion_model: str
    """Of the camera's info; empty: there was none."""
    distortion: np.ndarray
    """(D,) its coefficients."""
    intrinsics: np.ndarray
    """(3, 3) the camera's matrix, pixels; NaN where there was no info."""
    projection: np.ndarray
    """(3, 4) the projection matrix; NaN where there was no info."""

    @property
    def images(self) -> np.ndarray:
        """(T, H, W, C) what was seen at each tick."""
        return self.frames[self.row]


def camera_topics(types: Mapping[str, str]) -> dict[str, str]:
    """Image topic to the topic of its camera's info, of a bag's topics with their types."""
    images = sorted(topic for topic, kind in types.items() if kind == IMAGE)
    return {topic: f"{topic.rpartition('/')[0]}/camera_info" for topic in images}


def cameras_of(
    bag: Bag, topics: Mapping[str, TopicArrays], cameras: Mapping[str, str], ticks: np.ndarray
) -> dict[str, Camera]:
    """The cameras of a bag.

    Args:
        bag: The bag, for its /tf.
        topics: What was read of it, images and infos among it.
        cameras: From `camera_topics`.
        ticks: Stamps of the control ticks, ns. (T,)

    Raises:
        BagError: Images whose size changes, of unknown encoding, or of too few bytes.
    """
    wanted = {image: info for image, info in cameras.items() if len(topics.get(image, ()))}
    if not wanted:
        return {}
    poses = _Poses(bag)
    return {
        image: _camera(bag, image, topics[image], topics.get(info), poses, ticks)
        for image, info in wanted.items()
    }


def _camera(
    bag: Bag,
    topic: str,
    images: TopicArrays,
    infos: TopicArrays | None,
    poses: _Poses,
    ticks: np.ndarray,
) -> Camera:
    try:
        frames, encoding = _frames(images)
        stamps = images["header.stamp"]
        frame_id = str(images["header.frame_id"][0])
        parent, pose = poses.of(frame_id, stamps)
        model, distortion, intrinsics, projection = _info(infos)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise BagError(f"{bag.path}: {topic}: {error}") from None
    order = np.argsort(stamps, kind="stable")
    row = order[np.maximum(np.searchsorted(stamps[order], ticks, side="right") - 1, 0)]
    return Camera(
        topic=topic,
        encoding=encoding,
        frames=frames,
        stamps=stamps * 1e-9,
        row=row,
        frame_id=frame_id,
        parent=parent,
        pose=pose,
        distortion_model=model,
        distortion=distortion,
        intrinsics=intrinsics,
        projection=projection,
    )


def _frames(images: TopicArrays) -> tuple[np.ndarray, str]:
    """All images as one array (F, H, W, C), and their encoding."""
    shapes = {*zip(images["height"], images["width"], images["encoding"], strict=True)}
    if len(shapes) != 1:
        raise ValueError("its images change size or encoding within the recording")
    ((height, width, encoding),) = shapes
    height, width, encoding = int(height), int(width), str(encoding)
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding {encoding!r} is none of {', '.join(ENCODINGS)}")
    kind, channels = ENCODINGS[encoding]
    dtype = np.dtype(kind).newbyteorder(">" if images["is_bigendian"][0] else "<")
    step, row = int(images["step"][0]), width * channels * dtype.itemsize
    data = images["data"]  # (F, bytes), or objects where the sizes differ
    if data.dtype == object or data.shape[1] < height * step or step < row or not row:
        raise ValueError(f"an image without {height} rows of {step} bytes")
    lines = data[:, : height * step].reshape(len(data), height, step)[:, :, :row]
    values = np.ascontiguousarray(lines).view(dtype)
    values = values.reshape(len(data), height, width, channels)
    return values.astype(dtype.newbyteorder("="), copy=False), encoding


def _info(infos: TopicArrays | None) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Distortion model, its coefficients (D,), camera matrix (3, 3), projection matrix (3, 4)."""
    if infos is None:
        return "", np.zeros(0), np.full((3, 3), np.nan), np.full((3, 4), np.nan)
    d, k, p = (np.asarray(infos[name][0], dtype=np.float64) for name in "dkp")
    return str(infos["distortion_model"][0]), d, k.reshape(3, 3), p.reshape(3, 4)


class _Poses:
    """Every transform on /tf, by child frame."""

    def __init__(self, bag: Bag) -> None:
        self._found: dict[str, list[tuple[int, str, tuple[float, ...]]]] = {}
        names = [topic for topic in bag.types if topic.rpartition("/")[2] == "tf"]
        for message in bag.messages(names) if names else ():
            if message.type_name != TF:
                continue
            for item in bag.decode(message).transforms:
                stamp = item.header.stamp.sec * 10**9 + item.header.stamp.nanosec
                t, q = item.transform.translation, item.transform.rotation
                pose = (t.x, t.y, t.z, q.x, q.y, q.z, q.w)
                rows = self._found.setdefault(item.child_frame_id, [])
                rows.append((stamp, item.header.frame_id, pose))

    def of(self, frame: str, stamps: np.ndarray) -> tuple[str, np.ndarray]:
        """Parent of a frame, and its pose at each stamp (ns): the newest until then. (F, 7)"""
        rows = sorted(self._found.get(frame, ()))
        if not rows:
            return "", np.full((len(stamps), 7), np.nan)
        at = np.searchsorted([stamp for stamp, _, _ in rows], stamps, side="right") - 1
        values = np.array([pose for _, _, pose in rows])
        return rows[0][1], values[np.maximum(at, 0)]
