"""Finished plans are found again from every orientation, tried, bounded, saved and loaded."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from covary.nodes import plugin
from covary.nodes.parameters import ParameterError
from covary.planners.loop.memory_file import (
    MemoryFileError,
    Moment,
    load_memory,
    save_memory,
    task_hash,
)
from covary.planners.mppi import MPPI
from covary.planners.sampling import SamplingPlanner
from covary.planners.symmetric.canonical import Canonical
from covary.planners.symmetric.plan_memory import PlanMemory, Recalling
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

TASK = Push()
DYNAMICS = NumbaDynamics(TASK)
NAMES = [
    name
    for name in plugin.offered("planners")
    if issubclass(plugin.load(name, "planners"), SamplingPlanner)
]

COSTLY = ("covo", "tube_mppi", "mppi_ilqr", "torch_mppi")


def recalling(symmetry="E2", size=1000, nearest=1, distance=1.0, name="mppi", **settings):
    inside = {"samples": 32, "horizon": 12, "knots": 4, "noise": 0.9, **settings}
    if name == "ilqr":
        inside = {"horizon": 12, "iterations": 2}
    planner = plugin.load(name, "planners")(DYNAMICS, "none", **inside)
    return Recalling(planner, symmetry, size, nearest, distance)


def lived(planner, episodes=1, ticks=6, seed=0):
    """A memory after some episodes."""
    rng, memory = np.random.default_rng(seed), planner.initial_memory(seed)
    for episode in range(episodes):
        x = TASK.initial_state(rng)
        for tick in range(ticks):
            plan, memory = planner.plan(x, tick * TASK.dt, memory)
            x = DYNAMICS.next_state(x, plan.actions[0])
        memory = planner.next_memory(memory, episode + 1)
    return memory


def moved(planner, count=5):
    if planner.continuous:
        s = planner.tried(count)
        return s, list(s.group.elements)[1:]
    return planner.symmetry, list(planner.symmetry.group.elements)[1 : count + 1]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in COSTLY else []) for n in [*NAMES, "ilqr"]],
)
@pytest.mark.parametrize("word", ["full", "E2"])
def test_the_law_holds_with_a_memory(name, word):
    """Several iterations, warm starts, stored plans near enough to be tried."""
    planner = recalling(word, distance=10.0, nearest=2, name=name, iterations=2, samples=48)
    memory = lived(planner, episodes=2)
    assert len(memory.canonical) == 12
    s, chosen = moved(planner)
    x = TASK.initial_state(np.random.default_rng(9))
    for tick in range(3):
        time = tick * TASK.dt
        plan, after = planner.plan(x, time, memory)
        for g in chosen:
            there, then = planner.plan(s.act(g, state=x), time, memory.act(s, g))
            off = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            (state, stored), (own_state, own) = then.unfinished[-1], after.unfinished[-1]
            off = max(off, np.abs(state - own_state).max(), np.abs(stored - own).max())
            assert off < 1e-9
        memory, x = after, DYNAMICS.next_state(x, plan.actions[0])


class WorldAxes(Recalling):
    """Looks up states as they stand in the world."""

    def recalled(self, memory, canonical):
        return super().recalled(memory, self.world)

    def plan(self, state, time, memory, **more):
        self.world = state
        return super().plan(state, time, memory, **more)


def test_a_look_up_in_world_axes_fails_the_law():
    fine = recalling(distance=100.0, name="predictive_sampling", noise=0.01, horizon=30)
    memory = lived(recalling(horizon=30, samples=256), episodes=3, ticks=20)
    s, chosen = moved(fine, 12)
    x = TASK.initial_state(np.random.default_rng(9))
    for cls, fails in ((Recalling, False), (WorldAxes, True)):
        one = cls(fine.planner, "E2", 1000, 1, 100.0)
        plan, _ = one.plan(x, 0.0, memory)
        off = []
        for g in chosen:
            there, _ = one.plan(s.act(g, state=x), 0.0, memory.act(s, g))
            off.append(np.abs(there.actions - s.act(g, action=plan.actions)).max())
        assert (max(off) > 1e-3) == fails


def test_a_state_finds_the_plan_of_its_twin():
    """What was planned in one orientation is tried in every other one, and only near enough."""
    planner = recalling()
    x = TASK.initial_state(np.random.default_rng(4))
    plan, memory = planner.plan(x, 0.0, planner.initial_memory(0))
    memory = planner.next_memory(memory, 1)
    s, chosen = moved(planner)
    planner.planner.fused = None  # the loop keeps its samples
    for g in chosen:
        there = s.act(g, state=x)
        planner.plan(there, 0.0, memory)
        acting, frame_there, back = planner.frames.of(there, _Nothing())
        tried = acting.act(frame_there, action=planner.samples.actions[-2])
        assert np.abs(tried - s.act(g, action=plan.actions)).max() < 1e-9
    other = TASK.initial_state(np.random.default_rng(5))
    acting, _, back = planner.frames.of(other, _Nothing())
    assert planner.recalled(memory, acting.act(back, state=other)) == []


def test_a_plan_is_turned_with_pusher_and_box_though_the_goal_is_turned_otherwise():
    """In the goal's frame it would be turned by all of the difference."""
    planner = recalling()
    x = np.array([-0.25, 0.05, -0.05, 0.0, 0.3, 0.25, 0.0, 0.0])
    plan, memory = planner.plan(x, 0.0, planner.initial_memory(0))
    memory = planner.next_memory(memory, 1)
    s, chosen = moved(planner)
    for g in chosen:
        there = s.act(g, state=x + 0.5 * np.eye(8)[7])
        acting, frame_there, back = planner.frames.of(there, _Nothing())
        found = planner.recalled(memory, acting.act(back, state=there))[0]
        found = acting.act(frame_there, action=found)
        cosine = np.sum(found * s.act(g, action=plan.actions)) / np.sum(plan.actions**2)
        assert np.degrees(np.arccos(cosine)) < 5.0  # of 28.6


class _Nothing:
    """No memory."""

    def key(self, acting, g):
        return 0.0

    def directions(self):
        return np.empty((0, 3))


def test_it_is_tried_beside_the_last_plan_and_replaces_nothing():
    planner = recalling(distance=100.0)
    memory = lived(planner, ticks=1)
    x = TASK.initial_state(np.random.default_rng(8))
    _, memory = planner.plan(x, 0.0, memory)
    planner.planner.fused = None  # the loop keeps its samples
    planner.plan(x, TASK.dt, memory)
    samples = planner.planner.samples
    acting, _, back = planner.frames.of(x, _Nothing())
    last = planner.planner._shifted(memory.inner.act(acting, back), TASK.dt).mean
    np.testing.assert_allclose(samples.actions[-1], last, atol=1e-12)
    np.testing.assert_array_equal(
        samples.actions[-2], planner.recalled(memory, acting.act(back, state=x))[0]
    )
    assert len(samples.actions) == 32 and np.ptp(samples.noise[:-2], axis=0).min() > 0


@pytest.mark.parametrize(("name", "charged"), [("mppi", 0.3), ("cem", 0.0)])
def test_the_last_plan_is_charged_a_temperature_so_that_it_does_not_stand_for_ever(name, charged):
    more = {"temperature": 0.3} if charged else {}
    planner = plugin.load(name, "planners")(DYNAMICS, "none", samples=16, horizon=12, **more)
    planner.fused = None  # the loop keeps its samples
    x = TASK.initial_state(np.random.default_rng(8))
    plan, memory = planner.plan(x, 0.0, planner.initial_memory(0))
    planner.plan(x, TASK.dt, memory, tried=[plan.actions])
    costs, found = np.empty((1, 16)), planner._last[1]
    count = len(found)
    DYNAMICS.rollout(x, planner.samples.actions, costs[:, :count])
    expected = charged * (np.arange(count) == count - 1)
    np.testing.assert_allclose(found - costs[0, :count], expected, atol=1e-12)


def test_without_finished_plans_it_is_the_canonical_planner():
    planner = recalling()
    plain = Canonical(planner.planner, "E2")
    a, b = planner.initial_memory(3), plain.initial_memory(3)
    for tick in range(3):
        x = TASK.initial_state(np.random.default_rng(tick))
        one, a = planner.plan(x, tick * TASK.dt, a)
        two, b = plain.plan(x, tick * TASK.dt, b)
        np.testing.assert_array_equal(one.actions, two.actions)


def test_a_state_across_a_wall_of_the_cell_finds_the_plan_on_the_other_side():
    """Images of nearly symmetric states are near each other, their canonical ones are not."""
    planner = recalling("O2", distance=100.0)
    goal, box = np.array([0.0, 0.0, 0.0]), np.array([0.2, 0.0, 0.0])
    a, b = (np.concatenate([[0.3, y], box, goal]) for y in (0.01, -0.01))
    memory = planner.next_memory(planner.plan(a, 0.0, planner.initial_memory(0))[1], 1)
    plans = []
    for x in (a, b):
        acting, there, back = planner.frames.of(x, _Nothing())
        canonical = acting.act(back, state=x)
        plans.append(acting.act(there, action=planner.recalled(memory, canonical)[0]))
    mirrored = plans[0] * [1.0, -1.0]
    assert np.abs(plans[1] - mirrored).max() < 1e-9  # exact: the image of a is b
    near = np.concatenate([[0.3, -0.002], box, goal])  # nearer to a than to its image? no: to b
    acting, there, back = planner.frames.of(near, _Nothing())
    found = acting.act(there, action=planner.recalled(memory, acting.act(back, state=near))[0])
    assert np.abs(found - mirrored).max() < 0.05 * np.abs(mirrored).max()  # turned a little
    assert np.abs(found - plans[0]).max() > np.abs(found - mirrored).max()


def test_it_is_bounded_and_the_newest_stay():
    planner = recalling(size=10)
    one = lived(planner, episodes=3, ticks=4)
    assert len(one.canonical) == len(one.plans) == 10
    every = lived(recalling(size=1000), episodes=3, ticks=4)
    np.testing.assert_allclose(one.plans, every.plans[-10:])
    long = lived(planner, episodes=1, ticks=25)
    assert len(long.canonical) == 10


def test_plans_of_another_horizon_are_cut_or_end_in_doing_nothing():
    first = recalling(horizon=12)
    x = TASK.initial_state(np.random.default_rng(1))
    memory = first.next_memory(first.plan(x, 0.0, first.initial_memory(0))[1], 1)
    acting, _, back = first.frames.of(x, _Nothing())
    canonical, own = acting.act(back, state=x), memory.plans[0]
    longer = recalling(horizon=20)
    found = longer.recalled(memory, canonical)[0]
    np.testing.assert_allclose(found[:12], own, atol=1e-12)
    np.testing.assert_array_equal(found[12:], np.zeros((8, 2)))
    shorter = recalling(horizon=5).recalled(memory, canonical)[0]
    np.testing.assert_allclose(shorter, own[:5], atol=1e-12)
    # What it makes itself goes into the store with the store's own horizon.
    x = TASK.initial_state(np.random.default_rng(1))
    grown = longer.next_memory(longer.plan(x, 0.0, longer.next_memory(memory, 1))[1], 2)
    assert grown.plans.shape == (2, 12, 2)


def test_too_few_samples_are_refused():
    with pytest.raises(ParameterError, match="samples: 3 leave none beside 3 that are tried"):
        recalling(samples=3, nearest=2)


@pytest.mark.parametrize("name", NAMES)
def test_every_planners_memory_comes_back_from_its_file(name, tmp_path):
    """Planning goes on bit for bit as if it had never stopped."""
    planner = plugin.load(name, "planners")(DYNAMICS, samples=64, horizon=12, knots=4)
    x, memory = TASK.initial_state(np.random.default_rng(2)), planner.initial_memory(5)
    for tick in range(2):
        _, memory = planner.plan(x, tick * TASK.dt, memory)
    file = tmp_path / "memory.npz"
    save_memory(file, memory, TASK, Moment(3, 0.05))
    back, moment = load_memory(file, planner.initial_memory(0), TASK)
    assert moment == (3, 0.05) and type(back) is type(memory)
    one, _ = planner.plan(x, 2 * TASK.dt, memory)
    two, _ = planner.plan(x, 2 * TASK.dt, back)
    np.testing.assert_array_equal(one.actions, two.actions)
    assert [p.name for p in tmp_path.iterdir()] == ["memory.npz"]


def test_finished_plans_come_back_for_another_planner_too(tmp_path):
    memory = lived(recalling())
    save_memory(tmp_path / "m.npz", memory, TASK, Moment(1, 2.0))
    other = recalling(name="cem", horizon=20, knots=6)
    back, moment = load_memory(tmp_path / "m.npz", other.initial_memory(0), TASK)
    np.testing.assert_array_equal(back.plans, memory.plans)
    assert back.inner.mean.shape == (20, 2) and moment == Moment()
    x = TASK.initial_state(np.random.default_rng(1))
    assert np.isfinite(other.plan(x, 0.0, back)[0].actions).all()


def test_what_is_not_its_memory_is_refused_in_a_line(tmp_path):
    file, planner = tmp_path / "m.npz", recalling()
    save_memory(file, lived(planner), TASK)
    fresh = planner.initial_memory(0)
    with pytest.raises(MemoryFileError, match="is of task push, not of reacher"):
        load_memory(file, fresh, Reacher())
    other = Push()
    other.dt = 0.1
    assert task_hash(other) != task_hash(TASK)
    with pytest.raises(MemoryFileError, match="is of another push"):
        load_memory(file, fresh, other)
    with pytest.raises(MemoryFileError, match="holds a PlanMemory, where this planner has a Mem"):
        load_memory(file, planner.planner.initial_memory(0), TASK)
    with pytest.raises(MemoryFileError, match="there is no such file"):
        load_memory(tmp_path / "none.npz", fresh, TASK)
    save_memory(file, planner.planner.initial_memory(0), TASK)
    longer = MPPI(DYNAMICS, samples=64, horizon=30, knots=4).initial_memory(0)
    with pytest.raises(MemoryFileError, match=r"shape \(12, 2\) for mean, where .* \(30, 2\)"):
        load_memory(file, longer, TASK)
    for bad in (b"", b"PK\x03\x04 nothing", b"\x80\x04pickled"):
        file.write_bytes(bad)
        with pytest.raises(MemoryFileError, match="is no planner's memory"):
            load_memory(file, fresh, TASK)
    np.savez(file, about=np.array(json.dumps([1])), mean=np.zeros(3))
    with pytest.raises(MemoryFileError, match="is no planner's memory"):
        load_memory(file, fresh, TASK)
    with pytest.raises(MemoryFileError, match="cannot be written"):
        save_memory(tmp_path / "absent" / "m.npz", fresh, TASK)


def test_a_file_of_objects_runs_nothing(tmp_path):
    file = tmp_path / "m.npz"
    np.savez(file, about=np.array([{"task": "push"}], dtype=object))
    with pytest.raises(MemoryFileError, match="is no planner's memory"):
        load_memory(file, recalling().initial_memory(0), TASK)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mean", np.nan, "mean holds what is no number"),
        ("mean", np.inf, "mean holds what is no number"),
        ("planned", 1e300, "planned holds what is no number"),
        ("draws", -1, "draws is no count"),
        ("draws", np.uint64(2**63), "draws is no count"),
        ("seed", 1.5, "seed is no count"),
    ],
)
def test_numbers_that_no_plan_can_come_of_are_refused(tmp_path, name, value, said):
    file, fresh = tmp_path / "m.npz", recalling().planner.initial_memory(0)
    save_memory(file, fresh, TASK)
    with np.load(file) as stored:
        arrays = dict(stored)
    np.savez(file, **{**arrays, name: np.full(arrays[name].shape, value)})
    with pytest.raises(MemoryFileError, match=f"m.npz: {said}"):
        load_memory(file, fresh, TASK)


def test_an_array_too_large_to_be_true_is_refused(tmp_path):
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as file:
        file.writestr("mean.npy", header.getvalue())
    with pytest.raises(MemoryFileError, match="is no planner's memory"):
        load_memory(tmp_path / "m.npz", recalling().initial_memory(0), TASK)


def test_a_file_that_kept_what_was_compared_before_is_refused(tmp_path):
    file, planner = tmp_path / "m.npz", recalling()
    save_memory(file, lived(planner), TASK)
    with np.load(file) as old:
        arrays = dict(old)
    arrays["states"] = np.zeros((len(arrays.pop("canonical")), 10))
    np.savez(file, **arrays)
    with pytest.raises(MemoryFileError, match=r"m.npz: has no canonical; .* an older version$"):
        load_memory(file, planner.initial_memory(0), TASK)


def test_finished_leaves_the_rest():
    memory = lived(recalling())
    assert memory.finished(1000) is memory
    grown = replace(memory, unfinished=((memory.canonical[0], memory.plans[0]),)).finished(1000)
    assert isinstance(grown, PlanMemory) and len(grown.canonical) == len(memory.canonical) + 1
