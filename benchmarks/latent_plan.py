"""Time of a plan in a learned latent, equivariant and plain networks of equal width, as JSON.

One plan from one state: 6 iterations of 512 samples over 5 periods in a latent of 50 channels (of
whole regular fields: 56 under D4, 64 under D8), and 25 trajectories of the policy prior; networks
with two hidden layers of the stated width, exported, float32, one thread. Two planners: TD-MPC's
own (`LatentPlanner`), and `mppi` through `TorchDynamics`. Beside them what a period in the world
costs, by a task's kernels and on its plant. All take their turn in each round, in a new order;
medians of the CPU time of the only thread, which other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from covary.benchmarks.layers import medians
from covary.perception.learning.simulated import ByKernels, OnPlant
from covary.perception.world_models.latent_planner import LatentPlanner, Sampling
from covary.perception.world_models.tdmpc import TDMPCModel
from covary.planners.mppi import MPPI
from covary.sim.dials import Dials
from covary.sim.load_task import load_task
from covary.sim.torch_dynamics import TorchDynamics
from covary.symmetry.group import group

GROUPS, LATENT = ("none", "D4", "D8"), 50
WIDTHS = {128: 15, 256: 9, 512: 3}
"""Of hidden layers, and rounds of measuring: wide ones take longer."""
WORLDS = ("point_mass", "reacher", "push")


def model_of(symmetry: str, width: int, fields_of: str = "") -> TDMPCModel:
    """Networks with hidden layers of `width` channels in all; a plain one has another's latent."""
    task = load_task("point_mass")
    order = 1 if symmetry == "none" else group(symmetry).order
    latent = LATENT
    if symmetry == "none" and fields_of:
        other = group(fields_of).order
        latent = other * max(4, math.ceil(LATENT / other))
    # An exact network is told the width of the ordinary one with as many parameters.
    told = round(width / math.sqrt(order))
    torch.manual_seed(0)
    return TDMPCModel(task, symmetry, latent=latent, width=told, encoder_width=told)


def plans(model: TDMPCModel, symmetric: bool) -> dict[str, Callable[[], object]]:
    """A plan by each of the two planners, one after the other's memory."""
    task, exported = load_task("point_mass"), model.exported()
    x = task.initial_state(np.random.default_rng(0))
    at = torch.tensor(x, dtype=torch.float32)[None]
    symmetry = model.symmetry if symmetric else None
    own = LatentPlanner(exported, Sampling(), symmetry)
    word = model.symmetry.group.name if symmetric else "none"
    other = MPPI(
        TorchDynamics(task, exported),
        *(word,),
        **{"samples": 512, "iterations": 6, "horizon": 5, "knots": 5, "best_fraction": 0.125},
    )
    memory = {"mean": own.rest(1), "other": other.initial_memory(0)}

    def tdmpc() -> None:
        with torch.no_grad():
            _, memory["mean"] = own.plan(exported.encode(at), memory["mean"])

    def mppi() -> None:
        time = task.dt * memory["other"].draws
        _, memory["other"] = other.plan(x, time, memory["other"])

    return {"tdmpc": tdmpc, "mppi": mppi}


def measure(width: int, name: str, rounds: int) -> list[dict]:
    """Rows of one width: a group's networks and plain ones of the same width and latent."""
    calls, rows = {}, []
    models = {"equivariant": model_of(name, width), "plain": model_of("none", width, name)}
    for kind, model in models.items():
        for planner, call in plans(model, kind == "equivariant").items():
            calls[f"{kind} {planner}"] = call
    took = medians(calls, rounds, 1)
    for key, us in took.items():
        kind, planner = key.split()
        model = models[kind]
        rows.append(
            {
                **{"width": width, "group": name, "networks": kind, "planner": planner},
                "latent": model.latent.width,
                "parameters": sum(w.numel() for w in model.parameters()),
                **{"ms": round(us / 1e3, 2), "plans_per_s": round(1e6 / us, 1)},
            }
        )
    return rows


def worlds(rounds: int) -> list[dict]:
    """What a control period in the world takes, by kernels and on the plant."""
    rows = []
    for name in WORLDS:
        task = load_task(name)
        x, u = task.initial_state(np.random.default_rng(0)), task.safe_action()
        places = {"kernels": ByKernels(task), "plant": OnPlant(task, Dials())}
        for place in places.values():
            place.begin(x)
        calls = {kind: partial(place.step, u) for kind, place in places.items()}
        took = medians(calls, rounds, 10)
        rows.append({"task": name} | {f"{k}_us": round(v, 1) for k, v in took.items()})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="One width, one group, few rounds.")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    random.seed(0)
    found = [
        row
        for width, rounds in list(WIDTHS.items())[: 1 if quick else None]
        for name in GROUPS[1 : 2 if quick else None]
        for row in measure(width, name, 2 if quick else rounds)
    ]
    about = {"benchmark": "latent_plan", "load": os.getloadavg()[0]}
    about |= {"samples": 512, "iterations": 6, "horizon": 5, "on_a_gpu": "not measured yet"}
    print(json.dumps(about | {"plans": found, "worlds": worlds(2 if quick else 15)}, indent=1))


if __name__ == "__main__":
    main()
