"""Fused plans are those of the loop to rounding, exact under the group, or are not made."""

import gc
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numba import njit

from covary.planners.cem import CEM
from covary.planners.fused.fused_plan import taps, why_not
from covary.planners.fused.fused_steps import words
from covary.planners.kmppi import KMPPI
from covary.planners.loop.memory import Memory
from covary.planners.loop.spline import spline
from covary.planners.loop.weights import effective
from covary.planners.mppi import MPPI
from covary.planners.smppi import SMPPI
from covary.sim.dynamics import in_precision
from covary.sim.fused_kernels import LANES, WIDE
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.drone import Drone
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push

WORLDS = {cls: NumbaDynamics(cls()) for cls in (PointMass, Push, Drone)}
SIZE = {"samples": 144, "horizon": 20, "knots": 5, "iterations": 2}


def both(kind, task, symmetry="none", **more):
    """A planner twice: with the fused plan, and without."""
    one, other = (kind(WORLDS[task], symmetry, **(SIZE | more)) for _ in range(2))
    other.fused = None
    assert one.fused is not None
    return one, other


def run(planner, x, times, seed=3):
    """Plans along a run on the model, each with its memory."""
    memory = planner.initial_memory(seed)
    for time in times:
        plan, memory = planner.plan(x, time, memory)
        yield plan, memory
        x = planner.dynamics.next_state(x, plan.actions[0])


WHOLE = {"samples": 144}  # orbits of 16
CASES = [
    (MPPI, PointMass, "none", {}),
    (MPPI, Push, "full", {"noise_law": "coloured", "noise": 1.5, **WHOLE}),
    (MPPI, PointMass, "C4", {"noise_law": "sobol", "rate": True, "iterations": 3, **WHOLE}),
    (MPPI, PointMass, "none", {"spline": "cubic"}),
    (MPPI, PointMass, "none", {"samples": 3}),
    (MPPI, PointMass, "C4", {"noise_law": "log_normal", "antithetic": True, "knots": 3, **WHOLE}),
    (KMPPI, PointMass, "none", {"noise_law": "ornstein_uhlenbeck", "iterations": 5}),
    (KMPPI, PointMass, "full", {"noise_law": "sobol", "antithetic": True, "samples": 208}),
    pytest.param(
        *(KMPPI, Push, "none", {"noise_law": "halton", "samples": 2 * LANES["float64"]}),
        marks=pytest.mark.slow,
    ),
    (KMPPI, PointMass, "none", {"kernel_width": 6.0, "antithetic": True, "samples": 33}),
    pytest.param(
        KMPPI, Drone, "full", {"noise_law": "sobol", "samples": 144}, marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize(("kind", "task", "symmetry", "more"), CASES)
def test_they_are_those_of_the_loop(kind, task, symmetry, more):
    """At whole control periods, between them, and at the same moment again."""
    one, other = both(kind, task, symmetry, **more)
    x = task().initial_state(np.random.default_rng(0))
    times = np.array([0.0, 1.0, 2.0, 3.3, 3.3, 3.8, 5.0]) * task.dt
    pairs = zip(run(one, x, times), run(other, x, times), strict=True)
    for (fused, kept), (looped, memory) in pairs:
        assert np.abs(fused.actions - looped.actions).max() < 1e-11
        assert fused.cost == pytest.approx(looped.cost, rel=1e-11)
        assert (fused.time, fused.dt, kept.draws) == (looped.time, looped.dt, memory.draws)
        for field in ("mean", "std", "side", "planned", "sent", "multipliers"):
            assert np.abs(getattr(kept, field) - getattr(memory, field)).max(initial=0) < 1e-11
    assert one.figures().best_cost == pytest.approx(other.figures().best_cost, rel=1e-11)


def mapped(planner, x, group):
    """By how much plans for gx differ from g times those for x: worst over all elements. Warm."""
    s, task, worst = planner.task.symmetry, planner.task, 0.0
    counted = []
    memory = planner.initial_memory(5)
    moved = {g: memory.act(s, g) for g in group}
    for tick in range(3):
        plan, memory = planner.plan(x, tick * task.dt, memory)
        counted.append(effective(planner.weight(planner._last[1])))
        for g in group:
            there, moved[g] = planner.plan(s.act(g, state=x), tick * task.dt, moved[g])
            worst = max(worst, np.abs(there.actions - s.act(g, action=plan.actions)).max())
        x = planner.dynamics.next_state(x, plan.actions[0])
    assert min(counted) > 5
    return worst


@pytest.mark.parametrize("kind", [MPPI, KMPPI])
@pytest.mark.parametrize(
    ("precision", "bound"),
    [("float64", 1e-11), pytest.param("float32", 2e-3, marks=pytest.mark.slow)],
)
def test_they_are_exact_under_every_element(kind, precision, bound):
    """Many samples count, actions saturate; without the orbit the same planner is far off."""
    more = {"noise": 3.0, "temperature": 2.0, "precision": precision, "samples": 160}
    task = PointMass()
    x = np.array([-0.6, 0.1, 0.0, 0.1, 0.5, 0.2])
    group = list(task.symmetry.group.elements)
    planner, looped = both(kind, PointMass, "full", **more)
    looped.plan(x, 0.0, looped.initial_memory(5))
    assert np.mean(np.linalg.norm(looped.samples.actions, axis=-1) > 1.999) > 0.5
    assert mapped(planner, x, group) < bound
    assert mapped(both(kind, PointMass, "none", **more)[0], x, group[:3]) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (MPPI, {}),
        (KMPPI, {"samples": 2 * WIDE["float32"], "antithetic": True, "noise_law": "sobol"}),
    ],
)
def test_float32_plans_are_near_and_within_the_limits(kind, more):
    """Also where a tile is as wide as can be."""
    more = {"noise": 3.0, "temperature": 2.0, **more}
    one, other = both(kind, PointMass, precision="float32", **more)
    exact = kind(WORLDS[PointMass], "none", **(SIZE | more))
    x = PointMass().initial_state(np.random.default_rng(2))
    times = 0.05 * np.arange(3)
    for (a, _), (b, _), (c, _) in zip(
        *(run(p, x, times) for p in (one, other, exact)), strict=True
    ):
        assert np.abs(a.actions - c.actions).max() < 2e-3 > np.abs(b.actions - c.actions).max()
        assert one.task.limits.violation(a.actions).max() < 1e-15
    assert one.dynamics.precision == "float32" and exact.dynamics.precision == "float64"


def test_a_state_on_a_mirror_is_planned_for_by_the_loop():
    one, other = both(MPPI, PointMass, "full")
    x = np.array([-0.5, 0.0, 0.0, 0.0, 0.5, 0.0])
    assert one.fused.plan(x, 0.0, one.initial_memory(0)) is None
    pairs = zip(run(one, x, [0.0, 0.05]), run(other, x, [0.0, 0.05]), strict=True)
    for (a, kept), (b, _) in pairs:
        np.testing.assert_array_equal(a.actions, b.actions)
        assert kept.side.any()


@pytest.mark.parametrize("symmetry", ["none", "full"])
def test_what_blows_up_is_treated_as_by_the_loop(symmetry):
    one, other = both(MPPI, PointMass, symmetry)
    for entry in (np.nan, np.inf):
        x = np.array([entry, 0.1, 0.0, 0.0, 0.5, 0.2])
        with pytest.raises(ValueError, match="not finite in mass_x"):
            one.plan(x, 0.0, one.initial_memory(0))
    with pytest.raises(ValueError, match="has 6 state coordinates"):
        one.plan(np.zeros(5), 0.0, one.initial_memory(0))
    x = np.array([0.3, 0.1, 1e200, 1e200, 0.5, 0.2])
    (a, _), (b, _) = (next(run(p, x, [0.0])) for p in (one, other))
    assert a.cost == b.cost == np.inf
    np.testing.assert_array_equal(a.actions, b.actions)


@njit
def counted(seed, draws, counter):
    """Words have no wrapper for Python."""
    return words(seed, draws, counter)


def test_the_stream_of_words_is_numpys():
    for seed, draws in ((0, 0), (123456789, 7), (2**63 - 1, 2**40)):
        told = np.random.Philox(key=[seed, draws]).random_raw(11)
        found = [int(word) for counter in range(3) for word in counted(seed, draws, counter)]
        assert [word & (2**64 - 1) for word in found[:11]] == told.tolist()


def test_taps_are_the_spline():
    for kind in ("zero", "linear", "cubic", "kernel"):
        one = spline(kind, 20, 5, 1.5)
        knot, weight = taps(one, "float64")
        matrix = np.zeros((20, 5))
        for t in range(20):
            np.add.at(matrix[t], knot[t], weight[t])
        np.testing.assert_allclose(matrix, one.matrix(5), atol=1e-15)
    assert taps(spline("kernel", 32, 4, 1.0), "float32")[0].shape == (32, 2)


class Half(MPPI):
    """Somebody's."""

    def update(self, memory, noise, actions, costs):
        """Of its own."""
        return super().update(memory, noise, actions, costs)


class Uniform(MPPI):
    """Somebody's."""

    def __init__(self, *model, **parameters):
        super().__init__(*model, **parameters)
        self.law = lambda rng, count: rng.uniform(-1.0, 1.0, (count, *self.initial_std.shape))


class Named(MPPI):
    """Somebody's, with nothing of its own."""


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        (CEM, {}, "CEM is not MPPI or KMPPI"),
        (SMPPI, {}, "SMPPI has its own beside"),
        (Half, {}, "Half has an update of its own"),
        (Uniform, {}, "Uniform has a law of noise of its own"),
        (Named, {}, ""),
        (MPPI, {"weights": "tsallis"}, "weights: tsallis"),
        (MPPI, {"effective_samples": 8.0}, "effective_samples: 8.0"),
        (MPPI, {"best_fraction": 0.5}, "best_fraction: 0.5"),
        (MPPI, {"delay_ms": 50.0}, "delay_ms: 50.0"),
        (MPPI, {"null_sample": True}, "null_sample: True"),
        (KMPPI, {"previous_plan": True}, "previous_plan: True"),
    ],
)
def test_what_is_not_fused_says_why(kind, more, said):
    planner = kind(WORLDS[PointMass], "none", **more)
    assert why_not(planner) == said
    assert (planner.fused is None) == bool(said)


def test_other_models_are_not_fused():
    several = NumbaDynamics(PointMass(), np.ones((2, 2)))
    assert why_not(MPPI(several, "none")) == "it has several models"
    model = MujocoDynamics(PointMass())
    assert why_not(MPPI(model, "none")) == "its model is not the analytic one"
    assert in_precision(model, "float64") is model
    with pytest.raises(ValueError, match="precision: float32 is for the analytic model"):
        MPPI(model, "none", precision="float32")


@pytest.mark.parametrize("kind", [MPPI, KMPPI])
def test_a_memory_of_another_planner_is_refused_by_the_loop(kind):
    one = both(kind, PointMass)[0]
    x = PointMass().initial_state(np.random.default_rng(0))
    for size in ({"horizon": 24}, {"horizon": 8}):
        other = kind(WORLDS[PointMass], "none", **(SIZE | size))
        memory = other.plan(x, 0.0, other.initial_memory(0))[1]
        with pytest.raises(ValueError):
            one.plan(x, 0.05, memory)


def test_what_kmppi_has_not_planned_yet_is_the_safe_action():
    """Not zero, which lets a drone fall."""
    one = KMPPI(WORLDS[Drone], "full", **SIZE)
    hovering = one.initial_memory(0).mean
    assert hovering[0, 0] > 1.0
    for steps in (1.0, 7.3):
        np.testing.assert_allclose(one.moved_on(hovering, steps), hovering, atol=1e-12)
    later = one.moved_on(hovering + one.matrix @ np.ones((one.parameters.knots, 4)), 15.0)
    np.testing.assert_allclose(later[-1], hovering[-1], atol=0.1)


def test_a_proposal_is_weighed_by_the_loop():
    one, other = both(MPPI, PointMass)
    pushed = np.full(2, 1.0)
    for planner in (one, other):
        planner.take_proposals(type("Proposer", (), {"propose": lambda *_: pushed})())
    assert one.fused.plan(np.ones(6), 0.0, one.initial_memory(0)) is None


def test_a_memory_is_cut_when_it_is_asked_for():
    """It is an ordinary one to all who look: it can be replaced, moved and planned from."""
    one, other = both(MPPI, PointMass)
    x = PointMass().initial_state(np.random.default_rng(4))
    plan, memory = one.plan(x, 0.0, one.initial_memory(1))
    assert set(vars(memory)) & {"mean", "planned", "sent"} == set()
    whole = replace(memory)
    assert type(memory) is type(whole) is Memory and "filled" not in vars(whole)
    np.testing.assert_array_equal(memory.planned, plan.actions)
    for kept in (memory, whole):
        again, _ = one.plan(x, 0.05, kept)
        looped, _ = other.plan(x, 0.05, kept)
        assert np.abs(again.actions - looped.actions).max() < 1e-11
    with pytest.raises(AttributeError, match="Memory has no attribute 'planed'"):
        _ = memory.planed


@pytest.mark.parametrize("temperature", [1e-300, 1e300])
def test_extreme_temperatures_give_numbers(temperature):
    """The best sample, or the mean of all; also where tiles are not full."""
    one, other = both(KMPPI, PointMass, temperature=temperature, samples=63)
    x = PointMass().initial_state(np.random.default_rng(1))
    for (a, _), (b, _) in zip(run(one, x, [0.0, 0.05]), run(other, x, [0.0, 0.05]), strict=True):
        assert np.abs(a.actions - b.actions).max() < 1e-10


def left_over():
    """Blocks and bytes that Python and NumPy hold, but for lists of free objects."""
    gc.collect()
    return np.array([sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]], float)


def test_a_plan_allocates_nothing_but_its_result():
    """None of 200 plans of KMPPI with even points takes more than its own room, or keeps any."""
    one, _ = both(KMPPI, PointMass, "full", noise_law="sobol", antithetic=True, samples=208)
    x = PointMass().initial_state(np.random.default_rng(0))
    fused, memory = one.fused, one.initial_memory(3)
    for k in range(200):  # warm starts are kept by the time between plans, as rounding leaves it
        memory = fused.plan(x, 0.05 * k, memory)[1]
    most = np.zeros(200)  # which holds no object for each number
    memory = one.initial_memory(3)
    tracemalloc.start()
    try:
        for k in range(200):
            if k == 20:
                before = left_over()
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            memory = fused.plan(x, 0.05 * k, memory)[1]
            most[k] = tracemalloc.get_traced_memory()[1] - held
        after = left_over()
    finally:
        tracemalloc.stop()
    assert 600 < most.max() < 10_000  # bytes; a result has 672 of them
    assert np.all(after - before < [20, 1000])
