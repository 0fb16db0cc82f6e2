"""One worker: a process that makes one attempt after the other, as it is told.

``python -m covary.nodes.collecting.worker DATASET NAME SUCCESS_ONLY``.

Numbers come in on its standard input, a line each; for each goes out a line of JSON: how the
attempt ended, or why it was none. The process stays, since imports and compiled kernels are most of
an attempt's price; everything else begins anew: nodes, clock and messages.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import plugin
from ..bags.bag import BagError
from ..bags.dataset import BAGS
from ..bags.reader import Bag
from ..launching.description import LaunchDescription, NodeDescription
from ..launching.launch_file import resolve
from ..launching.yaml_loader import InputError, in_a_line
from ..recorder_node import RecorderNode
from ..run import keep_freed_memory
from ..supervision.lockstep import Lockstep
from ..supervision.progress import RunProgress
from .attempts import Attempt, bag_name

LAUNCH = "launch.yaml"
"""The resolved launch file, in the dataset's folder."""
WORK = ".work"
"""Where attempts are made, in the dataset's folder; what lies there is nobody's loss."""


@dataclass(frozen=True)
class Roles:
    """The two nodes of a launch whose parameters differ from attempt to attempt."""

    sim: NodeDescription
    """It has parameters `episodes` and `first_episode`."""
    recorder: NodeDescription
    """A recorder node."""


def roles_of(launch: LaunchDescription) -> Roles:
    """Who simulates and who records.

    Raises:
        InputError: There is not one of each.
    """
    sims, recorders = [], []
    for node in launch.nodes:
        if not node.executable:
            continue
        kind = plugin.load_node(node.executable)
        names = {field.name for field in dataclasses.fields(kind.Parameters)}
        if {"episodes", "first_episode"} <= names:
            sims.append(node)
        if issubclass(kind, RecorderNode):
            recorders.append(node)
    for found, what in (
        (sims, "node with the parameters episodes and first_episode"),
        (recorders, "recorder"),
    ):
        if len(found) != 1:
            said = ", ".join(node.full_name for node in found) or "none"
            raise InputError(f"collecting needs one {what}, it starts {said}", str(launch.file))
    return Roles(sims[0], recorders[0])


class Attempter:
    """Makes attempts, one after the other, in this process.

    Args:
        launch: What to run, resolved.
        dataset: The dataset's folder.
        place: A folder of its own, emptied for every attempt.
        success_only: Whether the bag of a failure is thrown away.
    """

    def __init__(
        self, launch: LaunchDescription, dataset: Path, place: Path, success_only: bool
    ) -> None:
        self.launch, self.roles = launch, roles_of(launch)
        self.dataset, self.place, self.success_only = Path(dataset), Path(place), success_only
        self._silence = open(os.devnull, "w")  # noqa: SIM115
        self._progress = RunProgress(stream=self._silence)

    def close(self) -> None:
        """Let go of what was opened."""
        self._silence.close()

    def make(self, number: int) -> dict[str, Any]:
        """Make an attempt; its bag stands in the dataset at the end, whole, or not at all.

        Returns:
            The fields of `Attempt`; or `error`, one line that says why it was none.
        """
        try:
            return self._made(number)
        finally:
            # What the nodes held outside of Python (a Bullet world has 15 MB) is let go now: that
            # it is much is nothing the collector would know.
            gc.collect()

    def _made(self, number: int) -> dict[str, Any]:
        shutil.rmtree(self.place, ignore_errors=True)
        kept = self.dataset / BAGS / bag_name(number)
        try:
            if kept.exists():  # by a worker that was killed before it could say so
                return dataclasses.asdict(Attempt.of(Bag(kept).metadata))
            self.place.mkdir(parents=True)
            run = Lockstep(self._numbered(number), self.place, self._progress)
            outcome = run.run()
            recorders = [node for _, node in run.nodes if isinstance(node, RecorderNode)]
            failed = [node.stats.get("failed") for node in recorders]
            if any(failed):
                return {"error": f"cannot record: {failed[0]}"}
            if outcome.exit_code:
                why = outcome.failures[0] if outcome.failures else "it was told to stop"
                return {"error": in_a_line(why)}
            bag = self.place / BAGS / bag_name(number)
            attempt = Attempt.of(Bag(bag).metadata)
            if attempt.success or not self.success_only:
                os.rename(bag, kept)
        except (InputError, BagError) as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": in_a_line(f"cannot record: {error}")}
        return dataclasses.asdict(attempt)

    def _numbered(self, number: int) -> LaunchDescription:
        """The launch with one episode, of this number, recorded in this place."""
        changes = {
            self.roles.sim.full_name: {"episodes": 1, "first_episode": number},
            self.roles.recorder.full_name: {"folder": str(self.place / BAGS), "digits": 6},
        }
        nodes = [
            replace(node, parameters={**node.parameters, **changes.get(node.full_name, {})})
            for node in self.launch.nodes
        ]
        return replace(self.launch, nodes=tuple(nodes))


def main(arguments: list[str]) -> int:
    """Make attempts until standard input ends."""
    dataset, name, success_only = Path(arguments[0]), arguments[1], arguments[2] == "true"
    if (here := os.getcwd()) not in sys.path:  # where an outsider's classes are looked for
        sys.path.append(here)
    # What nodes print is not to stand among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    keep_freed_memory()
    launch = resolve(dataset / LAUNCH)
    attempter = Attempter(launch, dataset, dataset / WORK / name, success_only)
    for line in sys.stdin:
        begin = time.process_time()
        answer = attempter.make(int(line))
        answer |= {"cpu_s": time.process_time() - begin, "memory_mib": memory_mib()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if not gc.get_freeze_count():  # modules stay anyway: they need not be looked through again
            gc.freeze()
    attempter.close()
    return 0


def memory_mib() -> float:
    """What this process has in memory now, MiB; where only the most so far is known: that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
