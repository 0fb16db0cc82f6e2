"""Policies by name: a trained one's folder, or an outsider's class; held to the task at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..nodes import plugin
from ..nodes.launching.yaml_loader import InputError, nearest
from ..nodes.parameters import ParameterError
from ..sim.built_on import MismatchError
from ..sim.task import Task
from .policy import Policy
from .policy_card import CARD, NETWORK, PolicyCard, check_fit, read_card


@dataclass(frozen=True)
class Wants:
    """What a policy wants to be shown, and how long its answers hold."""

    state_topic: str
    """Where its state is published."""
    state_names: tuple[str, ...] = ()
    """The coordinates of the task's state that it sees, in its order; empty: all that come."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Topics of the images that it sees, by the names of its inputs."""
    shapes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Channels, height and width of these images, where they are known."""
    execute: int = 1
    """How many actions of an answer are executed before it is asked again."""
    chunk: int = 0
    """Actions in an answer; 0: not known."""
    doubts: bool = True
    """Whether it can say how sure it is: a deterministic head is never unsure."""
    symmetry: str = ""
    """Name of the group that it was built on; empty: not known."""


def is_folder(spec: str) -> bool:
    """Whether a policy's name means a folder, and not ``my_file:MyPolicy``."""
    return ":" not in spec or Path(spec).is_dir()


def policy_card(spec: str) -> PolicyCard:
    """The card in the folder of a policy.

    Raises:
        ParameterError: There is no such folder, or no card that can be read.
    """
    folder = Path(spec)
    if not folder.is_dir():
        beside = [found.parent.name for found in folder.parent.glob(f"*/{CARD}")]
        hint = nearest(folder.name, beside) or "; an outsider's is written my_file:MyPolicy"
        raise ParameterError(f"policy: there is no folder {spec}{hint}", "policy")
    try:
        return read_card(folder)
    except InputError as error:
        raise ParameterError(f"policy: {error}", "policy") from None


def policy_class(spec: str) -> Any:
    """The class that ``my_file:MyPolicy`` means.

    Raises:
        PluginError: There is none, or it is no policy.
    """
    try:
        cls = plugin.load(spec, "control")
    except plugin.PluginError as error:
        error.key = error.key or "policy"
        raise
    lacking = [word for word in ("reset", "act") if not hasattr(cls, word)]
    if lacking:
        text = f"policy {spec}: is no policy; it lacks {', '.join(lacking)}"
        raise plugin.PluginError(text, True, "policy")
    return cls


def wants_of(spec: str, task: Task) -> Wants:
    """What a policy wants in a task that it fits, with no network opened.

    An outsider's class may have attributes of the names of `Wants`; it sees all of /state without.

    Raises:
        ParameterError: There is none, or it does not fit the task; one line.
        PluginError: An outsider's that is none.
    """
    whole = "/ground_truth" if task.sensed else "/state"
    if not is_folder(spec):
        return _wants_of_class(spec, policy_class(spec), task)
    card = policy_card(spec)
    try:
        check_fit(card, task, Path(spec))
    except MismatchError as error:
        raise ParameterError(f"policy: {spec}: {error}", "policy") from None
    return Wants(
        card.state_topic if task.sensed else whole,
        card.state_names,
        {name: image.topic for name, image in card.images.items()},
        {name: image.shape for name, image in card.images.items()},
        card.execute,
        card.chunk,
        card.recipe.get("head") != "deterministic",
        str(card.symmetry.get("group", "trivial")),
    )


def _wants_of_class(spec: str, cls: Any, task: Task) -> Wants:
    """What an outsider's class says that it wants, in attributes of the names of `Wants`.

    Raises:
        ParameterError: One that is of another kind, or that the task has not.
    """

    def refuse(name: str, said: str) -> ParameterError:
        return ParameterError(f"policy: {spec}: {name}: {said}", "policy")

    whole = "/ground_truth" if task.sensed else "/state"
    topic = getattr(cls, "state_topic", "/state")
    if topic not in ("/state", "/ground_truth"):
        raise refuse("state_topic", f"{topic!r} is none of /state, /ground_truth")
    topic = topic if task.sensed else whole
    known = task.sensed_state()[0] if topic == "/state" else task.state_names
    names = getattr(cls, "state_names", ())
    if not isinstance(names, list | tuple):
        raise refuse("state_names", f"{names!r} is no list of coordinates")
    for name in names:
        if name not in known:
            hint = nearest(str(name), known) or f"; there are {', '.join(known)}"
            raise refuse("state_names", f"{topic} of {task.name} has no {name!r}{hint}")
    images = getattr(cls, "images", {})
    texts = isinstance(images, Mapping) and all(isinstance(t, str) for t in images.values())
    if not texts:
        example = '{"heightmap": "/camera/heightmap/image_raw"}'
        raise refuse("images", f"{images!r} is no mapping of names to topics, such as {example}")
    execute = getattr(cls, "execute", 1)
    if isinstance(execute, bool) or not isinstance(execute, int) or execute < 1:
        raise refuse("execute", f"{execute!r} is no whole number >= 1")
    return Wants(topic, tuple(names), dict(images), execute=execute)


def check_loadable(spec: str) -> None:
    """See whether a policy's network could be opened here.

    Raises:
        ParameterError: It is not in its folder, or not the one of the card, or what runs it is not
            installed.
    """
    if not is_folder(spec):
        return
    path = Path(spec) / NETWORK
    if not path.is_file():
        said = f"there is no {NETWORK} in it; covary export {spec} --onnx makes it"
        raise ParameterError(f"policy: {spec}: {said}", "policy")
    known = policy_card(spec).files.get(NETWORK)
    if known is not None and hashlib.sha256(path.read_bytes()).hexdigest() != known:
        said = f"{path} is truncated, or not the file that its card is of"
        raise ParameterError(f"policy: {said}", "policy")
    if find_spec("onnxruntime") is None:
        raise ParameterError(
            f"policy: {spec} needs onnxruntime, which is not installed: "
            "pip install 'covary[deploy]'",
            "policy",
        )


def load_policy(spec: str, task: Task) -> Policy:
    """The policy, ready to act.

    Raises:
        ParameterError: As `check_loadable`.
        PluginError: It cannot be built.
    """
    check_loadable(spec)
    try:
        if is_folder(spec):
            from .onnx_policy import OnnxPolicy  # onnxruntime only where it runs

            return OnnxPolicy(Path(spec))
        return policy_class(spec)(task)
    except plugin.PluginError:
        raise
    except InputError as error:
        raise ParameterError(f"policy: {error}", "policy") from None
    except (Exception, SystemExit) as error:  # a broken file, or an outsider's, in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise plugin.PluginError(f"policy {spec}: cannot be built ({said})", True, "policy") from (
            error
        )
