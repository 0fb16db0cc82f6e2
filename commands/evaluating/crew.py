"""Runs the episodes of an evaluation, in this process or beside each other in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ...nodes.supervision.child import THREADS
from .episodes import EpisodeError, Episodes, Job, Result, Setting

_AHEAD = 3
"""Jobs that wait for each worker, so that none is idle."""


def results(episodes: Episodes, jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Each job's result, in no certain order; leaving it ends the workers.

    Args:
        episodes: Of this process, which runs them itself where there is one worker.
        jobs: What to run.
        workers: Processes.

    Raises:
        EpisodeError: An episode could not be brought to its end, or its worker has died.
    """
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            yield episodes.run(job)
        return
    for name in THREADS:  # spawned processes read them before anything is imported
        os.environ.setdefault(name, "1")
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        multiprocessing.get_context("spawn"),
        _begin,
        (episodes.setting,),
    )
    waiting: set[Future[Result]] = set()
    left = iter(jobs)
    try:
        while True:
            for job in left:
                waiting.add(pool.submit(_run, job))
                if len(waiting) >= _AHEAD * workers:
                    break
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise EpisodeError("a worker has died; workers:=1 shows what it says") from None
    finally:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


_EPISODES: list[Episodes] = []  # of this worker


def _begin(setting: Setting) -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for who looks after it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _EPISODES[:] = [Episodes(setting)]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Job) -> Result:
    return _EPISODES[0].run(job)
