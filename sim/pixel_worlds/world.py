"""`PixelWorld`: states that a group moves, what actions make of them, and what a camera sees."""

from __future__ import annotations

import difflib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...nodes.plugin import load
from ...symmetry.group import Group
from ...symmetry.layers.representation import Representation


class WorldError(ValueError):
    """A world, an option, an action or an array that does not exist or does not fit; one line."""


class PixelWorld(ABC):
    """A deterministic world: arrays of states in, arrays of states and frames out.

    A group's elements move states and actions, and `step` goes with them:
    ``step(act(g, s), act_action(g, a)) == act(g, step(s, a))``. Where objects are interchangeable
    `order` moves them too: object i takes the place of object ``order[i]``.

    Turns count counterclockwise, as seen in the frame: x to the right, y up, pixel row 0 at the top
    (the largest y). A turned scene is the frame turned by `np.rot90` if `turns_frames`.

    Attributes:
        name: Its short name: the file's.
        group: The finite group that acts.
        objects: Interchangeable things; 1: none.
        state_shape: Of one state.
        frame_shape: (C, H, W) of one frame, uint8.
        looks: How many moments lie on each other in its channels, the latest last.
        action_part: How the group acts on one object's part of an action.
        action_words: What `allowed` may list: the actions that training may be kept to.
        turns_frames: Whether the group's action on frames is the one on images (`symmetry.pixels`);
            otherwise it is not known in closed form.
    """

    name: ClassVar[str]
    group: Group
    objects: int
    state_shape: tuple[int, ...]
    frame_shape: tuple[int, int, int]
    looks: int = 1
    action_part: Representation
    action_words: tuple[str, ...]
    turns_frames: bool

    @abstractmethod
    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Random states. (n, *state_shape)"""

    @abstractmethod
    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The next states, in a new array. (n, *state_shape), (n, m) -> (n, *state_shape)"""

    @abstractmethod
    def frames(self, states: np.ndarray) -> np.ndarray:
        """What the camera sees. (n, *state_shape) -> (n, C, H, W) uint8"""

    @abstractmethod
    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states, in a new array. (n, *state_shape)"""

    @abstractmethod
    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """Actions of a random policy. (n, m) float32

        Args:
            rng: Source of chance.
            n: How many.
            allowed: Some of `action_words`; none: all.

        Raises:
            WorldError: A word that is none of them.
        """

    @property
    def action_width(self) -> int:
        """Numbers in an action, m: the objects' parts side by side."""
        return self.objects * self.action_part.width

    def action_representation(self) -> Representation:
        """How the group acts on a whole action; it does not move objects."""
        return self.objects * self.action_part

    def act_action(
        self, g: int, actions: np.ndarray, order: Sequence[int] | None = None
    ) -> np.ndarray:
        """Where element g sends actions. (..., m)"""
        moved = self.action_representation().act(g, np.asarray(actions))
        moved = moved.astype(np.float32, copy=False)
        if order is None:
            return moved
        parts = moved.reshape(*moved.shape[:-1], self.objects, -1)
        return parts[..., places(order, self.objects), :].reshape(moved.shape)

    def check_words(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """The words of `allowed`, or all if there are none.

        Raises:
            WorldError: One is none of `action_words`; it names the nearest.
        """
        for word in allowed:
            if word not in self.action_words:
                near = difflib.get_close_matches(str(word), self.action_words, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                known = ", ".join(self.action_words)
                raise WorldError(f"{self.name} has no action {word!r}: {known}{hint}")
        return tuple(allowed) or self.action_words

    def check_states(self, states: np.ndarray) -> np.ndarray:
        """The states as an array with one leading axis.

        Raises:
            WorldError: It has another shape.
        """
        states = np.asarray(states)
        if states.ndim != 1 + len(self.state_shape) or states.shape[1:] != self.state_shape:
            shape = ("n", *self.state_shape)
            raise WorldError(f"{self.name}: states of shape {states.shape}, not {shape}")
        return states

    def check_actions(self, actions: np.ndarray, n: int) -> np.ndarray:
        """The actions as an array, one for each of n states.

        Raises:
            WorldError: It has another shape.
        """
        actions = np.asarray(actions)
        if actions.shape != (n, self.action_width):
            raise WorldError(
                f"{self.name}: actions of shape {actions.shape}, not {(n, self.action_width)}"
            )
        return actions


def places(order: Sequence[int], objects: int) -> list[int]:
    """Which object comes to stand at each place: the inverse of `order`.

    Raises:
        WorldError: `order` is no order of the objects.
    """
    if sorted(order) != list(range(objects)):
        raise WorldError(f"{list(order)} is no order of {objects} objects")
    return [int(i) for i in np.argsort(order)]


@dataclass(frozen=True)
class Transitions:
    """Episodes of a world; frames are drawn when asked for, which is faster than to read them."""

    states: np.ndarray
    """(E, T + 1, *state_shape)"""
    actions: np.ndarray
    """(E, T, m) float32; action t leads from state t to state t + 1."""

    @property
    def count(self) -> int:
        """How many transitions there are."""
        return self.actions.shape[0] * self.actions.shape[1]

    def frames(self, world: PixelWorld, episodes: Any, times: Any) -> np.ndarray:
        """Frames of some states. Index arrays of one shape (n,) -> (n, C, H, W) uint8"""
        return world.frames(self.states[episodes, times])


def transitions(
    world: PixelWorld,
    rng: np.random.Generator,
    episodes: int,
    steps: int,
    actions: Sequence[str] = (),
) -> Transitions:
    """Episodes of a random policy.

    Args:
        world: The world.
        rng: Source of chance; the same one gives the same episodes.
        episodes: How many, E.
        steps: Of each, T.
        actions: The words of the actions that the policy may use; none: all.

    Raises:
        WorldError: A word that the world does not know, or numbers below 1.
    """
    if episodes < 1 or steps < 1:
        raise WorldError(f"{episodes} episodes of {steps} steps: both must be at least 1")
    states = [world.initial(rng, episodes)]
    done = np.empty((episodes, steps, world.action_width), np.float32)
    for t in range(steps):
        done[:, t] = world.random_actions(rng, episodes, actions)
        states.append(world.step(states[-1], done[:, t]))
    return Transitions(np.stack(states, axis=1), done)


def load_world(spec: str, options: Mapping[str, Any] | None = None) -> PixelWorld:
    """The world that a name stands for.

    Args:
        spec: A file of sim/pixel_worlds, or ``my_package.my_file:MyWorld``.
        options: What its class takes.

    Raises:
        PluginError: There is none.
        WorldError: It is no world, takes no such option or value, or cannot be built.
    """
    cls = load(spec, "sim.pixel_worlds")
    if not (isinstance(cls, type) and issubclass(cls, PixelWorld)):
        raise WorldError(f"world {spec!r} does not derive from covary.sim.pixel_worlds.world")
    known = list(inspect.signature(cls).parameters)
    for name in options or {}:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
            raise WorldError(f"world {spec!r} takes no option {name!r}; {hint}")
    try:
        return cls(**(options or {}))
    except WorldError:
        raise
    except Exception as error:  # an outsider's may fail in any way
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise WorldError(f"world {spec!r} cannot be built ({said})") from error
