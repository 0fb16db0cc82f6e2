"""Representations: the law, sums and copies, and how parts of a declaration become one."""

import numpy as np
import pytest

from covary.symmetry.declaration import Symmetry, SymmetryError
from covary.symmetry.group import group
from covary.symmetry.layers.intertwiner import maps, terms
from covary.symmetry.layers.representation import (
    Representation,
    RepresentationError,
    from_parts,
    permuting,
    planar,
    regular,
    signs,
    trivial_of,
)
from covary.symmetry.part import Angle, Pseudoscalar, Regular, Scalar, Vector

GROUPS = ["trivial", "C2", "C3", "C4", "C8", "D1", "D2", "D3", "D4", "D8", "swap"]


def several(g):
    """One of each kind, and sums of them."""
    every = [regular(g), planar(g), planar(g, 2, count=2), planar(g, 0), signs(g), trivial_of(g, 3)]
    total = every[0]
    for one in every[1:]:
        total = total + one
    return [*every, regular(g, 3), total, 2 * total]


@pytest.mark.parametrize("name", GROUPS)
def test_matrices_multiply_as_the_elements_do(name):
    g = group(name)
    for r in several(g):
        m = r.matrices
        assert m.shape == (g.order, r.width, r.width)
        x = np.random.default_rng(0).normal(size=(2, 5, r.width))
        for a in g.elements:
            np.testing.assert_allclose(m[a] @ m, m[g.product[a]], atol=1e-12)
            np.testing.assert_allclose(r.act(a, x), x @ m[a].T, atol=1e-14)
            if r.permutation is not None:
                np.testing.assert_array_equal(x, r.act(a, x)[..., r.permutation[a]])


@pytest.mark.parametrize("name", GROUPS)
def test_channels_of_a_regular_field_are_moved_as_elements(name):
    g = group(name)
    r = regular(g, 2)
    assert r.fields == 2 and r.width == 2 * g.order
    for a in g.elements:
        moved = r.act(a, np.arange(r.width))
        for i in range(2):
            for h in g.elements:
                assert moved[i * g.order + g.product[a, h]] == i * g.order + h


@pytest.mark.parametrize("name", GROUPS)
def test_the_maps_between_pieces_commute_and_are_all_there_are(name):
    g = group(name)
    pieces = [p for r in several(g)[:6] for p in r.pieces]
    for into in pieces:
        for out in pieces:
            found = maps(g, into, out)
            for a in g.elements:
                moved = out.matrices[a] @ found @ into.matrices[a].T
                np.testing.assert_allclose(moved, found, atol=1e-12)
            # Their number is the mean over the group of the product of traces (Schur).
            traces = np.trace(out.matrices, axis1=1, axis2=2)
            traces = traces * np.trace(into.matrices, axis1=1, axis2=2)
            assert len(found) == round(traces.mean())
            flat = found.reshape(len(found), out.size * into.size)
            np.testing.assert_allclose(flat @ flat.T, out.size * np.eye(len(flat)), atol=1e-9)
            total = terms(g, into, out).sum(0).reshape(-1, flat.shape[1])
            assert np.linalg.matrix_rank(np.concatenate([total, flat]), tol=1e-9) == len(flat)


def test_neighbours_of_one_kind_are_one_piece():
    g = group("D4")
    assert len((regular(g, 2) + regular(g)).pieces) == 1
    assert (regular(g, 2) + regular(g)).fields == 3
    assert (regular(g) + trivial_of(g)).fields == 0
    assert str(regular(g, 2) + planar(g)) == "<D4 on 2 x regular (8) + 1 x 2 channels>"


def test_the_plane_of_a_swap_stays():
    assert (planar(group("swap")).matrices == np.eye(2)).all()


def test_cosets_are_permuted():
    g = group("D4")
    half = np.array([[c + (k % 2) if c + (k % 2) < 2 else 0 for c in range(2)] for k in range(8)])
    axes = permuting(g, half)  # x and y change places at odd quarter turns
    assert (axes.permutation[1] == [1, 0]).all() and axes.fields == 0


@pytest.mark.parametrize("subgroup", ["full", "C4", "reflection", "none"])
def test_parts_of_a_declaration_and_of_what_is_left_of_it(subgroup):
    parts = {"a": Scalar(2), "b": Vector(2), "c": Pseudoscalar(), "d": Regular(2)}
    s = Symmetry(group("D4"), {"a": Angle()}, parts).restrict(subgroup)
    np.testing.assert_array_equal(from_parts(s, "action").matrices, s.orbit("action"))
    with pytest.raises(SymmetryError, match="no matrix moves"):
        from_parts(s, "state")


def test_what_is_no_representation_is_refused():
    g = group("C4")
    with pytest.raises(RepresentationError, match="a product that begins with r1"):
        Representation(g, np.stack([np.eye(2)] * 3 + [np.array([[0.0, 1.0], [1.0, 0.0]])]))
    with pytest.raises(RepresentationError, match="not orthogonal"):
        Representation(g, np.array([1.0, 2.0, 4.0, 8.0])[:, None, None])
    with pytest.raises(RepresentationError, match="identity"):
        signs(g, -np.ones(4))
    with pytest.raises(RepresentationError, match="needs 4 square matrices"):
        Representation(g, np.ones((3, 1, 1)))
    with pytest.raises(RepresentationError, match="different groups"):
        regular(g) + regular(group("C8"))
    with pytest.raises(RepresentationError, match="does not act on an array of shape"):
        regular(g).act(1, np.zeros(5))
    with pytest.raises(RepresentationError, match="at least one copy"):
        regular(g, 0)
