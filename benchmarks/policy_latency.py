"""Time of a deployed policy's action on one core beside torch's, and from its start, as JSON."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from covary.control.onnx_policy import OnnxPolicy
from covary.control.policy_card import (
    FORMAT,
    NETWORK,
    ImageInput,
    PolicyCard,
    write_card,
)
from covary.sim.built_on import described
from covary.sim.load_task import load_task

LIMIT_MS = 5.0
"""What a policy that looks at 64 x 64 pixels may take, one core."""
POLICIES = {
    "state": {"width": 256},
    "state, flow of 8 actions": {"width": 256, "head": "flow", "chunk": 8},
    "64 px": {"width": 256, "pixels": 64},
    "64 px, free": {"width": 256, "pixels": 64, "mode": "free"},
    "64 px, flow of 8 actions": {"width": 256, "pixels": 64, "head": "flow", "chunk": 8},
}
FIRST = """
import sys
import numpy as np
from covary.control.onnx_policy import OnnxPolicy
policy = OnnxPolicy(sys.argv[1])
seen = {name: np.zeros(image.shape[1:]) for name, image in policy.card.images.items()}
policy.act({"state": np.zeros(len(policy.card.state_names)), **seen})
"""
FIRST_TORCH = "import torch; torch.zeros(2, 2) @ torch.zeros(2, 2)"


def made(folder: Path, pixels: int = 0, **architecture):
    """An untrained policy for block_pick in a folder; its network in plain torch, observations."""
    import torch

    from covary.control.policies.export import export_onnx
    from covary.control.policies.network import Architecture, PolicyNetwork

    torch.set_num_threads(1)
    torch.manual_seed(0)
    task, wanted, rng = (
        load_task("block_pick"),
        Architecture(**architecture),
        np.random.default_rng(0),
    )
    images = {"heightmap": ImageInput("/camera/heightmap/image_raw", (1, pixels, pixels))}
    images = images if pixels else {}
    network = PolicyNetwork(task, task.state_names, images, wanted)
    states = np.stack([task.initial_state(rng) for _ in range(16)])
    seen = {name: rng.uniform(0.0, 0.1, (16, *image.shape)) for name, image in images.items()}
    network.fit_normaliser(states, seen)
    digest = export_onnx(network, folder / NETWORK, states, seen)
    card = PolicyCard(
        covary_policy=FORMAT,
        task=task.name,
        task_options={},
        state_topic="/ground_truth",
        state_names=tuple(task.state_names),
        images=images,
        action_names=tuple(task.action_names),
        dt=task.dt,
        chunk=wanted.chunk,
        execute=1,
        noise=network.noise,
        symmetry=described(network.symmetry),
        mode=wanted.mode,
        method="bc",
        recipe={},
        data={},
        seed=0,
        revision="",
        parameters=network.parameter_count,
        files={NETWORK: digest},
    )
    write_card(folder, card)
    return network, states, seen


def percentiles(call, times: int) -> dict[str, float]:
    """Median and 99th percentile of a call's time, by the wall and of the process's CPU, ms."""
    wall, cpu = [], []
    for k in range(times + 20):
        start, thread = time.perf_counter(), time.process_time()
        call(k)
        cpu.append((time.process_time() - thread) * 1e3)
        wall.append((time.perf_counter() - start) * 1e3)
    return {
        "p50_ms": round(float(np.median(wall[20:])), 3),
        "p99_ms": round(float(np.percentile(wall[20:], 99)), 3),
        "cpu_p50_ms": round(float(np.median(cpu[20:])), 3),
        "cpu_p99_ms": round(float(np.percentile(cpu[20:], 99)), 3),
    }


def seconds(*arguments: str) -> float:
    """Wall time of a process that runs some code to its end, s."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", *arguments], check=True)
    return time.perf_counter() - start


def row(name: str, times: int, starts: int) -> dict:
    """All figures of one policy."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        network, states, seen = made(Path(folder), **POLICIES[name])
        policy = OnnxPolicy(folder)
        policy.reset(np.random.default_rng(0))
        observations = [
            {"state": x, **{key: images[i, 0] for key, images in seen.items()}}
            for i, x in enumerate(states)
        ]
        plain, noise = network.export().eval(), torch.zeros(1, network.noise)
        tensors = [
            [torch.as_tensor(array[i : i + 1]).float() for array in (states, *seen.values())]
            for i in range(len(states))
        ]

        def eager(k: int) -> None:
            state, *images = tensors[k % len(states)]
            with torch.no_grad():
                plain(state, images, noise)

        first = [seconds(FIRST, folder) for _ in range(starts)]
        return {
            "policy": name,
            "group": network.symmetry.group.name,
            "mode": network.architecture.mode,
            "parameters": network.parameter_count,
            "onnx": percentiles(lambda k: policy.act(observations[k % len(states)]), times),
            "torch_eager": percentiles(eager, times),
            "file_bytes": (Path(folder) / NETWORK).stat().st_size,
            "start_to_action_s": round(float(np.median(first)), 2),
        }


def main() -> None:
    """Measure each policy and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A few calls of two policies.")
    quick = parser.parse_args().quick
    times, starts = (30, 1) if quick else (2000, 5)
    names = ("state", "64 px") if quick else tuple(POLICIES)
    imports = [seconds(FIRST_TORCH) for _ in range(starts)]
    figures = {
        "limit_ms": LIMIT_MS,
        "policies": [row(name, times, starts) for name in names],
        "import_torch_s": round(float(np.median(imports)), 2),
    }
    load = os.getloadavg()[0]
    print(json.dumps({"benchmark": "policy_latency", "load": load, **figures}, indent=1))


if __name__ == "__main__":
    main()
