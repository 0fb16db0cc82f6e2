"""What latents are fitted by: the contrastive loss as the code and the paper have it, and ours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SIGMA = 0.5
"""Of the energy, as in the authors' code: H = 2 |x - y|^2."""


def energy(x: Tensor, y: Tensor, slots: int = 1) -> Tensor:
    """H(x, y) = |x - y|^2 / (2 sigma^2), summed over a slot and averaged over slots. (B, w) -> (B,)

    Kipf, van der Pol, Welling, "Contrastive Learning of Structured World Models" (ICLR 2020, eq.
    5).
    """
    return (x - y).square().sum(-1) * (0.5 / SIGMA**2 / slots)


def contrastive_code(
    z: Tensor, predicted: Tensor, after: Tensor, negative: Tensor, slots: int, hinge: float
) -> Tensor:
    """As the authors' code has it: the negative is held away from the current latent.

    L = H(predicted, after) + max(0, hinge - H(z, negative)), the loss of Kipf et al. (ICLR 2020,
    eq. 6); Park et al. (ICML 2022) train with it.

    Args:
        z: Latents of the observations. (B, w)
        predicted: What is predicted to follow. (B, w)
        after: Latents of what followed. (B, w)
        negative: Latents of other observations. (B, w)
        slots: Of a latent.
        hinge: Energy from which a negative is far enough.
    """
    apart = functional.relu(hinge - energy(z, negative, slots))
    return (energy(predicted, after, slots) + apart).mean()


def contrastive_paper(
    z: Tensor, predicted: Tensor, after: Tensor, negative: Tensor, slots: int, hinge: float
) -> Tensor:
    """As the paper prints it: the negative is held away from the prediction.

    L = H(predicted, after) + max(0, hinge - H(predicted, negative)). The arguments are those of
    `contrastive_code`; `z` is not looked at.
    """
    apart = functional.relu(hinge - energy(predicted, negative, slots))
    return (energy(predicted, after, slots) + apart).mean()


def contrastive_each(
    z: Tensor, predicted: Tensor, after: Tensor, negative: Tensor, slots: int, hinge: float
) -> Tensor:
    """As the authors' code has it, but with a hinge for each slot.

    L = mean over slots of H(predicted, after) + max(0, hinge - H(z, negative)), each of one slot.
    With one hinge for all, two slots that are learned first grow until no negative is near, and
    the others come to be constant. The arguments are those of `contrastive_code`.
    """
    each = [x.unflatten(-1, (slots, -1)).flatten(0, 1) for x in (z, predicted, after, negative)]
    return contrastive_code(*each, slots=1, hinge=hinge)


def contrastive_softmax(
    z: Tensor, predicted: Tensor, after: Tensor, negative: Tensor, slots: int, hinge: float
) -> Tensor:
    """Cross-entropy of what followed among all that followed in the batch, by exp(-H).

    Van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding" (2018,
    eq. 4), with H(predicted, .) as the score. States that hardly differ are told apart as long as
    they are in one batch; for the hinges, far from all others is enough. The arguments are those
    of `contrastive_code`; `z`, `negative` and `hinge` are not looked at.
    """
    apart = energy(predicted[:, None], after, slots)
    return functional.cross_entropy(-apart, torch.arange(len(after), device=after.device))


LOSSES: dict[str, Callable[..., Tensor]] = {
    "code": contrastive_code,
    "paper": contrastive_paper,
    "each": contrastive_each,
    "softmax": contrastive_softmax,
}
"""By the word that a recipe says."""
