"""A trained policy proposes to a planner: what it would do, and exactly so where it is exact."""

import numpy as np
import pytest
from hand_policies import hand_policy, homing_gain

from covary.control.policy_proposer import PolicyProposer
from covary.nodes.parameters import ParameterError
from covary.planners.loop.proposal import build_proposer, proposal
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TASK = PointMass()


def proposer(folder):
    return PolicyProposer(TASK, PolicyProposer.Parameters(str(folder)))


def start(seed=0):
    return TASK.initial_state(np.random.default_rng(seed))


def test_it_says_what_the_policy_would_do(tmp_path):
    made = hand_policy(tmp_path / "policy", TASK, homing_gain(), chunk=4, execute=2)
    found = proposer(made).actions(start())
    np.testing.assert_allclose(found, np.tile(homing_gain() @ start(), (2, 1)), atol=1e-5)
    block = {"plugin": "policy_proposer", "policy": str(made)}
    np.testing.assert_array_equal(build_proposer(block, TASK).actions(start()), found)


def test_a_policy_that_sees_images_cannot(tmp_path):
    made = hand_policy(tmp_path / "policy", TASK, homing_gain(), images={"heightmap": 8})
    with pytest.raises(ParameterError, match="sees heightmap, of which a planner's model has none"):
        proposer(made)


def test_a_plan_with_its_proposal_is_exact(tmp_path):
    made = hand_policy(tmp_path / "policy", TASK, homing_gain())
    assert_exact(proposer(made))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["deterministic", "gaussian"])
def test_a_plan_with_the_proposal_of_an_exact_network_is_exact(tmp_path, head):
    pytest.importorskip("torch")
    from made_policies import made_policy

    made, _ = made_policy(tmp_path / "policy", "point_mass", mode="exact", head=head)
    assert_exact(proposer(made))


def assert_exact(who, tolerance=1e-4):
    """plan(gx) = g plan(x), as far as float32 goes."""
    planner = MPPI(NumbaDynamics(TASK), samples=33, horizon=20, temperature=0.3)
    planner.take_proposals(who)
    s, x, memory = planner.symmetry, start(3), planner.initial_memory(5)
    of_x = proposal(who, planner.dynamics, x, 20)
    plan, _ = planner.plan(x, 0.0, memory)
    for g in s.group.elements:
        gx = s.act(g, state=x)
        np.testing.assert_allclose(
            proposal(who, planner.dynamics, gx, 20), s.act(g, action=of_x), atol=tolerance
        )
        moved, _ = planner.plan(gx, 0.0, memory.act(s, g))
        np.testing.assert_allclose(moved.actions, s.act(g, action=plan.actions), atol=tolerance)
