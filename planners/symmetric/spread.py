"""Whether the noise of a planner goes with its group, found out without a rollout."""

from __future__ import annotations

from typing import Any

import numpy as np

SHOWN = 24
"""Samples, at most, that an update is shown."""
ALIKE = 1e-6
"""What is rounding, as a fraction of the noise; a wrong spread differs by far more."""


def check_spread(planner: Any) -> None:
    """Refuse noise that does not go with the group.

    ``scaled(g memory, g z) = g scaled(memory, z)`` is tried for a draw z and each generator g: with
    the memory that an episode begins with; with what an update makes of it by drawn samples and
    costs, moved and not, since what is adapted is nothing yet at first; and with what the next plan
    makes of that.

    Args:
        planner: Before its first plan.

    Raises:
        ValueError: It does not; with the likely reason.
    """
    s, samples = planner.symmetry, planner.samples
    if len(planner.elements) == 1:
        return
    rng, first = np.random.default_rng(0), planner.initial_memory(0)
    draw = rng.standard_normal((1, *planner.initial_std.shape))

    def goes(memory: Any, moved: Any, g: int) -> bool:
        here = s.act(g, action=_spread(planner, memory, draw))
        off = _spread(planner, moved, s.act(g, action=draw)) - here
        return bool(np.abs(off).max() <= ALIKE * np.abs(here).max())

    if not all(goes(first, first.act(s, g), g) for g in s.group.generators):
        raise ValueError(
            f"noise: it is not as wide in all directions that {s.group.name} makes of each other, "
            "so plans would not go with the group: give them one spread, or plan with symmetry none"
        )
    samples.use(min(planner.parameters.samples, SHOWN))
    samples.noise[:] = rng.standard_normal(samples.noise.shape)
    planner.scaled(first, samples.noise)
    samples.act(first.mean, planner.spline, planner.task.limits, [])
    noise, actions = samples.noise.copy(), samples.actions.copy()
    samples.use(planner.parameters.samples)
    costs = rng.gamma(2.0, size=len(noise))
    learned = planner.update(first, noise, actions, costs.copy())
    for g in s.group.generators:
        shown = s.act(g, action=noise), s.act(g, action=actions)
        there, later = planner.update(first.act(s, g), *shown, costs.copy()), planner.respread
        if not goes(learned, there, g):
            reason, way = _likely(planner, learned)
        elif not goes(later(learned), later(learned.act(s, g)), g):
            reason, way = "not moved with its memory", "let the memory's `act` move it"
        else:
            continue
        raise ValueError(
            f"scaled: the spread that {type(planner).__name__} adapts is {reason}, so its plans "
            f"would not go with {s.group.name}: {way}, or plan with symmetry_mode canonical"
        )


def _spread(planner: Any, memory: Any, draw: np.ndarray) -> np.ndarray:
    noise = draw.copy()
    planner.scaled(memory, noise)
    return noise


def _likely(planner: Any, memory: Any) -> tuple[str, str]:
    """Why a spread does not go with the group, and what would, by the map that it is."""
    size, shape = planner.initial_std.size, (1, *planner.initial_std.shape)
    matrix = np.stack(
        [_spread(planner, memory, row.reshape(shape)).ravel() for row in np.eye(size)]
    )
    tiny = 1e-12 * np.abs(matrix).max()
    below, above = (np.abs(part).max() > tiny for part in (np.tril(matrix, -1), np.triu(matrix, 1)))
    if not below and not above:
        return "a deviation of each coordinate for itself", "take one for each of `blocks`"
    if below != above:
        return "a triangular (Cholesky) factor", "take the symmetric root, as cma_es does"
    return "not that of moved samples moved", "take means and products, which go with it"
