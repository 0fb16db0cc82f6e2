"""Orbits are exact with every law of noise and every way of joining knots, or are refused."""

import numpy as np
import pytest
from walking import found

import covary.planners
from covary.planners.cem import CEM
from covary.planners.cma_es import CMAES
from covary.planners.kmppi import KMPPI
from covary.planners.loop.weights import effective
from covary.planners.mppi import MPPI
from covary.planners.predictive_sampling import PredictiveSampling
from covary.planners.sampling import SamplingPlanner
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_masses import PointMasses

EXACT = 1e-9
POLISHED = {"MPPIiLQR": 1e-7}  # over several plans: each makes more of the difference before
FLAT, SPACE = NumbaDynamics(PointMass()), NumbaDynamics(PointMasses(group="Ih"))
WAYS = [
    {"noise_law": "ornstein_uhlenbeck", "spline": "cubic"},
    {"noise_law": "halton", "spline": "kernel"},
    {"noise_law": "log_normal", "spline": "zero", "rate": True},
    {"noise_law": "sobol", "spline": "b_spline"},
    {"noise_law": "white", "spline": "linear"},
    {"noise_law": "coloured", "spline": "b_spline"},
]


PLANNERS = found(covary.planners, SamplingPlanner)


def made(kind, world, symmetry, samples, **way):
    """A planner of which many samples count and many saturate, with knots joined as it can."""
    settings = {"samples": samples, "horizon": 12, "knots": 4, "iterations": 2, "noise": 1.2, **way}
    if issubclass(kind, MPPI):
        settings["effective_samples"] = 10.0
    if kind.Parameters.spline == "kernel" and way["spline"] != "kernel":
        name, value = ("rate", "true") if way.get("rate") else ("spline", way["spline"])
        said = f"{name}: {value} is not {kind.__name__}'s; it joins knots by kernels"
        with pytest.raises(ValueError, match=said):
            kind(world, symmetry, **settings)
        settings |= {"spline": "kernel", "rate": False}
    return kind(world, symmetry, **settings)


def worst_of(planner, s, ticks=3):
    """The law's largest error over all elements of s, warm-started; many count and saturate."""
    task = planner.task
    x, memory = task.initial_state(np.random.default_rng(11)), planner.initial_memory(3)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    errors, shares, rest = [], [], task.safe_action()
    for tick in range(ticks):
        plan, memory = planner.plan(x, tick * task.dt, memory)
        weight = planner.weight(planner._last[1])
        if weight is not None and not isinstance(planner, PredictiveSampling):
            assert effective(weight) > 5.0
        beyond = rest + 1.01 * (planner.samples.actions - rest)
        out = np.abs(task.limits.project(beyond) - beyond).max(axis=-1)
        shares.append(float(np.mean(out > 1e-9)))
        for g in s.group.elements:
            there, moved[g] = planner.plan(s.act(g, state=x), tick * task.dt, moved[g])
            errors.append(float(np.abs(there.actions - s.act(g, action=plan.actions)).max()))
        x = planner.dynamics.next_state(x, plan.actions[0])
    assert max(shares) > 0.2
    return max(errors)


def named(way):
    return f"{way['noise_law']}-{way['spline']}"


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        pytest.param(
            *(kind, way),
            marks=()
            if (kind is MPPI and way is WAYS[1]) or (kind is CEM and way is WAYS[2])
            else pytest.mark.slow,
            id=f"{kind.__name__}-{named(way)}",
        )
        for kind in PLANNERS
        for way in WAYS
    ],
)
def test_in_the_plane(kind, way):
    one = made(kind, FLAT, "D8", 96, **way)
    assert one.symmetry.group.order == 16
    assert worst_of(one, one.symmetry) < POLISHED.get(kind.__name__, EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=named)
@pytest.mark.parametrize("kind", [MPPI, CEM, CMAES])
def test_under_the_icosahedron_in_space(kind, way):
    """With every of its 120 elements."""
    one = made(kind, SPACE, "full", 360, **way)
    assert one.symmetry.group.name == "Ih" and one.symmetry.group.order == 120
    assert worst_of(one, one.symmetry, ticks=2) < EXACT


@pytest.mark.parametrize("kind", [MPPI, pytest.param(CEM, marks=pytest.mark.slow)])
def test_without_the_orbit_it_is_far_off(kind):
    """The control: the same planner, whose noise no element moves."""
    exact = made(kind, FLAT, "D8", 96, **WAYS[1]).symmetry
    assert worst_of(made(kind, FLAT, "none", 96, **WAYS[1]), exact, ticks=1) > 1e-2


def test_a_spline_that_a_planner_cannot_take_is_refused_with_the_reason():
    for way, said in (
        ({"spline": "cubic"}, "spline: cubic is not KMPPI's; it joins knots by kernels"),
        ({"rate": True}, "rate: true is not KMPPI's; it joins knots by kernels"),
    ):
        with pytest.raises(ValueError, match=said):
            KMPPI(FLAT, "D8", samples=32, **way)
