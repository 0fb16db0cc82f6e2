"""`covary view`: recordings as moving SVG files or in a live page, and launches in a live page."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console

from ..control.policy_card import CARD
from ..nodes.bags.bag import BagError
from ..nodes.bags.reader import Recording, read
from ..nodes.launching.key_values import is_file
from ..nodes.launching.yaml_loader import InputError, in_a_line
from .info import bag_folders, is_run_folder, result

if TYPE_CHECKING:
    from ..sim.plant import Plant
    from ..sim.task import Task
    from .top_view import Episode

_RATE_HZ = 20.0
"""Poses drawn per simulated second; a browser moves things evenly between them."""
_FRAMES = 600
"""Poses drawn of an episode at most; a long one gets a lower rate."""
_TILT = 0.1
"""From this tilt on, rad, it is said that a picture does not show it."""


class ViewError(Exception):
    """A recording that cannot be drawn; the text is one line made for people."""


def view(
    what: Annotated[
        str,
        typer.Argument(
            metavar="BAG|RUN_FOLDER|LAUNCH",
            help="Bag folder, .mcap file, run folder, or launch file.",
        ),
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME:=VALUE]...", help="A launch file's arguments."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File to write (default: in the run's folder)."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Play a bag in a page in the browser, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the page; the next free one if it is taken.")
    ] = 8080,
) -> None:
    """Draw a recording as an SVG file that a browser plays, or show it or a launch in a live page.

    A run folder gives a picture of all its episodes, and the first one in motion. A launch file is
    launched, in real time, with its page.
    """
    say = Console(soft_wrap=True, highlight=False, markup=False)
    complain = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    path = Path(what)
    if is_launch(path):
        from .live_page import watch

        watch(what, values or [], port)
        return
    if values:
        raise InputError(f"{what} is no launch file, so it takes no {values[0]}", "command line")
    try:
        if live:
            if is_run_folder(path):
                raise ViewError(f"--live plays one bag, such as {bag_folders(path)[0]}")
            play_live(path, port, say)
            return
        if (path / CARD).is_file():
            raise ViewError(f"{path}: a policy, not a recording; `covary info {path}` shows it")
        draw = draw_run if is_run_folder(path) else draw_bag
        for file in draw(path, out, complain):
            say.print(in_a_line(str(file)))
    except (BagError, ViewError, OSError) as error:
        complain.print(in_a_line(str(error)))
        raise typer.Exit(2) from error


def is_launch(path: Path) -> bool:
    """Whether a launch file is meant: a path, or a bare name of ours that is no recording here."""
    if path.suffix in (".yaml", ".yml"):
        return True
    ours = Path(__file__).resolve().parents[1] / "launch" / f"{path}.yaml"
    return path.name == str(path) and not os.path.exists(path) and is_file(ours)


def play_live(path: Path, port: int, say: Console) -> None:
    """Play one bag in a page until Ctrl-C.

    Raises:
        BagError: Not a bag, one that was never closed, or without states.
        ViewError: Its task or model cannot be loaded, or viser is not installed.
    """
    from .playback import play

    recording = read(path, ["/episode"])
    task = _task(recording)
    try:
        from ..sim.viewing.page import Page

        page = Page(port, f"covary: {_folder(path).name}", live=False)
    except ModuleNotFoundError as error:
        raise ViewError(f"the page needs {error.name}: pip install viser") from error
    facts = recording.metadata
    told = [(name, in_a_line(facts.get(name, ""))) for name in ("task", "seed")]
    say.print(f"{page.url} (Ctrl-C ends it)")
    try:
        play(path, task, page, [*told, ("result", result(facts))])
    except ValueError as error:
        raise ViewError(f"{path}: {in_a_line(str(error))}") from error
    finally:
        page.close()


def draw_bag(path: Path, out: Path | None, complain: Console) -> list[Path]:
    """Write the animation of one bag.

    Args:
        path: Bag folder or `.mcap` file.
        out: The file; by default named after the bag, in the run's folder or beside the bag.
        complain: Where to say what the picture does not show.

    Raises:
        BagError: Not a bag, or one that was never closed.
        ViewError: It lacks what a picture needs.
        OSError: The file cannot be written.
    """
    from .top_view import animation

    folder = _folder(path)
    in_run = folder.parent.name == "bags"
    target = out or (folder.parents[1] if in_run else folder.parent) / f"{folder.name}.svg"
    _check_target(target)
    drawn = episode(path)
    _note_tilt(drawn, complain)
    return [_write(target, animation(drawn))]


def draw_run(path: Path, out: Path | None, complain: Console) -> list[Path]:
    """Write the page of all episodes of a run and the animation of the first.

    Args:
        path: The run folder.
        out: The page; by default `episodes.svg` in the run folder. The animation goes beside it.
        complain: Where to say which bags were left out.

    Raises:
        ViewError: None of its bags can be drawn.
        OSError: A file cannot be written.
    """
    from .top_view import animation, overview

    target = out or path / "episodes.svg"
    _check_target(target)
    episodes = []
    for folder in bag_folders(path):
        try:
            episodes.append(episode(folder))
        except (BagError, ViewError) as error:
            complain.print(in_a_line(f"left out: {error}"))
    if not episodes:
        raise ViewError(f"{path}: none of its recordings can be drawn")
    for drawn in episodes:
        _note_tilt(drawn, complain)
    title = f"{episodes[0].task}, {len(episodes)} episode{'s' if len(episodes) > 1 else ''}"
    stem = f"{target.stem}_" if out else ""
    return [
        _write(target, overview(title, episodes)),
        _write(target.with_name(f"{stem}{episodes[0].name}.svg"), animation(episodes[0])),
    ]


def episode(path: Path) -> Episode:
    """A bag as it is drawn: at most 20 poses of every body for each simulated second.

    Raises:
        BagError: Not a bag, or one that was never closed.
        ViewError: It has no states, or its task or model cannot be loaded.
    """
    recording = read(path, ["/state", "/ground_truth", "/episode"])
    plant = _plant(recording)
    try:
        return _episode(path, recording, plant)
    except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
        # A bag brings its own definitions, so a topic's messages may be anything.
        reason = str(error).partition("\n")[0]
        raise ViewError(f"{path}: its messages cannot be drawn: {reason}") from error


def _episode(path: Path, recording: Recording, plant: Plant) -> Episode:
    from ..sim.silhouette import scene
    from .top_view import Episode

    stamps, states = _states(recording, len(plant.task.state_names))
    start = stamps[0]
    if "/episode" in recording.topics:
        start = min(start, int(recording.topics["/episode"]["header.stamp"][0]))
    time = (stamps - start) * 1e-9
    rows = _rows(time)
    facts = recording.metadata
    return Episode(
        name=_folder(path).name,
        task=plant.task.name,
        seed=in_a_line(facts.get("seed", "")),
        result=result(facts),
        duration=_number(facts.get("duration")) or float(time[-1]),
        cost=_number(facts.get("cost")),
        launch=in_a_line(facts.get("launch", "")),
        time=time[rows],
        scene=scene(plant, states[rows]),
    )


def _plant(recording: Recording) -> Plant:
    """The recorded model; the installed one where that is the same, for it may name other files."""
    from ..sim.plant import Plant

    task = _task(recording)
    if task.opaque:
        raise ViewError(f"{recording.path}: no picture of it can be drawn; add --live")
    text = recording.model
    try:
        # An arm hides what lies below it: seen from above it is the gripper that tells something.
        if (stand_in := task.for_planning()) is not task:
            return Plant(stand_in)
        installed = task.model_text().encode()
        if text is None or hashlib.sha256(text.encode()).digest() == (
            hashlib.sha256(installed).digest()
        ):
            return Plant(task)
        return Plant(task, model=text)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ViewError(f"{recording.path}: its model does not load: {reason}") from error


def _task(recording: Recording) -> Task:
    """The task that a recording is of."""
    from ..sim.load_task import recorded_task

    name = recording.metadata.get("task")
    if not name:
        raise ViewError(f"{recording.path}: does not say which task it is of")
    try:
        return recorded_task(recording.metadata)
    except Exception as error:  # an outsider's module may raise anything while it is imported
        raise ViewError(f"{recording.path}: its task {name!r} cannot be loaded: {error}") from error


def _states(recording: Recording, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Stamps (T,), ns, increasing, and the finite states (T, n) at them."""
    found = recording.topics.get("/ground_truth") or recording.topics.get("/state")
    if found is None:
        raise ViewError(f"{recording.path}: no /state in it, which a picture is made of")
    values = found["value"]
    if values.dtype == object or values.shape[1:] != (size,):
        raise ViewError(f"{recording.path}: its states do not have the task's {size} coordinates")
    stamps, first = np.unique(found["header.stamp"], return_index=True)
    finite = np.isfinite(values[first]).all(1)
    if not finite.any():
        raise ViewError(f"{recording.path}: no finite state in it")
    return stamps[finite], values[first][finite]


def _rows(time: np.ndarray) -> np.ndarray:
    """Which states are drawn: the first, the last, and between them not more than the rate."""
    span = float(time[-1] - time[0])
    step = max(1 / _RATE_HZ, span / _FRAMES)
    # A state may come a little early: stamps are whole nanoseconds.
    slot = np.floor((time - time[0]) / step + 1e-6)
    rows = np.flatnonzero(np.diff(slot, prepend=-1) > 0)
    last = len(time) - 1
    return rows if rows[-1] == last else np.append(rows, last)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _folder(bag: Path) -> Path:
    """The folder of a bag that may be named by its file."""
    return bag.absolute().parent if bag.is_file() else bag.absolute()


def _note_tilt(drawn: Episode, complain: Console) -> None:
    for silhouette in drawn.scene.silhouettes:
        if silhouette.tilt > _TILT:
            degrees = np.degrees(silhouette.tilt)
            complain.print(
                f"note: {drawn.label}: {silhouette.name} tilts by up to {degrees:.0f} degrees; "
                "it is drawn as it lay at the start"
            )


def _check_target(target: Path) -> None:
    """Says before the work what would go wrong after it."""
    if target.is_dir():
        raise ViewError(f"--out: {target} is a folder; name a file in it, such as view.svg")
    if not target.absolute().parent.is_dir():
        raise ViewError(f"--out: no folder {target.absolute().parent}")


def _write(target: Path, text: str) -> Path:
    target.write_text(text, encoding="utf-8")
    return target
