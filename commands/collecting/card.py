"""The dataset card: what it is of, how it was made and how to make it again, as YAML and text."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ...nodes import plugin
from ...nodes.bags.bag import BagError
from ...nodes.bags.dataset import BAGS, CARD, FORMAT, bags_in
from ...nodes.bags.reader import Bag
from ...nodes.collecting.attempts import Attempts
from ...nodes.launching.description import NodeDescription
from ...nodes.launching.yaml_loader import dump
from ...nodes.parameters import ParameterError
from ...nodes.supervision.run_folder import versions
from ...sim.load_task import load_task
from ...sim.task import Task
from ..intervals import wilson

LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}
"""Licences with a page of their own; any other SPDX name will do as well."""
GRADED = 24
"""Draws at which the task of a dataset is graded."""


@dataclass(frozen=True)
class Request:
    """What was asked for: all that decides which episodes a dataset holds."""

    launch: str
    """The launch file, as it was named."""
    arguments: dict[str, Any]
    """All its arguments with their values, but for how many episodes."""
    given: tuple[str, ...]
    """Those that were given by hand, `name:=value`, in order of their names."""
    success_only: bool
    """Whether failures are left out."""
    licence: str
    """SPDX name of the licence the dataset is under."""

    @property
    def command(self) -> list[str]:
        """The words that make the same episodes, whatever the number of them and of workers."""
        own = [f"success_only:={str(self.success_only).lower()}", f"licence:={self.licence}"]
        return ["covary", "collect", self.launch, *self.given, *own]


def make_card(
    request: Request,
    attempts: Attempts,
    sim: NodeDescription,
    before: Mapping[str, Any],
    residuals: Mapping[str, Any],
) -> dict[str, Any]:
    """The card of what a folder holds now.

    Args:
        request: What was asked for.
        attempts: What came of it.
        sim: The node that simulates.
        before: The card that was there; what it says of earlier runs stays.
        residuals: From `residuals_of`; empty: not graded yet.
    """
    counted, chosen = attempts.counted, attempts.chosen
    successes = sum(attempt.success for attempt in counted)
    p = sim.parameters
    facts, topics = _of_a_bag(attempts.folder)
    task = _task(p)
    now = versions()
    revision = now["git_revision"]
    revisions = [*before.get("git_revisions", ()), *([revision] if revision else ())]
    return {
        "covary_dataset": FORMAT,
        "complete": attempts.whole,
        "task": p.get("task", facts.get("task", "")),
        "task_options": p.get("task_options", {}),
        "engine": facts.get("engine", p.get("engine", "mujoco")),
        "seed": p.get("seed", 0),
        "episodes": len(chosen),
        "wanted": attempts.wanted,
        "success_only": request.success_only,
        "attempts": {
            "made": len(counted),
            "limit": attempts.limit,
            "successes": successes,
            "success_rate": round(successes / len(counted), 4) if counted else None,
            "wilson_95": wilson(successes, len(counted)),
        },
        "launch": request.launch,
        "arguments": request.arguments,
        "given": list(request.given),
        "command": " ".join(request.command),
        "git_revisions": list(dict.fromkeys(revisions)),
        "versions": _versions(now),
        "model_sha256": _model_sha256(task) or facts.get("model_sha256", ""),
        **_of_the_task(task),
        "dials": p.get("dials", {}),
        "residuals": dict(residuals),
        "topics": topics,
        "sizes": {
            "seconds": round(sum(attempt.duration for attempt in chosen), 3),
            "bytes": _bytes(attempts.folder / BAGS),
        },
        "licence": request.licence,
    }


def residuals_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """How far the simulated world is from its declared symmetry, component by component.

    As `covary.sim.residuals` has it, or why it is not graded: a dataset is not lost over its card.

    Args:
        parameters: Of the node that simulates, with its dials.
    """
    if _task(parameters) is None:
        return {"not_graded": "the task cannot be loaded"}
    given = {name: parameters.get(name) or {} for name in ("task_options", "dials")}
    engine = str(parameters.get("engine", "mujoco"))
    return _graded(str(parameters["task"]), json.dumps(given, sort_keys=True), engine)


@cache
def _graded(name: str, given: str, engine: str) -> dict[str, Any]:
    """The residuals of a task, options and dials as JSON; a run asks more than once."""
    from ...sim.dials import dials_from
    from ...sim.residuals import residuals

    asked = json.loads(given)
    try:
        task, dials = load_task(name, asked["task_options"]), dials_from(asked["dials"])
        return residuals(task, dials, engine, samples=GRADED)
    except (ValueError, RuntimeError) as error:  # NotImplementedError is one of these
        return {"not_graded": " ".join(str(error).split())}


def _task(parameters: Mapping[str, Any]) -> Task | None:
    try:
        return load_task(parameters["task"], parameters.get("task_options"))
    except (KeyError, plugin.PluginError, ParameterError):
        return None


def model_of(parameters: Mapping[str, Any]) -> str:
    """Hash of the model that is simulated under a sim node's parameters; empty where none is."""
    return _model_sha256(_task(parameters))


def _model_sha256(task: Task | None) -> str:
    return hashlib.sha256(task.model_text().encode()).hexdigest() if task is not None else ""


def _of_the_task(task: Task | None) -> dict[str, Any]:
    if task is None:
        return {}
    s = task.symmetry
    parts = {
        space: {name: repr(part) for name, part in getattr(s, space).items()}
        for space in ("state", "action")
    }
    return {
        "control_period_s": task.dt,
        "time_limit_s": task.time_limit,
        "state_names": list(task.sensed_state()[0]),
        "ground_truth_names": list(task.state_names) if task.sensed else [],
        "action_names": list(task.action_names),
        "action_interface": task.action_interface,
        "symmetry": {"group": s.group.name, **parts},
    }


def _of_a_bag(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Metadata and topics with their types, of the first bag that can be read."""
    for path in bags_in(folder):
        try:
            bag = Bag(path)
        except BagError:
            continue
        return bag.metadata, dict(sorted(bag.types.items()))
    return {}, {}


def _versions(now: Mapping[str, Any]) -> dict[str, str]:
    found = {"covary": now["covary"], "python": now["python"]}
    for name in ("mujoco", "pybullet", "numpy", "numba"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card and its page, each whole or not at all.

    Raises:
        OSError: The disk refuses.
    """
    for name, text in ((CARD, dump(dict(card))), ("README.md", page(card))):
        half = folder / f".{name}"
        half.write_text(text, encoding="utf-8")
        os.replace(half, folder / name)


def page(card: Mapping[str, Any]) -> str:
    """The card in words."""
    attempts, sizes = card["attempts"], card["sizes"]
    low, high = attempts["wilson_95"]
    rate = attempts["success_rate"]
    made = attempts["made"]
    success = "no attempt yet" if rate is None else (
        f"{attempts['successes']} of {made} attempts, {100 * rate:.1f} % "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    )  # fmt: skip
    licence = card["licence"]
    link = f"[{licence}]({LICENCES[licence]})" if licence in LICENCES else licence
    rows = {
        "task": f"{card['task']} {_inline(card['task_options'])}".strip(),
        "engine": card["engine"],
        "episodes": f"{card['episodes']}{'' if card['complete'] else ' of ' + str(card['wanted'])}"
        f"{', successful ones only' if card['success_only'] else ''}",
        "success": success,
        "seed": card["seed"],
        "length": f"{sizes['seconds']:.0f} s of simulated time, {sizes['bytes'] / 1e6:.1f} MB",
        "control period": f"{card['control_period_s']} s" if "control_period_s" in card else "",
        "symmetry": card["symmetry"]["group"] if "symmetry" in card else "",
        "dials": _inline(card["dials"]),
        "off from its symmetry": off_symmetry(card["residuals"]),
        "versions": ", ".join(f"{name} {version}" for name, version in card["versions"].items()),
        "revision": ", ".join(card["git_revisions"]),
        "model (SHA-256)": card["model_sha256"],
        "licence": link,
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value != "")
    return _PAGE.format(
        title=f"{card['task']}: {card['episodes']} episodes",
        table=table,
        command=card["command"],
        words=f"episodes:={card['wanted']} out:=DIR",
    )


def off_symmetry(residuals: Mapping[str, Any]) -> str:
    """The worst of each component, in a line."""
    worst = {
        component: max((part["worst"] or 0.0 for part in parts.values()), default=0.0)
        for component, parts in residuals.get("components", {}).items()
    }
    return ", ".join(f"{component} {value:.1g}" for component, value in worst.items())


def _inline(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", None))


_PAGE = """# {title}

| | |
|---|---|
{table}

Each folder in `bags/` is one episode, a rosbag2 recording (MCAP) named by the number of its
attempt; `attempts.jsonl` has a line for every attempt, `dataset.yaml` says all of the above and
more. Made with covary:

```bash
{command} {words}
```

Episode i is a function of the seed and i. As arrays on the control tick:

```python
from covary.nodes.bags.dataset import Dataset

for episode in Dataset("."):
    print(episode.number, episode.state.shape, episode.action.shape, episode.success)
```

`covary info .` shows what is here, `covary replay .` does every episode again and compares.
"""
