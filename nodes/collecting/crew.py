"""`Crew`: worker processes that make attempts beside each other, begun again if they die."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..supervision.child import LEASH, THREADS, in_words
from .worker import WORK

WORKER = f"{__name__.rpartition('.')[0]}.worker"
"""The module that is one worker."""
MOST_DEATHS = 3
"""An attempt that has ended its worker so often is not made again."""


@dataclass(frozen=True)
class Answer:
    """What became of an attempt."""

    number: int
    """Which."""
    told: dict[str, Any]
    """As `Attempter.make` gives it, with `cpu_s` and `memory_mib`; or only `error`."""


class _Worker:
    """One process, at work on one attempt or idle."""

    def __init__(self, name: str, dataset: Path, success_only: bool, lock: int) -> None:
        self.name = name
        self.attempt: int | None = None
        self.log = dataset / WORK / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        words = [sys.executable, "-P", "-m", WORKER, str(dataset), name, str(success_only).lower()]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*leash, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**dict.fromkeys(THREADS, "1"), **os.environ},
                process_group=0,  # a terminal's Ctrl-C is for who looks after them
                pass_fds=[lock],  # held until the last of them is gone
            )
        self._heard = b""

    def give(self, attempt: int) -> None:
        """Tell it to make an attempt."""
        self.attempt = attempt
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{attempt}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:  # it has died; its end is read where its answers are
            pass

    def read(self) -> dict[str, Any] | None:
        """Its answer; None while it is not whole.

        Raises:
            EOFError: It has ended.
        """
        assert self.process.stdout is not None
        more = os.read(self.process.stdout.fileno(), 65536)
        if not more:
            raise EOFError
        self._heard += more
        if not self._heard.endswith(b"\n"):
            return None
        heard, self._heard = self._heard, b""
        return json.loads(heard)

    def last_line(self) -> str:
        """The last thing that its log says."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def kill(self) -> None:
        """End it at once: what it was at work on is begun again elsewhere, or never."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # a number that was never read
                    pass


class Crew:
    """Workers of one dataset. Leaving the context kills them, and clears where they worked.

    Args:
        dataset: Its folder, with the resolved launch file in it.
        workers: How many.
        success_only: Whether bags of failures are thrown away.
        lock: An open file that they keep open for as long as they live.
    """

    def __init__(self, dataset: Path, workers: int, success_only: bool, lock: int) -> None:
        self.dataset, self.success_only, self.lock = Path(dataset), success_only, lock
        self._deaths: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self.names = [f"worker_{k}" for k in range(workers)]

    def __enter__(self) -> Self:
        """Start them all."""
        shutil.rmtree(self.dataset / WORK / "worker_0", ignore_errors=True)
        for name in self.names:
            self._start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them all."""
        for worker in self._workers:
            worker.kill()
        self._selector.close()

    def _start(self, name: str) -> None:
        worker = _Worker(name, self.dataset, self.success_only, self.lock)
        self._workers.append(worker)
        assert worker.process.stdout is not None
        self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    @property
    def idle(self) -> list[_Worker]:
        """Those with nothing to do."""
        return [worker for worker in self._workers if worker.attempt is None]

    @property
    def running(self) -> set[int]:
        """The attempts that are being made."""
        return {worker.attempt for worker in self._workers if worker.attempt is not None}

    def answers(self, timeout_s: float) -> Iterator[Answer]:
        """What has become of attempts, after at most this long (s)."""
        for key, _ in self._selector.select(timeout_s):
            worker: _Worker = key.data
            try:
                told = worker.read()
            except EOFError:
                yield from self._bury(worker)
                continue
            if told is not None and worker.attempt is not None:
                number, worker.attempt = worker.attempt, None
                yield Answer(number, told)

    def _bury(self, worker: _Worker) -> Iterator[Answer]:
        """Put a new worker in a dead one's place; its attempt goes to whoever is next."""
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        self._workers.remove(worker)
        worker.kill()
        number = -1 if worker.attempt is None else worker.attempt
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if self._deaths[number] == MOST_DEATHS:
            how = in_words(worker.process.returncode)
            said = worker.last_line()
            why = f"its worker ended {MOST_DEATHS} times ({how})" + (f": {said}" if said else "")
            yield Answer(number, {"error": why})
            return
        self._start(worker.name)
