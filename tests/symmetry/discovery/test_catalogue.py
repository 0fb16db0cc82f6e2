"""Snapping to the catalogue: every group from noisy elements in other axes, and what is none."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from covary.symmetry.discovery.catalogue import own_matrices, sampler, snapped, turns
from covary.symmetry.discovery.sampling_floor import distance_and_floor, wasserstein

PLANE = ("trivial", "reflection", "C2", "C3", "C4", "C6", "C12", "D2", "D3", "D4", "D6")
SPACE = ("trivial", "C2", "C3", "C4", "C6", "D2", "D3", "D4", "T", "O", "I")
CONTINUOUS = (("SO2", 2), ("O2", 2), ("SO2", 3), ("O2", 3), ("SO3", 3))
SPAN = 0.03


def noisy(matrices, rng, spread=SPAN):
    if matrices.shape[1] == 2:
        return turns(spread * rng.standard_normal(len(matrices)), 2) @ matrices
    turned = spread * rng.standard_normal((len(matrices), 3))
    return Rotation.from_rotvec(turned).as_matrix() @ matrices


def axes(d):
    return turns(np.array([0.3]), 2)[0] if d == 2 else Rotation.random(random_state=3).as_matrix()


@pytest.mark.parametrize(
    ("name", "d"), [*((n, 2) for n in PLANE), *((n, 3) for n in SPACE), *CONTINUOUS]
)
def test_every_group_is_told_in_any_axes(name, d):
    rng = np.random.default_rng(0)
    draw = sampler(name, d, axes(d))
    found = snapped(noisy(draw(600, rng), rng))
    assert found.name == name, found.why
    assert found.score > 0.85
    if found.finite:  # each element of it is where it was put
        truth = axes(d) @ own_matrices(name, d) @ np.linalg.inv(axes(d))
        away = np.linalg.norm(found.elements[:, None] - truth[None], axis=(2, 3))
        assert away.min(axis=0).max() < 0.05 and away.min(axis=1).max() < 0.05
        assert len(found.elements) == len(truth)


def test_a_group_of_skew_axes():
    rng = np.random.default_rng(0)
    skew = np.array([[1.5, 0.4], [0.2, 0.8]])
    truth = skew @ own_matrices("C4", 2) @ np.linalg.inv(skew)
    found = snapped(skew @ noisy(sampler("C4", 2, np.eye(2))(600, rng), rng) @ np.linalg.inv(skew))
    assert found.name == "C4"
    away = np.linalg.norm(found.elements[:, None] - truth[None], axis=(2, 3)).min(axis=0)
    assert away.max() < 0.03


@pytest.mark.parametrize(
    ("angles", "why"),
    [
        ([0.0, 0.7, 2.0], "not closed"),
        ([0.0] * 16 + [0.5, 1.0, 1.5] * 5, "not closed|unequal"),
        ([0.0] * 30 + [np.pi], "unequal"),
        ([0.5 * np.pi, np.pi], "not closed"),
    ],
)
def test_what_is_no_group_is_none(angles, why):
    rng = np.random.default_rng(0)
    found = snapped(noisy(turns(rng.choice(angles, 600), 2), rng))
    assert found.name == "none" and found.score == 0.0
    assert any(word in found.why for word in why.split("|")), found.why


def test_a_blur_is_none():
    rng = np.random.default_rng(0)
    assert snapped(noisy(sampler("C4", 2, np.eye(2))(600, rng), rng, 0.3)).name == "none"
    assert snapped(turns(rng.normal(0.0, 0.5, 600), 2)).name == "none"
    assert snapped(np.eye(2)[None]).name == "none"


def test_the_floor_is_what_a_sample_of_the_group_itself_reaches():
    rng = np.random.default_rng(0)
    draw = sampler("C4", 2, np.eye(2))
    distance, floor = distance_and_floor(draw(300, rng), draw)
    assert 0.3 < distance / floor < 2.0
    far, floor = distance_and_floor(sampler("SO2", 2, np.eye(2))(300, rng), draw)
    assert far > 3.0 * floor


def test_the_distance_is_that_of_the_best_assignment():
    quarter = own_matrices("C4", 2)
    assert wasserstein(quarter, quarter[[2, 0, 3, 1]]) == pytest.approx(0.0, abs=1e-7)
    assert wasserstein(quarter[:1], quarter[2:3]) == pytest.approx(2 * np.sqrt(2))
    assert wasserstein(np.eye(3)[None], Rotation.from_rotvec([[0, 0, 1.0]]).as_matrix()) == (
        pytest.approx(1.0)
    )
    with pytest.raises(ValueError, match="samples of 4 and of 3"):
        wasserstein(quarter, quarter[:3])
