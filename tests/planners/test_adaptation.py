"""Temperature by the spread of the costs, noise as large as what counts asks for."""

import numpy as np
import pytest
from test_family import AWAY, planner, run

from covary.nodes import plugin
from covary.nodes.parameters import ParameterError, from_dict
from covary.planners.loop.noise_scale import NoiseScale
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.drone import Drone

WEIGHING = {
    **{name: {} for name in ("mppi", "kmppi", "smppi", "covo", "tube_mppi", "dial")},
    "mppi_ilqr": {"polish": 0},  # its steps end by a cost
}
KINDS = [
    *WEIGHING.items(),
    ("mppi", {"weights": "tsallis", "tsallis_order": 2.0}),
    ("mppi", {"best_fraction": 0.3}),
]
ADAPTED = [pair for pair in KINDS if pair[0] != "dial"]
X = np.concatenate([AWAY, [0.0, 0.0]])


def dearer(one, factor):
    """The same with another unit of cost."""
    cost = one.dynamics.cost
    one.dynamics.cost = lambda p, v, u: factor * cost(p, v, u)
    return one


def ticks(one, count=3):
    """The last of some plans from one state."""
    memory = one.initial_memory(0)
    for k in range(count):
        plan, memory = one.plan(X, 0.1 * k, memory)
    return plan.actions, memory


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param(*pair, marks=pytest.mark.slow if pair[0] == "tube_mppi" else ())
        for pair in KINDS
    ],
)
def test_the_unit_of_cost_does_not_matter_by_the_spread(name, more):
    """Nor to adapted noise; with a temperature in units of cost it does."""
    adapted = {"noise_adaptation": 0.5} if name != "dial" else {}
    asked = {"relative_temperature": 0.5, "iterations": 2, **adapted, **more}
    plans = [ticks(dearer(planner(name, **asked), factor))[0] for factor in (1.0, 1e3)]
    np.testing.assert_allclose(plans[0], plans[1], atol=1e-8)
    assert np.abs(plans[0]).max() > 0.1
    if name != "dial":
        plain = [ticks(dearer(planner(name, **more), f))[0] for f in (1.0, 1e3)]
        assert np.abs(plain[0] - plain[1]).max() > 0.01


def test_a_spread_is_told_as_a_temperature():
    one = planner("mppi", relative_temperature=0.5)
    one.plan(X, 0.0, one.initial_memory(0))
    costs = one._last[1]
    assert one.figures().temperature == pytest.approx(0.5 * costs.std())
    blown = np.append(costs, np.inf)
    assert one.tempered(blown) == pytest.approx(one.tempered(costs))
    assert np.isfinite(one.weight(np.ones(7))).all()  # all alike


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param(*pair, marks=pytest.mark.slow if pair[0] == "tube_mppi" else ())
        for pair in ADAPTED
    ],
)
def test_noise_is_large_where_the_goal_is_far_and_small_at_it(name, more):
    asked = {"noise": 0.4, "noise_adaptation": 0.5, "relative_temperature": 0.2, **more}
    one, found = planner(name, **asked), []
    for distance in (0.1, 4.0):
        memory = one.initial_memory(0)
        for _ in range(12):
            _, memory = one.plan(distance * X, 0.0, memory)
        found.append(memory.std / one.initial_std)
        assert np.all((found[-1] >= 0.02 / 0.4 - 1e-12) & (found[-1] <= 1.0))
        np.testing.assert_array_equal(found[-1][:, 0], found[-1][:, 1])  # one force, one factor
    assert found[0].mean() < 0.85 * found[1].mean()


def test_it_grows_again_when_the_goal_moves_away():
    """By the geometric mean over draws: of one draw alone it is a factor from 1.4 to 2.9."""
    one, grown = planner("mppi", noise_adaptation=0.5, relative_temperature=0.2), []
    for seed in range(8):
        memory, sizes = one.initial_memory(seed), []
        for distance in [0.1] * 30 + [8.0] * 10:
            _, memory = one.plan(distance * X, 0.0, memory)
            sizes.append(memory.std.mean() / one.initial_std.mean())
        assert sizes[29] < 0.3
        grown.append(sizes[39] / sizes[29])
    assert np.exp(np.mean(np.log(grown))) > 1.5


def test_noise_that_was_set_too_large_is_mended():
    kept, adapted = (
        np.median([run(planner("mppi", noise=0.8, **more), seed=k)[:2] for k in range(3)], axis=0)
        for more in ({}, {"noise_adaptation": 0.5})
    )
    assert adapted[0] < 0.8 * kept[0] and adapted[1] < 0.5 * kept[1]


def scale(**more):
    parameters = MPPI.Parameters(noise=0.5, knots=5, horizon=21, noise_adaptation=0.5, **more)
    return NoiseScale(parameters, [slice(0, 2), slice(2, 3)], np.full((5, 3), 0.5), np.ones(3))


def test_samples_that_count_alike_change_nothing_and_parts_are_apart():
    one, rng = scale(), np.random.default_rng(0)
    noise, std = rng.standard_normal((40, 5, 3)), np.full((5, 3), 0.2)
    np.testing.assert_allclose(one.fitted(std, noise, np.full(40, 1 / 40)), std)
    np.testing.assert_array_equal(one.fitted(std, noise, None), std)
    np.testing.assert_array_equal(one.fitted(std, 0.0 * noise, np.full(40, 1 / 40)), std)
    noise[0, :, 2] *= 100.0
    weight = np.zeros(40)
    weight[1] = 1.0
    found = one.fitted(std, noise, weight)
    assert np.all(found[:, 2] < 0.19) and found[:, :2].max() > 0.15
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    weight[[0, 1]] = 1.0, 0.0
    np.testing.assert_allclose(one.fitted(std, noise, weight)[:, 2], 0.5)  # the most
    np.testing.assert_allclose(scale(smallest_noise=0.3).fitted(std, noise, weight).min(), 0.3)


def test_it_moves_on_with_the_plan_and_begins_anew_at_its_end():
    one = scale()
    std = np.repeat(np.array([[0.1], [0.2], [0.3], [0.4], [0.1]]), 3, axis=1)
    np.testing.assert_allclose(one.later(std, 0.0), std)
    np.testing.assert_allclose(one.later(std, 5.0)[:, 0], [0.2, 0.3, 0.4, 0.1, 0.5])
    half = one.later(std, 2.5)[:, 0]
    assert 0.1 < half[0] < 0.2 and 0.1 < half[4] < 0.5
    np.testing.assert_allclose(one.later(std, 20.0)[:, 0], [0.1, *[0.5] * 4])


def test_a_part_has_one_factor_whatever_the_group_and_thrust_another_than_rates():
    """With symmetry none too, where blocks are single coordinates: frames may turn a part."""
    for word in ("full", "none"):
        one = MPPI(NumbaDynamics(Drone()), word, samples=64, noise=0.1, noise_adaptation=0.5)
        x, memory = one.task.initial_state(np.random.default_rng(0)), one.initial_memory(0)
        for k in range(3):
            _, memory = one.plan(x, 0.05 * k, memory)
        ratio = memory.std / one.initial_std
        for part in one.symmetry.slices("action").values():
            assert np.ptp(ratio[:, part], axis=1).max() < 1e-12
        assert np.ptp(ratio, axis=1).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mppi", {"relative_temperature": -0.1}, "relative_temperature: -0.1"),
        ("mppi", {"relative_temperature": float("nan")}, "relative_temperature: nan"),
        ("mppi", {"relative_temperature": 0.5, "effective_samples": 8.0}, "set one of them"),
        ("covo", {"noise_adaptation": 1.5}, "noise_adaptation: 1.5"),
        ("kmppi", {"noise_adaptation": float("nan")}, "noise_adaptation: nan"),
        ("smppi", {"smallest_noise": -1.0}, "smallest_noise: -1.0"),
        ("mppi", {"noise_adaptation": 0.5, "noise": 0.01}, "smallest_noise: 0.02 is more than"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(name, change, message):
    with pytest.raises(ValueError, match=message):
        planner(name, **change)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((name, "noise_adaptation") for name in ("cem", "icem", "cma_es", "dial", "ilqr")),
        *((name, "relative_temperature") for name in ("cem", "cma_es", "ilqr")),
        *(("predictive_sampling", key) for key in ("noise_adaptation", "relative_temperature")),
    ],
)
def test_where_they_mean_nothing_they_are_refused_in_one_line(name, key):
    """Noise that an algorithm fits or anneals itself, a best sample that needs no weights."""
    parameters = plugin.load(name, "planners").Parameters
    with pytest.raises(ParameterError, match=key) as refused:
        from_dict(parameters, {key: 0.5}, "planner_options")
    assert "\n" not in str(refused.value)


def test_a_plan_with_either_is_the_loops():
    from covary.planners.fused.fused_plan import why_not

    for key in ("relative_temperature", "noise_adaptation"):
        one = MPPI(NumbaDynamics(Drone()), "none", samples=8, **{key: 0.5})
        assert why_not(one) == f"{key}: 0.5" and one.fused is None


@pytest.mark.parametrize(("name", "more"), ADAPTED)
def test_it_is_exact_under_every_element(name, more):
    """Many count, many saturate, the noise has changed; warm starts between whole periods too."""
    asked = {"noise": 2.0, "noise_adaptation": 0.7, "relative_temperature": 0.5, "iterations": 2}
    one = planner(name, **asked, **more)
    errors, memory = mapped(one)
    assert max(errors) < 1e-9 and one.figures().effective_samples > 5.0
    assert np.mean(np.linalg.norm(one.samples.actions, axis=-1) > 3.0 - 1e-9) > 0.2
    assert np.abs(memory.std / one.initial_std - 1.0).max() > 0.05


def mapped(one):
    """How far plans for g x are from g times those for x, and the last memory."""
    s, x, errors = one.symmetry, np.concatenate([AWAY, [-0.2, 0.5]]), []
    memory = one.initial_memory(3)
    for time in (0.0, 0.1, 0.25):
        moved = {g: memory.act(s, g) for g in s.group.elements}
        plan, memory = one.plan(x, time, memory)
        for g in s.group.elements:
            there, learned = one.plan(s.act(g, state=x), time, moved[g])
            errors.append(np.abs(there.actions - s.act(g, action=plan.actions)).max())
            errors.append(np.abs(learned.std - memory.std).max())
    return errors, memory


def test_a_factor_for_each_coordinate_is_caught():
    """The control of the law above."""
    one = planner("mppi", noise=2.0, noise_adaptation=0.7, relative_temperature=0.5, iterations=2)
    one.scale.parts = [slice(0, 1), slice(1, 2)]
    assert max(mapped(one)[0]) > 1e-3
