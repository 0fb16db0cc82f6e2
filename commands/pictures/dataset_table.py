"""What `covary info` says of a dataset: a table of episodes, some figures, its pictures as PNG."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...nodes.bags.bag import BagError
from ...nodes.bags.dataset import Dataset, Episode, read_episode
from ..intervals import wilson
from .charts import action_histograms, positions, workspace_map
from .contact_sheet import MOST, contact_sheet

_SHOWN = 40
"""Episodes that a table shows; of more the first ones and the last ones."""


@dataclass(frozen=True)
class Row:
    """What is kept of an episode, its arrays let go."""

    number: int
    result: str
    ticks: int
    seconds: float
    reward: float
    start: np.ndarray
    end: np.ndarray
    names: tuple[str, ...]
    actions: np.ndarray
    action_names: tuple[str, ...]
    cameras: tuple[str, ...]
    path: Path


def rows_of(dataset: Dataset) -> tuple[list[Row], list[str]]:
    """A row for each episode that can be read, and a line for each that cannot."""
    rows, bad = [], []
    hidden = not sys.stderr.isatty() or len(dataset) < 20
    console = Console(stderr=True)
    for path in track(dataset.bags, "reading", console=console, transient=True, disable=hidden):
        try:
            rows.append(_row(read_episode(path, images=False)))
        except (BagError, OSError) as error:
            bad.append(str(error))
    return rows, bad


def _row(episode: Episode) -> Row:
    truth = episode.ground_truth is not None
    states = episode.ground_truth if truth else episode.state
    assert states is not None
    period = float(np.median(np.diff(episode.time))) if len(episode) > 1 else 0.0
    word = "aborted" if episode.aborted else "success" if episode.success else "failure"
    return Row(
        number=episode.number,
        result=word,
        ticks=len(episode),
        seconds=float(episode.time[-1] - episode.time[0]) + period,
        reward=float(episode.reward.sum()),
        start=states[0],
        end=states[-1],
        names=episode.ground_truth_names if truth else episode.state_names,
        actions=episode.action,
        action_names=episode.action_names,
        cameras=episode.camera_topics,
        path=episode.path,
    )


def episode_table(title: str, rows: list[Row]) -> Table:
    """One line an episode."""
    table = Table(title=title, title_justify="left")
    for name in ("episode", "result", "ticks", "seconds", "reward"):
        table.add_column(name, no_wrap=True, justify="left" if name == "result" else "right")
    half = _SHOWN // 2
    shown = rows if len(rows) <= _SHOWN else [*rows[:half], None, *rows[-half:]]
    for row in shown:
        if row is None:
            table.add_row("...", f"{len(rows) - _SHOWN} more", "", "", "")
            continue
        reward = f"{row.reward:.3f}" if np.isfinite(row.reward) else "-"
        figures = (str(row.ticks), f"{row.seconds:.2f}", reward)
        table.add_row(str(row.number), row.result, *figures)
    return table


def figures_table(card: Mapping[str, Any], rows: list[Row], bad: int) -> Table:
    """The dataset in a few figures."""
    table = Table(show_header=False)
    for name in ("task", "engine", "launch", "seed", "licence"):
        if card.get(name) not in (None, ""):
            table.add_row(name, str(card[name]))
    table.add_row("episodes", f"{len(rows)}" + (f", and {bad} that cannot be read" if bad else ""))
    attempts = card.get("attempts")
    if isinstance(attempts, dict) and attempts.get("made"):
        good, n, what = int(attempts["successes"]), int(attempts["made"]), "attempts"
    else:
        good, n, what = sum(row.result == "success" for row in rows), len(rows), "episodes"
    if n:
        low, high = wilson(good, n)
        interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
        table.add_row("success", f"{good} of {n} {what}, {100 * good / n:.1f} % ({interval})")
    if rows:
        ticks = np.array([row.ticks for row in rows])
        least, middle, most = (f"{v:.0f}" for v in np.quantile(ticks, [0.0, 0.5, 1.0]))
        table.add_row("ticks", f"{ticks.sum()}; an episode {least} to {most}, median {middle}")
        rewards = np.array([row.reward for row in rows])
        if np.isfinite(rewards).all():
            table.add_row("reward", f"{rewards.mean():.3f} +- {rewards.std():.3f} an episode")
        cameras = dict.fromkeys(topic for row in rows for topic in row.cameras)
        if cameras:
            table.add_row("images", ", ".join(cameras))
    return table


def draw(rows: list[Row], folder: Path) -> list[Path]:
    """Draw what can be drawn of episodes, at least one; the files that were written.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: A file cannot be written.
        BagError: An episode's images cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, written = rows[0], []
    alike = [row for row in rows if row.action_names == first.action_names]
    actions = np.concatenate([row.actions for row in alike])
    written.append(action_histograms(actions, first.action_names, folder / "actions.png"))
    alike = [row for row in rows if row.names == first.names]
    starts, ends = (np.stack([getattr(row, at) for row in alike]) for at in ("start", "end"))
    begun, ended = positions(first.names, starts), positions(first.names, ends)
    if begun:
        places = {name: (begun[name], ended[name]) for name in begun}
        written.append(workspace_map(places, folder / "workspace.png"))
    cameras = dict.fromkeys(topic for row in rows for topic in row.cameras)
    if not cameras:
        return written
    seen = [row for row in rows if row.cameras]
    chosen = [seen[k] for k in np.unique(np.linspace(0, len(seen) - 1, MOST).astype(int))]
    episodes = [read_episode(row.path) for row in chosen]
    for topic in cameras:
        name = topic.strip("/").removeprefix("camera/").removesuffix("/image_raw")
        path = folder / f"contact_sheet_{name.replace('/', '_')}.png"
        if any(topic in episode.cameras for episode in episodes):
            written.append(contact_sheet(episodes, topic, path))
    return written
