"""Which group `covary discover` writes for 200 recorded episodes of push and its variants, as JSON.

The expert drives, and `covary collect` records: push, push in two worlds that are less symmetric
than it, and a task whose goals lie in one corner. `covary discover` then looks for the group of
each dataset; the same search of ten halves of its episodes, drawn at random, says how often it is
wrong. All is kept, so that an interrupted run goes on.

    python benchmarks/results/push_groups.py --folder runs/results/push_groups
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from covary.benchmarks.grids import cells
from covary.symmetry.discovery.candidates import named

SEED = 61803
"""Of the episodes; none was looked at before all thresholds were set."""
EPISODES, HALVES = 200, 10
CORNER = str(Path(__file__).parents[1] / "problems" / "one_corner.yaml")
WORLDS = {
    "push": (("push.yaml", "planner:=expert"), "O2"),
    "actuator_gain 0.5": (
        ("push.yaml", "planner:=expert", "dials:={actuator_gain: 0.5}"),
        "reflection",
    ),
    "gravity_tilt 10": (
        ("push.yaml", "planner:=expert", "dials:={gravity_tilt: 10}"),
        "reflection",
    ),
    "one corner": ((CORNER,), "trivial"),
}
"""What is collected, and the group that is right."""


def dataset_of(world: str, folder: Path) -> Path:
    """Where the episodes of a world are."""
    return folder / "data" / world.replace(" ", "_")


def recorded(world: str, folder: Path, episodes: int, workers: int) -> None:
    """Collect the episodes of a world, where they are not there yet."""
    out = dataset_of(world, folder)
    about = out / "dataset.yaml"
    if about.exists() and yaml.safe_load(about.read_text())["complete"]:
        return
    words = [*WORLDS[world][0], f"seed:={SEED}", f"episodes:={episodes}", f"workers:={workers}"]
    command = [*cells.COVARY, "collect", *words, f"out:={out}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    cells.say(f"{world}: {episodes} episodes")


def discovered(world: str, folder: Path) -> dict:
    """What `covary discover` says of all episodes, and which group its symmetry.yaml has."""
    path = folder / "found" / f"{world.replace(' ', '_')}.json"
    if (found := cells.kept(path)) is not None:
        return found
    out = folder / "discovered" / world.replace(" ", "_")
    words = [str(dataset_of(world, folder)), "--hypothesis", "O2", "--seed", "0"]
    command = [*cells.COVARY, "discover", *words, "--out", str(out)]
    before = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    said = json.loads((out / "summary.json").read_text())
    names = ("group", "verdict", "words", "flow", "p_value", "verification", "samples")
    file = out / "symmetry.yaml"
    written = yaml.safe_load(file.read_text())["group"] if file.exists() else ""
    found = {name: said[name] for name in names}
    took = round(time.perf_counter() - before, 1)
    return cells.keep(path, {"world": world, "written": written, **found, "wall_s": took})


def halves(world: str, folder: Path) -> list[dict]:
    """What the same search says of halves of the episodes."""
    from covary.commands.discovering.data import read
    from covary.commands.discovering.findings import findings

    given, rows = None, []
    for k in range(HALVES):
        path = folder / "found" / f"{world.replace(' ', '_')}-{k}.json"
        if (row := cells.kept(path)) is None:
            given = given or read(str(dataset_of(world, folder)), "", "")
            assert given.episode is not None
            names = np.unique(given.episode)
            rng = np.random.default_rng([SEED, k])
            taken = np.isin(given.episode, rng.choice(names, len(names) // 2, replace=False))
            known = given.transitions
            assert known is not None
            part = replace(
                given,
                cloud=given.cloud.taken(taken),
                episode=given.episode[taken],
                transitions=replace(
                    known,
                    state=known.state[taken],
                    action=known.action[taken],
                    next_state=known.next_state[taken],
                ),
            )
            found = findings(part, "O2", k, None, lambda done: None)
            row = {"group": found.group, "verdict": found.verdict, "words": found.words}
            cells.keep(path, row)
        rows.append(row)
    return rows


def row(world: str, folder: Path) -> dict:
    """All that is told of a world."""
    right = WORLDS[world][1]
    found, parts = discovered(world, folder), halves(world, folder)
    written = [part["group"] for part in parts if part["verdict"] == "verified"]
    claimed = [part["group"] for part in parts if part["group"] not in ("none", "trivial")]
    return {
        **found,
        "right": right,
        "halves": [f"{part['group']}, {part['verdict']}" for part in parts],
        "halves_right": sum(name == right for name in written)
        if right != "trivial"
        else sum(part["verdict"] == "none" for part in parts),
        "halves_written_wrong": sum(not _within(name, right) for name in written),
        "halves_claimed_wrong": sum(not _within(name, right) for name in claimed),
    }


def _within(name: str, right: str) -> bool:
    return named(name).within(named(right))


def table(rows: list[dict]) -> str:
    """In Markdown."""
    lines = [
        "| world | right | `symmetry.yaml` | verdict | of ten halves: right, wrong | s |",
        "|---|---|---|---|---|---|",
    ]
    for one in rows:
        lines.append(
            f"| {one['world']} | {one['right']} | {one['written'] or 'none'} | {one['verdict']} | "
            f"{one['halves_right']}, {one['halves_claimed_wrong']} | {one['wall_s']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run all worlds, or those whose names are given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), help="; ".join(WORLDS))
    parser.add_argument("--folder", type=Path, default=Path("runs/results/push_groups"))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--workers", type=int, default=2, help="that record beside each other")
    parser.add_argument("--record", action="store_true", help="record only")
    parser.add_argument("--table", action="store_true", help="a table before the JSON")
    args = parser.parse_args()
    for world in args.worlds:
        recorded(world, args.folder, args.episodes, args.workers)
    if args.record:
        return
    rows = [row(world, args.folder) for world in args.worlds]
    cells.tell(
        {"benchmark": "push_groups", "seed": SEED, "rows": rows},
        table(rows) if args.table else None,
    )


if __name__ == "__main__":
    main()
