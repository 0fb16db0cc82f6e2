"""Figures of any shape as Markdown: lists of rows and dictionaries of rows become tables."""

from typing import Any


def as_markdown(figures: dict[str, Any], title: str = "") -> str:
    """Scalars in one line, then a table for each list or dictionary of rows.

    Args:
        figures: What a program printed.
        title: What stands over it.
    """
    nested = {key: value for key, value in figures.items() if _nested(value)}
    told = ", ".join(f"{key} {cell(value)}" for key, value in figures.items() if key not in nested)
    blocks = [f"{title}: {told}" if title and told else told] if told else []
    for key, value in nested.items():
        name = f"{title} {key}".strip()
        if rows := _rows(value):
            blocks.append(f"{name}:\n\n{table(rows)}")
        else:
            blocks.append(as_markdown(value, name))
    return "\n\n".join(blocks)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows under the union of their keys."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """A value in short."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(cell(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return "" if value is None else str(value)


def _nested(value: Any) -> bool:
    """Whether it is more than a line."""
    inner = list(value.values() if isinstance(value, dict) else value) if _many(value) else []
    return any(isinstance(one, dict) for one in inner) or (
        isinstance(value, dict) and len(inner) > 6
    )


def _many(value: Any) -> bool:
    return isinstance(value, dict | list)


def _rows(value: Any) -> list[dict[str, Any]]:
    """As rows, or none: a dictionary of dictionaries of rows."""
    if isinstance(value, list):
        return [one if isinstance(one, dict) else {"": one} for one in value]
    if not any(_many(one) for one in value.values()):
        return [{"": key, "value": one} for key, one in value.items()]
    if all(isinstance(one, dict) and not _nested(one) for one in value.values()):
        return [{"": key, **one} for key, one in value.items()]
    return []
