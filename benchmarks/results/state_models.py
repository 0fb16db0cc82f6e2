"""How many recorded episodes a state model of push needs: exact, relaxed, free, or augmented.

All have equal widths; they learn from the first episodes of one dataset (`covary collect`, made
here if it is not there) and are judged on its last ones, which nobody learned from and no step was
selected on. Rows are kept in a folder; the same command goes on. Prints one JSON object: root mean
square errors after 1 and 10 periods in units of the states' spread, means over the seeds with 95 %
intervals (Student).

    python -P benchmarks/results/state_models.py --out runs/state_models --minutes 60
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from covary.benchmarks.results.perception import COLLECT, covary
from covary.benchmarks.running.rows import kept_rows
from covary.commands.intervals import of_mean
from covary.nodes.training.loop import Training
from covary.nodes.training.recipe import Recipe
from covary.perception.learning.state_model import StateModel
from covary.perception.learning.transitions import Transitions, recorded

VARIANTS = {
    "exact": {"mode": "exact"},
    "relaxed": {"mode": "relaxed"},
    "free": {"mode": "free"},
    "free, augmented": {"mode": "free", "augment": True},
}
EPISODES, SEEDS = (5, 20, 60), (1, 2, 3, 4, 5)
CHOSEN, JUDGED = 20, 30
"""Episodes that the step is selected on, and that the model is judged on."""
STEPS, WIDTH = 1000, 256


def error(model: torch.nn.Module, data: Transitions, k: int) -> float:
    """Root mean square error after k periods, over the spread of the states judged."""
    rows = data.windows(k)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), 2000)).astype(int)]
    x = torch.tensor(data.state[rows]).float()
    with torch.no_grad():
        for t in range(k):
            x = model.next_state(x, torch.tensor(data.action[rows + t]).float())
    own = model.own.numpy()
    found, wanted = x.double().numpy(), data.next_state[rows + k - 1]
    apart = data.task.symmetry.difference("state", found, wanted)[:, own]
    return float(np.sqrt(np.mean((apart / data.state[:, own].std(axis=0)) ** 2)))


def row(data: Transitions, variant: str, episodes: int, seed: int) -> dict:
    """One training, judged."""
    last = np.arange(data.episodes - JUDGED, data.episodes)
    split = (
        data.of(np.arange(episodes)),
        data.of(last[:CHOSEN] - CHOSEN),
        data.of(last),
    )
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        p = StateModel.Parameters(
            method="state_model", out=Path(place), steps=STEPS, batch=256, width=WIDTH,
            learning_rate=3e-3, validate_every=200, seed=seed, **VARIANTS[variant],
        )  # fmt: skip
        training = Training(
            Recipe("state_models", StateModel, p), data, lambda device: StateModel(split, p, device)
        )
        for _ in training.moments():
            pass
        training.use_best()
        network = training.method.kept.eval()
    return {
        "variant": variant,
        "episodes": episodes,
        "seed": seed,
        "numbers": sum(w.numel() for w in network.parameters()),
        "error_1": error(network, split[2], 1),
        "error_10": error(network, split[2], 10),
        "cpu_s": round(time.process_time() - begin, 1),
    }


def rows(data: Transitions) -> Iterator[tuple[str, Callable[[], dict]]]:
    """All rows by name."""
    for seed in SEEDS:
        for episodes in EPISODES:
            for variant in VARIANTS:
                name = f"{variant.replace(', ', '_')}_{episodes}_{seed}"
                yield name, lambda v=variant, e=episodes, s=seed: row(data, v, e, s)


def table(found: list[dict]) -> list[dict]:
    """A row for each variant and number of episodes."""
    told = []
    for episodes in EPISODES:
        for variant in VARIANTS:
            here = [r for r in found if (r["episodes"], r["variant"]) == (episodes, variant)]
            line = {"episodes": episodes, "variant": variant, "seeds": len(here)}
            for key in ("error_1", "error_10"):
                values = [r[key] for r in here]
                line[key] = round(float(np.mean(values)), 5) if values else "not run"
                line[f"{key}_interval"] = [round(v, 5) for v in of_mean(values) or []]
            told.append(line | {"numbers": here[0]["numbers"] if here else None})
    return told


def main() -> None:
    """Make what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/state_models"))
    parser.add_argument("--data", type=Path, help="A dataset that is there already.")
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args()
    place = asked.data or asked.out / "data"
    if not place.is_dir():
        covary("collect", *COLLECT, f"out:={place}")
    torch.set_num_threads(1)
    data = recorded(place)
    print(f"{data.episodes} episodes, {len(data)} transitions", file=sys.stderr)
    todo = list(rows(data))
    found = kept_rows(todo, asked.out / "rows", asked.minutes)
    print(json.dumps({
        "benchmark": "state_models",
        "task": data.task_name,
        "steps": STEPS,
        "not_run": len(todo) - len(found),
        "rows": table(found),
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
