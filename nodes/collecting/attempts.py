"""`Attempts`: which attempts at an episode were made, which is next, which make the dataset.

Attempt i is a function of the seed and i alone, so the dataset is one of what was asked for: the
first N attempts, or the first N successful ones, whoever made them and in whatever order.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..bags.bag import BagError
from ..bags.dataset import BAGS, number_in
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
    """Its running costs together; NaN where they come to no finite number."""
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
            cost, duration = float(metadata["cost"]), float(metadata["duration"])
            if number < 0 or not math.isfinite(duration):
                raise ValueError
            return Attempt(number, success, cost if math.isfinite(cost) else math.nan, duration)
        except (LookupError, ValueError):
            raise BagError("no whole episode") from None

    @staticmethod
    def read(line: str) -> Attempt:
        """From a line of the book.

        Raises:
            ValueError: It is none.
        """
        try:
            made = Attempt(**json.loads(line))
        except (TypeError, RecursionError):
            raise ValueError("no attempt") from None
        number, cost = made.attempt, made.cost
        whole = type(number) is int and number >= 0 and type(made.success) is bool
        if not (whole and (cost is None or _is_number(cost)) and _is_number(made.duration)):
            raise ValueError("no attempt")
        return replace(made, cost=math.nan if cost is None else float(cost))

    def line(self) -> str:
        """Its line in the book: JSON, which has no NaN."""
        fields = asdict(self) | {"cost": self.cost if math.isfinite(self.cost) else None}
        return json.dumps(fields, allow_nan=False) + "\n"


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

    def stranger(self) -> Path | None:
        """Something among the bags that no attempt has left there, the first by name.

        Raises:
            OSError: The disk refuses.
        """
        root = self.folder / BAGS
        if not os.path.lexists(root):
            return None
        if not root.is_dir():
            return root
        own = set(self._bags().values())
        return next((path for path in sorted(root.iterdir()) if path not in own), None)

    def _bags(self) -> dict[int, Path]:
        """The folders that have an attempt's name, by number: whole bags or not, but no links."""
        found = {}
        for path in sorted((self.folder / BAGS).iterdir()):
            number = number_in(path.name)
            if path.name == bag_name(number) and path.is_dir() and not path.is_symlink():
                found[number] = path
        return found

    def open(self, tell: Callable[[str], None]) -> None:
        """Read what an earlier run left, and put right what it left half done.

        Nothing but folders that have an attempt's name is touched.

        Args:
            tell: Called with one line for each episode that has to be made again.

        Raises:
            OSError: The disk refuses.
        """
        (self.folder / BAGS).mkdir(parents=True, exist_ok=True)
        made = self._read()
        bags = self._bags()
        for number, path in [*bags.items()]:
            try:
                found = Attempt.of(Bag(path).metadata)
                if found.attempt != number:
                    raise BagError(f"{path}: it is attempt {found.attempt}")
                made[number] = found
            except BagError as error:
                tell(f"{path.name} is made again: {error}")
                del bags[number]
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
                attempt = Attempt.read(line)
            except ValueError:
                continue
            found[attempt.attempt] = attempt
        return found

    def add(self, attempt: Attempt) -> None:
        """Keep how an attempt ended; its bag stands in the folder already.

        Raises:
            OSError: The disk refuses.
        """
        self.made[attempt.attempt] = attempt
        with (self.folder / BOOK).open("a", encoding="utf-8") as file:
            file.write(attempt.line())

    def write(self) -> None:
        """Write the book anew, in order."""
        half = self.folder / f".{BOOK}"
        lines = [self.made[number].line() for number in sorted(self.made)]
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
        for number, path in self._bags().items():
            if number > last:
                shutil.rmtree(path)


def _is_number(value: object) -> bool:
    """Whether it is one that a float can hold."""
    most = sys.float_info.max
    return isinstance(value, int | float) and type(value) is not bool and -most <= value <= most
