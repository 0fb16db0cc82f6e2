"""A trained policy's card as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from ..control.policy_card import NETWORK, WEIGHTS, PolicyCard
from ..control.success_map import MAP
from ..nodes.launching.yaml_loader import in_a_line


def policy_table(folder: Path, card: PolicyCard) -> Table:
    """What a policy is for, what it sees and does, what it was made from, and how good it was."""
    table = Table(title=escape(in_a_line(str(folder))), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    options = ", ".join(f"{name} {value}" for name, value in card.task_options.items() if value)
    images = ", ".join(
        f"{name} ({' x '.join(map(str, image.shape))})" for name, image in card.images.items()
    )
    chunk = f"{card.chunk}, of which {card.execute} are executed" if card.chunk > 1 else "1"
    data = card.data
    rows = [
        ("task", f"{card.task} ({options})" if options else card.task),
        ("sees", f"{len(card.state_names)} coordinates of {card.state_topic}"),
        ("", ", ".join(card.state_names)),
        ("and images", images),
        ("moves", ", ".join(card.action_names)),
        ("every", f"{card.dt * 1e3:g} ms, actions in an answer: {chunk}"),
        ("draws", f"{card.noise} in an answer" if card.noise else ""),
        ("symmetry", f"{card.symmetry.get('group', 'trivial')}, {card.mode}"),
        ("equivariance", _numbers(card.equivariance)),
        ("method", f"{card.method}, seed {card.seed}"),
        ("recipe", _numbers(card.recipe)),
        ("learned from", f"{data.get('episodes')} episodes, {data.get('ticks')} ticks"),
        ("", str(data.get("path", ""))),
        ("parameters", str(card.parameters)),
        ("metrics", _numbers(card.metrics)),
        ("revision", card.revision),
        ("files", ", ".join(_files(folder, card))),
    ]
    for name, value in rows:
        if value:
            table.add_row(name, escape(in_a_line(value)))
    return table


def _files(folder: Path, card: PolicyCard) -> list[str]:
    """What lies beside the card, and what should and does not."""
    names = dict.fromkeys([NETWORK, WEIGHTS, *card.files, MAP])
    there = [name for name in names if (folder / name).is_file()]
    gone = [f"{name} is missing" for name in names if name in card.files and name not in there]
    return [*there, *gone]


def _numbers(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if value not in (None, "")
    )
