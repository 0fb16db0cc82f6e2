"""`SimParameters`: what a launch file may say to the sim node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .camera_view import CameraView
from .dials import Dials


@dataclass(frozen=True)
class SimParameters:
    """Parameters of the sim node."""

    task: str
    """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
    task_options: dict[str, str | int] = field(default_factory=dict)
    """What the task's class takes beside, such as robot; an empty text is not given."""
    engine: Literal["mujoco", "pybullet"] = "mujoco"
    """What simulates the scene."""
    dials: Dials = field(default_factory=Dials)
    """How the world departs from its symmetry: {gravity_tilt: 5}; see docs/symmetry.md."""
    seed: int = 0
    """With the episode's number, the key of its start."""
    episodes: int = 1
    """How many episodes to run before the node ends."""
    first_episode: int = 0
    """Number of the first of them."""
    on_request: bool = False
    """Begin each episode when /episode/begin is called; it has no time limit, and those discarded
    do not count."""
    command_deadline_ms: float = 100.0
    """After this long without a valid command (plant time): the task's safe action."""
    freeze_limit_s: float = 1.0
    """Real time only: a node that stood still for this long (wall time) aborts its episode."""
    tick_timeout_s: float = 10.0
    """Tick barrier only: a node silent for this long (wall time) aborts the run."""
    path: dict[str, str] = field(
        default_factory=lambda: {"planner": "/plan", "control": "/command"}
    )
    """Tick barrier only: the nodes from sensor to command, with the topic each answers by."""
    camera: bool = False
    """Publish the top-view camera (needs a GL library: see covary doctor)."""
    cameras: dict[str, CameraView] = field(default_factory=dict)
    """Other cameras, colours and distances: name -> position, look_at, fovy_deg, width ..."""
    heightmap: int = 0
    """Pixels on a side of the heightmap, seen from straight above without GL; 0: none."""
    in_hand: int = 0
    """Pixels on a side of the in-hand heightmap, which goes with the gripper; 0: none."""
    camera_hz: float = 0.0
    """Rate of all images, simulated time; 0: one in every control period."""

    def __post_init__(self) -> None:
        least = {"episodes": 1, "first_episode": 0, "seed": 0, "camera_hz": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least {value}")
        if self.first_episode + self.episodes > 2**32:  # /episode says it, and the seed
            said = "with those before it that is more than 2**32 episodes"
            raise ValueError(f"episodes: {self.episodes}: {said}")
        if self.seed >= 2**64:
            raise ValueError(f"seed: {self.seed} must be at least 0 and below 2**64")
        for name in ("command_deadline_ms", "freeze_limit_s", "tick_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: {getattr(self, name)} must be positive")
