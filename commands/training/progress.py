"""What a person sees while something is trained, and the table at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...nodes.launching.launch_file import arguments, find
from ...nodes.launching.yaml_loader import InputError
from ...nodes.training.loop import Moment
from ..progress_bar import ProgressBar

_SHOW_S = 0.2  # s between two looks at the bar: an update takes a few milliseconds


class TrainProgress(ProgressBar):
    """How far a training is."""

    def __init__(self) -> None:
        super().__init__("updates")
        self._said, self._shown = "", 0.0

    def begin(self, done: int, wanted: int) -> None:
        """There are so many updates of so many already."""
        self._first = done + 1
        super().begin(done, wanted)

    def made(self, moment: Moment) -> None:
        """An update has been made."""
        now = time.monotonic()
        if moment.step == self._first:  # in it a method may fit models of its own
            self._since = now
        if moment.entry is not None:
            held_out = moment.entry["validation_loss"]
            self._said = f"loss {moment.entry['loss']:.4g}, validation {held_out:.4g}"
        if now - self._shown > _SHOW_S or moment.entry is not None:
            self._shown = now
            made, left = moment.step - self._first, ""
            if made:
                left = f"{(now - self._since) / made * (self.wanted - moment.step):.0f} s"
            self.at(moment.step, self._said or f"loss {moment.loss:.4g}", left)


def report(summary: Mapping[str, Any]) -> None:
    """The short table at the end, where the files are, and what to type next."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(show_header=False)
    for name, value in _facts(summary):
        table.add_row(name, escape(value))
    console.print(table)
    for failure in summary["failures"]:
        console.print(f"failed: {failure}", style="red", markup=False)
    out, whole = summary["out"], summary["step"] == summary["steps"]
    if not whole:
        console.print("not whole    the same command again goes on from here", markup=False)
    if "policy.yaml" in summary["files"]:
        console.print(f"policy       {out}", markup=False)
        console.print(
            f"next         covary evaluate {shlex.quote(out)} {_other_seed(summary)}", markup=False
        )
        if launch := _launch(summary):
            console.print(f"             {launch}", markup=False)
    if "model.yaml" in summary["files"]:
        console.print(f"model        {out}", markup=False)
        launch = _model_launch(summary) or f"covary info {shlex.quote(out)}"
        console.print(f"next         {launch}", markup=False)
    pictures = [path for name, path in summary["files"].items() if name.endswith(".png")]
    for label, path in zip(("pictures", *[""] * len(pictures)), pictures, strict=False):
        console.print(f"{label:<12} {path}", markup=False)


_SHOWN = {"training_loss", "steps", "seconds", "updates_per_s"}
"""Metrics that the table shows elsewhere, or not."""


def _other_seed(summary: Mapping[str, Any]) -> str:
    """The least seed that no demonstration was drawn by: its starts are others."""
    seen = summary["data"]["seeds"]
    return f"seed:={next(seed for seed in range(len(seen) + 1) if seed not in seen)}"


def _launch(summary: Mapping[str, Any]) -> str:
    """The words that launch the policy, where our launch file of its task takes one."""
    options = summary["task_options"]
    name = "gym" if "env_id" in options else summary["task"]
    try:
        known = {argument.name: argument.default for argument in arguments(find(f"{name}.yaml"))}
    except InputError:
        return ""
    given = [f"{k}:={v}" for k, v in options.items() if k in known and known[k] != v]
    if others := {k: v for k, v in options.items() if k not in known}:
        said = ", ".join(f"{k}: {v}" for k, v in others.items())
        given.append(f"task_options:={{{said}}}")
    given += [f"{k}:={shape[1]}" for k, shape in summary["images"].items() if k in known]
    given += [f"policy:={summary['out']}", _other_seed(summary)]
    words = shlex.join([f"{name}.yaml", *given])
    return f"covary launch {words}" if "policy" in known else ""


_USES = {"plans": "model", "predicts": "model", "estimates": "perception"}
"""What a model can do, and the launch argument by which it is asked to."""


def _model_launch(summary: Mapping[str, Any]) -> str:
    """The words that launch a model, where our launch file of its task takes one."""
    name, options = summary["task"], summary["task_options"]
    try:
        known = {argument.name: argument.default for argument in arguments(find(f"{name}.yaml"))}
    except InputError:
        return ""
    words = [_USES[word] for word in summary["does"] if _USES.get(word) in known][:1]
    if not words:
        return ""
    if "plans" in summary["does"] and summary["images"]:  # what plans in latents is told them
        words.insert(0, "perception")
    given = [f"{k}:={v}" for k, v in options.items() if k in known and known[k] != v]
    if others := {k: v for k, v in options.items() if k not in known}:
        said = ", ".join(f"{k}: {v}" for k, v in others.items())
        given.append(f"task_options:={{{said}}}")
    seen = [topic.removeprefix("/camera/").partition("/")[0] for topic in summary["images"]]
    shapes = dict(zip(seen, summary["images"].values(), strict=True))
    given += [f"{k}:={shape[-1]}" for k, shape in shapes.items() if k == "heightmap"]
    given += ["camera:=true"] if "top" in shapes else []
    if known.get("planner") == "expert":  # a script, which looks at no model
        given.append("planner:=mppi")
    given = [f"{name}.yaml", *given, *(f"{word}:={summary['out']}" for word in words)]
    return f"covary launch {shlex.join(given)}"


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = summary["data"]
    rows = [
        ("task", summary["task"]),
        ("method", summary["method"]),
        (
            "network",
            f"{summary['mode']}, {summary['symmetry']}, {summary['parameters']} parameters",
        ),
        ("data", _said_of(data))
        if "does" in summary
        else ("demonstrations", f"{data['episodes']} episodes, {data['ticks']} ticks"),
        ("updates", f"{summary['step']} of {summary['steps']}"),
    ]
    kept = summary["kept"]
    if kept:
        said = f"{kept['validation_loss']:.4g} at {kept['step']:.0f} (training {kept['loss']:.4g})"
        rows.append(("validation", said))
    errors = summary["equivariance"]
    if errors:
        words = {"before": "before training", "after": "after"}
        said = ", ".join(f"{errors[k]:.1e} {word}" for k, word in words.items() if k in errors)
        rows.append(("equivariance error", said))
    for name, value in errors.items():
        if name.startswith("drift/"):
            rows.append((f"drift of {name.removeprefix('drift/')}", f"{value:.3g}"))
    own = {k: v for k, v in summary["metrics"].items() if k not in kept and k not in _SHOWN}
    units = summary.get("units", {})
    rows += [(n.replace("_", " "), f"{v:.4g} {_unit(n, units)}".strip()) for n, v in own.items()]
    if summary["updates_per_s"]:
        rows.append(("pace", f"{summary['updates_per_s']:.3g} updates/s on {summary['device']}"))
    rows.append(("wall time", f"{summary['wall_s']:.1f} s"))
    return rows


def _unit(metric: str, units: Mapping[str, str]) -> str:
    """Of what a metric is about: that of the coordinate whose name it ends in, if in any."""
    about = [name for name in units if metric.endswith(f"_{name}")]
    unit = units[max(about, key=len)] if about else ""
    return "" if unit == "1" else unit


def _said_of(data: Mapping[str, Any]) -> str:
    """What was learned from, in a line."""
    counts = [f"{v} {k}" for k, v in data.items() if isinstance(v, int)]
    return ", ".join([*counts, str(data["path"])])
