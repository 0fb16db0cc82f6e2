"""`VideoFiles`: one camera's images as H.264 files, episodes one after the other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .contents import ExportError

CODEC, PIXELS = "libx264", "yuv420p"
OPTIONS = {"crf": "12", "preset": "fast", "g": "2", "bf": "0"}
"""Constant quality; a key frame every two frames, since learners read frames in any order; no
frame that depends on a later one, so stamps begin at 0."""
FILE_BYTES = 200 * 1024**2
"""From this size on the next episode goes into a new file."""
FILE_S = 1000.0
"""No file goes beyond this, s: LeRobot compares stamps as float32, to 1e-4 s, and from 1024 s on
neighbouring float32 numbers are further apart."""


class VideoFiles:
    """Writes frame k of a file at k control periods, and tells where each episode went.

    Args:
        folder: Of this camera; files go to `chunk-000/file-000.mp4` and on.
        width: Pixels, even.
        height: Pixels, even.
        dt: Control period, s.
        files_per_chunk: Files in a chunk's folder.

    Raises:
        ExportError: An odd size, or an encoder that PyAV was built without.
    """

    def __init__(
        self, folder: Path, width: int, height: int, dt: float, files_per_chunk: int
    ) -> None:
        import av

        if CODEC not in av.codecs_available:
            raise ExportError(f"PyAV has no {CODEC} here; --images stores images instead of video")
        if width % 2 or height % 2:
            raise ExportError(
                f"{folder.name}: {width} x {height} pixels: a video needs even sizes; "
                "--images stores images instead"
            )
        self.folder, self.width, self.height = folder, width, height
        self.dt = Fraction(dt).limit_denominator(10**9)
        self.per_chunk = files_per_chunk
        self._number = -1
        self._frames = 0
        self._out: Any = None
        self._stream: Any = None

    def add(self, images: np.ndarray) -> dict[str, Any]:
        """Append an episode (T, H, W, 3) uint8.

        Returns:
            chunk_index, file_index, from_timestamp and to_timestamp (s within the file).
        """
        import av

        seconds = float((self._frames + len(images)) * self.dt)
        if self._out is None or seconds > FILE_S or self._path().stat().st_size >= FILE_BYTES:
            self._open()
        begin = self._frames
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = self._frames, self.dt
            self._out.mux(self._stream.encode(frame))
            self._frames += 1
        return {
            "chunk_index": self._number // self.per_chunk,
            "file_index": self._number % self.per_chunk,
            "from_timestamp": float(begin * self.dt),
            "to_timestamp": float(self._frames * self.dt),
        }

    def close(self) -> None:
        """Finish the open file; closing again does no harm."""
        if self._out is not None:
            out, self._out = self._out, None
            try:
                out.mux(self._stream.encode(None))
            finally:
                out.close()

    def _path(self) -> Path:
        chunk, file = divmod(self._number, self.per_chunk)
        return self.folder / f"chunk-{chunk:03d}" / f"file-{file:03d}.mp4"

    def _open(self) -> None:
        import av

        self.close()
        self._number += 1
        self._frames = 0
        self._path().parent.mkdir(parents=True, exist_ok=True)
        self._out = av.open(str(self._path()), "w")
        self._stream = self._out.add_stream(CODEC, rate=1 / self.dt, options=OPTIONS)
        self._stream.width, self._stream.height = self.width, self.height
        self._stream.pix_fmt = PIXELS
        # More threads gain nothing on images of this size.
        self._stream.codec_context.thread_count = 2

    def facts(self) -> dict[str, Any]:
        """What `info.json` says of the video."""
        fps = 1 / self.dt
        return {
            "video.height": self.height,
            "video.width": self.width,
            "video.codec": "h264",
            "video.pix_fmt": PIXELS,
            "video.is_depth_map": False,
            "video.fps": int(fps) if fps.denominator == 1 else float(fps),
            "video.channels": 3,
            "has_audio": False,
        }
