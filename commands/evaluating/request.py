"""What the words of `covary evaluate` ask for, held to what there is."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...control.load_policy import wants_of
from ...control.policy_card import PolicyCard, read_card
from ...nodes import plugin
from ...nodes.bags.bag import BagError
from ...nodes.bags.dataset import read_card as read_dataset_card
from ...nodes.launching.launch_file import arguments, read_assignments
from ...nodes.launching.variables import Variable
from ...nodes.launching.yaml_loader import InputError, in_a_line, nearest
from ...nodes.parameters import ParameterError, from_dict
from ...sim.dials import check_dials, dials_from
from ...sim.images import HEIGHTMAP, IN_HAND, TOP, check_images
from ...sim.load_task import check_may_import, check_plant_parameters, load_task
from ...sim.sim_parameters import SimParameters
from ...sim.task import Task
from .actors import PLACE, Who, kind_of, launch_of, planner_parameters
from .episodes import Job, Setting
from .grid import Grid, grid_of

SEEING = ("perception", "foretold_by", "anomaly_limit", "perception_device", "joint_states")
"""Arguments of launch files about a process that an evaluation has not."""
OWN = ("episodes", "seed", "workers", "dials", "engine", "out", "map", "grid")
IMAGES = ("camera", "cameras", HEIGHTMAP, IN_HAND)
GYM_TASK = "covary.sim.gym.gym_task:GymTask"
_TOPIC = re.compile(r"/camera/([a-z][a-z0-9_]*)(/depth)?/image_raw")
_MOST_CONDITIONS = 100
_MOST_JOBS = 1_000_000
_MOST_WORKERS = 256


@dataclass(frozen=True)
class Request:
    """An evaluation."""

    setting: Setting
    """What is run."""
    jobs: tuple[Job, ...]
    """In which order."""
    dials: tuple[Mapping[str, float], ...]
    """The dials of each condition, as they were given."""
    task: Task
    """What is to be done."""
    spec: str
    """Its name."""
    options: Mapping[str, str]
    """Its options."""
    engine: str
    seed: int
    workers: int
    out: Path | None
    """The folder for figures and pictures; None: a new one under runs/."""
    card: PolicyCard | None
    """Of the policy, where it has one."""
    episodes: int
    """In each condition; with a map, in each cell."""


def request(policy: str, words: Sequence[str]) -> Request:
    """The evaluation that a command line asks for.

    Args:
        policy: The word POLICY.
        words: All after it: TASK (may be missing), and ``name:=value``.

    Raises:
        InputError: Anything about them is wrong; one line.
    """
    named = [word for word in words if ":=" not in word and not word.startswith("@")]
    given = read_assignments([word for word in words if word not in named])
    if len(named) > 1:
        raise InputError(f"one TASK at most, not {' and '.join(named)}", PLACE)
    kind = kind_of(policy)
    card = read_card(Path(policy)) if kind == "folder" else None
    spec, options = _task(policy, named, card)
    own = {name: given.pop(name) for name in OWN if name in given}
    images = {name: given.pop(name).value for name in IMAGES if name in given}
    options |= _options(spec, given, kind)
    task = _loaded(spec, options)
    seed = _count(own, "seed", 0, 0)
    launch = launch_of(spec, options) if kind == "planner" else None
    _check_known(given, task, launch, kind, policy)
    sim = {"task": spec, "task_options": options, "seed": seed}
    sim["engine"] = own["engine"].text if "engine" in own else "mujoco"
    who = Who(kind, policy, seed)
    if kind == "planner":
        texts = {name: variable.text for name, variable in given.items()}
        node = planner_parameters(policy, task, spec, options, launch, texts, seed)
        who = replace(who, planner=node)
    else:
        sim |= images
        _show_images(policy, card, task, sim)
    dials = _dials(own.get("dials"))
    conditions = tuple({**sim, "dials": dict(one)} for one in dials)
    for condition in conditions:
        _check(condition, task)
    grid, episodes, jobs = _jobs(own, task, dials, seed)
    return Request(
        setting=Setting(who, conditions, grid),
        jobs=jobs,
        dials=dials,
        task=task,
        spec=spec,
        options=options,
        engine=str(sim["engine"]),
        seed=seed,
        workers=_count(own, "workers", 2, 1, _MOST_WORKERS),
        out=_out(own.get("out")),
        card=card,
        episodes=episodes,
    )


def _task(policy: str, named: Sequence[str], card: PolicyCard | None) -> tuple[str, dict[str, str]]:
    """Name and options of the task; the card's own options where it is the card's task."""
    if not named:
        if card is None:
            raise InputError(f"which task? covary evaluate {policy} TASK", PLACE)
        return _of_card(card)
    spec, options = named[0], {}
    if ":" not in spec and spec not in plugin.names("sim.tasks") and re.search(r"-v\d+$", spec):
        spec, options = GYM_TASK, {"env_id": spec}
    if card is not None and spec == card.task:
        if options.get("env_id") in (None, card.task_options.get("env_id")):
            return _of_card(card)
    return spec, options


def _of_card(card: PolicyCard) -> tuple[str, dict[str, str]]:
    """Name and options of a card's task, if a card may have it imported.

    Raises:
        InputError: It may not.
    """
    try:
        check_may_import(card.task, card.task_options, "a policy's card")
    except plugin.PluginError as error:
        raise InputError(in_a_line(str(error)), PLACE) from error
    return card.task, dict(card.task_options)


def _options(spec: str, given: dict[str, Variable], kind: str) -> dict[str, str]:
    """Those of the given words that are the task's options; they are taken out."""
    try:
        taken = inspect.signature(plugin.load(spec, "sim.tasks")).parameters
    except plugin.PluginError as error:
        raise InputError(in_a_line(str(error)), PLACE) from error
    return {name: given.pop(name).text for name in list(given) if name in taken}


def _loaded(spec: str, options: Mapping[str, str]) -> Task:
    try:
        return load_task(spec, options)
    except (plugin.PluginError, ParameterError, ValueError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from error


def _check_known(
    given: Mapping[str, Variable], task: Task, launch: Path | None, kind: str, policy: str
) -> None:
    """Hold the words that are left to what a planner's launch file, or the planner, takes."""
    known = [*OWN, *(IMAGES if kind != "planner" else ())]
    known += list(inspect.signature(type(task)).parameters)
    if kind == "planner":
        if launch is not None:
            known += [argument.name for argument in arguments(launch)]
        else:
            cls = plugin.load(policy, "planners")
            known += list(inspect.signature(cls.Parameters).parameters)
    for name, variable in given.items():
        if name in SEEING and name in known and launch is not None:
            said = f"{name}:={variable.text}: an evaluation sees no images and plans from the state"
            hint = f"; covary launch {launch.name} runs the perception process"
            raise InputError(said + hint, PLACE)
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(dict.fromkeys(known))}"
            raise InputError(f"neither evaluate nor {task.name} has '{name}'{hint}", PLACE)


def _show_images(policy: str, card: PolicyCard | None, task: Task, sim: dict[str, Any]) -> None:
    """Have the sim show what a policy looks at.

    Raises:
        InputError: The policy does not fit the task, or looks at a camera that nobody describes.
    """
    try:
        wants = wants_of(policy, task)
    except (ParameterError, plugin.PluginError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from error
    for name, topic in wants.images.items():
        found = _TOPIC.fullmatch(topic)
        if not found:
            raise InputError(f"observation: image {name}: no camera has {topic}", PLACE)
        camera, shape = found[1], wants.shapes.get(name)
        if camera == TOP:
            sim["camera"] = True
        elif camera in (HEIGHTMAP, IN_HAND) and shape:
            sim[camera] = shape[1]
        elif camera in (HEIGHTMAP, IN_HAND) and not sim.get(camera):
            raise InputError(f"observation: it looks at {camera}: say {camera}:=64", PLACE)
        elif camera not in (HEIGHTMAP, IN_HAND) and camera not in sim.setdefault("cameras", {}):
            view = _camera_of(card, camera) if card else None
            if view is None:
                said = f"observation: it looks at {camera}: say cameras:={{{camera}: {{...}}}}"
                raise InputError(said, PLACE)
            sim["cameras"] = {**sim["cameras"], camera: view}


def _camera_of(card: PolicyCard, name: str) -> Any:
    """A camera as the demonstrations' dataset describes it; None where that is not here."""
    try:
        asked = read_dataset_card(Path(str(card.data.get("path", "")))).get("arguments", {})
        return asked.get("cameras", {}).get(name)
    except (BagError, OSError, AttributeError):
        return None


def _dials(given: Variable | None) -> tuple[dict[str, float], ...]:
    """The dials of each condition: every combination of the values that are lists."""
    if given is None:
        return ({},)
    if not isinstance(given.value, Mapping):
        said = f"dials:={given.text}: is no mapping such as {{gravity_tilt: [0, 5, 10]}}"
        raise InputError(said, PLACE)
    lists = {
        str(name): value if isinstance(value, list) else [value]
        for name, value in given.value.items()
    }
    if empty := [name for name, values in lists.items() if not values]:
        raise InputError(f"dials: {empty[0]}: an empty list", PLACE)
    found = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    if len(found) > _MOST_CONDITIONS:
        raise InputError(f"dials: {len(found)} combinations are too many", PLACE)
    return tuple(found)


def _check(sim: Mapping[str, Any], task: Task) -> None:
    """Everything about a sim node's parameters that can be told before anything runs."""
    try:
        dials_from(sim["dials"])
        parameters = from_dict(SimParameters, sim, "evaluate")
        check_plant_parameters(parameters)
        check_dials(task, parameters.dials, parameters.engine)
        check_images(parameters)
    except (ParameterError, plugin.PluginError, ValueError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from error


def _jobs(
    own: Mapping[str, Variable], task: Task, dials: Sequence[Mapping[str, float]], seed: int
) -> tuple[Grid | None, int, tuple[Job, ...]]:
    """The grid, the episodes in each condition or cell, and what is run in which order.

    An evaluation that is broken off has a whole number of conditions behind it, or of cells.

    Raises:
        InputError: Words that do not fit, or more episodes than anybody waits for.
    """
    if "map" not in own:
        if "grid" in own:
            raise InputError("grid:= is for map:=, such as map:=block_x,block_y", PLACE)
        episodes = _count(own, "episodes", 200, 1, _MOST_JOBS // len(dials))
        numbers = itertools.product(range(episodes), range(len(dials)))
        return None, episodes, tuple(Job(condition, episode) for episode, condition in numbers)
    if len(dials) > 1:
        raise InputError("map: one value of each dial, not a list", PLACE)
    cells = _count(own, "grid", 15, 2, 1000)
    grid = grid_of(task, own["map"].value, cells, seed, PLACE)
    if task.opaque:  # it begins where it likes: its starts are sorted into the cells
        episodes = _count(own, "episodes", 200, 1, _MOST_JOBS)
        return grid, episodes, tuple(Job(0, episode) for episode in range(episodes))
    episodes = _count(own, "episodes", 1, 1, _MOST_JOBS // cells**2)
    numbered = enumerate(itertools.product(range(episodes), range(cells), range(cells)))
    return grid, episodes, tuple(Job(0, number, (i, j)) for number, (_, i, j) in numbered)


def _count(
    own: Mapping[str, Variable], name: str, default: int, least: int, most: int | None = None
) -> int:
    found = own[name].value if name in own else default
    whole = isinstance(found, int) and not isinstance(found, bool)
    if not whole or found < least or (most is not None and found > most):
        said = f"must be a whole number >= {least}"
        said += f" and <= {most}" if whole and found >= least else ""
        raise InputError(f"{name}:={own[name].text}: {said}", PLACE)
    return found


def _out(given: Variable | None) -> Path | None:
    """The folder for the figures; None where none is named."""
    if given is None:
        return None
    if not given.text:
        raise InputError("out:= needs a folder", PLACE)
    return Path(given.text)
