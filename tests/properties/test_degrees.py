"""Degrees of equivariance: known cases, what they must not depend on, and what is refused."""

import itertools

import numpy as np
import pytest

from covary.symmetry.audit.advice import advised
from covary.symmetry.audit.claim import AuditError, Claim, claim_of
from covary.symmetry.audit.degrees import degrees
from covary.symmetry.audit.folding import folding
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
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

TWO_POINTS = Symmetry(group("C4"), {"object": Vector(), "goal": Vector()}, {"velocity": Vector()})


def points_and_goals(n, lean, half_sector, seed=0):
    """Objects at angles of a sector, goals beside them; the action leads to the goal, and leans."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-half_sector, half_sector, n)
    turn = np.exp(1j * angle)
    place = turn * rng.uniform(0.6, 1.0, n)
    goal = -turn * (0.5 + 0.2 * rng.uniform(-1, 1, n) + 0.2j * rng.uniform(-1, 1, n))
    action = np.stack([(goal - place).real, (goal - place).imag], 1) + lean
    x = np.stack([place.real, place.imag, goal.real, goal.imag], 1)
    return x, action + rng.normal(0, 0.02, (n, 2))


def audit(lean, half_sector, n=1500):
    x, y = points_and_goals(n, np.array([lean, 0.0]), half_sector)
    return degrees(x, y, claim_of(TWO_POINTS))


def test_an_equivariant_map_is_correct():
    found = audit(0.0, np.pi)
    assert found.correct > 0.98 and found.bound < 0.001
    assert found.intervals["correct"][0] <= found.correct <= found.intervals["correct"][1]
    assert found.power > 0.9 and found.samples == 1500 and found.episodes == 0


def test_a_leaning_map_is_incorrect_under_each_element_and_the_floor_is_its_lean():
    found = audit(0.3, np.pi)
    assert all(element.shares.incorrect > 0.99 for element in found.elements)
    assert found.bound == pytest.approx(0.09, rel=0.1)
    assert found.bound_interval[0] <= found.bound <= found.bound_interval[1]
    assert found.worst[0].excess > 1 and found.worst[0].element in ("r1", "r2", "r3")


def test_one_side_only_is_extrinsic():
    found = audit(0.3, np.radians(40))
    assert found.extrinsic > 0.99 and found.bound < 0.001


def test_half_of_the_plane():
    whole = audit(0.3, np.pi / 2, 5000)
    found = {element.name: element.shares for element in whole.elements}
    for quarter in ("r1", "r3"):
        assert found[quarter].incorrect == pytest.approx(0.5, rel=0.1)
        assert found[quarter].extrinsic == pytest.approx(0.5, rel=0.1)
    assert found["r2"].extrinsic > 0.9
    assert whole.bound == pytest.approx(0.045, rel=0.1)


SLOW = [pytest.param(w, marks=pytest.mark.slow) for w in ("C3", "SO2_8", "O2_8", "O", "Oh", "Ih")]


@pytest.mark.parametrize("word", ["trivial", "swap", "D2", "T", *SLOW])
def test_degrees_sum_to_one_for_every_group_and_part(word):
    rng, g = np.random.default_rng(0), group(word)
    spatial = [Vector3(), Point3(), Pseudovector(), Quaternion(), Scalar(2)]
    planar = [Vector(), Position((0.1, 0.2)), Pose((0.3, 0.0)), Angle(), Pseudoscalar(), Regular()]
    for part in spatial + (planar if g.planar else []):
        symmetry = Symmetry(g, {"part": part, "height": Scalar()}, {"push": Vector3()})
        x = rng.uniform(-1, 1, (60, symmetry.width("state")))
        y = rng.normal(size=(60, 3))
        found = degrees(x, y, claim_of(symmetry))
        for shares in (found.shares, *(element.shares for element in found.elements)):
            values = (shares.correct, shares.incorrect, shares.extrinsic)
            assert all(sum(order) == 1.0 for order in itertools.permutations(values))
            assert min(values) >= 0.0


def half_and_half(flip):
    """A label that a mirror keeps, or flips."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (600, 2))
    label = (x[:, 0] > 0).astype(int)
    return x, np.where(x[:, 1] > 0, label, 1 - label) if flip else label


MIRROR = Symmetry(group("reflection"), {"point": Vector()}, {"none": Scalar()})


def test_a_flipped_label_is_incorrect_and_costs_half():
    kept = degrees(*half_and_half(False), claim_of(MIRROR, "label"))
    assert kept.correct > 0.95 and kept.bound < 0.02
    flipped = degrees(*half_and_half(True), claim_of(MIRROR, "label"))
    assert flipped.incorrect > 0.9
    assert flipped.bound == pytest.approx(0.5, rel=0.1)
    assert flipped.coordinates.shape == (1,) and flipped.coordinates[0] > 0.9


def test_callables_say_the_same_as_a_declaration():
    x, y = points_and_goals(400, np.array([0.3, 0.0]), np.pi)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    power = [np.linalg.matrix_power(turn, k) for k in range(4)]
    both = tuple((0, 1, 2, 3)[k : k + 2] for k in (0, 2))
    claim = Claim(
        ("e", "r1", "r2", "r3"),
        lambda g, x: np.concatenate([x[:, :2] @ power[g].T, x[:, 2:] @ power[g].T], 1),
        lambda g, y: y @ power[g].T,
        units=both,
        value_units=((0, 1),),
    )
    ours, theirs = degrees(x, y, claim_of(TWO_POINTS)), degrees(x, y, claim)
    assert ours.shares == theirs.shares and ours.bound == pytest.approx(theirs.bound)


def test_order_and_scale_do_not_matter():
    x, y = points_and_goals(400, np.array([0.2, 0.0]), np.pi / 2)
    first = degrees(x, y, claim_of(TWO_POINTS))
    order = np.random.default_rng(0).permutation(400)
    again = degrees(x[order], y[order], claim_of(TWO_POINTS))
    assert again.shares == first.shares and again.bound == pytest.approx(first.bound)
    wide = x * [1e3, 1e3, 1.0, 1.0]
    assert degrees(wide, 1e-3 * y, claim_of(TWO_POINTS)).shares == first.shares


def test_neighbours_are_of_other_episodes_and_steps_are_told():
    x, y = points_and_goals(400, np.array([0.0, 0.0]), np.pi)
    repeated, values = np.repeat(x, 5, axis=0), np.repeat(y, 5, axis=0)
    episode = np.repeat([f"episode {k}" for k in range(400)], 5)
    found = degrees(repeated, values, claim_of(TWO_POINTS), episode)
    assert found.episodes == 400 and found.steps.shape == (5, 3)
    np.testing.assert_allclose(found.steps.sum(axis=1), 1.0)
    alone = degrees(repeated, values, claim_of(TWO_POINTS))
    assert found.reach > 1e3 * alone.reach  # whose nearest neighbours are its own copies


def test_values_that_have_nothing_to_do_with_the_state_are_never_called_correct():
    rng = np.random.default_rng(0)
    x, _ = points_and_goals(400, 0.0, np.pi)
    found = degrees(x, rng.normal(size=(400, 2)), claim_of(TWO_POINTS))
    assert found.power < 0.2
    assert advised(found, group("C4"), 2.0).word == "unknown"


def test_folding_tells_help_from_harm():
    helped = folding(*points_and_goals(300, 0.0, np.pi), claim_of(TWO_POINTS))
    assert helped.change < 0 and helped.interval[1] < 0
    rng = np.random.default_rng(0)  # bands, whose mirrored copies lie between those that say else
    band = rng.integers(0, 24, 1200)
    side = np.where(band % 2 == 0, 1.0, -1.0)
    x = np.stack([band + rng.uniform(0.3, 0.7, 1200), side * rng.uniform(0.5, 1.0, 1200)], 1)
    label = band % 2
    found = degrees(x, label, claim_of(MIRROR, "label"))
    assert found.extrinsic > 0.8 and found.incorrect < 0.05
    harmed = folding(x, label, claim_of(MIRROR, "label"))
    assert harmed.change > 0.02 and harmed.interval[0] > 0
    advice = advised(found, group("reflection"), 1.0, harmed)
    assert (advice.word, advice.harmful) == ("drop", True)
    assert "harmful extrinsic" in advice.sentence


def test_advice():
    C4 = group("C4")
    assert advised(audit(0.0, np.pi, 1000), C4, 2.0).word == "impose"
    assert advised(audit(0.3, np.radians(30), 1000), C4, 0.5).word == "augment"
    assert advised(audit(1.0, np.pi, 1000), C4, 2.0).word == "drop"
    x, y = points_and_goals(2000, 0.0, np.pi)
    D4 = Symmetry(group("D4"), TWO_POINTS.state, TWO_POINTS.action)
    y = y + np.stack([-y[:, 1], y[:, 0]], 1)  # a swirl, which rotations keep and mirrors do not
    advice = advised(degrees(x, y, claim_of(D4)), group("D4"), 2.0)
    assert (advice.word, advice.group) == ("restrict", "C4")
    rng = np.random.default_rng(0)  # exchanged values are hardly told apart, yet all are wrong
    wind = np.array([1.0, 0.0]) + rng.normal(0.0, 0.05, (1000, 2))
    found = degrees(points_and_goals(1000, 0.0, np.pi)[0], wind, claim_of(TWO_POINTS))
    assert found.power < 0.1 and advised(found, C4, 0.005).word == "drop"


def refused(x, y, claim, **more):
    with pytest.raises(AuditError) as error:
        degrees(x, y, claim, **more)
    return str(error.value)


def test_what_is_refused():
    x, y = points_and_goals(100, 0.0, np.pi)
    claim = claim_of(TWO_POINTS)
    assert "20 samples are too few" in refused(x[:20], y[:20], claim)
    assert "state: constant" in refused(np.ones_like(x), y, claim)
    assert "values: constant" in refused(x, np.ones_like(y), claim)
    bad = y.copy()
    bad[7, 1] = np.nan
    assert "values: row 7 is not finite" in refused(x, bad, claim)
    assert "state: row 7 is not finite" in refused(np.where(x == x[7], np.inf, x), y, claim)
    assert "3 coordinates; the parts that the group acts on have 4" in refused(x[:, :3], y, claim)
    assert "values: 1 coordinates" in refused(x, y[:, :1], claim)
    assert "99 rows beside 100" in refused(x, y[:99], claim)
    assert "no numbers" in refused(np.full(x.shape, "a"), y, claim)
    assert "label: constant" in refused(x, np.zeros(100), claim_of(TWO_POINTS, "label"))
    assert "episode: 2, and intervals need 5" in refused(x, y, claim, episode=np.repeat([0, 1], 50))
    assert "one for each of 100 rows" in refused(x, y, claim, episode=np.arange(99))
    turned = Claim(("r", "e"), lambda g, x: x + 1.0 - g, lambda g, y: y)
    assert "r, must be the identity" in refused(x, y, turned)
    shifting = Claim(("e", "g"), lambda g, x: x, lambda g, y: y + g)
    assert "does not act on y by a matrix" in refused(x, y, shifting)
