"""`GraphedEstimate`: an encoder's estimates by torch, on a GPU as one CUDA graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...sim.torch_graph import Graph
from ..model_card import ModelCard
from ..model_folder import load_model


class GraphedEstimate:
    """Answers as `estimate.onnx` does. The graph is captured once.

    Args:
        folder: The encoder's.
        card: Its card.
        device: ``cuda``; on ``cpu`` the same network runs without a graph.

    Raises:
        InputError: The folder is damaged.
        ValueError: torch sees no such device.
    """

    def __init__(self, folder: Path, card: ModelCard, device: str) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device: cuda: torch sees no GPU here; take cpu")
        torch.set_num_threads(1)
        torch.backends.cudnn.allow_tf32 = False  # as it was trained, and as on a CPU
        network: Any = load_model(folder, card)
        self._estimate = network.export().to(device)
        channels, height, width = next(iter(card.images.values()))
        shape = (1, network.frames * channels, height, width)
        self._given = torch.zeros(shape, device=device)
        self._replay = Graph(self._operations) if device == "cuda" else self._operations

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """Value, and deviation of a state. (1, frames * C, H, W) -> (1, k), (1, k)"""
        self._given.copy_(torch.from_numpy(images))
        self._replay()
        return [found.cpu().numpy() for found in self._found]

    @torch.no_grad()
    def _operations(self) -> None:
        self._found = self._estimate(self._given)
