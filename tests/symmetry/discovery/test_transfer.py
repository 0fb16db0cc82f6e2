"""A model that was fitted to some episodes says by what gain others, moved, are off."""

import numpy as np
import pytest

from covary.symmetry.audit.claim import claim_of
from covary.symmetry.audit.degrees import degrees
from covary.symmetry.declaration import Symmetry
from covary.symmetry.discovery.transfer import transferred
from covary.symmetry.discovery.verification import verified
from covary.symmetry.group import group
from covary.symmetry.part import Position, Vector

D4 = Symmetry(group("D4"), {"where": Position()}, {"push": Vector(1)})


def pushed(gain, rows=400, noise=0.02, turn=np.pi, seed=0):
    """A point that is pushed and drawn home, its actuator stronger towards +x; in 40 episodes."""
    rng = np.random.default_rng(seed)
    angle, far = rng.uniform(-turn, turn, rows), rng.uniform(0.2, 1.0, rows)
    x = far[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    u = rng.normal(size=(rows, 2))
    done = u * np.where((np.arange(2) == 0) & (u > 0.0), 1.0 + gain, 1.0)
    after = x + 0.1 * (done - np.sin(x)) + 0.1 * noise * rng.normal(size=(rows, 2))
    return x, u, after, np.arange(rows) // 10


def gains_of(symmetry, x, u, after, episode):
    claim = claim_of(symmetry, "difference", with_action=True)
    rows = np.concatenate([x, u], axis=1)
    found = degrees(rows, after - x, claim, episode)
    return transferred(rows, after - x, claim, found, episode)


def test_even_dynamics_have_no_gain_and_uneven_ones_that_of_their_actuator():
    (even,) = gains_of(D4, *pushed(0.0))
    assert even.coordinates == (0, 1) and even.explained > 0.95
    assert even.interval[1] < 0.1
    (uneven,) = gains_of(D4, *pushed(0.5))
    by_element = {name: gain for name, gain, _ in uneven.elements}
    # In units of what is done, which is a fifth more than what is told; mirrors of y see nothing.
    assert 0.3 < by_element["r2"] < 0.55 and abs(by_element["s"]) < 0.15
    kept = gains_of(D4.restrict("reflection"), *pushed(0.5))
    assert max(gain.interval[1] for gain in kept) < 0.2


@pytest.mark.slow
def test_verification_by_the_model():
    assert verified(D4, *pushed(0.0, 2000)[:3]).verdict == "confirmed"
    assert verified(D4, *pushed(0.5, 2000)[:3]).verdict == "refuted"
    assert verified(D4.restrict("reflection"), *pushed(0.5, 2000)[:3]).verdict == "confirmed"
    noise = verified(D4, *pushed(0.0, 2000, noise=20.0)[:3])
    assert noise.verdict == "cannot be told"


@pytest.mark.slow
@pytest.mark.parametrize("turn", [0.5, 1.0, 2.0, 2.5])
def test_even_dynamics_are_not_refuted_where_data_lie_on_one_side(turn):
    for seed in range(4):
        x, u, after, episode = pushed(0.0, 2000, turn=turn, seed=seed)
        assert verified(D4, x, u, after, episode=episode).verdict != "refuted"
