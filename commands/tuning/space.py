"""What a tuning searches: a range for each parameter, by default about the value that it has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...nodes.launching.variables import Variable, as_text
from ...nodes.launching.yaml_loader import Element, InputError, load_file, load_text, nearest

PLACE = "command line"
_LOG_FROM = 10.0
"""A range of positive numbers whose ends differ by such a factor is searched in logarithms."""


@dataclass(frozen=True)
class Range:
    """Where a parameter may lie: between two numbers, or one of some words.

    Attributes:
        low: Its least value.
        high: Its largest value.
        whole: Whether it is a whole number.
        choices: The words (or truth values) instead of numbers; empty: numbers.
    """

    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def logarithmic(self) -> bool:
        """Whether factors count, not differences."""
        return not self.choices and self.low > 0 and self.high / self.low >= _LOG_FROM

    def value(self, at: float) -> Any:
        """The value at a place in [0, 1], with four digits."""
        at = min(max(at, 0.0), 1.0)
        if self.choices:
            return self.choices[min(int(at * len(self.choices)), len(self.choices) - 1)]
        if self.logarithmic:
            found = self.low * (self.high / self.low) ** at
        else:
            found = self.low + at * (self.high - self.low)
        found = min(max(float(f"{found:.4g}"), self.low), self.high)
        return round(found) if self.whole else found

    def place(self, value: Any) -> float:
        """Where in [0, 1] a value stands; the nearest place of one outside."""
        if self.choices:
            index = self.choices.index(value) if value in self.choices else 0
            return (index + 0.5) / len(self.choices)
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def plain(self) -> list[Any]:
        """As it stands in a file of ranges."""
        return list(self.choices) or [self.low, self.high]


@dataclass(frozen=True)
class _Own:
    """What is searched of a parameter of ours when nobody says anything."""

    low: float
    high: float
    times: bool = False
    """The ends are factors on the value that it has."""
    idle: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Parameters, and the values of them with which this one does something."""
    on: bool = False
    """It does something where it is not 0."""


_CHOOSING = ("effective_samples", "relative_temperature")  # another temperature than that one
_OURS: Mapping[str, _Own] = {
    "noise": _Own(0.05, 2.0),
    "knots": _Own(0.4, 2.5, times=True),
    "kernel_width": _Own(0.3, 3.0, times=True, idle={"spline": ("kernel",)}),
    "colour": _Own(0.0, 3.0, idle={"noise_law": ("coloured",)}),
    "correlation": _Own(0.0, 0.95, idle={"noise_law": ("ornstein_uhlenbeck",)}),
    "tail": _Own(0.1, 1.5, idle={"noise_law": ("log_normal",)}),
    "temperature": _Own(0.03, 30.0, times=True, idle=dict.fromkeys(_CHOOSING, (0.0,))),
    "relative_temperature": _Own(0.1, 10.0, times=True, idle={"effective_samples": (0.0,)}),
    "effective_samples": _Own(0.2, 5.0, times=True),
    "tsallis_order": _Own(1.1, 3.0, idle={"weights": ("tsallis",)}),
    "elite_fraction": _Own(0.01, 0.5),
    "parent_fraction": _Own(0.05, 0.6),
    "smallest_noise": _Own(0.002, 0.2, idle={"noise_adaptation": ()}),  # elsewhere `noise` is above
    "noise_adaptation": _Own(0.05, 1.0, on=True),
    "kept_fraction": _Own(0.0, 1.0),
    "momentum": _Own(0.0, 0.9),
    "decay": _Own(1.0, 2.0),
    "roughness": _Own(0.03, 30.0, times=True),
    "inertia": _Own(0.02, 0.9),
    "flattest": _Own(1e-4, 0.1),
    "tracking": _Own(0.1, 10.0, times=True),
    "iteration_annealing": _Own(0.1, 3.0),
    "horizon_annealing": _Own(0.1, 10.0),
}
"""Not in it: what a plan may cost in time (samples, horizon, iterations), what is a matter of kind
(words), and what keeps a robot safe. All of them can be given a range."""


def default_space(settings: Mapping[str, Any]) -> dict[str, Range]:
    """A range for each parameter of a planner that a search is likely to better.

    Args:
        settings: The planner's parameters as they are.
    """
    found = {}
    for name, own in _OURS.items():
        value = settings.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if any(settings.get(other) not in (None, *used) for other, used in own.idle.items()):
            continue
        if own.on and not value:
            continue
        times = value if own.times else 1.0
        low, high = (float(f"{end * times:.4g}") for end in (own.low, own.high))
        whole = isinstance(value, int)
        if name == "knots":
            high = min(high, settings.get("horizon", high))
        if whole:
            low, high = max(math.floor(low), 2), math.floor(high)
        if low < high:
            found[name] = Range(low, high, whole)
    return found


def asked_space(given: Variable | None, settings: Mapping[str, Any]) -> dict[str, Range]:
    """The default space with what a person says in its stead.

    Args:
        given: A mapping, or the name of a YAML file with one: ``name: [low, high]``, ``name:
            [word, word]``, or ``name: null`` for what is not to be searched.
        settings: The planner's parameters as they are.

    Raises:
        InputError: A range that is none, or of a parameter that there is not.
    """
    space = default_space(settings)
    for name, element in _elements(given).items():
        if name not in settings:
            hint = nearest(name, settings) or f"; there are {', '.join(settings)}"
            raise element.error(f"ranges: the planner has no parameter '{name}'{hint}")
        if element.value is None:
            space.pop(name, None)
        else:
            space[name] = _range(name, element, settings[name])
    if not space:
        where = f"; say ranges:={{{next(iter(settings), 'name')}: [low, high]}}"
        raise InputError(f"there is nothing to search{where}", PLACE)
    return space


def _elements(given: Variable | None) -> dict[str, Element]:
    if given is None:
        return {}
    if isinstance(given.value, dict):
        root = load_text(given.text, f"{PLACE}: ranges")
    elif isinstance(given.value, str) and given.value:
        root = load_file(Path(given.value).expanduser(), given.value)
    else:
        said = "a file of ranges, or {noise: [0.1, 1.0]}"
        raise InputError(f"ranges:={given.text}: must be {said}", PLACE)
    if root is None or not isinstance(root.value, dict):
        raise InputError(f"ranges:={given.text}: holds no mapping name: [low, high]", PLACE)
    return root.items


def _range(name: str, element: Element, value: Any) -> Range:
    found = element.python()
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str | bool):
        kind = "words" if isinstance(value, str) else "[false, true]"
        fits = isinstance(found, list) and all(type(one) is type(value) for one in found)
        if not fits or len(found) < 2:
            said = f"{as_text(found)}: it wants at least two {kind}"
            raise element.error(f"ranges: {name}: {said}")
        return Range(choices=tuple(found))
    numbers = isinstance(found, list) and len(found) == 2
    kinds = int if whole else int | float
    if not numbers or not all(
        isinstance(one, kinds) and not isinstance(one, bool) and math.isfinite(one) for one in found
    ):
        what = "whole numbers" if whole else "numbers"
        raise element.error(f"ranges: {name}: {as_text(found)} is not [low, high], two {what}")
    low, high = found
    if not low < high:
        raise element.error(f"ranges: {name}: {low} is not below {high}")
    return Range(low if whole else float(low), high if whole else float(high), whole)
