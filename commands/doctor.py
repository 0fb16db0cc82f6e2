"""`covary doctor`: what is installed, what is missing, and what to type about it."""

import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

NEEDED = {
    "numpy": "everything",
    "scipy": "push, symmetry",
    "numba": "dynamics and rollouts",
    "mujoco": "the simulated plant",
    "gymnasium": "environments",
    "pyyaml": "launch files",
    "eclipse-zenoh": "messages between processes",
    "rosbags": "message types",
    "mcap": "recordings",
    "typer": "the command line",
    "rich": "tables and progress",
}
"""Packages that a plain installation has, and what for."""

OPTIONAL = {
    "torch": ("training", "pip install 'covary[learn]'"),
    "safetensors": ("weights of trained policies", "pip install 'covary[learn]'"),
    "onnx": ("files of trained policies", "pip install 'covary[learn]'"),
    "onnxruntime": ("running a trained policy", "pip install 'covary[deploy]'"),
    "escnn": ("steerable networks", "pip install --no-deps escnn==1.0.11"),
    "pybullet": ("the second physics engine", "pip install --only-binary :all: 'covary[bullet]'"),
    "gymnasium-robotics": ("Fetch, PointMaze and others", "pip install gymnasium-robotics"),
    "mcap-ros2-support": ("tests of recordings", "pip install 'covary[test]'"),
}
"""Packages that some parts want: what for, and what to type."""

Row = tuple[str, str, str, str]
"""State (ok, missing, -), what, what was found, what it is for or what to type."""


def doctor() -> None:
    """Show what is installed, what is missing, and what to type."""
    table = Table(title="covary doctor", title_justify="left")
    for name in ("", "what", "found", "for / what to type"):
        table.add_column(name, overflow="fold")
    styles = {"ok": "green", "missing": "red", "-": "dim"}
    missing = 0
    for state, what, found, note in rows():
        missing += state == "missing"
        table.add_row(f"[{styles[state]}]{state}[/]", what, found, note.replace("[", "\\["))
    console = Console()
    console.print(table)
    console.print(f"{missing} things are missing." if missing else "Nothing needed is missing.")


def rows() -> Iterator[Row]:
    """What `covary doctor` shows, line by line."""
    yield from _python()
    yield from _packages()
    yield _gl()
    yield from _hardware()
    yield _numba_cache()
    yield _shared_memory()


def _python() -> Iterator[Row]:
    version = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] <= (3, 12)
    yield "ok" if fits else "missing", "python", version, "3.11 or 3.12"
    yield "ok", "covary", _version("covary") or "not installed", str(Path(__file__).parent.parent)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Row]:
    for name, purpose in NEEDED.items():
        version = _version(name)
        note = purpose if version else f"{purpose}: pip install {name}"
        yield "ok" if version else "missing", name, version or "not installed", note
    for name, (purpose, command) in OPTIONAL.items():
        version = _version(name)
        note = purpose if version else f"{purpose}: {command}"
        yield "ok" if version else "-", name, version or "not installed", note


def _gl() -> Row:
    """Cameras want one GL library; nothing else does."""
    purpose = "cameras (rendering)"
    found = [name for name in ("EGL", "OSMesa") if ctypes.util.find_library(name)]
    if found:
        chosen = os.environ.get("MUJOCO_GL")
        backend = "egl" if found[0] == "EGL" else "osmesa"
        note = purpose if chosen or backend == "egl" else f"{purpose}: export MUJOCO_GL={backend}"
        return "ok", "GL library", f"lib{' lib'.join(found)}", note
    if sys.platform != "linux":
        return "-", "GL library", "not looked for on this system", purpose
    command = "apt install libegl1  (or libosmesa6 and export MUJOCO_GL=osmesa)"
    return "-", "GL library", "neither libEGL nor libOSMesa", f"{purpose}: {command}"


def _hardware() -> Iterator[Row]:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    note = f"OMP_NUM_THREADS={threads}" if threads else "covary launch sets one thread a process"
    yield "ok", "processor cores", str(allowed), note
    tool = shutil.which("nvidia-smi")
    names = ""
    if tool:
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        try:
            done = subprocess.run(query, capture_output=True, text=True, timeout=10)
            names = "; ".join(done.stdout.splitlines()) if done.returncode == 0 else ""
        except (OSError, subprocess.SubprocessError):
            pass
    yield "ok" if names else "-", "GPU", names or "none", "learned models; nothing else uses one"


def _numba_cache() -> Row:
    """Numba keeps what it compiled beside the source, or in the user's cache folder."""
    purpose = "compiled kernels are kept (first start 10-60 s, later ones none)"
    from ..sim import cache_folder

    folder = os.environ.get("NUMBA_CACHE_DIR")
    beside, cache = Path(cache_folder.__file__).parent / "__pycache__", cache_folder.users("numba")
    candidates = [Path(folder)] if folder else [beside, *([cache] if cache else [])]
    for candidate in candidates:
        if cache_folder.writable(candidate):
            return "ok", "Numba cache", str(candidate), purpose
    note = "every start compiles again: export NUMBA_CACHE_DIR=/a/folder/you/may/write"
    return "missing", "Numba cache", "no folder that may be written", note


def _shared_memory() -> Row:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return "-", "shared memory", "no /dev/shm", "images between processes go over sockets"
    free = shutil.disk_usage(folder).free // 2**20
    note = "images between processes"
    return "ok" if free >= 64 else "-", "shared memory", f"{free} MiB free", note
