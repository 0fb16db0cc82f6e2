"""Rollouts on tensors, 4,096 x 64, of a latent MLP (2 x 256) and of the drone, as JSON.

Bare and in planning steps; on the CPU with one thread, and on CUDA where there is one, eagerly and
as one graph. Beside the MLP's times: which share of the device's own rate for such matrices
(measured in the same run) it is.
"""

import argparse
import json
import os
import time

import numpy as np
import torch

from covary.planners.torch_mppi import TorchMPPI
from covary.sim.load_task import load_task
from covary.sim.tasks.push import Push
from covary.sim.torch_dynamics import TorchDynamics
from covary.sim.torch_graph import Graph
from covary.sim.torch_kernels import TorchKernels

WIDTH, LATENT = 256, 32


class LatentMlp(torch.nn.Module):
    """A latent model of a task, with random weights: encoder, dynamics, reward and value."""

    def __init__(self, task, device: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        states, actions = len(task.state_names), len(task.action_names)
        self.encoder = torch.nn.Linear(states, LATENT)
        self.inner = torch.nn.Sequential(
            *(torch.nn.Linear(LATENT + actions, WIDTH), torch.nn.ReLU()),
            *(torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU()),
            torch.nn.Linear(WIDTH, LATENT),
        )
        self.reward, self.value = torch.nn.Linear(LATENT, 1), torch.nn.Linear(LATENT, 1)
        self.to(device)

    def encode(self, x):
        """(1, n) -> (1, LATENT)"""
        return torch.tanh(self.encoder(x))

    def next_state(self, x, u):
        """(K, LATENT), (K, m) -> (K, LATENT)"""
        return x + 0.1 * self.inner(torch.cat([x, u], 1))

    def running_cost(self, x, u):
        """(K, LATENT), (K, m) -> (K,)"""
        return self.reward(x)[:, 0] + 0.01 * (u * u).sum(1)

    def terminal_cost(self, x):
        """(K, LATENT) -> (K,)"""
        return self.value(x)[:, 0]

    def operations(self, rows: int, steps: int) -> float:
        """Multiplications and additions of a rollout."""
        weights = sum(w.numel() for w in self.inner.parameters() if w.ndim == 2)
        return 2.0 * rows * steps * (weights + self.reward.weight.numel())


def timed(call, device: str, rounds: int) -> float:
    """Median time of a call, s."""
    times = []
    for _ in range(rounds + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))  # the first one warms up


def matrix_rate(rows: int, device: str, rounds: int) -> float:
    """What the device makes of (rows, WIDTH) @ (WIDTH, WIDTH), operations per second."""
    a, b = torch.randn(rows, WIDTH, device=device), torch.randn(WIDTH, WIDTH, device=device)
    out = torch.empty_like(a)

    def call():
        for _ in range(20):
            torch.matmul(a, b, out=out)

    if device == "cuda":  # one launch of a small product takes longer than it
        call = Graph(call)
    return 20 * 2.0 * rows * WIDTH * WIDTH / timed(call, device, rounds)


def measure(dynamics: TorchDynamics, samples: int, horizon: int, rounds: int) -> dict:
    """Bare rollouts, and planning steps around them."""
    task, device = dynamics.task, dynamics.device.type
    planner = TorchMPPI(dynamics, "none", samples=samples, horizon=horizon, knots=8)
    step = planner.step
    assert step is not None
    actions = dynamics.tensor(np.zeros((samples, horizon, len(task.action_names))))
    costs = dynamics.tensor(np.zeros((1, samples)))
    x = task.initial_state(np.random.default_rng(0))
    state, memory = dynamics.tensor(x), planner.initial_memory(0)
    rolled = timed(lambda: dynamics.rollout(state, actions, costs), device, rounds)
    eager = timed(step.operations, device, rounds)
    whole = timed(lambda: planner.plan(x, 0.0, memory), device, rounds)  # a graph on CUDA
    return {
        **{"model": dynamics.name, "device": device, "dtype": str(dynamics.dtype)},
        **{"samples": samples, "horizon": horizon, "rollouts_ms": round(1e3 * rolled, 3)},
        **{"step_ms": round(1e3 * eager, 3), "plan_ms": round(1e3 * whole, 3)},
        "plans_per_s": round(1.0 / whole, 2),
    }


def measured(task: str, samples: int, horizon: int, device: str, rounds: int) -> list[dict]:
    """The MLP, with its share of the device's rate, and a task's kernels."""
    model = LatentMlp(Push(), device)
    row = measure(TorchDynamics(Push(), model, "MLP 2 x 256"), samples, horizon, rounds)
    peak = matrix_rate(samples, device, rounds)
    work = model.operations(samples, horizon)
    row["gflop_per_s"] = round(work / row["plan_ms"] * 1e-6, 1)
    row["matrix_gflop_per_s"] = round(1e-9 * peak, 1)
    row["of_matrix_rate"] = round(1e3 * work / row["plan_ms"] / peak, 3)
    whole = load_task(task)
    kernels = TorchKernels(whole, device, torch.float32)
    return [row, measure(TorchDynamics(whole, kernels, task), samples, horizon, rounds)]


def main() -> None:
    """Measure on what there is, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--horizon", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="64 x 8, one round")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    samples, horizon, rounds = asked.samples, asked.horizon, asked.rounds
    if asked.quick:
        samples, horizon, rounds = 64, 8, 1
    size = ("drone", samples, horizon)
    found = {"benchmark": "torch_rollouts", "torch": torch.__version__}
    found["load"] = round(os.getloadavg()[0], 2)
    found["cpu"] = measured(*size, "cpu", rounds)
    found["cuda"] = "not measured on a GPU yet"
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = measured(*size, "cuda", 4 * rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
