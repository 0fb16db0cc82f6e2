"""Groups that LieFlow finds in data whose group is known, beside LieGAN and Augerino.

Cases x seeds: the group that was found, the Wasserstein distance of what was found to the true
group, its floor (two samples of the group itself, equally many), and seconds of one core. LieGAN
and Augerino find rotations about the origin: they are asked where that is the hypothesis. What is
finished is kept under `--folder` and not done again; what was not run is printed as such. JSON on
stdout, `--table` prints Markdown. In the plane 10 s of a quiet core a run, in space minutes.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from covary.benchmarks.problems.clouds import orbit
from covary.symmetry.discovery.augerino import augerino_elements
from covary.symmetry.discovery.catalogue import sampler
from covary.symmetry.discovery.hypothesis import Hypothesis
from covary.symmetry.discovery.liegan import liegan_elements
from covary.symmetry.discovery.outcome import search
from covary.symmetry.discovery.sampling_floor import distance_and_floor

CASES = {
    "SO2, C3": ("SO2", "C3"),
    "SO2, C4": ("SO2", "C4"),
    "SO2, SO2": ("SO2", "SO2"),
    "SO2, trivial": ("SO2", "trivial"),
    "O2, D4": ("O2", "D4"),
    "O2, C4": ("O2", "C4"),
    "SE2, C4": ("SE2", "C4"),
    "GL2, C4": ("GL2", "C4"),
    "SO3, T": ("SO3", "T"),
    "SO3, O": ("SO3", "O"),
    "SO3, I": ("SO3", "I"),
}
"""Hypothesis and truth."""
CENTRE = (0.7, -0.4)
SAMPLES = 2000
SPACE_SAMPLES = 5000
PEERS = {"LieGAN": liegan_elements, "Augerino": augerino_elements}


def main() -> None:
    """Run what is missing, saying on stderr how far it is, and print all there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("runs/results/discovery"))
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so many")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    begin, rows = time.monotonic(), []
    for seed in range(asked.seeds):
        for case in asked.cases:
            path = asked.folder / f"{case.replace(', ', '-')}-{seed}.json"
            if not path.exists() and time.monotonic() - begin < 60 * asked.minutes:
                part = path.with_suffix(".part")
                part.write_text(json.dumps(row(case, seed, asked.peers)))
                part.replace(path)
                print(f"{case}, seed {seed}: {path.read_text()}", file=sys.stderr, flush=True)
            if path.exists():
                rows.append(json.loads(path.read_text()))
    missing = [c for c in CASES if sum(r["case"] == c for r in rows) < asked.seeds]
    found = {"benchmark": "discovery", "seeds": asked.seeds, "rows": rows, "not_whole": missing}
    print(table(found) if asked.table else json.dumps(found, indent=1))


def row(case: str, seed: int, asked: list[str]) -> dict:
    """One search, and the peers' where they can be asked."""
    word, name = CASES[case]
    hypothesis = Hypothesis(word)
    d = hypothesis.dimension
    centre = CENTRE if hypothesis.shifts else ()
    samples, sizes = SPACE_SAMPLES if d == 3 else SAMPLES, 0.0 if word == "GL2" else 0.2
    data = orbit(name, samples, d, seed, centre, sizes=sizes)
    begin = time.process_time()
    outcome = search(data, hypothesis, seed)
    seconds = time.process_time() - begin
    truth = sampler(name, d, np.eye(d))
    kept = outcome.found.kept.matrices
    distance, floor = distance_and_floor(kept, truth, seed)
    off = None
    if centre and outcome.centre is not None:
        off = float(np.linalg.norm(outcome.centre - centre) / data.spread)
    peers = {}
    if word in ("SO2", "SO3"):
        for peer in asked:
            elements = PEERS[peer]
            begin = time.process_time()
            some = elements(data.points, len(kept), seed)
            away = distance_and_floor(some, truth, seed)[0]
            peers[peer] = {"distance": away, "seconds": time.process_time() - begin}
    return {
        "case": case,
        "seed": seed,
        "truth": name,
        "group": outcome.snapped.name if outcome.verdict != "none" else "none",
        "distance": distance,
        "floor": floor,
        "seconds": round(seconds, 1),
        "centre_off": off,
        "peers": peers,
    }


def table(found: dict) -> str:
    """A line for each case: means over its seeds."""
    lines = [
        "| hypothesis, truth | found | W1 | floor | LieGAN | Augerino | centre off | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        rows = [r for r in found["rows"] if r["case"] == case]
        if not rows:
            lines.append(f"| {case} | not run | | | | | | |")
            continue
        right = sum(r["group"] == r["truth"] for r in rows)
        away = [[r["peers"][p]["distance"] for r in rows if p in r["peers"]] for p in PEERS]
        peers = [f"{np.mean(some):.3f}" if some else "" for some in away]
        off = [r["centre_off"] for r in rows if r["centre_off"] is not None]
        cells = [
            case,
            f"{right} of {len(rows)}",
            f"{np.mean([r['distance'] for r in rows]):.3f}",
            f"{np.mean([r['floor'] for r in rows]):.3f}",
            *peers,
            f"{100 * max(off):.2f} %" if off else "",
            f"{np.mean([r['seconds'] for r in rows]):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
