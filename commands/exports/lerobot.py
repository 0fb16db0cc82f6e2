"""`LeRobotWriter`: LeRobotDataset v3.0, written from its layout with pyarrow and PyAV.

The layout is that of `lerobot` 0.4 to 0.6 (`codebase_version` v3.0); docs/exports.md has it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.bags.dataset import Episode
from .contents import Contents, View
from .lerobot_parquet import ParquetFiles, rows_of
from .lerobot_stats import MergedStats, Stats, stats_of, stats_of_images
from .lerobot_video import FILE_BYTES, VideoFiles

VERSION = "v3.0"
FILES_PER_CHUNK = 1000
DATA_BYTES = 100 * 1024**2
"""From this size on the next episode goes into a new parquet file."""
EPISODES_AT_ONCE = 100
"""Facts of so many episodes are written together: one by one their columns' heads outweigh them."""
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

_SINGLE = {
    "next.reward": "float32",
    "next.success": "bool",
    "next.done": "bool",
    "timestamp": "float32",
    **dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64"),
}
"""Features of a single number, and their types."""


class LeRobotWriter:
    """Writes episodes as they come: one row group, one stretch of every video, one line of facts.

    Args:
        folder: The dataset's; it is made.
        contents: What its episodes share.
        images: RGB as PNG in the rows, bit by bit, instead of as video.

    Raises:
        ExportError: Images that no video can hold.
    """

    def __init__(self, folder: Path, contents: Contents, images: bool = False) -> None:
        self.folder, self.contents, self.images = folder, contents, images
        self.videos = {
            _key(view): VideoFiles(
                folder / "videos" / _key(view),
                view.shape[1],
                view.shape[0],
                contents.dt,
                FILES_PER_CHUNK,
            )
            for view in contents.views
            if view.kind == "rgb" and not images
        }
        self.features = _features(contents, self.videos)
        self.stats = MergedStats()
        self.episodes = self.rows = 0
        self._waiting: list[dict[str, Any]] = []
        self._data = ParquetFiles(folder, DATA, FILES_PER_CHUNK, DATA_BYTES)
        self._facts = ParquetFiles(folder, EPISODES, FILES_PER_CHUNK, DATA_BYTES)

    def __enter__(self) -> LeRobotWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (*self.videos.values(), self._data, self._facts):
            file.close()

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        count = len(episode)
        arrays = self._arrays(episode)
        stats: dict[str, Stats] = {
            name: stats_of(values) for name, values in arrays.items() if name in self.features
        }
        encoded: dict[str, list[bytes]] = {}
        where: dict[str, Any] = {}
        for view in self.contents.views:
            key, images = _key(view), view.images(episode)
            stats[key] = stats_of_images(images)
            if key in self.videos:
                place = self.videos[key].add(images)
                where.update({f"videos/{key}/{name}": value for name, value in place.items()})
            else:
                # A frame that is seen for several ticks is encoded once.
                camera = episode.cameras[view.topic]
                frames = {row: _encode(images[np.argmax(camera.row == row)], view.kind)
                          for row in np.unique(camera.row)}  # fmt: skip
                encoded[key] = [frames[row] for row in camera.row]
        self.stats.add(stats)
        chunk, file = self._data.write(rows_of(self.features, arrays, encoded))
        facts = {
            "episode_index": self.episodes,
            "tasks": [self.contents.title],
            "length": count,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.rows,
            "dataset_to_index": self.rows + count,
            **where,
            "covary/bag": episode.path.name,
            "covary/episode": episode.number,
            "covary/seed": episode.metadata.get("seed", ""),
            "covary/success": episode.success,
            "covary/start_time": float(episode.time[0]),
            **{f"stats/{feature}/{name}": value.tolist()
               for feature, values in stats.items() for name, value in values.items()},
        }  # fmt: skip
        self._waiting.append(facts)
        if len(self._waiting) >= EPISODES_AT_ONCE:
            self._write_facts()
        self.episodes += 1
        self.rows += count

    def _write_facts(self) -> None:
        """Write what is known of the episodes since the last time."""
        import pyarrow as pa

        chunk, file = self._facts.place()
        there = {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": file}
        if self._waiting:
            self._facts.write(pa.Table.from_pylist([{**row, **there} for row in self._waiting]))
        self._waiting = []

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Close the files and write what goes into `meta/` and the dataset's card."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._write_facts()
        for video in self.videos.values():
            video.finish()
        self.__exit__()
        meta = self.folder / "meta"
        _write_json(meta / "info.json", self._info())
        _write_json(meta / "stats.json", self.stats.result())
        quality = {key: round(video.lowest_db, 2) for key, video in self.videos.items()}
        _write_json(meta / "covary.json", {**facts, "video_lowest_psnr_db": quality})
        tasks = pa.table({"task_index": pa.array([0], pa.int64()), "task": [self.contents.title]})
        # So pandas takes the texts for the index, by which LeRobot looks tasks up.
        columns = [{"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy,
                    "metadata": None} for name, kind, numpy in
                   (("task_index", "int64", "int64"), ("task", "unicode", "object"))]  # fmt: skip
        pandas = {"index_columns": ["task"], "column_indexes": [], "columns": columns}
        tasks = tasks.replace_schema_metadata({"pandas": json.dumps(pandas)})
        pq.write_table(tasks, meta / "tasks.parquet")
        if self.contents.first.model:
            (meta / "model.xml").write_text(self.contents.first.model, encoding="utf-8")
        (self.folder / "README.md").write_text(self._card(facts), encoding="utf-8")

    def _arrays(self, episode: Episode) -> dict[str, np.ndarray]:
        """The features that are numbers, of one episode. (T, n) or (T,)"""
        count = len(episode)
        arrays = {"observation.state": episode.state}
        if self.contents.ground_truth and episode.ground_truth is not None:
            arrays["observation.environment_state"] = episode.ground_truth
        for view in self.contents.views:
            if view.moves:
                arrays[_pose_key(view)] = view.poses(episode)
        arrays |= {
            "action": episode.action,
            "next.reward": episode.reward,
            "next.success": episode.near,
            "next.done": episode.done,
            # What LeRobot asks of stamps: the row's number over the rate. `check` holds the
            # recorded ones to it.
            "timestamp": np.arange(count) * self.contents.dt,
            "frame_index": np.arange(count),
            "episode_index": np.full(count, self.episodes),
            "index": np.arange(self.rows, self.rows + count),
            "task_index": np.zeros(count, dtype=np.int64),
        }
        # The statistics are those of the numbers that are stored.
        return {
            name: values.astype(self.features[name]["dtype"]) for name, values in arrays.items()
        }

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": "covary",
            "total_episodes": self.episodes,
            "total_frames": self.rows,
            "total_tasks": 1,
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": DATA_BYTES // 1024**2,
            "video_files_size_in_mb": FILE_BYTES // 1024**2,
            "fps": self.contents.hz,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": DATA,
            "video_path": VIDEOS if self.videos else None,
            "features": self.features,
        }

    def _card(self, facts: Mapping[str, Any]) -> str:
        licence = str(facts.get("dataset", {}).get("licence", "")).lower()
        named = licence.replace("-", "").replace(".", "").isalnum()
        head = [
            "---",
            *([f"license: {licence}"] if named else []),
            "task_categories: [robotics]",
            "tags: [LeRobot]",
            "configs: [{config_name: default, data_files: data/*/*.parquet}]",
            "---",
        ]
        return "\n".join(
            [
                *head,
                f"# {self.contents.title}: {self.episodes} episodes, {self.rows} rows",
                "",
                f"A LeRobotDataset {VERSION} of task `{self.contents.task_name}`, recorded and "
                "exported by covary. Units, names, cameras (intrinsics, extrinsics) and origin: "
                "`meta/covary.json`; the model that was simulated: `meta/model.xml`.",
                "",
            ]
        )


def _features(contents: Contents, videos: Mapping[str, VideoFiles]) -> dict[str, Any]:
    """What `info.json` says of every feature."""
    facts = contents.facts()

    def vector(part: str) -> dict[str, Any]:
        names = facts["names"][part]
        info = {"units": facts["units"][part]}
        return {"dtype": "float32", "shape": [len(names)], "names": names, "info": info}

    features = {"observation.state": vector("state")}
    if contents.ground_truth:
        features["observation.environment_state"] = vector("ground_truth")
    for view in contents.views:
        key = _key(view)
        kind = "video" if key in videos else "image"
        info: dict[str, Any] = {"is_depth_map": True, "depth_unit": "m"}
        if view.kind == "rgb":
            info = videos[key].facts() if key in videos else {"is_depth_map": False}
        names = ["height", "width", "channels"]
        features[key] = {"dtype": kind, "shape": list(view.shape), "names": names, "info": info}
        if view.moves:
            features[_pose_key(view)] = {
                "dtype": "float32",
                "shape": [7],
                "names": ["x", "y", "z", "qx", "qy", "qz", "qw"],
                "info": {"units": ["m", "m", "m", "", "", "", ""]},
            }
    features["action"] = vector("action")
    for name, dtype in _SINGLE.items():
        features[name] = {"dtype": dtype, "shape": [1], "names": None}
    features["timestamp"]["info"] = {"units": ["s"]}
    return features


def _key(view: View) -> str:
    return f"observation.{'images' if view.kind == 'rgb' else 'depth'}.{view.name}"


def _pose_key(view: View) -> str:
    return f"observation.camera_pose.{view.name}"


def _encode(image: np.ndarray, kind: str) -> bytes:
    """PNG of colours (H, W, 3) uint8; TIFF of depth (H, W, 1), whose pixels are its float32."""
    from PIL import Image

    out = io.BytesIO()
    if kind == "rgb":
        Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG", compress_level=1)
    else:
        Image.fromarray(np.ascontiguousarray(image[..., 0])).save(out, "TIFF")
    return out.getvalue()


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
