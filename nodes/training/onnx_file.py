"""Networks as ONNX files: written from plain torch and held to it, opened by onnxruntime alone."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..launching.yaml_loader import InputError

if TYPE_CHECKING:
    import torch

OPSET = 17
TOLERANCE = 1e-5
"""Largest difference of the file's answers from the network's, relative to the largest answer."""


class ExportError(RuntimeError):
    """A file that does not answer as the network does; it is not kept."""


def write_onnx(
    network: torch.nn.Module,
    path: Path,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    expected: Sequence[np.ndarray],
    difference: Callable[[str, np.ndarray, np.ndarray], np.ndarray] | None = None,
    sizes: Mapping[str, float] | None = None,
) -> str:
    """Write a plain network as ONNX, for any number of rows at once.

    Args:
        network: In torch's own layers, on the CPU; its forward takes the inputs in their order.
        path: The file, written whole or not at all.
        inputs: Real ones by name, some dozens of rows: the file is held to what is expected there.
        outputs: Names of what it gives.
        expected: What it should give for them.
        difference: What is apart in an output of a name, of what is expected and what is given;
            None: one minus the other.
        sizes: Of outputs by name, what their numbers are told in units of: answers below are
            small because larger numbers cancel, whose rounding they show.

    Returns:
        The file's SHA-256.

    Raises:
        ExportError: The file answers otherwise, by more than 1e-5 relative.
        OSError: It cannot be written.
    """
    import torch

    names = [*inputs, *outputs]
    partial = path.with_suffix(".partial")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter, on constants that it folds
            torch.onnx.export(
                network,
                tuple(x[:1] for x in inputs.values()),
                str(partial),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: {0: "batch"} for name in names},
                opset_version=OPSET,
                dynamo=False,  # the other exporter takes 3 s a network
            )
        session = _session_of(partial.read_bytes(), 1)
        there = session.run(list(outputs), {name: x.numpy() for name, x in inputs.items()})
        for name, a, b in zip(outputs, expected, there, strict=True):
            if not np.isfinite(b).all():
                raise ExportError(f"{path.name}: {name} is not finite")
            off = a - b if difference is None else difference(name, a, b)
            least = max((sizes or {}).get(name, 0.0), 1e-6)
            size = max(float(np.abs(a).max(initial=0.0)), least)
            apart = np.abs(off).max(initial=0.0) / size  # a task without angles tells no directions
            if apart > TOLERANCE:
                raise ExportError(f"{path.name}: {name} differs from the network's by {apart:.1e}")
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def open_onnx(
    path: Path,
    wanted: str | None,
    card: Path,
    threads: int = 1,
    remedy: str = "covary export writes it",
) -> Any:
    """The session of a network's file, if it is the file that a card was written for.

    Args:
        path: The file.
        wanted: Its SHA-256 as the card has it.
        card: The card, for errors.
        threads: Of onnxruntime.
        remedy: What makes the file where it is gone.

    Raises:
        InputError: It is not there, was changed, or is no network.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InputError(f"{reason}; {remedy}", str(path)) from None
    found = hashlib.sha256(data).hexdigest()
    if wanted is None:
        raise InputError(f"files: no hash of {path.name}", str(card))
    if found != wanted:
        raise InputError(
            f"truncated or changed: its SHA-256 is {found[:12]}..., the card says {wanted[:12]}...",
            str(path),
        )
    try:
        return _session_of(data, threads)
    except ModuleNotFoundError:
        raise InputError("onnxruntime runs it: pip install 'covary[learn]'", str(path)) from None
    except Exception as error:  # onnxruntime has no one class for what it refuses
        raise InputError(f"no network: {str(error).splitlines()[0]}", str(path)) from None


def _session_of(data: bytes, threads: int) -> Any:
    import onnxruntime  # here, because a launch without a network must not pay for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
