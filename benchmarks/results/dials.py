"""Which residual each dial moves, over five values of each, as JSON or as a table (minutes).

On `push` with 48 draws: 15 gradings of a second each and 70 more, two minutes on a quiet core.
"""

import argparse
import dataclasses
import json
import sys
import time

from covary.sim.dials import COMPONENTS, Dials
from covary.sim.load_task import load_task
from covary.sim.residuals import Grading

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the upper end of each dial's range


def main() -> None:
    """Grade with one dial turned at a time, saying on stderr how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="push")
    parser.add_argument("--robot", default="")
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", nargs="*", default=["heightmap", "rgb"])
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    begin = time.perf_counter()
    task = load_task(asked.task, {"robot": asked.robot} if asked.robot else {})
    grading = Grading(task, "mujoco", asked.samples, asked.seed, asked.images)
    plain = grading.grade()
    rows = []
    fields = dataclasses.fields(Dials)
    for number, field in enumerate(fields):
        rows += [row(grading, plain, field, share) for share in SHARES]
        left = (time.perf_counter() - begin) / (number + 1) * (len(fields) - number - 1)
        print(f"{number + 1}/{len(fields)} {field.name}, {left:.0f} s left", file=sys.stderr)
    found = {
        "benchmark": "dials",
        **{key: plain[key] for key in ("task", "robot", "group", "engine", "samples", "seed")},
        "wall_s": round(time.perf_counter() - begin, 1),
        "floor": plain["components"],
        "rows": rows,
    }
    print(table(found) if asked.table else json.dumps(found, indent=1))


def row(grading: Grading, plain: dict, field: dataclasses.Field, share: float) -> dict:
    """One dial at one value: what its named component did, and what the others did."""
    value = type(field.default)(share * field.metadata["high"])
    report = grading.grade(Dials(**{field.name: value}))
    named = field.metadata["moves"]
    others = {}
    for component in COMPONENTS:
        if component == named:
            continue
        parts = report["components"][component]
        before = plain["components"][component]
        if parts == before:
            others[component] = "bit-equal"
        else:
            risen = [name for name, part in parts.items() if rises(before[name], part)]
            others[component] = f"RISES: {risen}" if risen else "at its floor"
    part = {}
    if named:
        parts, before = report["components"][named], plain["components"][named]
        risen = [name for name, found in parts.items() if rises(before[name], found)]
        part = {"rises": risen, "parts": {name: parts[name] for name in parts}}
    return {"dial": field.name, "value": value, "unit": field.metadata["unit"], "named": named,
            **part, "others": others}  # fmt: skip


def rises(before: dict, now: dict) -> bool:
    """Whether an interval lies above what it was with all dials at zero, by more than rounding."""
    if not now["draws"] or now == before:
        return False
    return now["interval"][0] > max(before["interval"][1], 1e-11)


def table(found: dict) -> str:
    """A line for each dial: the part of the named component that rises most, value by value."""
    lines = [
        "| dial | part | at zero | five values: mean residual | others |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["dial"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["dial"] == name]
        worst = {text for row in rows for text in row["others"].values()}
        others = ", ".join(sorted(worst))
        unit, named = rows[0]["unit"], rows[0]["named"]
        if not named:
            values = ", ".join(f"{row['value']:g}" for row in rows)
            lines.append(f"| `{name}` ({unit}) | none | | {values} | {others} |")
            continue
        floor = found["floor"][named]
        part = max(floor, key=lambda p: sum(p in row["rises"] for row in rows))
        cells = []
        for row in rows:
            here = row["parts"][part]
            sign = "" if part in row["rises"] else " (within)"
            low, high = here["interval"]
            cells.append(f"{row['value']:g}: {here['mean']:.1e} ({low:.1e}..{high:.1e}){sign}")
        at_zero = f"{floor[part]['mean']:.1e}"
        lines.append(
            f"| `{name}` ({unit}) | {named}: {part} | {at_zero} | {'; '.join(cells)} | {others} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
