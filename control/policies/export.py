"""A network as the file that is deployed: plain layers, ONNX, held against the network itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...nodes.training.onnx_file import write_onnx
from ..onnx_policy import OUTPUTS
from ..policy_card import NOISE, STATE
from .network import PolicyNetwork


class _Positional(nn.Module):
    """The inputs one after the other, as ONNX has them."""

    def __init__(self, network: nn.Module, images: int) -> None:
        super().__init__()
        self.network, self.images = network, images

    def forward(self, state: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        """State, images, and noise where there is any."""
        rest = others[self.images :]
        return self.network(state, others[: self.images], rest[0] if rest else None)


def export_onnx(
    network: PolicyNetwork, path: Path, states: np.ndarray, images: Mapping[str, np.ndarray]
) -> str:
    """Write a network as ONNX, for any number of observations at once.

    Args:
        network: On any device; it is not changed.
        path: The file, written whole or not at all.
        states: Real observations, some dozens: the file is held to the network on them. (N, n)
        images: (N, C, H, W) by name.

    Returns:
        The file's SHA-256.

    Raises:
        ExportError: The file answers otherwise, by more than 1e-5 relative.
    """
    names = [STATE, *network.image_names]
    arrays = [states, *(images[name] for name in network.image_names)]
    if network.noise:
        names.append(NOISE)
        arrays.append(np.random.default_rng(0).standard_normal((len(states), network.noise)))
    inputs = tuple(torch.as_tensor(np.ascontiguousarray(a)).float() for a in arrays)
    plain = copy.deepcopy(network.export())  # what it shares with the network must stay where it is
    plain = _Positional(plain, len(network.image_names)).cpu().eval()
    device, split = network.middle.device, 1 + len(network.image_names)
    given = [x.to(device) for x in inputs]
    with torch.no_grad():
        here = network(given[0], given[1:split], given[split] if given[split:] else None)
    expected = [a.cpu().numpy() for a in here]
    return write_onnx(plain, path, dict(zip(names, inputs, strict=True)), OUTPUTS, expected)
