"""Groups that LieFlow finds in data whose group is known, beside LieGAN and Augerino.

Cases x seeds: the group that was found, the Wasserstein distance of what was found to the true
group, its floor (two samples of the group itself, equally many), and seconds of one core. Two parts
of the flow stand beside it: what it drew before the last steps onto the data, and these steps alone
from random elements, without a flow. LieGAN and Augerino find rotations about the origin. So for
SE(2) they are given the data about their mean, and of D4 its rotations are their truth; for GL(2)+
they know that nothing is sheared. What is finished is kept under `--folder` and not done again;
what was not run is printed as such. JSON on stdout, `--table` prints Markdown. In the plane 15 s
of a quiet core a run, in space minutes.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from covary.benchmarks.problems.clouds import orbit
from covary.benchmarks.running.rows import kept_rows
from covary.symmetry.discovery.augerino import augerino_elements
from covary.symmetry.discovery.catalogue import sampler
from covary.symmetry.discovery.cloud import Cloud, cloud
from covary.symmetry.discovery.hypothesis import Hypothesis
from covary.symmetry.discovery.liegan import liegan_elements
from covary.symmetry.discovery.outcome import search
from covary.symmetry.discovery.refinement import refined
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
ROTATIONS = {"D4": "C4"}
"""What a peer that knows no mirrors may find."""
CENTRE = (0.7, -0.4)
SAMPLES = 2000
SPACE_SAMPLES = 5000
PEERS = {"LieGAN": liegan_elements, "Augerino": augerino_elements}


def main() -> None:
    """Run what is missing, saying on stderr how far it is, and print all there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--folder", type=Path, default=Path("runs/results/discovery"))
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so many")
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    todo = (
        (f"{case.replace(', ', '-')}-{seed}", partial(row, case, seed))
        for seed in range(asked.first, asked.first + asked.seeds)
        for case in asked.cases
    )
    rows = kept_rows(todo, asked.folder, asked.minutes)
    missing = [c for c in CASES if sum(r["case"] == c for r in rows) < asked.seeds]
    found = {"benchmark": "discovery", "seeds": asked.seeds, "rows": rows, "not_whole": missing}
    print(table(found) if asked.table else json.dumps(found, indent=1))


def row(case: str, seed: int) -> dict:
    """One search, its parts, and the peers."""
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
    kept = outcome.found.kept
    distance, floor = distance_and_floor(kept.matrices, truth, seed)
    off = None
    if centre and outcome.centre is not None:
        off = float(np.linalg.norm(outcome.centre - centre) / data.spread)
    middle = data.points.mean(axis=(0, 1)) if hypothesis.shifts else np.zeros(d)
    own = sampler(ROTATIONS.get(name, name), d, np.eye(d))
    peers = {}
    for peer, elements in PEERS.items():
        begin = time.process_time()
        some = elements(data.points - middle, len(kept.matrices), seed)
        away = distance_and_floor(some, own, seed)[0]
        peers[peer] = {"distance": away, "seconds": round(time.process_time() - begin, 1)}
    alone = nearest_alone(cloud((data.points - middle) / data.spread), hypothesis, seed)
    return {
        "case": case,
        "seed": seed,
        "truth": name,
        "group": outcome.snapped.name if outcome.verdict != "none" else "none",
        "why": outcome.why,
        "supported": outcome.found.unmoved,
        "distance": distance,
        "floor": floor,
        "drawn": distance_and_floor(kept.drawn, truth, seed)[0],
        "nearest": distance_and_floor(alone, truth, seed)[0],
        "seconds": round(seconds, 1),
        "centre_off": off,
        "peers": peers,
    }


def nearest_alone(data: Cloud, hypothesis: Hypothesis, seed: int, count: int = 1000) -> np.ndarray:
    """Random elements after the steps onto the nearest data, without a flow. (count, d, d)"""
    rng = np.random.default_rng([seed, 5])
    order = rng.permutation(len(data))
    held = len(data) // 10
    starts = data.taken(order[rng.integers(held, size=count)])
    drawn = hypothesis.draw(count, torch.Generator().manual_seed(seed))
    matrices, shifts = (None if x is None else x.numpy() for x in hypothesis.exp(drawn.double()))
    if hypothesis.mirrors:
        matrices[1::2] = matrices[1::2] @ np.diag([1.0, -1.0])
    shifts = np.zeros((count, data.dimension)) if shifts is None else shifts
    return refined(starts, data.taken(order[held:]), hypothesis, matrices, shifts)[0]


def table(found: dict) -> str:
    """A line for each case: means over its seeds."""
    lines = [
        "| hypothesis, truth | found | W1 | floor | flow alone | nearest alone | LieGAN | Augerino "
        "| centre off | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        rows = [r for r in found["rows"] if r["case"] == case]
        if not rows:
            lines.append(f"| {case} | not run | | | | | | | | |")
            continue
        right = sum(r["group"] == r["truth"] for r in rows)
        means = [[r[key] for r in rows] for key in ("distance", "floor", "drawn", "nearest")]
        means += [[r["peers"][peer]["distance"] for r in rows] for peer in PEERS]
        off = [r["centre_off"] for r in rows if r["centre_off"] is not None]
        cells = [
            case,
            f"{right} of {len(rows)}",
            *(f"{np.mean(some):.3f}" for some in means),
            f"{100 * max(off):.2f} %" if off else "",
            f"{np.mean([r['seconds'] for r in rows]):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
