"""`make verify-exports`: the `lerobot` package itself opens what we export, in its own environment.

    python tests/exports/verify_lerobot.py [--keep FOLDER]

The newest `lerobot` needs Python 3.12; where there is none, 3.11 gets the last one made for it.
Either comes with the torch it asks for: some gigabytes, deleted afterwards (`--keep` keeps the
environment in FOLDER, and uses one that is there). Exit code 0: every array agrees; 1: one
differs; 3: not verified, since `lerobot` could not be installed, which is no pass.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from covary.commands.export import run
from covary.commands.exports.formats import chosen
from covary.nodes.bags.dataset import Dataset

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "system")]
from demonstrations import record  # noqa: E402
from launches import covary_here, renders  # noqa: E402
from rich.console import Console  # noqa: E402

WANTED = {"3.12": "lerobot[dataset]==0.6.1", "3.11": "lerobot==0.4.4"}
"""Python to the `lerobot` that goes into it."""
NOT_VERIFIED = 3


def main():
    """Makes datasets and the environment, and runs `with_lerobot.py` in it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    keep = parser.parse_args().keep
    place = Path(tempfile.mkdtemp(prefix="covary-verify-"))
    try:
        folders = datasets(place)
        python, reason = environment(keep.absolute() if keep else place / "environment")
        if python is None:
            print(f"not verified: {reason}")
            return NOT_VERIFIED
        # Nothing is fetched, nothing is left at home.
        alone = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                 "HF_HOME": str(place / "home"), "PYTHONPATH": ""}  # fmt: skip
        script = Path(__file__).with_name("with_lerobot.py")
        done = subprocess.run([python, script, *folders], env=alone)
        print("verified" if done.returncode == 0 else f"FAILED (exit code {done.returncode})")
        return min(done.returncode, 1)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def datasets(place):
    """Folders with a dataset and what its bags hold: made-up and simulated, videos and images."""
    bags = {"made_up": place / "made_up"}
    for k, ticks in enumerate((40, 2, 33)):
        record(bags["made_up"], k, ticks=ticks, truth=True, hand=True)
    if renders():
        (place / "launch").mkdir()
        words = ("launch", "block_pick", "episodes:=3", "camera:=true", "--lockstep")
        done = covary_here(place / "launch", *words)
        assert done.returncode == 0, done.stderr
        (bags["block_pick"],) = (place / "launch" / "runs").iterdir()
    else:
        print("no GL library here: without the simulated camera")
    folders = []
    for name, folder in bags.items():
        for way in ("video", "images"):
            there = place / f"{name}_{way}"
            there.mkdir()
            form = chosen(there / "dataset", None, None, way == "images")
            run(folder, form, True, False, Console(stderr=True))
            for k, episode in enumerate(Dataset(folder)):
                np.savez(there / f"expected_{k}.npz", **expected(episode))
            folders.append(there)
    return folders


def expected(episode):
    """Feature to rows, from the bag's reader alone."""
    rows = {
        "observation.state": episode.state,
        "observation.environment_state": episode.ground_truth,
        "action": episode.action,
        "next.reward": episode.reward,
        "next.success": episode.near,
        "next.done": episode.done,
    }
    for topic, camera in episode.cameras.items():
        name = topic.split("/")[2]
        kind = "depth" if camera.encoding == "32FC1" else "images"
        rows[f"observation.{kind}.{name}"] = camera.images
    return rows


def environment(folder):
    """Python of an environment with `lerobot`, or None and why there is none."""
    python = folder / "bin" / "python"
    if python.exists():
        return python, ""
    reason = "neither Python 3.12 nor 3.11 is here"
    for version, package in WANTED.items():
        found = interpreter(version)
        if found is None:
            continue
        print(f"installing {package} for Python {version} (gigabytes, minutes)", flush=True)
        for command in (
            [found, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", package],
            [python, "-c", "from lerobot.datasets.lerobot_dataset import LeRobotDataset"],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                lines = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
                reason = f"{package} on Python {version}: {lines[-1]}"
                print(reason, flush=True)
                shutil.rmtree(folder, ignore_errors=True)
                break
        else:
            return python, ""
    return None, reason


def interpreter(version):
    """A Python of that version that can make environments, or None."""
    name = f"python{version}"
    known = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/{name}"))
    for path in (shutil.which(name), *map(str, known)):
        words = [path, "-c", "import ensurepip, venv"]
        if path and subprocess.run(words, capture_output=True).returncode == 0:
            return path
    return None


if __name__ == "__main__":
    sys.exit(main())
