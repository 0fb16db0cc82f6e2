"""Time of a training step and of exported inference of a linear layer, by mode and group, as JSON.

From regular fields to regular fields of the same number, beside an ordinary `torch.nn.Linear` of
the same width and escnn's layer between the same fields: forward, backward into parameters and
inputs, and a step of Adam. One thread, float32, batch 256. All variants take their turn in each
round, in a new order; medians of the CPU time of the only thread, which other work on the machine
disturbs little. A ratio is of two medians of the same rounds.

On a GPU (`--gpu`) the same with a batch of 8192, and wall time until the card has done it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from covary.symmetry.escnn_compat import provide_lie_learn
from covary.symmetry.group import Group, group
from covary.symmetry.layers.linear import Linear
from covary.symmetry.layers.representation import regular

GROUPS, WIDTHS, BATCH = ("C2", "C4", "C8", "D4", "D8"), (64, 128, 256, 512), 256
ON_GPU = {"groups": ("C4", "D4", "D8"), "widths": (256, 1024), "batch": 8192}
MEASURED = ("exact", "relaxed", "escnn")


def escnn_layer(of: Group, fields: int) -> Callable[[Tensor], Tensor] | None:
    """Their layer as a module of tensors; None where escnn is not installed."""
    provide_lie_learn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that SO(3) alone would need
        try:
            import escnn
        except ImportError:
            return None
    made = escnn.group.dihedral_group if (of.sign < 0).any() else escnn.group.cyclic_group
    space = escnn.gspaces.no_base_space(made(int((of.sign > 0).sum())))
    kind = escnn.nn.FieldType(space, fields * [space.regular_repr])

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = escnn.nn.Linear(kind, kind)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(escnn.nn.GeometricTensor(x, kind)).tensor

    return Wrapped()


def when_done() -> float:
    """The time when the GPU has done all that it was told, s."""
    torch.cuda.synchronize()
    return time.perf_counter()


def medians(
    calls: dict[str, Callable[[], object]],
    rounds: int,
    times: int,
    now: Callable[[], float] = time.thread_time,
) -> dict[str, float]:
    """Median time of each call (microseconds), taken in turns after two rounds unmeasured."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 2):
        for name in random.sample(list(calls), len(calls)):
            start = now()
            for _ in range(times):
                calls[name]()
            if round_ >= 2:
                found[name].append((now() - start) / times * 1e6)
    return {name: statistics.median(all_) for name, all_ in found.items()}


def training_step(layer: nn.Module, x: Tensor, gradient: Tensor) -> Callable[[], object]:
    """Forward, backward and Adam."""
    optimizer = torch.optim.Adam(layer.parameters(), 1e-4)

    def call() -> None:
        optimizer.zero_grad()
        x.grad = None
        layer(x).backward(gradient)
        optimizer.step()

    return call


def measure(name: str, width: int, rounds: int, gpu: bool = False) -> tuple[dict, dict]:
    """The row of training steps and the row of exported inference of one group and width."""
    of, device = group(name), "cuda" if gpu else "cpu"
    batch, now = (ON_GPU["batch"], when_done) if gpu else (BATCH, time.thread_time)
    fields = regular(of, width // of.order)
    layers = {
        "plain": nn.Linear(width, width),
        "exact": Linear(fields, fields, "exact"),
        "relaxed": Linear(fields, fields, "relaxed", banks=2),
        "escnn": escnn_layer(of, fields.fields),
    }
    layers = {kind: layer.to(device) for kind, layer in layers.items() if layer is not None}
    x = torch.randn(batch, width, device=device, requires_grad=True)
    gradient = torch.randn(batch, width, device=device)
    steps = {kind: training_step(layer, x, gradient) for kind, layer in layers.items()}
    took = medians(steps, rounds, 10 if gpu else 1, now)
    step: dict = {"group": name, "width": width, "fourier": layers["exact"].fourier is not None}
    step |= {f"{kind}_us": round(value, 1) for kind, value in took.items()}
    ratios = {kind: round(took[kind] / took["plain"], 2) for kind in MEASURED if kind in took}
    step |= {f"{kind}_ratio": ratio for kind, ratio in ratios.items()}
    if "escnn" in took:
        step["exact_over_escnn"] = round(took["exact"] / took["escnn"], 2)
    count = {kind: sum(p.numel() for p in layer.parameters()) for kind, layer in layers.items()}
    step["parameters"] = count

    plain, still = layers["plain"].eval(), x.detach()
    exported = {kind: layers[kind].export() for kind in ("exact", "relaxed")}
    with torch.inference_mode():
        calls = {"plain": lambda: plain(still)} | {
            kind: (lambda layer=layer: layer(still)) for kind, layer in exported.items()
        }
        took = medians(calls, rounds, 10, now)
    inference = {"group": name, "width": width}
    inference |= {f"{kind}_us": round(value, 1) for kind, value in took.items()}
    inference |= {f"{kind}_ratio": round(took[kind] / took["plain"], 3) for kind in exported}
    return step, inference


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="One group, one width, few rounds.")
    parser.add_argument("--gpu", action="store_true", help="On a GPU.")
    asked = parser.parse_args()
    quick, gpu = asked.quick, asked.gpu
    if gpu and not torch.cuda.is_available():
        parser.error("--gpu: torch sees none here")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    groups, widths = (ON_GPU["groups"], ON_GPU["widths"]) if gpu else (GROUPS, WIDTHS)
    found = [
        measure(name, width, 5 if quick else 60, gpu)
        for name in (groups[1:2] if quick else groups)
        for width in (widths[:1] if quick else widths)
    ]
    figures = {"step": [step for step, _ in found], "inference": [row for _, row in found]}
    about = {"benchmark": "layers", "load": os.getloadavg()[0]}
    about |= {"device": torch.cuda.get_device_name() if gpu else "cpu"}
    about |= {"batch": ON_GPU["batch"] if gpu else BATCH}
    print(json.dumps(about | figures, indent=1))


if __name__ == "__main__":
    main()
