"""`Attempts`: which attempts at an episode were made, which is next, which make the dataset.

Attempt i is a function of the seed and i alone, so the dataset is one of what was asked for: the
first N attempts, or the first N successful ones, whoever made them and in whatever order.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..bags.bag import BagError
from ..bags.dataset import BAGS, bags_in, number_in
from ..bags.reader import Bag

BOOK = "attempts.jsonl"
"""The file with a line for each attempt: a failed one leaves nothing else."""


def bag_name(number: int) -> str:
    """Name of an attempt's bag."""
    return f"episode_{number:06d}"


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended."""

    attempt: int
    """Its number."""
    success: bool
    """Whether it was one."""
    cost: float
    """Its running costs together."""
    duration: float
    """How long it took, simulated s."""

    @staticmethod
    def of(metadata: dict[str, str]) -> Attempt:
        """From what a bag says of itself.

        Raises:
            BagError: It is no whole episode's.
        """
        try:
            if metadata["aborted"] != "false":
                raise ValueError
            number, success = int(metadata["episode"]), metadata["success"] == "true"
            return Attempt(number, success, float(metadata["cost"]), float(metadata["duration"]))
        except (LookupError, ValueError):
            raise BagError("no whole episode") from None


class Attempts:
    """The attempts at a dataset, kept in its folder.

    Args:
        folder: The dataset.
        wanted: Episodes wanted.
        success_only: Whether only successful ones count.
        limit: Attempts at most.

    Attributes:
        made: Those that were made, by number.
    """

    def __init__(self, folder: Path, wanted: int, success_only: bool, limit: int) -> None:
        self.folder = Path(folder)
        self.wanted, self.success_only, self.limit = wanted, success_only, limit
        self.made: dict[int, Attempt] = {}

    def keeps(self, attempt: Attempt) -> bool:
        """Whether an attempt's bag is kept."""
        return attempt.success or not self.success_only

    def next(self, running: set[int]) -> int | None:
        """The lowest attempt that the dataset may need and that nobody has made or makes now."""
        kept = 0
        for number in range(self.limit):
            if kept == self.wanted:
                return None
            if number in self.made:
                kept += self.keeps(self.made[number])
            elif number not in running:
                return number
            elif not self.success_only:
                kept += 1
        return None

    @property
    def chosen(self) -> list[Attempt]:
        """What makes the dataset so far, in order; whole when there are as many as wanted."""
        kept = []
        for number in range(self.limit):
            if number not in self.made or len(kept) == self.wanted:
                break
            if self.keeps(self.made[number]):
                kept.append(self.made[number])
        return kept

    @property
    def counted(self) -> list[Attempt]:
        """The attempts that count: all up to the last chosen one, or up to the first not made."""
        counted, kept = [], 0
        for number in range(self.limit):
            if number not in self.made or kept == self.wanted:
                break
            counted.append(self.made[number])
            kept += self.keeps(self.made[number])
        return counted

    @property
    def whole(self) -> bool:
        """Whether the dataset has what was wanted."""
        return len(self.chosen) == self.wanted

    # Its folder.

    def open(self, tell: Callable[[str], None]) -> None:
        """Read what an earlier run left, and put right what it left half done.

        Args:
            tell: Called with one line for each episode that has to be made again.

        Raises:
            OSError: The disk refuses.
        """
        (self.folder / BAGS).mkdir(parents=True, exist_ok=True)
        made = self._read()
        bags = {number_in(path.name): path for path in bags_in(self.folder)}
        for number, path in bags.items():
            try:
                made[number] = Attempt.of(Bag(path).metadata)
            except BagError as error:
                tell(f"made again: {error}")
                made.pop(number, None)
                shutil.rmtree(path)
        self.made = {
            number: attempt
            for number, attempt in sorted(made.items())
            if number in bags or not self.keeps(attempt)
        }
        self.write()

    def _read(self) -> dict[int, Attempt]:
        """The lines of the book; one that a kill cut short is no line."""
        found = {}
        try:
            text = (self.folder / BOOK).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        for line in text.splitlines():
            try:
                attempt = Attempt(**json.loads(line))
                found[int(attempt.attempt)] = attempt
            except (TypeError, ValueError):
                continue
        return found

    def add(self, attempt: Attempt) -> None:
        """Keep how an attempt ended; its bag stands in the folder already.

        Raises:
            OSError: The disk refuses.
        """
        self.made[attempt.attempt] = attempt
        with (self.folder / BOOK).open("a", encoding="utf-8") as file:
            file.write(_line(attempt))

    def write(self) -> None:
        """Write the book anew, in order."""
        half = self.folder / f".{BOOK}"
        lines = [_line(self.made[number]) for number in sorted(self.made)]
        half.write_text("".join(lines), encoding="utf-8")
        os.replace(half, self.folder / BOOK)

    def trim(self) -> None:
        """Let go of what was made beyond the last chosen attempt, if the dataset is whole."""
        if not self.whole:
            return
        last = self.chosen[-1].attempt
        beyond = [number for number in self.made if number > last]
        for number in beyond:
            del self.made[number]
        self.write()
        for path in bags_in(self.folder):
            if number_in(path.name) > last:
                shutil.rmtree(path)


def _line(attempt: Attempt) -> str:
    return json.dumps(asdict(attempt)) + "\n"
