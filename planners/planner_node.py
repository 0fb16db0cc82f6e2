"""The planner node: answers states with plans, within a budget, and says what it does when late."""

from __future__ import annotations

import time as wall
from collections import deque
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..nodes import messages, plugin
from ..nodes.bus.local_bus import LocalBus
from ..nodes.node import Node, NoParameters
from ..nodes.parameter_services import ParameterServices
from ..nodes.parameters import ParameterError, explained
from ..sim.load_task import load_task
from ..sim.planner_plugin import ModelSpread, in_a_line, planner_of, rebuilt
from ..sim.symmetry_claim import claimed, said_of
from ..sim.task_messages import plan_message
from .diagnostics import Diagnostics
from .loop.figures import Figures
from .loop.memory_file import MemoryFileError, Moment, restored, save_memory
from .loop.proposal import Proposer, build_proposer
from .plan import Planner, check_states, late_actions
from .symmetric.plan_memory import Recalling
from .symmetric.symmetry_mode import Mode, in_mode, is_framed, word_inside

NEWEST = 20_000
"""Planning times that the percentiles are taken over; a run of days keeps no more."""


class PlannerNode(Node):
    """Listens to /state (or /ground_truth), publishes /plan.

    Only the newest state is planned from. Behind the tick barrier every state is answered (one that
    is sent again with the plan made before) and the budget is ignored. In real time a plan that
    took longer than the budget counts as an overrun and is published as the late policy says;
    meanwhile control goes on along the plan before.

    The algorithm's own parameters can be set while it runs, by ROS 2's parameter services.
    """

    publishes: ClassVar[dict[str, str]] = {
        "/plan": "trajectory_msgs/msg/JointTrajectory",
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    }
    plugins: ClassVar[dict[str, str]] = {
        "task": "sim.tasks",
        "planner": "planners",
        "proposal": "control",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the planner node."""

        task: str
        """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
        planner: dict[str, Any]
        """The algorithm's parameters, and `plugin`: a file of planners/, or my_file:MyClass."""
        planner_options: dict[str, Any] = field(default_factory=dict)
        """More of the algorithm's parameters; they stand above `planner` and `tuned`."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside, such as robot; an empty text is not given."""
        ground_truth: bool = False
        """Plan from /ground_truth, where the poses of all objects stand, instead of /state."""
        estimated: bool = False
        """Plan from /estimate, what a perception node tells of the state, instead of /state."""
        tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
        """Parameters of some algorithms only, by plugin name; a subclass takes its parent's."""
        proposal: dict[str, Any] | None = None
        """Who proposes one of a sampling planner's samples: `plugin`, a file of control/ or
        my_file:MyClass, with its own parameters; null: nobody."""
        symmetry: str = "full"
        """Which of the task's symmetry to use: full, none, or a subgroup such as C4; in canonical
        frames also a continuous one, SO2, O2, SE2, E2, SO3, O3, SE3 or E3; or a symmetry.yaml."""
        symmetry_mode: Mode = "orbit"
        """How to use it: off (not), orbit (noise and its images), canonical (plan in a canonical
        frame) or memory (that, and finished plans are tried where a state is like theirs)."""
        memory_file: str = ""
        """What the planner remembers is read from there, if it is there, and written there at the
        end of each episode and of the run; an .npz file."""
        memory_size: int = 20_000
        """symmetry_mode memory: finished plans that are kept at most, the newest."""
        memory_nearest: int = 1
        """symmetry_mode memory: how many of them are tried in each plan."""
        memory_distance: float = 3.0
        """symmetry_mode memory: from how far, in units of the spread of the task's starts."""
        model: str = "numba"
        """What to plan with: numba (the analytic model), mujoco (rollouts in MuJoCo), torch (the
        analytic model on tensors), a trained model's folder, or a user's own: my_file:my_model, a
        function next_state(x, u) or a class."""
        friction_scale: float = 0.8
        """Contact friction of the mujoco model over the plant's: a model is never the plant."""
        models: int = 1
        """Models to roll out in: the task's, and others whose physical parameters (numba), or
        contact friction and masses (mujoco), lie about its own; what counts of their costs is the
        planner's `risk`."""
        model_spread: float = 0.2
        """How far about: standard deviation of the parameters' logarithms."""
        threads: int = 1
        """Threads that share the rollouts of the mujoco model."""
        seed: int = 0
        """Key of all draws."""
        budget_ms: float = 100.0
        """Real time only: a plan makes no further iteration, and fewer samples, where more would
        take longer; one that took longer is late."""
        error_every: int = 0
        """Every so many plans the equivariance error is measured, by two more plans; 0: never."""
        late_policy: Literal["replay", "hold", "brake"] = "replay"
        """Late plans: replay (publish it; control takes up where it should be by now), hold (its
        action for now, held), or brake (the task's safe action, held)."""

        def __post_init__(self) -> None:
            if not 0 <= self.seed < 2**64:
                raise ValueError(f"seed: {self.seed} must be at least 0 and below 2**64")
            if self.estimated and self.ground_truth:
                raise ValueError("estimated: a plan is made from /estimate or /ground_truth")
            if not 1 <= self.models <= 1000:
                raise ValueError(f"models: {self.models} must be from 1 to 1000")
            if not 1 <= self.threads <= 256:
                raise ValueError(f"threads: {self.threads} must be from 1 to 256")
            if not 0 <= self.model_spread <= 2:
                raise ValueError(f"model_spread: {self.model_spread} must be from 0 to 2")
            if self.error_every < 0:
                raise ValueError(f"error_every: {self.error_every} must not be negative")
            for name in ("memory_size", "memory_nearest"):
                if not 1 <= getattr(self, name) <= 10_000_000:
                    raise ValueError(f"{name}: {getattr(self, name)} must be from 1 to 10000000")
            if self.memory_file and not self.memory_file.endswith(".npz"):
                raise ValueError(f"memory_file: {self.memory_file} does not end in .npz")
            for name in ("budget_ms", "friction_scale", "memory_distance"):
                if not getattr(self, name) > 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must be positive")

    @staticmethod
    def also_subscribes(parameters: Parameters) -> dict[str, str]:
        """The topic that is planned from."""
        topic = "/ground_truth" if parameters.ground_truth else "/state"
        topic = "/estimate" if parameters.estimated else topic
        return {topic: "covary_msgs/msg/State"}

    @staticmethod
    def check(parameters: Parameters) -> Planner:
        """The planner that the parameters ask for, nothing compiled or run.

        Raises:
            ParameterError: Parameters that do not fit each other or the task.
        """
        p = parameters
        task = load_task(p.task, p.task_options)
        task, word = claimed(task, p.symmetry, is_framed(p.symmetry_mode))
        if task.sensed and not (p.ground_truth or p.estimated):
            raise ParameterError(
                f"ground_truth: a plan for {p.task} needs the poses of its things, which no sensor "
                "tells: say ground_truth: true",
                "ground_truth",
            )
        if "plugin" in p.planner_options:
            text = "planner_options: which planner it is says planner, not plugin"
            raise ParameterError(text, "planner_options.plugin")
        block = {**p.planner, **p.planner_options}
        spread = ModelSpread(p.models, p.model_spread, p.seed) if p.models > 1 else None
        try:
            about = (p.model, p.friction_scale, spread, p.threads, p.estimated)
            planner = in_mode(
                lambda inside: planner_of(task, block, p.tuned, inside, *about),
                *(task, p.symmetry_mode, word),
                *(p.memory_size, p.memory_nearest, p.memory_distance),
            )
        except ParameterError as error:
            head, _, name = error.key.partition(".")
            if head == "planner" and name in p.planner_options:
                error.key = f"planner_options.{name}"
            raise
        remembers = isinstance(planner, Recalling)
        check_states(planner, task, proposal=p.proposal is not None, symmetry_mode=remembers)
        if p.proposal is not None:
            take_proposals(planner, build_proposer(p.proposal, task))
        try:
            memory, _ = restored(p.memory_file, planner)
            if isinstance(planner, Recalling):
                planner.first = memory
        except MemoryFileError as error:
            raise ParameterError(f"memory_file: {error}", "memory_file") from error
        return planner

    def configure(self) -> None:
        """Build model and planner, and plan once so that everything is compiled."""
        p = self.parameters
        self.planner = self.check(p)
        self.task = self.planner.task
        self.word, said = said_of(self.task, p.symmetry, is_framed(p.symmetry_mode))
        start = self.task.initial_state(np.random.default_rng(0))
        try:
            warm = self.planner.initial_memory(0)
            first, _ = self.planner.plan(start, 0.0, warm)
            plan_message(self.task, first.time, first.dt, first.actions)
            # Where somebody waits for its plans, nothing may be left to compile.
            if not isinstance(self.bus, LocalBus) and hasattr(self.planner, "warm_up"):
                self.planner.warm_up(start)
        except (Exception, SystemExit) as error:  # an outsider's may fail in any way
            raise plugin.PluginError(
                f"planner {p.planner['plugin']}: its first plan failed ({in_a_line(error)})"
            ) from error
        self._count_rollouts()
        self._bound()
        self.memory: Any
        self.memory, (self.episode, self.state_time) = restored(p.memory_file, self.planner)
        self.planned = False  # from the newest state
        self.unsaved = False  # the memory since the last episode's end
        self.plan_ms: deque[float] = deque(maxlen=NEWEST)
        self.iterations: deque[int] = deque(maxlen=NEWEST)
        self.most = 0  # of them, since somebody set something
        self.stats.update(plans=0, overruns=0, samples=0, horizon=0, iterations=0, symmetry=said)
        self.stats["symmetry_mode"] = p.symmetry_mode
        self.stats.update(planner=p.planner["plugin"], plan_ms=None, failed_plans=0)
        # A script looks at no model, whatever the launch says.
        self.stats["model"] = p.model if hasattr(self.planner, "dynamics") else None
        self.reason = ""  # why there was no plan last; empty if there was one
        ParameterServices(self, self.tunable, self.retune, explained(self.planner.Parameters))
        self.plans = self.create_publisher(messages.JointTrajectory, "/plan")
        self.diagnostics = Diagnostics(self, p.budget_ms, p.error_every)
        for topic in self.also_subscribes(p):
            self.create_subscription(messages.State, topic, self.on_state)

    def on_state(self, message: messages.State) -> None:
        """Plan from the state and publish."""
        time = messages.seconds(message.header.stamp)
        if message.episode != self.episode or time < self.state_time:
            # Time that goes back is another life of the plant, whatever its number.
            self.episode = message.episode
            self.memory = self.next_memory()
            self.unsaved = bool(self.parameters.memory_file)
            self.write_stats()
        elif time == self.state_time and not self.realtime:
            # Somebody has not heard one of us. To plan again would move the memory on.
            if self.planned:
                self.plans.repeat()
            return
        self.state_time, self.planned = time, False
        if self.parameters.estimated and not len(message.value):
            self.miss(time, "there is no estimate of the state")
            if not self.realtime:  # time waits for an answer: that nothing is to move
                safe = self.task.safe_action()[None]
                self.plans.publish(plan_message(self.task, time, self.task.dt, safe))
                self.planned = True
            return
        before, memory = wall.perf_counter(), self.memory
        self._evaluated.clear()
        try:
            plan, self.memory = self.planner.plan(message.value, time, self.memory)
        except ValueError as error:
            self.miss(time, str(error), error)
            return
        taken_ms = (wall.perf_counter() - before) * 1e3
        figures = self.planner.figures() if hasattr(self.planner, "figures") else None
        self._account(taken_ms, figures)
        if not np.isfinite(plan.actions).all():
            self.miss(time, "the planner's is not finite")
            return
        if self.reason:
            self.log.info("t=%.3f s: plans again", time)
            self.reason = ""
        actions = plan.actions
        if self.realtime and taken_ms > self.parameters.budget_ms:
            self.stats["overruns"] += 1
            actions = late_actions(self.task, plan, taken_ms * 1e-3, self.parameters.late_policy)
        self.plans.publish(plan_message(self.task, time, plan.dt, actions))
        self.planned = True
        self._bound(np.inf)  # what follows is no plan for anybody
        error = self.diagnostics.error(self.planner, message.value, time, memory)
        self._bound()
        self.diagnostics.tell(plan, figures, taken_ms, error)
        if self.unsaved:  # not before the plan, which somebody waits for
            self.save_memory()
            self.unsaved = False

    def next_memory(self) -> Any:
        """The memory that an episode begins with."""
        if hasattr(self.planner, "next_memory"):
            return self.planner.next_memory(self.memory, self.memory_seed())
        return self.planner.initial_memory(self.memory_seed())

    def save_memory(self) -> None:
        """Write what is remembered to `memory_file`, if there is one."""
        if not self.parameters.memory_file:
            return
        try:
            moment = Moment(self.episode, self.state_time)
            save_memory(Path(self.parameters.memory_file), self.memory, self.task, moment)
        except MemoryFileError as error:
            self.log.error("memory_file: %s", error)

    def shutdown(self) -> None:
        """Keep what is remembered."""
        if hasattr(self, "memory"):
            if hasattr(self.memory, "finished"):
                self.memory = self.memory.finished(self.parameters.memory_size)
            self.save_memory()

    def memory_seed(self) -> int:
        """Key of this episode's draws."""
        seeds = np.random.SeedSequence([self.parameters.seed, max(self.episode, 0)])
        return int(seeds.generate_state(1)[0])

    # What can be set while it runs.

    def tunable(self) -> dict[str, Any]:
        """The algorithm's parameters as they are now."""
        return vars(getattr(self.planner, "parameters", None) or NoParameters())

    def retune(self, changes: dict[str, Any]) -> None:
        """Plan with other parameters from the next state on, and remember what still fits.

        Raises:
            ParameterError: The planner cannot be built with them, or does not plan.
        """
        p = self.parameters
        inside = getattr(self.planner, "planner", self.planner)  # what a symmetry mode is around
        word = word_inside(p.symmetry_mode, self.word)
        planner = rebuilt(inside, changes, p.planner["plugin"], word)
        if inside is not self.planner:
            planner = self.planner.around(planner)
        if self.parameters.proposal is not None:
            take_proposals(planner, self.planner.proposer)
        fresh = planner.initial_memory(self.memory_seed())
        try:
            planner.plan(self.task.initial_state(np.random.default_rng(0)), 0.0, fresh)
        except (Exception, SystemExit) as error:  # an outsider's may fail in any way
            raise ParameterError(f"it would not plan: {in_a_line(error)}") from error
        self.planner, self.most = planner, 0
        self._bound()
        self.memory = remembered(self.memory, fresh)
        said = ", ".join(f"{name}: {value}" for name, value in changes.items())
        self.log.info("t=%.3f s: set to %s", self.state_time, said)
        self.stats["retuned"] = self.stats.get("retuned", 0) + 1

    def miss(self, time: float, reason: str, error: Exception | None = None) -> None:
        """Count a state without a plan, and log why: once for as long as the reason is the same."""
        self.stats["failed_plans"] += 1
        if reason != self.reason:
            self.log.error("no plan for t=%.3f s: %s", time, reason, exc_info=error)
        self.reason = reason

    def write_stats(self) -> None:
        """Write the statistics so far, with the percentiles of the planning time."""
        if getattr(self, "plan_ms", None):
            p50, p99 = np.percentile(self.plan_ms, [50, 99])
            self.stats["plan_ms"] = {"p50": float(p50), "p99": float(p99)}
        if getattr(self, "iterations", None):
            done = self.iterations
            spread = {"least": min(done), "mean": float(np.mean(done)), "most": max(done)}
            self.stats["iterations_done"] = spread
        super().write_stats()

    def _bound(self, seconds: float | None = None) -> None:
        """Hold a planner that can keep to it to the budget, or another one; in real time only."""
        if self.realtime and hasattr(self.planner, "keep_within"):
            self.planner.keep_within(seconds or self.parameters.budget_ms * 1e-3)

    def _account(self, taken_ms: float, figures: Figures | None) -> None:
        self.plan_ms.append(taken_ms)
        self.stats["plans"] += 1
        if figures is not None:  # what one kernel rolls out is told nowhere else
            self._evaluated.append((figures.samples, self.planner.parameters.horizon))
        if self._evaluated:
            samples, horizon = max(self._evaluated)  # some try a single plan beside
            self.stats.update(samples=samples, horizon=horizon, iterations=len(self._evaluated))
        if figures is not None:
            self.iterations.append(figures.iterations)
            self.most = max(self.most, figures.iterations)
            self.stats["iterations"] = self.most

    def _count_rollouts(self) -> None:
        """Note the samples and steps of every rollout really made, whoever the planner is."""
        self._evaluated: list[tuple[int, int]] = []
        dynamics = getattr(self.planner, "dynamics", None)
        if dynamics is None:  # it plans without a model
            return
        rollout = dynamics.rollout

        def counted(x0, actions, costs, states=None):
            self._evaluated.append((actions.shape[0], actions.shape[1]))
            rollout(x0, actions, costs, states)

        dynamics.rollout = counted


def take_proposals(planner: Any, proposer: Proposer) -> None:
    """Have a planner take proposals.

    Raises:
        ParameterError: It is none that can, or its samples are too few.
    """
    if not hasattr(planner, "take_proposals"):
        text = f"proposal: {type(planner).__name__} takes none; sampling planners such as mppi do"
        raise ParameterError(text, "proposal")
    try:
        planner.take_proposals(proposer)
    except ValueError as error:
        raise ParameterError(str(error), "planner.samples") from error


def remembered(memory: Any, fresh: Any) -> Any:
    """A memory where its arrays still have the right shapes, else a fresh one with its count."""
    if type(memory) is not type(fresh) or not is_dataclass(fresh):
        return fresh
    if hasattr(fresh, "inner"):
        return replace(memory, inner=remembered(memory.inner, fresh.inner))
    shapes = [[np.shape(getattr(m, f.name)) for f in fields(m)] for m in (memory, fresh)]
    if shapes[0] == shapes[1]:
        return memory
    kept = {"draws": memory.draws} if hasattr(memory, "draws") else {}
    return replace(fresh, **kept)
