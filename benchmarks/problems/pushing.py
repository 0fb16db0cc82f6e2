"""Two tasks beside judo, on its own XML and on one of ours: a cylinder and a T are pushed home."""

from pathlib import Path

import numpy as np

from covary.sim.limits import Interval, Limits
from covary.sim.task import Task
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import dihedral, trivial
from covary.symmetry.part import Scalar, Vector


class Pushing(Task):
    """What both tasks beside judo share: a pusher's servo in the plane, the goal at the origin."""

    goal, action_interface = "", "velocity"
    dt = physics_dt = 0.02
    time_limit, hold = 8.0, 0.0
    action_names = ("slider_x", "slider_y")
    bodies: int  # coordinates of the pusher and of what it pushes

    def terminal_cost(self, x):
        """None. (..., n) -> (...)"""
        return np.zeros(x.shape[:-1])

    def success(self, x):
        """Within 0.1 m of the goal. (..., n) -> (...) bool"""
        return np.hypot(x[..., 2], x[..., 3]) < 0.1

    def physics_from_state(self, x):
        """Positions and velocities. (..., 2 k) -> (..., k), (..., k)"""
        return x[..., : self.bodies], x[..., self.bodies :]

    def state_from_physics(self, qpos, qvel, goal):
        """The state vector. -> (..., 2 k)"""
        return np.concatenate([qpos, qvel], axis=-1)

    def goal_from_pose(self, x, y, yaw):
        """It has none."""
        return np.zeros(0)


class CylinderPush(Pushing):
    """judo's task of that name, on its own XML: a pusher moves a cylinder to the origin.

    State (8,): positions of pusher and cart, their velocities. Action (2,): where the pusher's
    servo is to be.
    """

    name, bodies = "cylinder_push", 4
    state_names = ("pusher_x", "pusher_y", "cart_x", "cart_y", "vx", "vy", "cart_vx", "cart_vy")

    def __init__(self, xml: str) -> None:
        parts = {name: Vector() for name in ("pusher", "cart", "velocity", "cart_velocity")}
        self.symmetry = Symmetry(dihedral(4), parts, {"target": Vector()})
        self.limits = Limits({"target": Interval(-10.0, 10.0)}, self.symmetry.slices("action"))
        self.mjcf = xml

    def running_cost(self, x, u):
        """Judo's reward with the other sign. (..., 8), (..., 2) -> (...)"""
        px, py, cx, cy = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
        away2 = cx * cx + cy * cy
        behind = 1.0 + 0.25 / np.sqrt(away2)  # 0.25 m behind the cart, seen from the goal
        dx, dy = px - behind * cx, py - behind * cy
        return 0.25 * (dx * dx + dy * dy) + 0.05 * away2

    def initial_state(self, rng):
        """As judo draws it. (8,)"""
        a, b = 2.0 * np.pi * rng.random(2)
        return np.array([np.cos(a), np.sin(a), 2 * np.cos(b), 2 * np.sin(b), 0, 0, 0, 0])


class PushT(Pushing):
    """A T is pushed to the origin and turned upright, by the pusher of `CylinderPush`.

    State (10,): pusher, pose of the T, their velocities. It declares no symmetry.
    """

    name, bodies = "push_t", 5
    mjcf = str(Path(__file__).with_name("push_t.xml"))
    state_names = tuple("px py tx ty angle vx vy tvx tvy turning".split())

    def __init__(self) -> None:
        parts = {"positions": Scalar(5), "velocities": Scalar(5)}
        self.symmetry = Symmetry(trivial(), parts, {"target": Scalar(2)})
        self.limits = Limits({"target": Interval(-10.0, 10.0)}, self.symmetry.slices("action"))

    def running_cost(self, x, u):
        """Distances of the T, its turn, and of the pusher from it. (..., 10), (..., 2) -> (...)"""
        away2 = x[..., 2] ** 2 + x[..., 3] ** 2
        near2 = (x[..., 0] - x[..., 2]) ** 2 + (x[..., 1] - x[..., 3]) ** 2
        return 0.1 * away2 + 0.1 * (1.0 - np.cos(x[..., 4])) + 0.02 * near2

    def initial_state(self, rng):
        """The T up to 1 m away and turned anyhow, the pusher 1 m from it. (10,)"""
        x, a = np.zeros(10), rng.uniform(-np.pi, np.pi)
        x[2:4], x[4] = rng.uniform(-0.7, 0.7, 2), rng.uniform(-np.pi, np.pi)
        x[0:2] = x[2:4] + [np.cos(a), np.sin(a)]
        return x
