"""`Collection`: one run of `covary collect`, from what is there already to the table at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...nodes.bags.bag import BagError
from ...nodes.bags.dataset import is_dataset, read_card
from ...nodes.collecting.attempts import Attempt, Attempts, bag_name
from ...nodes.collecting.crew import Crew
from ...nodes.collecting.worker import LAUNCH, WORK, Roles
from ...nodes.launching.description import RESOLVED, LaunchDescription, to_yaml
from ...nodes.launching.variables import as_text
from ...nodes.launching.yaml_loader import InputError
from ...nodes.supervision.run_folder import symmetry_files, versions, write_json
from ..interrupts import end_in_order
from .card import Request, make_card, model_of, off_symmetry, residuals_of, write_card
from .progress import CollectProgress, report

_LOCK = ".lock"
_LOCK_S = 5.0  # the workers of a collect that was killed are gone within moments
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Wishes:
    """How much is wanted, where, and by how many hands."""

    out: Path
    """The dataset's folder."""
    episodes: int
    """Episodes wanted."""
    success_only: bool
    """Whether only successful attempts make episodes."""
    attempts: int
    """Attempts at most."""
    workers: int
    """Processes that make them."""
    licence: str
    """SPDX name."""


class Collection:
    """One run.

    Args:
        launch: What an attempt runs.
        roles: Who simulates in it, and who records.
        request: What decides which episodes come out.
        wishes: How many, where, and by how many workers.
    """

    def __init__(
        self, launch: LaunchDescription, roles: Roles, request: Request, wishes: Wishes
    ) -> None:
        self.launch, self.roles, self.request, self.wishes = launch, roles, request, wishes
        w = wishes
        self.attempts = Attempts(w.out, w.episodes, w.success_only, w.attempts)
        self.failures: list[str] = []
        self.there = 0  # episodes of earlier runs
        self.before: dict[str, Any] = {}  # the card of earlier runs
        self.residuals: dict[str, Any] = {}
        self.begin = time.monotonic()

    def run(self) -> int:
        """Collect until the dataset is whole, or nothing more can be done; the exit code.

        Raises:
            InputError: The folder holds something else, or a dataset of another request.
        """
        end_in_order()
        code = 0
        with self._locked() as lock:
            self._check_earlier()
            try:
                with _interruptible():
                    self._work(lock)
            except KeyboardInterrupt:
                code = 130
            except OSError as error:
                self._fail(f"cannot record: {error.strerror or error}")
            with _uninterruptible():  # an impatient finger costs no card
                summary = self._finish(code)
            code = summary["exit_code"]
            if not code and not self.residuals:
                code = self._grade()
        report(str(self.wishes.out), summary)
        return code

    def _fail(self, what: str) -> None:
        self.failures.append(what)

    # Before.

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The folder, for this collect and its workers alone; an open file that says so."""
        out = self.wishes.out
        try:
            self._check_folder()
            out.mkdir(parents=True, exist_ok=True)
            lock = os.open(out / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"out:={out}: {error.strerror}", "command line") from None
        try:
            deadline = time.monotonic() + _LOCK_S
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        said = f"out:={out}: another covary collect is at work there"
                        raise InputError(said, "command line") from None
                    time.sleep(0.05)
            yield lock
        finally:
            os.close(lock)

    def _check_folder(self) -> None:
        """Refuse a folder in which somebody else's files would be written over.

        Raises:
            OSError: It cannot be looked into.
        """
        out = self.wishes.out
        if out.exists() and not out.is_dir():
            raise InputError(f"out:={out}: is no folder", "command line")
        launch, source = out / LAUNCH, self.launch.file
        if launch.exists() and launch.samefile(source):
            said = f"{source} is what is launched, and would be written over; name a new folder"
            raise InputError(f"out:={out}: {said}", "command line")
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        # What a collect leaves that was killed before it wrote a card: the lock is its first file.
        begun = not names or (_LOCK in names and names <= {_LOCK, WORK, LAUNCH})
        if not (is_dataset(out) or begun) or not _is_resolved(launch):
            said = f"out:={out}: holds something that is no dataset; name a new folder"
            raise InputError(said, "command line")

    def _check_earlier(self) -> None:
        """Hold the dataset that is there already to what is asked for now."""
        out, asked = self.wishes.out, self.request
        if not is_dataset(out):
            return
        try:
            card = self.before = read_card(out)
            stranger = self.attempts.stranger()
        except (BagError, OSError) as error:
            raise InputError(str(error)) from None
        if stranger is not None:
            said = f"is nothing that collect made (folders such as {bag_name(17)}); move it away"
            raise InputError(f"{stranger}: {said}")
        try:
            revisions = card.get("git_revisions", [])
            if not (isinstance(revisions, list) and all(type(one) is str for one in revisions)):
                raise TypeError("git_revisions is no list of texts")
            old, self.residuals = dict(card["arguments"]), dict(card["residuals"])
            own = {"launch": card["launch"], "success_only": card["success_only"]}
            own["licence"], wanted = card["licence"], int(card["wanted"])
            off_symmetry(self.residuals)  # it is shown again
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{out}: its card is none of collect's ({error})") from None
        now = {"launch": asked.launch, "success_only": asked.success_only}
        now["licence"] = asked.licence
        for name, is_, was in (
            *((name, value, own[name]) for name, value in now.items()),
            *((name, value, old.get(name)) for name, value in asked.arguments.items()),
        ):
            if is_ != was:
                self._refuse(name, was, is_)
        for name in old.keys() - asked.arguments.keys():
            self._refuse(name, old[name], None)
        if (model := model_of(self.roles.sim.parameters)) and model != card.get("model_sha256"):
            said = f"out:={out}: was begun with another model of {card.get('task')} than this one"
            raise InputError(f"{said}; name a new folder", "command line")
        if self.wishes.episodes < wanted:
            self._refuse("episodes", wanted, self.wishes.episodes)
        beside = symmetry_files(self.launch)
        for path, copy in beside.items():
            if (out / copy).is_file() and (out / copy).read_bytes() != Path(path).read_bytes():
                said = f"out:={out}: {path} is not what it was; name a new folder"
                raise InputError(said, "command line")
        if _body(out / LAUNCH) != to_yaml(self.launch, beside).partition("\n")[2]:
            said = f"{asked.launch} or a file that it includes is not what it was"
            raise InputError(f"out:={out}: {said}; name a new folder", "command line")

    def _refuse(self, name: str, was: Any, is_: Any) -> None:
        old, new = ("nothing" if v is None else f"{name}:={as_text(v)}" for v in (was, is_))
        said = f"out:={self.wishes.out}: was begun with {old}, not {new}; name a new folder"
        raise InputError(said, "command line")

    # At work.

    def _work(self, lock: int) -> None:
        attempts, wishes = self.attempts, self.wishes
        out = wishes.out
        shutil.rmtree(out / WORK, ignore_errors=True)
        (out / WORK).mkdir()
        attempts.open(lambda line: print(line, file=sys.stderr))
        made = {**versions(), "command": self.request.command}
        write_json(out / WORK / "versions.json", made)  # for what each bag says of its origin
        beside = symmetry_files(self.launch)
        for path, copy in beside.items():
            shutil.copyfile(path, out / copy)
        (out / LAUNCH).write_text(to_yaml(self.launch, beside), encoding="utf-8")
        self.there = len(attempts.chosen)
        self._write_card()
        with CollectProgress(wishes.episodes, self.there) as progress:
            had = f", {self.there} of them there already" if self.there else ""
            where = f"{self.request.launch} -> {out}"
            progress.say(f"{where}: {wishes.episodes} episodes{had}", "bold")
            if not attempts.whole:
                with Crew(out, wishes.workers, wishes.success_only, lock) as crew:
                    self._attempt(crew, progress)
        if not attempts.whole and not self.failures:
            n = f"{len(attempts.chosen)} of {wishes.episodes} episodes"
            self._fail(f"{n} after {wishes.attempts} attempts; attempts:=N allows more")

    def _attempt(self, crew: Crew, progress: CollectProgress) -> None:
        """Have attempts made until there are enough, or one goes wrong."""
        attempts = self.attempts
        while not attempts.whole:
            for worker in crew.idle:
                number = attempts.next(crew.running)
                if number is not None:
                    worker.give(number)
            if not crew.running:
                return
            for answer in crew.answers(0.5):
                told = {k: v for k, v in answer.told.items() if k in Attempt.__dataclass_fields__}
                if "error" in answer.told:
                    self._fail(f"attempt {answer.number}: {answer.told['error']}")
                    return
                attempts.add(Attempt(**told))
                counted = attempts.counted
                successes = sum(attempt.success for attempt in counted)
                progress.made(len(attempts.chosen), len(counted), successes)

    # After.

    def _write_card(self) -> dict[str, Any]:
        card = self._card()
        write_card(self.wishes.out, card)
        return card

    def _card(self) -> dict[str, Any]:
        sim, before = self.roles.sim, self.before
        return make_card(self.request, self.attempts, sim, before, self.residuals)

    def _grade(self) -> int:
        """Add to the card how far the world is from its symmetry; the exit code.

        Who cannot wait loses only that. A dataset that was whole before has it already.
        """
        print("grading the symmetry of what was simulated, for the card ...", file=sys.stderr)
        try:
            self.residuals = residuals_of(self.roles.sim.parameters)
            self._write_card()
        except KeyboardInterrupt:
            print("not graded; the same command again does it", file=sys.stderr)
            return 130
        except OSError as error:
            print(f"its card cannot be written: {error.strerror or error}", file=sys.stderr)
            return 1
        return 0

    def _finish(self, code: int) -> dict[str, Any]:
        """Leave a usable dataset: nothing half done in it, with its card and summary."""
        out, attempts = self.wishes.out, self.attempts
        if not self.failures:  # else its logs are what one looks into
            shutil.rmtree(out / WORK, ignore_errors=True)
        else:
            for bags in (out / WORK).glob("*/bags"):
                shutil.rmtree(bags, ignore_errors=True)
        wall_s = time.monotonic() - self.begin
        try:
            attempts.trim()
            attempts.write()
            card = self._write_card()
            summary = self._summary(card, wall_s, code)
            write_json(out / "summary.json", summary)
        except OSError as error:  # a full disk
            what = f"its card cannot be written: {error.strerror or error}"
            print(what, file=sys.stderr)
            summary = self._summary(self._card(), wall_s, code)
        return summary

    def _summary(self, card: dict[str, Any], wall_s: float, code: int) -> dict[str, Any]:
        new = card["episodes"] - self.there
        made = card["attempts"]
        return {
            "task": card["task"],
            "episodes": card["episodes"],
            "wanted": card["wanted"],
            "complete": card["complete"],
            "attempts": made["made"],
            "successes": made["successes"],
            "success_rate": made["success_rate"],
            "wilson_95": made["wilson_95"],
            "seconds": card["sizes"]["seconds"],
            "bytes": card["sizes"]["bytes"],
            "collected_now": new,
            "episodes_per_min": round(60 * new / wall_s, 2) if new else None,
            "workers": self.wishes.workers,
            "wall_s": round(wall_s, 3),
            "failures": self.failures,
            "exit_code": code or (0 if card["complete"] and not self.failures else 1),
            "dataset": str(self.wishes.out),
        }


def _is_resolved(path: Path) -> bool:
    """Whether a file is a launch file that a collect wrote, or began to write, or is not there."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(len(RESOLVED))
    return begin in (b"", RESOLVED.encode())


def _body(path: Path) -> str:
    """A resolved launch file without its first line, which names where it came from."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").partition("\n")[2]
    except OSError:
        return ""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Every signal that means "end" is a KeyboardInterrupt."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterruptible() -> Iterator[None]:
    """No signal that means "end" does so now."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
