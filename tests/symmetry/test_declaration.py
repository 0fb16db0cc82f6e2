"""The declaration: parts are homomorphisms, linear ones orthogonal, and subgroups keep them."""

import numpy as np
import pytest

from covary.symmetry.declaration import Symmetry, SymmetryError, wrap
from covary.symmetry.group import GroupError, group
from covary.symmetry.part import (
    Angle,
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

GROUPS = ["trivial", "C3", "C4", "D1", "D4", "D5", "D8", "swap", "O2_12"]
PARTS = {
    "height": Scalar(2),
    "rate": Pseudoscalar(2),
    "force": Vector(2),
    "place": Position((0.3, -0.2)),
    "heading": Angle(2),
    "box": Pose((0.1, 0.4)),
    "ring": Regular(2),
}
LINEAR = {"height": Scalar(), "rate": Pseudoscalar(), "force": Vector(), "ring": Regular()}
IN_SPACE = {"place": Vector3(2), "spin": Pseudovector(), "attitude": Quaternion(2)}
SPATIAL = ["inversion", "T", "O", "Oh", "I", "Ih", "D8", "C3"]


def symmetry(name):
    return Symmetry(group(name), PARTS, LINEAR, {"box": Pose()})


def random_state(s, rng, count=7):
    x = rng.normal(size=(count, s.width("state"))) * 3
    angles = [*range(*s.slices("state")["heading"].indices(99)), s.slices("state")["box"].stop - 1]
    x[:, angles] = wrap(x[:, angles])
    return x


@pytest.mark.parametrize("name", GROUPS)
def test_the_action_is_a_homomorphism(name):
    s = symmetry(name)
    rng = np.random.default_rng(0)
    x, u = random_state(s, rng), rng.normal(size=(7, s.width("action")))
    for g in s.group.elements:
        for h in s.group.elements:
            both = int(s.group.product[g, h])
            once = s.act(both, state=x)
            twice = s.act(g, state=s.act(h, state=x))
            assert np.abs(s.difference("state", once, twice)).max() < 1e-12
            np.testing.assert_allclose(
                s.act(g, action=s.act(h, action=u)), s.act(both, action=u), atol=1e-12
            )
    np.testing.assert_array_equal(s.act(0, action=u), u)
    np.testing.assert_allclose(s.act(0, state=x), x, atol=1e-14)


@pytest.mark.parametrize("name", GROUPS)
def test_linear_spaces_are_orthogonal_and_match_act(name):
    s = symmetry(name)
    u = np.random.default_rng(1).normal(size=s.width("action"))
    for g, matrix in enumerate(s.orbit("action")):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-14)
        np.testing.assert_allclose(matrix @ u, s.act(g, action=u), atol=1e-13)
    with pytest.raises(SymmetryError, match="no matrix"):
        s.orbit("state")


@pytest.mark.parametrize("name", SPATIAL)
def test_parts_in_space_are_homomorphisms_of_orthogonal_matrices(name):
    """Of polyhedral groups, and of planar ones, which leave the vertical where it is."""
    s = Symmetry(group(name), IN_SPACE, {"force": Vector3()})
    a = s.orbit("state")
    assert np.abs(np.einsum("gij,hjk->ghik", a, a) - a[s.group.product]).max() < 1e-15
    assert np.abs(np.einsum("gij,gkj->gik", a, a) - np.eye(s.width("state"))).max() < 2e-15


def rotation(q):
    """The matrix of a quaternion (w, x, y, z)."""
    w, v = q[0], q[1:]
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return (w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross


@pytest.mark.parametrize("name", SPATIAL)
def test_an_orientation_and_a_rate_move_as_points_do(name):
    """R goes to A R A^-1, a rate so that the speeds it gives to points move as vectors."""
    parts = {"rate": Pseudovector(), "attitude": Quaternion()}
    s = Symmetry(group(name), parts, {"torque": Pseudovector()})
    rng = np.random.default_rng(0)
    q, rate, point = rng.normal(size=4), rng.normal(size=3), rng.normal(size=3)
    q = q / np.linalg.norm(q) * np.sign(q[0])
    for g in s.group.elements:
        moved, a = s.act(g, state=np.r_[rate, q]), s.group.space[g]
        np.testing.assert_allclose(
            np.cross(moved[:3], a @ point), a @ np.cross(rate, point), atol=1e-14
        )
        np.testing.assert_allclose(rotation(moved[3:]), a @ rotation(q) @ a.T, atol=1e-14)
        assert moved[3] == q[0] > 0, "the convention is kept to the bit"


def test_a_planar_part_under_a_polyhedral_group_is_refused():
    with pytest.raises(GroupError, match="Oh tilts the plane"):
        Symmetry(group("Oh"), {"place": Vector()}, {"force": Vector3()}).width("state")


def test_a_pose_and_a_point_keep_their_centre():
    s = Symmetry(group("D6"), {"p": Position((1.0, 2.0)), "b": Pose((1.0, 2.0))}, {"u": Vector()})
    for g in s.group.elements:
        moved = s.act(g, state=np.array([1.0, 2.0, 1.0, 2.0, 0.3]))
        np.testing.assert_allclose(moved[:4], [1, 2, 1, 2], atol=1e-14)


def test_a_pose_moves_as_the_points_of_its_body_do():
    s = Symmetry(group("D5"), {"b": Pose((0.5, 0.0)), "tip": Position((0.5, 0.0))}, {"u": Vector()})
    yaw = 0.7
    x = np.array([0.2, 0.3, yaw, 0.2 + np.cos(yaw), 0.3 + np.sin(yaw)])
    for g in s.group.elements:
        y = s.act(g, state=x)
        np.testing.assert_allclose(y[3:], y[:2] + [np.cos(y[2]), np.sin(y[2])], atol=1e-14)


@pytest.mark.parametrize("name", ["C4", "D4", "D8"])
def test_restriction_keeps_the_parts_and_composes(name):
    s = symmetry(name)
    x = random_state(s, np.random.default_rng(2))
    for sub in s.group.subgroup_names():
        small = s.restrict(sub)
        assert small.width("state") == s.width("state")
        for i, g in enumerate(s.group.subgroup(sub)):
            np.testing.assert_array_equal(small.act(i, state=x), s.act(g, state=x))
    assert s.restrict("C2").restrict("none").group.order == 1
    assert s.trivial().group.order == 1
    assert s.restrict("full").group.order == s.group.order


def test_restricting_to_nonsense_says_what_exists():
    with pytest.raises(GroupError, match="full|C4"):
        symmetry("D4").restrict("ful")
    for word, meant in (("fulll", "full"), ("D44", "D4"), ("c4", "C4"), ("nones", "none")):
        with pytest.raises(GroupError, match=f"did you mean {meant}\\?"):
            symmetry("D4").restrict(word)


def test_blocks_are_exactly_where_one_spread_is_equivariant():
    parts = {"v": Vector(), "w": Pseudoscalar(2), "r": Regular()}
    assert Symmetry(group("C4"), parts, parts).blocks("action") == (
        (0, 1),
        (2,),
        (3,),
        (4, 5, 6, 7),
    )
    assert Symmetry(group("C2"), parts, parts).blocks("action") == ((0,), (1,), (2,), (3,), (4, 5))
    assert Symmetry(group("reflection"), {"v": Vector()}, {"v": Vector()}).blocks("action") == (
        (0,),
        (1,),
    )


def test_torques_have_a_short_orbit():
    s = Symmetry(group("D8"), {"v": Vector()}, {"torque": Pseudoscalar(2)})
    assert len(s.distinct_actions()) == 2
    assert len(Symmetry(group("D8"), {"v": Vector()}, {"u": Vector()}).distinct_actions()) == 16


def test_the_stabiliser_is_found_and_wraps():
    s = Symmetry(group("D4"), {"box": Pose(), "goal": Vector()}, {"u": Vector()})
    assert s.stabiliser(state=np.array([0.3, 0.0, 0.0, 0.1, 0.0])) == (0, 4)
    assert s.stabiliser(state=np.array([0.3, 0.0, -np.pi, 0.1, 0.0])) == (0, 4)
    assert s.stabiliser(state=np.array([0.3, 0.1, 0.0, 0.1, 0.0])) == (0,)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Symmetry(group("C4"), {"a": Angle()}, {"a": Angle()}), "does not act by a matrix"),
        (lambda: Symmetry(group("C4"), {}, {"a": Scalar()}), "at least one state"),
        (lambda: symmetry("C4").act(4, state=np.zeros(26)), "no element 4"),
        (lambda: symmetry("C4").act(0, state=np.zeros(3)), "coordinates"),
        (lambda: symmetry("C4").act(0, reward=np.zeros(3)), "not 'reward'"),
        (
            lambda: Symmetry(group("C4"), {"a": Scalar()}, {"a": Scalar()}).act(
                0, observation=[1.0]
            ),
            "declared",
        ),
        (lambda: Scalar(0), "at least one"),
    ],
)
def test_nonsense_is_refused_in_one_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_wrapped_angles_are_in_range():
    edge = np.array([-np.pi, np.pi, np.nextafter(-np.pi, -4), np.nextafter(np.pi, 0), 7.0, -100.0])
    turned = wrap(edge)
    assert (turned >= -np.pi).all() and (turned < np.pi).all()
    np.testing.assert_allclose(np.exp(1j * turned), np.exp(1j * edge), atol=1e-13)
