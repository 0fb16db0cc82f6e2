"""The rule that says which network will win, on data whose winner is known."""

import numpy as np
import pytest

from covary.symmetry.audit.claim import AuditError, claim_of
from covary.symmetry.audit.forecast import EXACT_BELOW, forecast
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import so2
from covary.symmetry.part import Vector

PLANE = Symmetry(so2(4), state={"x": Vector()}, action={"u": Vector()})
CLAIM = claim_of(PLANE)


def drawn(count, bias, noise=0.02, seed=0, half=False):
    """Points in a disc, pulled to its centre but for a bias that no turn carries."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 2))
    if half:
        x[:, 0] = np.abs(x[:, 0])
    y = -np.tanh(x) + np.array([bias, 0.0]) + noise * rng.normal(size=x.shape)
    return x, y


@pytest.mark.parametrize("half", [False, True])
def test_images_help_where_the_claim_is_right(half):
    found = forecast(*drawn(200, 0.0, half=half), CLAIM)
    assert found.exact_wins and found.certain
    assert found.interval[0] < found.ratio < found.interval[1]


def test_images_harm_where_it_is_wrong():
    found = forecast(*drawn(200, 0.5), CLAIM)
    assert not found.exact_wins and found.certain


def test_a_slightly_wrong_claim_helps_while_data_are_few():
    few, many = (forecast(*drawn(count, 0.1), CLAIM) for count in (30, 3000))
    assert few.ratio < EXACT_BELOW < many.ratio


def test_the_same_under_every_element():
    x, y = drawn(60, 0.2)
    for g in PLANE.group.elements:
        moved = forecast(*PLANE.act(g, state=x, action=y), CLAIM)
        assert moved.ratio == pytest.approx(forecast(x, y, CLAIM).ratio, rel=1e-9)


def test_the_group_of_one_foretells_nothing_else():
    found = forecast(*drawn(60, 0.2), claim_of(PLANE.trivial()))
    assert found.ratio == 1.0 == found.interval[0] == found.interval[1]


def test_neighbours_are_of_other_episodes():
    x, y = drawn(20, 0.0, noise=0.0)
    copied = np.repeat(np.arange(20), 10)
    among = forecast(x[copied], y[copied], CLAIM)
    apart = forecast(x[copied], y[copied], CLAIM, episode=copied)
    assert among.alone < 1e-9 < apart.alone


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.zeros((4, 2)), np.zeros((4, 2)), "too few"),
        (np.ones((90, 2)), np.ones((90, 2)), "constant"),
        (np.full((90, 2), np.nan), np.ones((90, 2)), "row 0 is not finite"),
    ],
)
def test_what_foretells_nothing_is_an_error(x, y, said):
    with pytest.raises(AuditError, match=said):
        forecast(x, y, CLAIM)
