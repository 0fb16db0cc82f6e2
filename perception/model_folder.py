"""The folder that a training of a model leaves, and the network that is read out of one."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..nodes import plugin
from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.run_folder import versions
from ..nodes.training.card_file import figures_of, finished_card, write_weights
from ..sim.load_task import check_may_import
from .model_card import CARD, FORMAT, WEIGHTS, ModelCard, read_model_card, write_model_card

if TYPE_CHECKING:
    from torch import nn

    from ..nodes.training.loop import Training

LEARNING = "perception.learning"
"""Where our methods lie."""


def write_model(training: Training) -> ModelCard:
    """Write the model of a training as it is: the weights that are kept, and the card.

    Raises:
        ExportError: An exported network does not answer as the trained one does.
        OSError: A file cannot be written.
    """
    training.use_best()
    learner: Any = training.method
    folder, p = training.folder, training.recipe.parameters
    folder.mkdir(parents=True, exist_ok=True)
    network = learner.kept
    network.eval()
    files = {WEIGHTS: write_weights(folder / WEIGHTS, network.state_dict())}
    files |= learner.exports(folder)
    data = {"path": training.data.path, "sha256": training.data.sha256}
    card = ModelCard(
        covary_model=FORMAT,
        method=p.method,
        mode=p.mode,
        recipe=training.recipe.resolved,
        seed=p.seed,
        revision=versions()["git_revision"] or "",
        parameters=sum(w.numel() for w in network.parameters() if w.requires_grad),
        metrics=_metrics(training),
        equivariance=_finite({"before": training.before, "after": learner.equivariance_error()}),
        files=files,
        **_with_data(learner.describes(), data),
    )
    write_model_card(folder, card)
    return card


def finished_model(training: Training) -> ModelCard | None:
    """The card of a training that is over and whose model is all there; else None."""
    return finished_card(training, CARD, read_model_card)


def load_model(folder: Path, card: ModelCard | None = None) -> nn.Module:
    """The trained network of a model's folder, in evaluation mode, on the CPU.

    Args:
        folder: The folder.
        card: Its card, if it has been read already.

    Raises:
        InputError: There is none, it is damaged, or its method is not known here; one line.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    folder = Path(folder)
    card = card or read_model_card(folder)
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error), str(path)) from None
    if hashlib.sha256(data).hexdigest() != card.files.get(WEIGHTS):
        said = f"not the weights that {CARD} was written with ({len(data)} bytes)"
        raise InputError(said, str(path))
    try:
        _check_imports(card)
    except plugin.PluginError as error:
        raise InputError(str(error), str(folder / CARD)) from None
    try:
        kind = plugin.load(card.method, LEARNING)
    except plugin.PluginError as error:
        raise InputError(f"method: {error}", str(folder / CARD)) from None
    if not hasattr(kind, "model_of"):
        raise InputError(f"method: {card.method!r} makes no models", str(folder / CARD))
    with torch.random.fork_rng(devices=[]):  # whoever loads one draws as before
        try:
            network = kind.model_of(card)
            network.load_state_dict(load(data))
        except (
            *(LookupError, TypeError, ValueError, AttributeError, RuntimeError),
            SafetensorError,
        ) as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(f"its weights are of another network ({said})", str(path)) from None
    return network.eval()


def _check_imports(card: ModelCard) -> None:
    """Hold what a card names to what somebody's file may have imported; a card may be anybody's.

    Raises:
        PluginError: It names a module that is neither ours nor in the working folder.
    """
    recipe = card.recipe
    again = (recipe.get("task", ""), recipe.get("task_options", {})), (recipe.get("world", ""), {})
    for spec, options in ((card.method, {}), (card.task, card.task_options), *again):
        known = options if isinstance(options, dict) else {}
        if isinstance(spec, str) and spec:
            check_may_import(spec, known, "a model's card")


def _with_data(described: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    return {**described, "data": {**data, **described.get("data", {})}}


def _metrics(training: Training) -> dict[str, float]:
    """Of the weights that are kept, of the method, and of the training as a whole."""
    learner: Any = training.method
    own = {name: float(value) for name, value in learner.metrics(training).items()}
    return _finite({**figures_of(training), **own})


def _finite(values: dict[str, float]) -> dict[str, float]:
    """The figures that are numbers: a card has no others."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
