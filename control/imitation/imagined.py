"""`StateCloning`: behaviour cloning on demonstrations and on what models imagine beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..policies.size import check_counts
from .batches import joined
from .bc import BC
from .demonstrations import Demonstrations
from .method import Method

if TYPE_CHECKING:
    import torch

    from ..policies.network import Batch


class StateCloning(BC):
    """What methods share that learn models of states, and imitate what those imagine.

    Attributes:
        transitions: States, what was done in them, and next states, where the last was recorded.
            (N, n), (N, m), (N, n)
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(Method.Parameters):
        """Parameters of a method that has models of states."""

        demonstration_share: float = 0.5
        """Share of a batch that is of the demonstrations; the rest is imagined."""
        model_width: int = 128
        """Hidden channels of the models."""
        model_learning_rate: float = 1e-3
        """Of Adam, for the models."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.images:
                raise ValueError("images: its models are of states")
            if self.chunk != 1:
                raise ValueError("chunk: it imagines one action a state; leave it at 1")
            if not 0.0 < self.demonstration_share <= 1.0:
                said = f"{self.demonstration_share} must be above 0 and at most 1"
                raise ValueError(f"demonstration_share: {said}")
            check_counts(model_width=self.model_width)
            if not self.model_learning_rate > 0:
                said = f"{self.model_learning_rate} must be positive"
                raise ValueError(f"model_learning_rate: {said}")

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(training, validation, parameters, device)
        self.transitions = transitions_of(training)

    def mixed(
        self,
        rng: np.random.Generator,
        imagined: Callable[[int], tuple[np.ndarray, np.ndarray]],
    ) -> Batch:
        """Demonstrated ticks, and so many imagined states (R, n) with their actions (R, m)."""
        p = self.parameters
        own = max(1, round(p.demonstration_share * p.batch))
        batch = self.batches.draw(rng, own)
        if own == p.batch:
            return batch
        state, action = imagined(p.batch - own)
        there = np.ones((len(state), 1), bool)
        return joined(batch, self.batches.batch(state, action[:, None], there, {}, rng))


def transitions_of(data: Demonstrations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, what was done in them, and next states, where the last was recorded."""
    rows = data.has_next
    return data.state[rows], data.executed[rows], data.next_state[rows]
