"""The law of every planner on every task, group and spline: plan(gx, g mem) = g s plan(x, mem)."""

import numpy as np
import pytest
from walking import found, promised

import covary.planners
import covary.sim.tasks
from covary.planners.kmppi import KMPPI
from covary.planners.loop.noise_scale import NoiseParameters
from covary.planners.loop.weights import effective
from covary.planners.mppi import MPPI
from covary.planners.predictive_sampling import PredictiveSampling
from covary.planners.sampling import SamplingPlanner
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.task import Task

EXACT = 1e-9
POLISHED = {"MPPIiLQR": 1e-7}
"""As exact in each plan; but a few steps of Newton's method from another mean make a few hundred
times more of the difference, so over several plans, each from what the last one left, it grows."""


# A planner is as exact as its model, and an analytic one is exact.
TASKS = [cls for cls in found(covary.sim.tasks, Task) if cls().kernels is not None]
PLANNERS = found(covary.planners, SamplingPlanner)
WORLDS = {cls: NumbaDynamics(cls()) for cls in TASKS}


EVERYWHERE = ("PointMass", "Push")
"""The tasks on which every algorithm is tried by default."""
ALONE = ("PointMassObstacles", "CartPole", "Drone", "PointMasses", "Reacher")
"""Those on which CEM is, which compiles no kernel of its own; the slow set tries the tables."""
COSTLY = ("CoVO", "TubeMPPI", "MPPIiLQR")
"""They take many times as long as MPPI, or are MPPI where nothing disturbs them: by default they
are tried in generic states only."""


def mark(task, planner):
    alone = planner.__name__ == "CEM" and task.__name__ in ALONE
    usual = task.__name__ in EVERYWHERE or alone
    return () if usual else pytest.mark.slow


def mark_costly(planner):
    return pytest.mark.slow if planner.__name__ in COSTLY else ()


PROMISED = [(t, p) for t in TASKS for p in PLANNERS if promised(t, p)]
PAIRS = [pytest.param(t, p, marks=mark_costly(p) or mark(t, p)) for t, p in PROMISED]
MIRRORED = [pair for pair in PAIRS if (pair.values[0]().symmetry.group.sign < 0).any()]
every_mirrored_pair = pytest.mark.parametrize(("task_class", "planner_class"), MIRRORED)


def test_the_walk_finds_them():
    assert {t.__name__ for t in TASKS} >= {"PointMass", "Reacher", "Push"}
    assert {p.__name__ for p in PLANNERS} >= {"MPPI", "CEM"}


NOISE = {"DIAL": 4.0, "ICEM": 6.0}
"""Where it is not 1.2: their last samples, which the shares below are of, have a fraction of it."""


def make(planner, task, symmetry, many=True, **more):
    """A planner; by its own settings, or such that many samples count and many saturate."""
    settings = {"samples": 96, "horizon": 16, "knots": 5, "iterations": 2, **more}
    if many:
        settings = {"noise": NOISE.get(planner.__name__, 1.2), **settings}
    if many and issubclass(planner, MPPI):
        settings = {"effective_samples": 10.0, **settings}
    if planner.Parameters.spline == "kernel":  # its own: it takes no other
        settings.pop("spline", None)
    return planner(WORLDS[task], symmetry, **settings)


def fused_too(planner, task, symmetry, x, **more):
    """As `make`, with a temperature that is enough from x on where plans can be one kernel.

    A kernel's plan has no target of effective samples, and shows no samples: those come first.
    """
    one = make(planner, task, symmetry, **more)
    if planner not in (MPPI, KMPPI):
        return one
    searching = make(planner, task, symmetry, effective_samples=40.0, **more)
    searching.plan(x, 0.0, searching.initial_memory(7))
    hotter = 20.0 if task.switching else 1.0  # from plan to plan costs differ more there
    found = {"effective_samples": 0.0, "temperature": hotter * searching.figures().temperature}
    one = make(planner, task, symmetry, **found, **more)
    whole = not one.orbits.split(one.parameters.samples)[1]
    assert (one.fused is not None) == whole
    return one


def counting(planner):
    """How many samples of the last iteration count; NaN: that cannot be told."""
    weight = planner.weight(planner._last[1])
    return np.nan if weight is None else effective(weight)


def saturating(planner):
    """The share of those samples' actions that a limit holds back."""
    rest, limits = planner.task.safe_action(), planner.task.limits
    beyond = rest + 1.01 * (planner.samples.actions - rest)
    return float(np.mean(np.abs(limits.project(beyond) - beyond).max(axis=-1) > 1e-9))


def check_many_count_and_saturate(planner, counts, shares):
    """What the law rests on: a one-hot weighting would pass with broken code."""
    if not isinstance(planner, PredictiveSampling):  # whose plan is one sample
        assert np.nanmin([np.inf, *counts]) > 5.0
    assert np.mean(shares) > 0.2


def allowed(planner, task, plans=1):
    """The largest error that is rounding, after so many plans."""
    if planner.__name__ not in POLISHED:
        return EXACT
    share = POLISHED[planner.__name__] if plans > 1 else EXACT
    return share * max(1.0, np.abs(task.limits.bound()).max())


def subgroups(task):
    return [
        "full",
        *[n for n in task().symmetry.group.subgroup_names() if n not in ("trivial", "C16")],
    ]


# Two algorithms run over every subgroup by default, the others over the whole group.
CASES = [
    pytest.param(
        *(t, p, s),
        marks=[pytest.mark.slow]
        if s != "full" and (p.__name__ not in ("MPPI", "CMAES") or t.__name__ not in EVERYWHERE)
        else mark(t, p),
    )
    for t, p in PROMISED
    for s in subgroups(t)
]


@pytest.mark.parametrize(("task_class", "planner_class", "group_name"), CASES)
def test_generic_states(task_class, planner_class, group_name, record_property):
    """Warm-started over several ticks; points where the model switches contact are counted."""
    task = task_class()
    rng = np.random.default_rng(11)
    compared = switched = 0
    for kind in ("zero", "linear", "cubic"):
        x = task.initial_state(rng)
        planner = fused_too(planner_class, task_class, group_name, x, spline=kind)
        s, counts = planner.symmetry, []
        memory = planner.initial_memory(int(rng.integers(1000)))
        moved = {g: memory.act(s, g) for g in s.group.generators}
        for tick in range(3):
            before = memory
            plan, memory = planner.plan(x, tick * task.dt, before)
            counts.append(counting(planner))
            for g in s.group.generators:
                there_x, there_memory = s.act(g, state=x), moved[g]
                if planner_class.__name__ in POLISHED:
                    there, _ = planner.plan(there_x, tick * task.dt, before.act(s, g))
                    error = np.abs(there.actions - s.act(g, action=plan.actions)).max()
                    assert error < allowed(planner_class, task)
                there, moved[g] = planner.plan(there_x, tick * task.dt, there_memory)
                error = np.abs(there.actions - s.act(g, action=plan.actions)).max()
                compared += 1
                if error > allowed(planner_class, task, tick + 1):
                    fused, planner.fused = planner.fused, None  # the loop keeps its samples
                    planner.plan(there_x, tick * task.dt, there_memory)
                    planner.fused = fused
                    assert switches(planner, x, g), f"error {error:.2g} with no switch to blame"
                    switched += 1
                    moved[g] = memory.act(s, g)
            last, x = x, WORLDS[task_class].next_state(x, plan.actions[0])
        planner.fused = None  # the loop keeps its samples
        planner.plan(last, tick * task.dt, memory)
        check_many_count_and_saturate(planner, counts, [saturating(planner)])
    record_property("compared", compared)
    record_property("at_a_switch", switched)
    assert switched <= 0.02 * compared + 1


def mark_adapted(task, planner):
    quick = planner.__name__ in ("MPPI", "SMPPI") and task.__name__ in EVERYWHERE
    return () if quick else pytest.mark.slow


ADAPTED = [
    pytest.param(t, p, marks=mark_adapted(t, p))
    for t, p in PROMISED
    if issubclass(p.Parameters, NoiseParameters)
]


@pytest.mark.parametrize(("task_class", "planner_class"), ADAPTED)
def test_with_adapted_noise_and_temperature_and_small_orbits(task_class, planner_class):
    """Warm: the memory that is moved holds noise that has changed."""
    task = task_class()
    hot = 2.0 if task.switching else 0.5  # few rollouts there touch what is to move
    more = {"noise_adaptation": 0.6, "relative_temperature": hot, "effective_samples": 0.0}
    planner = make(planner_class, task_class, "full", samples=96 + 13, **more)  # 13: no orbit of 16
    s, x = planner.symmetry, task.initial_state(np.random.default_rng(12))
    memory, counts, switched = planner.initial_memory(3), [], 0
    for tick in range(3):
        plan, learned = planner.plan(x, tick * task.dt, memory)
        counts.append(counting(planner))
        shares = [saturating(planner)]
        for g in s.group.generators:
            moved = memory.act(s, g)
            there, after = planner.plan(s.act(g, state=x), tick * task.dt, moved)
            error = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            error = max(error, np.abs(after.std - learned.std).max())
            if error > allowed(planner_class, task):
                assert switches(planner, x, g), f"error {error:.2g} with no switch to blame"
                switched += 1
        memory, x = learned, WORLDS[task_class].next_state(x, plan.actions[0])
    assert np.abs(memory.std / planner.initial_std - 1.0).max() > 0.02
    check_many_count_and_saturate(planner, counts, shares)
    assert switched <= 1


def switches(planner, x, g):
    """Whether some rollout differs under g by more than rounding: a contact switch or a tie."""
    s = planner.symmetry
    actions = planner.samples.actions.copy()  # those of the last call, already moved by g
    there, here = planner.samples.costs.copy(), planner.samples.costs.copy()
    inverse = int(s.group.inverse[g])
    planner.dynamics.rollout(s.act(g, state=x), actions, there, None)
    planner.dynamics.rollout(x, s.act(inverse, action=actions), here, None)
    ordered = np.sort(here[0])
    tied = np.diff(ordered).min() < 1e-9
    return tied or np.abs(there - here).max() > 1e-9 * (1 + np.abs(here).max())


def mirrors_of(group):
    """Mirrors at planes: all of a planar group, one of each kind of a solid's."""
    found = [g for g in group.elements if group.sign[g] < 0 and np.trace(group.space[g]) > 0.5]
    if group.planar:
        return found
    kinds = {}
    for g in found:
        alike = {int(group.product[group.product[h, g], group.inverse[h]]) for h in group.elements}
        kinds.setdefault(min(alike), g)
    return list(kinds.values())


def fixed_state(task, mirror, rng):
    """A state that a mirror leaves where it is, built part by part from a random one."""
    s = task.symmetry
    x = task.initial_state(rng)
    acting = s._action_on("state")
    average = 0.5 * (x + x @ acting.matrices[mirror].T + acting.offsets[mirror])
    half_turn = 0.5 * s.group.turn[mirror] if acting.angles.any() else 0.0
    angle = np.where(rng.random(len(x)) < 0.5, half_turn, half_turn - np.pi)
    out = np.where(acting.angles, (angle + np.pi) % (2 * np.pi) - np.pi, average)
    assert mirror in s.stabiliser(state=out)
    return out


@every_mirrored_pair
@pytest.mark.parametrize(
    "kind", [*(pytest.param(k, marks=pytest.mark.slow) for k in ("zero", "linear")), "cubic"]
)
def test_states_on_every_mirror_line(task_class, planner_class, kind):
    """There the plan is exact up to an element that fixes the state, and has a side."""
    task = task_class()
    planner = make(planner_class, task_class, "full", spline=kind)
    s = planner.symmetry
    mirrors = mirrors_of(s.group)
    rng = np.random.default_rng(3)
    counts, shares = [], []
    for mirror in mirrors:
        x = fixed_state(task, mirror, rng)
        memory = planner.initial_memory(int(rng.integers(1000)))
        plan, _ = planner.plan(x, 0.0, memory)
        counts.append(counting(planner))
        shares.append(saturating(planner))
        fixing = s.stabiliser(state=x)
        sided = np.abs(s.act(mirror, action=plan.actions) - plan.actions).max() > 1e-6
        assert sided or planner_class.__name__ in POLISHED  # straight may be best
        for g in s.group.elements:
            there, _ = planner.plan(s.act(g, state=x), 0.0, memory.act(s, g))
            apart = [
                np.abs(there.actions - s.act(g, action=s.act(k, action=plan.actions))).max()
                for k in fixing
            ]
            assert min(apart) < allowed(planner_class, task)
    check_many_count_and_saturate(planner, counts, shares)


@every_mirrored_pair
def test_both_sides_occur(task_class, planner_class):
    """Over 100 seeds, two-sided binomial p > .01: between 37 and 63 of 100."""
    task = task_class()
    planner = make(planner_class, task_class, "full", many=False, samples=64, iterations=1)
    s = planner.symmetry
    mirror = mirrors_of(s.group)[0]
    x = fixed_state(task, mirror, np.random.default_rng(4))
    matrix = s.orbit("action")[mirror]
    values, vectors = np.linalg.eigh(matrix)
    lateral = vectors[:, np.argmin(values)]
    left = 0
    for seed in range(100):
        plan, _ = planner.plan(x, 0.0, planner.initial_memory(seed))
        side = float((plan.actions @ lateral).sum())
        assert abs(side) > 1e-9
        left += side > 0
    assert 37 <= left <= 63


@pytest.mark.parametrize("planner_class", [pytest.param(p, marks=mark_costly(p)) for p in PLANNERS])
def test_the_side_is_kept_from_tick_to_tick(planner_class):
    """A point mass straight before its zone goes round it on the side of its first plan."""
    task_class = next(t for t in TASKS if t.__name__ == "PointMass")
    task = task_class()
    more = {"samples": 256, "horizon": 30, "noise": 0.2}
    planner = make(planner_class, task_class, "full", many=False, **more)
    first_sides = set()
    for seed in range(10):
        x = np.array([-0.5, 0.0, 0.0, 0.0, 0.5, 0.0])
        memory = planner.initial_memory(seed)
        sides = []
        while x[0] < 0.0 and len(sides) < 60:
            plan, memory = planner.plan(x, len(sides) * task.dt, memory)
            x = WORLDS[task_class].next_state(x, plan.actions[0])
            _, states = roll(task_class, x, plan.actions[1:])
            sides.append(np.sign(states[np.argmin(np.abs(states[:, 0])), 1]))
        assert x[0] >= 0.0, "it got stuck"
        assert len(set(sides)) == 1, f"seed {seed} changed its side: {sides}"
        first_sides.add(sides[0])
    assert first_sides == {-1.0, 1.0}


def roll(task_class, x, actions):
    """Cost and states of one action sequence."""
    costs, states = np.empty((1, 1)), np.empty((1, 1, len(actions), len(x)))
    WORLDS[task_class].rollout(x, actions[None], costs, states)
    return costs[0, 0], states[0, 0]
