"""Time of an estimate of the perception node from one image, as JSON.

An encoder of `state_encoder` with its own sizes, exact, hardly trained (its time does not depend on
that), from a heightmap of 64 x 64: by onnxruntime on one core, and where torch sees a GPU there as
one CUDA graph, the way of the image and of the answer included. Wall time, medians in turns.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from covary.perception.image_estimator import ImageEstimator
from covary.sim.load_task import load_task

TASKS = ("reacher", "push")


def trained(task: str, out: Path) -> Path:
    """The folder of an encoder."""
    words = (f"task:={task}", "interaction:=300", "images:=300", "steps:=2", f"out:={out}")
    command = [sys.executable, "-P", "-m", "covary.commands.main", "train", "state_encoder"]
    subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
    return out


def measure(task: str, folder: Path, rounds: int) -> dict:
    """Milliseconds of an estimate on each device, and how far the two are apart."""
    devices = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    image = np.random.default_rng(0).uniform(0, 0.1, (64, 64)).astype(np.float32)
    eyes = {device: ImageEstimator(folder, load_task(task), device) for device in devices}
    took: dict[str, list[float]] = {device: [] for device in devices}
    said = {}
    for round_ in range(rounds + 5):
        for device in random.sample(devices, len(devices)):
            start = time.perf_counter()
            said[device] = eyes[device].estimate(image)[0]
            if round_ >= 5:
                took[device].append(1e3 * (time.perf_counter() - start))
    row = {"task": task, **{f"{d}_ms": round(statistics.median(v), 3) for d, v in took.items()}}
    row["apart"] = float(max(np.abs(said[d] - said["cpu"]).max() for d in devices))
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one task, few rounds")
    quick = parser.parse_args().quick
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(task, trained(task, Path(folder) / task), 5 if quick else 200)
            for task in TASKS[: 1 if quick else None]
        ]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "not measured"
    about = {"benchmark": "image_estimates", "load": os.getloadavg()[0], "gpu": gpu}
    print(json.dumps(about | {"estimates": rows}, indent=1))


if __name__ == "__main__":
    main()
