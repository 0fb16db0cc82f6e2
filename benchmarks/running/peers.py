"""An environment of their own for the peers: other people's planners, pinned, in .peers."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".peers"
PYTHON = FOLDER / "bin" / "python"
PINS = Path(__file__).with_name("peers.txt")
PEERS = {"pytorch_mppi": "pytorch_mppi", "judo": "judo-rai"}
"""Module to the package that has it."""
TORCH = "https://download.pytorch.org/whl/cpu/torch/"
"""Where Linux finds a torch without CUDA, which is gigabytes smaller; no need to reach it."""


def has(module: str) -> bool:
    """Whether .peers has it."""
    return any(_folders(module))


def _folders(module: str) -> Iterator[Path]:
    return FOLDER.glob(f"lib/python*/site-packages/{module}")


def in_their_python(module: str) -> bool:
    """Whether a peer can be imported; the script begins anew in .peers if only that has it."""
    if importlib.util.find_spec(module):
        return True
    if has(module):
        os.execv(PYTHON, [str(PYTHON), "-P", *sys.argv])
    return False


def install(*wanted: str) -> str:
    """Install into .peers; why it could not be, or nothing."""
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--no-compile", "--retries", "1")
    where = ("--find-links", TORCH, "--constraint", PINS)
    alone = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([*pip, *where, *wanted], env=alone, capture_output=True, text=True)
    if not done.returncode:
        return ""
    lines = done.stderr.splitlines()
    if any("connection broken" in line and not TORCH.endswith(line.split()[-1]) for line in lines):
        return "no package index can be reached"
    return next(
        (line for line in lines if line.startswith("ERROR")), f"exit code {done.returncode}"
    )


def make() -> None:
    """Bring .peers up to date where it is missing, its pins changed or the checkout moved."""
    pinned = [PINS.read_bytes(), (ROOT / "setup.py").read_bytes(), sys.version.encode()]
    stamp = f"{hashlib.sha256(b''.join(pinned)).hexdigest()} {ROOT}"
    there = FOLDER / "stamp"
    if there.exists() and there.read_text(encoding="utf-8") == stamp:
        return
    print(f"peers: installing {' and '.join(PEERS)} into .peers (a minute)", flush=True)
    venv.create(FOLDER, with_pip=True, clear=True)
    found = {module: install(package) for module, package in PEERS.items()}
    if not found["judo"]:  # ours run beside it in one process
        own = ("--no-build-isolation", "--editable", str(ROOT))
        found["judo"] = install("setuptools") or install(*own)
    missing = {module: why for module, why in found.items() if why}
    for folder in _folders("judo"):  # it would fetch meshes, which none of our tasks has
        (folder / "models" / "meshes").mkdir(exist_ok=True)
    if missing:
        why = next(iter(missing.values()))
        print(f"peers: nothing is compared with {' and '.join(missing)} ({why})", flush=True)
    else:
        there.write_text(stamp, encoding="utf-8")
