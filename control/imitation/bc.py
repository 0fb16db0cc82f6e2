"""`BC`: behaviour cloning; the policy is fitted to the demonstrated actions (Pomerleau, 1989)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Batches
from .demonstrations import Demonstrations
from .fitting import Fit, new_policy, validation_loss
from .method import Method

if TYPE_CHECKING:
    import torch

    from ..policies.network import PolicyNetwork


class BC(Method):
    """Minimises the network's loss on demonstrated actions, chunks of them at once.

    D. Pomerleau, "ALVINN: An autonomous land vehicle in a neural network", NIPS 1988. With
    demonstrations in which noise was injected (M. Laskey et al., "DART: Noise injection for robust
    imitation learning", CoRL 2017) the label is what the demonstrator intended.
    """

    def __init__(
        self,
        training: Demonstrations,
        validation: Demonstrations,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(training, validation, parameters, device)
        self.network = new_policy(training, parameters, device)
        self.modules["policy"] = self.network
        self.fit = Fit(self.network, parameters, device)
        self.optimizers["policy"] = self.fit.optimizer
        self.batches = Batches(training, self.network, parameters, device)
        self.held_out = Batches(validation, self.network, parameters, device)

    @property
    def policy(self) -> PolicyNetwork:
        """The network that is fitted."""
        return self.network

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch."""
        return self.fit.update(self.batches.draw(rng))

    def validate(self) -> dict[str, float]:
        """The loss on all validation ticks, as they are."""
        return {"loss": validation_loss(self.network, self.held_out)}
