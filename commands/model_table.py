"""A trained encoder's or world model's card as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from ..nodes.launching.yaml_loader import in_a_line
from ..perception.model_card import WEIGHTS, ModelCard


def model_table(folder: Path, card: ModelCard) -> Table:
    """What a model is of, sees and foretells, what it was made from, and how good it is."""
    table = Table(title=escape(in_a_line(str(folder))), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    options = ", ".join(f"{name} {value}" for name, value in card.task_options.items() if value)
    images = ", ".join(
        f"{topic} ({' x '.join(map(str, shape))})" for topic, shape in card.images.items()
    )
    counts = [f"{v} {k}" for k, v in card.data.items() if isinstance(v, int)]
    names = dict.fromkeys([WEIGHTS, *card.files])
    files = [n if (folder / n).is_file() else f"{n} is missing" for n in names]
    rows = [
        ("of", f"{card.task} ({options})" if options else card.task),
        ("does", ", ".join(card.does)),
        ("state", ", ".join(card.state_names)),
        ("sees", images),
        ("moved by", ", ".join(card.action_names)),
        ("every", f"{card.dt * 1e3:g} ms" if card.dt else ""),
        ("symmetry", f"{card.symmetry.get('group', 'trivial')}, {card.mode}"),
        ("equivariance", _numbers(card.equivariance)),
        ("method", f"{card.method}, seed {card.seed}"),
        ("recipe", _numbers(card.recipe)),
        ("learned from", ", ".join([*counts, str(card.data.get("path", ""))])),
        ("parameters", str(card.parameters)),
        ("metrics", _numbers(card.metrics)),
        ("revision", card.revision),
        ("files", ", ".join(files)),
    ]
    for name, value in rows:
        if value:
            table.add_row(name, escape(in_a_line(value)))
    return table


def _numbers(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
        if value not in (None, "")
    )
