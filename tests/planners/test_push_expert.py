"""The expert of push: it gets there, moves with the scene, and remembers nothing."""

import numpy as np
import pytest

from covary.planners.expert import Expert
from covary.planners.scripts import push
from covary.sim.judge import Judge
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push


def won(starts, episodes, seed):
    """How many of the episodes it brings to a success, and how many periods each takes."""
    task = Push(starts)
    plant, expert, ends = Plant(task), Expert(task), []
    for i in range(episodes):
        plant.begin(np.random.default_rng([seed, i]))
        judge, memory, verdict, tick = Judge(plant), expert.initial_memory(i), None, 0
        while verdict is None:
            plan, memory = expert.plan(plant.state(), tick * task.dt, memory)
            for _ in range(10):
                plant.apply(plan.actions[0])
                plant.step()
            tick += 1
            verdict = judge.period(plan.actions[0], tick * task.dt)
        ends.append((verdict, tick))
    return sum(v for v, _ in ends), np.mean([t for _, t in ends])


def test_it_gets_there():
    assert won("own", 1, 21)[0] == 1
    assert won("demonstrated", 1, 21)[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("starts", "least"), [("own", 98), ("demonstrated", 100), ("widened", 98)])
def test_it_gets_there_from_a_hundred_starts(starts, least):
    assert won(starts, 100, 22)[0] >= least


def test_a_moved_scene_gets_the_moved_action():
    task = Push()
    rng, expert = np.random.default_rng(0), Expert(task)
    for k in range(8):
        x = task.initial_state(rng)
        if k % 2:  # beside the box, where it pushes
            turn = np.array([[np.cos(x[4]), -np.sin(x[4])], [np.sin(x[4]), np.cos(x[4])]])
            x[0:2] = x[2:4] + turn @ push.PLACES[rng.integers(len(push.PLACES))]
        plan, _ = expert.plan(x, 0.0, expert.initial_memory(0))
        assert np.hypot(*plan.actions[0]) > 0.01
        for g in task.symmetry.group.elements:
            there, wanted = task.symmetry.act(g, state=x, action=plan.actions[0])
            moved, _ = expert.plan(there, 3.0, expert.initial_memory(7))
            np.testing.assert_allclose(moved.actions[0], wanted, atol=1e-12)


def test_the_way_round_the_box_keeps_clear_of_it():
    rng = np.random.default_rng(1)
    for _ in range(300):
        a, b = (push.OUT * rng.choice([-1, 1], 2) * rng.uniform(1.0, 1.6, 2) for _ in range(2))
        way = [a, *push.around(a, b)]
        assert way[-1] is b and len(way) <= 5
        legs = zip(way[:-1], way[1:], strict=True)
        assert not any(push.crosses(p, q) for p, q in legs)


def test_arcs_are_those_of_the_model():
    lengths = np.array([0.05, 0.10])
    for contact in (0, 3, 16, 27):
        pose, small = np.zeros(3), 1e-5
        for _ in range(round(lengths[1] / small)):  # a point that turns as it goes
            c, s = np.cos(pose[2]), np.sin(pose[2])
            n = push.NORMALS[contact]
            step = [c * n[0] - s * n[1], s * n[0] + c * n[1], push.TURNS[contact]]
            pose = pose + small * np.array(step)
        k = int(np.argmin(np.abs(push.LENGTHS - lengths[1])))
        np.testing.assert_allclose(push.ARCS[contact, k], pose, atol=1e-4)
