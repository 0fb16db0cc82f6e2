"""What neighbours tell of a map: planes, coordinates that count, and all distances at once."""

import numpy as np
import pytest

from covary.symmetry.audit.claim import claim_of
from covary.symmetry.audit.degrees import degrees
from covary.symmetry.audit.local import best_way, told
from covary.symmetry.audit.neighbours import Neighbours, _Table, _tree
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Vector

rng = np.random.default_rng


def test_a_plane_is_told_exactly_and_a_mean_is_not():
    offsets = rng(0).normal(size=(20, 12, 3)) + [0.5, 0.0, 0.0]
    slopes = rng(1).normal(size=(3, 2))
    values = 4.0 + offsets @ slopes
    found = told(offsets, values, 1e-9)
    np.testing.assert_allclose(found.value, 4.0, atol=1e-6)
    np.testing.assert_allclose(found.slopes, np.broadcast_to(slopes.T, (20, 2, 3)), atol=1e-6)
    assert found.noise.max() < 1e-12 and found.rest.max() < 1e-12
    mean = told(offsets, values)
    np.testing.assert_allclose(mean.value, values.mean(axis=1))
    assert np.abs(mean.value - 4.0).max() > 0.1


def test_the_noise_that_is_told_is_the_noise_there_is():
    offsets = np.repeat(rng(0).normal(size=(1, 15, 2)) + [0.4, 0.0], 4000, axis=0)
    values = rng(1).normal(0.0, 0.3, (4000, 15, 1))
    for ridge in (np.inf, 0.3, 0.03):
        found = told(offsets, values, ridge)
        assert found.noise.mean() == pytest.approx(found.value.var(), rel=0.15)
        assert found.rest.mean() == pytest.approx(0.09, rel=0.1)


def test_neighbours_that_all_stand_in_one_place_are_no_plane():
    offsets, values = np.full((3, 6, 2), 0.2), np.full((3, 6, 1), 7.0)
    np.testing.assert_allclose(told(offsets, values, 0.03).value, 7.0)
    np.testing.assert_allclose(told(0.0 * offsets, values, 0.03).value, 7.0)


def test_coordinates_count_by_what_the_values_do_along_them():
    x = rng(0).uniform(-1, 1, (600, 6))
    y = np.sin(2.0 * (x[:, :2] - x[:, 2:4]))  # the way from one place to another, and two idle ones
    way = best_way(x, y, None, rng(1))
    idle = np.linalg.norm(way.metric[:, 4:], axis=0).max()
    both = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]) @ way.metric  # a step that changes no way
    apart = np.array([1.0, 0.0, -1.0, 0.0, 0.0, 0.0]) @ way.metric
    assert idle < 0.2 and np.linalg.norm(both) < 0.2 * np.linalg.norm(apart)


def test_all_distances_at_once_are_those_of_the_tree():
    points, more = rng(0).normal(size=(700, 3)), rng(1).normal(size=(300, 3))
    for a, b in zip(_Table(points).query(more, 7), _tree(points).query(more, k=7), strict=True):
        np.testing.assert_allclose(a, b)
    wide = rng(0).normal(size=(80, 16))
    near = Neighbours(wide, np.arange(80) // 8, np.arange(80))
    away, found = near.near(wide, 4)
    assert near.most == 72 and (found // 8 != np.arange(80)[:, None] // 8).all()
    np.testing.assert_allclose(away, np.linalg.norm(wide - wide[found[:, 0]], axis=1))


TURNS = Symmetry(group("C4"), {"a": Vector(), "b": Vector(), "c": Vector()}, {"u": Vector()})


def test_an_expert_that_changes_its_mind_is_judged_where_it_does_not():
    x = rng(0).normal(size=(800, 6))
    way = x[:, 2:4] - x[:, :2]
    y = way / np.linalg.norm(way, axis=1, keepdims=True)
    far = np.linalg.norm(x[:, 4:], axis=1) > 1.8  # a fifth of them: it goes round the other way
    y[far] *= np.where(rng(1).integers(0, 2, far.sum()), 1.0, -1.0)[:, None]
    found = degrees(x, y, claim_of(TURNS))
    assert found.power > 0.5 and found.correct > 0.9
    leaning = degrees(x, y + [1.0, 0.0], claim_of(TURNS))
    assert leaning.incorrect > 0.5 and leaning.bound == pytest.approx(1.0, rel=0.2)


def test_pairs_that_tell_nothing_one_by_one_tell_it_by_means():
    x = rng(0).normal(size=(800, 6))
    way = np.arctan2(x[:, 3] - x[:, 1], x[:, 2] - x[:, 0])
    lost = rng(1).random(800) < 0.3  # three in ten go anywhere
    way = np.where(lost, rng(2).uniform(-np.pi, np.pi, 800), way)
    y = np.stack([np.cos(way), np.sin(way)], 1)
    episode = np.arange(800) // 10
    for values, low, high in ((y, 0.0, 0.1), (y + [1.0, 0.0], 0.5, 1.0)):
        found = degrees(x, values, claim_of(TURNS), episode)
        assert (found.by, found.power > 0.5) == ("means", True)
        assert low <= found.incorrect <= high
        assert found.departure_interval[0] < found.departure < found.departure_interval[1]
    none = degrees(x, rng(3).permutation(y), claim_of(TURNS), episode)
    assert none.by == "pairs" and none.power < 0.5
