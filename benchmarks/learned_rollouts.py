"""How long a plan's rollouts take in a learned state model: onnxruntime, torch, and the true model.

Reacher, 256 samples, 30 control periods, one thread; weights as they are drawn, since time does not
hang on them. Prints one JSON object: milliseconds a rollout, the median of rounds that take turns.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from covary.nodes.training.onnx_file import open_onnx, write_onnx
from covary.perception.learned_dynamics import INPUTS, OUTPUTS
from covary.perception.world_models.state_model import StateModel
from covary.sim.function_dynamics import FunctionDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.reacher import Reacher
from covary.sim.torch_dynamics import TorchDynamics

SAMPLES, HORIZON, ROUNDS = 256, 30, 15
WIDTHS = (128, 256, 512)


def rollouts(width: int) -> dict[str, Callable[[], object]]:
    """A rollout in each of the models."""
    torch.manual_seed(0)
    task, rng = Reacher(), np.random.default_rng(0)
    network = StateModel(task, width=width).eval()
    plain = network.export()
    x = torch.rand(4, 6), torch.rand(4, 2)
    with TemporaryDirectory() as place, torch.no_grad():
        path = Path(place) / "step.onnx"
        expected = [plain(*x).numpy()]
        digest = write_onnx(plain, path, dict(zip(INPUTS, x, strict=True)), OUTPUTS, expected)
        session = open_onnx(path, digest, path)

    def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        given = {"state": x.astype(np.float32), "action": u.astype(np.float32)}
        return session.run(OUTPUTS, given)[0].astype(float)

    models = {
        "onnxruntime": FunctionDynamics(task, step),
        "torch, plain layers": TorchDynamics(task, _Module(plain)),
        "torch, equivariant layers": TorchDynamics(task, network),
        "the analytic model, Numba": NumbaDynamics(task),
    }
    start = task.initial_state(rng)
    actions = rng.uniform(-1.0, 1.0, (SAMPLES, HORIZON, 2))
    costs = np.empty((1, SAMPLES))
    return {
        name: lambda m=model: m.rollout(start, actions, costs)  # type: ignore[misc]
        for name, model in models.items()
    }


class _Module(torch.nn.Module):
    """A network whose forward is a next state, as models on tensors have it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.kind = torch.nn.Parameter(torch.zeros(()))  # in which numbers it computes

    def next_state(self, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """(K, n), (K, m) -> (K, n)"""
        return self.network(x, u)


def main() -> None:
    """Measure, and print."""
    torch.set_num_threads(1)
    found = {}
    for width in WIDTHS:
        todo = rollouts(width)
        times: dict[str, list[float]] = {name: [] for name in todo}
        for roll in todo.values():
            roll()
        for _ in range(ROUNDS):
            for name, roll in todo.items():
                begin = time.perf_counter()
                roll()
                times[name].append(time.perf_counter() - begin)
        found[f"width {width}"] = {
            name: round(1e3 * float(np.median(taken)), 2) for name, taken in times.items()
        }
    print(json.dumps({
        "benchmark": "learned_rollouts",
        "samples": SAMPLES,
        "horizon": HORIZON,
        "ms": found,
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
