"""LieGAN and Augerino: what they can find, what they cannot, and that a seed gives one result."""

import discovery_cases
import numpy as np
import pytest

from covary.symmetry.discovery.augerino import AugerinoSettings, augerino_elements
from covary.symmetry.discovery.liegan import LieGanSettings, liegan_elements

BOTH = pytest.mark.parametrize("found", [liegan_elements, augerino_elements])


def angles(matrices):
    return np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])


def data(name, seed=0):
    return discovery_cases.orbit(np.random.default_rng(seed), name, 2000, noise=0.02)


@BOTH
def test_what_says_nothing_is_an_error(found):
    with pytest.raises(ValueError, match="all rows are the same"):
        found(np.ones((50, 2, 2)))
    with pytest.raises(ValueError, match="not finite"):
        found(np.full((50, 2, 2), np.nan))


@pytest.mark.slow
@BOTH
def test_a_seed_gives_one_result(found):
    settings = {liegan_elements: LieGanSettings, augerino_elements: AugerinoSettings}[found]
    few = settings(steps=20)
    for dimension in (2, 3):
        rng = np.random.default_rng(0)
        points = rng.normal(size=(100, 3, dimension))
        first, again, other = (found(points, 50, seed, few) for seed in (0, 0, 1))
        assert first.shape == (50, dimension, dimension)
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3
        apart = first @ first.transpose(0, 2, 1) - np.eye(dimension)
        assert np.abs(apart).max() < 1e-5
        assert (np.linalg.det(first) > 0).all()


@pytest.mark.slow
@BOTH
def test_all_rotations_are_found(found):
    turned = angles(found(data("SO2"), 1000))
    assert np.abs(np.exp(1j * turned).mean()) < 0.3  # a whole turn gives 0, none gives 1


@pytest.mark.slow
@BOTH
def test_of_a_finite_group_neither_finds_the_elements(found):
    turned = angles(found(data("C4"), 1000))
    to_nearest = np.abs((turned + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    # Of a uniform angle the mean is pi / 8; of C4 it is 0.
    spread = np.abs(np.exp(1j * turned).mean())
    assert spread > 0.8 or np.mean(to_nearest) > 0.2


@pytest.mark.slow
def test_augerino_stays_near_the_identity_where_there_is_no_group():
    turned = angles(augerino_elements(data("trivial"), 1000))
    assert np.abs(turned).max() < 0.5
