"""Point clouds whose group is known: an object that is moved by random elements of it."""

import numpy as np

from covary.symmetry.discovery.catalogue import sampler
from covary.symmetry.discovery.cloud import Cloud, cloud

ARROW = np.array(
    [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.5, 0.0], [0.7, 0.45], [1.2, -0.25], [1.35, 0.12]]
)
"""An arrow with one barb, so that no mirror keeps it."""
TETRAHEDRON = np.array([[0.1, 0.2, -0.1], [1.0, 0.0, 0.1], [0.5, 1.0, 0.2], [0.3, 0.4, 1.1]])
"""Four corners at no even distances."""


def orbit(
    name: str,
    samples: int = 2000,
    dimension: int = 2,
    seed: int = 0,
    centre: tuple[float, ...] = (),
    noise: float = 0.01,
    frame: np.ndarray | None = None,
    sizes: float = 0.2,
) -> Cloud:
    """An object of random size, moved by random elements of a group.

    Args:
        name: Of the group, as the catalogue has it.
        samples: How many.
        dimension: Of space.
        seed: Of all draws.
        centre: That the group leaves in place; the origin if it is empty.
        noise: Standard deviation on each coordinate.
        frame: Axes of the group; None: its own.
        sizes: By which share the object is larger or smaller at most. GL(2)+ holds changes of size,
            of which these are some, so a finite group of it is looked for with 0.
    """
    rng = np.random.default_rng([seed, 3])
    base = ARROW if dimension == 2 else TETRAHEDRON
    axes = np.eye(dimension) if frame is None else frame
    moved = sampler(name, dimension, axes)(samples, rng)
    points = base * rng.uniform(1.0 - sizes, 1.0 + sizes, (samples, 1, 1))
    points = points @ np.swapaxes(moved, 1, 2) + np.array(centre or np.zeros(dimension))
    return cloud(points + noise * rng.standard_normal(points.shape))
