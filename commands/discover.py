"""`covary discover DATA`: which group moves data into themselves, and whether it may be used."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.child import THREADS

if TYPE_CHECKING:
    from .discovering.data import Given
    from .discovering.findings import Findings


def discover(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="An npz file of points or of transitions, or a dataset's folder."
        ),
    ],
    hypothesis: Annotated[
        str, typer.Option(help="Where elements are looked for: SO2, O2, SO3, GL2, SE2.")
    ] = "SO2",
    state: Annotated[
        str, typer.Option(help="How an npz file's states are moved: position+vector+scalar(3).")
    ] = "",
    action: Annotated[str, typer.Option(help="How its actions are moved.")] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of all draws.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=100, max=1_000_000, help="Updates of the flow.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the picture and the files; default: a new one.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write all figures there.")
    ] = None,
) -> None:
    """Look for the group of some data: by a flow, a test of invariance, and held-out transitions.

    Points (N, k, 2 or 3) tell the symmetry of the data alone; state, action and next_state, or a
    dataset, that of the task too, and only then symmetry.yaml is written.
    """
    for name in THREADS:  # threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from dataclasses import replace

    from ..nodes.supervision.run_folder import dated_folder, write_json
    from ..symmetry.discovery.cloud import DiscoveryError
    from ..symmetry.discovery.flow import usual
    from ..symmetry.discovery.hypothesis import Hypothesis
    from .discovering.data import read
    from .discovering.findings import findings
    from .discovering.progress import DiscoverProgress, report

    since = time.monotonic()
    try:
        settings = usual(Hypothesis(hypothesis))
    except DiscoveryError as error:
        raise InputError(str(error), "--hypothesis") from error
    settings = settings if steps is None else replace(settings, steps=steps)
    given = read(data, state, action)
    _writable(out, path)  # before the minutes that follow
    with DiscoverProgress(settings.steps) as progress:
        found = findings(given, hypothesis, seed, settings, progress.made)
    try:
        folder = out or dated_folder("discover")
        folder.mkdir(parents=True, exist_ok=True)
        files = _files(folder, given, found, seed)
        summary = _summary(given, found, hypothesis, seed)
        summary["wall_s"] = round(time.monotonic() - since, 2)
        summary["files"] = [str(file) for file in (*files, folder / "summary.json")]
        write_json(folder / "summary.json", summary)
        if path is not None:
            write_json(path, summary)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", "command line") from error
    report(summary, Console(highlight=False, soft_wrap=True))


def _writable(out: Path | None, path: Path | None) -> None:
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", "--out") from error
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(f"{path} is no file that can be written", "--json")


def _files(folder: Path, given: Given, found: Findings, seed: int) -> list[Path]:
    """A picture, and a symmetry.yaml where it was verified."""
    import sys

    from ..sim.symmetry_file import Evidence, SymmetryFile, write_symmetry
    from .discovering.picture import elements_picture

    files = []
    title = f"{found.outcome.found.supported.sum()} elements by the flow; {found.group}"
    kept = found.outcome.found.kept
    try:
        if len(kept.matrices):
            ideal = found.elements if found.group != "none" else found.elements[:0]
            files.append(elements_picture(kept.matrices, ideal, title, folder / "elements.png"))
    except ModuleNotFoundError:
        pass  # a picture is a help, no result
    yaml = folder / "symmetry.yaml"
    yaml.unlink(missing_ok=True)  # of another run, which may have found more
    if found.symmetry is not None:
        checks = {} if found.checked is None else {"invariance": found.checked.p_value}
        evidence = Evidence(
            p_values={name: p for name, p in checks.items() if math.isfinite(p)},
            samples=len(given.cloud),
            seed=seed,
            command=" ".join(["covary", *sys.argv[1:]]),
            date=time.strftime("%Y-%m-%d"),
            source=given.source,
        )
        # A continuous group is named by itself; it is declared by a sample of it.
        word = found.symmetry.group.sample_of
        wanted = SymmetryFile.of(found.symmetry, given.task, evidence, word)
        files.append(write_symmetry(yaml, wanted))
    return files


def _summary(given: Given, found: Findings, hypothesis: str, seed: int) -> dict[str, Any]:
    outcome = found.outcome
    claimed = found.group != "none"
    return {
        "group": found.group,
        "elements": found.elements.tolist() if claimed else [],
        "score": outcome.score if claimed else 0.0,
        "floor": outcome.floor,
        "distance": outcome.distance,
        "verdict": found.verdict,
        "words": found.words,
        "centre": None if outcome.centre is None else outcome.centre.tolist(),
        "hypothesis": hypothesis,
        "flow": outcome.snapped.name,
        "supported": float(outcome.found.supported.mean()),
        "samples": len(given.cloud),
        "spread": given.cloud.spread,
        "source": given.source,
        "task": given.task,
        "seed": seed,
        "loss": outcome.found.loss,
        "p_value": _number(None if found.checked is None else found.checked.p_value),
        "verification": None if found.verification is None else found.verification.verdict,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
