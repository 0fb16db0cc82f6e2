"""An environment of their own for the peers: other people's planners, pinned, in .peers."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import venv
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
    return any(FOLDER.glob(f"lib/python*/site-packages/{module}/__init__.py"))


def in_their_python(module: str) -> bool:
    """Whether a peer can be imported; the script begins anew in .peers if only that has it."""
    if importlib.util.find_spec(module):
        return True
    if has(module):
        os.execv(PYTHON, [str(PYTHON), "-P", *sys.argv])
    return False


def install(*wanted: str) -> str:
    """Install into .peers; why it could not be, in pip's last words, or nothing."""
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--no-compile", "--retries", "1")
    where = ("--find-links", TORCH, "--constraint", PINS)
    alone = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([*pip, *where, *wanted], env=alone, capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (said or [f"exit code {done.returncode}"])[-1] if done.returncode else ""


def make() -> None:
    """Bring .peers up to date where it is missing, its pins changed or the checkout moved."""
    pinned = [PINS.read_bytes(), (ROOT / "setup.py").read_bytes(), sys.version.encode()]
    stamp = f"{hashlib.sha256(b''.join(pinned)).hexdigest()} {ROOT}"
    there = FOLDER / "stamp"
    if there.exists() and there.read_text(encoding="utf-8") == stamp:
        return
    print(f"peers: installing {' and '.join(PEERS)} into .peers (a minute)", flush=True)
    venv.create(FOLDER, with_pip=True, clear=True)
    failed = install("setuptools") or install("--no-build-isolation", "--editable", str(ROOT))
    found = {module: failed or install(package) for module, package in PEERS.items()}
    for module, why in found.items():
        if why:
            print(f"peers: no {module}, nothing is compared with it ({why})", flush=True)
    if not any(found.values()):
        there.write_text(stamp, encoding="utf-8")
