"""Time of a plan in a learned latent, equivariant and plain networks of equal width, as JSON.

One plan from one state: 6 iterations of 512 samples over 5 periods in a latent of 50 channels (of
whole regular fields: 56 under D4, 64 under D8), and 25 trajectories of the policy prior; networks
with two hidden layers of the stated width, exported, float32, one thread. Two planners: TD-MPC's
own (`LatentPlanner`), and `mppi` through `TorchDynamics`. Beside them what a period in the world
costs, by a task's kernels and on its plant. All take their turn in each round, in a new order;
medians of the CPU time of the only thread, which other work on the machine disturbs little.

Where torch sees a GPU, the same plans there, encoding, the way to the card and back included: one
CUDA graph each, TD-MPC's also operation by operation. Wall time, medians of rounds in turns. Beside
it the limits: the plan's own chain of matrix products alone, as one graph, which is what a plan of
this shape cannot go below without changing its arithmetic, and what the card makes of one large
product.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from covary.benchmarks.layers import medians
from covary.perception.learning.simulated import ByKernels, OnPlant
from covary.perception.world_models.graphed_plan import GraphedPlan
from covary.perception.world_models.latent_planner import LatentPlanner, Sampling
from covary.perception.world_models.tdmpc import TDMPCModel
from covary.planners.mppi import MPPI
from covary.planners.torch_mppi import TorchMPPI
from covary.sim.dials import Dials
from covary.sim.load_task import load_task
from covary.sim.torch_dynamics import TorchDynamics
from covary.sim.torch_graph import Graph
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
    graphed = GraphedPlan(own)
    return {"tdmpc": lambda: graphed.act(at), "mppi": again_and_again(other, x)}


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


def on_gpu(width: int, name: str, rounds: int) -> list[dict]:
    """Rows of one width on a GPU: as `measure`, and how far from the limits."""
    task, calls, rows = load_task("point_mass"), {}, []
    models = {"equivariant": model_of(name, width), "plain": model_of("none", width, name)}
    work, x = {}, task.initial_state(np.random.default_rng(0))
    at = torch.tensor(x, dtype=torch.float32)[None]
    for kind, model in models.items():
        exported: Any = model.to("cuda").exported()
        symmetry = model.symmetry if kind == "equivariant" else None
        own = LatentPlanner(exported, Sampling(), symmetry)
        graphed, mean = GraphedPlan(own), own.rest(1)
        other = TorchMPPI(
            TorchDynamics(task, exported),
            *(name if symmetry else "none",),
            **{"samples": 512, "iterations": 6, "horizon": 5, "knots": 5},
        )

        def eager(own=own, exported=exported, mean=mean) -> None:
            with torch.no_grad():
                own.plan(exported.encode(at.cuda()), mean)[0].cpu()

        calls[f"{kind} tdmpc"] = lambda graphed=graphed: graphed.act(at).cpu()
        calls[f"{kind} tdmpc, no graph"] = eager
        calls[f"{kind} mppi"] = again_and_again(other, x)
        shapes = products_of(exported, eager)
        calls[f"{kind} products"] = chain(shapes)
        work[kind] = sum(2 * a * b * c for a, b, c in shapes)
    took = in_turns(calls, rounds)
    peak = large_product()
    for key, seconds in took.items():
        kind, planner = key.split(" ", 1)
        row = {"width": width, "group": name, "networks": kind, "planner": planner}
        row |= {"latent": models[kind].latent.width, "ms": round(1e3 * seconds, 3)}
        row["plans_per_s"] = round(1 / seconds, 1)
        if "tdmpc" in planner:
            row["of_products_alone"] = round(took[f"{kind} products"] / seconds, 3)
            row["of_large_product_rate"] = round(work[kind] / seconds / peak, 4)
        rows.append(row)
    return rows


def again_and_again(planner: MPPI, x: np.ndarray) -> Callable[[], None]:
    """A plan from one state, each from the memory of the one before."""
    memory = planner.initial_memory(0)

    def call() -> None:
        nonlocal memory
        _, memory = planner.plan(x, planner.task.dt * memory.draws, memory)

    return call


def products_of(model: torch.nn.Module, call: Callable[[], object]) -> list[tuple[int, int, int]]:
    """Rows, inputs and outputs of each product of a call, in order."""
    found: list[tuple[int, int, int]] = []

    def note(layer: torch.nn.Linear, given: tuple) -> None:
        found.append((given[0].numel() // layer.in_features, layer.in_features, layer.out_features))

    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    call()
    for hook in hooks:
        hook.remove()
    return found


def chain(shapes: list[tuple[int, int, int]]) -> Callable[[], None]:
    """Products of such shapes, one after the other, as one graph; waits for the last."""
    made = {}
    for rows, inside, outside in set(shapes):
        a, b = torch.randn(rows, inside).cuda(), torch.randn(inside, outside).cuda()
        made[rows, inside, outside] = (a, b, torch.empty(rows, outside).cuda())

    def operations() -> None:
        for shape in shapes:
            a, b, out = made[shape]
            torch.mm(a, b, out=out)

    replay = Graph(operations)

    def call() -> None:
        replay()
        torch.cuda.synchronize()

    return call


def large_product() -> float:
    """What the card makes of a product of 8192 x 8192 in float32, operations/s."""
    a, b = torch.randn(8192, 8192).cuda(), torch.randn(8192, 8192).cuda()
    out = torch.empty_like(a)

    def call() -> None:
        torch.mm(a, b, out=out)
        torch.cuda.synchronize()

    return 2 * 8192**3 / in_turns({"product": call}, 10)["product"]


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median wall time of each call, s; three rounds unmeasured."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 3):
        for name in random.sample(list(calls), len(calls)):
            torch.cuda.synchronize()
            start = time.perf_counter()
            calls[name]()
            torch.cuda.synchronize()
            if round_ >= 3:
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(all_) for name, all_ in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="One width, one group, few rounds.")
    parser.add_argument("--gpu", action="store_true", help="On a GPU only.")
    asked = parser.parse_args()
    quick = asked.quick
    if asked.gpu and not torch.cuda.is_available():
        parser.error("--gpu: torch sees none here")
    torch.set_num_threads(1)
    random.seed(0)
    found = [
        row
        for width, rounds in list(WIDTHS.items())[: 1 if quick else None]
        for name in GROUPS[1 : 2 if quick else None]
        for row in ([] if asked.gpu else measure(width, name, 2 if quick else rounds))
    ]
    about = {"benchmark": "latent_plan", "load": os.getloadavg()[0]}
    about |= {"samples": 512, "iterations": 6, "horizon": 5, "on_a_gpu": "not measured yet"}
    if torch.cuda.is_available():
        about |= {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
        about["on_a_gpu"] = [
            row
            for width in list(WIDTHS)[: 1 if quick else None]
            for name in GROUPS[1 : 2 if quick else None]
            for row in on_gpu(width, name, 5 if quick else 100)
        ]
    print(
        json.dumps(
            about | {"plans": found, "worlds": [] if asked.gpu else worlds(2 if quick else 15)},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
