"""`covary replay BAG|DATASET`: runs recorded physics again and compares it bit for bit."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console

from ..nodes.bags.bag import BagError
from ..nodes.bags.reader import Recording, read
from ..nodes.launching.yaml_loader import in_a_line
from .dataset_replay import replay_dataset
from .info import is_run_folder

if TYPE_CHECKING:
    from ..sim.plant import Plant
    from ..sim.task import Task


_MOST_APART = 10_000
"""Physics ticks between two records, on average, from which on the stamps cannot be meant so."""


class ReplayError(Exception):
    """The bag cannot be replayed; the text is one line made for people."""


@dataclass(frozen=True)
class Difference:
    """The first value that came out otherwise."""

    tick: int
    """Physics tick within the episode."""
    topic: str
    """Topic that had recorded it."""
    coordinate: str
    """Which value."""
    recorded: float
    """What the bag says."""
    replayed: float
    """What came out now."""


@dataclass(frozen=True)
class Verdict:
    """What a replay found."""

    ticks: int
    """Physics ticks that were run and agree."""
    compared: int
    """Recorded messages that were compared."""
    difference: Difference | None
    """The first difference, None when there is none."""
    notes: tuple[str, ...] = ()
    """What is not as it was when the bag was written (versions, model file)."""


def replay(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="BAG|RUN|DATASET", help="Bag folder, .mcap file, run folder, or dataset."
        ),
    ],
) -> None:
    """Restore a recorded episode's physics, apply its actions again, compare every record.

    Of a dataset or a run every episode, with a table; exit code 1 where one is not identical.

    In the engine that the bag names. Exit code 0 when all is identical to the last bit, 1 when
    something differs, 2 when the bag cannot be replayed.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if is_run_folder(path):
        raise typer.Exit(0 if replay_dataset(path, _verdict) else 1)
    try:
        verdict = verify(path)
    except (BagError, ReplayError, OSError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            in_a_line(str(error))
        )
        raise typer.Exit(2) from error
    for note in verdict.notes:
        console.print(f"note: {in_a_line(note)}")
    if verdict.difference is None:
        console.print(f"identical over {verdict.ticks} ticks ({verdict.compared} records compared)")
        return
    d = verdict.difference
    console.print(
        f"differs first at tick {d.tick}: {d.topic} {d.coordinate} recorded {d.recorded!r}, "
        f"replayed {d.replayed!r} ({d.replayed - d.recorded:+.3g})"
    )
    raise typer.Exit(1)


def _verdict(path: Path) -> Verdict | str:
    """The verdict on a bag, or why it cannot be replayed."""
    try:
        return verify(path)
    except (BagError, ReplayError, OSError) as error:
        return in_a_line(str(error))


def verify(path: Path) -> Verdict:
    """Replay a bag and compare it with what it recorded.

    Raises:
        BagError: The bag cannot be read.
        ReplayError: It lacks what a replay needs, or its task cannot be loaded.
    """
    recording = read(path, ["/physics", "/applied", "/state", "/joint_states"])
    if "/physics" not in recording.topics:
        raise ReplayError(f"{path}: no /physics in it, which a replay starts from")
    task = _task(recording)
    plant, model_notes = _plant(task, recording)
    try:
        notes = _engine_notes(recording, plant) + model_notes
        return _run(recording, task, plant, tuple(notes))
    except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
        # A bag brings its own definitions, so a topic's messages may be anything.
        reason = str(error).partition("\n")[0]
        raise ReplayError(f"{path}: its messages are not those of {task.name}: {reason}") from error


def _engine_notes(recording: Recording, plant: Plant) -> list[str]:
    """What may make the engine compute otherwise than it did for the recording."""
    from ..sim.engines.engine import PACKAGES

    engine, notes = recording.metadata.get("engine", "mujoco"), []
    for package in dict.fromkeys(("mujoco", PACKAGES[engine])):
        now = importlib.metadata.version(package)
        then = recording.metadata.get(f"{package}_version", now)
        if then != now:
            notes.append(f"recorded with {package} {then}, this is {now}")
    first = int(recording.topics["/physics"]["tick"][0])
    if first > 0 and not plant.resumes:
        notes.append(
            f"the recording begins at tick {first}, and {engine}'s contacts are in no "
            "recording: what follows is bit-exact from an episode's tick 0 only"
        )
    return notes


def _task(recording: Recording) -> Task:
    from ..sim.load_task import recorded_task

    name = recording.metadata.get("task")
    if not name:
        raise ReplayError(f"{recording.path}: does not say which task it is of")
    try:
        return recorded_task(recording.metadata)
    except Exception as error:  # an outsider's module may raise anything while it is imported
        raise ReplayError(
            f"{recording.path}: its task {name!r} cannot be loaded: {error}"
        ) from error


def _plant(task: Task, recording: Recording) -> tuple[Plant, list[str]]:
    """A plant with the model that was simulated, and what is to be said about it."""
    from ..sim.dials import recorded_dials
    from ..sim.engines.engine import EngineError

    stated = recording.metadata.get("model_sha256")
    if recording.model is None:
        raise ReplayError(f"{recording.path}: no model in it")
    if hashlib.sha256(recording.model.encode()).hexdigest() != stated:
        raise ReplayError(f"{recording.path}: the model in it does not have the hash it states")
    engine = recording.metadata.get("engine", "mujoco")
    try:
        dials = recorded_dials(recording.metadata)
    except ValueError as error:
        raise ReplayError(f"{recording.path}: {error}") from error
    own, notes = None, []
    if hashlib.sha256(task.model_text().encode()).hexdigest() != stated:
        own = recording.model
        notes.append(f"the installed model of {task.name} is another one; the bag's own is used")
    try:
        return task.plant(engine, own, dials), notes
    except EngineError as error:
        raise ReplayError(f"{recording.path}: {error}") from error
    except (ValueError, KeyError) as error:
        raise ReplayError(f"{recording.path}: its model does not load: {error}") from error


def _run(recording: Recording, task: Task, plant: Plant, notes: tuple[str, ...]) -> Verdict:
    physics = recording.topics["/physics"]
    first = int(physics["tick"][0])
    start_ns = int(physics["header.stamp"][0]) - round(first * task.physics_dt * 1e9)
    actions = {}
    if "/applied" in recording.topics:  # an episode may have ended before anything was applied
        applied = recording.topics["/applied"]
        actions = {int(t): u for t, u in zip(applied["tick"], applied["action"], strict=True)}
    records = _by_tick(recording, task, start_ns)
    key = int(recording.metadata.get("seed", 0)), int(recording.metadata.get("episode", 0))
    _, sensed = task.sensed_state()
    goal = np.isin(sensed, np.arange(task.goal_slice.start, task.goal_slice.stop))
    said = recording.metadata
    if said.get("seed") and said.get("episode"):  # of some worlds the physics is not all there is
        plant.begin(np.random.default_rng([int(said["seed"]), int(said["episode"])]))
    try:
        plant.restore(np.array(physics["state"][0]))
    except ValueError as error:
        raise ReplayError(f"{recording.path}: {error}") from error
    compared, last = 0, max(records)
    action = task.safe_action()
    if last - first > _MOST_APART * len(records):
        raise ReplayError(f"{recording.path}: its stamps are {last - first} ticks apart")
    for tick in range(first, last + 1):
        for topic, row in records.get(tick, ()):
            fields = recording.topics[topic].fields
            if topic == "/state":
                plant.set_goal(fields["value"][row][goal])
            for names, recorded, replayed in _pairs(topic, row, fields, plant, key):
                if recorded.shape != replayed.shape:
                    raise ReplayError(
                        f"{recording.path}: {topic} has {recorded.size} values at tick {tick}, "
                        f"the task now gives {replayed.size}"
                    )
                # Bits, not values: -0.0 is not 0.0 here, and a NaN equals itself.
                same = _bits(recorded) == _bits(replayed)
                if not same.all():
                    k = int(np.argmin(same))
                    values = float(recorded[k]), float(replayed[k])
                    return Verdict(
                        tick - first, compared, Difference(tick, topic, names(k), *values), notes
                    )
            compared += 1
        action = actions.get(tick, action)
        plant.apply(action)
        if tick < last:
            plant.step()
    return Verdict(last - first, compared, None, notes)


def _by_tick(recording: Recording, task: Task, start_ns: int) -> dict[int, list[tuple[str, int]]]:
    """Which recorded rows belong to which physics tick, `/state` first as it brings the goal."""
    records: dict[int, list[tuple[str, int]]] = {}
    for topic in ("/state", "/ground_truth", "/physics", "/joint_states"):
        if topic not in recording.topics:
            continue
        fields = recording.topics[topic].fields
        for row, stamp in enumerate(fields["header.stamp"]):
            tick = round((int(stamp) - start_ns) / (task.physics_dt * 1e9))
            if topic == "/physics":
                tick = int(fields["tick"][row])
            records.setdefault(tick, []).append((topic, row))
    return records


def _pairs(
    topic: str, row: int, fields: dict, plant: Plant, key: tuple[int, int]
) -> Iterator[tuple]:
    """(name of value k, recorded values, replayed values) of one recorded message."""
    from ..sim.dialled_senses import state_as_sensed

    task = plant.task
    if topic == "/physics":
        yield lambda k: plant.physics_name(k), fields["state"][row], plant.physics_state()
    elif topic == "/state":
        names, sensed = task.sensed_state()
        seen = state_as_sensed(task, plant.dials, plant.state(), (*key, plant.tick))
        yield lambda k: names[k], fields["value"][row], seen[sensed]
    elif topic == "/ground_truth":
        yield lambda k: task.state_names[k], fields["value"][row], plant.state()
    else:
        for part, now in zip(("position", "velocity"), plant.joints(), strict=True):
            yield lambda k, p=part: f"{p} of {task.joint_names[k]}", fields[part][row], now


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)
