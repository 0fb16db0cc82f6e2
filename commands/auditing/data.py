"""`covary audit` of a task, a dataset or arrays: from the words to the table and the files."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ...nodes.launching.launch_file import read_assignments
from ...nodes.launching.yaml_loader import InputError, in_a_line, nearest
from ...nodes.parameters import ParameterError
from ...nodes.plugin import PluginError
from ...nodes.supervision.run_folder import dated_folder, write_json
from ...symmetry.audit.claim import AuditError, claim_of
from ...symmetry.audit.neighbours import spread
from ...symmetry.declaration import Symmetry
from ...symmetry.part import Pose, Position, Vector
from ...symmetry.pixels import PixelError
from .. import interrupts
from ..progress_bar import ProgressBar
from .report import DEGREES, audited, claimed, in_words
from .simulated import World, demonstrated
from .source import PLACE, Source, proposed, read_dataset, read_npz


def audit(
    what: str,
    values: Sequence[str],
    group: str,
    state: str,
    action: str,
    centre: str,
    samples: int,
    episodes: int,
    gamma: float,
    rho: float | None,
    seed: int,
    out: Path | None,
    path: Path | None,
    encoder: Path | None = None,
) -> int:
    """Do it; the exit code. Arguments as the command has them.

    Raises:
        InputError: Bad input, or data that say nothing; one line.
    """
    begin = time.monotonic()
    if not 0.0 <= gamma < 1.0:
        raise InputError(f"--gamma: {gamma:g} must be from 0 to below 1", PLACE)
    if rho is not None and not rho >= 0.0:
        raise InputError(f"--rho: {rho:g} must not be negative", PLACE)
    middle = _point(centre)
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        said = "is a folder" if path.is_dir() else "its folder is not there; make it first"
        raise InputError(f"--json: {path}: {said}", PLACE)
    folder = _folder(out)
    place = Path(what)
    world, interrupted = None, False
    if place.is_dir() or place.suffix == ".npz" or place.is_file():
        if values:
            raise InputError(f"{values[0]}: only a task takes values", PLACE)
        if encoder is not None and place.is_dir():
            raise InputError("--encoder: it is for the images of an npz file", PLACE)
        source = read_dataset(place) if place.is_dir() else read_npz(place, samples, seed, encoder)
        symmetry = proposed(source, group, state, action, middle)
    else:
        if encoder is not None:
            raise InputError("--encoder: it is for the images of an npz file", PLACE)
        source, symmetry, world, interrupted = _task(
            what, values, group, state, action, middle, episodes, seed
        )
    try:
        report, found = audited(source, symmetry, samples, seed, gamma, rho, world)
    except (AuditError, PixelError) as error:
        raise InputError(in_a_line(str(error)), what) from None
    report |= {
        "source": what,
        "task": source.task if source is not None else what,
        "state": _seen(source, symmetry),
        "action": _kinds(symmetry, "action"),
        "centre": list(middle),
        "seed": seed,
        "interrupted": interrupted,
        "command": shlex.join(["covary", *sys.argv[1:]]),
        "wall_s": round(time.monotonic() - begin, 3),
        "files": {},
    }
    console = Console(highlight=False)
    console.print(_table(report))
    for line in in_words(report):
        console.print(line, markup=False, soft_wrap=True)
    if report["advice"]["word"] == "augment" and any(
        isinstance(part, Pose | Position) for part in symmetry.state.values()
    ):
        at = ",".join(f"{c:g}" for c in middle)
        console.print(f"centre {at}; if things turn about another point: --centre X,Y")
    _files(folder, report, symmetry, source)
    try:
        write_json(folder / "summary.json", report)
    except OSError as error:
        raise InputError(f"--out: {folder}: {error.strerror}", PLACE) from error
    try:
        if path is not None:
            write_json(path, report)
    except OSError as error:
        raise InputError(f"--json: {path}: {error.strerror}", PLACE) from error
    console.print(f"files  {folder}", markup=False, soft_wrap=True)
    return interrupts.CODE if interrupted else 0


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"--centre: {text!r} is no point X,Y in m", PLACE) from None
    if not np.isfinite([x, y]).all():
        raise InputError(f"--centre: {text!r} is not finite", PLACE)
    return x, y


def _task(
    what: str,
    values: Sequence[str],
    group: str,
    state: str,
    action: str,
    centre: tuple[float, float],
    episodes: int,
    seed: int,
) -> tuple[Source | None, Symmetry, World, bool]:
    """A task's demonstrations, where it has an expert, what is proposed, and its plant."""
    from ...sim.dials import check_dials, dials_from
    from ...sim.engines.engine import EngineError
    from ...sim.load_task import load_task

    given = {name: variable.value for name, variable in read_assignments(list(values)).items()}
    turned = given.pop("dials", {})
    try:
        dials = dials_from(turned)
        task = load_task(what, {name: str(value) for name, value in given.items()})
        check_dials(task, dials)
        world = World(task, dials)
    except (PluginError, ParameterError, EngineError, ValueError) as error:
        there = [p.name for p in Path.cwd().iterdir() if p.is_dir() or p.suffix == ".npz"]
        hint = nearest(what, there) if isinstance(error, PluginError) else ""
        raise InputError(f"{in_a_line(str(error))}{hint}", PLACE) from error
    except NotImplementedError as error:
        raise InputError(f"{what} cannot be audited: {in_a_line(str(error))}", PLACE) from error
    # Before anything is simulated: words that are wrong.
    x = np.zeros((1, len(task.state_names)))
    empty = Source(what, x, np.zeros((1, len(task.action_names))), declared=task.symmetry)
    symmetry = proposed(empty, group, state, action, centre)
    done, since = 0, time.monotonic()
    interrupts.end_in_order()  # there is something to be left whole
    with ProgressBar("episodes of the expert") as bar:

        def step() -> None:
            nonlocal done
            done += 1
            if done == 1:
                bar.begin(1, episodes)
            else:
                took = (time.monotonic() - since) / done
                bar.at(done, f"{took:.1f} s each", f"{took * (episodes - done):.0f} s")

        options = {name: str(value) for name, value in given.items()}
        source = demonstrated(what, task, options, dials, episodes, seed, step)
    return source, symmetry, world, source is not None and done < episodes


def _seen(source: Source | None, symmetry: Symmetry) -> dict[str, str]:
    if source is None or source.pixels is None:
        return _kinds(symmetry, "state")
    size = " x ".join(str(k) for k in source.pixels.shape)
    return {"image": f"{size} pixels, by {source.pixels.name}"}


def _kinds(symmetry: Symmetry, space: str) -> dict[str, str]:
    return {name: repr(part) for name, part in getattr(symmetry, space).items()}


def _folder(out: Path | None) -> Path:
    try:
        if out is None:
            return dated_folder("audit")
        out.mkdir(parents=True, exist_ok=True)
        return out
    except OSError as error:
        raise InputError(f"--out: {out or 'runs'}: {error.strerror}", PLACE) from error


def _table(report: dict[str, Any]) -> Table:
    """A line for each map, and for each element of the main one."""
    title = f"{report['source']} under {report['group']}: degrees, 95 % intervals"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("what", no_wrap=True)
    for name in (*DEGREES, "floor", "power"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in {report["map"]: report, **report["maps"]}.items():
        table.add_row(name, *_cells(one), f"{one['bound']:.2g}", f"{one['power']:.2f}")
        if name == report["map"] and len(one["elements"]) > 1:
            for element, shares in list(one["elements"].items())[:32]:
                table.add_row(f"  {element}", *_cells(shares), "", "")
    return table


def _cells(one: dict[str, Any]) -> list[str]:
    return [
        f"{one[d]:.2f} {one['intervals'][d][0]:.2f}..{one['intervals'][d][1]:.2f}" for d in DEGREES
    ]


def _files(folder: Path, report: dict[str, Any], symmetry: Symmetry, source: Source | None) -> None:
    """symmetry.yaml and pictures, as far as they can be had; what is missing is said."""
    if report["advice"]["word"] == "unknown":
        print("no symmetry.yaml: the data do not say what it should be")
    elif source is not None and source.pixels is not None:
        print("no symmetry.yaml: it tells of a state's parts, and images have none")
    else:
        report["files"]["symmetry.yaml"] = str(_symmetry_file(folder, report, symmetry, source))
    title = f"{report['source']}, {report['map']} under {report['group']}"
    try:
        from ..pictures.degrees_chart import ternary, timeline, worst_frames, worst_images

        drawn = [ternary(report, report["elements"], folder / "ternary.png", title)]
        for name, one in {report["map"]: report, **report["maps"]}.items():
            if one["steps"]:
                said = f"{report['source']}, {name} under {report['group']}"
                drawn.append(timeline(one["steps"], folder / "timeline.png", said))
                break
        worst, said = folder / "worst.png", f"{title}: worst frames"
        if source is not None and source.pixels is not None and report["worst"]:
            drawn.append(worst_images(_images(report, symmetry, source), worst, said))
        elif frames := _frames(report, symmetry, source):
            drawn.append(worst_frames(frames, worst, said))
        report["files"] |= {file.name: str(file) for file in drawn}
    except ModuleNotFoundError as error:
        print(f"no pictures: they need {error.name}: pip install pillow")
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", PLACE) from error


def _symmetry_file(
    folder: Path, report: dict[str, Any], symmetry: Symmetry, source: Source | None
) -> Path:
    from ...sim.symmetry_file import Evidence, SymmetryFile, write_symmetry

    degrees = {d: (report[d], *report["intervals"][d]) for d in DEGREES}
    evidence = Evidence(
        degrees={name: (float(a), float(b), float(c)) for name, (a, b, c) in degrees.items()},
        samples=report["samples"],
        seed=report["seed"],
        command=report["command"],
        date=time.strftime("%Y-%m-%d"),
        source=report["source"],
    )
    try:
        task = "" if source is not None and not source.task else report["task"]
        found = SymmetryFile.of(symmetry, task, evidence, report["advice"]["group"])
        return write_symmetry(folder / "symmetry.yaml", found)
    except ParameterError as error:
        raise InputError(f"symmetry.yaml: {error}", PLACE) from error
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", PLACE) from error


def _frames(
    report: dict[str, Any], symmetry: Symmetry, source: Source | None
) -> list[dict[str, Any]]:
    """The worst frames from above, each beside the sample that is nearest to where it went."""
    if source is None or source.pixels is not None or not report["worst"]:
        return []
    if report["map"] not in ("actions", "labels"):
        return []
    states = [
        here.start
        for name, here in symmetry.slices("state").items()
        if isinstance(symmetry.state[name], Vector | Position | Pose)
    ]
    moves = [
        here.start
        for name, here in symmetry.slices("action").items()
        if isinstance(symmetry.action[name], Vector)
    ]
    if not states:
        return []
    claim = claim_of(symmetry)
    assert claim.embed is not None
    points = claim.embed(np.reshape(np.asarray(source.state, float), (len(source.state), -1)))
    unit = spread(points, claim.units)
    found = []
    for frame in report["worst"][:6]:
        g, i = symmetry.group.element_names.index(frame["element"]), frame["index"]
        x = np.asarray(source.state[i], float)
        moved = symmetry.act(g, state=x)
        away = np.linalg.norm((points - claim.embed(moved[None])) / unit, axis=1)
        away[i if source.episode is None else source.episode == source.episode[i]] = np.inf
        nearest_one = int(np.argmin(away))
        arrows: dict[str, np.ndarray | None] = {"said": None, "expected": None}
        if moves and source.action is not None:
            at = slice(moves[0], moves[0] + 2)
            arrows["said"] = np.asarray(source.action[nearest_one], float)[at]
            arrows["expected"] = symmetry.act(g, action=source.action[i])[at]
        found.append(
            {
                "title": f"row {i} under {frame['element']}: {frame['excess']:.1f} tolerances",
                "here": np.array([x[k : k + 2] for k in states]),
                "there": np.array([moved[k : k + 2] for k in states]),
                **arrows,
            }
        )
    return found


def _images(report: dict[str, Any], symmetry: Symmetry, source: Source) -> list[dict[str, Any]]:
    """The worst images where the element sends them, each beside the nearest one."""
    assert source.pixels is not None
    claim = claimed(source, symmetry, "label" if report["map"] == "labels" else "action", False)
    assert claim.embed is not None
    values = source.label if report["map"] == "labels" else source.action
    assert values is not None
    points, found = claim.embed(source.state), []
    for frame in report["worst"][:6]:
        g, i = symmetry.group.element_names.index(frame["element"]), frame["index"]
        moved = claim.move(g, source.state[i : i + 1])
        away = np.linalg.norm(points - claim.embed(moved), axis=1)
        away[i if source.episode is None else source.episode == source.episode[i]] = np.inf
        nearest_one = int(np.argmin(away))
        expected = claim.carry(g, np.asarray(values[i : i + 1]))[0]
        found.append(
            {
                "title": f"row {i} under {frame['element']}",
                "there": moved.reshape(source.pixels.shape),
                "beside": source.state[nearest_one].reshape(source.pixels.shape),
                "expected": np.round(expected, 2) if report["map"] == "actions" else expected,
                "said": values[nearest_one],
            }
        )
    return found
