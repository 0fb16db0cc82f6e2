"""`Learner`: what every way of learning shares with the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import torch


class Learner(ABC):
    """Fits networks to data, one update at a time.

    The training loop calls `update` for step 0, 1, ...; whatever is drawn in a step is drawn from
    the generator that it hands over, which is keyed by seed and step. What has to outlive a kill
    stands in `modules`, `optimizers` and `memory`.

    Args:
        parameters: Of the method.
        device: Where tensors live.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters:
        """What every recipe has; a method's own parameters are a subclass of it."""

        method: str
        """A file of control/imitation or perception/learning, or my_file:MyMethod."""
        out: Path
        """The folder that the training leaves."""
        steps: int = 5000
        """Updates."""
        batch: int = 256
        """Samples in each."""
        learning_rate: float = 1e-3
        """Of Adam at the start; it falls to zero along half a cosine."""
        weight_decay: float = 0.0
        """Of AdamW."""
        validate_every: int = 250
        """Updates between two looks at the validation data; also between two checkpoints."""
        seed: int = 0
        """Key of all draws."""
        device: Literal["auto", "cpu", "cuda"] = "auto"
        """Where to compute; auto: on a GPU where there is one."""

        def __post_init__(self) -> None:
            for name in ("steps", "batch", "validate_every"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
            if self.batch > LARGEST_BATCH:
                raise ValueError(f"batch: {self.batch} must be at most {LARGEST_BATCH}")
            for name in ("weight_decay", "seed"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")
            if not self.learning_rate > 0:
                raise ValueError(f"learning_rate: {self.learning_rate} must be positive")

    def __init__(self, parameters: Any, device: torch.device) -> None:
        self.parameters = parameters
        self.device = device
        self.modules: dict[str, torch.nn.Module] = {}
        """Networks by name, what is deployed among them."""
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        """By name."""
        self.memory: dict[str, np.ndarray] = {}
        """Arrays that outlive a kill, such as a buffer of imagined states."""

    @property
    def prelude(self) -> str:
        """What the first update does before, if that takes long; empty: nothing."""
        return ""

    @property
    @abstractmethod
    def kept(self) -> torch.nn.Module:
        """What is deployed: the weights of the best step so far are kept of it."""

    @abstractmethod
    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One update; what to log of it, ``loss`` among it."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Figures on the validation data; the step with the lowest ``loss`` is kept."""

    @abstractmethod
    def equivariance_error(self) -> float:
        """Largest relative error of the network as it is, over its own group."""


LARGEST_BATCH = 1_000_000
"""Samples; more is a slip of the finger that takes all memory."""
