"""Runs jobs, such as the episodes of an evaluation, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, Protocol

from ...nodes.supervision.child import THREADS
from .episodes import EpisodeError, Episodes, Job, Result

_AHEAD = 3
"""Jobs that wait for each worker, so that none is idle."""


class Runner(Protocol):
    """Runs jobs; a worker builds its own from the `setting`, which can be pickled."""

    @property
    def setting(self) -> Any:
        """What its class takes."""
        ...

    def run(self, job: Any) -> Any:
        """One job's result."""
        ...


def results(episodes: Episodes, jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Each job's result, in no certain order; leaving it ends the workers.

    Args:
        episodes: Of this process, which runs them itself where there is one worker.
        jobs: What to run.
        workers: Processes.

    Raises:
        EpisodeError: An episode could not be brought to its end, or its worker has died.
    """
    with crew(episodes, min(workers, len(jobs))) as run:
        yield from run(jobs)


@contextmanager
def crew(runner: Runner, workers: int) -> Iterator[Callable[[Sequence[Any]], Iterator[Any]]]:
    """Workers that stay, for one list of jobs after the other; leaving it ends them.

    Args:
        runner: Of this process, which runs the jobs itself where there is one worker.
        workers: Processes.

    Yields:
        What gives each job's result, in no certain order; it raises EpisodeError where a worker
        has died.
    """
    if workers <= 1:
        yield lambda jobs: map(runner.run, jobs)
        return
    for name in THREADS:  # spawned processes read them before anything is imported
        os.environ.setdefault(name, "1")
    resource_tracker.ensure_running()  # started with the first worker it would undo `_unheard`
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        _begin,
        (type(runner), runner.setting),
    )
    try:
        yield lambda jobs: _spread(pool, jobs, _AHEAD * workers)
    except BrokenProcessPool:
        raise EpisodeError("a worker has died; workers:=1 shows what it says") from None
    finally:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _spread(pool: ProcessPoolExecutor, jobs: Sequence[Any], ahead: int) -> Iterator[Any]:
    waiting: set[Future[Any]] = set()
    left = iter(jobs)
    while True:
        for job in left:
            with _unheard():  # it may start a worker
                waiting.add(pool.submit(_run, job))
            if len(waiting) >= ahead:
                break
        if not waiting:
            return
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@contextmanager
def _unheard() -> Iterator[None]:
    """A Ctrl-C waits, here until the end of it, and for ever in processes that are started in it.

    Otherwise a terminal's would end theirs with a page of what they were importing.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_RUNNER: list[Runner] = []  # of this worker


def _begin(kind: Any, setting: Any) -> None:
    """What a worker does first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _RUNNER[:] = [kind(setting)]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Any) -> Any:
    return _RUNNER[0].run(job)
