"""A point mass that is pushed to the origin past a round post, for tests of planners' bounds."""

from dataclasses import dataclass, field

import numpy as np

from covary.nodes import plugin
from covary.sim.limits import Ball, Limits
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Vector

RADIUS = 0.3
START = np.array([2.0, 0.1, 0.0, 0.0, 1.0, 0.0])  # the post stands in the straight way
SLICE = {"u": slice(0, 2)}


class Posted:
    """State: position, velocity, post (m, m/s). Action: force, N, at most 3."""

    name = "posted"
    dt = 0.1
    state_names = ("x", "y", "vx", "vy", "post_x", "post_y")
    action_interface = "effort"
    constraint_names = ("post",)
    rates = accelerations = None

    def __init__(self):
        parts = {"position": Vector(), "velocity": Vector(), "post": Vector()}
        self.symmetry = Symmetry(group("D4"), parts, {"u": Vector()})
        self.limits = Limits({"u": Ball(3.0)}, SLICE)

    def safe_action(self):
        return np.zeros(2)

    def running_cost(self, x, u):
        near = np.sum(x[..., :2] ** 2, axis=-1)
        return near + 0.1 * np.sum(x[..., 2:4] ** 2, axis=-1) + 0.01 * np.sum(u**2, axis=-1)

    def terminal_cost(self, x):
        return np.zeros(x.shape[:-1])

    def constraint(self, x):
        """How far inside the post, m."""
        away = np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])
        return (RADIUS - away)[..., None]


@dataclass
class PostedDynamics:
    """Its model, in NumPy."""

    task: Posted = field(default_factory=Posted)
    models: int = 1
    seen: list = field(default_factory=list)  # actions that were rolled out

    def next_state(self, x, u):
        v = 0.98 * x[..., 2:4] + self.task.dt * u
        post = np.broadcast_to(x[..., 4:], v.shape)
        return np.concatenate([x[..., :2] + self.task.dt * v, v, post], axis=-1)

    def cost(self, x, u):
        return self.task.running_cost(x, u)

    def rollout(self, x0, actions, costs, states):
        self.seen.append(actions.copy())
        x = np.broadcast_to(x0, (len(actions), 6))
        costs[0] = 0.0
        for t in range(actions.shape[1]):
            x = self.next_state(x, actions[:, t])
            costs[0] += self.cost(x, actions[:, t])
            if states is not None:
                states[0, :, t] = x


def planner(name="mppi", symmetry="full", task=None, **more):
    """A planner of that name for it."""
    settings = {"samples": 128, "horizon": 20, "knots": 5, **more}
    return plugin.load(name, "planners")(PostedDynamics(task or Posted()), symmetry, **settings)


def run(one, steps=60, seed=0, start=START, delay=0):
    """Closed loop: states and actions; a plan takes effect `delay` periods late."""
    x, memory, states, done = start, one.initial_memory(seed), [start], []
    plans = []
    for k in range(steps):
        plan, memory = one.plan(x, k * one.task.dt, memory)
        plans.append(plan)
        acting = plans[k - delay] if k >= delay else None
        u = acting.action(k * one.task.dt) if acting else one.task.safe_action()
        x = one.dynamics.next_state(x, u)
        states.append(x)
        done.append(u)
    return np.array(states), np.array(done)


def away(one, x, seed=3, plans=3, dt=0.1):
    """How far plans for gx lie from g times those for x, at most, for every g; warm starts too."""
    s, memory, worst = one.symmetry, one.initial_memory(seed), 0.0
    moved = {g: memory.act(s, g) for g in s.group.elements}
    for k in range(plans):
        plan, memory = one.plan(x, k * dt, memory)
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), k * dt, moved[g])
            apart = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            worst = max(worst, float(apart))
        x = one.dynamics.next_state(x, plan.actions[0])
    return worst
