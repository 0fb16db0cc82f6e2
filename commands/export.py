"""`covary export DIR`: a dataset for other tools (LeRobot, robomimic, Minari), a policy as ONNX."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ..control.policy_card import CARD
from ..nodes.bags.bag import BagError
from ..nodes.bags.dataset import BAGS, Dataset, Episode
from ..nodes.launching.yaml_loader import InputError, in_a_line
from .exports.contents import Contents, ExportError
from .exports.formats import Format, chosen


@dataclass
class Outcome:
    """What an export has done."""

    format: str
    """lerobot, robomimic or minari."""
    path: str
    """Where it lies."""
    open_with: str
    """Python that opens it."""
    episodes: int = 0
    """Episodes written."""
    rows: int = 0
    """Control ticks written."""
    successes: int = 0
    """Episodes that succeeded."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Bag to why it was left out."""
    megabytes: float = 0.0
    """Size of all it wrote."""
    seconds: float = 0.0
    """Wall time it took."""


def export(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Dataset, run folder, or folder of bags; or a policy's folder."
        ),
    ],
    lerobot: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a LeRobotDataset v3.0 folder.")
    ] = None,
    robomimic: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a robomimic HDF5 file.")
    ] = None,
    minari: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write a local Minari dataset.")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images", help="LeRobot: colours bit by bit (PNG), not as video.")
    ] = False,
    ground_truth: Annotated[
        bool, typer.Option("--ground-truth", help="Export what /ground_truth says as well.")
    ] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out episodes that cannot be exported.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Of a policy: check its network, make it if it is gone.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --onnx: copy the network there.")
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the summary there too.")
    ] = None,
) -> None:
    """Write a dataset in the format of another tool, or a policy's network as an ONNX file.

    Every episode is checked before anything is written. What stands at PATH or NAME afterwards is
    whole: until then it is in a temporary folder beside it. A policy's folder has its policy.onnx
    already: --onnx holds it to its card and asks it, and makes it from the weights where it is
    missing.
    """
    complain = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if onnx or out is not None or (folder / CARD).is_file():
        others = [name for name, value in (("--lerobot", lerobot), ("--robomimic", robomimic),
                                           ("--minari", minari)) if value is not None]  # fmt: skip
        _network(folder, onnx, out, others, summary, complain)
        return
    try:
        form = chosen(lerobot, robomimic, minari, images)
        outcome = run(Path(folder), form, ground_truth, skip_damaged, complain)
        if summary is not None:
            summary.write_text(json.dumps(vars(outcome), indent=2) + "\n", encoding="utf-8")
    except (BagError, ExportError, OSError) as error:
        complain.print(in_a_line(str(error)))
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        complain.print("stopped; nothing was written")
        raise
    Console(highlight=False).print(_table(outcome))


def _network(
    folder: Path,
    onnx: bool,
    out: Path | None,
    others: list[str],
    summary: Path | None,
    complain: Console,
) -> None:
    """Export a policy's network and say what it takes and gives."""
    try:
        if others and not onnx and out is None:
            raise ExportError(f"{folder} is a policy; {others[0]} is for datasets: say --onnx")
        if others:
            raise ExportError(f"{others[0]} is for datasets, --onnx for policies: one at a time")
        if not onnx:
            what = f"{folder} is a policy" if out is None else "--out is for a policy's network"
            raise ExportError(f"{what}: say --onnx")
        from .exports.policy_network import export_network  # onnxruntime only where it is asked

        found = export_network(folder, out)
        shown = {**vars(found), "path": str(found.path)}
        if summary is not None:
            summary.write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    except ModuleNotFoundError as error:
        complain.print(f"--onnx needs {error.name}: pip install 'covary[deploy]'")
        raise typer.Exit(2) from error
    except (InputError, ExportError, ValueError, OSError) as error:
        complain.print(in_a_line(str(error)))
        raise typer.Exit(2) from error
    table = Table(show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = [("onnx", str(found.path)), ("sha256", found.sha256)]
    rows += [("made", "from the weights")] if found.made else []
    rows += [(f"input {name}", _shape(shape)) for name, shape in found.inputs.items()]
    rows += [(f"output {name}", _shape(shape)) for name, shape in found.outputs.items()]
    rows += [("size", f"{found.size / 1e6:.2f} MB"), ("an answer", f"{found.answer_ms:.2f} ms")]
    for name, value in rows:
        table.add_row(name, escape(in_a_line(value)))
    Console(highlight=False).print(table)


def _shape(shape: tuple[int, ...]) -> str:
    return "float32 " + " x ".join(map(str, shape))


def run(
    folder: Path,
    form: Format,
    ground_truth: bool,
    skip_damaged: bool,
    console: Console,
) -> Outcome:
    """Check all episodes, write those that can be, move the result to its place.

    Raises:
        BagError: No dataset, or an episode that cannot be exported and may not be left out.
        ExportError: Nothing to export, or contents that the format cannot hold.
        OSError: The disk refuses.
    """
    began = time.perf_counter()
    dataset = Dataset(folder)
    outcome = Outcome(form.name, str(form.final), form.opening)
    sizes = [_size(path) for path in dataset.bags]
    for path in never_closed(folder):
        error = BagError(f"{path}: was never closed; `covary recover {path}` mends it")
        if not skip_damaged:
            raise _hinted(error, 2)
        console.print(in_a_line(f"left out: {error}"))
        outcome.skipped[path.name] = str(error)
    with _progress(console, sum(sizes)) as step:
        step("checking", 0)
        contents, good = None, []
        for k, size in enumerate(sizes):
            try:
                episode = dataset[k]
                contents = contents or Contents(episode, ground_truth)
                contents.check(episode)
            except (BagError, ExportError, OSError) as error:
                if not skip_damaged:
                    raise _hinted(error, len(sizes)) from error
                console.print(in_a_line(f"left out: {error}"))
                outcome.skipped[dataset.bags[k].name] = in_a_line(str(error))
            else:
                good.append(k)
            step("checking", size)
        if contents is None:
            raise ExportError(f"{folder}: no episode in it that can be exported")
        with _refusals_named(form.final), _temporary(form.root) as place:
            with form.writer(place / form.inside, contents) as out:
                step("writing", -1)
                for k in good:
                    episode = dataset[k]
                    out.add(episode)
                    _count(outcome, episode)
                    step("writing", sizes[k])
                out.finish(_facts(contents, dataset, outcome))
            outcome.megabytes = round(_size(place) / 1e6, 3)
            form.prepare()
            form.refuse_to_overwrite()
            (place / form.inside).rename(form.final)
    outcome.seconds = round(time.perf_counter() - began, 3)
    return outcome


def never_closed(folder: Path) -> list[Path]:
    """The bags whose recorder was killed: `Dataset` does not count them."""
    root = folder / BAGS if (folder / BAGS).is_dir() else folder
    return sorted(file.parent for file in root.glob("*.open/*.mcap"))


def _hinted(error: Exception, episodes: int) -> Exception:
    """The error with what to type, where there are other episodes to be had."""
    if isinstance(error, OSError) or episodes < 2:
        return error
    return ExportError(f"{error}; --skip-damaged leaves it out. Nothing was written")


def _count(outcome: Outcome, episode: Episode) -> None:
    outcome.episodes += 1
    outcome.rows += len(episode)
    outcome.successes += episode.success


def _facts(contents: Contents, dataset: Dataset, outcome: Outcome) -> dict[str, Any]:
    counted = {key: getattr(outcome, key) for key in ("episodes", "rows", "successes", "skipped")}
    return {**contents.facts(), **counted, "dataset": _plain(dataset.card)}


def _plain(value: Any) -> Any:
    """A card's values as JSON knows them."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    known = value is None or isinstance(value, str | int | float)
    return value if known else str(value)


def _size(path: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@contextmanager
def _refusals_named(final: Path) -> Iterator[None]:
    """Which export it was that a disk refused."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"{final} cannot be written: {reason}; nothing is left of it") from error


@contextmanager
def _temporary(root: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happens."""
    root.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=".covary-export-", dir=root))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar with the time that is left, in bytes of bags; none where there is no terminal.

    Yields:
        Takes what is being done, and bytes done since the last call; -1: begin anew.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TextColumn("[dim]elapsed[/]"), TimeElapsedColumn(),
               TextColumn("[dim]left[/]"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True,
                  disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task("", total=total)

        def step(what: str, size: int) -> None:
            if size < 0:
                bar.reset(task, total=total)
            bar.update(task, description=what, advance=max(0, size))

        yield step


def _table(outcome: Outcome) -> Table:
    table = Table(show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    left_out = f", {len(outcome.skipped)} left out" if outcome.skipped else ""
    for name, value in (
        (outcome.format, outcome.path),
        ("episodes", f"{outcome.episodes} ({outcome.successes} successes{left_out})"),
        ("rows", str(outcome.rows)),
        ("size", f"{outcome.megabytes:.1f} MB"),
        ("wall time", f"{outcome.seconds:.1f} s"),
        ("open with", outcome.open_with),
    ):
        table.add_row(name, escape(in_a_line(value)))
    return table
