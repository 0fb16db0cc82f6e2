"""`PointMasses`: starts, cost, options, exact plans under a group that no box has."""

import numpy as np
import pytest
from in_plant import episodes

from covary.nodes.parameters import ParameterError
from covary.planners.mppi import MPPI
from covary.planners.uniform import Uniform
from covary.sim.load_task import load_task
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks.point_masses import FORCE, PointMasses
from covary.sim.viewing.scene import Scene

TASK = PointMasses()
PLANS = {"samples": 384, "horizon": 25, "iterations": 2, "knots": 5, "noise": 0.1}


def starts(seeds, task=TASK):
    return np.array([task.initial_state(np.random.default_rng(seed)) for seed in seeds])


def test_starts():
    position, velocity, goal = TASK.split(starts(range(1000)))
    for points in (position, goal):
        far = np.linalg.norm(points, axis=-1)
        assert far.min() >= 0.4 and far.max() <= 0.6 and np.ptp(far) > 0.19
        apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
        assert (apart + np.eye(3)).min() >= 0.25
    cosine = np.sum(position * goal, axis=-1) / np.linalg.norm(position, axis=-1)
    cosine /= np.linalg.norm(goal, axis=-1)
    assert cosine.max() <= -np.cos(np.pi / 6) + 1e-12 and not velocity.any()
    ways = position.reshape(-1, 3) / np.linalg.norm(position.reshape(-1, 3), axis=1)[:, None]
    assert np.abs(ways.mean(axis=0)).max() < 0.05, "no direction is preferred"
    assert np.abs(ways.T @ ways / len(ways) - np.eye(3) / 3).max() < 0.03


def test_thresholds_and_cost():
    x = np.tile(starts([0])[0], (4, 1))
    x[:, :9] = x[:, 18:]
    x[1:3, 3] += [0.029, 0.031]
    x[3, 9:12] = 0.06
    assert TASK.success(x).tolist() == [True, True, False, False]
    x = np.zeros(27)
    x[[0, 3, 6]] = 0.0, 0.1, 1.0
    x[[18, 21, 24]] = 0.3, 0.1, 1.0
    x[9], u = 2.0, np.r_[1.0, np.zeros(8)]
    assert float(TASK.running_cost(x, u)) == pytest.approx(0.3 + 0.05 * 4 + 0.002 + 20 * 0.25)
    assert float(TASK.terminal_cost(x)) == pytest.approx(1.5)


@pytest.mark.parametrize("balls", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_model_and_plant_agree_over_a_second(balls):
    task = PointMasses(balls)
    x, u = starts([3], task)[0], np.random.default_rng(0).uniform(-FORCE, FORCE, (4, 20, 3 * balls))
    costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, 20, 9 * balls))
    for i, dynamics in enumerate((NumbaDynamics(task), MujocoDynamics(task))):
        dynamics.rollout(x, u, costs[i], states[i])
    assert np.abs(states[0] - states[1]).max() <= 1e-12
    assert np.abs(costs[0] - costs[1]).max() <= 1e-11


def test_the_models_numbers_are_the_plants_and_marks_stand_at_the_goals():
    plant, x = Plant(TASK), starts([1])[0]
    mass, friction = TASK.parameters
    assert set(plant.model.dof_damping) == {friction} and not plant.model.opt.gravity.any()
    assert {plant.model.body(name).mass[0] for name in TASK.names} == {mass}
    scene = Scene(TASK)
    drawn = dict(zip(scene.bodies, scene.poses(x)[0], strict=True))
    plant.reset(x)
    plant.place()
    for i, goal in enumerate(TASK.split(x)[2]):
        assert np.array_equal(drawn[f"goal_{i}"], goal)
        assert np.array_equal(plant.data.body(f"goal_{i}").xpos, goal)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"balls": 0}, "balls: 0 is no number from 1 to 6"),
        ({"balls": "two"}, "balls: 'two'"),
        ({"balls": True}, "balls: True"),
        ({"group": "O_h"}, "group: 'O_h' is none of .*; did you mean Oh?"),
        ({"ball": 3}, "takes no option 'ball'; did you mean balls?"),
    ],
)
def test_a_wrong_option_is_one_line(options, said):
    with pytest.raises(ParameterError, match=said):
        load_task("point_masses", options)


def test_options_from_a_command_line_are_text():
    task = load_task("point_masses", {"balls": "2", "group": "I"})
    assert (len(task.state_names), task.symmetry.group.order) == (18, 60)


@pytest.mark.parametrize(
    ("group", "kind"), [("O", "Box"), ("Oh", "Box"), ("I", "Ball"), ("Ih", "Ball")]
)
def test_limits_are_a_box_where_matrices_are_signed_permutations(group, kind):
    task = PointMasses(2, group)
    assert {type(limit).__name__ for limit in task.limits.parts.values()} == {kind}
    signed = set(np.unique(np.round(task.symmetry.orbit("action"), 12))) <= {-1.0, 0.0, 1.0}
    assert signed == (kind == "Box")
    if group == "Ih":  # a box is refused there
        task.limits = PointMasses(2, "Oh").limits
        with pytest.raises(ValueError, match="use a Ball"):
            MPPI(NumbaDynamics(task))


class OneSided(MPPI):
    """Moves every sample along x: what it plans hangs on the axes."""

    def update(self, memory, noise, actions, costs):
        return super().update(memory, noise, actions, costs + 0.1 * actions[:, 0, 0])


@pytest.mark.parametrize("group", ["O", pytest.param("Ih", marks=pytest.mark.slow)])
def test_plans_are_exact_under_every_element(group):
    """Warm-started, with many samples that count and most at their limits; not so a broken one."""
    task = PointMasses(1, group)
    x = starts([2], task)[0]
    worst = {}
    for cls in (MPPI, OneSided):
        planner = cls(
            NumbaDynamics(task), samples=240, horizon=12, noise=1.0, temperature=5.0, iterations=2
        )
        s, state = planner.symmetry, x
        memory = planner.initial_memory(1)
        moved = {g: memory.act(s, g) for g in s.group.elements}
        errors = []
        for tick in range(2):
            fused, planner.fused = planner.fused, None  # the loop keeps its samples
            plan, memory = planner.plan(state, tick * task.dt, memory)
            planner.fused = fused
            assert (fused is None) == (cls is OneSided)
            costs, actions = planner.samples.costs[0].copy(), planner.samples.actions.copy()
            for g in s.group.elements:
                there, moved[g] = planner.plan(s.act(g, state=state), tick * task.dt, moved[g])
                errors.append(np.abs(there.actions - s.act(g, action=plan.actions)).max())
            weights = np.exp(-(costs - costs.min()) / 5.0)
            assert weights.sum() ** 2 / (weights**2).sum() > 5.0
            assert (np.linalg.norm(actions, axis=2) > 0.999 * FORCE).mean() > 0.2
            state = planner.dynamics.next_state(state, plan.actions[0])
        worst[cls] = max(errors)
    assert worst[MPPI] < 1e-9 and worst[OneSided] > 1e-3


@pytest.mark.slow
def test_random_forces_are_no_success_and_plans_are():
    planner = MPPI(NumbaDynamics(TASK), temperature=0.5, **PLANS)
    assert sum(episodes(TASK, Uniform(TASK), range(20))) == 0
    assert all(episodes(TASK, planner, range(1)))


@pytest.mark.slow
def test_what_the_launch_file_says_solves_it():
    """The figures of docs/tasks.md: 20 of 20, and nobody comes near another."""
    nearest = []

    def watch(x):
        position = TASK.split(x)[0]
        apart = np.linalg.norm(position[:, None] - position, axis=-1) + np.eye(3)
        nearest.append(apart.min())

    planner = MPPI(NumbaDynamics(TASK), temperature=0.5, **PLANS)
    assert all(episodes(TASK, planner, range(20), watch))
    assert min(nearest) > 0.08, "two balls have touched"
