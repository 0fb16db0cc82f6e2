"""Claims on images: pixels are moved, an encoder says which are alike, and what is refused."""

import numpy as np
import pytest

from covary.symmetry.audit.claim import AuditError
from covary.symmetry.audit.degrees import degrees
from covary.symmetry.audit.images import claim_of_images, edges, fitted
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Scalar, Vector
from covary.symmetry.pixels import PixelError

SIDE = 12


def of(word):
    return Symmetry(group(word), {"image": Scalar()}, {"push": Vector()})


def spots(n, corners, seed=0):
    """A bright spot near a corner or one of four, (N, 12, 12, 1), and which way it is."""
    rng = np.random.default_rng(seed)
    corner = rng.choice(corners, n)
    way = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])[corner]
    middle = 5.5 + np.stack([-way[:, 1], way[:, 0]], 1) * rng.uniform(2.2, 3.2, (n, 2))
    rows = np.exp(-0.5 * (np.arange(SIDE) - middle[:, :1]) ** 2)
    columns = np.exp(-0.5 * (np.arange(SIDE) - middle[:, 1:]) ** 2)
    return (rows[:, :, None] * columns[:, None])[..., None], way.astype(float), corner


def audited(images, values, word, kind):
    shape = images.shape[1:]
    claim = claim_of_images(of(word), kind, shape, fitted(images))
    return degrees(images.reshape(len(images), -1), values, claim)


def test_an_action_that_turns_with_the_image_is_correct_and_a_label_that_does_not_is_wrong():
    images, way, corner = spots(300, (0, 1, 2, 3))
    assert audited(images, way, "C4", "action").correct > 0.95
    wrong = audited(images, corner, "C4", "label")
    assert wrong.incorrect > 0.95 and wrong.bound == pytest.approx(0.75, abs=0.05)
    brightness = images.sum(axis=(1, 2))
    assert audited(images, brightness, "C4", "invariant").correct > 0.95


def test_images_that_no_image_is_like_are_extrinsic():
    images, _, corner = spots(300, (0, 2))
    found = {e.name: e.shares for e in audited(images, corner, "C4", "label").elements}
    assert found["r1"].extrinsic > 0.95 and found["r2"].incorrect > 0.95


def test_what_is_refused():
    images, _, corner = spots(60, (0, 1))
    with pytest.raises(
        PixelError, match="C8 holds turns that do not permute pixels; restrict .* C4"
    ):
        audited(images, corner, "C8", "label")
    with pytest.raises(AuditError, match="12 x 10 pixels"):
        audited(images[:, :, :10], corner, "C4", "label")
    with pytest.raises(AuditError, match="look the same"):
        fitted(np.ones((60, SIDE, SIDE, 1)))
    with pytest.raises(AuditError, match="too few"):
        fitted(images[:20])


def test_colours_are_told_apart():
    images, _, corner = spots(200, (0,))
    colour = np.random.default_rng(0).integers(0, 2, 200)
    painted = np.concatenate([images * (1 - colour)[:, None, None, None], images * 0.0], axis=3)
    painted[..., 1:] += images * colour[:, None, None, None]
    told = edges(painted)
    between = np.linalg.norm(told[colour == 0][:40, None] - told[colour == 1][:40], axis=2)
    within = np.linalg.norm(told[colour == 0][:40, None] - told[colour == 0][40:80], axis=2)
    assert between.min() > np.median(within)
