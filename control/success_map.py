"""`SuccessMap`: how often a policy succeeds from where, over a grid of two coordinates."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from ..nodes.launching.yaml_loader import InputError

FORMAT = 1
"""Of the file; another number is another layout."""
MAP = "map.npz"
"""The file in a policy's folder."""
LARGEST = 50_000_000
"""Bytes of its arrays; a thousand cells to each side are 16 million."""
_ARRAYS = ("covary_map", "names", "first", "second", "episodes", "successes", "about")
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    MemoryError,
    BadZipFile,
    zlib.error,
)
"""What reading a file raises that somebody broke."""


@dataclass(frozen=True)
class SuccessMap:
    """A region of attraction as it was measured: episodes and successes of each cell of a grid.

    Cell (i, j) is the rectangle about (`first[i]`, `second[j]`), half a step to each side; there
    are starts in its middle, or wherever in it, as `about` says.

    Raises:
        ValueError: Arrays that do not fit each other.
    """

    names: tuple[str, str]
    """The two coordinates of the task's state."""
    first: np.ndarray
    """(G,) middles of the cells along the first, rising evenly; its own units: m or rad."""
    second: np.ndarray
    """(H,) the same along the second."""
    episodes: np.ndarray
    """(G, H) how many began in each cell; 0 where none could."""
    successes: np.ndarray
    """(G, H) how many of those succeeded."""
    about: dict[str, Any] = field(default_factory=dict)
    """What was measured: policy, task, task_options, engine, dials, seed, revision."""

    def __post_init__(self) -> None:
        shape = (len(self.first), len(self.second))
        if len(self.names) != 2 or self.episodes.shape != shape or self.successes.shape != shape:
            raise ValueError(f"a map of {shape} cells has {self.episodes.shape} counts")
        for axis in (self.first, self.second):
            if not (len(axis) >= 2 and np.isfinite(axis).all() and (np.diff(axis) > 0).all()):
                raise ValueError("the middles of a map's cells must rise, two at least")
        if (self.successes > self.episodes).any() or (self.successes < 0).any():
            raise ValueError("a map with more successes than episodes")

    @property
    def rate(self) -> np.ndarray:
        """Successes by episodes, NaN where none began. (G, H)"""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.episodes > 0, self.successes / self.episodes, np.nan)

    def at(self, points: np.ndarray) -> np.ndarray:
        """The rate of the cell that each point lies in, NaN outside the grid. (..., 2) -> (...)"""
        points = np.asarray(points, float)
        cells, inside = [], np.ones(points.shape[:-1], bool)
        for k, axis in enumerate((self.first, self.second)):
            step = (axis[-1] - axis[0]) / (len(axis) - 1)
            with np.errstate(invalid="ignore"):
                cell = np.floor((points[..., k] - axis[0]) / step + 0.5)
                inside &= (cell >= 0) & (cell < len(axis))  # a NaN is in none
            cells.append(np.clip(np.nan_to_num(cell), 0, len(axis) - 1).astype(int))
        return np.where(inside, self.rate[cells[0], cells[1]], np.nan)

    def at_state(self, x: np.ndarray, state_names: Sequence[str]) -> float:
        """The rate where a state is whose coordinates (n,) have these names.

        Raises:
            ValueError: It has not both coordinates of the map.
        """
        if missing := [name for name in self.names if name not in state_names]:
            raise ValueError(f"the map is over {missing[0]}, which the state has not")
        at = [x[list(state_names).index(name)] for name in self.names]
        return float(self.at(np.array(at)))

    def save(self, path: Path) -> Path:
        """Write it, whole or not at all.

        Raises:
            OSError: The disk refuses.
        """
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                np.savez_compressed(
                    file,
                    covary_map=FORMAT,
                    names=np.array(self.names),
                    first=np.asarray(self.first, float),
                    second=np.asarray(self.second, float),
                    episodes=np.asarray(self.episodes, np.int64),
                    successes=np.asarray(self.successes, np.int64),
                    about=json.dumps(self.about, sort_keys=True),
                )
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return path


def read_map(path: Path) -> SuccessMap:
    """A map from its file, or from the policy's folder that it lies in. It runs no code.

    Raises:
        InputError: There is none, or the file holds something else; one line.
    """
    path = Path(path)
    path = path / MAP if path.is_dir() else path
    try:
        with ZipFile(path) as file:  # how large it says to be, before any of it is unpacked
            size = sum(part.file_size for part in file.infolist())
        if size > LARGEST:
            raise ValueError(f"{size} bytes unpacked; a map has at most {LARGEST}")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in _ARRAYS}
        if int(found["covary_map"]) != FORMAT:
            raise ValueError(
                f"it is of format {int(found['covary_map'])}; this covary has {FORMAT}"
            )
        first, second = (found[name].astype(float) for name in ("first", "second"))
        with np.errstate(invalid="ignore"):  # a NaN becomes a number that is refused below
            episodes, successes = (found[name].astype(int) for name in ("episodes", "successes"))
        names = tuple(str(name) for name in found["names"])
        about = json.loads(str(found["about"]))
        return SuccessMap((names[0], names[1]), first, second, episodes, successes, about)
    except FileNotFoundError:
        raise InputError("no map: covary evaluate POLICY map:=X,Y makes one", str(path)) from None
    except _BROKEN as error:
        raise InputError(
            f"no map of successes ({' '.join(str(error).split())})", str(path)
        ) from None
