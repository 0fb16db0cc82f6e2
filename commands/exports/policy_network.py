"""A policy's network as an ONNX file: held to its card, made from the weights where it is gone."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...control.onnx_policy import OnnxPolicy
from ...control.policy_card import NETWORK, WEIGHTS, PolicyCard, check_fit, read_card, write_card
from ...sim.load_task import named_task
from ...sim.task import Task
from .contents import ExportError

TRIED = 64
"""Starts from which the network is asked."""


@dataclass(frozen=True)
class Exported:
    """A network that has answered."""

    path: Path
    """Where it lies."""
    sha256: str
    """Of the file."""
    size: int
    """Bytes."""
    made: bool
    """Whether it was made now, from the weights."""
    inputs: Mapping[str, tuple[int, ...]]
    """Name -> shape of one observation's row."""
    outputs: Mapping[str, tuple[int, ...]]
    """The same of what it gives."""
    answer_ms: float
    """Median time of an answer on one thread, ms."""


def export_network(folder: Path, out: Path | None) -> Exported:
    """See to a policy's ``policy.onnx``, and copy it to a file if one is named.

    Every network is asked for `TRIED` starts of its task, and must answer with finite numbers.

    Raises:
        InputError: No policy, or a file that is not what its card says.
        ExportError: It cannot be made, its answers are not finite, or `out` is there already.
        OSError: The disk refuses.
    """
    card = read_card(folder)
    if out is not None and out.exists():
        raise ExportError(f"{out} is there already; name another one, or remove it")
    if out is not None and not out.absolute().parent.is_dir():
        raise ExportError(f"{out}: there is no folder {out.parent}")
    task = named_task(card.task, card.task_options, "a policy's card")
    task = check_fit(card, task, folder)
    made = not (folder / NETWORK).is_file()
    if made:
        card = _remade(folder, card, task)
    policy = OnnxPolicy(folder)
    taken = _asked(policy, card, task)
    final = folder / NETWORK
    if out is not None:
        partial = out.with_name(f".{out.name}.{os.getpid()}")
        try:
            shutil.copyfile(final, partial)
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
        final = out
    inputs: dict[str, tuple[int, ...]] = {"state": (1, len(card.state_names))}
    inputs |= {name: (1, *image.shape) for name, image in card.images.items()}
    inputs |= {"noise": (1, card.noise)} if card.noise else {}
    outputs: dict[str, tuple[int, ...]] = {
        "action": (1, card.chunk, len(card.action_names)),
        "uncertainty": (1,),
    }
    digest = card.files[NETWORK]
    return Exported(final, digest, final.stat().st_size, made, inputs, outputs, taken)


def _remade(folder: Path, card: PolicyCard, task: Task) -> PolicyCard:
    """Write the network's file from its weights; the card with the file's hash."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise ExportError(f"{folder}: there is neither {NETWORK} nor {WEIGHTS} in it")
    known = card.files.get(WEIGHTS)
    if known is not None and hashlib.sha256(path.read_bytes()).hexdigest() != known:
        raise ExportError(f"{path}: truncated, or not the file that its card is of")
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from ...control.policies.export import export_onnx
        from ...control.policies.network import Architecture, PolicyNetwork
        from ...nodes.training.onnx_file import ExportError as FileError
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{folder}: to make {NETWORK} from {WEIGHTS} needs {error.name}: "
            "pip install 'covary[learn]'"
        ) from error
    try:
        network = PolicyNetwork(task, card.state_names, card.images, Architecture.of(card.recipe))
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        said = " ".join(str(error).split())[:200]
        raise ExportError(f"{path}: not the weights that its card is of ({said})") from error
    states, images = _observations(card, task)
    stacked = {name: image.astype(np.float32) for name, image in images.items()}
    try:
        digest = export_onnx(network, folder / NETWORK, states, stacked)
    except FileError as error:
        raise ExportError(f"{folder}: {error}") from error
    card = replace(card, files={**card.files, NETWORK: digest})
    write_card(folder, card)
    return card


def _observations(card: PolicyCard, task: Task) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Starts of the task as the policy sees them, with made-up images. (N, n), (N, C, H, W) each"""
    rng = np.random.default_rng(0)
    index = [task.state_names.index(name) for name in card.state_names]
    states = np.stack([task.initial_state(rng) for _ in range(TRIED)])[:, index]
    images = {
        name: rng.uniform(0.0, 255.0 if image.shape[0] > 1 else 0.1, (TRIED, *image.shape))
        for name, image in card.images.items()
    }
    return states, images


def _asked(policy: OnnxPolicy, card: PolicyCard, task: Task) -> float:
    """Median time of the policy's answers, ms.

    Raises:
        ExportError: One is not finite.
    """
    states, images = _observations(card, task)
    policy.reset(np.random.default_rng(0))
    taken = []
    for row, state in enumerate(states):
        seen = {name: np.moveaxis(image[row], 0, -1) for name, image in images.items()}
        seen = {
            name: image[..., 0] if image.shape[-1] == 1 else image for name, image in seen.items()
        }
        began = time.perf_counter()
        action = policy.plan({"state": state, **seen})
        taken.append((time.perf_counter() - began) * 1e3)
        if not (np.isfinite(action).all() and np.isfinite(policy.uncertainty)):
            raise ExportError(f"{policy.folder / NETWORK}: an answer of it is not finite")
    return float(np.median(taken))
