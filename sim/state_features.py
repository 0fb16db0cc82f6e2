"""`StateFeatures`: a raw state as numbers to learn from, and how a group moves those."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..symmetry.declaration import Symmetry
from ..symmetry.group import Group
from ..symmetry.layers.arrangement import arranged
from ..symmetry.layers.representation import Representation, planar, signs, trivial_of
from .seen import Seen

HARMONICS = (1, 2, 4)
"""Multiples of a direction; 2 and 4 tell of a thing that half or quarter turns leave alike."""
NEAR = (0.3,)
"""Scales at which differences saturate, as shares of their spread; decision 22 says why but one."""
LEAST = 1e-3
"""Smallest spread that is taken for one (SI units): a coordinate that hardly varied in the data
must not be blown up where it varies more."""


class StateFeatures(nn.Module):
    """Equivariant features: features(g x) = rho(g) features(x) for every element g.

    - coordinates on which the group acts by matrices about a centre, from that centre;
    - directions as (cos k a, sin k a), and angles between two of them likewise;
    - differences of all points, and of all heights, once in proportion and once for each scale s
      of `NEAR` as v / sqrt(|v|^2 + s^2): a grasp needs precision in a workspace of 0.4 m.

    Only what depends on the group's action is asked of the parts, not their kind. Statistics are
    those of `fit`: a mean where the declared group leaves it in place, one scale for each block of
    coordinates that it mixes. They, and the features, are the declared group's whatever subgroup
    the network has, so a network without symmetry sees the same numbers.

    Args:
        seen: The coordinates, with the task's whole symmetry.
        symmetry: The same restricted to the network's group.
        harmonics: k of the directions.
        near: Scales of the differences.
    """

    centre: Tensor
    linear: Tensor
    apart: Tensor
    directions: Tensor
    between: Tensor
    mate: Tensor
    paired: Tensor
    mean: Tensor
    scale: Tensor
    order: Tensor

    def __init__(
        self,
        seen: Seen,
        symmetry: Symmetry,
        harmonics: Sequence[int] = HARMONICS,
        near: Sequence[float] = NEAR,
    ) -> None:
        super().__init__()
        self.harmonics, self.near, self.seen = tuple(harmonics), tuple(near), seen
        declared = seen.symmetry
        whole, offsets, angles = declared.affine("state")
        used, used_offsets, _ = symmetry.affine("state")
        blocks = blocks_of(whole, ~angles)
        where = [i for block in blocks for i in block]
        direct = np.flatnonzero(angles)
        self.pairs = _pairs_of_angles(whole, offsets, direct)
        among = direct.tolist()
        self.ends = [[among.index(pair[i]) for pair in self.pairs] for i in (0, 1)]
        """The directions of each pair, by their place among the directions."""
        # Differences of points (two columns each) and of heights.
        points = [(a, b) for a, b in combinations(seen.points.tolist(), 2)]
        heights = [(a, b) for a, b in combinations(seen.heights.tolist(), 2)]
        self.points, self.heights = len(points), len(heights)
        apart = [(a[i], b[i]) for a, b in points for i in range(2)] + heights
        self._buffer("centre", centre_of(whole, offsets, angles), torch.float32)
        self._buffer("linear", where)
        self._buffer("apart", np.array(apart, int).reshape(-1, 2).T)
        self._buffer("directions", direct)
        self._buffer("between", np.array(self.pairs, int).reshape(-1, 2).T)
        mate = [c + 1 - 2 * (c % 2) for c in range(2 * self.points)]
        alone = range(2 * self.points, len(apart))
        self._buffer("mate", [*mate, *alone])
        self._buffer("paired", [1.0] * len(mate) + [0.0] * len(alone), torch.float32)
        self.at = len(where)  # where the differences begin
        # Blocks of the linear coordinates and differences: what `fit` gives one scale.
        self.moved = [whole[:, block][:, :, block] for block in blocks]
        if points:  # a group that tilts the plane has none
            self.moved += [declared.group.plane] * self.points
        self.moved += [np.ones((declared.group.order, 1, 1))] * self.heights
        self.register_buffer("mean", torch.zeros(self.at + len(apart)))
        self.register_buffer("scale", torch.ones(self.at + len(apart)))
        group = symmetry.group
        parts = [Representation(group, used[:, block][:, :, block]) for block in blocks]
        parts += self._differences(group) * (1 + len(self.near))
        one = used[:, direct][:, :, direct]
        for k in self.harmonics:
            parts += harmonic_of(group, one, used_offsets[:, direct], k)
            for a, _ in self.pairs:
                i = int(np.flatnonzero(direct == a)[0])
                parts += [trivial_of(group), signs(group, one[:, i, i])]
        self.representation, order = arranged(parts)
        """How the network's group acts on the features."""
        self._buffer("order", order)

    def _buffer(self, name: str, values: Any, kind: torch.dtype = torch.int64) -> None:
        """A constant that is no part of what is stored."""
        self.register_buffer(name, torch.tensor(np.array(values), dtype=kind), persistent=False)

    def _differences(self, group: Group) -> list[Representation]:
        vectors = [planar(group)] * self.points if self.points else []
        return vectors + [trivial_of(group)] * self.heights

    def fit(self, states: np.ndarray) -> None:
        """Take mean and scale from the states of the training data. (N, n)"""
        there = np.asarray(states, float) - self.centre.double().cpu().numpy()
        first, second = self.apart.cpu().numpy()
        linear = there[:, self.linear.cpu().numpy()]
        raw = np.concatenate([linear, there[:, first] - there[:, second]], axis=1)
        mean, scale, start = np.zeros(raw.shape[1]), np.ones(raw.shape[1]), 0
        for moved in self.moved:
            here = slice(start, start + moved.shape[-1])
            mean[here] = moved.mean(axis=0) @ raw[:, here].mean(axis=0)
            spread = float(np.sqrt(np.mean((raw[:, here] - mean[here]) ** 2)))
            scale[here] = max(spread, LEAST)
            start = here.stop
        self.mean.copy_(torch.tensor(mean))
        self.scale.copy_(torch.tensor(scale))

    def forward(self, state: Tensor) -> Tensor:
        """(B, n) in SI units -> (B, representation.width)"""
        turned = []
        if len(self.directions):
            between = state[:, self.between[0]] - state[:, self.between[1]]
            angles = torch.cat([state[:, self.directions], between], dim=1)
            for k in self.harmonics:
                pairs = torch.stack([torch.cos(k * angles), torch.sin(k * angles)], dim=-1)
                turned.append(pairs.flatten(1))
        return self._with(state, turned)

    def of_directions(self, state: Tensor, pairs: Tensor) -> Tensor:
        """The same of a state whose angles are told as (cos, sin), shorter ones where unsure.

        Args:
            state: Its angles are not looked at. (B, n)
            pairs: Of each angle, in the state's order. (B, d, 2)
        """
        if not len(self.directions):
            return self._with(state, [])
        one, other = self.ends
        once = torch.cat([pairs, turned_back(pairs[:, one], pairs[:, other])], dim=1)
        return self._with(state, [multiple(once, k).flatten(1) for k in self.harmonics])

    def _with(self, state: Tensor, turned: list[Tensor]) -> Tensor:
        """Coordinates and differences, and the harmonics that are given; (B, width)."""
        # No matrix product: those are what autocast would round to a few digits.
        there = state - self.centre
        apart = there[:, self.apart[0]] - there[:, self.apart[1]]
        found = [(torch.cat([there[:, self.linear], apart], dim=1) - self.mean) / self.scale]
        if self.points + self.heights:
            squares, scale = apart * apart, self.scale[self.at :]
            squares = squares + self.paired * squares[:, self.mate]
            for share in self.near:
                found.append(apart / torch.sqrt(squares + (share * scale) ** 2))
        return torch.cat([*found, *turned], dim=1)[:, self.order]


def turned_back(one: Tensor, other: Tensor) -> Tensor:
    """(cos, sin) of a - b, of those of a and b. (..., 2)"""
    (a, b), (c, d) = one.unbind(-1), other.unbind(-1)
    return torch.stack([a * c + b * d, b * c - a * d], dim=-1)


def multiple(pairs: Tensor, k: int) -> Tensor:
    """(cos, sin) of k times an angle, of those of the angle. (..., 2)"""
    (a, b), found = pairs.unbind(-1), pairs
    for _ in range(k - 1):
        c, d = found.unbind(-1)
        found = torch.stack([a * c - b * d, a * d + b * c], dim=-1)
    return found


def blocks_of(matrices: np.ndarray, among: np.ndarray) -> list[list[int]]:
    """The finest split of some coordinates that the group does not mix."""
    linked = (np.abs(matrices) > 1e-12).any(axis=0)
    linked |= linked.T
    left, blocks = [int(i) for i in np.flatnonzero(among)], []
    while left:
        block, frontier = set(), {left[0]}
        while frontier:
            block |= frontier
            frontier = {int(j) for i in frontier for j in np.flatnonzero(linked[i])} - block
        blocks.append(sorted(block))
        left = [i for i in left if i not in block]
    return blocks


def centre_of(matrices: np.ndarray, offsets: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """A point that the group leaves in place: (I - A(g)) c = b(g); angles have none. (n,)"""
    centre, flat = np.zeros(len(angles)), np.flatnonzero(~angles)
    if len(flat):
        left = np.eye(len(flat)) - matrices[:, flat][:, :, flat]
        right = offsets[:, flat].reshape(-1)
        centre[flat] = np.linalg.lstsq(left.reshape(-1, len(flat)), right, rcond=None)[0]
    return centre


def harmonic_of(
    group: Group, matrices: np.ndarray, turns: np.ndarray, k: int
) -> list[Representation]:
    """How (cos k a, sin k a) of some directions move, where a goes to s a + b.

    Args:
        group: The group.
        matrices: Of the directions; they must not change places. (order, d, d)
        turns: b. (order, d)
        k: The multiple.
    """
    found = []
    for i in range(turns.shape[1]):
        cos, sin, s = np.cos(k * turns[:, i]), np.sin(k * turns[:, i]), matrices[:, i, i]
        moved = np.stack([np.stack([cos, -s * sin], -1), np.stack([sin, s * cos], -1)], -2)
        found.append(Representation(group, _snapped(moved)))
    return found


def _pairs_of_angles(
    matrices: np.ndarray, offsets: np.ndarray, direct: np.ndarray
) -> list[tuple[int, int]]:
    """The directions that every element turns alike, two by two: between them is an angle."""
    return [
        (int(a), int(b))
        for a, b in combinations(direct, 2)
        if np.allclose(offsets[:, a], offsets[:, b], atol=1e-12)
        and np.allclose(matrices[:, a, a], matrices[:, b, b], atol=1e-12)
    ]


def _snapped(values: np.ndarray) -> np.ndarray:
    """Entries that are 0, +-1/2 or +-1 but for rounding are made exactly so."""
    halves = np.round(2.0 * values) / 2.0
    return np.where(np.abs(values - halves) < 1e-12, halves, values) + 0.0
