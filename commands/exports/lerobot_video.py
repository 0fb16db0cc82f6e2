"""`VideoFiles`: one camera's images as H.264 files, episodes one after the other."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .contents import ExportError

CODEC, PIXELS = "libx264", "yuv420p"
OPTIONS = {"crf": "12", "preset": "fast", "g": "2", "bf": "0"}
"""Constant quality; a key frame every two frames, since learners read frames in any order; no
frame that depends on a later one, so stamps begin at 0."""
LEAST_DB = 35.0
"""Peak signal-to-noise ratio of RGB that every frame must come back with."""
FILE_BYTES = 200 * 1024**2
"""From this size on the next episode goes into a new file."""
FILE_S = 1000.0
"""No file goes beyond this, s: LeRobot compares stamps as float32, to 1e-4 s, and from 1024 s on
neighbouring float32 numbers are further apart."""


class VideoFiles:
    """Writes frame k of a file at k control periods, and tells where each episode went.

    Every frame is decoded again as it is written, and held to what it was.

    Args:
        folder: Of this camera; files go to `chunk-000/file-000.mp4` and on.
        width: Pixels, even.
        height: Pixels, even.
        dt: Control period, s.
        files_per_chunk: Files in a chunk's folder.

    Attributes:
        lowest_db: The lowest peak signal-to-noise ratio of a frame so far, dB.

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
        self.lowest_db = math.inf
        self._number = -1
        self._frames = 0
        self._out: Any = None
        self._stream: Any = None
        self._decoder: Any = None
        self._on_the_way: deque[np.ndarray] = deque()

    def add(self, images: np.ndarray) -> dict[str, Any]:
        """Append an episode (T, H, W, 3) uint8.

        Returns:
            chunk_index, file_index, from_timestamp and to_timestamp (s within the file).

        Raises:
            ExportError: A frame that the video does not hold well enough.
        """
        import av

        seconds = float((self._frames + len(images)) * self.dt)
        if self._out is None or seconds > FILE_S or self._path().stat().st_size >= FILE_BYTES:
            self._open()
        begin = self._frames
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = self._frames, self.dt
            self._on_the_way.append(image)
            self._write(self._stream.encode(frame))
            self._frames += 1
        return {
            "chunk_index": self._number // self.per_chunk,
            "file_index": self._number % self.per_chunk,
            "from_timestamp": float(begin * self.dt),
            "to_timestamp": float(self._frames * self.dt),
        }

    def finish(self) -> None:
        """Write what the encoder still has, and close the file.

        Raises:
            ExportError: As `add`.
        """
        if self._out is not None:
            self._write(self._stream.encode(None))
            self._compare(self._decoder.decode(None))
            self.close()

    def close(self) -> None:
        """Let go of the open file; closing again does no harm."""
        if self._out is not None:
            out, self._out = self._out, None
            out.close()

    def _path(self) -> Path:
        chunk, file = divmod(self._number, self.per_chunk)
        return self.folder / f"chunk-{chunk:03d}" / f"file-{file:03d}.mp4"

    def _open(self) -> None:
        import av

        self.finish()
        self._number += 1
        self._frames = 0
        self._path().parent.mkdir(parents=True, exist_ok=True)
        self._out = av.open(str(self._path()), "w")
        self._stream = self._out.add_stream(CODEC, rate=1 / self.dt, options=OPTIONS)
        self._stream.width, self._stream.height = self.width, self.height
        self._stream.pix_fmt = PIXELS
        # More threads gain nothing on images of this size.
        self._stream.codec_context.thread_count = 2
        self._stream.codec_context.open()
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.thread_count = 1
        self._decoder.extradata = self._stream.codec_context.extradata

    def _write(self, packets: list) -> None:
        for packet in packets:
            self._compare(self._decoder.decode(packet))
            self._out.mux(packet)

    def _compare(self, frames: list) -> None:
        for frame in frames:
            image = self._on_the_way.popleft().astype(np.int16)
            error = np.mean(np.square(frame.to_ndarray(format="rgb24") - image, dtype=np.int32))
            decibels = 10 * math.log10(255**2 / max(float(error), 1e-9))
            self.lowest_db = min(self.lowest_db, decibels)
            if decibels < LEAST_DB:
                raise ExportError(
                    f"{self.folder.name}: {self.width} x {self.height} pixels lose too much as "
                    f"video ({decibels:.1f} dB, {LEAST_DB:g} are needed); "
                    "--images stores images instead"
                )

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
