"""`StateModel`: a task's next state, learned, equivariant under the task's declared symmetry."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.seen import seen
from ...sim.state_features import StateFeatures, blocks_of
from ...sim.task import Task
from ...symmetry.layers.arrangement import arranged
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.plain import plain
from ...symmetry.layers.representation import Representation, from_parts, regular, trivial_of
from ...symmetry.part import Quaternion

HARMONICS = (1, 2)
"""Multiples of a joint's angle that is no declared angle, since it does not turn with the world."""
LEAST = 1e-6
"""Smallest change in one period that is taken for one (SI units): what does not move stays."""


class StateModel(nn.Module):
    """x' = x + scale * net(features(x), u), in the task's own coordinates and units.

    With the mode `exact`, f(g x, g u) = g f(x, u) for every element of `symmetry.group`, whatever
    the parameters: features and actions are declared, and so is the change, on which an element
    acts as it does on the state without its shift (an angle's change only has a sign). The goal
    is no part of the physics: it is not seen, and stays. Angles come out wrapped and quaternions
    of length one. A joint's own angle (a coordinate in rad that is declared a scalar or a
    pseudoscalar) is seen by its harmonics only, so that a turn more or less changes nothing.

    A geometric MDP in the sense of Zhao et al., "Can Euclidean Symmetry be
    Leveraged in Reinforcement Learning and Planning?" (arXiv 2307.08226).

    Args:
        task: Whose state, action and symmetry these are.
        word: Which of its symmetry: full, none, or a subgroup.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        width: Hidden channels; taken down to a multiple of the group's order.
        depth: Hidden layers.

    Raises:
        GroupError: A symmetry that the task has not.

    Attributes:
        symmetry: Of the coordinates that it sees and of the action, under its group.
        action: How the group acts on the action.
    """

    middle: Tensor
    reach: Tensor
    scale: Tensor
    own: Tensor
    back: Tensor
    rest: Tensor
    order: Tensor
    angles: Tensor

    def __init__(
        self,
        task: Task,
        word: str = "full",
        mode: Mode = "exact",
        banks: int = 2,
        width: int = 256,
        depth: int = 2,
    ) -> None:
        super().__init__()
        slices = task.symmetry.slices("state")
        names = [p for p in slices if p != task.goal]
        places = [i for p in names for i in range(slices[p].start, slices[p].stop)]
        self.seen = seen(task, [task.state_names[i] for i in places])
        self.symmetry = self.seen.restrict(word)
        group = self.symmetry.group
        self.features = StateFeatures(self.seen, self.symmetry)
        self.action = from_parts(self.symmetry, "action")
        whole, _, angles = self.seen.symmetry.affine("state")
        used, _, _ = self.symmetry.affine("state")
        self.blocks = blocks_of(whole, np.ones(len(places), bool))
        parts = [Representation(group, used[:, b][:, :, b]) for b in self.blocks]
        self.change, order = arranged(parts)
        """How the group acts on the change, in the network's order."""
        position = [i for block in self.blocks for i in block]
        back = np.argsort(np.array(position)[order])  # from the network's order to the state's
        hidden = regular(group, max(1, width // group.order))
        self.turning = _turning(task, places, self.blocks, angles)
        inside = self.features.representation + self.action
        for i in self.turning:
            one = Representation(group, used[:, i, i][:, None, None])
            inside = inside + len(HARMONICS) * trivial_of(group) + len(HARMONICS) * one
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(Linear(inside, hidden, mode, banks))
            inside = hidden
        self.head = Linear(inside, self.change, mode, banks)
        own = self.seen.symmetry.slices("state")
        self.unit = [
            own[p] for p, kind in self.seen.symmetry.state.items() if isinstance(kind, Quaternion)
        ]
        self._constant("own", places, torch.int64)
        self._constant("back", back, torch.int64)
        rest = [i for i in range(len(task.state_names)) if i not in places]
        self._constant("rest", rest, torch.int64)
        self._constant("order", np.argsort([*places, *rest]), torch.int64)
        self._constant("angles", angles, torch.bool)
        self._constant("middle", self.seen.middle, torch.float32)
        self._constant("reach", self.seen.reach, torch.float32)
        self.register_buffer("scale", torch.ones(len(places)))

    def _constant(self, name: str, values: np.ndarray | list[int], kind: torch.dtype) -> None:
        self.register_buffer(name, torch.tensor(np.array(values), dtype=kind), persistent=False)

    def fit(self, state: np.ndarray, following: np.ndarray) -> None:
        """Take the statistics of states and of their changes from the training data. (N, n) each"""
        own = self.own.cpu().numpy()
        seen_as = np.array(state[:, own], float)
        seen_as[:, self.turning] = 0.0
        self.features.fit(seen_as)
        change = self.seen.symmetry.difference("state", following[:, own], state[:, own])
        scale = np.ones(len(own))
        for block in self.blocks:
            spread = math.sqrt(float(np.mean(change[:, block] ** 2)))
            scale[block] = max(spread, LEAST)
        self.scale.copy_(torch.tensor(scale))

    def delta(self, own: Tensor, u: Tensor) -> Tensor:
        """The change in one period, in units of its spread. (K, k), (K, m) -> (K, k)"""
        turned = own[:, self.turning]
        x = own.clone()
        x[:, self.turning] = 0.0
        found = [self.features(x), (u - self.middle) / self.reach]
        for i in range(len(self.turning)):
            found += [torch.cos(k * turned[:, i : i + 1]) for k in HARMONICS]
            found += [torch.sin(k * turned[:, i : i + 1]) for k in HARMONICS]
        x = torch.cat(found, dim=1)
        for layer in self.layers:
            x = functional.silu(layer(x))
        return self.head(x)[:, self.back]

    def next_state(self, x: Tensor, u: Tensor) -> Tensor:
        """The states one control period later. (K, n), (K, m) -> (K, n)"""
        own = x[:, self.own]
        moved = own + self.scale * self.delta(own, u)
        turned = moved - 2.0 * math.pi * torch.floor((moved + math.pi) / (2.0 * math.pi))
        moved = torch.where(self.angles, turned, moved)
        for here in self.unit:
            part = moved[:, here]
            part = part / torch.sqrt((part * part).sum(dim=1, keepdim=True).clamp(min=1e-12))
            moved = torch.cat([moved[:, : here.start], part, moved[:, here.stop :]], dim=1)
        if moved.shape[1] == x.shape[1]:
            return moved
        return torch.cat([moved, x[:, self.rest]], dim=1)[:, self.order]

    def loss(self, x: Tensor, u: Tensor, following: Tensor) -> Tensor:
        """Squared error of the change, in units of its spread, of each sample. (K,)"""
        own = x[:, self.own]
        wanted = following[:, self.own] - own
        turned = wanted - 2.0 * math.pi * torch.floor((wanted + math.pi) / (2.0 * math.pi))
        wanted = torch.where(self.angles, turned, wanted) / self.scale
        return (self.delta(own, u) - wanted).square().mean(dim=1)

    def penalty(self) -> Tensor:
        """How far the relaxed layers' weights are from equal over the group, the mean. ()"""
        found = [m.penalty() for m in self.modules() if isinstance(m, Linear)]
        return torch.stack(found).mean()

    def rollout(self, x: Tensor, actions: Tensor) -> Tensor:
        """States along action sequences. (B, n), (B, H, m) -> (B, H, n)"""
        found = []
        for t in range(actions.shape[1]):
            x = self.next_state(x, actions[:, t])
            found.append(x)
        return torch.stack(found, dim=1)

    def export(self) -> nn.Module:
        """The model as it stands in torch's own layers, which know no group."""
        made = _Step(self)
        return made.eval()


class _Step(nn.Module):
    """`StateModel.next_state` as a module's forward, its layers plain."""

    def __init__(self, model: StateModel) -> None:
        super().__init__()
        twin = copy.copy(model)
        twin._modules = {name: plain(child) for name, child in model.named_children()}
        self.model = copy.deepcopy(twin)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """(K, n), (K, m) -> (K, n)"""
        return self.model.next_state(state, action)


def _turning(task: Task, places: list[int], blocks: list[list[int]], angles: np.ndarray) -> list:
    """The coordinates seen that are a joint's own angle: in rad, by themselves, not declared so."""
    if not task.state_units:
        return []
    alone = [block[0] for block in blocks if len(block) == 1]
    return [i for i in alone if task.state_units[places[i]] == "rad" and not angles[i]]
