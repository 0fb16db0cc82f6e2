"""Laws of noise: variance 1, what they correlate, and what they fill evenly."""

import numpy as np
import pytest

from covary.planners.loop.noise import Antithetic, noise_law

KINDS = ("white", "coloured", "ornstein_uhlenbeck", "log_normal", "sobol", "halton")
KNOTS, WIDTH = 8, 2


def many(kind, plans=400, count=64, **more):
    law = noise_law(kind, KNOTS, WIDTH, count, **more)
    return np.concatenate([law(np.random.default_rng(k), count) for k in range(plans)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_law_has_variance_one_and_treats_coordinates_alike(kind):
    drawn = many(kind)
    assert drawn.shape == (400 * 64, KNOTS, WIDTH)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.04)
    np.testing.assert_allclose(drawn.var(axis=0), 1.0, atol=0.08)
    assert abs(np.corrcoef(drawn[:, 0, 0], drawn[:, 0, 1])[0, 1]) < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_draws_the_same(kind):
    law = noise_law(kind, KNOTS, WIDTH, 16)
    one, two = (law(np.random.default_rng(5), 16) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(law(np.random.default_rng(6), 16) - one).max() > 0.1


def neighbours(drawn):
    return np.mean(
        [np.corrcoef(drawn[:, k, 0], drawn[:, k + 1, 0])[0, 1] for k in range(KNOTS - 1)]
    )


def test_colour_raises_what_neighbours_share():
    found = [neighbours(many("coloured", colour=c)) for c in (0.0, 1.0, 2.0, 3.0)]
    assert abs(found[0]) < 0.02
    assert found[1] > 0.25 and found[2] > 0.6 and found[3] > 0.75
    assert found == sorted(found)


def test_ornstein_uhlenbeck_forgets_by_its_correlation():
    drawn = many("ornstein_uhlenbeck", correlation=0.6)
    for ahead in (1, 2, 3):
        found = np.corrcoef(drawn[:, 0, 0], drawn[:, ahead, 0])[0, 1]
        assert abs(found - 0.6**ahead) < 0.02


def test_log_normal_has_heavy_tails():
    def kurtosis(x):
        return np.mean(x**4) / np.mean(x**2) ** 2

    assert abs(kurtosis(many("white")[:, 0, 0]) - 3.0) < 0.2
    assert kurtosis(many("log_normal", tail=0.5)[:, 0, 0]) > 5.0


@pytest.mark.parametrize("kind", ["sobol", "halton"])
def test_even_points_integrate_better_than_random_ones(kind):
    def error(name):
        drawn = noise_law(name, 3, 1, 64)
        rngs = [np.random.default_rng(k) for k in range(200)]
        return np.std([np.mean(drawn(rng, 64).sum(axis=(1, 2)) ** 2) for rng in rngs])

    assert error(kind) < 0.6 * error("white")


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_antithetic_draws_come_in_pairs(count):
    drawn = Antithetic(noise_law("white", KNOTS, WIDTH, 8))(np.random.default_rng(0), count)
    assert drawn.shape == (count, KNOTS, WIDTH)
    half = (count + 1) // 2
    np.testing.assert_array_equal(drawn[half:], -drawn[: count // 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "coloured_"}, "did you mean coloured"),
        ({"kind": "ornstein_uhlenbeck", "correlation": 1.0}, "correlation: 1.0"),
        ({"kind": "coloured", "colour": np.inf}, "colour: inf"),
        ({"kind": "log_normal", "tail": -1.0}, "tail: -1.0"),
    ],
)
def test_bad_laws_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        noise_law(**{"knots": 3, "width": 2, "most": 8, **change})
