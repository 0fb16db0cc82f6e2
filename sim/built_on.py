"""What a trained network was built on, as its card says it, held to a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..symmetry.declaration import Symmetry
from ..symmetry.group import GroupError
from .task import Task


class MismatchError(ValueError):
    """A trained network and a task that do not fit; one line that says what of them does not."""


def described(symmetry: Symmetry) -> dict[str, Any]:
    """A symmetry as a card states it: its group, and the kind of each part."""
    return {
        "group": symmetry.group.name,
        "state": {name: repr(part) for name, part in symmetry.state.items()},
        "action": {name: repr(part) for name, part in symmetry.action.items()},
    }


def check_description(said: Mapping[str, Any]) -> None:
    """Hold what a card says of a symmetry to the form of `described`.

    Raises:
        ValueError: It is not of that form.
    """
    group = said.get("group", "trivial")
    if not isinstance(group, str):
        raise ValueError(f"symmetry: group: {group!r} is no name of a group")
    for space in ("state", "action"):
        parts = said.get(space, {})
        if not (isinstance(parts, dict) and all(isinstance(p, str) for p in parts.values())):
            raise ValueError(f"symmetry: {space}: {parts!r} is no mapping of parts")


def check_built_on(said: Mapping[str, Any], task: Task, who: str) -> None:
    """Hold the symmetry that a network was built on to a task's.

    Args:
        said: What its card says of it, as `described` writes it.
        task: The task.
        who: What it is, such as "a policy for push".

    Raises:
        MismatchError: The task has no such subgroup, or its parts are of other kinds.
    """
    group = said.get("group", "trivial")
    try:
        here = described(task.symmetry.restrict("none" if group == "trivial" else group))
    except GroupError:
        raise MismatchError(
            f"symmetry: {who} is built on {group}; {task.name} has {task.symmetry.group.name}"
        ) from None
    for space in ("state", "action"):
        there: Mapping[str, str] = said.get(space, {})
        for name, part in there.items():
            if here[space].get(name) != part:
                has = here[space].get(name, "none")
                raise MismatchError(
                    f"symmetry: {who} has the {space} part {name} as {part}; "
                    f"in {task.name} it is {has}"
                )


def check_acts_in(names: tuple[str, ...], dt: float, task: Task, who: str) -> None:
    """Hold actions and the control period that a network was trained with to a task's.

    Raises:
        MismatchError: They are others.
    """
    if names != tuple(task.action_names):
        theirs, ours = ", ".join(names), ", ".join(task.action_names)
        raise MismatchError(f"action: {who} moves {theirs}; {task.name} has {ours}")
    if abs(dt - task.dt) > 1e-9:
        raise MismatchError(
            f"control period: {who} acts every {dt:g} s; {task.name} every {task.dt:g} s"
        )
