"""The symmetry of the data is not yet that of the task: transitions confirm or refute it."""

import numpy as np
import pytest

from covary.symmetry.audit.claim import AuditError
from covary.symmetry.declaration import Symmetry
from covary.symmetry.discovery.candidates import named
from covary.symmetry.discovery.two_sample import Sample, invariance
from covary.symmetry.discovery.verification import stepped, verified
from covary.symmetry.group import group
from covary.symmetry.part import Position, Vector

C4 = Symmetry(group("C4"), {"where": Position()}, {"push": Vector(1)})


def step(wind):
    """A point that is pushed, and blown along x."""

    def next_state(x, u):
        return x + 0.3 * u + np.array([wind, 0.0])

    return next_state


def transitions(wind, turn=None, count=1500, least=0.2):
    """Of states and actions from all sides, or from one where a largest turn (rad) is told."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, count) if turn is None else rng.uniform(0.0, turn, count)
    x = rng.uniform(least, 1.0, count)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    u = rng.normal(0.0, 0.3, (count, 2)) + 0.5 * x
    return x, u, step(wind)(x, u) + 0.002 * rng.normal(size=(count, 2))


def test_what_the_dynamics_keep_is_confirmed():
    found = verified(C4, *transitions(0.0))
    assert found.verdict == "confirmed"
    assert found.checks[0].interval[0] <= found.checks[0].off <= found.checks[0].interval[1] < 0.1
    assert [e.name for e in found.elements] == ["r1", "r2", "r3"]


def test_states_and_actions_from_all_sides_and_still_the_task_has_no_symmetry():
    x, u, after = transitions(0.4)
    seen = np.stack([x, u], axis=1)  # states and actions alone have the group
    assert not invariance(Sample(seen, most=300), named("C4")).rejected
    found = verified(C4, x, u, after)
    assert found.verdict == "refuted"
    assert all(e.verdict == "refuted" for e in found.elements)
    assert "not the task's" in found.words


def test_where_moved_transitions_meet_no_others_it_cannot_be_told():
    for wind in (0.0, 0.4):
        found = verified(C4, *transitions(wind, turn=1.0, least=0.5))
        assert found.verdict == "cannot be told"
        assert "come near others" in found.words


def test_a_reward_that_is_larger_on_one_side_refutes():
    x, u, after = transitions(0.0)
    found = verified(C4, x, u, after, reward=-np.linalg.norm(x, axis=1))
    assert found.verdict == "confirmed"
    found = verified(C4, x, u, after, reward=x[:, 0])
    assert (found.checks[0].verdict, found.checks[1].verdict) == ("confirmed", "refuted")
    assert found.verdict == "refuted"


def test_a_simulator_is_stepped_from_both():
    x, u, _ = transitions(0.0, count=200)
    assert stepped(C4, step(0.0), x, u).verdict == "confirmed"
    assert stepped(C4, step(0.4), x, u).verdict == "refuted"
    assert stepped(C4.restrict("C2"), step(0.4), x, u).verdict == "refuted"


def test_what_is_no_transition_is_an_error():
    x, u, after = transitions(0.0, count=200)
    with pytest.raises(AuditError, match="not transitions of one length"):
        verified(C4, x, u[:-1], after)
    with pytest.raises(AuditError):
        verified(C4, x, u, np.full_like(after, np.nan))
    with pytest.raises(AuditError, match="too few"):
        verified(C4, x[:20], u[:20], after[:20])
    with pytest.raises(AuditError, match="no states"):
        stepped(C4, step(0.0), x[:0], u[:0])
