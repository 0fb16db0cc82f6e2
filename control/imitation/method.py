"""`Method`: what every way of learning from demonstrations shares with the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..policies.size import check_counts, check_size
from .demonstrations import Demonstrations

if TYPE_CHECKING:
    import torch

    from ..policies.network import PolicyNetwork

LARGEST_BATCH = 1_000_000
"""Ticks; more is a slip of the finger that takes all memory."""


class Method(ABC):
    """Fits networks to demonstrations, one update at a time.

    The training loop calls `update` for step 0, 1, ...; whatever is drawn in a step is drawn from
    the generator that it hands over, which is keyed by seed and step. What has to outlive a kill
    stands in `modules`, `optimizers` and `memory`.

    Args:
        training: What is fitted to.
        validation: What the step is selected on; never fitted to.
        parameters: Of the method.
        device: Where tensors live.
    """

    @dataclass(frozen=True)
    class Parameters:
        """What every recipe has; a method's own parameters are a subclass of it."""

        method: str
        """A file of control/imitation, or my_file:MyMethod."""
        data: Path
        """The dataset."""
        out: Path
        """The policy's folder."""
        observation: Literal["", "/state", "/ground_truth"] = ""
        """Where the state comes from; empty: /ground_truth where it was recorded."""
        images: tuple[str, ...] = ()
        """Cameras that the policy looks at: heightmap, in_hand, or a name of `cameras`."""
        demonstrations: int = 0
        """How many episodes of the dataset to use, the first ones; 0: all."""
        validation: float = 0.1
        """Share of the episodes that the step is selected on."""
        success_only: bool = True
        """Whether episodes that were no success are left out."""
        symmetry: str = "full"
        """Which of the task's symmetry the networks have: full, none, a subgroup such as C4, or
        what a symmetry.yaml says."""
        mode: Literal["exact", "relaxed", "free"] = "exact"
        """How strictly: exact, relaxed (may depart from it, at a price), or free (not at all)."""
        banks: int = 2
        """Filter banks of a relaxed layer."""
        relaxation_penalty: float = 0.0
        """Weight of the relaxed layers' departure from exact in the loss."""
        head: Literal["deterministic", "gaussian", "mixture", "flow"] = "deterministic"
        """What the network says of the action."""
        width: int = 256
        """Hidden channels, whatever the group."""
        depth: int = 3
        """Hidden layers."""
        chunk: int = 1
        """Actions in each answer."""
        execute: int = 1
        """How many of them are executed before it is asked again."""
        image_maps: int = 32
        """Feature maps of an image's first convolutions, whatever the group; twice as many in the
        last."""
        augment: bool = False
        """Whether every batch is moved by random elements of that symmetry; images by those that
        permute pixels."""
        shift: int = 0
        """Images of a batch are moved by up to so many pixels, the edge repeated."""
        noise: float = 0.0
        """Standard deviation of noise on the states of a batch, in units of their own spread."""
        steps: int = 5000
        """Updates."""
        batch: int = 256
        """Ticks in each."""
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
        precision: Literal["float32", "bfloat16"] = "float32"
        """Of the forward pass of an update; a policy answers in float32."""

        def __post_init__(self) -> None:
            for name in ("execute", "steps", "batch", "validate_every"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
            check_size(self.width, self.depth, self.chunk, self.banks)
            check_counts(image_maps=self.image_maps)
            if self.batch > LARGEST_BATCH:
                raise ValueError(f"batch: {self.batch} must be at most {LARGEST_BATCH}")
            if self.execute > self.chunk:
                said = f"{self.execute} actions of a chunk of {self.chunk} cannot be executed"
                raise ValueError(f"execute: {said}")
            not_negative = ("demonstrations", "relaxation_penalty", "shift", "noise")
            for name in (*not_negative, "weight_decay", "seed"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")
            if not self.learning_rate > 0:
                raise ValueError(f"learning_rate: {self.learning_rate} must be positive")
            if not 0 < self.validation < 1:
                raise ValueError(f"validation: {self.validation} must lie between 0 and 1")

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        self.training, self.validation = training, validation
        self.parameters = parameters
        self.device = device
        self.modules: dict[str, torch.nn.Module] = {}
        """Networks by name, among them ``policy``."""
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
    def policy(self) -> PolicyNetwork:
        """The network that is deployed."""

    @abstractmethod
    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One update; what to log of it, ``loss`` among it."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Figures on the validation data; the step with the lowest ``loss`` is kept."""
