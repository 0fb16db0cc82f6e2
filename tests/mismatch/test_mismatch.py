"""The mismatch suite: each family's truth by going through its orbits, and that groups act."""

import numpy as np
import pytest

from covary.benchmarks.mismatch import dialled, digits, two_views
from covary.benchmarks.mismatch.cubic import cubic
from covary.benchmarks.mismatch.known import Degrees, enumerated, enumerated_floor
from covary.benchmarks.mismatch.offset import ROWS, offset
from covary.benchmarks.mismatch.sectors import sectors
from covary.benchmarks.mismatch.square import SETTINGS, square
from covary.benchmarks.mismatch.swiss_roll import swiss_roll
from covary.sim.dials import Dials

ROLLS = ((1.0, 0.0), (0.5, 0.5), (0.125, 0.875), (0.25, 0.25), (0.5, 0.0), (0.125, 0.0))
KINDS = ("ppee", "pppt", "ptee", "pptptepe")
WORDS = {"p": "plain", "t": "turned", "e": "empty"}


def made(seed=0, n=400):
    """A small set of each family with a truth."""
    yield from (swiss_roll(seed, n, c, i) for c, i in ROLLS)
    yield from (square(seed, n, m, c) for m, c in SETTINGS)
    yield from (offset(seed, n, *row, noise=0.0) for row in ROWS)
    yield from (cubic(seed, n, equivariant) for equivariant in (False, True))
    yield from (sectors(seed, n, tuple(WORDS[k] for k in kinds)) for kinds in KINDS)
    yield from (digits.segments(seed, n, name) for name in ("C2", "D2", "D4", "reflection"))
    yield from (two_views.two_states(seed, n, inverted) for inverted in (False, True))
    yield from (dialled.actions(seed, 5, gain) for gain in (0.0, 1.0, -0.5))


@pytest.fixture(scope="module")
def families():
    return list(made())


def test_the_stated_degrees_are_those_of_the_orbits(families):
    for data in families:
        assert sum(data.degrees) == pytest.approx(1.0) and min(data.degrees) >= 0.0
        found = enumerated(data)
        assert sum(found) == pytest.approx(1.0)
        # Shares of 400 points; the spring's directions are few, as five demonstrations are.
        off = 0.12 if "point_mass" in data.name else 0.08
        assert np.abs(np.subtract(found, data.degrees)).max() < off, data.name


def test_the_stated_floor_is_that_of_the_orbits(families):
    for data in families:
        found = enumerated_floor(data)
        assert found == pytest.approx(data.floor, abs=0.04, rel=0.1), data.name


def test_a_wrong_truth_is_noticed():
    data = sectors(0, 400, ("plain", "plain", "turned", "empty"))
    other = sectors(0, 400, ("plain", "turned", "turned", "empty"), 0.5)
    assert np.abs(np.subtract(enumerated(data), other.degrees)).max() < 0.08  # the same shares
    assert abs(enumerated_floor(data) - other.floor) > 0.1  # of other angles
    assert enumerated(data) != Degrees(1.0, 0.0, 0.0)


def test_actions_are_actions_of_the_group(families):
    more = [two_views.two_views(0, 2), dialled.transitions(0, 1, Dials(wind=5.0))]
    for data in families + more:
        group, x, y = data.group, data.x[:50], data.y[:50]
        assert np.array_equal(data.move(0, x), x) and np.array_equal(data.answer(0, y), y)
        for g in group.elements:
            for h in group.elements:
                gh = int(group.product[g, h])
                assert np.allclose(data.move(g, data.move(h, x)), data.move(gh, x), atol=1e-12)
                assert np.allclose(data.answer(g, data.answer(h, y)), data.answer(gh, y))


def test_the_seed_settles_everything_and_the_rows_are_their_own_truth(families):
    for data, again, other in zip(families, made(), made(seed=1), strict=True):
        assert np.array_equal(data.x, again.x) and np.array_equal(data.y, again.y), data.name
        assert not np.array_equal(data.x, other.x)
        assert data.occurs(data.x).all() and data.agree(data.truth(data.x), data.y).all()
        assert not data.labels or (data.y.min() >= 0 and data.y.max() < 10)


def test_a_mirrored_2_is_a_5_and_a_turned_6_a_9():
    data = digits.segments(0, 400)
    for g, pairs in ((1, {6: 9, 9: 6, 2: 2, 3: -1, 1: -1}), (2, {2: 5, 3: 3, 1: 1, 6: -1})):
        for digit, there in pairs.items():
            assert set(data.truth(data.move(g, data.x[data.y == digit]))) == {there}
    assert data.floor == pytest.approx(0.2)  # balanced classes: 2 with 5, 6 with 9


def test_from_above_the_image_of_a_turned_scene_is_the_turned_image():
    flat, tilted = two_views.two_views(0, 3), two_views.two_views(0, 3, tilt=40.0)
    drawn, _ = two_views.scenes(0, 3, False)
    for data, tilt, most, least in ((flat, 0.0, 0.003, 0.0), (tilted, 40.0, 1.0, 0.03)):
        for (scene, _), x in zip(drawn, data.x, strict=True):
            first = x.reshape(2, 3, 64, 64)[0]
            there = two_views.image(scene, tilt, 2)  # two eighths: a quarter turn
            here = data.move(1, first.reshape(1, -1)).reshape(first.shape)
            assert least <= (np.abs(here - there).max(axis=0) > 1e-6).mean() <= most
    assert flat.degrees == (1.0, 0.0, 0.0) and tilted.degrees == (0.0, 0.0, 1.0)


def test_inverted_labels_differ_where_yellow_is_left_of_orange():
    drawn, plain = two_views.scenes(3, 300, False)
    _, inverted = two_views.scenes(3, 300, True)
    left = np.array([scene[0, 0] < scene[1, 0] for scene, _ in drawn])
    assert np.array_equal(inverted, np.where(left, -plain % 8, plain))


@pytest.mark.parametrize("dials", [Dials(), Dials(damping=5.0), Dials(wind=5.0)])
def test_what_a_dial_does_to_transitions(dials):
    data = dialled.transitions(0, 1, dials)
    found = enumerated(data)
    # A demonstration starts at rest, where the damping does nothing yet.
    assert np.abs(np.subtract(found, data.degrees)).max() < 0.05
    assert data.agree(data.truth(data.x), data.y).all()


def test_settings_out_of_range_are_refused():
    for wrong in ((0.3, 0.0), (0.75, 0.5), (-0.25, 0.5)):
        with pytest.raises(ValueError, match="swiss|multiples|shares"):
            swiss_roll(0, 10, *wrong)
    for wrong in ((0.0, 0.0), (0.5, 0.0), (0.2, 1.5)):
        with pytest.raises(ValueError, match="is not"):
            square(0, 10, *wrong)
    with pytest.raises(ValueError, match="120 deg"):
        offset(0, 10, 0.3, 120.0)
    with pytest.raises(ValueError, match="empty"):
        sectors(0, 10, ("empty", "empty"))


@pytest.mark.slow  # to import scikit-learn takes seconds
def test_handwritten_and_printed_digits():
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    for data in (digits.handwritten(0, 100), digits.printed(0, 30)):
        assert data.x.min() >= 0.0 and data.x.max() <= 1.0 and set(data.y) <= set(range(10))
        assert data.degrees is None and len(np.unique(data.x, axis=0)) == len(data.x)
    with pytest.raises(ValueError, match="1797"):
        digits.handwritten(0, 5000)
