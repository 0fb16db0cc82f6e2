"""`GraphedEstimate`: an encoder's estimates by torch, on a GPU as one CUDA graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..model_card import ModelCard
from ..model_folder import load_model

_WARM_UPS = 3  # estimates before the graph is captured, as torch asks for


class GraphedEstimate:
    """Answers as `estimate.onnx` does. The graph is captured once; not measured on a GPU yet.

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
        network: Any = load_model(folder, card)
        self._estimate = network.export().to(device)
        channels, height, width = next(iter(card.images.values()))
        shape = (1, network.frames * channels, height, width)
        self._given = torch.zeros(shape, device=device)
        self._graph = self._captured() if device == "cuda" else None

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Value and deviation. (1, frames * C, H, W) -> (1, k), (1, k)"""
        self._given.copy_(torch.from_numpy(images))
        if self._graph is None:
            with torch.inference_mode():
                self._found = self._estimate(self._given)
        else:
            self._graph.replay()
        value, deviation = self._found
        return value.cpu().numpy(), deviation.cpu().numpy()

    @torch.no_grad()
    def _captured(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._estimate(self._given)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._found = self._estimate(self._given)
        return graph
