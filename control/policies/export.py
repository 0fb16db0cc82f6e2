"""A network as the file that is deployed: plain layers, ONNX, held against the network itself."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..onnx_policy import OUTPUTS
from ..policy_card import NOISE, STATE
from .network import PolicyNetwork

OPSET = 17
TOLERANCE = 1e-5
"""Largest difference of the file's answers from the network's, relative to the largest answer."""


class ExportError(RuntimeError):
    """A file that does not answer as the network does; it is not kept."""


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
    partial = path.with_suffix(".partial")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter, on constants that it folds
            torch.onnx.export(
                plain,
                tuple(x[:1] for x in inputs),
                str(partial),
                input_names=names,
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "batch"} for name in (*names, *OUTPUTS)},
                opset_version=OPSET,
                dynamo=False,  # the other exporter takes 3 s a network
            )
        _check(network, partial, dict(zip(names, inputs, strict=True)))
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _check(network: PolicyNetwork, path: Path, inputs: Mapping[str, Tensor]) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    there = session.run(OUTPUTS, {name: x.numpy() for name, x in inputs.items()})
    device = network.middle.device
    given = [x.to(device) for x in inputs.values()]
    split = 1 + len(network.image_names)
    with torch.no_grad():
        here = network(given[0], given[1:split], given[split] if given[split:] else None)
    for name, a, b in zip(OUTPUTS, here, there, strict=True):
        expected = a.cpu().numpy()
        if not np.isfinite(b).all():
            raise ExportError(f"{path.name}: {name} is not finite")
        apart = np.abs(expected - b).max() / max(float(np.abs(expected).max()), 1e-6)
        if apart > TOLERANCE:
            raise ExportError(f"{path.name}: {name} differs from the network's by {apart:.1e}")
