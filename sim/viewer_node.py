"""The viewer node: a page in the browser that shows a launch live; nobody waits for it."""

from __future__ import annotations

import importlib.util
import time as wall
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..nodes import messages
from ..nodes.bus.local_bus import BusError, LocalBus
from ..nodes.node import Node
from ..nodes.parameter_services import ParameterClient
from ..nodes.parameters import ParameterError
from .camera_view import CameraView
from .images import HEIGHTMAP, IN_HAND, image_topics
from .load_task import load_task
from .task_messages import TaskMessageError, plan_actions, plan_message
from .viewing.hand import Hand
from .viewing.hand_controls import HandControls
from .viewing.images import pixels
from .viewing.page import Input, Page, slider_of
from .viewing.plan_paths import PlanPaths
from .viewing.plan_words import plan_words
from .viewing.scene import Scene

RATE_HZ = 30.0
"""The scene is drawn this often at most, wall clock."""
AHEAD = 3
"""Control periods for which a person's action is published; a plan too old is refused sooner."""
READ_S = 2.0
"""The planner's parameters are read this often, wall clock, s."""
PATHS_S = 0.2
"""A plan is drawn this often at most, wall clock, s."""
IMAGE = "sensor_msgs/msg/Image"
GUARD = ("ok", "no command", "late", "rejected", "stopped")
"""The status of /applied in words."""


class ViewerNode(Node):
    """Listens to a launch and draws it; asks /stop and /reset what a person asks for.

    It keeps the newest message of each topic, so a slow page loses frames and nothing else. Where a
    person demonstrates (`person`) it publishes /plan; else nobody waits for it.
    """

    subscribes: ClassVar[dict[str, str]] = {
        "/episode": "covary_msgs/msg/Episode",
        "/joint_states": "sensor_msgs/msg/JointState",
        "/plan": "trajectory_msgs/msg/JointTrajectory",
        "/applied": "covary_msgs/msg/Applied",
        "/physics": "covary_msgs/msg/PhysicsState",
        "/cost": "covary_msgs/msg/Cost",
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    }
    plugins: ClassVar[dict[str, str]] = {"task": "sim.tasks"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the viewer node."""

        task: str
        """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside, such as robot; an empty text is not given."""
        ground_truth: bool = False
        """Draw from /ground_truth, where the poses of all objects stand, instead of /state."""
        port: int = 8080
        """Port of loopback; if it is taken the next that is free, 0 for any."""
        planner: str = "planner"
        """The node whose parameters have sliders, by its name; empty: none."""
        camera: bool = False
        """Show the top-view camera."""
        cameras: dict[str, CameraView] = field(default_factory=dict)
        """Show these other cameras of the sim node."""
        heightmap: int = 0
        """Show the heightmap, unless 0."""
        in_hand: int = 0
        """Show the in-hand heightmap, unless 0."""
        images: tuple[str, ...] = ()
        """Topics of other images to show."""
        person: bool = False
        """A person moves the gripper in the page: it publishes /plan in the planner's place."""

        def __post_init__(self) -> None:
            if not 0 <= self.port < 2**16:
                raise ValueError(f"port: {self.port} must be at least 0 and below 65536")

    @staticmethod
    def also_subscribes(parameters: Parameters) -> dict[str, str]:
        """The topic that says where everything is, and those of the images."""
        topic = "/ground_truth" if parameters.ground_truth else "/state"
        cameras = {t: k for t, k in image_topics(parameters).items() if k == IMAGE}
        images = cameras | dict.fromkeys(parameters.images, IMAGE)
        return {topic: "covary_msgs/msg/State"} | images

    @staticmethod
    def also_publishes(parameters: Parameters) -> dict[str, str]:
        """What a person plans."""
        return {"/plan": ViewerNode.subscribes["/plan"]} if parameters.person else {}

    @staticmethod
    def check(parameters: Parameters) -> Hand | None:
        """The hand that a person moves, if one does.

        Raises:
            PluginError: As `load_task`.
            ParameterError: The task has no gripper to move, or viser is not installed.
        """
        task = load_task(parameters.task, parameters.task_options)
        if importlib.util.find_spec("viser") is None:
            raise ParameterError("the live page needs viser: pip install viser")
        try:
            return Hand(task) if parameters.person else None
        except ValueError as error:
            raise ParameterError(f"person: {error}", "person") from error

    def configure(self) -> None:
        """Build the scene, open the page and the topics."""
        p = self.parameters
        self.task = load_task(p.task, p.task_options)
        self.names = {name: i for i, name in enumerate(self.task.state_names)}
        self.x = self.task.initial_state(np.random.default_rng(0))
        self.joints: dict[str, float] = {}
        self.plan: tuple[float, np.ndarray] | None = None
        self.moved = self.planned = False
        self.drawn_at = self.traced_at = self.read_at = -1.0
        self.sliders = bool(p.planner)
        said = ("time", "cost", "success", "guard", "planner")
        self.status = {"episode": "none yet", **dict.fromkeys(said, "")}
        self.ended = self.succeeded = 0
        self.model: str | None = None
        self.page = Page(p.port, f"covary: {self.task.name}", self.bus.wake)
        self.stats.update(url=self.page.url, frames=0, inputs=0, refused=0)
        self.log.info("the page is at %s", self.page.url)
        self.hand = self.check(p)
        self.controls: HandControls | None = None
        self.build(None)
        if self.hand is not None:
            if self.realtime is False and not isinstance(self.bus, LocalBus):
                raise ParameterError("person: nobody can keep up; use realtime:=true", "person")
            self.controls = HandControls(self.page, self.hand)
            self.plans = self.create_publisher(messages.JointTrajectory, "/plan")
        self.create_subscription(messages.Episode, "/episode", self.on_episode, depth=0)
        for topic, type_name in self.also_subscribes(p).items():
            if type_name.endswith("State"):
                self.create_subscription(messages.State, topic, self.on_state)
            else:
                self.create_subscription(messages.Image, topic, self.image_shower(topic))
        self.create_subscription(messages.JointState, "/joint_states", self.on_joints)
        self.create_subscription(messages.JointTrajectory, "/plan", self.on_plan)
        self.create_subscription(messages.Applied, "/applied", self.on_applied)
        self.create_subscription(messages.PhysicsState, "/physics", self.on_physics)
        self.create_subscription(messages.Cost, "/cost", self.on_cost)
        self.create_subscription(messages.DiagnosticArray, "/diagnostics", self.on_diagnostics, 0)
        self.create_timer(1.0 / RATE_HZ, self.draw, wall=True)
        self.write_stats()

    def activate(self) -> None:
        """Show the start."""
        self.draw()

    def build(self, model: str | None) -> None:
        """Draw a model from the beginning."""
        self.model = model
        self.scene = Scene(self.task, model)
        self.page.show_scene(self.scene)
        if self.task.sensed and not self.parameters.ground_truth:
            _, told = self.task.sensed_state()
            for body in self.scene.untold(told):
                self.page.bodies[body].visible = False
        # Who cannot tell where a state is has no model to roll a plan out with.
        self.paths = PlanPaths(self.task, self.scene) if self.scene.tells_all else None
        if self.controls is not None:
            self.controls.draw()
        self.moved = True

    # What comes in. It is only noted: the page is drawn at its own rate.

    def on_episode(self, message: messages.Episode) -> None:
        """A START may bring another model; an END counts."""
        if message.phase == messages.Episode.START:
            self.status["episode"] = str(message.index)
            if self.paths is not None:
                self.paths.reset()
            if self.hand is not None:
                self.hand.begin()
            self.plan, self.planned = None, True
            if message.model and message.model != (self.model or self.task.model_text()):
                try:
                    self.build(message.model)
                except ValueError as error:
                    self.log.warning("the episode's model is not drawn: %s", error)
        else:
            self.ended += 1
            self.succeeded += bool(message.success)
            self.status["success"] = f"{self.succeeded} of {self.ended}"
            self.status["cost"] = f"{message.cost:.3f} in the whole episode"
            if self.controls is not None:
                word = "discarded" if message.aborted else "success" if message.success else "kept"
                self.controls.say(f"episode {message.index}: {word}; press start for the next")

    def on_state(self, message: messages.State) -> None:
        """Where everything is; what the message does not name stays where it was."""
        for name, value in zip(message.name, message.value, strict=False):
            if name in self.names and np.isfinite(value):
                self.x[self.names[name]] = value
        time = messages.seconds(message.header.stamp)
        self.status["time"] = f"{time:.2f} s"
        if self.hand is not None:
            actions = np.tile(self.hand.action(self.x), (AHEAD, 1))
            self.plans.publish(plan_message(self.task, time, self.task.dt, actions))
        self.moved = True
        if isinstance(self.bus, LocalBus):  # in lockstep no wall timer runs
            self.draw()

    def on_joints(self, message: messages.JointState) -> None:
        """What the joints say of themselves."""
        values = zip(message.name, message.position, strict=False)
        self.joints = {name: float(q) for name, q in values if np.isfinite(q)}
        self.moved = True

    def on_plan(self, message: messages.JointTrajectory) -> None:
        """The newest plan."""
        try:
            time, _, actions = plan_actions(self.task, message)
        except TaskMessageError:
            return
        self.plan, self.planned = (time, actions), True

    def on_physics(self, message: messages.PhysicsState) -> None:
        """Where everything is, of a task whose state does not tell."""
        if not self.scene.tells_all:
            self.scene.restore(message.state)
            self.moved = True

    def on_cost(self, message: messages.Cost) -> None:
        """What the sim node's judge says of the last period."""
        good = ", within the thresholds" if message.success else ""
        self.status["cost"] = f"{message.cost:.3f} in the last period{good}"

    def on_diagnostics(self, message: messages.DiagnosticArray) -> None:
        """What the planner says of its newest plan; heartbeats say nothing new."""
        for status in message.status:
            if status.name.endswith(": plans"):
                self.status["planner"] = plan_words({v.key: v.value for v in status.values})

    def on_applied(self, message: messages.Applied) -> None:
        """What the plant executes, and why."""
        known = message.status < len(GUARD)
        self.status["guard"] = GUARD[message.status] if known else str(message.status)

    def image_shower(self, topic: str) -> Callable[[Any], None]:
        """What shows the images of a topic, no faster than the page is drawn."""
        shown = [-1.0]
        heights = topic.split("/")[2:3] in ([HEIGHTMAP], [IN_HAND])

        def show(message: messages.Image) -> None:
            if wall.monotonic() - shown[0] < PATHS_S:
                return
            shown[0] = wall.monotonic()
            found = pixels(message, heights)
            if found is not None:
                self.page.show_image(topic, found)

        return show

    # What goes out.

    def draw(self) -> None:
        """Do what a person asked for, and show what is new, if the last time is long enough ago."""
        now = wall.monotonic()
        if now - self.drawn_at < 0.5 / RATE_HZ:
            return
        self.drawn_at = now
        for given in self.page.taken():
            self.stats["inputs"] += 1
            self.obey(given)
        if self.moved:
            self.moved = False
            self.stats["frames"] += 1
            self.page.move(*self.scene.poses(self.x, self.joints))
        if self.planned and now - self.traced_at >= PATHS_S:
            self.planned, self.traced_at = False, now
            self.page.show_paths(self.traced())
        if self.sliders and now - self.read_at >= READ_S and self.page.watched:
            self.read_at = now
            self.read_parameters()
        if self.controls is not None:
            self.controls.show()
        self.page.say([(name, value) for name, value in self.status.items() if value])

    def traced(self):
        """The paths of the newest plan, if anybody would see them."""
        if self.plan is None or self.paths is None or not self.page.wants_paths:
            return None
        try:
            return self.paths.trace(self.x, self.plan[1])
        except ValueError as error:  # a model that cannot be rolled out from here
            self.log.warning("the plan is not drawn: %s", error)
            return None

    def obey(self, given: Input) -> None:
        """Do one thing that a person asked for in the page."""
        if given.what in ("stop", "reset"):
            self.ask(messages.Trigger, f"/{given.what}")
        elif given.what == "parameter":
            self.set_parameter(given.name, given.value)
        elif given.what == "start":
            self.ask(messages.Trigger, "/episode/begin")
        elif given.what in ("success", "discard"):
            self.ask(messages.SetBool, "/episode/end", data=given.what == "success")
        elif self.controls is not None:
            try:
                self.controls.obey(given)
            except (TypeError, ValueError) as error:
                self.refuse("target", str(error))

    def planner(self) -> ParameterClient:
        """The planner's parameter services."""
        return ParameterClient(self.bus, self.naming.resolve(self.parameters.planner))

    def read_parameters(self) -> None:
        """Show what the planner can be told while it runs, and what it has been told."""
        try:
            found = self.planner().read()
        except (BusError, messages.MessageError):
            return  # it is not there yet, or plans just now
        numbers = [d for d in found if isinstance(d.value, int | float) and d.value is not True]
        numbers = [d for d in numbers if d.value is not False and np.isfinite(d.value)]
        new = [slider_of(d) for d in numbers if d.name not in self.page.sliders]
        self.page.show_sliders(new)
        for described in numbers:
            self.page.set_slider(described.name, described.value)

    def set_parameter(self, name: str, value: Any) -> None:
        """Tell the planner a number; what it refuses goes back to what it was."""
        if not isinstance(value, int | float) or not np.isfinite(value):
            self.refuse(name, "not a finite number")
            return
        try:
            reason = self.planner().set(name, value)
        except (BusError, messages.MessageError) as error:
            reason = str(error)
        if reason:
            self.refuse(name, reason)
            self.read_parameters()

    def ask(self, service: Any, name: str, **values: Any) -> None:
        """Call a service, and tell the page if it did not go well."""
        request = service.Request(**(values or {"structure_needs_at_least_one_member": 0}))
        try:
            raw = self.bus.call(
                service.__srvtype__, self.naming.resolve(name), messages.serialize(request)
            )
            answer = messages.deserialize(raw, service.Response.__msgtype__)
        except (BusError, messages.MessageError) as error:
            self.refuse(name, str(error))
            return
        if not answer.success:
            self.refuse(name, answer.message)
        elif self.controls is not None and name.startswith("/episode"):
            self.controls.say(answer.message)

    def refuse(self, what: str, why: str) -> None:
        """Say in the page that something was not done."""
        self.stats["refused"] += 1
        self.log.warning("%s: %s", what, why)
        self.page.tell(what, why)

    def shutdown(self) -> None:
        """Close the page."""
        if hasattr(self, "page"):
            self.page.close()
