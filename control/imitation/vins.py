"""`VINS`: a policy corrects itself by values learned from demonstrations and negative samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...sim.state_features import StateFeatures
from ..policies.size import check_counts
from .demonstrations import Demonstrations
from .forward_model import ForwardModel
from .imagined import StateCloning


class VINS(StateCloning):
    """Behaviour cloning that leads back to where values are high.

    Luo, Xu and Ma, "Learning Self-Correctable Policies and Value Functions from Demonstrations with
    Negative Sampling" (ICLR 2020): the value of a demonstrated state falls with the steps that were
    still to go; beside the demonstrations it falls with the distance from them, which is learned
    from perturbed states (negative samples). Where the policy is, candidates around its action are
    tried in a learned dynamics, and the one that arrives in the highest value is taken.

    There the selection is made when the policy acts. Here it is made while it learns, at perturbed
    states, and the policy is fitted to what was selected: so that what is deployed is one network,
    as with every other method.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(StateCloning.Parameters):
        """Parameters of VINS."""

        perturbation: float = 0.1
        """Standard deviation of negative samples, in units of the states' own spread."""
        negative: float = 1.0
        """Fall of the value over a perturbation of one spread, in units of the longest
        demonstration's whole value."""
        candidates: int = 64
        """Actions that are tried in a state."""
        reach: float = 0.1
        """Their standard deviation around the policy's action, in units of its limits."""
        correct_from: float = 0.25
        """Share of the training after which corrections are imitated."""

        def __post_init__(self) -> None:
            super().__post_init__()
            check_counts(candidates=self.candidates)
            if self.candidates < 2:
                raise ValueError(f"candidates: {self.candidates} must be at least 2")
            for name in ("perturbation", "negative", "reach"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(training, validation, parameters, device)
        p, seen = parameters, self.network.seen
        alone = seen.restrict("none")
        self.dynamics = ForwardModel(seen, alone, "free", p.model_width, 2)
        self.dynamics.fit_normaliser(self.transitions[0], self.transitions[2])
        self.value = Value(StateFeatures(seen, alone), p.model_width)
        self.value.features.fit(training.state)
        for name, module in (("dynamics", self.dynamics), ("value", self.value)):
            self.modules[name] = module.to(device)
        both = [*self.dynamics.parameters(), *self.value.parameters()]
        self.optimizers["models"] = torch.optim.AdamW(both, p.model_learning_rate, fused=True)
        lengths = np.bincount(training.episode)
        last = np.cumsum(lengths) - 1
        to_go = last[training.episode] - np.arange(len(training))
        self.worth = -to_go / lengths.max()

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch for value and dynamics, and one for the policy."""
        p = self.parameters
        figures = self._fit_models(rng)
        if step < p.correct_from * p.steps:
            batch = self.batches.draw(rng)
        else:
            batch = self.mixed(rng, lambda rows: self._corrected(rows, rng))
        return self.fit.update(batch) | figures

    def _fit_models(self, rng: np.random.Generator) -> dict[str, float]:
        p, data = self.parameters, self.training
        rows = rng.integers(len(self.transitions[0]), size=p.batch)
        dynamics = self.dynamics.loss(*(array[rows] for array in self.transitions))
        rows = rng.integers(len(data), size=p.batch)
        beside, far = self._beside(data.state[rows], rng)
        there = np.concatenate([data.state[rows], beside])
        worth = np.concatenate([self.worth[rows], self.worth[rows] - p.negative * far])
        off = self.value(self._tensor(there)) - self._tensor(worth)
        value = off.square().mean()
        optimizer = self.optimizers["models"]
        optimizer.zero_grad(set_to_none=True)
        (dynamics + value).backward()
        optimizer.step()
        return {"value": float(value.detach()), "dynamics": float(dynamics.detach())}

    def _beside(self, state: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """States beside given ones, and how far, in units of the spread. (N, n), (N,)"""
        draws = self.parameters.perturbation * rng.standard_normal(state.shape)
        return state + self.batches.spread * draws, np.sqrt(np.mean(draws**2, axis=1))

    @torch.no_grad()
    def _corrected(self, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Perturbed states with the best of the actions around the policy's own."""
        p, data = self.parameters, self.training
        state, _ = self._beside(data.state[rng.integers(len(data), size=rows)], rng)
        noise = torch.zeros(rows, self.network.noise, device=self.device)
        answer, _ = self.network(self._tensor(state), (), noise)
        now = answer[:, 0].double().cpu().numpy()
        around = rng.standard_normal((rows, p.candidates, now.shape[-1]))
        around[:, 0] = 0.0
        tried = now[:, None] + p.reach * self.network.seen.reach * around
        tried = data.task.limits.project(tried.reshape(-1, now.shape[-1]))
        after = self.dynamics.next_state(np.repeat(state, p.candidates, axis=0), tried)
        best = self.value(self._tensor(after)).view(rows, -1).argmax(1).cpu().numpy()
        return state, tried.reshape(rows, p.candidates, -1)[np.arange(rows), best]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array).float().to(self.device)


class Value(nn.Module):
    """A number for a state.

    Args:
        features: Of the state.
        width: Hidden channels.
    """

    def __init__(self, features: StateFeatures, width: int) -> None:
        super().__init__()
        self.features = features
        inside = features.representation.width
        self.layers = nn.Sequential(
            nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, state: Tensor) -> Tensor:
        """(B, n) -> (B,)"""
        return self.layers(self.features(state))[:, 0]
