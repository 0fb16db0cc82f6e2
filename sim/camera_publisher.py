"""`CameraPublisher`: the top camera's images on ROS topics, at a rate of simulated time."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from .camera import TopCamera
from .plant import Plant

FRAME = "camera_top"
"""The optical frame: x right, y down, z ahead."""

WIDTH, HEIGHT = 128, 128


class CameraPublisher:
    """Publishes /camera/top/image_raw and camera_info, and on /tf where the camera is.

    Args:
        node: Whose publishers they are.
        plant: What the camera looks at.
        hz: Frames per second of simulated time; no more than one at each call of `publish`.
        width: Pixels.
        height: Pixels.

    Raises:
        CameraError: Nothing can be rendered here.
    """

    def __init__(
        self, node: Node, plant: Plant, hz: float, width: int = WIDTH, height: int = HEIGHT
    ) -> None:
        if not hz > 0:
            raise ValueError(f"camera_hz must be positive, not {hz}")
        self.hz = hz
        self.camera = TopCamera(plant, width, height)
        self._image = node.create_publisher(messages.Image, "/camera/top/image_raw")
        self._info = node.create_publisher(messages.CameraInfo, "/camera/top/camera_info")
        self._tf = node.create_publisher(messages.TFMessage, "/tf")
        self._last = -1

    def publish(self, time: float) -> None:
        """Publish what is seen now (s), if a frame is due: the first at or after each 1 / hz."""
        frame = math.floor(time * self.hz + 1e-6)
        if frame == self._last:
            return
        self._last = frame
        header = messages.Header(stamp=messages.stamp(time), frame_id=FRAME)
        self._tf.publish(self._transform(time))
        self._info.publish(self._camera_info(header))
        self._image.publish(
            messages.Image(
                header=header,
                height=self.camera.height,
                width=self.camera.width,
                encoding="rgb8",
                is_bigendian=0,
                step=3 * self.camera.width,
                data=self.camera.rgb().reshape(-1),
            )
        )

    def close(self) -> None:
        """Let the camera go."""
        self.camera.close()

    def _camera_info(self, header: messages.Header) -> messages.CameraInfo:
        """The camera's matrix; a pinhole bends nothing."""
        k = self.camera.intrinsics()
        return messages.CameraInfo(
            header=header,
            height=self.camera.height,
            width=self.camera.width,
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=k.reshape(-1),
            r=np.eye(3).reshape(-1),
            p=np.hstack([k, np.zeros((3, 1))]).reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=messages.RegionOfInterest(
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def _transform(self, time: float) -> messages.TFMessage:
        """Where the optical frame is in the world."""
        position, axes = self.camera.pose()
        w, x, y, z = _quaternion(axes)
        return messages.TFMessage(
            transforms=[
                messages.TransformStamped(
                    header=messages.Header(stamp=messages.stamp(time), frame_id="world"),
                    child_frame_id=FRAME,
                    transform=messages.Transform(
                        translation=messages.Vector3(*map(float, position)),
                        rotation=messages.Quaternion(x=x, y=y, z=z, w=w),
                    ),
                )
            ]
        )


def _quaternion(axes: np.ndarray) -> tuple[float, float, float, float]:
    """The rotation matrix (3, 3) as a unit quaternion w, x, y, z."""
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(axes, float).reshape(-1))
    w, x, y, z = map(float, quaternion)
    return w, x, y, z
