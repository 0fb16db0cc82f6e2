"""`Contents`: what all episodes of an export share, and what an episode must be to belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ...nodes.bags.bag import BagError
from ...nodes.bags.cameras import Camera
from ...nodes.bags.dataset import Episode
from ...sim.load_task import recorded_task, task_options
from ...sim.task import Task

_KINDS = {"rgb8": "rgb", "bgr8": "rgb", "32FC1": "depth"}
_EVEN_S = 1e-6
"""Most that a tick may be off the control period, s."""
_STILL = 1e-9
"""Poses of a camera that differ by no more than this (m; quaternions without unit) are one."""


class ExportError(Exception):
    """An export that cannot be made; the text is one line made for people."""


class Writer(Protocol):
    """Writes a dataset in one format, episode after episode; as a context it lets go of its files.

    The constructor takes the `Contents` and makes its files in a folder that is thrown away if
    anything fails.
    """

    def __enter__(self) -> Writer: ...

    def __exit__(self, *_: object) -> None: ...

    def add(self, episode: Episode) -> None:
        """Append one episode that belongs to the contents."""

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write what can only be said at the end, and the facts about the whole dataset."""


@dataclass
class View:
    """What one image topic brings into every row."""

    name: str
    """Its name in exports, such as `top`."""
    kind: str
    """`rgb`: (H, W, 3) uint8; `depth`: (H, W, 1) float32, m."""
    topic: str
    """The image topic."""
    shape: tuple[int, int, int]
    """(H, W, C)"""
    first: Camera
    """The camera as the first episode has it: intrinsics, distortion, frames."""
    pose: np.ndarray
    """(7,) its pose in the first image: x, y, z (m), quaternion x, y, z, w; NaN: not known."""
    moves: bool = False
    """Whether its pose changes, within an episode or from one to another."""

    def images(self, episode: Episode) -> np.ndarray:
        """What was seen at each tick. (T, H, W, C)"""
        camera = episode.cameras[self.topic]
        images = camera.images
        return images[..., ::-1] if camera.encoding == "bgr8" else images

    def poses(self, episode: Episode) -> np.ndarray:
        """Where the camera was at each tick. (T, 7) float64"""
        camera = episode.cameras[self.topic]
        return camera.pose[camera.row]

    def facts(self) -> dict[str, Any]:
        """Topic, size, units, intrinsics, extrinsics: numbers that are not known are None."""
        camera, (height, width, _) = self.first, self.shape
        pose = None
        if not self.moves and np.isfinite(self.pose).all():
            pose = {
                "position_m": self.pose[:3].tolist(),
                "quaternion_xyzw": self.pose[3:].tolist(),
            }
        return {
            "topic": self.topic,
            "kind": self.kind,
            "encoding": camera.encoding,
            "unit": "m" if self.kind == "depth" else "0..255",
            "height": height,
            "width": width,
            "frame": camera.frame_id,
            "axes": "x right, y down, z ahead",
            "intrinsics_px": _numbers(camera.intrinsics),
            "projection_px": _numbers(camera.projection),
            "distortion_model": camera.distortion_model,
            "distortion": _numbers(camera.distortion),
            "extrinsics_in": camera.parent,
            "extrinsics": "per row" if self.moves else pose,
        }


@dataclass
class Contents:
    """Built from the first episode; `check` holds every other one to it.

    Args:
        first: The first episode.
        ground_truth: Whether what only `/ground_truth` says is exported too.

    Raises:
        ExportError: It has what cannot be exported, such as images of an unknown kind.
    """

    first: Episode
    ground_truth: bool = False
    dt: float = field(init=False)
    """Control period, s."""
    views: list[View] = field(init=False)
    """Its cameras."""
    task: Task | None = field(init=False)
    """The task, where it can be loaded: for units and limits."""

    def __post_init__(self) -> None:
        first = self.first
        if len(first) < 2:
            raise ExportError(f"{first.path}: a single tick, which has no period")
        if self.ground_truth and first.ground_truth is None:
            raise ExportError(f"{first.path}: no /ground_truth in it; leave out --ground-truth")
        # To a nanosecond, which is how well stamps know it.
        self.dt = round(float(np.median(np.diff(first.time))), 9)
        self.views = [_view(first, topic, camera) for topic, camera in first.cameras.items()]
        names = [(view.name, view.kind) for view in self.views]
        if len(set(names)) < len(names):
            topics = ", ".join(first.cameras)
            raise ExportError(f"{first.path}: two of its image topics get one name: {topics}")
        # Of its images nothing is needed any more: they may be a hundred megabytes.
        cameras = {topic: _without_images(camera) for topic, camera in first.cameras.items()}
        self.first = replace(first, cameras=cameras)
        try:
            self.task = recorded_task(first.metadata)
        except Exception:  # an outsider's task whose module is not here: its numbers are
            self.task = None

    @property
    def task_name(self) -> str:
        """The task's name, as launch files write it."""
        return self.first.metadata.get("task", "")

    @property
    def title(self) -> str:
        """The task in words: `block_pick` is block pick, a Gymnasium environment its id."""
        options = task_options(self.first.metadata)
        return options.get("env_id") or self.task_name.rpartition(":")[2].replace("_", " ")

    @property
    def hz(self) -> int | float:
        """Rows per second; a whole number where it is one."""
        rate = 1.0 / self.dt
        return round(rate) if abs(rate - round(rate)) < 1e-6 else rate

    def check(self, episode: Episode) -> None:
        """Hold an episode to what it must be.

        Raises:
            BagError: It was aborted, has holes or what is not finite, or is not like the first.
        """
        wrong = _flaw(episode, self.dt, self.ground_truth) or self._otherwise(episode)
        if wrong:
            raise BagError(f"{episode.path}: {wrong}")
        for view in self.views:
            camera = episode.cameras[view.topic]
            apart = np.abs(camera.pose - view.pose)
            view.moves |= bool((apart > _STILL).any())  # of two that are not known: NaN

    def _otherwise(self, episode: Episode) -> str:
        """In what an episode is not like the first, empty where it is."""
        first, name = self.first, self.first.path.name
        for key in ("task", "task_options", "engine"):
            ours, theirs = (e.metadata.get(key, "") for e in (first, episode))
            if ours != theirs:
                return f"its {key} is {theirs!r}, that of {name} is {ours!r}"
        for what in ("state_names", "action_names", "ground_truth_names"):
            if getattr(first, what) != getattr(episode, what):
                return f"its {what} are not those of {name}"
        if set(first.cameras) != set(episode.cameras):
            return f"its cameras are not those of {name}"
        for topic, ours in first.cameras.items():
            theirs = episode.cameras[topic]
            if (ours.encoding, ours.frames.shape[1:]) != (theirs.encoding, theirs.frames.shape[1:]):
                return f"the images of {topic} have another size or encoding than in {name}"
            if not np.array_equal(ours.intrinsics, theirs.intrinsics, equal_nan=True):
                return f"{topic} has other intrinsics than in {name}"
            if np.isfinite(ours.pose).all() != np.isfinite(theirs.pose).all():
                return f"/tf knows where {topic} is in one of it and {name} only"
        return ""

    def facts(self) -> dict[str, Any]:
        """What a reader has to know beside the arrays: names, units, cameras, where it is from."""
        first, task = self.first, self.task
        truth = {"ground_truth": list(first.ground_truth_names)} if self.ground_truth else {}
        names = {"state": list(first.state_names), "action": list(first.action_names), **truth}
        units: dict[str, Any] = {"time": "s", "reward": "minus the task's running cost"}
        known = dict(zip(task.state_names, task.state_units, strict=False)) if task else {}
        for part in ("state", *truth):
            units[part] = [known.get(name, "SI") for name in names[part]]
        known = dict(zip(task.action_names, task.action_units, strict=False)) if task else {}
        units["action"] = [known.get(name, "SI") for name in names["action"]]
        kept = ("task", "task_options", "engine", "model_sha256", "covary_version",
                "mujoco_version", "git_revision", "launch")  # fmt: skip
        return {
            "written_by": "covary export",
            **{key: first.metadata[key] for key in kept if key in first.metadata},
            "control_period_s": self.dt,
            "names": names,
            "units": units,
            "angles": "rad, in [-pi, pi) unless the task says otherwise",
            "cameras": {f"{view.name}.{view.kind}": view.facts() for view in self.views},
        }


def _view(episode: Episode, topic: str, camera: Camera) -> View:
    if camera.encoding not in _KINDS:
        known = ", ".join(_KINDS)
        raise ExportError(
            f"{episode.path}: {topic}: encoding {camera.encoding} cannot be exported; {known} can"
        )
    kind = _KINDS[camera.encoding]
    height, width, channels = camera.frames.shape[1:]
    name = image_name(topic, kind)
    shape = (height, width, channels)
    return View(name, kind, topic, shape, _without_images(camera), camera.pose[0].copy())


def _without_images(camera: Camera) -> Camera:
    return replace(camera, frames=camera.frames[:0].copy())


def image_name(topic: str, kind: str) -> str:
    """A camera's name: `/camera/top/image_raw` -> `top`, `/camera/hand/depth/image_raw` -> `hand`.

    Args:
        topic: The image topic.
        kind: `rgb` or `depth`, which need no second mention.
    """
    words = [word for word in topic.split("/") if word]
    if len(words) > 1 and words[0] == "camera":
        words = words[1:]
    if len(words) > 1 and words[-1].startswith("image"):
        words = words[:-1]
    if len(words) > 1 and words[-1] == kind:
        words = words[:-1]
    return "_".join(words)


def _flaw(episode: Episode, dt: float, ground_truth: bool) -> str:
    """Why an episode cannot be exported, empty where it can."""
    if episode.aborted:
        return "it was aborted"
    if np.isnan(episode.reward).any() or episode.final_state is None:
        return "not every tick has a /cost, so rewards are missing"
    parts = {"state": episode.state, "action": episode.action, "reward": episode.reward,
             "time": episode.time, "final state": episode.final_state}  # fmt: skip
    if ground_truth:
        if episode.ground_truth is None:
            return "no /ground_truth in it"
        parts["ground truth"] = episode.ground_truth
    for topic, camera in episode.cameras.items():
        if camera.frames.dtype.kind == "f":
            parts[f"image on {topic}"] = camera.frames
    for what, values in parts.items():
        bad = ~np.isfinite(values)
        if bad.any():
            where = "" if what == "final state" else f" at row {int(np.argwhere(bad)[0][0])}"
            return f"its {what} is not finite{where}"
    late = np.abs(np.diff(episode.time) - dt) > _EVEN_S
    if late.any():
        at = int(np.argmax(late))
        return (
            f"its tick after t={episode.time[at]:.3f} s has no command, and rows must be {dt:g} s "
            "apart; with realtime:=false none is missed"
        )
    return ""


def _numbers(values: np.ndarray) -> list | None:
    return values.tolist() if np.isfinite(values).all() else None
