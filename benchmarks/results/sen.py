"""Symmetric embeddings: what actions that training never had do, foreseen by networks of one size.

Four worlds of Park et al., "Learning Symmetric Embeddings for Equivariant World Models" (ICML
2022), trained on a part of their actions and judged on all. The ways have equal data, updates and
(by their widths, to a few percent) parameters:

- exact: an ordinary network into declared embeddings, everything behind it equivariant (SEN);
- relaxed: the same, which may depart from it;
- augmented: ordinary networks, batches moved by random elements; where a camera is tilted the
  frames are moved pixel by pixel even so, which is wrong;
- full: the first networks equivariant to moves of the pixels too, wrong where a camera is tilted;
- none: ordinary networks.

`unchanged` is what a prediction would be worth that says nothing happens. A seed draws data,
networks and episodes; settings were chosen on seeds from 1000 on. What is finished is kept under
`--folder` and not done again; a cell that `--minutes` leaves out is "not run". JSON on stdout.

    python -P benchmarks/results/sen.py --tables shapes rotation
"""

import argparse
import json
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from covary.benchmarks.running.rows import kept_rows
from covary.commands.intervals import of_mean

WAYS: dict[str, dict[str, Any]] = {
    "exact": {"mode": "exact"},
    "relaxed": {"mode": "relaxed"},
    "augmented": {"mode": "free", "augment": True, "pixels": "moved"},
    "full": {"mode": "exact", "pixels": "moved"},
    "none": {"mode": "free"},
}
TABLES: dict[str, dict[str, Any]] = {
    "shapes": {
        "world": "shapes",
        "actions": ["up"],
        "episodes": 100_000,
        "length": 1,
        "steps": 3000,
        "validate_every": 1000,
        "batch": 128,
        "width": 128,
        "fields": 4,
        "learning_rate": 2e-3,
        "loss": "each",
        "evaluation": 10000,
        "horizon": 10,
    },
    "rotation": {
        "world": "rotating_object",
        "actions": ["large"],
        "judged_on": ["large"],
        "episodes": 40000,
        "length": 1,
        "steps": 2500,
        "batch": 128,
        "width": 512,
        "learning_rate": 2e-3,
        "evaluation": 1000,
        "horizon": 1,
        "warm_up": 0.0,
    },
    "blocks": {
        "world": "blocks",
        "actions": ["right", "up", "down"],
        "episodes": 100_000,
        "length": 1,
        "steps": 3000,
        "validate_every": 1000,
        "batch": 128,
        "width": 128,
        "channels": 32,
        "learning_rate": 2e-3,
        "fields": 4,
        "centred": True,
        "loss": "each_first",
        "evaluation": 5000,
        "horizon": 10,
    },
    "reacher": {
        "world": "reacher_pixels",
        "actions": ["elbow_positive"],
        "episodes": 2000,
        "length": 10,
        "steps": 3000,
        "validate_every": 500,
        "batch": 60,
        "stretch": 5,
        "width": 128,
        "learning_rate": 2e-3,
        "loss": "softmax",
        "evaluation": 2000,
        "horizon": 1,
        "warm_up": 0.0,
    },
}
"""The recipe of the way `exact`; the others have other widths."""
SHOWN = {
    "shapes": ("step_1_hits_at_10", "step_10_hits_at_1", "step_10_hits_at_10", "step_10_mrr"),
    "rotation": ("hard_hits_at_1", "step_1_hits_at_1", "step_1_mrr", "open_loop_1"),
    "blocks": ("step_1_hits_at_1", "step_10_hits_at_1", "step_10_hits_at_10", "step_10_mrr"),
    "reacher": ("step_1_hits_at_1", "step_1_hits_at_10", "step_1_mrr", "open_loop_1"),
}
ALWAYS = ("hard_hits_at_1", "embedding_error", "distance_error", "law_after")
NOWHERE = {("rotation", "augmented"), ("rotation", "full")}
"""What a turn in space does to a frame is no move of its pixels."""
LONGEST = ("rotation", "reacher", "blocks", "shapes")
"""Tables, those first whose cells take longest: begun so, cells beside each other end together."""
SEEDS = 5


def settings(table: str, way: str) -> dict[str, Any]:
    """A way's recipe, of as many parameters as `exact` has."""
    asked = TABLES[table]
    wanted = count(asked | WAYS["exact"])
    found = asked | WAYS[way]
    if way == "full":  # first its S, whose filters are tied
        of_maps = count(asked | WAYS["exact"], "encoder.maps.")
        found |= nearest(found, "channels", range(8, 129, 4), of_maps, "encoder.maps.")
    return found if way == "exact" else found | nearest(found, "width", range(8, 1025, 4), wanted)


def nearest(found: dict, name: str, values: range, wanted: int, of: str = "") -> dict:
    """The value of a setting whose networks have about so many parameters."""
    low, high = 0, len(values) - 1
    while low < high:  # the count grows with the value
        middle = (low + high) // 2
        if count(found | {name: values[middle]}, of) < wanted:
            low = middle + 1
        else:
            high = middle
    near = values[max(0, low - 1) : low + 1]
    return {name: min(near, key=lambda v: abs(count(found | {name: v}, of) - wanted))}


def count(asked: dict[str, Any], of: str = "") -> int:
    """Parameters of the networks that a recipe makes."""
    from covary.perception.learning.sen import SEN, world_of

    p = SEN.Parameters(**recipe(asked, 0, Path(".")))
    network = SEN.network_of(world_of(p, "sen.yaml"), p)
    return sum(w.numel() for name, w in network.named_parameters() if name.startswith(of))


def recipe(asked: dict[str, Any], seed: int, out: Path) -> dict[str, Any]:
    """All that a training is told."""
    words = {n: tuple(asked.get(n, ())) for n in ("actions", "judged_on")}
    asked = {**asked, **words}
    return {"method": "sen", "validate_every": 250, **asked, "seed": seed, "out": out}


def cell(table: str, way: str, seed: int) -> dict[str, Any]:
    """Train and judge one; its figures."""
    from covary.nodes.training.recipe import Recipe
    from covary.perception.learning.sen import SEN

    before, begin = used(), time.monotonic()
    asked = settings(table, way)
    with tempfile.TemporaryDirectory() as folder:
        parameters = SEN.Parameters(**recipe(asked, seed, Path(folder) / "run"))
        training = SEN.begin(Recipe("sen.yaml", SEN, parameters))
        for _ in training.moments():
            pass
        training.use_best()
        learner: Any = training.method
        told = learner.metrics(training)
        return {
            "table": table,
            "way": way,
            "seed": seed,
            "parameters": sum(w.numel() for w in learner.model.parameters()),
            "width": asked["width"],
            "validation_loss": training.best["validation_loss"],
            **told,
            "law_before": training.before,
            "law_after": learner.equivariance_error(),
            "device": str(training.device),
            "core_s": round(used() - before, 1),
            "wall_s": round(time.monotonic() - begin, 1),
        }


def used() -> float:
    """Seconds of this process on a core."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def summary(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each way: means and 95 % intervals of them over seeds."""
    told = []
    for way in WAYS:
        if (table, way) in NOWHERE:
            continue
        those = [row for row in rows if (row["table"], row["way"]) == (table, way)]
        line: dict[str, Any] = {"way": way, "seeds": len(those) or "not run"}
        if those:
            line["parameters"] = those[0]["parameters"]
            names = dict.fromkeys((*SHOWN[table], *ALWAYS))
            line |= {name: interval([row[name] for row in those if name in row]) for name in names}
            line["core_s"] = round(sum(row["core_s"] for row in those) / len(those), 1)
        told.append(line)
    of = [row for row in rows if row["table"] == table and row["way"] == "exact"]
    if of:
        still = {n: [row[f"unchanged_{n}"] for row in of if f"unchanged_{n}" in row]
                 for n in SHOWN[table]}  # fmt: skip
        told.append({"way": "unchanged", **{n: interval(v) for n, v in still.items() if v}})
    return told


def interval(values: list[float]) -> str:
    """A mean and half its interval."""
    if not values:
        return ""
    mean, ends = sum(values) / len(values), of_mean(values)
    return f"{mean:.3g}" + (f" +- {(ends[1] - ends[0]) / 2:.2g}" if ends else "")


def main() -> None:
    """Run what is missing and print all there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--folder", type=Path, default=Path("runs/results/sen"))
    parser.add_argument("--minutes", type=float, default=180.0)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(SEEDS)))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--jobs", type=int, default=1, help="cells beside each other")
    asked = parser.parse_args()
    todo = [
        (f"{table}-{way}-{seed}", partial(cell, table, way, seed))
        for table in (sorted(asked.tables, key=LONGEST.index) if asked.jobs > 1 else asked.tables)
        for seed in asked.seeds
        for way in asked.ways
        if (table, way) not in NOWHERE
    ]
    rows = kept_rows(todo, asked.folder, asked.minutes, asked.jobs)
    told = {table: summary(table, rows) for table in asked.tables}
    print(json.dumps({"seeds": len(asked.seeds), **told}, indent=1))


if __name__ == "__main__":
    main()
