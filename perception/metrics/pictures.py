"""Pictures of predictions: true frames over the horizon, and below them what was foreseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from .evaluation import Held, latents

EPISODES = 4
"""In a picture."""
_SIDE, _GAP, _LABEL, _LEFT = 64, 4, 16, 74  # pixels


@torch.no_grad()
def foreseen(model: Any, held: Held, path: Path, title: str, among: int = 1000) -> Path:
    """Draw, for some episodes, the true frames and those nearest to the predicted latents.

    The nearest are looked for among all frames of `among` episodes. Where the model decodes, what
    it makes of the predicted latents is the third row.

    Args:
        model: A `LatentModel`.
        held: Episodes.
        path: The PNG file.
        title: What stands over it.
        among: Episodes.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: It cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    world, shown = held.world, min(EPISODES, len(held.states))
    pool = held.states[:among].reshape(-1, *held.states.shape[2:])
    known = latents(model, world, pool)
    z = latents(model, world, held.states[:shown, 0])
    predicted = model.rollout(z, torch.from_numpy(held.actions[:shown]).to(z))
    horizon = predicted.shape[1]
    nearest = torch.cdist(predicted.flatten(0, 1), known).argmin(1).view(shown, horizon)
    decoded = None
    if model.decoder is not None:
        images = model.decoder(predicted.flatten(0, 1))
        decoded = images.view(shown, horizon, *images.shape[1:]).clamp(0, 255).byte().cpu().numpy()
    rows = ["true", "nearest"] + (["decoded"] if decoded is not None else [])
    high = len(rows) * (_SIDE + _GAP) + _LABEL
    size = (_LEFT + (horizon + 1) * (_SIDE + _GAP) + 12, 36 + shown * high)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    draw.text((12, 10), title, fill=(40, 40, 40), font=ImageFont.load_default(14))
    for e in range(shown):
        top = 36 + e * high
        for k in range(horizon + 1):
            left = _LEFT + k * (_SIDE + _GAP)
            if e == 0:
                draw.text((left, top - 12), f"{k} steps" if k else "now", fill=0, font=font)
            frames = [world.frames(held.states[e, k : k + 1])[0]]
            if k:
                frames.append(world.frames(pool[int(nearest[e, k - 1])][None])[0])
                if decoded is not None:
                    frames.append(decoded[e, k - 1])
            for row, frame in enumerate(frames):
                y = top + row * (_SIDE + _GAP)
                picture.paste(Image.fromarray(visible(frame)), (left, y))
        for row, word in enumerate(rows):
            draw.text((12, top + row * (_SIDE + _GAP) + 26), word, fill=(40, 40, 40), font=font)
    picture.save(path, format="PNG")
    return path


def visible(frame: np.ndarray) -> np.ndarray:
    """The last three channels, or the only one as grey. (C, H, W) -> (_SIDE, _SIDE, 3)"""
    colours = (frame[-3:] if len(frame) >= 3 else np.repeat(frame[:1], 3, axis=0)).transpose(
        1, 2, 0
    )
    at = np.arange(_SIDE) * len(colours) // _SIDE
    return np.ascontiguousarray(colours[at][:, at])
