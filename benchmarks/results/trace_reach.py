"""How far a backwards model's traces lead from the demonstrations, and what moves on them, as JSON.

Distances, in mm, from imagined states to the nearest demonstrated one: of what the robot moves, and
of the thing that it handles. With narrow traces (10 steps, as wide as the model is unsure of the
action) and with the widest that `bmil.py` tries. Demonstrations have its noise.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from covary.benchmarks.grids import cells

TASKS = {
    "block_push": (("block_push", "robot:=floating_gripper"), 20, ("gripper_", "block_")),
    "FetchPush-v4": (
        ("gym.yaml", "env_id:=FetchPush-v4", "planner:=gym_expert"),
        *(5, ("grip_", "object_")),
    ),
}
"""Words of `covary collect`, demonstrations, and what the robot and the thing are called."""
WIDTHS = {
    "narrow": {"last_steps": 10},
    "wide": {"last_steps": 30, "least_spread": 0.5, "persistence": 0.95},
}
MODEL = {"spread": "deviation", "spread_scale": 1.0, "state_scale": 0.0, "model_steps": 1500}
MODEL |= {"margin": 1.0, "consistency": 0.5, "mode": "free", "lengthen_from": 0.0}
TRIED = 2000
"""Imagined states that distances are taken of."""


def traced(task: str, width: str, data: Path, out: Path) -> tuple[np.ndarray, np.ndarray, list]:
    """Imagined states and demonstrated ones, and the names of their coordinates."""
    from covary.control.imitation.demonstrations import read_demonstrations
    from covary.control.imitation.training import Training
    from covary.nodes.launching.launch_file import read_assignments
    from covary.nodes.training.recipe import find_recipe, read_recipe

    settings = {"data": data, "out": out, "width": 128, "device": "cpu", "seed": 0}
    settings |= {"steps": 400, "batch": 128, "validate_every": 400, **MODEL, **WIDTHS[width]}
    words = [f"{name}:={json.dumps(value, default=str)}" for name, value in settings.items()]
    recipe = read_recipe(find_recipe("bmil"), read_assignments(words))
    training = Training(recipe, read_demonstrations(data))
    for _ in training.moments():
        pass
    method = training.method
    names = list(method.training.state_names)
    return method.memory["trace_state"], method.training.state, names


def away(imagined: np.ndarray, demonstrated: np.ndarray) -> dict[str, float]:
    """Median and 90th percentile of the distance to the nearest, mm. (N, d), (D, d)"""
    some = imagined[np.random.default_rng(1).integers(len(imagined), size=TRIED)]
    nearest = np.sqrt(np.square(some[:, None] - demonstrated).sum(axis=-1)).min(axis=1)
    return {f"p{p}_mm": round(1e3 * float(np.percentile(nearest, p)), 1) for p in (50, 90)}


def main() -> None:
    """Both tasks and both widths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/results/trace_reach"))
    folder, rows = parser.parse_args().folder, []
    for task, (words, count, parts) in TASKS.items():
        data = folder / "data" / task
        common = ("starts:=demonstrated", "success_only:=true", "action_noise:=0.1")
        cells.collected([*words, *common, f"episodes:={count}"], data)
        for width in WIDTHS:
            out = folder / "trained" / f"{task}-{width}"
            imagined, demonstrated, names = traced(task, width, data, out)
            if out.exists():
                cells.remove(out)
            found = {"task": task, "traces": width, "imagined": len(imagined)}
            for part in parts:
                here = [names.index(part + axis) for axis in "xy"]
                found[part.rstrip("_")] = away(imagined[:, here], demonstrated[:, here])
            rows.append(found)
    print(json.dumps({"benchmark": "trace_reach", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
