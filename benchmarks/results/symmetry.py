"""How symmetric the tabletop tasks are, by component and by ring, as JSON or tables (minutes).

Eight tasks with two robots, 96 draws each: about five minutes of one quiet core.
"""

import argparse
import json
import sys
import time

from covary.sim.load_task import load_task
from covary.sim.residuals import residuals

TASKS = (
    *("block_push", "block_pull", "block_pick", "block_in_bowl"),
    *("block_stack", "drawer_open", "peg_in_hole", "two_block_sort"),
)
ROBOTS = ("floating_gripper", "arm")


def main() -> None:
    """Grade all, saying on stderr how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="*", default=TASKS)
    parser.add_argument("--robots", nargs="*", default=ROBOTS)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    begin = time.perf_counter()
    rows, all_of = [], [(robot, task) for robot in asked.robots for task in asked.tasks]
    for number, (robot, name) in enumerate(all_of):
        task = load_task(name, {"robot": robot})
        rows.append(residuals(task, engine=asked.engine, samples=asked.samples, seed=asked.seed))
        left = (time.perf_counter() - begin) / (number + 1) * (len(all_of) - number - 1)
        print(f"{number + 1}/{len(all_of)} {name} {robot}, {left:.0f} s left", file=sys.stderr)
    wall_s = round(time.perf_counter() - begin, 1)
    found = {"benchmark": "symmetry", "engine": asked.engine, "wall_s": wall_s, "rows": rows}
    print(tables(rows) if asked.table else json.dumps(found, indent=1))


def tables(rows: list[dict]) -> str:
    """By component, and by ring: mean over draws of a period and of a second."""
    lines = [
        "| task | robot | exact parts | a period: contact | free | a second: contact | free "
        "| heightmap |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        parts = row["components"]
        exact = max(
            part["worst"] for name in ("cost", "limits", "rules") for part in parts[name].values()
        )
        dynamics = parts["dynamics"]
        cells = [
            around(dynamics[name])
            for name in ("period_contact", "period_free", "second_contact", "second_free")
        ]
        seen = around(parts["observation"].get("heightmap", {"draws": 0}))
        lines.append(
            f"| {row['task']} | {row['robot']} | {exact:.0e} | {' | '.join(cells)} | {seen} |"
        )
    rings = sorted({(ring["from"], ring["to"]) for row in rows for ring in row["rings"]})
    rings = [ring for ring in rings if ring[0] < 0.249]
    head = " | ".join(f"{low:.2f} to {high:.2f} m" for low, high in rings)
    lines += ["", f"| task | robot | {head} |", "|---|---|" + "---|" * len(rings)]
    for row in rows:
        by = {(ring["from"], ring["to"]): ring["second"] for ring in row["rings"]}
        cells = [around(by.get(ring, {"draws": 0})) for ring in rings]
        lines.append(f"| {row['task']} | {row['robot']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def around(part: dict) -> str:
    """Mean, and its interval."""
    if not part["draws"]:
        return "-"
    low, high = part["interval"]
    return f"{part['mean']:.1e} ({low:.0e}..{high:.0e})"


if __name__ == "__main__":
    main()
