"""What a perception node looks with: a trained network, and what follows what that tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..nodes.launching.yaml_loader import InputError
from ..nodes.parameters import ParameterError
from ..sim.built_on import MismatchError
from ..sim.planner_plugin import build_dynamics, is_folder
from ..sim.task import Task
from .image_estimator import ImageEstimator, read_estimator
from .joint_sensors import JointSensors
from .latent_observer import LatentObserver, correction
from .latent_task import LatentTask, is_latent, same_model
from .learned_dynamics import PLANS, LearnedDynamics
from .model_card import ModelCard, is_model, read_model_card
from .observer import Following, Observer


def checked(
    task: Task, folder: str, model: str, planned_with: str | None, joint_states: bool
) -> ModelCard:
    """The card of a network that fits the task, the model and whoever plans; nothing is opened.

    Args:
        task: The task.
        folder: The network's.
        model: What foretells, as a launch says it.
        planned_with: What is planned with, as a launch says it; empty: nobody plans; None: not
            known.
        joint_states: Whether joints are told too.

    Raises:
        ParameterError: It is none that sees, or one of another task; a model that foretells no
            states; a latent that whoever hears it does not know; one line.
    """
    try:
        card = read_estimator(Path(folder), task)
    except (InputError, MismatchError) as error:
        said = str(error)  # which names the folder, or a file in it, where that is to blame
        said = said if said.startswith(folder) else f"{folder}: {said}"
        raise ParameterError(f"perception: {said}", "perception") from None
    if is_latent(card):
        _check_alone(folder, model, planned_with, joint_states)
        return card
    for name, which in (("model", model), ("planned_with", planned_with)):
        if not (which and is_folder(which) and is_model(Path(which))):
            continue
        try:
            other = read_model_card(Path(which))
        except InputError as error:
            raise ParameterError(f"model: {which}: {error}", name) from None
        if name == "model" and PLANS in other.does:
            said = "it plans in a latent and foretells no states; say foretold_by:=numba or "
            raise ParameterError(f"model: {which}: {said}a state model's folder", "model")
        if is_latent(other):
            said = f"it plans in its own latents, and perception:={folder} tells states"
            raise ParameterError(f"model: {which}: {said}", name)
    return card


def _check_alone(folder: str, model: str, planned_with: str | None, joint_states: bool) -> None:
    """Hold whoever hears a latent to the model that it is of."""
    if joint_states:
        said = f"joint_states: perception:={folder} tells latents, of which joints are none"
        raise ParameterError(said, "joint_states")
    for name, which in (("planned_with", planned_with), ("model", model)):
        if which is None or (name == "model" and not which):
            continue
        if not (which and is_folder(which) and same_model(Path(folder), Path(which))):
            who = {"model": f"foretold_by:={which}"}.get(
                name, f"model:={which}" if which else "a policy"
            )
            said = f"it tells latents that only a planner with model:={folder} knows, not {who}"
            raise ParameterError(f"perception: {folder}: {said}", name)


def opened(
    task: Task, folder: str, model: str, joint_states: bool, device: str
) -> tuple[ImageEstimator, JointSensors | None, Following]:
    """The network, the joints' sensors and what follows both.

    Raises:
        ParameterError: They cannot be opened, or do not fit each other.
    """
    try:
        eyes = ImageEstimator(Path(folder), task, device)
        correct = correction(Path(folder), eyes.card) if is_latent(eyes.card) else None
    except InputError as error:
        raise ParameterError(f"perception: {error}", "perception") from None
    except ValueError as error:
        raise ParameterError(str(error), "device") from None
    if correct is not None:
        foretells = LearnedDynamics.of(task, folder)
        assert isinstance(foretells.task, LatentTask)
        return eyes, None, LatentObserver(foretells.task, foretells, correct, eyes.deviation)
    joints = JointSensors(task) if joint_states else None
    dynamics = build_dynamics(task, model, 0.8) if model else None
    off = getattr(getattr(dynamics, "card", None), "facts", {}).get("deviation")
    places = [*eyes.places, *(joints.places if joints else ())]
    turning = np.array([*eyes.turning, *(joints.turning if joints else ())])
    off = None if off is None else np.array(off, float)
    try:
        return eyes, joints, Observer(task, places, turning, dynamics, off)
    except ValueError as error:
        raise ParameterError(f"model: {error}", "model") from None
