"""Images as what is audited: their pixels as rows, the group that moves them, the encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...nodes.launching.yaml_loader import InputError, in_a_line
from ...symmetry.audit.images import Encoder

THREADS = 1
BATCH = 64
"""Images that a network is shown at once."""


@dataclass(frozen=True)
class Pixels:
    """What the rows of a state are the pixels of.

    Attributes:
        shape: H, W, C.
        encoder: In its distances images are alike; None: ours.
        name: Of the encoder.
    """

    shape: tuple[int, int, int]
    encoder: Encoder | None = None
    name: str = "edges in eight directions"


def rows_of(
    arrays: Mapping[str, np.ndarray], place: str, samples: int, seed: int, encoder: Path | None
) -> tuple[dict[str, np.ndarray], Pixels]:
    """Images as rows of numbers, at most as many as are looked at.

    Args:
        arrays: `state` (N, H, W) or (N, H, W, C), bytes or finite numbers, and others as long.
        place: The file's name.
        samples: At most.
        seed: Of their choice.
        encoder: A network that tells features of images; None: ours.

    Raises:
        InputError: What is no images, or what cannot be audited beside them.
    """
    images = arrays["state"]
    if 0 in images.shape:
        raise InputError(f"state: no images: its shape is {images.shape}", place)
    for name in ("next_state", "reward"):
        if name in arrays:
            raise InputError(f"{name}: of images only label or action can be audited", place)
    shape = (*images.shape[1:3], images.shape[3] if images.ndim == 4 else 1)
    pixels = Pixels(shape)
    if encoder is not None:
        pixels = Pixels(shape, network(encoder, shape), str(encoder))
    chosen = np.arange(len(images))
    if len(images) > samples:
        chosen = np.sort(np.random.default_rng(seed).choice(len(images), samples, replace=False))
    found = {name: rows[chosen] for name, rows in arrays.items()}
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    found["state"] = found["state"].reshape(len(chosen), -1).astype(float) / scale
    return found, pixels


def network(path: Path, shape: tuple[int, int, int]) -> Encoder:
    """An ONNX network as an encoder: images (N, C, H, W) from 0 to 1, features out.

    Raises:
        InputError: No such network, or it answers with no features.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.log_severity_level = 4  # what is wrong is said here, in a line
    try:
        data = path.read_bytes()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise InputError(f"--encoder: {error.strerror}", str(path)) from None
    except Exception as error:  # onnxruntime has no one class for what goes wrong
        raise InputError(
            f"--encoder: no ONNX network: {in_a_line(str(error))}", str(path)
        ) from None
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise InputError(f"--encoder: it takes {names}; an encoder takes images alone", str(path))
    first = inputs[0].shape[0] if inputs[0].shape else None
    at_once = first if isinstance(first, int) else BATCH

    def encode(images: np.ndarray) -> np.ndarray:
        stacked = np.moveaxis(np.asarray(images, np.float32), 3, 1)
        told = []
        for k in range(0, len(stacked), at_once):
            part = stacked[k : k + at_once]
            short = at_once - len(part) if isinstance(first, int) else 0
            padded = np.concatenate([part, np.repeat(part[-1:], short, axis=0)])
            try:
                found = np.asarray(session.run(None, {inputs[0].name: padded})[0], float)
            except Exception as error:
                said = in_a_line(str(error))
                raise InputError(f"--encoder: it fails: {said}", str(path)) from None
            if found.ndim < 2 or len(found) != len(padded) or not np.isfinite(found).all():
                said = f"answers of the shape {found.shape} to {len(padded)} images"
                raise InputError(f"--encoder: {said}, or not finite", str(path))
            told.append(found.reshape(len(padded), -1)[: len(part)])
        return np.concatenate(told)

    encode(np.zeros((1, *shape)))
    return encode
