"""Files of generated kernels: named by the hash of what they do, and kept where Numba's cache is.

Numba's cache watches the file of the function that is called from outside, and no other. So what is
generated is written into a file whose name is a hash of all that it does: an edit gives another
file, and is never answered with old code. The file before it is then removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .cache_folder import for_this_run, users

SUFFIX = ".kernels"


def load(
    kernels: Any, kind: str, text: str, said: str = "", given: Mapping[str, Any] | None = None
) -> ModuleType:
    """A generated module; its file is written if it is not there yet.

    Args:
        kernels: The module for which it is generated; the file stands beside its own, or in the
            user's cache.
        kind: What it is, of all that is generated for that module; one file of a kind is kept.
        text: Its source.
        said: What else its name has to tell, such as the code of what it is given.
        given: What it finds among its globals.

    Raises:
        OSError: There is no folder to keep it in, not even for this run.
    """
    own = f"{_called(kernels)}_{kind}"
    name = f"{own}_{hashlib.sha256(f'{text}{said}'.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    for folder in (*_folders(kernels), None):
        folder = folder or for_this_run()
        path = folder / f"{name}{SUFFIX}"
        # RuntimeError is Numba's, where somebody removed the file just now.
        with contextlib.suppress(OSError, RuntimeError):
            new = _written(path, text)
            module = _imported(name, path, given or {})
            if new:
                _remove_older(path, own, module)
            return module
    raise OSError("there is no folder to keep generated kernels in")


def _called(kernels: Any) -> str:
    """What the module is called; a script by its file, as all are `__main__`."""
    name, file = kernels.__name__.rpartition(".")[2], getattr(kernels, "__file__", None)
    return Path(file).stem if file and name == "__main__" else name


def _folders(kernels: Any) -> list[Path]:
    """Where generated files may stand: beside the module's own, or in the user's cache."""
    caches = [folder / "kernels" for folder in (users("covary"), _given()) if folder]
    file = getattr(kernels, "__file__", None)
    if file is None:  # typed in somewhere
        return caches
    beside = Path(file).resolve().parent
    own = hashlib.sha256(str(beside).encode()).hexdigest()[:16]
    return [beside / "__pycache__", *(cache / own for cache in caches)]


def _given() -> Path | None:
    """The folder that Numba was told to use."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(folder) if folder else None


def _written(path: Path, text: str) -> bool:
    """Have the file with that text; whether it is new."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, half = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(half, path)  # whole or not at all, whoever else writes it
    return True


def _imported(name: str, path: Path, given: Mapping[str, Any]) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    vars(module).update(given)
    loader.exec_module(module)
    sys.modules[name] = module
    return module


def _remove_older(path: Path, own: str, module: ModuleType) -> None:
    """Remove the files that this one replaces, and what Numba keeps of them.

    Who still uses them has loaded them. What cannot be removed stays.
    """
    kept = {k.stats.cache_path for k in vars(module).values() if hasattr(k, "stats")}
    for old in path.parent.glob(f"{own}_{'[0-9a-f]' * 16}{SUFFIX}"):
        if old != path:
            entries = [e for folder in kept if folder for e in Path(folder).glob(f"{old.stem}.*")]
            for gone in (*entries, old):
                with contextlib.suppress(OSError):
                    gone.unlink()
