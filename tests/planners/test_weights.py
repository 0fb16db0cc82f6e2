"""Weights of samples: exponential, Tsallis's, elites, and the temperature for a sample size."""

import numpy as np
import pytest

from covary.planners.loop.weights import effective, elite, exponential, temperature_for, tsallis

COSTS = np.random.default_rng(0).gamma(2.0, 10.0, 200)


def test_weights_sum_to_one_and_fall_with_cost():
    order = np.argsort(COSTS)
    for weight in (exponential(COSTS, 3.0), tsallis(COSTS, 20.0, 1.5)):
        assert abs(weight.sum() - 1.0) < 1e-12
        assert np.all(np.diff(weight[order]) <= 0.0)


def test_blown_up_rollouts_weigh_nothing():
    costs = np.append(COSTS, np.inf)
    assert exponential(costs, 3.0)[-1] == 0.0 and tsallis(costs, 20.0, 1.5)[-1] == 0.0
    assert len(costs) - 1 not in elite(costs, len(costs))


def test_tsallis_ends_and_tends_to_exponentials():
    weight = tsallis(COSTS, 5.0, 2.0)
    far = COSTS - COSTS.min() > 5.0
    assert far.any() and not weight[far].any() and weight[~far].all()
    order = 1.0 + 1e-4
    np.testing.assert_allclose(
        tsallis(COSTS, 3.0 / (order - 1.0), order), exponential(COSTS, 3.0), rtol=0.02, atol=1e-6
    )


@pytest.mark.parametrize("target", [1.5, 8.0, 50.0, 150.0])
def test_a_temperature_for_every_sample_size(target):
    costs = np.append(COSTS, [np.inf, np.inf])
    found = effective(exponential(costs, temperature_for(costs, target)))
    assert abs(found - target) < 1e-3 * target


def test_that_temperature_is_continuous():
    targets = 8.0 + 1e-7 * np.arange(20)
    steps = np.diff([temperature_for(COSTS, target) for target in targets])
    assert steps.min() > 0.0 and np.ptp(steps) < 0.1 * steps.mean()


def test_samples_that_cost_the_same_need_no_temperature():
    assert effective(exponential(np.ones(7), temperature_for(np.ones(7), 3.0))) == pytest.approx(7)


def test_what_ties_with_the_last_elite_is_one():
    assert elite(np.array([3.0, 1.0, 2.0, 2.0, 9.0]), 2).tolist() == [1, 2, 3]
