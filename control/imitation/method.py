"""`Method`: what every way of learning from demonstrations shares with the training loop."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...nodes.training.learner import Learner
from ..policies.size import check_counts, check_size
from .demonstrations import Demonstrations

if TYPE_CHECKING:
    import torch

    from ..policies.network import PolicyNetwork

MEASURED = 64
"""States at which the network's equivariance is measured."""


class Method(Learner):
    """Fits networks to demonstrations; ``policy`` is one of its `modules`.

    Args:
        training: What is fitted to.
        validation: What the step is selected on; never fitted to.
        parameters: Of the method.
        device: Where tensors live.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(Learner.Parameters):
        """What every recipe has; a method's own parameters are a subclass of it."""

        data: Path
        """The dataset."""
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
        precision: Literal["float32", "bfloat16"] = "float32"
        """Of the forward pass of an update; a policy answers in float32."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.execute < 1:
                raise ValueError(f"execute: {self.execute} must be at least 1")
            check_size(self.width, self.depth, self.chunk, self.banks)
            check_counts(image_maps=self.image_maps)
            if self.execute > self.chunk:
                said = f"{self.execute} actions of a chunk of {self.chunk} cannot be executed"
                raise ValueError(f"execute: {said}")
            for name in ("demonstrations", "relaxation_penalty", "shift", "noise"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")
            if not 0 < self.validation < 1:
                raise ValueError(f"validation: {self.validation} must lie between 0 and 1")

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(parameters, device)
        self.training, self.validation = training, validation

    @property
    @abstractmethod
    def policy(self) -> PolicyNetwork:
        """The network that is deployed."""

    @property
    def kept(self) -> PolicyNetwork:
        """The policy."""
        return self.policy

    def equivariance_error(self) -> float:
        """Of the policy as it is, at validation states, over its own group."""
        some = self.validation
        rows = np.linspace(0, len(some) - 1, min(MEASURED, len(some))).astype(int)
        images = {name: image[rows].astype(np.float32) for name, image in some.images.items()}
        self.policy.eval()
        error = self.policy.equivariance_error(some.state[rows], images)
        self.policy.train()
        return error
