"""`covary train RECIPE data:=DIR out:=DIR [name:=value ...]`: demonstrations into a policy."""

from __future__ import annotations

import fcntl
import os
import signal
import time
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..nodes.launching.description import Argument
from ..nodes.launching.launch_file import read_assignments
from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.child import THREADS

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
            help="data:=DIR and out:=DIR (needed); all others are in --show-args.",
        ),
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", help="Show what can be set and stop.")
    ] = False,
) -> None:
    """Train a policy on a dataset of demonstrations.

    The same command again goes on with a training that was interrupted, to the very same weights.
    Exit code 0: trained; 1: it could not be ended; 2: bad input; 130: Ctrl-C, with the policy of
    the best step so far.
    """
    for name in THREADS:  # as in a launch: threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from ..nodes.training.recipe import find_recipe, read_recipe

    path, words = find_recipe(recipe), read_assignments(values or [])
    if show_args:
        _show(path, words)
        return
    asked = read_recipe(path, words)
    _check_installed()
    with _locked(asked.parameters.out):
        raise typer.Exit(_run(asked))


def _run(recipe: Any) -> int:
    """Train, write the policy and say what came of it; the exit code."""
    from ..control.imitation.policy_folder import finished, write_policy
    from ..control.policies.export import ExportError
    from ..nodes.training.loop import TrainingError
    from .training.progress import TrainProgress, report

    begin, p = time.monotonic(), recipe.parameters
    failures: list[str] = []
    with _stopping() as stop, TrainProgress() as progress:
        progress.say(f"{recipe.name}: {p.data} -> {p.out}", "bold")
        training = _opened(recipe)
        card = finished(training)
        if card is not None:
            progress.say("trained already: nothing is left to do")
        else:
            for line in _remarks(training):
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
                card = write_policy(training)
            except (TrainingError, ExportError) as error:
                failures.append(str(error))
            except OSError as error:
                failures.append(f"cannot write into {p.out}: {error.strerror or error}")
        code = 1 if failures else 0 if training.done else 130
        summary = _summary(training, card, failures, code, time.monotonic() - begin)
        _written(training, summary)
    report(summary)
    return code or int(bool(failures))


def _remarks(training: Any) -> list[str]:
    """What a person might not expect of what is trained."""
    p, data, found = training.recipe.parameters, training.data, []
    if p.demonstrations > data.episodes:
        found.append(f"{data.episodes} demonstrations, not {p.demonstrations}: there are no more")
    if p.images and not p.observation and data.state_topic != "/state":
        found.append(
            f"beside its images the policy sees {data.state_topic}, where things are; "
            "observation:=/state leaves that out"
        )
    whole, own = data.task.symmetry.group.name, training.method.policy.symmetry.group.name
    if p.images and p.symmetry == "full" and own != whole:
        found.append(f"symmetry {own} of {whole}: what moves pixels onto pixels")
    if not training.step and training.method.prelude:
        found.append(training.method.prelude)
    return found


def _opened(recipe: Any) -> Any:
    """The training, with its data; what is wrong with them is the person's to mend."""
    from ..control.imitation.demonstrations import DemonstrationsError, read_demonstrations
    from ..control.imitation.policy_folder import keep_claim
    from ..control.imitation.training import Training
    from ..nodes.bags.bag import BagError
    from ..nodes.parameters import ParameterError
    from ..nodes.plugin import PluginError
    from ..sim.seen import SeenError
    from ..sim.symmetry_claim import claimed
    from ..symmetry.group import GroupError
    from ..symmetry.pixels import PixelError

    p = recipe.parameters
    try:
        data = read_demonstrations(
            p.data, p.observation, p.images, p.success_only, p.demonstrations or None
        )
        task, word = claimed(data.task, p.symmetry)
        if task is not data.task:
            data = replace(data, task=task)
        if word != p.symmetry:
            recipe = replace(recipe, parameters=replace(p, symmetry=word))
        training = Training(recipe, data)
        if word != p.symmetry:
            keep_claim(Path(p.symmetry), training.folder)
        return training
    except GroupError as error:
        raise InputError(f"symmetry:={p.symmetry}: {error}", recipe.name) from None
    except PixelError as error:
        raise InputError(f"images: {error}", recipe.name) from None
    except (BagError, DemonstrationsError, ParameterError, PluginError, SeenError) as error:
        raise InputError(str(error)) from None


def _written(training: Any, summary: dict[str, Any]) -> None:
    """Curves and summary, where they can be written."""
    from ..nodes.supervision.run_folder import write_json
    from .pictures.curves import learning_curves

    log = training.log
    try:
        if log:
            names = {"loss": "training", "validation_loss": "validation"}
            curves = {
                said: ([e["step"] for e in log], [e[name] for e in log])
                for name, said in names.items()
            }
            title = f"{summary['method']} on {summary['task']}: loss"
            kept = training.best.get("step")
            learning_curves(curves, kept, training.folder / "curves.png", title)
            summary["files"]["curves.png"] = str(training.folder / "curves.png")
    except ModuleNotFoundError as error:
        print(f"no curves: they need {error.name}: pip install pillow")
    except OSError as error:
        summary["failures"].append(f"curves.png cannot be written: {error.strerror or error}")
    try:
        _draw_traces(training, summary)
    except ModuleNotFoundError as error:
        print(f"no traces.png: it needs {error.name}: pip install pillow")
    except OSError as error:
        summary["failures"].append(f"traces.png cannot be written: {error.strerror or error}")
    try:
        write_json(training.folder / "summary.json", summary)
    except OSError as error:
        summary["failures"].append(f"summary.json cannot be written: {error.strerror or error}")


def _draw_traces(training: Any, summary: dict[str, Any]) -> None:
    """What a backwards model imagined last, where the method has one.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    from .pictures.traces_map import moving, traces_map

    method, data = training.method, training.method.training
    if "trace_state" not in method.memory:
        return
    state, after, step = (method.memory[f"trace_{n}"] for n in ("state", "next_state", "step"))
    found = moving(data.state_names, training.method.policy.seen.points, data.state)
    path = training.folder / "traces.png"
    traces_map(
        {name: data.state[:, at] for name, at in found.items()},
        data.episode,
        {name: (state[:, at], after[:, at]) for name, at in found.items()},
        step,
        path,
        f"{summary['method']} on {summary['task']}: what leads to the demonstrations",
    )
    summary["files"]["traces.png"] = str(path)


def _summary(
    training: Any, card: Any, failures: list[str], code: int, wall_s: float
) -> dict[str, Any]:
    data, p = training.data, training.recipe.parameters
    policy = training.method.policy
    return {
        "task": data.task_name,
        "task_options": data.task_options,
        "recipe": training.recipe.name,
        "method": p.method,
        "mode": p.mode,
        "symmetry": policy.symmetry.group.name,
        "parameters": policy.parameter_count,
        "data": {
            "path": data.path,
            "sha256": data.sha256,
            "episodes": data.episodes,
            "ticks": len(data),
            "seeds": list(data.seeds),
        },
        "images": {name: list(image.shape) for name, image in data.inputs.items()},
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
        "files": {name: str(training.folder / name) for name in ("policy.yaml", *card.files)}
        if card
        else {},
    }


def _check_installed() -> None:
    """Refuse to begin without what training needs.

    Raises:
        InputError: Something of it is not installed.
    """
    from importlib.util import find_spec

    needed = {
        "torch": "torch",
        "safetensors": "safetensors",
        "onnx": "onnx",
        "onnxruntime": "onnxruntime",
    }
    for module, package in needed.items():
        if find_spec(module) is None:
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
        if there - _BEGUN and not ({"last", ".last.previous", ".last.partial"} & there):
            kind = (
                "a policy without its training"
                if "policy.yaml" in there
                else "something that is no training"
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
