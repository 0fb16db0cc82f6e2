"""`Policy`: anything that answers an observation with an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

Observation = Mapping[str, np.ndarray]
"""``"state"`` (n,), and one image (H, W) or (H, W, C) by the name of each camera, as published."""


class Policy(Protocol):
    """From what is seen straight to an action; chunks and history live behind it."""

    def reset(self, rng: np.random.Generator) -> None:
        """Forget the episode before; draws of the next one come from rng."""
        ...

    def act(self, observation: Observation) -> np.ndarray:
        """The action for now, in the task's units, not yet projected onto its limits. (m,)"""
        ...


def draws_of(seed: int, episode: int) -> np.random.Generator:
    """What a policy is reset with at an episode's begin: other draws than those of the start."""
    return np.random.default_rng([seed, episode, _DRAWS])


_DRAWS = 1
"""Last word of the key; not 0, with which keys are padded."""
