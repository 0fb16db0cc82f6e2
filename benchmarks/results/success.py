"""Success on 50 held-out starts a row, in lockstep, with Wilson intervals, as JSON."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from covary.commands.intervals import wilson

EPISODES = 50
SEED = 1000  # no parameter was chosen on it
ROWS = [
    ("push", "mppi", "full"),
    ("push", "mppi", "C4"),
    ("push", "mppi", "none"),
    ("push", "cem", "full"),
    ("push", "cem", "none"),
    ("reach", "mppi", "full"),
    ("reach", "cem", "full"),
    ("point_mass", "mppi", "full"),
    ("point_mass", "cem", "full"),
]


def row(launch: str, planner: str, symmetry: str, folder: str) -> dict:
    """One launch."""
    summary = Path(folder) / "summary.json"
    words = [
        f"planner:={planner}",
        f"symmetry:={symmetry}",
        f"episodes:={EPISODES}",
        f"seed:={SEED}",
    ]
    command = [sys.executable, "-P", "-m", "covary.commands.main", "launch", launch, "--lockstep"]
    command += [*words, "record:=false", "--summary", str(summary)]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    found = json.loads(summary.read_text())
    successes = round(found["success_rate"] * EPISODES)
    kept = {
        key: found[key] for key in ("samples", "horizon", "iterations", "cost", "plan_ms", "wall_s")
    }
    name = {"launch": launch, "planner": planner, "symmetry": symmetry}
    return {**name, "successes": successes, "interval": wilson(successes, EPISODES), **kept}


def main() -> None:
    """Run all rows, saying on stderr how far it is."""
    rows = []
    start = time.perf_counter()
    for number, (launch, planner, symmetry) in enumerate(ROWS):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(launch, planner, symmetry, folder))
        left = (time.perf_counter() - start) / (number + 1) * (len(ROWS) - number - 1)
        done = f"{number + 1}/{len(ROWS)} {launch} {planner} {symmetry}"
        print(f"{done}: {rows[-1]['successes']}/{EPISODES}, {left:.0f} s left", file=sys.stderr)
    print(
        json.dumps(
            {"benchmark": "success", "episodes": EPISODES, "seed": SEED, "rows": rows}, indent=1
        )
    )


if __name__ == "__main__":
    main()
