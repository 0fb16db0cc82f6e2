"""Planners in canonical frames: plan(gx, g memory) = g s plan(x, memory) under every group."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from walking import found, promised

import covary.planners
import covary.sim.tasks
from covary.nodes.parameters import ParameterError
from covary.planners.loop.weights import effective
from covary.planners.mppi import MPPI
from covary.planners.plan import Plan
from covary.planners.sampling import SamplingPlanner
from covary.planners.symmetric.canonical import Canonical, Remembered, arrays_of
from covary.planners.symmetric.plan_memory import Recalling
from covary.planners.symmetric.symmetry_mode import in_mode
from covary.sim.limits import Ball, Box, Limits
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.task import Task
from covary.sim.tasks.drone import Drone
from covary.sim.tasks.point_masses import PointMasses
from covary.symmetry.declaration import Symmetry
from covary.symmetry.frame import Frame
from covary.symmetry.group import dihedral, group, o2, o3, so2
from covary.symmetry.motion import CONTINUOUS, check_continuous, shifts, spatial
from covary.symmetry.part import Angle, Point3, Position, Pseudoscalar, Regular, Vector, Vector3

EXACT = 1e-9
ROUNDED = {"MPPIiLQR": 1e-7}  # over several plans: each makes more of the difference before
COSTLY = ("CoVO", "TubeMPPI", "MPPIiLQR", "TorchMPPI")


TASKS = [cls for cls in found(covary.sim.tasks, Task) if cls().kernels is not None]
PLANNERS = found(covary.planners, SamplingPlanner)
WORLDS = {cls: NumbaDynamics(cls()) for cls in TASKS}
NAMED = {cls.__name__: cls for cls in TASKS}


class Mass:
    """A mass in space that is pushed to a goal, in a wind (else a mirror would fix every state)."""

    name = "mass"
    dt = 0.1
    state_names = tuple("px py pz vx vy vz gx gy gz wx wy wz".split())
    action_names = ("fx", "fy", "fz")
    constraint_names = ()
    action_interface = "effort"
    goal = "goal"

    def __init__(self, whole=None, limit=None):
        self.symmetry = Symmetry(
            whole or o3(),
            {"place": Point3(), "velocity": Vector3(), "goal": Point3(), "wind": Vector3()},
            {"force": Vector3()},
        )
        self.limits = Limits({"force": limit or Ball(1.0)}, {"force": slice(0, 3)})

    def safe_action(self):
        return np.zeros(3)

    def initial_state(self, rng):
        return rng.uniform(-1.0, 1.0, 12)

    def success(self, x):
        return np.linalg.norm(x[..., :3] - x[..., 6:9], axis=-1) < 0.1

    def running_cost(self, x, u):
        return np.linalg.norm(x[..., :3] - x[..., 6:9], axis=-1) + 0.1 * np.sum(u**2, axis=-1)

    def terminal_cost(self, x):
        return 3.0 * np.linalg.norm(x[..., :3] - x[..., 6:9], axis=-1)


@dataclass
class MassDynamics:
    """Its model."""

    task: Mass
    wall: float = np.inf
    models: int = 1

    def next_state(self, x, u):
        v = 0.95 * x[..., 3:6] + self.task.dt * (u + 0.3 * x[..., 9:])
        p = np.minimum(x[..., :3] + self.task.dt * v, self.wall)
        return np.concatenate([p, v, np.broadcast_to(x[..., 6:], (*p.shape[:-1], 6))], axis=-1)

    def rollout(self, x0, actions, costs, states=None):
        x = np.broadcast_to(x0, (len(actions), 12))
        costs[0] = 0.0
        for u in np.moveaxis(actions, 1, 0):
            x = self.next_state(x, u)
            costs[0] += self.task.running_cost(x, u)
        costs[0] += self.task.terminal_cost(x)


def world(task):
    return MassDynamics(Mass()) if task is Mass else WORLDS[task]


def made(planner, task, word, **more):
    """A planner in canonical frames; its own settings make many samples count and many saturate."""
    settings = {"samples": 64, "horizon": 12, "knots": 4, "iterations": 2, "noise": 0.9, **more}
    if issubclass(planner, MPPI):
        settings = {"effective_samples": 10.0, **settings}
    return Canonical(planner(world(task), "none", **settings), word)


def elements(planner, some):
    """The declaration under the elements that the law is tried for, the identity left out."""
    if planner.continuous:
        s = planner.tried(6)
        return s, list(s.group.elements)[1:]
    s = planner.symmetry
    return s, list(s.group.generators if some else s.group.elements)


def allowed(task):
    """The continuous groups that a task's declaration and costs allow."""
    words = []
    for word in CONTINUOUS:
        try:
            made(MPPI, task, word)
        except ParameterError:
            continue
        words.append(word)
    return words


def law_errors(planner, task, some=True, ticks=3, seed=11):
    """Over warm-started ticks: the largest difference, and the share that rounding decided."""
    rng = np.random.default_rng(seed)
    s, chosen = elements(planner, some)
    x = planner.task.initial_state(rng)
    memory = planner.initial_memory(int(rng.integers(1000)))
    errors, switched = [], 0
    for tick in range(ticks):
        time = tick * planner.task.dt
        plan, after = planner.plan(x, time, memory)
        ours = planner.samples.actions.copy(), planner.samples.costs.copy()
        for g in chosen:
            there, moved = planner.plan(s.act(g, state=x), time, memory.act(s, g))
            error = float(np.abs(there.actions - s.act(g, action=plan.actions)).max())
            if error > EXACT and rounding_decided(ours, planner.samples):
                switched += 1  # a contact that rounding made or broke: the model's
                continue
            pairs = zip(arrays_of(moved), arrays_of(after.act(s, g)), strict=True)
            errors += [error, *(float(np.abs(m - n).max(initial=0.0)) for m, n in pairs)]
        memory, x = after, planner.dynamics.next_state(x, plan.actions[0])
    return max(errors), switched / (ticks * len(chosen))


def rounding_decided(ours, samples):
    """Whether the same canonical rollouts cost otherwise in the two calls."""
    same = np.abs(samples.actions - ours[0]).max() < 1e-9
    return same and np.abs(samples.costs - ours[1]).max() > 1e-9


def groups(task):
    return ["full", *[w for w in task().symmetry.group.subgroup_names() if w != "trivial"]]


def slow(default):
    return [] if default else [pytest.mark.slow]


FINITE = [
    pytest.param(
        *(t, p, w),
        marks=slow(w == "full" and t in (NAMED["Push"], Mass) and p.__name__ not in COSTLY),
    )
    for t in [*TASKS, Mass]
    for p in PLANNERS
    if promised(t, p)
    for w in groups(t)
]


@pytest.mark.parametrize(("task", "planner", "word"), FINITE)
def test_finite_groups(task, planner, word):
    worst, switched = law_errors(made(planner, task, word), task)
    assert worst < ROUNDED.get(planner.__name__, EXACT) and switched <= 0.05


WIDEST = {"Push": "E2", "PointMass": "O2", "Reacher": "O2", "Mass": "E3"}
CONTINUOUSLY = [
    pytest.param(*(t, p, w), marks=slow(w == WIDEST[t.__name__] and p.__name__ not in COSTLY))
    for t in [*(NAMED[n] for n in WIDEST if n in NAMED), Mass]
    for p in PLANNERS
    for w in CONTINUOUS
    if spatial(w) == (t is Mass) and (not shifts(w) or t in (Mass, NAMED["Push"]))
]


@pytest.mark.parametrize(("task", "planner", "word"), CONTINUOUSLY)
def test_continuous_groups(task, planner, word):
    worst, switched = law_errors(made(planner, task, word), task)
    assert worst < ROUNDED.get(planner.__name__, EXACT) and switched <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "words"),
    [(Drone(), ("O2", "E2")), (PointMasses(group="Ih"), ("SO3", "O3"))],
    ids=lambda one: getattr(one, "name", None),
)
def test_continuous_groups_of_wider_tasks(task, words):
    model = NumbaDynamics(task)
    settings = {"samples": 64, "horizon": 12, "knots": 4, "iterations": 2, "noise": 0.9}
    for word in words:
        planner = Canonical(MPPI(model, "none", effective_samples=10.0, **settings), word)
        worst, switched = law_errors(planner, type(task))
        assert worst < EXACT and switched <= 0.05
        assert effective(planner.weight(planner.samples.costs[0])) > 5
        assert saturating(planner) > 0.2
        fixed = Fixed(planner.planner, word)  # the control
        assert law_errors(fixed, type(task))[0] > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("task", [*TASKS, Mass])
@pytest.mark.parametrize("planner", PLANNERS)
def test_every_element_every_spline_every_law_of_noise(task, planner):
    splines = ["zero", "linear", "cubic", "b_spline", "kernel"]
    laws = ["coloured", "ornstein_uhlenbeck", "log_normal", "sobol", "halton", "white"]
    if planner.Parameters.spline == "kernel":  # its own: it takes no other
        splines = ["kernel"]
    pairs = [(spline, "white") for spline in splines] + [(splines[-1], law) for law in laws]
    for spline, law in pairs:
        one = made(planner, task, "full", spline=spline, noise_law=law, antithetic=True)
        assert law_errors(one, task, some=False)[0] < ROUNDED.get(planner.__name__, EXACT)


def saturating(planner):
    """The share of the last samples' actions that a limit holds back."""
    rest, limits = planner.task.safe_action(), planner.task.limits
    beyond = rest + 1.01 * (planner.samples.actions - rest)
    return float(np.mean(np.abs(limits.project(beyond) - beyond).max(axis=-1) > 1e-9))


def test_many_samples_count_and_many_saturate():
    """What the tests above rest on: a one-hot weighting would pass with broken code."""
    for task in (NAMED["Push"], Mass):
        planner = made(MPPI, task, "full")
        x = planner.task.initial_state(np.random.default_rng(1))
        planner.plan(x, 0.0, planner.initial_memory(1))
        assert effective(planner.weight(planner.samples.costs[0])) > 5
        assert saturating(planner) > 0.2


class Counted(MassDynamics):
    """The model, which counts its rollouts."""

    rollouts = 0

    def rollout(self, x0, actions, costs, states=None):
        self.rollouts += len(actions)
        super().rollout(x0, actions, costs, states)


@pytest.mark.parametrize(
    "planner",
    [pytest.param(p, marks=slow(p.__name__ in ("MPPI", "CEM", "ICEM", "KMPPI"))) for p in PLANNERS],
)
def test_canonical_frames_take_no_rollout_more(planner):
    """Finite groups and continuous ones: as many as with no symmetry at all, plan by plan."""
    found = {}
    for mode, word in (("off", "none"), *(("canonical", w) for w in ("full", "O3", "E3"))):
        model = Counted(Mass())

        def build(inside, model=model):
            return planner(model, inside, samples=32, horizon=6, knots=3)

        one = in_mode(build, model.task, mode, word)
        x, memory = model.task.initial_state(np.random.default_rng(2)), one.initial_memory(1)
        counts = []
        for tick in range(2):
            plan, memory = one.plan(x, tick * 0.1, memory)
            counts.append(model.rollouts)
            x = model.next_state(x, plan.actions[0])
        found[word] = counts
    assert found["none"][0] >= 32
    assert all(counts == found["none"] for counts in found.values())


class Unmapped(Canonical):
    """Brings the state to its frame and forgets the memory."""

    def plan_in(self, frame, x, time, memory, **more):
        acting, there, back = frame
        plan, memory = self.planner.plan(acting.act(back, state=x), time, memory, **more)
        return replace(plan, actions=acting.act(there, action=plan.actions)), memory


class Fixed(Canonical):
    """Its frame does not go with the state."""

    def plan_in(self, frame, x, time, memory, **more):
        still = Frame(frame.acting, 0, 0)
        return super().plan_in(still, x, time, memory, **more)


@pytest.mark.parametrize("broken", [Unmapped, Fixed])
@pytest.mark.parametrize("word", ["full", "E2"])
def test_broken_controls_fail(broken, word):
    inside = made(MPPI, NAMED["Push"], word).planner
    assert law_errors(broken(inside, word), NAMED["Push"])[0] > 1e-3


# The discontinuity sets.


def law_at(planner, x, memory, s, chosen, fixing):
    """The largest over elements of the least difference over what fixes state and memory."""
    plan, _ = planner.plan(x, 0.05, memory)
    worst = 0.0
    for g in chosen:
        there, _ = planner.plan(s.act(g, state=x), 0.05, memory.act(s, g))
        apart = [np.abs(there.actions - s.act(g, action=act(plan.actions))).max() for act in fixing]
        worst = max(worst, min(apart))
    return worst


def on_a_mirror(task, mirror, rng):
    """A state that a mirror leaves where it is, built part by part from a random one."""
    s = task.symmetry
    matrices, offsets, angles = s.affine("state")
    x = task.initial_state(rng)
    average = 0.5 * (x + x @ matrices[mirror].T + offsets[mirror])
    if not angles.any():
        return average
    half = 0.5 * s.group.turn[mirror]
    angle = np.where(rng.random(len(x)) < 0.5, half, half - np.pi)
    return np.where(angles, (angle + np.pi) % (2 * np.pi) - np.pi, average)


@pytest.mark.parametrize("name", ["Push", "PointMass", "Reacher"])
def test_states_on_mirrors(name):
    """There the law holds up to an element that fixes state and memory, warm memories too."""
    task, rng = NAMED[name](), np.random.default_rng(5)
    for word in ("full", "O2"):
        planner = made(MPPI, NAMED[name], word)
        s, chosen = elements(planner, some=False)
        own = task.symmetry
        mirrors = [g for g in own.group.elements if own.group.sign[g] < 0]
        for mirror in mirrors[::3]:  # of both kinds
            x = on_a_mirror(task, mirror, rng)
            assert mirror in own.stabiliser(state=x)
            cold = planner.initial_memory(3)
            warm = planner.plan(x, 0.0, cold)[1]
            ways = [lambda a: a, lambda a, s=own, m=mirror: s.act(m, action=a)]
            assert law_at(planner, x, cold, s, chosen[:4], ways) < EXACT
            assert law_at(planner, x, warm, s, chosen[:4], ways[:1]) < EXACT


@pytest.mark.parametrize("name", ["Push", "PointMass"])
def test_walls_between_cells(name):
    """Where the frame jumps although nothing fixes the state, the law still holds."""
    planner, rng = made(MPPI, NAMED[name], "full"), np.random.default_rng(6)
    s, chosen = elements(planner, some=False)
    nothing = Remembered(None, s)
    walls = 0
    for _ in range(8):
        a, b = (planner.task.initial_state(rng) for _ in range(2))
        first, other = (planner.frames.of(x, nothing).back for x in (a, b))

        def ahead(x, pair=(first, other)):
            """By how much the first element's key is above the other's."""
            one, two = (planner.frames.key(s.act(g, state=x)) for g in pair)
            return one - two

        for _ in range(60 * (first != other)):
            middle = 0.5 * (a + b)
            a, b = (middle, b) if ahead(middle) > 0 else (a, middle)
        warm = planner.plan(a, 0.0, planner.initial_memory(2))[1]
        if abs(ahead(a)) < 1e-14 and len({planner.frames.of(x, nothing).back for x in (a, b)}) == 1:
            walls += first != other
        assert len(s.stabiliser(state=a)) == 1
        assert law_at(planner, a, warm, s, chosen, [lambda u: u]) < EXACT
    assert walls >= 3


def test_where_directions_vanish():
    """With the goal at the origin, and with nothing left but the memory's own direction."""
    planner = made(MPPI, NAMED["PointMass"], "O2")
    s, chosen = elements(planner, some=False)
    memory = planner.plan(
        np.array([0.3, 0.2, 0.0, 0.1, -0.4, 0.2]), 0.0, planner.initial_memory(4)
    )[1]
    for x in (
        np.array([0.3, 0.2, -0.1, 0.1, 0.0, 0.0]),
        np.array([0.3, 0.2, -0.1, 0.1, 2e-4, -3e-4]),
        np.zeros(6),
    ):
        assert law_at(planner, x, memory, s, chosen, [lambda a: a]) < EXACT
    space = made(MPPI, Mass, "O3")
    s, chosen = elements(space, some=False)
    memory = space.plan(np.sin(np.arange(12.0)), 0.0, space.initial_memory(4))[1]
    line = np.kron([0.5, 0.2, -0.7, 0.1], [0.6, 0.0, 0.8])  # all in one line
    for x in (line, np.zeros(12)):
        assert law_at(space, x, memory, s, chosen, [lambda a: a]) < EXACT


@pytest.mark.parametrize("mode", ["off", "orbit", "canonical", "memory"])
def test_the_obstacle_dead_ahead(mode):
    """A mass straight before its zone goes round it from every seed, on both sides."""
    task = NAMED["PointMass"]

    def build(word):
        return MPPI(WORLDS[task], word, samples=64, horizon=25, noise=0.2)

    planner = in_mode(build, task(), mode, "O2" if mode == "canonical" else "full")
    sides = set()
    for seed in range(30):
        x, memory = np.array([-0.5, 0.0, 0.0, 0.0, 0.5, 0.0]), planner.initial_memory(seed)
        for tick in range(80):
            plan, memory = planner.plan(x, tick * 0.05, memory)
            x = WORLDS[task].next_state(x, plan.actions[0])
            if x[0] >= 0.0:
                break
        assert x[0] >= 0.0 and abs(x[1]) > 0.1, f"seed {seed} got stuck"
        sides.add(np.sign(x[1]))
    assert sides == {-1.0, 1.0}


# Somebody else's planner.


@dataclass(frozen=True)
class Pushed:
    """What an outsider's planner remembers."""

    last: np.ndarray

    def act(self, symmetry, g):
        return Pushed(symmetry.act(g, action=self.last))


class Outsider:
    """No sampling planner, and as little symmetric as can be."""

    @dataclass(frozen=True)
    class Parameters:
        """Its parameters."""

        gain: float = 1.0

    def __init__(self, dynamics, symmetry="full", **parameters):
        self.dynamics, self.task = dynamics, dynamics.task
        self.parameters = self.Parameters(**parameters)

    def initial_memory(self, seed=0):
        return Pushed(np.zeros(2))

    def plan(self, state, time, memory):
        u = np.tanh(np.cumsum(state))[:2] * [1.0, 0.3] + 0.5 * memory.last
        actions = self.task.limits.project(np.tile(u, (4, 1)))
        return Plan(time, self.task.dt, actions, 0.0), Pushed(actions[0])


class Forgetful(Outsider):
    """Whose memory does not say how it is moved."""

    def initial_memory(self, seed=0):
        return np.zeros(2)


@pytest.mark.parametrize("word", ["full", "C4", "E2"])
def test_an_outsiders_planner_becomes_exact(word):
    task = NAMED["Push"]
    planner = Canonical(Outsider(WORLDS[task]), word)
    s, chosen = elements(planner, some=False)
    x, memory = planner.task.initial_state(np.random.default_rng(2)), planner.initial_memory()
    for tick in range(3):
        assert law_at(planner, x, memory, s, chosen, [lambda a: a]) < EXACT
        plan, memory = planner.plan(x, tick * 0.05, memory)
        x = planner.dynamics.next_state(x, plan.actions[0])
    bare, there = Outsider(WORLDS[task]), s.act(chosen[-1], state=x)
    a, b = (bare.plan(y, 0.0, bare.initial_memory())[0].actions for y in (x, there))
    assert np.abs(s.act(chosen[-1], action=a) - b).max() > 1e-3


def test_what_cannot_be_framed_or_remembered_is_refused():
    with pytest.raises(ParameterError, match="does not say how a group acts"):
        Canonical(Forgetful(WORLDS[NAMED["Push"]]), "full")
    with pytest.raises(ParameterError, match="Outsider tries no plans of others"):
        Recalling(Outsider(WORLDS[NAMED["Push"]]), "full")


# What no continuous group is a symmetry of.


def continuous(parts, action, whole=None):
    check_continuous(Symmetry(whole or o2(4), parts, action), "O2")


def test_declarations_that_a_continuous_group_does_not_fit():
    continuous({"p": Position((1.0, 2.0)), "a": Angle(2)}, {"u": Vector(2), "w": Pseudoscalar()})
    with pytest.raises(ValueError, match="'ring' goes with the finite group D4 only"):
        continuous({"ring": Regular()}, {"u": Vector()})
    with pytest.raises(ValueError, match="D4 is declared for itself alone, not for O2"):
        continuous({"p": Vector()}, {"u": Vector()}, dihedral(4))
    with pytest.raises(ValueError, match="C8 is a sample of SO2, not for O2"):
        continuous({"p": Vector()}, {"u": Vector()}, so2(8))
    with pytest.raises(ValueError, match="swap is declared for itself alone"):
        continuous({"p": Vector()}, {"u": Vector()}, group("swap"))


@pytest.mark.parametrize(
    ("task", "word", "said"),
    [
        ("PointMass", "SE2", "no part is a Position"),
        ("PointMass", "SO3", "not for SO3"),
        ("PointMasses", "SO3", "here take task_options: {group: Ih}"),
        ("Push", "SO4", "did you mean SO"),
    ],
)
def test_words_that_a_task_refuses(task, word, said):
    with pytest.raises(ParameterError, match=said):
        made(MPPI, NAMED[task], word)


def test_limits_costs_and_walls_that_break_it_are_named():
    box = Limits({"force": Box((-1.0,) * 3, (1.0,) * 3)}, {"force": slice(0, 3)})
    boxed = Mass()
    boxed.limits = box
    with pytest.raises(ParameterError, match="limits of action part 'force'"):
        Canonical(MPPI(MassDynamics(boxed), "none"), "SO3")
    tilted = Mass()
    tilted.terminal_cost = lambda x: x[..., 2] ** 2
    with pytest.raises(ParameterError, match=r"terminal cost is not symmetric under O3.*'place'"):
        Canonical(MPPI(MassDynamics(tilted), "none"), "O3")
    walled = Canonical(MPPI(MassDynamics(Mass(), wall=0.5), "none", samples=16), "E3")
    with pytest.raises(ValueError, match="model of mass is not symmetric under it, above all in p"):
        walled.plan(np.zeros(12), 0.0, walled.initial_memory())


def test_the_frame_of_an_orbit_is_one_state():
    """All images of a state have one canonical state."""
    for task, word in (
        (NAMED["Push"], "full"),
        (NAMED["Push"], "E2"),
        (Mass, "E3"),
        (Mass, "full"),
    ):
        planner = made(MPPI, task, word)
        s, chosen = elements(planner, some=False)
        nothing = Remembered(None, s)
        rng = np.random.default_rng(8)
        for _ in range(5):
            x = planner.task.initial_state(rng)
            rows = []
            for g in (0, *chosen):
                y = s.act(g, state=x)
                acting, there, back = planner.frames.of(y, nothing)
                rows.append(acting.act(back, state=y))
                assert (
                    np.abs(s.difference("state", acting.act(there, state=rows[-1]), y)).max()
                    < 1e-12
                )
            assert np.abs(s.difference("state", np.array(rows), rows[0])).max() < 1e-12


def test_all_arrays_of_a_memory_are_found():
    memory = made(MPPI, NAMED["Push"], "full").initial_memory(0)
    every = [value.size for value in vars(memory).values() if isinstance(value, np.ndarray)]
    assert [a.size for a in arrays_of(memory)] == every and len(every) > 3
