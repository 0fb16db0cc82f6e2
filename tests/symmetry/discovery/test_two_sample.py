"""The test of invariance: level, dependent rows, power, and what it refuses to say."""

import discovery_cases
import numpy as np
import pytest

from covary.symmetry.discovery.candidates import catalogue, finite, named
from covary.symmetry.discovery.frames import Frames
from covary.symmetry.discovery.largest import largest_group
from covary.symmetry.discovery.moments import Moments
from covary.symmetry.discovery.two_sample import Sample, element_p_values, invariance


def points(name, count, seed=0, noise=0.05):
    return discovery_cases.orbit(np.random.default_rng(seed), name, count, noise)


def test_the_group_is_kept_and_all_others_are_rejected():
    sample = Sample(points("C4", 100))
    assert not invariance(sample, named("C4")).rejected
    assert not invariance(sample, named("C2")).rejected
    for name in ("C8", "D4", "SO2"):
        assert invariance(sample, named(name)).rejected, name


def test_data_that_are_mostly_one_row_have_a_finite_test():
    rows = points("C4", 60)
    rows[20:] = rows[0]
    sample = Sample(rows)
    told = sample.statistics(np.broadcast_to(np.eye(2), (sample.units, 2, 2)))
    assert np.isfinite(told).all()


def test_in_space():
    rng = np.random.default_rng(1)
    moved = np.einsum("nij,kj->nki", named("T", 3).random(rng, 120), rng.normal(size=(4, 3)))
    sample = Sample(moved + 0.02 * rng.normal(size=moved.shape))
    assert not invariance(sample, named("T", 3)).rejected
    for name in ("O", "SO3"):
        assert invariance(sample, named(name, 3)).rejected, name


def test_each_element_has_a_p_value_that_counts_how_many_there_are():
    p_values = element_p_values(Sample(points("C2", 60)), named("D4").matrices)
    quarter, half, mirrors = p_values[1], p_values[2], p_values[4:]
    assert p_values[0] == 1.0
    assert half > 0.1
    assert quarter == p_values[3] <= 0.05  # they generate each other
    assert mirrors.max() <= 0.05


def test_rows_of_an_episode_count_once():
    starts = points("C4", 7, seed=3)
    rng = np.random.default_rng(0)
    rows = np.repeat(starts, 30, axis=0) + 0.02 * rng.normal(size=(210, 5, 2))
    episodes = np.repeat(np.arange(7), 30)
    assert invariance(Sample(rows), named("C4")).rejected  # as if all had been drawn apart
    honest = invariance(Sample(rows, episodes), named("C4"), [named("C2")])
    assert (honest.rejected, honest.units) == (False, 7)
    assert honest.power < 0.5


def test_power_grows_with_the_data_and_names_what_is_hardest():
    few = invariance(Sample(points("C4", 25)), named("C4"), [named("C2")])
    many = invariance(Sample(points("C4", 200)), named("C4"), [named("C2")])
    assert few.power < 0.5
    assert few.weakest == "one side of its orbit thinned by half"
    assert many.power > 0.95


@pytest.mark.parametrize("dimension", [2, 3])
def test_units_are_moved_in_closed_form(dimension):
    rng = np.random.default_rng(0)
    rows, of = rng.normal(size=(60, 4, dimension)), rng.permutation(np.repeat(np.arange(20), 3))
    moves = named(f"O{dimension}", dimension).random(rng, 20)
    still = np.tile(np.eye(dimension), (20, 1, 1))
    moved = np.einsum("nij,nkj->nki", moves[of], rows)
    here, there = Moments(rows, of), Moments(moved, of)
    np.testing.assert_allclose(here.means(moves), there.means(still), atol=1e-12)
    assert len(here.means(moves)) == len(here.family)
    lead, first = Frames(rows[:20]), Frames(np.einsum("nij,nkj->nki", moves, rows[:20]))
    np.testing.assert_allclose(lead.means(moves), first.means(still), atol=1e-12)
    assert len(lead.means(moves)) == len(lead.weights)


def left_and_right(rng, units, left):
    """Episodes of 3 rows in which what moves lies left of what it moves with some chance."""
    turns = named("SO2").random(rng, units)
    side = np.where(rng.random(units) < left, 1.0, -1.0)[:, None]
    ahead = rng.normal(size=(units, 3, 2))
    beside = np.abs(rng.normal(size=(units, 3))) * side
    other = np.stack([rng.normal(size=(units, 3)), beside], axis=2)
    rows = np.stack([np.tile([1.0, 0.0], (units, 3, 1)), other, ahead], axis=2)
    moved = np.einsum("nij,nrkj->nrki", turns, rows)
    return moved.reshape(-1, 3, 2), np.repeat(np.arange(units), 3)


def test_a_broken_mirror_is_seen_though_rows_differ_in_all_else():
    rng = np.random.default_rng(0)
    broken = Sample(*left_and_right(rng, 200, 0.75), most=200)
    assert invariance(broken, named("O2")).rejected
    assert invariance(broken, named("reflection")).rejected
    even = Sample(*left_and_right(rng, 200, 0.5), most=200)
    assert not invariance(even, named("reflection"), [named("trivial")]).rejected


@pytest.mark.slow
def test_a_mirror_is_told_from_two_hundred_episodes():
    for left, group in ((0.5, "O2"), (0.8, "SO2")):
        rows, episodes = left_and_right(np.random.default_rng(1), 200, left)
        names = ("trivial", "reflection", "C2", "D2", "SO2", "O2")
        found = largest_group(rows, [named(name) for name in names], episodes)
        assert (found.verdict, found.group) == ("found", group), found.words


def test_little_data_is_no_answer():
    finding = largest_group(points("C4", 20), catalogue(2, most=4))
    assert (finding.verdict, finding.group) == ("cannot be told", "")


def test_the_same_seed_gives_the_same():
    data = points("C3", 60)
    assert invariance(Sample(data), named("C3"), seed=4) == invariance(
        Sample(data), named("C3"), seed=4
    )


def test_thinning_to_fewer_rows_keeps_every_episode():
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(50), rng.integers(1, 40, 50))
    sample = Sample(rng.normal(size=(len(episodes), 2, 2)), episodes, most=80)
    assert (len(sample.points), sample.units) == (80, 50)


def test_what_says_nothing_is_an_error():
    good = points("C4", 30)
    bad = good.copy()
    bad[7, 2, 0] = np.nan
    with pytest.raises(ValueError, match="row 7 is not finite"):
        Sample(bad)
    with pytest.raises(ValueError, match="all rows are the same"):
        Sample(np.ones((30, 2, 2)))
    with pytest.raises(ValueError, match=r"\(30, 10\), not \(N, k, 2\)"):
        Sample(good.reshape(30, 10))
    with pytest.raises(ValueError, match="episodes have the shape"):
        Sample(good, np.zeros(3))
    with pytest.raises(ValueError, match="dimension 3"):
        invariance(Sample(good), named("T", 3))
    with pytest.raises(ValueError, match="needs 99 draws"):
        invariance(Sample(good), named("C4"), draws=50)
    with pytest.raises(ValueError, match="not closed"):
        finite("two", named("C3").matrices[:2])
    with pytest.raises(ValueError, match="no candidate"):
        largest_group(good, [])


def test_which_group_lies_within_which():
    names = {one.name: one for one in catalogue(3)}
    for small, large in (("C4", "SO2"), ("C3", "C6"), ("T", "O"), ("T", "I"), ("SO2", "SO3"),
                         ("D4", "O2"), ("I", "SO3"), ("Oh", "O3"), ("D3", "O3")):  # fmt: skip
        assert names[small].within(names[large]), (small, large)
        assert not names[large].within(names[small]), (small, large)
    assert not names["O"].within(names["I"])
    assert not names["reflection"].within(names["SO3"])


def test_random_elements_are_elements():
    rng = np.random.default_rng(0)
    for name, dimension in (("SO2", 2), ("O2", 2), ("O2", 3), ("SO3", 3), ("O3", 3)):
        one = named(name, dimension)
        some = one.random(rng, 500)
        assert np.abs(some @ some.transpose(0, 2, 1) - np.eye(dimension)).max() < 1e-12
        assert one.member(some).all()
        assert np.abs(some.mean(axis=0)[:2, :2]).max() < 0.15


@pytest.mark.slow
def test_a_group_that_is_there_is_rejected_as_often_as_the_level_says():
    for name in ("C4", "D3", "SO2"):
        p_values = []
        for seed in range(200):
            sample = Sample(points(name, 50, seed))
            here = sample.statistics(np.tile(np.eye(2), (sample.units, 1, 1)))
            null = sample.null(named(name), 99, np.random.default_rng(seed))
            p_values.append(sample.p_value(null, here))
        assert np.mean(np.array(p_values) <= 0.05) <= 0.10  # 5 % and 3 standard deviations
        assert 0.3 < np.mean(p_values) < 0.7
