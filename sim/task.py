"""`Task`: what is to be done, in which units, at which cost, and under which symmetry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..symmetry.declaration import Symmetry
from ..symmetry.part import Pose
from .cache_folder import provide
from .limits import Limits

if TYPE_CHECKING:
    import gymnasium

    from .dials import Dials
    from .kernel_loops import Loops
    from .plant import Plant


provide()  # a task's kernels come next, and Numba wants to keep them somewhere


class Task(ABC):
    """A control problem: minimise ``sum_t running_cost(x_{t+1}, u_t) + terminal_cost(x_H)``.

    A task knows nothing of planners or of how it is simulated. Its state vector x (n,) includes
    the goal, so a symmetry moves the goal too. All units are SI, angles in radians in [-pi, pi).

    Attributes:
        name: Its file's name, e.g. ``"push"``.
        dt: Control period, s.
        physics_dt: MuJoCo step, s; `dt` is a whole number of them.
        time_limit: An episode is given up after this, s.
        hold: How long success must last, s.
        symmetry: The one declaration of its symmetry.
        limits: What the actuators can do, per action part.
        rates: How fast the action may change, per second and action part; None: no limit. The
            guard before the actuators enforces it, and planners keep to it.
        accelerations: How fast that rate may change, per second squared and action part; None: no
            limit. Planners keep to it; the guard does not know it.
        constraint_names: One name for each of the state's constraints; empty: there are none.
        action_interface: ``"velocity"`` or ``"effort"``, in ros2_control's words.
        state_names: One name a coordinate of x.
        action_names: One joint name a coordinate of u.
        state_units: The unit of each coordinate of x, such as ``"m/s"``; empty: SI, unsaid.
        action_units: The same of u.
        exact_dynamics: Whether its physics is as symmetric as its rules, but for rounding. If not,
            only cost, limits and rules are; by how much the physics is off is measured and said.
        switching: Whether its analytic model switches: a thing is grasped, slips off or lands, from
            one next state to quite another. Then slopes tell little, and iLQR is not exact.
        goal: Name of the state part that is the goal; empty: it has none that can be moved.
        mjcf: Path of its MuJoCo model; a task that writes its model itself has `model_text`.
        joint_names: The joints of /joint_states; by default the action's.
        extent: Side of the square about the origin that its heightmap shows, m.
        sensed: The state parts that the robot's own sensors tell. Empty: all of them. Where some
            are missing the whole state is privileged: /ground_truth has it, and /state these.
        opaque: Whether its plant alone knows its physics and its cost: then nothing can plan with
            a model of it, or draw it.
        continuous: The options that declare it by a sample of its continuous group, for its
            refusal of that: {group: Ih}; empty: there are none.
        parameters: Physical parameters of the analytic model. (P,)
        parameter_names: Their names, with units.
        kernels: The module that holds the jitted kernels of the analytic model, for one state each
            (`kernel_loops` says which), or None when there is no such model.
    """

    name: ClassVar[str]
    dt: ClassVar[float]
    physics_dt: ClassVar[float]
    time_limit: ClassVar[float]
    hold: ClassVar[float]
    action_interface: ClassVar[str]
    state_names: ClassVar[tuple[str, ...]]
    action_names: ClassVar[tuple[str, ...]]
    state_units: ClassVar[tuple[str, ...]] = ()
    action_units: ClassVar[tuple[str, ...]] = ()
    goal: ClassVar[str]
    exact_dynamics: ClassVar[bool] = True
    switching: ClassVar[bool] = False
    mjcf: ClassVar[str] = ""
    extent: ClassVar[float] = 0.5
    sensed: ClassVar[tuple[str, ...]] = ()
    opaque: ClassVar[bool] = False
    continuous: ClassVar[str] = ""
    symmetry: Symmetry
    limits: Limits
    rates: Limits | None = None
    accelerations: Limits | None = None
    constraint_names: tuple[str, ...] = ()
    parameters: np.ndarray = np.zeros(0)
    parameter_names: ClassVar[tuple[str, ...]] = ()
    kernels: Any = None

    # What is wanted.

    def running_cost(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Cost of arriving in x by u; by default the kernels' one. (..., n), (..., m) -> (...)"""
        shape = np.broadcast_shapes(x.shape[:-1], u.shape[:-1])
        rows_x, rows_u = (
            np.ascontiguousarray(np.broadcast_to(a, (*shape, a.shape[-1])), float).reshape(
                -1, a.shape[-1]
            )
            for a in (x, u)
        )
        out = np.empty(len(rows_x))
        self._loops("running_cost").running_cost_batch(rows_x, rows_u, self._physics, out)
        return out.reshape(shape)

    def terminal_cost(self, x: np.ndarray) -> np.ndarray:
        """Cost of ending in x; by default the kernels' one. (..., n) -> (...)"""
        rows = np.ascontiguousarray(x, float).reshape(-1, x.shape[-1])
        out = np.empty(len(rows))
        self._loops("terminal_cost").terminal_cost_batch(rows, self._physics, out)
        return out.reshape(x.shape[:-1])

    def constraint(self, x: np.ndarray) -> np.ndarray:
        """How far x breaks each of `constraint_names`; at most 0 is satisfied. (..., n) -> (..., C)

        By default the kernels' one. The group leaves each of them as it is: of several that it
        exchanges, such as the walls of a square, a task declares the largest. They are smooth
        best, and in the unit of what is broken: metres into an obstacle, say.
        """
        rows = np.ascontiguousarray(x, float).reshape(-1, x.shape[-1])
        out = np.empty((len(rows), len(self.constraint_names)))
        if self.constraint_names:
            self._loops("constraint").constraint_batch(rows, out)
        return out.reshape(*x.shape[:-1], len(self.constraint_names))

    def _loops(self, method: str) -> Loops:
        if self.kernels is None:
            raise NotImplementedError(
                f"{type(self).__name__} needs kernels, or a {method} of its own"
            )
        from .kernel_loops import loops  # here, because Numba is for tasks that have kernels

        return loops(self.kernels)

    @property
    def _physics(self) -> np.ndarray:
        return np.array(self.parameters, float)  # a copy: kernels take arrays that can be written

    @abstractmethod
    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether x is within the task's thresholds of the goal. (..., n) -> (...) bool"""

    @abstractmethod
    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start, goal included, drawn from the task's start distribution. (n,)"""

    def observe(self, x: np.ndarray) -> np.ndarray:
        """What a policy sees of the state: all of it, unless a task says less. (..., n)"""
        return x

    def safe_action(self) -> np.ndarray:
        """What the plant does when nobody tells it what to do: nothing moves. (m,)"""
        return np.zeros(len(self.action_names))

    # Between the state vector and MuJoCo.

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The joints of the model that /joint_states tells of."""
        return self.action_names

    @property
    def goal_slice(self) -> slice:
        """Where the goal stands in the state; an empty slice where there is none."""
        return self.symmetry.slices("state")[self.goal] if self.goal else slice(0, 0)

    def model_text(self) -> str:
        """Its MuJoCo model (MJCF)."""
        return Path(self.mjcf).read_text(encoding="utf-8")

    def compiled(self) -> Any:
        """Its `mujoco.MjModel`; a file's may name other files."""
        import mujoco  # here, because not every process that has a task simulates

        if self.mjcf:
            return mujoco.MjModel.from_xml_path(self.mjcf)  # pyright: ignore
        return mujoco.MjModel.from_xml_string(self.model_text())  # pyright: ignore

    def plant(
        self, engine: str = "mujoco", model: str | None = None, dials: Dials | None = None
    ) -> Plant:
        """What simulates it: `covary.sim.plant.Plant`, unless it brings a world of its own.

        Args:
            engine: The physics engine.
            model: A recorded model to use instead of its own.
            dials: How the world departs from what is declared; None: not at all.

        Raises:
            ValueError: The model does not load, or there is no such engine.
            EngineError: The engine is not installed.
            ParameterError: A dial that can change nothing here.
        """
        from .plant import Plant  # here, because not every process that has a task simulates

        return Plant(self, model, engine, dials)

    def sensed_state(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names and places of the coordinates that /state has."""
        slices = self.symmetry.slices("state")
        parts = self.sensed or tuple(slices)
        index = np.concatenate([np.arange(slices[p].start, slices[p].stop) for p in parts])
        return tuple(self.state_names[i] for i in index), index

    @abstractmethod
    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """MuJoCo's positions and velocities. (..., n) -> (..., nq), (..., nv)"""

    @abstractmethod
    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector, from (..., nq), (..., nv) and a goal (..., k). -> (..., n)"""

    def ctrl_from_action(self, u: np.ndarray) -> np.ndarray:
        """MuJoCo's controls for an action. (..., m) -> (..., nu)"""
        return u

    def for_planning(self) -> Task:
        """The task whose physics a planner rolls out: itself, unless that would cost too much."""
        return self

    def actuate(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls for the next physics tick. What it must remember stands in the data.

        Args:
            data: The `mujoco.MjData` of its model; `ctrl` is set.
            u: The action. (m,)
            tick: Physics ticks since the episode's start.
        """
        data.ctrl[:] = self.ctrl_from_action(u)

    @abstractmethod
    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part that a planar pose (m, m, rad) asks for. (k,)"""

    def goal_marks(self, goal: np.ndarray) -> dict[str, tuple[tuple[float, ...], float]]:
        """Where the mocap bodies stand that show a goal (k,): name -> position (m), yaw (rad).

        A position of two numbers leaves the body at its model's height. By default there is one,
        `goal`, and the goal is where it stands: x, y, and yaw if there is a third number.
        """
        yaw = float(goal[2]) if len(goal) > 2 else 0.0
        return {"goal": (tuple(goal[:2]), yaw)} if len(goal) > 1 else {}

    def with_goal(self, x: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """State x with another goal. (..., n), (k,) -> (..., n)"""
        moved = np.array(x, float)
        moved[..., self.goal_slice] = goal
        return moved

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """Frames for /tf: name -> x (m), y (m), yaw (rad); by default all poses of x (n,).

        A frame's height is the coordinate NAME_z of the state, and 0 where there is none.
        """
        found = {}
        for name, here in self.symmetry.slices("state").items():
            if isinstance(self.symmetry.state[name], Pose):
                px, py, yaw = x[here]
                found[name] = (float(px), float(py), float(yaw))
        return found

    # Gymnasium's view.

    @property
    def action_space(self) -> gymnasium.spaces.Box:
        """The smallest box around the limits; the limits themselves are enforced by projection."""
        from gymnasium.spaces import Box  # here, because a planner process must not pay for it

        low, high = self.limits.bound()
        return Box(low, high, dtype=np.float64)

    @property
    def observation_space(self) -> gymnasium.spaces.Box:
        """Unbounded, one coordinate for each that `observe` gives."""
        from gymnasium.spaces import Box

        width = self.observe(np.zeros(len(self.state_names))).shape[-1]
        return Box(-np.inf, np.inf, (width,), dtype=np.float64)
