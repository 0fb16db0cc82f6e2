"""Makes a Gymnasium environment by its id, and tells what a task must know of it."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import math
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...nodes.parameters import ParameterError
from .declarations import Declaration, declaration
from .starts import MAZE, check_starts

if TYPE_CHECKING:
    import gymnasium

ROBOTICS = re.compile(r"(Fetch|Hand|Adroit|PointMaze|AntMaze|FrankaKitchen)", re.IGNORECASE)
"""How the environments of gymnasium-robotics are called."""

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")
"""The keys of a goal environment's observation, in the order in which they make up the state."""

STEPS = 1000
"""Control periods after which an episode is given up where an environment sets no limit."""


@dataclass(frozen=True)
class Facts:
    """What is known of an environment before its first episode."""

    dt: float
    """Control period, s: what one step advances MuJoCo's clock by, else what the class says."""
    steps: int
    """Control periods after which an episode is given up."""
    keys: tuple[str, ...]
    """Keys of the observation in the order of the state vector; empty: it is an array itself."""
    low: tuple[float, ...]
    """Smallest action."""
    high: tuple[float, ...]
    """Largest action."""
    joints: tuple[int, ...]
    """Hinges and slides of its MuJoCo model."""
    joint_names: tuple[str, ...]
    """Their names."""
    model: str
    """One line that says what it is and of which version; then its MJCF, where it has one."""
    declaration: Declaration
    """Parts, names and symmetry of its state and action."""


def make(env_id: str, starts: str = "own") -> gymnasium.Env:
    """An environment by its id, ``my_file:MyEnv-v0`` for one that a file of yours registers.

    Args:
        env_id: Its id.
        starts: Where its episodes begin, one of `covary.sim.starts.STARTS`.

    Raises:
        ParameterError: There is none of that id, it cannot be made, or its package is missing; one
            line that says what to write or to type.
    """
    import gymnasium

    _register(env_id)
    check_starts(env_id, starts)
    ours = {"starts": starts} if MAZE.fullmatch(env_id.rpartition(":")[2]) else {}
    try:
        with _quietly():
            env = gymnasium.make(env_id, disable_env_checker=True, **ours)
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        said = " ".join(str(error).split())
        raise _refused(f"{env_id} cannot be made ({type(error).__name__}: {said})") from error
    # PointMaze writes its model to a file of the temporary folder, and leaves it there.
    leftover = getattr(env.unwrapped, "tmp_xml_file_path", None)
    if leftover:
        Path(leftover).unlink(missing_ok=True)
    if ours or starts == "own":
        return env
    from .worlds.fetch_starts import FetchStarts

    return FetchStarts(env, starts)


@lru_cache(maxsize=8)
def facts(env_id: str) -> Facts:
    """What is known of an environment before its first episode; it is made and tried for it.

    Raises:
        ParameterError: As `make`, or its spaces are none that a task can have.
    """
    env = make(env_id)
    try:
        model = _model_text(env, env_id)  # at once: it is that of the model loaded last
        keys, widths = _observation(env, env_id)
        low, high = _action(env, env_id)
        joints = _joints(env)
        found = declaration(env_id, env, widths, len(low))
        steps = getattr(env.spec, "max_episode_steps", None) or STEPS
        names = tuple(mujoco_model(env).joint(j).name or f"joint_{j}" for j in joints)
        return Facts(_dt(env), steps, keys, low, high, joints, names, model, found)
    finally:
        env.close()


def mujoco_model(env: gymnasium.Env) -> Any:
    """Its `mujoco.MjModel`; None for an environment of another make."""
    import mujoco

    model = getattr(env.unwrapped, "model", None)
    return model if isinstance(model, mujoco.MjModel) else None


def flat(keys: tuple[str, ...], observation: Any) -> np.ndarray:
    """The state vector of an observation. (n,)"""
    parts = [observation[key] for key in keys] if keys else [observation]
    return np.concatenate([np.asarray(part, float).reshape(-1) for part in parts])


def _register(env_id: str) -> None:
    """Make the id known to Gymnasium, or say why that cannot be.

    Raises:
        ParameterError: It stays unknown.
    """
    import gymnasium

    if ":" in env_id or env_id in gymnasium.registry:
        return
    try:
        with _quietly():
            gymnasium.register_envs(importlib.import_module("gymnasium_robotics"))
            importlib.import_module(".worlds.mazes", __package__)  # ours, of the same kind
    except ModuleNotFoundError as error:
        if error.name != "gymnasium_robotics":
            raise
        if ROBOTICS.match(env_id):
            raise _refused(
                f"{env_id} needs gymnasium-robotics, which is not installed: "
                "pip install gymnasium-robotics"
            ) from None
    if env_id not in gymnasium.registry:
        near = nearest_id(env_id, list(gymnasium.registry))
        hint = f"; did you mean {near}?" if near else "; one of yours is written my_file:MyEnv-v0"
        raise _refused(f"no environment is called {env_id!r}{hint}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the advice that packages print when they are imported, whatever is made."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def nearest_id(wrong: str, known: list[str]) -> str:
    """The id that was probably meant, in its newest version; empty where none is near."""
    newest: dict[str, tuple[int, str]] = {}
    for env_id in known:
        name, version = _split(env_id)
        newest[name] = max(newest.get(name, (-1, "")), (version, env_id))
    name, _ = _split(wrong)
    begun = sorted((n for n in newest if n.startswith(name)), key=len)
    near = begun or difflib.get_close_matches(name, newest, n=1)
    return newest[near[0]][1] if near and name else ""


def _split(env_id: str) -> tuple[str, int]:
    """Its name in small letters, and its version (-1: none)."""
    found = re.fullmatch(r"(.*?)(?:-v(\d+))?", env_id)
    name, version = found.groups() if found else (env_id, None)
    return name.lower(), int(version) if version else -1


def _refused(said: str) -> ParameterError:
    return ParameterError(f"env_id: {said}", "task_options.env_id")


def _observation(env: gymnasium.Env, env_id: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """The keys of its observation, and the width of each part of the state."""
    from gymnasium.spaces import Box, Dict

    space = env.observation_space
    spaces = {"observation": space}
    keys: tuple[str, ...] = ()
    if isinstance(space, Dict):
        known = list(space.spaces)
        keys = GOAL_KEYS if set(known) == set(GOAL_KEYS) else tuple(known)
        spaces = {key: space.spaces[key] for key in keys}
    for key, part in spaces.items():
        if not (isinstance(part, Box) and len(part.shape) == 1):
            raise _refused(f"{env_id}: its {key} is {_short(part)}; a Box of one axis is needed")
    return keys, {key: part.shape[0] for key, part in spaces.items()}


def _action(env: gymnasium.Env, env_id: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from gymnasium.spaces import Box

    space = env.action_space
    if not (isinstance(space, Box) and len(space.shape) == 1 and space.shape[0] > 0):
        raise _refused(f"{env_id}: its action is {_short(space)}; a Box of one axis is needed")
    if not space.is_bounded():
        raise _refused(f"{env_id}: its actions have no limits, and a plant needs them")
    return tuple(map(float, space.low)), tuple(map(float, space.high))


def _short(space: Any) -> str:
    said = " ".join(str(space).split())
    return said if len(said) <= 60 else f"{said[:57]}..."


def _dt(env: gymnasium.Env) -> float:
    """How long a step takes, s, to a whole nanosecond."""
    if mujoco_model(env) is not None:
        # What some say of it is not what they do: PointMaze's render_fps is half its rate.
        env.reset(seed=0)
        before = float(env.unwrapped.data.time)  # type: ignore[attr-defined]
        env.step(_middle(env.action_space))
        took = float(env.unwrapped.data.time) - before  # type: ignore[attr-defined]
    else:
        took = getattr(env.unwrapped, "dt", None) or getattr(env.unwrapped, "tau", None)
        took = took or 1.0 / (env.metadata.get("render_fps") or 20)
    if not (isinstance(took, float | int) and math.isfinite(took) and took > 0):
        took = 0.05
    return round(float(took), 9)


def _middle(space: Any) -> np.ndarray:
    return ((space.low.astype(float) + space.high) / 2).astype(space.dtype)


def _joints(env: gymnasium.Env) -> tuple[int, ...]:
    model = mujoco_model(env)
    if model is None:
        return ()
    import mujoco

    wanted = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    return tuple(j for j in range(model.njnt) if model.jnt_type[j] in wanted)


def _model_text(env: gymnasium.Env, env_id: str) -> str:
    said = [env_id]
    for package in ("gymnasium", "gymnasium-robotics"):
        try:
            said.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    head = f"<!-- {', '.join(said)} -->\n"
    model = mujoco_model(env)
    if model is None:
        return head
    import mujoco

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        try:
            mujoco.mj_saveLastXML(str(path), model)
        except Exception:  # a model that was not read from XML: its line must do
            return head
        text = path.read_text(encoding="utf-8")
    # Whether it names a mesh's content type depends on what this process has loaded before.
    return head + re.sub(r' content_type="[^"]*"', "", text)
