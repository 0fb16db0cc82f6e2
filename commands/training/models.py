"""What `covary train` does for an encoder or a world model: its method does most of it itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

CARD = "model.yaml"
"""Of the folder that it leaves."""


def opened(recipe: Any) -> Any:
    """The training, with the data that its method opens or makes."""
    return recipe.kind.begin(_with_a_word(recipe))


def _with_a_word(recipe: Any) -> Any:
    """The recipe with the group of a symmetry file in place of the file, if it names one.

    Raises:
        InputError: There is no task to hold the file to, or it claims more than the task declares.
        ParameterError, PluginError: The file or the task cannot be had, or do not fit each other.
    """
    from ...sim.load_task import load_task
    from ...sim.symmetry_claim import claimed, is_file

    p = recipe.parameters
    if not is_file(p.symmetry):
        return recipe
    if not getattr(p, "task", ""):
        said = "a file is held to a task: say task:=NAME beside it, or a word such as C4"
        raise recipe.mistake("symmetry", f"{p.symmetry}: {said}")
    declared = load_task(p.task, p.task_options)
    task, word = claimed(declared, p.symmetry)
    if task is not declared:
        said = f"it claims {word}, and {p.task} declares less; a model takes what restricts a task"
        raise recipe.mistake("symmetry", f"{p.symmetry}: {said}")
    return replace(recipe, parameters=replace(p, symmetry=word))


def finished(training: Any) -> Any:
    """The card of a training that is over and whose model is all there; else None."""
    from ...perception.model_folder import finished_model

    return finished_model(training)


def written(training: Any) -> Any:
    """Write the model as it is; its card.

    Raises:
        ExportError: An exported network does not answer as the trained one does; one line.
        OSError: A file cannot be written.
    """
    from ...perception.model_folder import write_model

    return write_model(training)


def remarks(training: Any) -> list[str]:
    """What a person might not expect of what is trained."""
    prelude = training.method.prelude
    return [prelude] if prelude and not training.step else []


def summary(training: Any) -> dict[str, Any]:
    """What only a model's training has to say."""
    said, network = training.method.describes(), training.method.kept
    return {
        "task": said["task"],
        "task_options": said.get("task_options", {}),
        "symmetry": said["symmetry"].get("group", "trivial"),
        "parameters": sum(w.numel() for w in network.parameters() if w.requires_grad),
        "data": {
            "path": training.data.path,
            "sha256": training.data.sha256,
            **said.get("data", {}),
        },
        "images": {name: list(shape) for name, shape in said.get("images", {}).items()},
        "does": list(said.get("does", ())),
        "units": _units(said) if "state_names" in said else {},  # worlds of pixels have none
    }


def _units(said: dict[str, Any]) -> dict[str, str]:
    """Of a task's coordinates, where the task says them."""
    from ...sim.load_task import load_task

    task = load_task(said["task"], said.get("task_options", {}))
    return dict(zip(task.state_names, task.state_units, strict=False))


def pictures(training: Any, card: Any) -> list[Path]:
    """What the method draws of the weights that are kept; nothing before they are written.

    Raises:
        ModuleNotFoundError: A drawing package is not installed.
        OSError: A file cannot be written.
    """
    return training.method.pictures(training) if card is not None else []
