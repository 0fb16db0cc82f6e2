"""What `symmetry:=symmetry.yaml` does to a task: restricts it, or declares what `check_task` finds.

A word (full, none, C4, ...) says which part of the declared symmetry is used. A file may say more
than the task declares; then the task is held to it before anything uses it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..nodes.launching.yaml_loader import InputError, nearest
from ..nodes.parameters import ParameterError
from ..symmetry.declaration import Symmetry
from ..symmetry.group import Group, group, o2, o3, so2, so3
from ..symmetry.motion import CONTINUOUS, check_continuous, drawn, mirrors, spatial, under
from ..symmetry.part import Part
from ..symmetry.part_words import width_of
from .check_task import Law, check_task
from .limits import Limits
from .symmetry_file import Parts, SymmetryFile, parts_of, read_symmetry
from .task import Task

MOTIONS = 12
"""Random elements that a task is held to where a file claims a continuous group."""
GRADED = 2.0
"""Where physics is only nearly symmetric, a claim may be off by so many times what the task is."""


def is_file(word: str) -> bool:
    """Whether what `symmetry` says is a file and no word."""
    return word.endswith((".yaml", ".yml"))


def claimed(task: Task, word: str, framed: bool = False) -> tuple[Task, str]:
    """The task and the word for the group that `symmetry` asks for, which may be a file.

    Args:
        task: The task.
        word: full, none, a group, or the path of a file, relative to the working folder.
        framed: Whether who asks works in canonical frames, and so can use a continuous group; else
            a file's continuous group is used as the largest finite one that the task has of it.

    Returns:
        Of a word the same two. Of a file that restricts the task, the task and the file's group; of
        one that claims more, the task declared anew and the group.

    Raises:
        ParameterError: A file that cannot be read, does not fit the task, or claims what the task
            does not have; one line.
    """
    if not is_file(word):
        return task, word
    try:
        found = read_symmetry(Path(word))
    except InputError as error:
        raise ParameterError(f"symmetry: {error}", "symmetry") from None
    try:
        task, within = _applied(task, found)
        if within in CONTINUOUS and not framed:
            within = _largest(task.symmetry.group, within)
        return task, within
    except ValueError as error:
        said = " ".join(str(error).split())
        raise ParameterError(f"symmetry: {word}: {said}", "symmetry") from None


def said_of(task: Task, word: str, framed: bool = False) -> tuple[str, str]:
    """The word for the group of a task that `claimed` gave, and what to call it where one reads.

    Raises:
        ParameterError: As `claimed`.
    """
    if not is_file(word):
        return word, word
    within = claimed(task, word, framed)[1]
    return within, f"{within} of {word}"


def declaring(task: Task, symmetry: Symmetry) -> Task:
    """The same task under another declaration, for `check_task` and for whoever plans or learns.

    Raises:
        ValueError: Its limits cannot follow the parts of the action, or a part that the task names
            (its goal, what is sensed) is gone.
    """
    view = copy.copy(task)
    view.symmetry = symmetry
    slices = symmetry.slices("action")
    view.limits = following(task.limits, slices)
    for kind in ("rates", "accelerations"):
        limits = getattr(task, kind)
        setattr(view, kind, None if limits is None else following(limits, slices))
    here, there = task.symmetry.slices("state"), symmetry.slices("state")
    for name in filter(None, (task.goal, *task.sensed)):
        if there.get(name) != here[name]:
            raise ValueError(f"state: the part {name!r} of {task.name} must stay one part")
    return view


def following(limits: Limits, slices: Mapping[str, slice]) -> Limits:
    """The same limits, told by other parts.

    Raises:
        ValueError: A ball would have to be cut, or limits of two parts to become one.
    """
    before = {(s.start, s.stop): limits.parts[name] for name, s in limits.slices.items()}
    parts = {}
    for name, here in slices.items():
        if (here.start, here.stop) not in before:
            raise ValueError(
                f"action: part {name!r} stands at {here.start} to {here.stop - 1}, where no limit "
                f"of the task does ({', '.join(limits.parts)})"
            )
        parts[name] = before[here.start, here.stop]
    return Limits(parts, dict(slices))


def _applied(task: Task, found: SymmetryFile) -> tuple[Task, str]:
    if found.task and found.task != task.name:
        raise ValueError(f"it is of the task {found.task}; this is {task.name}")
    sampled = _sampled(found.group)
    names = {
        space: _named(task, space, getattr(found, space), sampled.order)
        for space in ("state", "action")
    }
    same = all(
        list(names[space].items()) == list(getattr(task.symmetry, space).items())
        for space in ("state", "action")
    )
    if same and _has(task.symmetry, found.group):
        return task, found.group
    _check_widths(task, names, sampled.order)
    claim = Symmetry(sampled, names["state"], names["action"])
    if found.group not in CONTINUOUS and _acts_alike(task.symmetry, claim, found.group):
        return task, found.group
    if task.opaque:
        raise ValueError(
            f"it claims {found.group}, {task.name} declares {task.symmetry.group.name}, and more "
            "cannot be tried: its plant alone knows its physics"
        )
    view = declaring(task, claim)
    tried = view
    if found.group in CONTINUOUS:
        check_continuous(claim, found.group)
        rng = np.random.default_rng(0)
        motions = [drawn(found.group, rng) for _ in range(MOTIONS)]
        tried = declaring(task, under(claim, motions, found.group))
    worst = _worst(task, tried)
    if worst is not None:
        raise ValueError(
            f"it claims {found.group}, {task.name} declares {task.symmetry.group.name}, and "
            f"check_task refuses more: {worst}"
        )
    return view, found.group if found.group in CONTINUOUS else sampled.name


def _sampled(word: str) -> Group:
    """The finite group that a declaration is written in."""
    if word not in CONTINUOUS:
        return group(word)
    if spatial(word):
        return o3() if mirrors(word) else so3()
    return o2(8) if mirrors(word) else so2(8)


def _largest(whole: Group, word: str) -> str:
    """The largest subgroup of a sample that lies in a continuous group."""
    names = (whole.name, *whole.subgroup_names())
    inside = [
        name
        for name in names
        if (mirrors(word) or (group(name).sign > 0).all()) and (spatial(word) or group(name).planar)
    ]
    return max(inside, key=lambda name: group(name).order)


def _has(symmetry: Symmetry, word: str) -> bool:
    """Whether a declaration says a group itself."""
    try:
        if word in CONTINUOUS:
            check_continuous(symmetry, word)
        else:
            symmetry.restrict(word)
    except ValueError:
        return False
    return True


def _acts_alike(symmetry: Symmetry, claim: Symmetry, word: str) -> bool:
    """Whether a claim in other words is what the declaration says of one of its subgroups."""
    if not _has(symmetry, word):
        return False
    own = symmetry.restrict(word)
    for space in ("state", "action"):
        for a, b in zip(own.affine(space), claim.affine(space), strict=True):
            if a.shape != b.shape or not np.allclose(a, b, rtol=0.0, atol=1e-12):
                return False
    return True


def _named(task: Task, space: str, parts: Parts, order: int) -> dict[str, Part]:
    """The parts with names: the task's own where one of them stands there."""
    slices = task.symmetry.slices(space)  # type: ignore[arg-type]
    own = {(s.start, s.stop): name for name, s in slices.items()}
    coordinates = getattr(task, f"{space}_names")
    given = list(parts) if isinstance(parts, Mapping) else [""] * len(parts)
    found, start = {}, 0
    for name, part in zip(given, parts_of(parts), strict=True):
        stop = start + width_of(part, order)
        here = own.get((start, stop), "")
        if name and name != here and (here or name in slices):
            hint = nearest(name, slices) or f"; it has {', '.join(slices)}"
            if name in slices:
                hint = f": it is coordinates {slices[name].start + 1} to {slices[name].stop}"
            raise ValueError(f"{space}: {task.name} has no part {name!r} there{hint}")
        name = name or here or (coordinates[start] if start < len(coordinates) else f"at {start}")
        if name in found:
            raise ValueError(f"{space}: two parts would be called {name!r}; give them names")
        found[name], start = part, stop
    return found


def _check_widths(task: Task, names: Mapping[str, Mapping[str, Part]], order: int) -> None:
    for space, parts in names.items():
        width = sum(width_of(part, order) for part in parts.values())
        wanted = task.symmetry.width(space)  # type: ignore[arg-type]
        if width != wanted:
            raise ValueError(
                f"{space}: its parts have {width} coordinates, the {space} of {task.name} has "
                f"{wanted}: {', '.join(task.symmetry.slices(space))}"  # type: ignore[arg-type]
            )


def _worst(task: Task, tried: Task) -> Law | None:
    """The law that a claim breaks by most, in units of what is allowed; None: it breaks none."""
    report = check_task(tried)
    broken = list(report.failures)
    for law in report.laws:
        if law.graded and law.ok:
            own = next(one for one in check_task(task).laws if one.name == law.name)
            most = max(law.tolerance, GRADED * own.worst)
            if not law.worst <= most:
                broken.append(replace(law, tolerance=most, graded=False))
    return max(broken, key=lambda law: law.worst / law.tolerance, default=None)
