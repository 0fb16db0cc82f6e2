"""Derivatives of a model and of its cost along a trajectory, by differences that go with the group.

A difference along the axes of coordinates goes with every element that only permutes them or
changes their signs. Under the others its error would not; so it is also taken in turned frames, one
for each coset of those elements, and the mean taken. What comes out is exactly equivariant, kinks
included: the derivatives at g (x, u) are those at (x, u), moved by g.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...sim.dynamics import Dynamics
from ...symmetry.declaration import Symmetry
from ..loop.spectrum import positive

SMALL, WIDE = 5e-3, 3e-2
"""Steps of first and of second differences: of the state in its own units, of the action as a
fraction of the largest. Rounding grows with one over the step, and with one over its square: it is
what no group moves along, and a plan multiplies it by a hundred. What the steps leave out does go
with the group, so they are as wide as the plans bear."""


@dataclass(frozen=True, eq=False)
class Expansion:
    """A model to first order and its cost to second order, about a trajectory x_0, u_0, .. x_H.

    Attributes:
        by_state: Of x_(t+1) by x_t. (H, n, n)
        by_action: Of x_(t+1) by u_t. (H, n, m)
        slope: Of the running cost by (x_(t+1), u_t). (H, n + m)
        curvature: Its second derivative, cut to its positive part. (H, n + m, n + m)
        end_slope: Of the terminal cost by x_H. (n,)
        end_curvature: Its second derivative, cut to its positive part. (n, n)
    """

    by_state: np.ndarray
    by_action: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    end_slope: np.ndarray
    end_curvature: np.ndarray

    def with_price(self, slope: np.ndarray, curvature: np.ndarray) -> Expansion:
        """With a price of each x_(t+1) beside: its slope (H, n) and second derivative (H, n, n)."""
        n, both, bend = slope.shape[1], self.slope.copy(), self.curvature.copy()
        both[:, :n] += slope
        bend[:, :n, :n] += curvature
        return replace(self, slope=both, curvature=bend)


class Derivatives:
    """Central differences of any `Dynamics` and of its task's costs.

    They hold for a model that is smooth where it is expanded; across a contact they are the mean
    slope over a step, which is zero for a thing that is not yet touched.

    Args:
        dynamics: The model; its first one, if there are several.
        symmetry: Which they go with.
        scale: Largest action of each coordinate, equal where the group mixes. (m,)
    """

    def __init__(self, dynamics: Dynamics, symmetry: Symmetry, scale: np.ndarray) -> None:
        self.dynamics, self.task, self.symmetry = dynamics, dynamics.task, symmetry
        n, m = symmetry.width("state"), symmetry.width("action")
        goal = getattr(self.task, "goal_slice", slice(0, 0))
        self.moving = np.delete(np.arange(n), goal)  # what any action can change
        self.frames = _frames(symmetry, self.moving)
        ones = np.ones(n)
        self._first = _Stencil(self.moving, n, SMALL * ones)
        self._first_u = _Stencil(np.arange(m), m, SMALL * scale)
        both = np.concatenate([self.moving, n + np.arange(m)])
        self._cost = _Stencil(both, n + m, SMALL * np.concatenate([ones, scale]))
        self._bend = _Stencil(both, n + m, WIDE * np.concatenate([ones, scale]), second=True)
        self._end = _Stencil(self.moving, n, SMALL * ones)
        self._end_bend = _Stencil(self.moving, n, WIDE * ones, second=True)

    def along(self, states: np.ndarray, actions: np.ndarray) -> Expansion:
        """Both about a trajectory. (H + 1, n), (H, m)"""
        a, b = self.linear(states[:-1], actions)
        n = states.shape[1]
        slope = curvature = end_slope = end_curvature = 0.0
        for g in self.frames:
            x, u = self.symmetry.act(g, state=states[1:], action=actions)
            z, end = np.concatenate([x, u], axis=1), x[-1:]
            back = self._both(g)  # (n + m, n + m), orthogonal

            def cost(rows):
                return self.task.running_cost(rows[..., :n], rows[..., n:])

            slope = slope + self._cost.slope(cost, z) @ back
            curvature = curvature + back.T @ self._bend.second(cost, z) @ back
            back = back[:n, :n]
            end_slope = end_slope + self._end.slope(self.task.terminal_cost, end)[0] @ back
            bend = self._end_bend.second(self.task.terminal_cost, end)[0]
            end_curvature = end_curvature + back.T @ bend @ back
        share = 1.0 / len(self.frames)
        return Expansion(
            *(a, b, share * np.asarray(slope)),
            np.stack([positive(share * bend) for bend in np.asarray(curvature)]),
            share * np.asarray(end_slope),
            positive(share * np.asarray(end_curvature)),
        )

    def broken(self, states: np.ndarray) -> np.ndarray:
        """The slopes of the task's constraints. (H, n) -> (H, C, n)"""
        n, slopes = states.shape[1], []
        for i in range(len(self.task.constraint_names)):
            slope = np.zeros_like(states)
            for g in self.frames:
                x = self.symmetry.act(g, state=states)
                back = self._both(g)[:n, :n]
                slope += self._end.slope(lambda x, i=i: self.task.constraint(x)[..., i], x) @ back
            slopes.append(slope / len(self.frames))
        return np.stack(slopes, axis=1)

    def linear(self, states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next state by the state and by the action. (T, n), (T, m) -> (T, n, n), (T, n, m)"""
        n = states.shape[1]
        a, b = np.zeros((len(states), n, n)), np.zeros((len(states), *self.by_action_shape))
        for g in self.frames:
            x, u = self.symmetry.act(g, state=states, action=actions)
            back = self._both(g)
            of_x, of_u = back[:n, :n], back[n:, n:]

            def step_x(rows, u=u):
                return self.dynamics.next_state(rows, u[:, None])

            def step_u(rows, x=x):
                return self.dynamics.next_state(x[:, None], rows)

            apart = self.symmetry.difference
            a += of_x.T @ self._first.jacobian(step_x, x, apart) @ of_x
            b += of_x.T @ self._first_u.jacobian(step_u, u, apart) @ of_u
        goal = np.setdiff1d(np.arange(n), self.moving)
        a, b = a / len(self.frames), b / len(self.frames)
        a[:, goal, goal] = 1.0  # a goal stays where it is
        return a, b

    @property
    def by_action_shape(self) -> tuple[int, int]:
        """Of the derivative of a state by an action: (n, m)."""
        return self.symmetry.width("state"), self.symmetry.width("action")

    def _both(self, g: int) -> np.ndarray:
        """The matrix of element g on small changes of (x, u). (n + m, n + m)"""
        n, m = self.by_action_shape
        out = np.zeros((n + m, n + m))
        out[:n, :n] = self.symmetry.affine("state")[0][g]
        out[n:, n:] = self.symmetry.orbit("action")[g]
        return out


class _Stencil:
    """Points about one, and what their values say of slopes and second derivatives there."""

    def __init__(self, axes: np.ndarray, width: int, step: np.ndarray, second: bool = False):
        self.axes, self.width, self.step = axes, width, step[axes]
        unit = np.zeros((len(axes), width))
        unit[np.arange(len(axes)), axes] = self.step
        self.offsets = np.concatenate([unit, -unit])  # (2 D, width)
        self.pairs = np.triu_indices(len(axes), 1)
        if second:
            one, other = unit[self.pairs[0]], unit[self.pairs[1]]
            crossed = [one + other, -one - other, one - other, other - one]
            self.offsets = np.concatenate([0.0 * unit[:1], self.offsets, *crossed])

    def jacobian(self, f, points: np.ndarray, apart) -> np.ndarray:
        """Of a function into states. (T, width) -> (T, n, width)"""
        values = f(points[:, None] + self.offsets)  # (T, 2 D, n)
        d = len(self.axes)
        change = apart("state", values[:, :d], values[:, d:]) / (2.0 * self.step[:, None])
        out = np.zeros((len(points), values.shape[2], self.width))
        out[:, :, self.axes] = np.swapaxes(change, 1, 2)
        return out

    def slope(self, f, points: np.ndarray) -> np.ndarray:
        """Of a number, to fourth order. (T, width) -> (T, width)"""
        out, d = np.zeros((len(points), self.width)), len(self.axes)
        near, far = (f(points[:, None] + k * self.offsets) for k in (1.0, 2.0))
        near, far = near[:, :d] - near[:, d:], far[:, :d] - far[:, d:]
        out[:, self.axes] = (8.0 * near - far) / (12.0 * self.step)
        return out

    def second(self, f, points: np.ndarray) -> np.ndarray:
        """Second derivatives of a number. (T, width) -> (T, width, width)"""
        values, d = f(points[:, None] + self.offsets), len(self.axes)
        values = values - values[:, :1]
        out = np.zeros((len(points), self.width, self.width))
        own = (values[:, 1 : 1 + d] + values[:, 1 + d : 1 + 2 * d]) / self.step**2
        out[:, self.axes, self.axes] = own
        crossed = values[:, 1 + 2 * d :].reshape(len(points), 4, -1)
        i, j = self.pairs
        mixed = (crossed[:, 0] + crossed[:, 1]) - (crossed[:, 2] + crossed[:, 3])
        mixed = mixed / (4.0 * self.step[i] * self.step[j])
        out[:, self.axes[i], self.axes[j]] = out[:, self.axes[j], self.axes[i]] = mixed
        return out


def _frames(symmetry: Symmetry, moving: np.ndarray) -> tuple[int, ...]:
    """One element for each coset of those that permute axes and change signs, identity first."""
    group = symmetry.group
    of_state = symmetry.affine("state")[0][:, moving][:, :, moving]
    matrices = (of_state, symmetry.orbit("action"))

    def turns_no_axis(g: int) -> bool:
        return all(np.abs(np.abs(m[g]) - np.round(np.abs(m[g]))).max() < 1e-12 for m in matrices)

    plain = [g for g in group.elements if turns_no_axis(g)]
    kept: list[int] = []
    covered: set[int] = set()
    for g in group.elements:
        if g not in covered:
            kept.append(g)
            covered.update(int(group.product[p, g]) for p in plain)
    return tuple(kept)
