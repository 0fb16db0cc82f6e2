"""`Training`: the loop of all trainings around a method of imitation and its demonstrations."""

from __future__ import annotations

from ...nodes.training import loop
from ...nodes.training.recipe import Recipe
from .demonstrations import Demonstrations
from .method import Method


class Training(loop.Training):
    """One training of a policy in its folder; it goes on with what is there.

    Args:
        recipe: What to do.
        data: What to learn from.

    Raises:
        InputError: The folder holds a training of another recipe or of other data, or a checkpoint
            that is damaged.
        DemonstrationsError: Too few demonstrations.
    """

    method: Method
    data: Demonstrations

    def __init__(self, recipe: Recipe, data: Demonstrations) -> None:
        p = recipe.parameters

        def made(device) -> Method:
            split = data.split(p.validation, loop.keyed(p.seed, loop.SPLIT))
            return recipe.kind(*split, p, device)  # type: ignore[call-arg]

        super().__init__(recipe, data, made)
