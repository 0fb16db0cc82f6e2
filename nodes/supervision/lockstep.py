"""Runs a launch in this one process on simulated time: same nodes, same messages, one order.

Messages are delivered first in, first out, so two runs with one seed are equal bit for bit.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import messages
from ..bus.local_bus import LocalBus, LocalGraph
from ..launching.description import LaunchDescription, NodeDescription
from ..launching.yaml_loader import InputError, in_a_line
from ..node import Node
from ..parameters import ParameterError
from ..plugin import PluginError
from ..repeats import Repeats
from ..run import build
from .episodes import Episodes
from .progress import RunProgress
from .run_folder import LOG, Outcome, episode_topics, node_folder, on_request

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Lockstep:
    """Runs one launch in this process.

    Args:
        launch: What to run; ``realtime`` counts as false.
        folder: Its run folder.
        progress: Who tells the person.
    """

    def __init__(self, launch: LaunchDescription, folder: Path, progress: RunProgress) -> None:
        self.launch = launch
        self.folder = folder
        self.progress = progress
        self.outcome = Outcome()
        self.episodes = Episodes(self.outcome, progress, on_request(launch))
        self.graph = LocalGraph()
        self.nodes: list[tuple[NodeDescription, Node]] = []
        self._errors = _LastErrors(logging.ERROR)
        self._signals: list[int] = []
        self._closed: set[int] = set()

    def run(self) -> Outcome:
        """Runs the launch to its end.

        Raises:
            InputError: A node or one of its parameters does not exist.
        """
        begin = time.monotonic()
        with self._signals_noted(), self._logs():
            try:
                self._bring_up()
                self._work()
            except InputError:
                raise
            except (Exception, SystemExit) as error:
                self._fail(self._blame(error))
            finally:
                self._take_down()
        if self._signals:
            self.outcome.exit_code = 128 + self._signals[0]
        elif self.outcome.failures:
            self.outcome.exit_code = 1
        self.outcome.wall_s = time.monotonic() - begin
        return self.outcome

    def _fail(self, what: str) -> None:
        self.outcome.failures.append(what)
        self.progress.say(what, "red")

    def _bring_up(self) -> None:
        self._watch_episodes()
        for description in self.launch.nodes:
            if self._signals:
                return
            if description.command:
                skipped = f"{description.name}: an executable, not started in lockstep"
                self.progress.log("warning", skipped)
                continue
            begin = time.monotonic()
            try:
                node = self._built(description)
                self.nodes.append((description, node))
                node.configure()
            except (PluginError, ParameterError) as error:
                raise description.error(f"{description.full_name}: {error}") from None
            taken = time.monotonic() - begin
            self.progress.say(f"  {node.name:<12} configured in {taken:.1f} s", "dim")
        for _, node in self.nodes:
            node.start()
        self.progress.running()

    def _built(self, description: NodeDescription) -> Node:
        folder = node_folder(self.folder, description)
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "exec": description.executable,
            "name": description.name,
            "namespace": description.namespace,
            "remaps": description.remaps,
            "params": description.parameters,
            "run_folder": str(folder),
            "realtime": False,
        }
        return build(spec, LocalBus(self.graph, description.full_name))

    def _work(self) -> None:
        """Delivers one message after the other until a node ends the launch, or all is still."""
        while not self._signals and not self._over():
            if not self.graph.step():
                names = ", ".join(d.name for d, node in self.nodes if not node.finished)
                if names:
                    why = f"every node waits for another ({names}); nothing is left to deliver"
                    said = [f"; {who} said: {what}" for who, what in self._errors.said.items()]
                    self._fail(why + "".join(said))
                return

    def _over(self) -> bool:
        for description, node in self.nodes:
            if node.failed:
                why = f"{description.full_name}: {node.finished or 'failed'}"
                if description.required and why not in self.outcome.failures:
                    self._fail(why)
                    return True
            if node.finished and description.shutdown_on_exit:
                return True
            if node.finished:
                self._close(description, node)
        return all(node.finished for _, node in self.nodes)

    def _take_down(self) -> None:
        """Ends those who publish, delivers what they said last, then ends those who only listen."""
        speakers = [(d, node) for d, node in self.nodes if node.publishes]
        for description, node in speakers:
            self._close(description, node)
        try:
            while self.graph.step():  # ends, since nobody who could answer is left
                pass
        except Exception as error:
            self._fail(f"{self._blame(error)} at the end")
        for description, node in self.nodes:
            self._close(description, node)
        self.episodes.close(bool(self._signals))

    def _close(self, description: NodeDescription, node: Node) -> None:
        """Ends one node, once."""
        if id(node) in self._closed:
            return
        self._closed.add(id(node))
        try:
            node.shutdown()
            node.write_stats()
            if node.unwritten:
                self._fail(f"{description.full_name}: no statistics: {node.unwritten}")
        except Exception as error:
            logging.getLogger(f"covary.{node.name}").exception("failed at its end")
            self._fail(f"{description.full_name}: {_in_a_line(error)} at its end")
        finally:
            node.active = False
            node.bus.close()

    def _blame(self, error: BaseException) -> str:
        """The error in a line, with the node in whose callback it happened."""
        trace = error.__traceback__
        while trace is not None:
            holder = trace.tb_frame.f_locals.get("self")
            for description, node in self.nodes:
                if node is holder:
                    logging.getLogger(f"covary.{node.name}").error("failed", exc_info=error)
                    return f"{description.full_name}: {_in_a_line(error)}"
            trace = trace.tb_next
        logging.getLogger("covary").error("failed", exc_info=error)
        return _in_a_line(error)

    def _watch_episodes(self) -> None:
        """Listens to the episodes from outside the nodes."""
        type_name = messages.TYPES["Episode"]
        bus = LocalBus(self.graph, "launcher")
        for name in episode_topics(self.launch):
            subscription = bus.subscribe(type_name, name, 0)

            def deliver(subscription=subscription) -> None:
                item = subscription.take()
                if item is not None:
                    message = messages.deserialize(item[0], type_name)
                    self.episodes.note(subscription.topic, message, bool(self._signals))

            subscription.deliver = deliver

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """The first Ctrl-C ends the run in order; the second one raises wherever it is."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _: Any) -> None:
            self._signals.append(number)
            if len(self._signals) == 1:
                self.progress.say("stopping (Ctrl-C again to hurry)", "yellow")
            if len(self._signals) > 1:
                raise KeyboardInterrupt

        before = {number: signal.signal(number, note) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _logs(self) -> Iterator[None]:
        """Each node's log into a file of its own, as when each is a process."""
        root = logging.getLogger("covary")
        level, propagate = root.level, root.propagate
        root.setLevel(logging.INFO)
        root.propagate = False
        form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        opened: list[tuple[logging.Logger, logging.Handler]] = []
        places = {"covary": self.folder / LOG}
        for node in self.launch.nodes:
            folder = node_folder(self.folder, node)
            places[f"covary.{node.name}"] = folder / f"{node.name}.log"
        for name, path in places.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(path, delay=name == "covary")
            handler.setFormatter(form)
            handler.addFilter(Repeats())
            logging.getLogger(name).addHandler(handler)
            opened.append((logging.getLogger(name), handler))
        root.addHandler(self._errors)
        opened.append((root, self._errors))
        try:
            yield
        finally:
            for logger, handler in opened:
                logger.removeHandler(handler)
                handler.close()
            root.setLevel(level)
            root.propagate = propagate


class _LastErrors(logging.Handler):
    """Keeps the last error that each node has said, by the node's name."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one more."""
        self.said[record.name.rpartition(".")[2]] = in_a_line(record.getMessage())


def _in_a_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
