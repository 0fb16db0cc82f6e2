"""What a recipe of a latent model says of a task, where it is not of a pixel world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ...sim.camera_view import LARGEST
from .world_learner import MOST, WorldLearner


@dataclass(frozen=True, kw_only=True)
class TaskParameters(WorldLearner.Parameters):
    """Of a world or of a task: which, what of it is learned from, and how it is seen."""

    usual: ClassVar[str] = "shapes"

    world: str = ""
    """A file of sim/pixel_worlds, or my_file:MyWorld; empty: the method's usual one, where no task
    is named."""
    task: str = ""
    """In place of a world: the task whose images are learned from, to plan in."""
    task_options: dict[str, str | int] = field(default_factory=dict)
    """What the task's class takes beside."""
    data: str = ""
    """Of a task: a dataset, as `covary collect` or a recorded launch leaves it."""
    interaction: int = 0
    """Of a task: control periods of random motion, beside the dataset or alone."""
    held_out: float = 0.1
    """Of a task: share of the episodes for validation, and as many again for the test."""
    images: int = 20000
    """Of a task: transitions to train with, as many as there are at most; whole episodes."""
    camera: Literal["heightmap", "top"] = "heightmap"
    """Of a task: what is looked at, the heightmap or the camera from above (needs a GL library)."""
    heightmap: int = 64
    """Pixels on a side of the heightmap."""
    pool: int = 1
    """Of a task: pixels on a side that are averaged into one at first."""
    frames: int = 1
    """Of a task: images that are seen at once; two tell rates."""
    unroll: int = 10
    """Of a task: periods over which is foretold what the head is to tell."""
    grounding: float = 10.0
    """Of a task: weight with which the gradient of what the head tells reaches encoder and
    transition; 0: latents are the method's own, and keep of the state what that keeps."""

    settled: float = 0.3
    """Of a task: share of the updates, the last ones, in which latents stay as they are; transition
    and head learn stretches of `2 * unroll` periods of them, for which no image is looked at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.world and self.task:
            raise ValueError(f"task: {self.task} or world: {self.world}; a model is of one of them")
        if not (self.world or self.task):
            object.__setattr__(self, "world", self.usual)
        if self.world and (self.data or self.interaction):
            what = "data" if self.data else "interaction"
            raise ValueError(f"{what}: it is of a task, and none is named: task:=NAME")
        if self.frames not in (1, 2):
            raise ValueError(f"frames: {self.frames} must be 1 or 2")
        if not 0 <= self.grounding <= 1000:
            raise ValueError(f"grounding: {self.grounding} must be from 0 to 1000")
        if not 0 <= self.settled < 1:
            raise ValueError(f"settled: {self.settled} must be from 0 to below 1")
        if not 0 < self.held_out < 0.5:
            raise ValueError(f"held_out: {self.held_out} must lie between 0 and 0.5")
        most = {"unroll": 1000, "images": 1_000_000, "heightmap": LARGEST, "pool": LARGEST}
        for name, limit in most.items():
            if not 1 <= getattr(self, name) <= limit:
                raise ValueError(f"{name}: {getattr(self, name)} must be from 1 to {limit}")
        if not 0 <= self.interaction <= MOST:
            raise ValueError(f"interaction: {self.interaction} must be from 0 to {MOST}")
