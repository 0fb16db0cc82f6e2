"""Each algorithm differs from plain MPPI by what its paper is about, and gets there too."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from covary.nodes import plugin
from covary.planners.sampling import SamplingPlanner
from covary.sim.limits import Ball, Limits
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Vector

NAMES = [
    name
    for name in plugin.offered("planners")
    if issubclass(plugin.load(name, "planners"), SamplingPlanner)
]
AWAY = np.array([1.0, 0.3])


class Mass:
    """A point mass in the plane that is pushed; it is to come to rest at the origin."""

    name = "mass"
    dt = 0.1
    state_names = ("x", "y", "vx", "vy")
    action_interface = "effort"

    def __init__(self):
        self.symmetry = Symmetry(group("D4"), {"p": Vector(), "v": Vector()}, {"u": Vector()})
        self.limits = Limits({"u": Ball(3.0)}, {"u": slice(0, 2)})

    def safe_action(self):
        return np.zeros(2)

    def running_cost(self, x, u):
        near = np.sum(x[..., :2] ** 2, axis=-1) + 0.1 * np.sum(x[..., 2:] ** 2, axis=-1)
        return near + 0.01 * np.sum(u**2, axis=-1)

    def terminal_cost(self, x):
        return np.zeros(x.shape[:-1])


@dataclass
class MassDynamics:
    """Its model, in NumPy."""

    task: Mass
    weight: tuple[float, float] = (1.0, 1.0)
    models: int = 1

    def next_state(self, x, u):
        v = 0.98 * x[..., 2:] + self.task.dt * u
        p = x[..., :2] + self.task.dt * v
        return np.concatenate([p, v], axis=-1)

    def cost(self, p, v, u):
        near = p**2 @ np.array(self.weight)
        return near + 0.1 * np.sum(v**2, axis=-1) + 0.01 * np.sum(u**2, axis=-1)

    def rollout(self, x0, actions, costs, states):
        v = np.tile(x0[2:], (len(actions), 1))
        p = np.tile(x0[:2], (len(actions), 1))
        costs[0] = 0.0
        for t in range(actions.shape[1]):
            v = 0.98 * v + self.task.dt * actions[:, t]
            p = p + self.task.dt * v
            costs[0] += self.cost(p, v, actions[:, t])


def planner(name, **more):
    settings = {"samples": 128, "horizon": 15, **more}
    return plugin.load(name, "planners")(MassDynamics(Mass()), **settings)


def run(one, steps=60, seed=0, start=AWAY):
    """Closed loop: cost, last distance, and the actions."""
    x, memory, total, done = np.concatenate([start, np.zeros(2)]), one.initial_memory(seed), 0.0, []
    for k in range(steps):
        plan, memory = one.plan(x, k * one.task.dt, memory)
        x = one.dynamics.next_state(x, plan.actions[0])
        total += float(one.dynamics.cost(x[:2], x[2:], plan.actions[0]))
        done.append(plan.actions[0])
    return total, float(np.linalg.norm(x[:2])), np.array(done)


def test_the_family_is_here():
    assert set(NAMES) >= {
        *("predictive_sampling", "mppi", "kmppi", "smppi", "cem", "icem", "dial", "cma_es"),
        *("covo", "tube_mppi", "mppi_ilqr"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_gets_there(name):
    total, distance, _ = run(planner(name))
    assert distance < 0.1 and total < 10.0  # standing still: 65


def test_predictive_sampling_is_never_worse_than_the_plan_before():
    one = planner("predictive_sampling")
    x, memory, costs = np.array([1.0, 0.3, 0.0, 0.0]), one.initial_memory(0), []
    for _ in range(20):
        plan, memory = one.plan(x, 0.0, memory)
        costs.append(plan.cost)
    assert np.all(np.diff(costs) <= 1e-12) and costs[-1] < costs[0]


def test_fine_noise_brings_predictive_sampling_to_rest():
    """With large noise alone hardly any sample rests better than the plan before."""
    left = {}
    for share in (0.0, 0.2):
        one, found = planner("predictive_sampling", fine_share=share), []
        for seed in range(3):
            x, memory = np.array([0.05, 0.0, 0.0, 0.0]), one.initial_memory(seed)
            for k in range(40):
                plan, memory = one.plan(x, 0.1 * k, memory)
                x = one.dynamics.next_state(x, plan.actions[0])
                found += [np.linalg.norm(x)] * (k >= 20)
        left[share] = np.median(found)
    assert left[0.2] < 0.5 * left[0.0]


def test_fine_noise_is_a_share_of_the_orbits_and_leaves_pairs_pairs():
    one = planner("predictive_sampling", antithetic=True, samples=161)  # 20 draws of 8, and one
    noise = one.law(np.random.default_rng(0), 20)
    np.testing.assert_array_equal(noise[:10], -noise[10:])
    size = np.sqrt(np.mean(noise**2, axis=(1, 2)))
    assert size[[0, 1, 10, 11]].max() < 0.5 * np.delete(size, [0, 1, 10, 11]).min()


def test_kmppi_plans_are_curves_of_its_kernels_also_when_the_limits_cut():
    one, other = planner("kmppi", noise=3.0), planner("mppi", noise=3.0)
    residuals = []
    for each in (one, other):
        memory = each.initial_memory(0)
        for k in range(5):
            _, memory = each.plan(np.array([2.0, 1.0, 0.0, 0.0]), 0.1 * k, memory)
        away = memory.mean - one.matrix @ (one.inverse @ memory.mean)
        residuals.append(np.abs(away).max())
    assert residuals[0] < 1e-6 and residuals[1] > 0.05


def jerk(actions):
    return float(np.sum(np.diff(actions, axis=0) ** 2))


def test_smppi_is_smoother_than_mppi():
    rough, smooth = (
        [jerk(run(planner(n), seed=k)[2]) for k in range(3)] for n in ("mppi", "smppi")
    )
    assert np.median(smooth) < 0.3 * np.median(rough)


def test_smppi_charges_the_step_from_what_was_sent_before_too():
    one = planner("smppi", temperature=2.0, roughness=5.0)
    memory = one.initial_memory(0)
    memory.sent[-1] = [3.0, 0.0]
    held = np.zeros((1, 15, 2))
    np.testing.assert_allclose(one.beside(memory, held), [2.0 * 5.0])
    np.testing.assert_allclose(one.beside(memory, held + memory.sent[-1]), [0.0])


def test_smppi_does_not_mind_the_unit_of_cost():
    plans = []
    for factor in (1.0, 1e3):
        one = planner("smppi", temperature=0.1 * factor)
        cost = one.dynamics.cost
        one.dynamics.cost = lambda p, v, u, f=factor, c=cost: f * c(p, v, u)
        plans.append(one.plan(np.array([1.0, 0.3, 0.0, 0.0]), 0.0, one.initial_memory(0))[0])
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=1e-9)


def test_icem_draws_coloured_noise_keeps_elites_and_draws_less_each_time():
    one = planner("icem", knots=15, spline="zero", samples=120)
    noise = one.law(np.random.default_rng(0), 500)[:, :, 0]
    assert np.mean([np.corrcoef(noise[:, k], noise[:, k + 1])[0, 1] for k in range(14)]) > 0.6
    sizes = [one.population(k) for k in range(3)]
    assert sizes == [120, 96, 77] and one.population(30) == one.least
    x = np.array([1.0, 0.3, 0.0, 0.0])
    _, memory = one.plan(x, 0.0, one.initial_memory(0))
    assert len(memory.elites) == one.again > 0
    before = memory.elites.copy()
    one.plan(x, 0.0, memory)
    shifted = one._shifted(memory, 0.0).elites
    np.testing.assert_array_equal(shifted, before)
    later = one._shifted(memory, 0.1).elites
    np.testing.assert_array_equal(later[:, :-1], before[:, 1:])


def test_dial_anneals_over_iterations_and_towards_the_present():
    one = planner("dial", iterations=4, knots=6)
    assert np.all(np.diff(one.initial_std[:, 0]) > 0)
    _, memory = one.plan(np.array([1.0, 0.3, 0.0, 0.0]), 0.0, one.initial_memory(0))
    np.testing.assert_allclose(memory.std, one.initial_std * np.exp(-2.0))


def test_dial_does_not_mind_the_unit_of_cost():
    plans = []
    for factor in (1.0, 1e3):
        one = planner("dial")
        cost = one.dynamics.cost
        one.dynamics.cost = lambda p, v, u, f=factor, c=cost: f * c(p, v, u)
        plans.append(one.plan(np.array([1.0, 0.3, 0.0, 0.0]), 0.0, one.initial_memory(0))[0])
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=1e-9)


def test_cma_es_adapts_its_scale_and_its_shape():
    x = np.array([1.0, 0.3, 0.0, 0.0])
    timid = planner("cma_es", noise=0.01, iterations=12)
    _, memory = timid.plan(x, 0.0, timid.initial_memory(0))
    assert memory.scale > 1.5  # far from the optimum with little noise: it steps out
    narrow = planner("cma_es", symmetry="none", iterations=30, knots=3)
    narrow.dynamics.weight = (100.0, 0.01)  # a valley along y
    _, memory = narrow.plan(np.zeros(4), 0.0, narrow.initial_memory(0))
    spread = np.sqrt(np.diag(memory.covariance)).reshape(3, 2)
    assert spread[0, 1] > 1.5 * spread[0, 0] and memory.scale < 1.0


class Unrepaired(plugin.load("cma_es", "planners")):
    """The control: it learns from noise as it was drawn, whatever the limits kept of it."""

    def update(self, memory, noise, actions, costs):
        drawn = memory.mean + np.einsum("hn,knm->khm", self.spline.matrix(len(noise[0])), noise)
        return super().update(memory, noise, drawn, costs)


@pytest.mark.parametrize(
    ("symmetry", "way"),
    [
        ("full", {}),
        ("none", {"spline": "b_spline"}),
        *(
            pytest.param(s, way, marks=pytest.mark.slow)
            for s in ("full", "none")
            for way in ({"spline": "linear"}, {"spline": "zero", "rate": True})
        ),
    ],
)
def test_cma_es_does_not_spread_without_end_where_the_limits_cut(symmetry, way):
    """Beyond them all is alike, so it would drift outwards for ever."""
    x, sizes = np.array([3.0, 2.0, 0.0, 0.0]), []
    for cls in (type(planner("cma_es")), Unrepaired):
        more = {"samples": 128, "horizon": 15, "noise": 3.0, "iterations": 20, **way}
        one = cls(MassDynamics(Mass()), symmetry, **more)
        memory = one.plan(x, 0.0, one.initial_memory(0))[1]
        sizes.append(memory.scale * np.sqrt(np.trace(memory.covariance) / one.size))
    assert sizes[0] < 1.0 and sizes[1] > 20.0
    total, distance, _ = run(planner("cma_es", symmetry=symmetry, noise=3.0, iterations=10, **way))
    assert distance < 0.1 and total < 10.0


def test_a_target_of_effective_samples_frees_mppi_from_the_unit_of_cost():
    one = planner("mppi", effective_samples=8)
    costs = np.random.default_rng(0).gamma(2.0, 1.0, 128)
    weight = one.weight(costs)
    assert abs(1.0 / np.sum(weight**2) - 8.0) < 0.01
    np.testing.assert_allclose(one.weight(1e3 * costs), weight, atol=1e-5)


def test_elite_and_tsallis_mppi_leave_the_worst_out():
    costs = np.random.default_rng(0).gamma(2.0, 1.0, 100)
    some = planner("mppi", best_fraction=0.1, temperature=10.0).weight(costs)
    assert np.count_nonzero(some) == 10
    ended = planner("mppi", weights="tsallis", temperature=0.3, tsallis_order=2.0).weight(costs)
    assert 0 < np.count_nonzero(ended) < 50


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("mppi", {"effective_samples": 500}, "effective_samples"),
        ("mppi", {"tsallis_order": 1.0}, "tsallis_order"),
        ("mppi", {"best_fraction": 0.0}, "best_fraction"),
        ("mppi", {"noise_law": "pinkish"}, "noise_law"),
        ("kmppi", {"spline": "cubic"}, "spline: cubic"),
        ("kmppi", {"kernel_width": 0.0}, "kernel_width"),
        ("smppi", {"roughness": -1.0}, "roughness"),
        ("icem", {"decay": 0.5}, "decay"),
        ("icem", {"kept_fraction": 2.0}, "kept_fraction"),
        ("icem", {"momentum": 1.0}, "momentum"),
        ("icem", {"samples": 8}, "and 1 that are kept; use at least 9"),
        ("dial", {"horizon_annealing": 0.0}, "horizon_annealing"),
        ("dial", {"relative_temperature": 0.0}, "relative_temperature"),
        ("predictive_sampling", {"fine": 0.0}, "fine: 0.0"),
        ("predictive_sampling", {"fine_share": 1.0}, "fine_share"),
        ("cma_es", {"parent_fraction": 0.0}, "parent_fraction"),
        ("covo", {"inertia": 0.0}, "inertia"),
        ("covo", {"flattest": 2.0}, "flattest"),
        ("tube_mppi", {"tracking": 0.0}, "tracking"),
        ("mppi_ilqr", {"polish": -1}, "polish"),
        ("mppi_ilqr", {"tolerance": -1.0}, "tolerance"),
    ],
)
def test_bad_parameters_are_refused_by_name(name, change, message):
    with pytest.raises(ValueError, match=message):
        planner(name, **change)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("law", ["coloured", "log_normal", "sobol"])
def test_every_algorithm_is_exact_with_every_law_and_with_saturating_actions(name, law):
    more = {"spline": "b_spline"} if name != "kmppi" else {}
    one = planner(name, noise_law=law, noise=1.5, antithetic=True, iterations=2, **more)
    s, x = one.symmetry, np.array([1.0, 0.3, -0.2, 0.5])
    memory = one.initial_memory(3)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    for k in range(3):
        plan, memory = one.plan(x, 0.1 * k, memory)
        assert np.linalg.norm(plan.actions, axis=-1).max() <= 3.0 + 1e-9
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), 0.1 * k, moved[g])
            np.testing.assert_allclose(there.actions, s.act(g, action=plan.actions), atol=1e-9)


def test_a_factor_that_does_not_go_with_the_group_is_caught():
    """The control of the law above: a Cholesky factor in the place of the symmetric root."""
    one = planner("cma_es", iterations=4)

    def broken(memory, noise):
        root = memory.scale * np.linalg.cholesky(memory.covariance).T
        noise[:] = (noise.reshape(len(noise), -1) @ root).reshape(noise.shape) * one.initial_std

    one.scaled, one.check = broken, lambda: None  # which would refuse it
    s, x, memory = one.symmetry, np.array([1.0, 0.3, -0.2, 0.5]), one.initial_memory(0)
    g = s.group.generators[0]
    plan, _ = one.plan(x, 0.0, memory)
    there, _ = one.plan(s.act(g, state=x), 0.0, replace(memory).act(s, g))
    assert np.abs(there.actions - s.act(g, action=plan.actions)).max() > 1e-6


# What its paper is about, measured beside MPPI on one problem.

PUSHED = np.array([1.0, 0.3, 0.0, 0.0])


def drawn(one, x=PUSHED):
    """The noise of each iteration of a first plan, (K, N, m) each, and the plan."""
    one.check = lambda: None  # it shows `update` samples of its own
    seen, update = [], one.update

    def watched(memory, noise, actions, costs):
        seen.append(noise.copy())
        return update(memory, noise, actions, costs)

    one.update = watched
    return seen, one.plan(x, 0.0, one.initial_memory(0))[0]


def spreads(name, x=PUSHED, **more):
    return np.array([noise.std() for noise in drawn(planner(name, **more), x)[0]])


def test_cem_narrows_its_search_from_iteration_to_iteration_which_mppi_does_not():
    fitted, kept = spreads("cem", iterations=4), spreads("mppi", iterations=4)
    assert np.all(np.diff(fitted) < 0) and fitted[-1] < 0.6 * fitted[0]
    np.testing.assert_allclose(kept, kept[0], rtol=0.1)
    np.testing.assert_allclose(fitted[0], kept[0], rtol=0.1)


def test_icems_noise_is_slow_where_mppis_is_white():
    shares = {}
    for name in ("icem", "mppi"):
        noise = drawn(planner(name, knots=15, spline="zero", samples=400))[0][0]
        power = np.sum(np.abs(np.fft.rfft(noise, axis=1)) ** 2, axis=(0, 2))[1:]
        shares[name] = power[:2].sum() / power.sum()  # 2 of 7 frequencies
    assert abs(shares["mppi"] - 2 / 7) < 0.05 and shares["icem"] > 0.6


@pytest.mark.parametrize(("noise", "x", "way"), [(0.01, PUSHED, 1.0), (0.4, 0.01 * PUSHED, -1.0)])
def test_cma_es_mends_a_badly_chosen_noise_which_mppi_keeps(noise, x, way):
    """Too little far from the optimum, too much at it."""
    more = {"noise": noise, "iterations": 12, "samples": 1024}  # a spread is known to 2 %
    adapted, kept = (spreads(n, x, **more) for n in ("cma_es", "mppi"))
    assert way * np.log(adapted[-1] / adapted[0]) > np.log(1.5)
    np.testing.assert_allclose(kept, kept[0], rtol=0.1)


def test_dials_noise_is_less_near_the_present_and_in_later_iterations_mppis_is_not():
    more = {"iterations": 4, "knots": 6, "samples": 800}
    annealed, even = (drawn(planner(n, **more))[0] for n in ("dial", "mppi"))
    for noise, other in zip(annealed, even, strict=True):
        rising, flat = noise.std(axis=(0, 2)), other.std(axis=(0, 2))  # by knot
        assert rising[0] < 0.8 * rising[-1] and flat.min() > 0.8 * flat.max()
    fall = np.array([noise.std() for noise in annealed])
    np.testing.assert_allclose(fall[1:] / fall[:-1], np.exp(-0.5), rtol=0.1)


def test_predictive_samplings_plan_is_one_of_its_samples_and_mppis_is_none():
    nearest = {}
    for name in ("predictive_sampling", "mppi"):
        one = planner(name, temperature=1.0) if name == "mppi" else planner(name)
        plan = drawn(one)[1]
        nearest[name] = np.abs(one.samples.actions - plan.actions).max(axis=(1, 2)).min()
    assert nearest["predictive_sampling"] == 0.0 and nearest["mppi"] > 0.1


class Counted(MassDynamics):
    """The model, which counts its steps."""

    steps = 0

    def next_state(self, x, u):
        self.steps += int(np.prod(np.broadcast_shapes(x.shape[:-1], u.shape[:-1])))
        return super().next_state(x, u)

    def rollout(self, x0, actions, costs, states):
        self.steps += actions.shape[0] * actions.shape[1]
        super().rollout(x0, actions, costs, states)


def least_cost(x, horizon):
    """Of the problem without limits, by Riccati's recursion over x' = A x + B u."""
    ahead = np.kron([[1.0, 0.098], [0.0, 0.98]], np.eye(2))
    push = np.kron([[0.01], [0.1]], np.eye(2))
    near, value = np.diag([1.0, 1.0, 0.1, 0.1]), np.zeros((4, 4))
    for _ in range(horizon):
        after = near + value  # what is arrived in costs too
        gain = np.linalg.solve(0.01 * np.eye(2) + push.T @ after @ push, push.T @ after @ ahead)
        value = ahead.T @ after @ (ahead - push @ gain)
    return float(x @ value @ x)


def test_ilqr_reaches_the_optimum_of_a_smooth_problem_that_mppi_misses_at_equal_steps():
    x, model, costs = 0.1 * PUSHED, Counted(Mass()), np.empty((1, 1))
    least = least_cost(x, 15)
    newton = plugin.load("ilqr", "planners")(model, horizon=15)
    plan, _ = newton.plan(x, 0.0, newton.initial_memory(0))
    assert abs(plan.cost / least - 1.0) < 1e-6
    samples, most = model.steps // 15, model.steps
    for noise in (0.05, 0.2):
        for effective in (0.0, 10.0):
            model = Counted(Mass())
            settings = {"horizon": 15, "noise": noise, "effective_samples": effective}
            one = plugin.load("mppi", "planners")(model, samples=samples, **settings)
            plan, _ = one.plan(x, 0.0, one.initial_memory(0))
            assert 0.9 * most < model.steps <= most
            model.rollout(x, plan.actions[None], costs, None)
            assert costs[0, 0] / least > 1.02
