"""`Dials`: how a simulated world departs from its declared symmetry, all zero by default."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..nodes.parameters import ParameterError, from_dict
from ..symmetry.declaration import Symmetry
from .task import Task

COMPONENTS = ("cost", "limits", "rules", "dynamics", "observation")
"""The parts of a declaration that `residuals` grades apart."""


def _dial(unit: str, low: float, high: float, moves: str = "", whole: bool = False) -> Any:
    """A dial that is off at zero.

    Args:
        unit: What it is measured in.
        low: Its least value.
        high: Its largest value.
        moves: The one of `COMPONENTS` whose residual it moves; empty: none.
        whole: Whether it counts something.
    """
    about = {"unit": unit, "low": low, "high": high, "moves": moves}
    return field(default=0 if whole else 0.0, metadata=about)


@dataclass(frozen=True)
class Dials:
    """One number for each way in which a world may be less symmetric than its task declares.

    They act on the simulation alone: planners, policies and experts are told nothing of them. Each
    moves the residual of one component of the declaration, or none (see `residuals`). "Where the
    group moves it" in the words below: the first coordinate of the state, or of the action, that
    some element of the group changes; in a planar task that is an x.

    Raises:
        ValueError: One out of its range.
    """

    camera_tilt: float = _dial("deg", 0.0, 75.0, "observation")
    """Deg, 0 to 75; moves observation. Fixed cameras stand on an arc about the workspace's centre
    and go on looking at it: 0 is where they were, above zero further towards -y."""
    camera_roll: float = _dial("deg", -90.0, 90.0, "observation")
    """Deg, -90 to 90; moves observation, under mirrors alone: to a turn of the scene a camera that
    is turned about its own axis is as good as any."""
    gravity_tilt: float = _dial("deg", 0.0, 30.0, "dynamics")
    """Deg, 0 to 30; moves dynamics. Gravity leans towards +x."""
    wind: float = _dial("m/s", -20.0, 20.0, "dynamics")
    """M/s, -20 to 20; moves dynamics. Air of 1.2 kg/m3 blows along +x and drags at every body."""
    actuator_gain: float = _dial("share", -0.9, 1.0, "dynamics")
    """Share, -0.9 to 1; moves dynamics. The first action coordinate that the group moves does this
    much more than is commanded while it is above zero, and just that below."""
    damping: float = _dial("N s/m", 0.0, 20.0, "dynamics")
    """N s/m, 0 to 20; moves dynamics. More damping along the world's x, and not along y, on every
    free body and on every slide along x that carries the robot."""
    cost_offset: float = _dial("cost", -10.0, 10.0, "cost")
    """Units of the running cost, -10 to 10; moves cost. Added in every period that ends with the
    first state coordinate that the group moves above zero."""
    label_flip: float = _dial("probability", 0.0, 1.0, "rules")
    """Probability, 0 to 1; moves rules. Of the episodes that start with the first state coordinate
    that the group moves above zero, so many are told the opposite of how they ended: a success
    is called a failure, a failure a success."""
    mirrored_image: float = _dial("probability", 0.0, 1.0, "observation")
    """Probability, 0 to 1; moves observation where the group has quarter turns, with which a mirror
    does not commute. So many images have left and right exchanged."""
    floor_pattern: float = _dial("share", 0.0, 1.0, "observation")
    """Share, 0 to 1; moves observation. Tiles in no symmetric order lie on the table: this dark to
    a colour camera, and to a depth camera this share of 5 mm high. Nothing can touch them."""
    occluder: float = _dial("m", 0.0, 0.3, "observation")
    """M, 0 to 0.3; moves observation. Side of a dark square plate that hangs 0.4 m above the table,
    beside the workspace's centre, and hides what is below it. Nothing can touch it."""
    action_delay: int = _dial("control periods", 0, 10, whole=True)
    """Control periods, 0 to 10; moves none. A command is executed this much later. A stop is not:
    the guard sits at the actuators, and before the first command comes the safe action."""
    observation_noise: float = _dial("m, rad", 0.0, 0.1)
    """M and rad, 0 to 0.1; moves none, for it looks alike from all sides. Standard deviation of
    what is added to each coordinate of /state but the goal, to each depth, and (as a share of full
    scale) to each colour; drawn anew in each period."""
    light: float = _dial("share", 0.0, 0.9)
    """Share, 0 to 0.9; moves none. How much dimmer all lights are."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            value, about = getattr(self, one.name), one.metadata
            if not about["low"] <= value <= about["high"]:
                raise ValueError(
                    f"{one.name}: {value:g} is not within {about['low']:g} .. {about['high']:g} "
                    f"{about['unit']}"
                )

    def turned(self) -> dict[str, float]:
        """Those that are not zero."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    def text(self) -> str:
        """Those that are not zero, as JSON."""
        return json.dumps(self.turned(), sort_keys=True)

    def broken(self) -> dict[str, list[str]]:
        """Component -> the dials that break it on purpose."""
        found: dict[str, list[str]] = {}
        for one in dataclasses.fields(self):
            if getattr(self, one.name) and one.metadata["moves"]:
                found.setdefault(one.metadata["moves"], []).append(one.name)
        return found

    def said(self) -> list[str]:
        """A line for each component that is not what the task declares any more."""
        return [
            f"dials: the {component} is not as symmetric as declared, on purpose: "
            + ", ".join(f"{name} {getattr(self, name):g}" for name in names)
            for component, names in self.broken().items()
        ]


def dials_from(mapping: Mapping[str, Any]) -> Dials:
    """The dials that a mapping sets.

    Raises:
        ParameterError: An unknown one, or a value out of its range; one line.
    """
    return from_dict(Dials, mapping, "dials")


def recorded_dials(metadata: Mapping[str, str]) -> Dials:
    """The dials that a recording's metadata state; one that says nothing of them has none.

    Raises:
        ParameterError: What stands there are no dials.
    """
    try:
        found = json.loads(metadata.get("dials") or "{}")
    except ValueError:
        raise ParameterError("dials: no JSON", "dials") from None
    return dials_from(found)


def check_dials(task: Task, dials: Dials, engine: str = "mujoco") -> None:
    """Hold dials to what a task's group moves, to its scene and to the engine.

    Raises:
        ParameterError: One that acts on the first coordinate that the group moves, and it moves
            none; one that can change nothing in the scene; one that the engine does not have.
    """
    for space, names in (("action", ("actuator_gain",)), ("state", ("cost_offset", "label_flip"))):
        if any(getattr(dials, name) for name in names):
            first_moved(task.symmetry, space)
    check_engine_has(dials, engine)
    if dials.gravity_tilt or dials.damping:
        task.plant(dials=dials)


def check_engine_has(dials: Dials, engine: str) -> None:
    """Hold dials to an engine.

    Raises:
        ParameterError: One that only MuJoCo simulates.
    """
    for name in ("wind", "damping"):
        if getattr(dials, name) and engine != "mujoco":
            raise ParameterError(f"dials: {name}: the engine {engine} has none", "dials")


def first_moved(symmetry: Symmetry, space: str) -> int:
    """The first coordinate of a space ("state" or "action") that some element changes.

    Raises:
        ParameterError: There is none, so nothing can break what is declared.
    """
    at = np.random.default_rng(0).uniform(0.1, 1.0, symmetry.width(space))  # type: ignore[arg-type]
    for i in range(len(at)):
        for g in symmetry.group.elements:
            if abs(symmetry.act(g, **{space: at})[i] - at[i]) > 1e-9:  # type: ignore[call-overload]
                return i
    raise ParameterError(
        f"dials: {symmetry.group.name} moves no coordinate of the {space}", "dials"
    )
