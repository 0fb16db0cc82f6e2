"""The distance of two orbits is the least over all elements, is reached, and is invariant."""

from dataclasses import dataclass

import numpy as np
import pytest

from covary.symmetry.alignment import Alignment
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import cyclic, o2, o3, octahedral, so2
from covary.symmetry.motion import CONTINUOUS, drawn, spatial, under
from covary.symmetry.part import (
    Angle,
    Point3,
    Pose,
    Position,
    Pseudoscalar,
    Pseudovector,
    Quaternion,
    Regular,
    Scalar,
    Vector,
    Vector3,
)

PLANE = {
    "hand": Position((0.4, -0.2)),
    "box": Pose((0.4, -0.2)),
    "speeds": Vector(2),
    "heading": Angle(),
    "height": Scalar(2),
    "rate": Pseudoscalar(),
    "drift": Vector3(),
    "attitude": Quaternion(),
}
SPACE = {
    "places": Point3(2),
    "speed": Vector3(),
    "spin": Pseudovector(),
    "attitude": Quaternion(),
    "mass": Scalar(),
}


def declared(word):
    parts = SPACE if spatial(word) else PLANE
    whole = {"SO2": so2(4), "SE2": so2(4)}.get(word, o3() if spatial(word) else o2(4))
    return Symmetry(whole, parts, {"force": Vector3() if spatial(word) else Vector()})


def drawn_states(symmetry, count, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.5, 1.5, (count, symmetry.width("state"))) * rng.uniform(
        0.1, 3.0, symmetry.width("state")
    )


def tried(symmetry, word, count, seed):
    """The declaration under random elements, or all of a finite group."""
    rng = np.random.default_rng(seed)
    return under(symmetry, [drawn(word, rng) for _ in range(count)]) if word else symmetry


def apart(alignment, x, y):
    """|x - y|^2 as the metric has it; shifts count nothing in it."""
    return np.sum((alignment.features(x) - alignment.features(y)) ** 2, axis=-1)


def holds(symmetry, word, alignment, states, many=80):
    s = tried(symmetry, word, many, 3)
    kept = alignment.features(states[1:])
    x = states[0]
    least = alignment.squared(kept, x)
    assert least.max() > 0.1
    for row, state in enumerate(states[1:]):
        acting, g = alignment.bringing(kept[row], x)
        assert abs(apart(alignment, acting.act(g, state=state), x) - least[row]) < 1e-9
        for other in s.group.elements:
            assert apart(alignment, s.act(other, state=state), x) > least[row] - 1e-9
    for other in list(s.group.elements)[:8]:  # one number for two orbits
        moved = alignment.features(s.act(other, state=states[1:]))
        np.testing.assert_allclose(alignment.squared(moved, x), least, atol=1e-9)
        there = s.act(other, state=x)
        np.testing.assert_allclose(alignment.squared(kept, there), least, atol=1e-9)
        assert alignment.squared(alignment.features(there)[None], x)[0] < 1e-9


@pytest.mark.parametrize("word", CONTINUOUS)
def test_continuous_groups(word):
    symmetry = declared(word)
    states = drawn_states(symmetry, 12, 1)
    holds(symmetry, word, Alignment(symmetry, word, drawn_states(symmetry, 40, 2)), states)


@pytest.mark.parametrize(
    ("group", "parts"),
    [
        (o2(8), PLANE),
        (o2(8).restricted((0, 8), "reflection"), PLANE),
        (cyclic(3), {"ring": Regular(2), "p": Position((1.0, 0.5)), "turn": Angle()}),
        (octahedral(full=True), SPACE),
    ],
)
def test_finite_groups(group, parts):
    wide = Vector3() if parts is SPACE else Vector()
    symmetry = Symmetry(group, parts, {"force": wide})
    states = drawn_states(symmetry, 8, 1)
    holds(symmetry, "", Alignment(symmetry, "", drawn_states(symmetry, 40, 2)), states)


def test_it_is_nearer_than_where_a_frame_puts_them():
    """A frame that puts the heading along x has to turn the hand away."""
    symmetry = Symmetry(
        so2(4), {"hand": Vector(), "box": Vector(), "goal": Angle()}, {"u": Vector()}
    )
    alignment = Alignment(symmetry, "SO2", drawn_states(symmetry, 40, 2))
    a = np.array([1.0, 0.0, 0.5, 0.5, 0.0])
    b = np.array([1.0, 0.0, 0.5, 0.5, 0.4])
    framed = under(symmetry, [drawn("SO2", np.random.default_rng(0))])
    assert framed.group.order == 2
    least = alignment.squared(alignment.features(a)[None], b)[0]
    assert least < apart(alignment, a, b)


def test_what_counts_more_decides():
    symmetry = Symmetry(so2(4), {"a": Vector(), "b": Vector()}, {"u": Vector()})
    starts = drawn_states(symmetry, 40, 2)
    kept, x = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    for counts, angle in (({"a": 10.0}, 90.0), ({"b": 10.0}, 0.0)):
        alignment = Alignment(symmetry, "SO2", starts, counts)
        acting, g = alignment.bringing(alignment.features(kept), x)
        told = np.degrees(acting.group.turn[g])
        assert abs(told - angle) < 5.0


@pytest.mark.parametrize("word", ["SO2", "O2", "SO3", "O3"])
def test_where_nothing_can_be_turned(word):
    space = spatial(word)
    symmetry = Symmetry(
        o3() if space else o2(4),
        {"speeds": Vector3(2) if space else Vector(2)},
        {"u": Vector3() if space else Vector()},
    )
    zero = np.zeros(symmetry.width("state"))
    alignment = Alignment(symmetry, word, zero[None])
    acting, g = alignment.bringing(alignment.features(zero), zero)
    assert alignment.squared(alignment.features(zero)[None], zero)[0] == 0.0
    moved = acting.act(g, action=np.ones(symmetry.width("action")))
    assert np.linalg.norm(moved) == pytest.approx(np.sqrt(len(moved)))


@dataclass(frozen=True)
class Doubled:
    """A part that turns twice as fast as a vector, which no closed form here knows."""

    linear: bool = True

    def width(self, group):
        return 2

    def matrices(self, group):
        c, s = np.cos(2.0 * group.turn), group.sign * np.sin(2.0 * group.turn)
        return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2) @ np.stack(
            [np.diag([1.0, sign]) for sign in group.sign]
        )

    def offsets(self, group):
        return np.zeros((group.order, 2))

    def angles(self, group):
        return np.zeros(2, bool)


def test_a_part_without_a_closed_form_leaves_the_mirror():
    symmetry = Symmetry(o2(8), {"p": Vector(), "strain": Doubled()}, {"u": Vector()})
    states = drawn_states(symmetry, 6, 1)
    alignment = Alignment(symmetry, "O2", states)
    kept, x = alignment.features(states[1:]), states[0]
    least = alignment.squared(kept, x)
    for row, state in enumerate(states[1:]):
        acting, g = alignment.bringing(kept[row], x)
        assert abs(apart(alignment, acting.act(g, state=state), x) - least[row]) < 1e-9
        assert acting.group.order == 3
