"""`MinariWriter`: a local Minari dataset, made by the `minari` package itself (HDF5 backend)."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.bags.dataset import Episode
from .contents import Contents, ExportError

_NAME = re.compile(r"(?:[-\w]+/)*[-\w]+-v\d+")
_ROOT = "MINARI_DATASETS_PATH"
"""Minari's variable: where its datasets are."""


def place_of(name: str) -> Path:
    """Where Minari keeps the dataset of this name.

    Raises:
        ExportError: It is no name of a dataset, or `minari` is too old.
    """
    import minari
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.storage.datasets_root_dir import get_dataset_path

    try:
        # Ours besides: Minari's lets pass what is no path of folders.
        parsed = _NAME.fullmatch(name) and parse_dataset_id(name)
    except (ValueError, TypeError):
        parsed = None
    if not parsed:
        raise ExportError(
            f"--minari {name}: a name is like covary/block_pick-v0, with a version, and folders "
            "have two letters at least"
        )
    if "jpeg_encoding" not in inspect.signature(minari.create_dataset_from_buffers).parameters:
        raise ExportError("--minari needs minari 0.5.4 or newer (older ones change images): "
                          "pip install 'minari>=0.5.4'")  # fmt: skip
    return get_dataset_path(name).absolute()  # Minari itself fails below a relative one


def make_namespaces(name: str) -> None:
    """Let Minari know of the folders above a dataset."""
    from minari.namespace import create_namespace, list_local_namespaces

    namespace = name.rpartition("/")[0]
    if namespace and namespace not in list_local_namespaces():
        create_namespace(namespace)


class MinariWriter:
    """Writes episodes through `minari`, which makes its folders below another root meanwhile.

    Observations are the state; with cameras, or the ground truth, a dictionary with `state`,
    `<camera>_image`, `<camera>_depth` and `ground_truth`. There is one more of them than of
    actions: what was observed at the end.

    Args:
        root: The other root, empty.
        name: The dataset's, such as `covary/block_pick-v0`.
        contents: What its episodes share.
    """

    def __init__(self, root: Path, name: str, contents: Contents) -> None:
        self.root, self.name, self.contents = root, name, contents
        self._dataset: Any = None

    def __enter__(self) -> MinariWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._dataset = None

    def add(self, episode: Episode) -> None:
        """Append an episode."""
        from minari.data_collector.episode_buffer import EpisodeBuffer

        count, last = len(episode), np.arange(len(episode)) == len(episode) - 1
        seed = episode.metadata.get("seed", "")
        period = [episode.time[-1] + self.contents.dt]
        buffer = EpisodeBuffer(
            id=int(self._dataset.storage.total_episodes) if self._dataset else 0,
            seed=int(seed) if seed.isdecimal() else None,
            observations=self._observations(episode),
            actions=episode.action,  # pyright: ignore
            rewards=episode.reward,  # pyright: ignore
            terminations=last & episode.success,  # pyright: ignore
            truncations=last & (not episode.success),  # pyright: ignore
            infos={
                "time": np.concatenate([episode.time, period]),
                "success": np.concatenate([[False], episode.near]),
            },
        )
        with self._elsewhere():
            if self._dataset is None:
                self._dataset = self._create(buffer)
            else:
                self._dataset.storage.update_episodes([buffer])
            index = int(self._dataset.storage.total_episodes) - 1
            told = {"covary_bag": episode.path.name, "covary_episode": episode.number,
                    "covary_success": episode.success, "covary_ticks": count}  # fmt: skip
            self._dataset.storage.update_episode_metadata([told], [index])

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the facts beside the data."""
        folder = self.root / self.name
        text = json.dumps(facts, indent=2, allow_nan=False)
        (folder / "covary.json").write_text(text + "\n", encoding="utf-8")
        if self.contents.first.model:
            (folder / "model.xml").write_text(self.contents.first.model, encoding="utf-8")

    def _create(self, first: Any) -> Any:
        import minari

        with warnings.catch_warnings():
            # It would like an author, an address and a link; who publishes adds them.
            warnings.simplefilter("ignore")
            return minari.create_dataset_from_buffers(
                self.name,
                [first],
                env=self._environment(),
                observation_space=self._observation_space(),
                action_space=self._action_space(),
                algorithm_name=self.contents.first.metadata.get("launch") or None,
                description=f"{self.contents.task_name}, recorded and exported by covary",
                data_format="hdf5",
                jpeg_encoding=False,
            )

    def _environment(self) -> Any:
        """The environment's specification, so `recover_environment` works; None: not known."""
        import gymnasium

        from ...sim.env import recorded_environment

        name, arguments = recorded_environment(self.contents.first.metadata)
        known = gymnasium.registry.get(name.rpartition(":")[2])
        return None if known is None else replace(known, kwargs={**known.kwargs, **arguments})

    def _observations(self, episode: Episode) -> Any:
        """What was observed at every tick and at the end. (T + 1, ...)"""
        assert episode.final_state is not None  # `Contents.check` has seen to it
        state = np.concatenate([episode.state, episode.final_state[None]])
        more = {}
        if self.contents.ground_truth and episode.ground_truth is not None:
            more["ground_truth"] = episode.ground_truth
        for view in self.contents.views:
            more[_observed(view)] = view.images(episode)
            if view.moves:
                more[f"{view.name}_pose"] = view.poses(episode)
        if not more:
            return state
        # At the end nobody looks: what was seen last stands for it.
        held = {key: np.concatenate([rows, rows[-1:]]) for key, rows in more.items()}
        return {"state": state, **held}

    def _observation_space(self) -> Any:
        from gymnasium.spaces import Box, Dict

        def unbounded(width: int) -> Box:
            return Box(-np.inf, np.inf, (width,), np.float64)

        first = self.contents.first
        more = {}
        if self.contents.ground_truth:
            more["ground_truth"] = unbounded(len(first.ground_truth_names))
        for view in self.contents.views:
            rgb = view.kind == "rgb"
            high, dtype = (255, np.uint8) if rgb else (np.inf, np.float32)
            more[_observed(view)] = Box(0 if rgb else -np.inf, high, view.shape, dtype)  # type: ignore
            if view.moves:
                more[f"{view.name}_pose"] = unbounded(7)
        state = unbounded(len(first.state_names))
        return Dict({"state": state, **more}) if more else state

    def _action_space(self) -> Any:
        from gymnasium.spaces import Box

        task = self.contents.task
        if task is not None:
            return task.action_space
        return Box(-np.inf, np.inf, (len(self.contents.first.action_names),), np.float64)

    @contextlib.contextmanager
    def _elsewhere(self) -> Iterator[None]:
        """Minari's root is ours for a moment; only its variable says so."""
        before = os.environ.get(_ROOT)
        os.environ[_ROOT] = str(self.root)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_ROOT]
            else:
                os.environ[_ROOT] = before


def _observed(view: Any) -> str:
    return f"{view.name}_{'image' if view.kind == 'rgb' else 'depth'}"
