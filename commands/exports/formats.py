"""`Format`: which tool's format an export is in, where it goes, and what writes it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .contents import Contents, ExportError, Writer

_NEEDS = {
    "lerobot": {"pyarrow": "pyarrow", "PIL": "pillow", "av": "av"},
    "robomimic": {"h5py": "h5py"},
    "minari": {"h5py": "h5py", "minari": "minari"},
}
"""Format to what it needs: module to the package that brings it."""


def _nothing() -> None:
    """What most formats need before the move."""


@dataclass(frozen=True)
class Format:
    """An export is made inside a temporary folder below `root`, then moved to its place."""

    name: str
    """lerobot, robomimic or minari."""
    final: Path
    """Where it stands in the end."""
    root: Path
    """On the same disk."""
    inside: str
    """Its path below the temporary folder."""
    opening: str
    """Python that opens it."""
    writer: Callable[[Path, Contents], Writer]
    """Makes the writer, from the path below the temporary folder."""
    prepare: Callable[[], None] = _nothing
    """Makes what must be there before the move."""

    def refuse_to_overwrite(self) -> None:
        """See to it that there is nothing yet.

        Raises:
            ExportError: There is.
        """
        if self.final.exists():
            raise ExportError(f"{self.final} is there already; name another one, or remove it")


def chosen(
    lerobot: Path | None, robomimic: Path | None, minari: str | None, images: bool = False
) -> Format:
    """The format that was asked for.

    Raises:
        ExportError: None or several were, it is there already, or a package is missing.
    """
    asked = {"lerobot": lerobot, "robomimic": robomimic, "minari": minari}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ExportError(
            f"{'one format at a time' if given else 'name the format'}: "
            "--lerobot PATH, --robomimic PATH or --minari NAME"
        )
    (name,) = given
    if name != "minari" and str(asked[name]).strip() in ("", "."):
        raise ExportError(f"--{name} needs a path")
    if images and name != "lerobot":
        raise ExportError(f"--images is for --lerobot; --{name} always stores images bit by bit")
    for module, package in _NEEDS[name].items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ExportError(
                f"--{name} needs {package}, which is not installed: pip install 'covary[data]'"
            ) from error
    if minari is not None:
        form = _minari(minari)
    elif robomimic is not None:
        form = _robomimic(Path(robomimic).absolute())
    else:
        form = _lerobot(Path(str(lerobot)).absolute(), images)
    form.refuse_to_overwrite()
    return form


def _lerobot(path: Path, images: bool) -> Format:
    from .lerobot import LeRobotWriter

    return Format(
        "lerobot",
        path,
        path.parent,
        path.name,
        f"LeRobotDataset({path.name!r}, root={str(path)!r})",
        lambda folder, contents: LeRobotWriter(folder, contents, images),
    )


def _robomimic(path: Path) -> Format:
    from .robomimic import RobomimicWriter

    opening = f"h5py.File({str(path)!r})['data']"
    return Format("robomimic", path, path.parent, path.name, opening, RobomimicWriter)


def _minari(name: str) -> Format:
    from .minari import MinariWriter, make_namespaces, place_of

    path = place_of(name)
    levels = name.count("/") + 1
    return Format(
        "minari",
        path,
        path.parents[levels - 1],
        name,
        f"minari.load_dataset({name!r})",
        lambda folder, contents: MinariWriter(folder.parents[levels - 1], name, contents),
        lambda: make_namespaces(name),
    )
