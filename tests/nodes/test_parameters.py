"""Parameters: types as YAML has them, and errors of one line that name the way out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from covary.nodes.parameters import ParameterError, from_dict


@dataclass(frozen=True)
class Gains:
    """An inner block."""

    p: float = 1.0
    d: float = 0.0


@dataclass(frozen=True)
class Sample:
    """One field of each kind."""

    task: str
    samples: int = 64
    budget: float = 0.1
    fast: bool = False
    policy: Literal["replay", "hold", "brake"] = "replay"
    limit: float | None = None
    size: int | float = 1
    seeds: tuple[int, ...] = ()
    box: tuple[float, float] = (0.0, 1.0)
    names: list[str] = field(default_factory=list)
    planner: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    folder: Path = Path(".")
    gains: Gains = Gains()
    anything: Any = None

    def __post_init__(self):
        if self.samples < 0:
            raise ValueError(f"samples: {self.samples} is\nnegative")


def made(**values) -> Sample:
    return from_dict(Sample, {"task": "push", **values}, "/planner")


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("samples", 512, 512),
        ("budget", 1, 1.0),
        ("fast", True, True),
        ("policy", "hold", "hold"),
        ("limit", None, None),
        ("limit", 2, 2.0),
        ("size", 3, 3),
        ("size", 0.5, 0.5),
        ("seeds", [1, 2], (1, 2)),
        ("seeds", [], ()),
        ("box", [0, 2], (0.0, 2.0)),
        ("names", ("a",), ["a"]),
        (
            "planner",
            {"plugin": "mppi", "noise": {"beta": 1}},
            {"plugin": "mppi", "noise": {"beta": 1}},
        ),
        ("folder", "bags", Path("bags")),
        ("gains", {"p": 2}, Gains(p=2.0)),
        ("anything", [1, "a"], [1, "a"]),
    ],
)
def test_what_is_taken(name, given, kept):
    value = getattr(made(**{name: given}), name)
    assert value == kept and type(value) is type(kept)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("samples", "512", "'512' is not a whole number"),
        ("samples", 1.0, "1.0 is not a whole number"),
        ("samples", True, "True is not a whole number"),
        ("samples", None, "None is not a whole number"),
        ("budget", "0.1", "'0.1' is not a number"),
        ("budget", False, "False is not a number"),
        ("budget", float("nan"), "nan is not finite"),
        ("limit", float("inf"), "inf is not finite"),
        ("limit", "no", "'no' is not a number"),
        ("fast", 1, "1 is not true or false"),
        ("fast", "yes", "'yes' is not true or false"),
        ("policy", "brakes", "did you mean brake?"),
        ("policy", 1, "1 is none of replay, hold, brake"),
        ("size", "x", "'x' is not a whole number or a number"),
        ("seeds", [1, "2"], "seeds[1]: '2' is not a whole number"),
        ("seeds", 1, "1 is not a list"),
        ("box", [1], "[1] has 1 values, not 2"),
        ("names", "abc", "'abc' is not a list, such as [abc]"),
        ("planner", "mppi", "'mppi' is not a mapping"),
        ("path", {"a": 1}, "path.a: 1 is not text"),
        ("folder", 3, "3 is not text (a path)"),
        ("gains", {"q": 1}, "gains: unknown parameter 'q'; known: p, d"),
        ("gains", 1, "1 is not a mapping"),
        ("task", 5, "5 is not text"),
        ("sampels", 5, "unknown parameter 'sampels'; did you mean samples?"),
        ("samples", -1, "samples: -1 is negative"),
        ("names", ["a\nb", 1] + ["long"] * 99, "names[1]: 1 is not text"),
        ("fast", "a\nb" * 99, "is not true or false"),
    ],
)
def test_what_is_refused_and_how(name, given, words):
    with pytest.raises(ParameterError) as caught:
        made(**{name: given})
    text = str(caught.value)
    assert text.startswith("/planner: ") and words in text
    assert name in text
    assert "\n" not in text and len(text) < 200


def test_missing():
    with pytest.raises(ParameterError, match=r"^/planner: parameter 'task' \(text\) is missing$"):
        from_dict(Sample, {}, "/planner")


def test_no_mapping():
    with pytest.raises(ParameterError, match=r"\[1\] is not a mapping"):
        from_dict(Sample, [1], "/planner")
