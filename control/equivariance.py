"""How far a policy is from equivariant: measured on observations, over every element of a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..sim.images import IN_HAND
from ..symmetry.declaration import Symmetry
from ..symmetry.pixels import moved_image, pixel_subgroup

Answer = Callable[[np.ndarray, Mapping[str, np.ndarray], np.ndarray], np.ndarray]
"""(states (N, n), images (N, C, H, W) by name, noise (N, k)) -> actions (N, chunk, m)"""


def equivariance_error(
    answer: Answer,
    symmetry: Symmetry,
    states: np.ndarray,
    images: Mapping[str, np.ndarray],
    noise: int,
    units: np.ndarray,
) -> float:
    """Largest relative error of f(g x, g noise) = g f(x, noise): over elements and observations.

    The error at an observation is the norm of the difference, relative to the root mean square
    norm of all answers, with actions in the given units.

    Args:
        answer: The policy.
        symmetry: Of the coordinates that it sees, and of its action. With images only the elements
            that move them pixel by pixel are tried.
        states: (N, n)
        images: (N, C, H, W) by name.
        noise: How many normal draws it takes.
        units: Of each coordinate of the action, such as half the range of its limits. (m,)
    """
    if images:
        symmetry = symmetry.restrict(pixel_subgroup(symmetry))
    m = symmetry.width("action")
    drawn = np.random.default_rng(0).standard_normal((len(states), noise))
    here = answer(states, images, drawn) / units
    size = np.sqrt(np.mean(np.sum(here**2, axis=(1, 2)))) + 1e-12
    worst = 0.0
    for g in symmetry.group.elements:
        moved = {
            name: np.stack([_moved(symmetry, g, image, name) for image in batch])
            for name, batch in images.items()
        }
        turned = symmetry.act(g, action=drawn.reshape(-1, m)).reshape(drawn.shape)
        there = answer(symmetry.act(g, state=states), moved, turned) / units
        apart = there - symmetry.act(g, action=here)
        worst = max(worst, float(np.sqrt(np.sum(apart**2, axis=(1, 2)).max()) / size))
    return worst


def _moved(symmetry: Symmetry, g: int, image: np.ndarray, name: str) -> np.ndarray:
    frame = "hand" if name == IN_HAND else "world"
    return moved_image(symmetry.group, g, image.transpose(1, 2, 0), frame).transpose(2, 0, 1)
