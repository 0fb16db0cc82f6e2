"""The last steps lead ends that are near the data onto them, and keep what the data leave open."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from covary.benchmarks.problems.clouds import orbit
from covary.symmetry.discovery.catalogue import own_matrices, turns
from covary.symmetry.discovery.cloud import Cloud, cloud
from covary.symmetry.discovery.hypothesis import Hypothesis
from covary.symmetry.discovery.refinement import refined

RNG = np.random.default_rng(0)


def blurred(matrices, spread):
    d = matrices.shape[1]
    angle = spread * RNG.standard_normal((len(matrices), 3))
    turn = turns(angle[:, 0], 2) if d == 2 else Rotation.from_rotvec(angle).as_matrix()
    return turn @ matrices


@pytest.mark.parametrize(
    ("name", "hypothesis", "d"),
    [("C4", "SO2", 2), ("D4", "O2", 2), ("C4", "GL2", 2), ("T", "SO3", 3)],
)
def test_a_blur_is_led_onto_the_elements(name, hypothesis, d):
    data = orbit(name, 1000, d, sizes=0.0 if hypothesis == "GL2" else 0.2)
    true = own_matrices(name, d)[RNG.integers(len(own_matrices(name, d)), size=200)]
    starts, shifts = data.taken(np.arange(200)), np.zeros((200, d))
    near = blurred(true, 0.1)
    ends, moved = refined(starts, data, Hypothesis(hypothesis), near, shifts)
    away, before = (np.linalg.norm(x - true, axis=(1, 2)) for x in (ends, near))
    assert np.median(before) > 0.05 and np.median(away) < 0.03
    assert np.abs(moved).max() < 1e-12
    assert (np.sign(np.linalg.det(ends)) == np.sign(np.linalg.det(true))).all()


def test_shifts_are_led_too_and_free_vectors_are_not_shifted():
    placed = orbit("C4", 1000, centre=(0.7, -0.4))
    vectors = orbit("C4", 1000)  # of the same draws: the same turns about the origin
    free = np.arange(14) >= 7
    points = np.concatenate([placed.points, vectors.points], axis=1)
    data = Cloud(points, free, placed.scalars, placed.odd)
    true = own_matrices("C4", 2)[RNG.integers(4, size=200)]
    centre = np.array([0.7, -0.4])
    wanted = centre - true @ centre
    near = wanted + 0.1 * RNG.standard_normal((200, 2))
    starts = data.taken(np.arange(200))
    ends, moved = refined(starts, data, Hypothesis("SE2"), blurred(true, 0.1), near)
    assert np.median(np.linalg.norm(ends - true, axis=(1, 2))) < 0.02
    assert np.median(np.linalg.norm(moved - wanted, axis=1)) < 0.02


def test_what_the_points_leave_open_stays_as_it_was():
    one = cloud(RNG.standard_normal((100, 1, 3)))
    turned = Rotation.from_rotvec(RNG.standard_normal((100, 3))).as_matrix()
    ends, _ = refined(one, one.moved(turned), Hypothesis("SO3"), turned, np.zeros((100, 3)), 1)
    # Each end lies on a sample, so nothing is left to be led onto but its neighbours' mean.
    away = np.arccos(np.clip(0.5 * (np.einsum("nij,nij->n", ends, turned) - 1.0), -1.0, 1.0))
    assert np.median(away) < 0.5
    np.testing.assert_allclose(
        ends @ np.swapaxes(ends, 1, 2), np.tile(np.eye(3), (100, 1, 1)), atol=1e-9
    )


def test_all_directions_stay_all_directions():
    data = orbit("SO2", 1000)
    angle = RNG.uniform(-np.pi, np.pi, 500)
    starts = data.taken(RNG.integers(1000, size=500))
    ends, _ = refined(starts, data, Hypothesis("SO2"), turns(angle, 2), np.zeros((500, 2)))
    found = np.arctan2(ends[:, 1, 0], ends[:, 0, 0])
    assert np.abs(np.angle(np.exp(1j * (found - angle)))).max() < 0.3
    waves = np.abs(np.exp(1j * np.outer(np.arange(1, 13), found)).mean(axis=1))
    assert waves.max() < 0.15
