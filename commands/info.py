"""`covary info BAG|RUN|DATASET|POLICY|MODEL`: what a recording or a trained folder holds."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..control.policy_card import CARD, read_card
from ..nodes.bags.bag import BagError
from ..nodes.bags.dataset import Dataset, is_dataset
from ..nodes.bags.reader import Bag
from ..nodes.launching.yaml_loader import InputError, in_a_line
from ..nodes.training.card_file import damaged
from ..perception.model_card import is_model, read_model_card
from .model_table import model_table
from .policy_table import policy_table

_SHOWN = ("task", "task_options", "engine", "dials", "seed", "episode", "success", "aborted",
          "cost", "duration", "model_sha256", "launch", "git_revision", "covary_version",
          "mujoco_version", "recovered")  # fmt: skip


def info(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="BAG|RUN|DATASET|POLICY|MODEL",
            help="Bag folder, .mcap file, run folder, dataset, or a trained policy's or model's.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where a dataset's pictures go; else beside its card."),
    ] = None,
) -> None:
    """Show what a recording holds: topics, rates, task, seed, result, model.

    Of a policy or a trained model: its card. Of a dataset: its episodes, and a contact sheet,
    action histograms and a map of the workspace as PNG files. A run folder is taken for a dataset
    where --out says where these go. Exit code 1: something in a dataset cannot be read, or no
    picture be drawn; 2: bad input, or a file of a policy or model is damaged.
    """
    console = Console(highlight=False)
    try:
        if is_dataset(path) or (out is not None and is_run_folder(path)):
            _show_dataset(path, path if out is None else out, console)
        elif out is not None:
            raise BagError(f"{path}: --out is for the pictures of a dataset or a run")
        elif (path / CARD).is_file():
            policy = read_card(path)
            console.print(policy_table(path, policy))
            _check_files(path, policy.files)
        elif is_model(path):
            model = read_model_card(path)
            console.print(model_table(path, model))
            _check_files(path, model.files)
        elif is_run_folder(path):
            console.print(run_table(path))
        elif said := _no_recording(path):
            raise BagError(f"{path}: {said}")
        else:
            bag = Bag(path)
            console.print(facts_table(bag))
            console.print(topic_table(bag))
    except (BagError, InputError, OSError) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            in_a_line(str(error)), markup=False
        )
        raise typer.Exit(2) from error


def _check_files(path: Path, files: Mapping[str, str]) -> None:
    """Hold the files beside a card to its hashes.

    Raises:
        BagError: One is another.
    """
    if bad := damaged(path, files):
        raise BagError(f"{path}: damaged: {', '.join(bad)} is not what its card was written with")


def _no_recording(path: Path) -> str:
    """What a folder of ours is that holds no recording; empty: none of these."""
    if (path / "last").is_dir():
        return "a training that has not ended; the same `covary train` again goes on with it"
    if (path / "episodes.jsonl").is_file():
        return f"an evaluation; its figures are in {path / 'summary.json'}"
    return ""


def _show_dataset(path: Path, out: Path, console: Console) -> None:
    """Tables of a dataset, and its pictures.

    Raises:
        BagError: There is no dataset.
    """
    from .pictures import dataset_table

    dataset = Dataset(path)
    rows, bad = dataset_table.rows_of(dataset)
    console.print(dataset_table.episode_table(shown(str(path)), rows))
    console.print(dataset_table.figures_table(dataset.card, rows, len(bad)))
    stderr = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for line in bad:
        stderr.print(f"warning: left out: {in_a_line(line)}")
    failed = bool(bad)
    try:
        for file in dataset_table.draw(rows, out) if rows else ():
            line = f"picture  {shlex.quote(str(file))}"
            Console(soft_wrap=True, highlight=False, markup=False).print(line)
    except ModuleNotFoundError as error:
        stderr.print(f"no pictures: they need {error.name}: pip install pillow")
        failed = True
    except OSError as error:
        stderr.print(f"no pictures: {in_a_line(str(error))}; --out names another folder")
        failed = True
    if failed:
        raise typer.Exit(1)


def is_run_folder(path: Path) -> bool:
    """Whether a folder holds bags (itself, or in its `bags/`) rather than being one."""
    try:
        return path.is_dir() and not any(path.glob("*.mcap")) and bool(bag_folders(path))
    except OSError:  # a name that is too long, or a folder that nobody may read
        return False


def bag_folders(path: Path) -> list[Path]:
    """The bags of a run folder, open ones included, in order of their names."""
    root = path / "bags" if (path / "bags").is_dir() else path
    return sorted({file.parent for file in root.glob("*/*.mcap")})


def run_table(path: Path) -> Table:
    """One line per bag of a run."""
    table = Table(title=shown(str(path)), title_justify="left")
    for name in ("bag", "task", "seed", "result", "duration", "messages"):
        table.add_column(name, no_wrap=True, justify=_side(name))
    for folder in bag_folders(path):
        try:
            bag = Bag(folder)
        except BagError:
            what = "damaged" if folder.suffix != ".open" else "never closed"
            table.add_row(shown(folder.name), "", "", what, "", "")
            table.caption = f"what was {what}: `covary recover BAG` mends it"
            continue
        table.add_row(
            shown(folder.name),
            shown(bag.metadata.get("task", "")),
            shown(bag.metadata.get("seed", "")),
            result(bag.metadata),
            f"{(bag.end_ns - bag.start_ns) * 1e-9:.2f} s",
            str(sum(bag.counts.values())),
        )
    return table


def _side(column: str) -> str:
    return "right" if column in ("duration", "messages") else "left"


def result(metadata: dict[str, str]) -> str:
    """One word for how an episode ended."""
    if metadata.get("aborted") == "true":
        return "aborted"
    return {"true": "success", "false": "failure"}.get(metadata.get("success", ""), "")


def facts_table(bag: Bag) -> Table:
    """Episode, result, model and where it came from."""
    table = Table(title=shown(str(bag.path)), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name in _SHOWN:
        if bag.metadata.get(name) not in (None, "", "{}"):
            table.add_row(name, shown(bag.metadata[name]))
    table.add_row("recorded", f"{(bag.end_ns - bag.start_ns) * 1e-9:.3f} s of simulated time")
    return table


def topic_table(bag: Bag) -> Table:
    """One line per topic: type, count, mean rate."""
    table = Table()
    for name in ("topic", "type", "messages", "Hz"):
        table.add_column(name, justify="left" if name in ("topic", "type") else "right")
    counts = dict.fromkeys(bag.types, 0)
    span: dict[str, list[int]] = {}
    for message in bag.messages():
        counts[message.topic] = counts.get(message.topic, 0) + 1
        first_last = span.setdefault(message.topic, [message.log_ns, message.log_ns])
        first_last[1] = message.log_ns
    for topic, count in sorted(counts.items()):
        first, last = span.get(topic, (0, 0))
        # Of a topic that spoke once, or always at one instant, there is no rate.
        rate = f"{(count - 1) * 1e9 / (last - first):.1f}" if last > first else "-"
        table.add_row(shown(topic), shown(bag.types.get(topic, "")), str(count), rate)
    return table


def shown(text: str) -> str:
    """Text out of a bag, or a file's name, as it may stand in a table."""
    return escape(in_a_line(text))
