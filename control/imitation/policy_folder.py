"""The folder that a training leaves: weights, network and card, with what was measured of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ...nodes.supervision.run_folder import versions
from ...nodes.training.card_file import figures_of, finished_card, write_weights
from ...sim.built_on import described
from ..policy_card import (
    CARD,
    CLAIM,
    FORMAT,
    NETWORK,
    WEIGHTS,
    PolicyCard,
    read_card,
    write_card,
)
from .training import Training

HELD = 32
"""Observations on which the exported network is held to the trained one."""


def write_policy(training: Training) -> PolicyCard:
    """Write the policy of a training as it is: the weights that are kept, the network, the card.

    Raises:
        ExportError: The exported network does not answer as the trained one does.
        OSError: A file cannot be written.
    """
    from ..policies.export import export_onnx

    training.use_best()
    policy, data, folder = training.method.policy, training.data, training.folder
    folder.mkdir(parents=True, exist_ok=True)
    policy.eval()
    some = training.method.validation
    rows = np.linspace(0, len(some) - 1, min(HELD, len(some))).astype(int)
    images = {name: image[rows].astype(np.float32) for name, image in some.images.items()}
    files = {WEIGHTS: write_weights(folder / WEIGHTS, policy.state_dict())}
    files[NETWORK] = export_onnx(policy, folder / NETWORK, some.state[rows], images)
    if (folder / CLAIM).is_file():
        files[CLAIM] = hashlib.sha256((folder / CLAIM).read_bytes()).hexdigest()
    p = training.recipe.parameters
    card = PolicyCard(
        covary_policy=FORMAT,
        task=data.task_name,
        task_options=data.task_options,
        state_topic=data.state_topic,  # type: ignore[arg-type]
        state_names=data.state_names,
        images=data.inputs,
        action_names=tuple(data.task.action_names),
        dt=data.task.dt,
        chunk=p.chunk,
        execute=p.execute,
        noise=policy.noise,
        symmetry=described(policy.symmetry),
        mode=p.mode,
        method=p.method,
        recipe=training.recipe.resolved,
        data={
            "path": data.path,
            "sha256": data.sha256,
            "episodes": data.episodes,
            "ticks": len(data),
            "seeds": list(data.seeds),
        },
        seed=p.seed,
        revision=versions()["git_revision"] or "",
        parameters=policy.parameter_count,
        metrics=figures_of(training),
        equivariance=_equivariance(training),
        files=files,
    )
    write_card(folder, card)
    return card


def keep_claim(path: Path, folder: Path) -> None:
    """Keep the symmetry file that a training was asked for beside its policy.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{CLAIM}.partial"
    partial.write_bytes(path.read_bytes())
    partial.replace(folder / CLAIM)


def finished(training: Training) -> PolicyCard | None:
    """The card of a training that is over and whose policy is all there; else None."""
    return finished_card(training, CARD, read_card)


def _equivariance(training: Training) -> dict[str, float]:
    """Errors before and after, and how far each relaxed layer has gone from exact."""
    found = {"before": training.before, "after": training.method.equivariance_error()}
    if training.recipe.parameters.mode == "relaxed":
        found |= {f"drift/{k}": float(v) for k, v in training.method.policy.drift().items()}
    return found
