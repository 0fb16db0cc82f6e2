"""One supervised process: its own process group, its log file, its respawns and its way down."""

import os
import re
import signal
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path

from ..launching.description import NodeDescription
from .run_folder import node_folder

_ERROR = re.compile(r"[-\d]+ [:,\d]+ ERROR covary[^ :]*: (?!caused by:)(.*)")
LEASH = Path(__file__).with_name("leash.py")
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
)
"""Set to 1 in every process unless the launch file sets them: threads are a parameter here."""
STACKS_S = 0.4
"""Time at most for a stuck node to begin to write where it stands, before it is killed, s."""
LONGEST_BACK_OFF = 30.0
"""Wait before a respawn at most, s."""


LONGEST_WAIT_UNBORN = 1.0
"""Wait for SIGTERM, and for SIGKILL, at most when a node is still configuring, s."""


class Phase(Enum):
    """Where a process stands."""

    WAITING = "waiting"
    """Not running; to be started at `Child.due`."""
    STARTING = "starting"
    """Running, not configured yet."""
    CONFIGURED = "configured"
    """Configured, waiting for the others."""
    ACTIVE = "active"
    """At work."""
    ENDED = "ended"
    """Over, and not to be started again."""


class Child:
    """One process of a launch.

    Args:
        node: What it is.
        folder: The run folder.
        command: Words to run.

    Attributes:
        phase: Where it stands.
        due: `time.monotonic` at which it is to be started.
        started: When it was started.
        heard: When its last heartbeat came (or when it was activated).
        respawns: How often it has been started again.
        exit_code: Of its last end; negative for a signal.
        stuck: Whether it was killed because it no longer answered.
        was_active: Whether its last life came to work.
    """

    def __init__(self, node: NodeDescription, folder: Path, command: list[str]) -> None:
        self.node = node
        self.command = command
        self.phase = Phase.WAITING
        self.due = time.monotonic() + node.delay
        self.started = 0.0
        self.heard = 0.0
        self.respawns = 0
        self.exit_code: int | None = None
        self.stuck = False
        self.was_active = False
        self.log = node_folder(folder, node) / f"{node.name}.log"
        self.run_folder = folder
        self._process: subprocess.Popen | None = None
        self._signalled: tuple[signal.Signals, float] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process, in a group of its own so that a terminal's Ctrl-C passes it by."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONUNBUFFERED": "1"}
        environment["COVARY_RUN"] = str(self.run_folder.resolve())
        environment |= self.node.environment
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*leash, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        self.phase = Phase.STARTING
        self.started = time.monotonic()
        self.stuck = False
        self._signalled = None

    def poll(self) -> int | None:
        """Its exit code when it has just ended, None while it runs (or was seen ended before)."""
        if self._process is None or self.phase in (Phase.WAITING, Phase.ENDED):
            return None
        code = self._process.poll()
        if code is not None:
            self.exit_code = code
            self.was_active = self.phase is Phase.ACTIVE
            self._kill_group(signal.SIGKILL)  # what it may have left behind
            self.phase = Phase.ENDED
        return code

    def respawn_later(self) -> float:
        """Plans another start; every wait is twice the one before.

        Returns:
            The wait, s.
        """
        wait = min(self.node.respawn_delay * 2**self.respawns, LONGEST_BACK_OFF)
        self.respawns += 1
        self.due = time.monotonic() + wait
        self.phase = Phase.WAITING
        return wait

    @property
    def may_respawn(self) -> bool:
        """Whether its launch entry allows one more start."""
        most = self.node.respawn_max_retries
        return self.node.respawn and (most < 0 or self.respawns < most)

    def descend(self, hurry: bool = False) -> None:
        """Takes the next due step of SIGINT, SIGTERM, SIGKILL; call it again until it has ended.

        Args:
            hurry: Go one step further at once.
        """
        if not self.running:
            return
        now = time.monotonic()
        if self._signalled is None:
            self._signal(signal.SIGINT, now)
            return
        last, since = self._signalled
        # Who has not begun to work has nothing to put in order.
        most = LONGEST_WAIT_UNBORN if self.phase is Phase.STARTING else float("inf")
        if last == signal.SIGINT and (hurry or now - since >= min(self.node.sigterm_timeout, most)):
            self._signal(signal.SIGTERM, now)
        elif last == signal.SIGTERM and (
            hurry or now - since >= min(self.node.sigkill_timeout, most)
        ):
            self._signal(signal.SIGKILL, now)

    def kill(self) -> None:
        """Ends it at once (a stuck process hears nothing else)."""
        self._kill_group(signal.SIGKILL)

    def tell_stacks(self) -> None:
        """Has a node write into its log where it stands; one that is stopped cannot."""
        if not self.node.executable or self._process is None or not self.running:
            return
        before, until = self._size_of_log(), time.monotonic() + STACKS_S
        os.kill(self._process.pid, signal.SIGUSR2)
        while self._size_of_log() == before and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)  # for the lines after the first

    def _signal(self, number: signal.Signals, now: float) -> None:
        self._signalled = (number, now)
        # SIGCONT first: a stopped process would keep the signal waiting.
        self._kill_group(signal.SIGCONT)
        self._kill_group(number)

    def _kill_group(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def last_lines(self, count: int = 6) -> list[str]:
        """The end of its log."""
        return [line for line in self._end_of_log(4096) if line.strip()][-count:]

    def last_error(self) -> str:
        """The last error that its log tells, without time and logger; empty if there is none."""
        said = [match for line in self._end_of_log(65536) if (match := _ERROR.match(line))]
        return said[-1][1] if said else ""

    def _end_of_log(self, size: int) -> list[str]:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self._size_of_log() - size))
                return file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    def _size_of_log(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0


def in_words(code: int) -> str:
    """An exit code for people: ``exit code 1``, ``killed by SIGSEGV``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
