"""What `covary train` does for a policy: opens demonstrations, writes the policy, tells of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ...nodes.launching.yaml_loader import InputError

CARD = "policy.yaml"
"""Of the folder that it leaves."""


def opened(recipe: Any) -> Any:
    """The training, with its data.

    Raises:
        InputError: The dataset is none, or lacks what is asked for.
    """
    from ...control.imitation.demonstrations import DemonstrationsError, read_demonstrations
    from ...control.imitation.policy_folder import keep_claim
    from ...control.imitation.training import Training
    from ...sim.symmetry_claim import claimed

    p = recipe.parameters
    try:
        data = read_demonstrations(
            p.data, p.observation, p.images, p.success_only, p.demonstrations or None
        )
        task, word = claimed(data.task, p.symmetry)
        if task is not data.task:
            data = replace(data, task=task)
        if word != p.symmetry:
            recipe = replace(recipe, parameters=replace(p, symmetry=word))
        training = Training(recipe, data)
        if word != p.symmetry:
            keep_claim(Path(p.symmetry), training.folder)
        return training
    except DemonstrationsError as error:
        raise InputError(str(error)) from None


def finished(training: Any) -> Any:
    """The card of a training that is over and whose policy is all there; else None."""
    from ...control.imitation import policy_folder

    return policy_folder.finished(training)


def written(training: Any) -> Any:
    """Write the policy as it is; its card.

    Raises:
        ExportError: The exported network does not answer as the trained one does; one line.
        OSError: A file cannot be written.
    """
    from ...control.imitation.policy_folder import write_policy

    return write_policy(training)


def remarks(training: Any) -> list[str]:
    """What a person might not expect of what is trained."""
    p, data, found = training.recipe.parameters, training.data, []
    if p.demonstrations > data.episodes:
        found.append(f"{data.episodes} demonstrations, not {p.demonstrations}: there are no more")
    if p.images and not p.observation and data.state_topic != "/state":
        found.append(
            f"beside its images the policy sees {data.state_topic}, where things are; "
            "observation:=/state leaves that out"
        )
    whole, own = data.task.symmetry.group.name, training.method.policy.symmetry.group.name
    if p.images and p.symmetry == "full" and own != whole:
        found.append(f"symmetry {own} of {whole}: what moves pixels onto pixels")
    if not training.step and training.method.prelude:
        found.append(training.method.prelude)
    return found


def summary(training: Any) -> dict[str, Any]:
    """What only a policy's training has to say."""
    data, policy = training.data, training.method.policy
    return {
        "task": data.task_name,
        "task_options": data.task_options,
        "symmetry": policy.symmetry.group.name,
        "parameters": policy.parameter_count,
        "data": {
            "path": data.path,
            "sha256": data.sha256,
            "episodes": data.episodes,
            "ticks": len(data),
            "seeds": list(data.seeds),
        },
        "images": {name: list(image.shape) for name, image in data.inputs.items()},
    }


def pictures(training: Any, card: Any) -> list[Path]:
    """What a backwards model imagined last, where the method has one.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    from ..pictures.traces_map import moving, traces_map

    method, data = training.method, training.method.training
    if "trace_state" not in method.memory:
        return []
    state, after, step = (method.memory[f"trace_{n}"] for n in ("state", "next_state", "step"))
    found = moving(data.state_names, training.method.policy.seen.points, data.state)
    path = training.folder / "traces.png"
    traces_map(
        {name: data.state[:, at] for name, at in found.items()},
        data.episode,
        {name: (state[:, at], after[:, at]) for name, at in found.items()},
        step,
        path,
        f"{training.recipe.parameters.method} on {data.task_name}: what leads to the "
        "demonstrations",
    )
    return [path]
