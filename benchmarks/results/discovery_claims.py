"""How often a whole search claims a group that data do not have: 40 data sets, near misses too.

Data sets x one search each, as `covary discover` makes it: the flow, the catalogue, and the test of
invariance. A claim is false if one of its elements is none of the law that the data were drawn
from, or turns about another centre; a proper subgroup is weak, and silence claims nothing. What is
finished is kept under `--folder` and not done again. JSON on stdout, `--table` prints Markdown.
About 8 s of a quiet core a data set.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

from covary.benchmarks.problems.near_misses import drawn
from covary.benchmarks.running.rows import kept_rows
from covary.commands.discovering.data import Given
from covary.commands.discovering.findings import findings
from covary.symmetry.discovery.cloud import cloud

WORTH = ("right", "weak", "silent", "false")


def main() -> None:
    """Run what is missing, saying on stderr how far it is, and print all there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, default=Path("runs/results/discovery_claims"))
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so many")
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    todo = ((f"{asked.seed}-{k}", partial(row, k, asked.seed)) for k in range(asked.sets))
    rows = kept_rows(todo, asked.folder, asked.minutes)
    found = {"benchmark": "discovery_claims", "sets": asked.sets, "rows": rows}
    print(table(found) if asked.table else json.dumps(found, indent=1))


def row(index: int, seed: int) -> dict:
    """One data set: what it has, and what is claimed."""
    one = drawn(index, seed)
    begin = time.process_time()
    given = Given("drawn", cloud(one.points), one.episode)
    found = findings(given, one.hypothesis, index, None, lambda done: None)
    return {
        "kind": one.kind,
        "hypothesis": one.hypothesis,
        "truth": one.truth,
        "samples": len(one.points),
        "flow": found.outcome.snapped.name,
        "group": found.group,
        "verdict": found.verdict,
        "worth": one.judged(found.group, found.elements, found.outcome.centre),
        "words": found.words,
        "seconds": round(time.process_time() - begin, 1),
    }


def table(found: dict) -> str:
    """A line for each kind of data: how many claims are right, weak, silent and false."""
    rows = found["rows"]
    lines = [f"| data | sets | {' | '.join(WORTH)} |", "|---|---|---|---|---|---|"]
    for kind in (*sorted({r["kind"] for r in rows}), "all"):
        some = [r for r in rows if kind in (r["kind"], "all")]
        counts = [sum(r["worth"] == worth for r in some) for worth in WORTH]
        lines.append(f"| {kind} | {len(some)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
