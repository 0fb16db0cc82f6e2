"""`RobomimicWriter`: robomimic's HDF5, `data/demo_0/{obs,next_obs,actions,rewards,dones,states}`.

The layout is the one that robomimic documents under "Dataset Structure"; docs/exports.md has it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.bags.dataset import Episode
from ...sim.env import recorded_environment
from .contents import Contents

GYM = 2
"""robomimic's number for environments that Gym makes."""
VALID = 10
"""Of so many episodes one is for validation."""


class RobomimicWriter:
    """Writes every episode as a group `demo_<k>`.

    Args:
        file: The HDF5 file; it must not exist.
        contents: What its episodes share.
    """

    def __init__(self, file: Path, contents: Contents) -> None:
        import h5py

        self.contents = contents
        self._disk = _Disk(file)
        self._file = h5py.File(self._disk, "w")
        self._data = self._file.create_group("data")
        self._demos: list[str] = []
        self._rows = 0

    def __enter__(self) -> RobomimicWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._disk.close()

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        name, count = f"demo_{len(self._demos)}", len(episode)
        demo = self._data.create_group(name)
        demo.attrs["num_samples"] = count
        if episode.model:
            demo.attrs["model_file"] = episode.model
        demo.attrs["success"] = episode.success
        demo.attrs["seed"] = episode.metadata.get("seed", "")
        demo.attrs["episode"] = episode.number
        demo.attrs["bag"] = episode.path.name
        whole = episode.state if episode.ground_truth is None else episode.ground_truth
        demo["states"] = whole
        demo["actions"] = episode.action
        demo["rewards"] = episode.reward
        demo["dones"] = episode.done.astype(np.int64)
        demo["successes"] = episode.near.astype(np.int64)
        demo["times"] = episode.time
        assert episode.final_state is not None  # `Contents.check` has seen to it
        observed = {"state": (episode.state, episode.final_state)}
        if self.contents.ground_truth and episode.ground_truth is not None:
            observed["ground_truth"] = (episode.ground_truth, episode.ground_truth[-1])
        for view in self.contents.views:
            images = view.images(episode)
            observed[f"{view.name}_{'image' if view.kind == 'rgb' else 'depth'}"] = (
                images,
                images[-1],
            )
            if view.moves:
                poses = view.poses(episode)
                observed[f"{view.name}_pose"] = poses, poses[-1]
        for key, (values, final) in observed.items():
            # What there is after the last action: the state; of a camera the newest image.
            after = np.concatenate([values[1:], final[None]])
            for group, rows in (("obs", values), ("next_obs", after)):
                self._store(demo, f"{group}/{key}", rows)
        self._demos.append(name)
        self._rows += count
        self._disk.check()

    @staticmethod
    def _store(demo: Any, name: str, rows: np.ndarray) -> None:
        """Images a frame a chunk, compressed; all else as it is."""
        if rows.ndim < 3:
            demo[name] = rows
        else:
            chunks = (1, *rows.shape[1:])
            demo.create_dataset(name, data=rows, chunks=chunks, compression="gzip",
                                compression_opts=1, shuffle=True)  # fmt: skip

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the attributes of the whole, and which episodes are for training."""
        self._data.attrs["total"] = self._rows
        self._data.attrs["env_args"] = json.dumps(environment(self.contents))
        self._data.attrs["covary"] = json.dumps(facts, allow_nan=False)
        for name, demos in split(self._demos).items():
            self._file[f"mask/{name}"] = np.array(demos, dtype="S")
        self.__exit__()
        self._disk.check()


class _Disk(io.FileIO):
    """The file below HDF5, which crashes when a write fails: it is told that none does.

    Args:
        path: The file; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._failed: OSError | None = None

    def write(self, data: Any) -> int:
        """Write what is given, until the disk refuses; then nothing any more."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while len(left) and self._failed is None:
                left = left[super().write(left) :]
        except OSError as error:
            self._failed = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Change the file's size, unless the disk has refused."""
        try:
            return super().truncate(size) if self._failed is None else 0
        except OSError as error:
            self._failed = error
            return 0

    def check(self) -> None:
        """Tell what HDF5 was not told.

        Raises:
            OSError: The disk has refused.
        """
        if self._failed is not None:
            raise self._failed


def environment(contents: Contents) -> dict[str, Any]:
    """What makes the environment that the episodes are of: `env_args`."""
    made, arguments = recorded_environment(contents.first.metadata)
    # Its documents say `env_type`, its code reads `type`.
    return {"env_name": made, "env_type": GYM, "type": GYM, "env_kwargs": arguments}


def split(demos: list[str]) -> dict[str, list[str]]:
    """Which episodes train and which validate: one of ten, one at least where there are two.

    Drawn with a seed of its own, so the same episodes give the same split.
    """
    count = 0 if len(demos) < 2 else max(1, len(demos) // VALID)
    drawn = set(np.random.default_rng(0).permutation(len(demos))[:count].tolist())
    return {
        "train": [demo for k, demo in enumerate(demos) if k not in drawn],
        "valid": [demo for k, demo in enumerate(demos) if k in drawn],
    }
