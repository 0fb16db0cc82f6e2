"""Where compiled kernels are kept: beside their file, in the user's cache, or just for a run."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"
"""Numba looks there first; processes that are started from here inherit it."""


def users(name: str) -> Path | None:
    """A folder of that name in the user's cache; None: the user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name
    except RuntimeError:
        return None


def writable(folder: Path) -> bool:
    """Whether files can be made there, by trying; the folder is there afterwards, if so."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def provide() -> None:
    """See to it that Numba finds a place for what it compiles; without one it raises.

    It looks beside the file of a function, and then in the user's cache. Where our files lie in a
    folder that cannot be written, and there is no such cache, it gets a folder for this run.
    """
    beside, cache = Path(__file__).resolve().parent / "__pycache__", users("numba")
    if _VARIABLE in os.environ or writable(beside) or (cache and writable(cache)):
        return
    for_this_run()


@functools.cache
def for_this_run() -> Path:
    """A folder that goes with this process; it is made when it is first asked for, and said.

    Raises:
        OSError: There is no folder for temporary files either.
    """
    folder = tempfile.mkdtemp(prefix="covary-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.environ.setdefault(_VARIABLE, folder) == folder and "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder  # it has read the variable already
    warnings.warn(
        "neither the folder of covary nor the user's cache can be written: kernels are compiled "
        f"anew in every run; export {_VARIABLE}=/a/folder/you/may/write",
        stacklevel=2,
    )
    return Path(folder)
