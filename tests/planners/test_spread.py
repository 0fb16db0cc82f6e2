"""Noise that would not go with the group is refused where a planner is built, with the reason."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from covary.nodes import plugin
from covary.nodes.parameters import ParameterError
from covary.planners.cem import CEM
from covary.planners.cma_es import CMAES
from covary.planners.loop.memory import Memory
from covary.planners.mppi import MPPI
from covary.planners.sampling import SamplingPlanner
from covary.planners.symmetric.spread import check_spread
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.planner_plugin import build_planner, rebuilt
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_masses import PointMasses

FLAT, SPACE = NumbaDynamics(PointMass()), NumbaDynamics(PointMasses())
SMALL = {"samples": 32, "horizon": 8, "knots": 3}


class Factored(CMAES):
    """Somebody's, with a Cholesky factor."""

    def scaled(self, memory, noise):
        root = memory.scale * np.linalg.cholesky(memory.covariance).T
        noise[:] = (noise.reshape(len(noise), -1) @ root).reshape(noise.shape) * self.initial_std


class Apart(CEM):
    """Somebody's, with a deviation of each coordinate."""

    def update(self, memory, noise, actions, costs):
        best = np.argsort(costs)[: self.elites]
        return replace(memory, mean=actions[best].mean(axis=0), std=noise[best].std(axis=0))


@dataclass(frozen=True, eq=False)
class Stuck(Memory):
    """A memory with a spread that `act` forgets."""

    root: np.ndarray


class Forgetful(MPPI):
    """Somebody's, with that memory."""

    def initial_memory(self, seed=0):
        return Stuck(**vars(super().initial_memory(seed)), root=np.eye(2))

    def update(self, memory, noise, actions, costs):
        flat = noise[np.argsort(costs)[:8]].reshape(-1, 2)
        return replace(super().update(memory, noise, actions, costs), root=np.cov(flat.T))

    def scaled(self, memory, noise):
        noise[:] = (noise @ memory.root) * self.initial_std


REASONS = [
    (Factored, r"a triangular \(Cholesky\) factor.*symmetric root, as cma_es does"),
    (Apart, "a deviation of each coordinate for itself.*one for each of `blocks`"),
    (Forgetful, "not moved with its memory.*let the memory's `act` move it"),
]


@pytest.mark.parametrize(("kind", "reason"), REASONS)
@pytest.mark.parametrize("group", ["D8", "C8"])
def test_it_is_refused_with_the_reason_and_the_way_out(kind, reason, group):
    planner = kind(FLAT, group, **SMALL)
    with pytest.raises(ValueError, match=f"^scaled: .*{reason}, or plan with symmetry_mode") as e:
        check_spread(planner)
    assert kind.__name__ in str(e.value) and group in str(e.value) and "\n" not in str(e.value)
    with pytest.raises(ValueError, match="^scaled"):  # and before the first plan, however built
        planner.plan(FLAT.task.initial_state(np.random.default_rng(0)), 0.0, None)


@pytest.mark.parametrize(("kind", "reason"), REASONS)
def test_what_is_refused_would_not_be_exact(kind, reason):
    """The control of the check: without it the law fails by far more than rounding."""
    planner = kind(FLAT, "D8", iterations=3, **SMALL)
    planner.check = lambda: None
    assert _law(planner) > 1e-6


def test_a_deviation_of_each_coordinate_is_taken_where_the_group_exchanges_whole_ones():
    """Under D4 it goes with the samples, and nothing of it is left in the next plan."""
    planner = Apart(FLAT, "D4", iterations=3, **SMALL)
    check_spread(planner)
    assert _law(planner) < 1e-9


def _law(planner):
    """The law's largest error, over two plans."""
    s, x = planner.symmetry, np.array([-0.5, 0.1, 0.2, 0.0, 0.4, 0.3])
    memory, worst = planner.initial_memory(0), 0.0
    for time in (0.0, 0.05):
        plan, after = planner.plan(x, time, memory)
        for g in s.group.elements:
            there, _ = planner.plan(s.act(g, state=x), time, memory.act(s, g))
            worst = max(worst, np.abs(there.actions - s.act(g, action=plan.actions)).max())
        memory = after
    return worst


@pytest.mark.parametrize("kind", [kind for kind, _ in REASONS])
def test_a_launch_refuses_it_before_anything_runs_and_takes_it_with_no_symmetry(kind):
    block = {"plugin": "my_file:Mine", **SMALL}
    with pytest.raises(ParameterError, match="planner my_file:Mine: scaled: the spread") as refused:
        build_planner(kind, FLAT, block, {}, "full")
    assert refused.value.key == "planner"
    planner = build_planner(kind, FLAT, block, {}, "none")
    assert rebuilt(planner, {"samples": 40}, "my_file:Mine", "none").parameters.samples == 40
    with pytest.raises(ParameterError, match="scaled: the spread"):
        rebuilt(planner, {"samples": 40}, "my_file:Mine", "full")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in plugin.offered("planners")
        if issubclass(plugin.load(name, "planners"), SamplingPlanner)
    ],
)
def test_none_of_ours_is_refused_and_the_check_leaves_no_trace(name):
    check_spread(plugin.load(name, "planners")(SPACE, "full", samples=144))
    planner = plugin.load(name, "planners")(FLAT, "full", samples=40)
    planner.fused = None  # nothing is compiled for this
    x, plans = FLAT.task.initial_state(np.random.default_rng(0)), []
    for _ in range(2):
        plans.append(planner.plan(x, 0.0, planner.initial_memory(0))[0].actions)
        check_spread(planner)
        assert len(planner.samples.noise) == 40
    np.testing.assert_array_equal(*plans)
