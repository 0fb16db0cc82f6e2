"""The rule that says which network will win, on data whose winner is known."""

import numpy as np
import pytest

from covary.symmetry.audit.advice import exact_wins
from covary.symmetry.audit.claim import claim_of
from covary.symmetry.audit.folding import Folding, folding
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import so2
from covary.symmetry.part import Scalar, Vector

CLAIM = claim_of(Symmetry(so2(4), state={"x": Vector()}, action={"u": Vector()}))


def of(count, bias, half=False):
    """Folding of points that are moved as C4 has it but for a bias that no turn carries."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2.0, 2.0, (count, 2))
    if half:
        x[:, 0] = np.abs(x[:, 0])
    y = -np.sin(3.0 * x) + np.array([bias, 0.0]) + 0.02 * rng.normal(size=x.shape)
    return folding(x, y, CLAIM)


@pytest.mark.parametrize(
    ("count", "bias", "half", "wins"),
    [(60, 0.0, False, True), (60, 0.0, True, True), (60, 0.6, False, False)],
)
def test_exact_wins_where_the_claim_is_right_and_loses_where_it_is_wrong(count, bias, half, wins):
    assert exact_wins(of(count, bias, half)) is wins


def test_a_slightly_wrong_claim_helps_while_data_are_few():
    assert exact_wins(of(60, 0.1)) and not exact_wins(of(300, 0.1))


def test_coordinates_that_do_not_matter_do_not_hide_those_that_do():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12))
    y = -np.sin(2.0 * x[:, :2])
    parts = {"x": Vector(), "idle": Scalar(10)}
    claim = claim_of(Symmetry(so2(4), state=parts, action={"u": Vector()}))
    found = folding(x, y, claim)
    assert found.folded < found.plain < 0.3 * y.var(axis=0).sum()


def test_level_is_no_win():
    assert not exact_wins(Folding(1.0, 1.0, 0.0, (0.0, 0.0)))
