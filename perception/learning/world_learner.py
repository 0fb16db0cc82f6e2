"""`WorldLearner`: what every way of learning an encoder or a world model shares."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...nodes.training.learner import Learner
from ..model_card import ModelCard

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ...nodes.training.loop import Training
    from ...nodes.training.recipe import Recipe

CLIP = 10.0
"""Largest norm of the gradient that `descend` goes down."""
LARGEST_WIDTH, DEEPEST = 8192, 100
"""Channels of a layer, and layers; more is a slip of the finger."""
MOST = 10_000_000
"""Transitions that are made for one training."""


class WorldLearner(Learner):
    """Fits a network that sees or foresees; its folder is a model's (`model.yaml`).

    A subclass in a file of its name in `perception/learning` is a method of `covary train`, which
    calls `begin`, does the updates, and asks for `metrics` and `pictures` at the end.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(Learner.Parameters):
        """What every recipe of a model has; a method's own parameters are a subclass of it."""

        symmetry: str = "full"
        """Which of the task's or environment's symmetry the network has: full, none, a subgroup
        such as C4, or beside task:= a symmetry.yaml that restricts the task's."""
        mode: Literal["exact", "relaxed", "free"] = "exact"
        """How strictly: exact, relaxed (may depart from it, at a price), or free (not at all)."""
        banks: int = 2
        """Filter banks of a relaxed layer."""
        relaxation_penalty: float = 0.0
        """Weight of the relaxed layers' departure from exact in the loss."""
        width: int = 256
        """Hidden channels, whatever the group."""
        depth: int = 2
        """Hidden layers."""
        augment: bool = False
        """Whether every batch is moved by random elements of that symmetry, where that is known."""

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("banks", "width", "depth"):
                most = DEEPEST if name == "depth" else LARGEST_WIDTH
                if not 1 <= getattr(self, name) <= most:
                    said = f"{getattr(self, name)} must be from 1 to {most}"
                    raise ValueError(f"{name}: {said}")
            if self.relaxation_penalty < 0:
                raise ValueError(
                    f"relaxation_penalty: {self.relaxation_penalty} must not be negative"
                )

    @classmethod
    @abstractmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training of a recipe, with the data that it opens or makes.

        Raises:
            InputError: What a person has to mend in the recipe or the data; one line.
        """

    @classmethod
    @abstractmethod
    def model_of(cls, card: ModelCard) -> nn.Module:
        """The network of a card, as it is before its weights are put in.

        Raises:
            LookupError, TypeError, ValueError: The card does not say what it needs to.
        """

    @abstractmethod
    def describes(self) -> dict[str, Any]:
        """Fields of the card that only the method knows.

        `task` and `symmetry`, and what there is of `task_options`, `state_names`, `action_names`,
        `dt`, `images`, `does` and `facts`; `data` adds to what the card says of them.
        """

    def fit_by_adam(self, name: str, network: nn.Module) -> None:
        """Take a network in as one of `modules`, on the device, with an optimizer of its name."""
        import torch

        p = self.parameters
        self.modules[name] = network.to(self.device)
        self.optimizers[name] = torch.optim.AdamW(
            network.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay
        )

    def descend(self, name: str, loss: Tensor) -> float:
        """One step down a loss, and a relaxed network's `penalty` beside it; the loss itself."""
        import torch

        p, network, optimizer = self.parameters, self.modules[name], self.optimizers[name]
        whole = loss
        if p.mode == "relaxed" and p.relaxation_penalty:
            whole = loss + p.relaxation_penalty * network.penalty()  # pyright: ignore
        optimizer.zero_grad(set_to_none=True)
        whole.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        return float(loss.detach())

    def tensor(self, values: np.ndarray) -> Tensor:
        """Numbers as a network takes them: float32, on the device."""
        import numpy as np
        import torch

        return torch.as_tensor(np.ascontiguousarray(values)).float().to(self.device)

    def exports(self, folder: Path) -> dict[str, str]:
        """Write networks that run without torch, held to the trained one; their SHA-256 by name.

        Raises:
            ExportError: One does not answer as the trained network does.
            OSError: A file cannot be written.
        """
        return {}

    def metrics(self, training: Training) -> dict[str, float]:
        """Figures on data that neither the weights nor the step were chosen by."""
        return {}

    def pictures(self, training: Training) -> list[Path]:
        """Draw what can be drawn into the training's folder; the files.

        Raises:
            ModuleNotFoundError: A drawing package is not installed.
            OSError: A file cannot be written.
        """
        return []
