"""The images that `residuals` grades: the image of a moved scene against the moved image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..symmetry.pixels import moved_image
from .camera_view import HeightmapView
from .dialled_senses import dialled_view, image_noise, is_mirrored, noisy_image
from .dials import Dials
from .heightmap import Heightmap
from .plant import Plant

VIEWS = ("heightmap", "rgb")
"""What can be graded: heights by parallel rays from above (m), and the model's camera ``top``
(shares of full scale)."""
PIXELS = 64


def drawer(plant: Plant, dials: Dials, name: str) -> tuple[Callable, Callable]:
    """What draws a view of a plant as its dials have it, and what closes it.

    Args:
        plant: The plant.
        dials: Its dials.
        name: One of `VIEWS`.

    Raises:
        ValueError: No such view.
        CameraError: Nothing can be rendered here.
    """
    if name == "heightmap":
        view = dialled_view(HeightmapView(PIXELS, plant.task.extent), dials)
        return Heightmap(plant, view).image, lambda: None
    if name == "rgb":
        from .camera import Camera, top_view  # GL only where it is asked for

        camera = Camera(plant, dialled_view(top_view(plant, PIXELS, PIXELS), dials))
        return camera.rgb, camera.close
    raise ValueError(f"images: {name!r} is none of {', '.join(VIEWS)}")


def image_residual(
    plant: Plant, dials: Dials, draw: Callable, seed: int
) -> Callable[[int, int, np.ndarray], float]:
    """Mean difference of two images over their pixels: residual(i, g, x) of draw i in state x.

    Noise and mirror of draw i are the same for all elements, the noise moved along with the image.
    """
    s = plant.task.symmetry

    def seen(x: np.ndarray) -> np.ndarray:
        plant.reset(x)
        return draw()

    def residual(i: int, g: int, x: np.ndarray) -> float:
        key = (seed, i, 0)
        here, there = seen(x), seen(s.act(g, state=x))
        if dials.mirrored_image and is_mirrored(dials, key):
            here, there = here[:, ::-1], there[:, ::-1]
        noise: Any = image_noise(dials, here.shape, key) if dials.observation_noise else None
        along = None if noise is None else moved_image(s.group, g, noise)
        expected = moved_image(s.group, g, noisy_image(here, noise)).astype(float)
        scale = 255.0 if here.dtype == np.uint8 else 1.0
        return float(np.abs(noisy_image(there, along) - expected).mean() / scale)

    return residual
