"""`covary robot NAME`: a robot of the tabletop as files for other tools, MJCF and URDF."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ..nodes.launching.yaml_loader import InputError, nearest
from ..sim.tabletop.tabletop import ROBOTS


def robot(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{' or '.join(ROBOTS)}.")],
    urdf: Annotated[Path | None, typer.Option(help="Write its URDF here.")] = None,
    mjcf: Annotated[Path | None, typer.Option(help="Write its MJCF here.")] = None,
) -> None:
    """Write a robot's URDF, its MJCF, or both: made from the same description."""
    import mujoco  # here, so that --help is fast

    from ..sim.robots import urdf as files

    if name not in ROBOTS:
        hint = nearest(name, ROBOTS) or f"; there are {', '.join(ROBOTS)}"
        raise InputError(f"no robot '{name}'{hint}")
    if urdf is None and mjcf is None:
        raise InputError("nothing to write: give --urdf PATH, --mjcf PATH or both")
    kind = "".join(map(str.capitalize, name.split("_")))
    made = getattr(import_module(f"..sim.robots.{name}", __package__), kind)()
    text = files.mjcf(made)
    wanted = {mjcf: text}
    if urdf is not None:
        wanted[urdf] = files.urdf(mujoco.MjModel.from_xml_string(text), name)
    for path, content in wanted.items():
        if path is None:
            continue
        try:
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error
        print(path)
