"""`covary train RECIPE out:=DIR [name:=value ...]`: data into a policy, encoder or world model."""

from __future__ import annotations

import fcntl
import os
import signal
import time
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..nodes.launching.description import Argument
from ..nodes.launching.launch_file import read_assignments
from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.child import THREADS

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NEEDED = ("torch", "safetensors", "onnx", "onnxruntime")
"""What has to be installed."""
_LOCK = ".lock"
_BEGUN = {_LOCK, "summary.json"}
"""What a training leaves that came to no checkpoint."""


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe, or a name of ours such as bc.")
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="out:=DIR, and for most methods data:=DIR; all others are in --show-args.",
        ),
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", help="Show what can be set and stop.")
    ] = False,
) -> None:
    """Train a policy on a dataset of demonstrations, or an encoder or world model.

    The same command again goes on with a training that was interrupted, to the very same weights.
    Exit code 0: trained; 1: it could not be ended; 2: bad input; 130: Ctrl-C, with what the best
    step so far has made.
    """
    for name in THREADS:  # as in a launch: threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from ..nodes.training.recipe import find_recipe, read_recipe

    path, words = find_recipe(recipe), read_assignments(values or [])
    if show_args:
        _show(path, words)
        return
    asked = read_recipe(path, words)
    craft = _craft_of(asked)
    _check_installed()
    with _locked(asked.parameters.out):
        raise typer.Exit(_run(asked, craft))


def _run(recipe: Any, craft: Any) -> int:
    """Train, write what came of it and say so; the exit code."""
    from ..nodes.training.loop import TrainingError
    from ..nodes.training.onnx_file import ExportError
    from .training.progress import TrainProgress, report

    begin, p = time.monotonic(), recipe.parameters
    failures: list[str] = []
    with _stopping() as stop, TrainProgress() as progress:
        source = f"{p.data} -> " if getattr(p, "data", None) else ""
        progress.say(f"{recipe.name}: {source}{p.out}", "bold")
        training = _opened(recipe, craft)
        card = craft.finished(training)
        if card is not None:
            progress.say("trained already: nothing is left to do")
        else:
            for line in craft.remarks(training):
                progress.say(line)
            if training.resumed:
                progress.say(f"goes on from update {training.resumed} of {training.steps}")
            try:
                progress.begin(training.step, training.steps)
                for moment in training.moments():
                    progress.made(moment)
                    if stop.asked:
                        training.save()
                        break
                card = craft.written(training)
            except OSError as error:
                failures.append(f"cannot write into {p.out}: {error.strerror or error}")
            except (TrainingError, ExportError) as error:
                failures.append(str(error))
            except Exception as error:
                if not ((theirs := _of_an_outsider(error)) or _is_of_memory(error)):
                    raise
                said = f"not enough memory: {' '.join(str(error).split())[:200]}"
                failures.append(str(theirs or said))
        code = 1 if failures else 0 if training.done else 130
        summary = _summary(training, craft, card, failures, code, time.monotonic() - begin)
        _written(training, craft, card, summary)
    report(summary)
    return code or int(bool(failures))


def _craft_of(recipe: Any) -> Any:
    """Who knows how to open, write and tell of what a recipe trains: a policy or a model."""
    from ..perception.learning.world_learner import WorldLearner
    from .training import models, policies

    return models if issubclass(recipe.kind, WorldLearner) else policies


def _opened(recipe: Any, craft: Any) -> Any:
    """The training, with its data.

    Raises:
        InputError: What is wrong with them is the person's to mend.
    """
    from ..nodes.bags.bag import BagError
    from ..nodes.parameters import ParameterError
    from ..nodes.plugin import PluginError
    from ..sim.seen import SeenError
    from ..symmetry.group import GroupError
    from ..symmetry.pixels import PixelError

    p = recipe.parameters
    try:
        return craft.opened(recipe)
    except GroupError as error:
        raise recipe.mistake("symmetry", str(error)) from None
    except PixelError as error:
        raise recipe.mistake(_of_pixels(p), str(error)) from None
    except InputError as error:
        key, _, said = error.message.partition(": ")
        if error.file == recipe.name and not error.line and hasattr(p, key):
            raise recipe.mistake(key, said) from None
        raise
    except (ParameterError, PluginError) as error:
        if key := _blamed(p, error):
            raise recipe.mistake(key, str(error).removeprefix(f"{key}: ")) from None
        raise InputError(str(error)) from None
    except (BagError, SeenError) as error:
        raise InputError(str(error)) from None
    except Exception as error:
        if theirs := _of_an_outsider(error):
            raise theirs from None
        if not _is_of_memory(error):
            raise
        raise InputError(f"not enough memory for what it asks for: {error}", recipe.name) from None


def _of_pixels(p: Any) -> str:
    """The parameter that says how large images are."""
    if getattr(p, "pool", 1) > 1:
        return "pool"
    sizes = (name for name in ("pixels", "heightmap") if isinstance(getattr(p, name, ""), int))
    return next(sizes, "images")


def _blamed(p: Any, error: Any) -> str:
    """The parameter that an error about a task or world is about; empty where nobody knows."""
    for key in (error.key.partition(".")[0], str(error).partition(":")[0].partition(".")[0]):
        if key in getattr(p, "task_options", {}):
            return "task_options"
        if hasattr(p, key):
            return key
    named = (n for n in ("task", "world") if (v := getattr(p, n, "")) and repr(v) in str(error))
    return next(named, "")


def _of_an_outsider(error: Exception) -> InputError | None:
    """An error in somebody's own file, such as a task's, at its line; None where it is ours."""
    import sysconfig
    import traceback

    others, ours = sysconfig.get_path("stdlib"), str(Path(__file__).resolve().parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = str(Path(frame.filename).resolve())
        if "site-packages" in file or file.startswith(others) or not Path(file).is_file():
            continue  # who calls a library wrongly is whoever calls it
        if file.startswith(f"{ours}{os.sep}"):
            return None
        return InputError(f"{type(error).__name__}: {error}", frame.filename, frame.lineno or 0)
    return None


def _is_of_memory(error: Exception) -> bool:
    """Whether memory was asked for that is not there; torch has no class of its own for that."""
    words = ("allocate memory", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _written(training: Any, craft: Any, card: Any, summary: dict[str, Any]) -> None:
    """Curves, pictures and summary, where they can be written."""
    from ..nodes.supervision.run_folder import write_json

    drawn = {
        "curves": lambda: _curves(training, summary["task"]),
        "pictures": lambda: craft.pictures(training, card),
    }
    for what, draw in drawn.items():
        try:
            for path in draw():
                summary["files"][path.name] = str(path)
        except ModuleNotFoundError as error:
            print(f"no {what}: they need {error.name}: pip install pillow")
        except OSError as error:
            said = f"{what} cannot be written: {error.strerror or error}"
            summary["failures"].append(said)
    try:
        write_json(training.folder / "summary.json", summary)
    except OSError as error:
        summary["failures"].append(f"summary.json cannot be written: {error.strerror or error}")


def _curves(training: Any, task: str) -> list[Path]:
    """The losses of a training over its updates.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    from .pictures.curves import learning_curves

    if not (log := training.log):
        return []
    names = {"loss": "training", "validation_loss": "validation"}
    curves = {
        said: ([e["step"] for e in log], [e[name] for e in log]) for name, said in names.items()
    }
    path, p = training.folder / "curves.png", training.recipe.parameters
    title = f"{p.method} on {task}: loss"
    return [learning_curves(curves, training.best.get("step"), path, title)]


def _summary(
    training: Any, craft: Any, card: Any, failures: list[str], code: int, wall_s: float
) -> dict[str, Any]:
    p = training.recipe.parameters
    return {
        "recipe": training.recipe.name,
        "method": p.method,
        "mode": p.mode,
        **craft.summary(training),
        "seed": p.seed,
        "device": str(training.device),
        "step": training.step,
        "steps": training.steps,
        "resumed": training.resumed,
        "kept": training.best,
        "metrics": card.metrics if card else {},
        "equivariance": card.equivariance if card else {},
        "updates_per_s": round(training.step / training.seconds, 1) if training.seconds else None,
        "training_s": round(training.seconds, 3),
        "wall_s": round(wall_s, 3),
        "failures": failures,
        "exit_code": code,
        "out": str(training.folder),
        "files": {name: str(training.folder / name) for name in (craft.CARD, *card.files)}
        if card
        else {},
    }


def _check_installed() -> None:
    """Refuse to begin without what training needs.

    Raises:
        InputError: Something of it is not installed.
    """
    from importlib.util import find_spec

    for package in NEEDED:
        if find_spec(package) is None:
            raise InputError(f"training needs {package}: pip install 'covary[learn]'")


def _show(path: Path, words: Any) -> None:
    """What a recipe can be given."""
    from ..nodes.parameters import explained
    from ..nodes.training.recipe import defaults_of, method_of
    from .launch import arguments_table

    kind, given = method_of(path, words)
    said, hints = explained(kind.Parameters), typing.get_type_hints(kind.Parameters)
    rows = []
    for name, default in defaults_of(kind.Parameters).items():
        choices = (
            typing.get_args(hints[name]) if typing.get_origin(hints[name]) is typing.Literal else ()
        )
        default = given.get(name, default)
        rows.append(
            Argument(name, default, said.get(name, ""), tuple(str(c) for c in choices if c), 0)
        )
    Console().print(arguments_table(path.name, tuple(rows)))


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """The folder, for this training alone.

    Raises:
        InputError: Another is at work in it, it holds something else, or cannot be made.
    """
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"out:={out}: is no folder", "command line")
        there = {path.name for path in out.iterdir()} if out.is_dir() else set()
        cards = {"policy.yaml": "policy", "model.yaml": "model"}
        trained = next((what for card, what in cards.items() if card in there), "")
        if there - _BEGUN and not ({"last", ".last.previous", ".last.partial"} & there):
            kind = (
                f"a {trained} without its training" if trained else "something that is no training"
            )
            raise InputError(f"out:={out}: holds {kind}; name a new folder", "command line")
        made = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        said = getattr(error, "strerror", None) or error
        raise InputError(f"out:={out}: {said}", "command line") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        taken = isinstance(error, BlockingIOError)
        said = "another covary train is at work there" if taken else error.strerror
        raise InputError(f"out:={out}: {said}", "command line") from None
    try:
        yield
    finally:
        with suppress(OSError):
            if {path.name for path in out.iterdir()} == {_LOCK}:  # what was asked for was wrong
                (out / _LOCK).unlink()
                if made:
                    out.rmdir()
        os.close(lock)


class _Stop:
    """Whether somebody asked for the end."""

    asked = False


@contextmanager
def _stopping() -> Iterator[_Stop]:
    """The first signal that means "end" is noted, and heeded after the update; more are ignored."""
    stop = _Stop()

    def note(*_: Any) -> None:
        stop.asked = True

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
