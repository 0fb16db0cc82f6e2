"""Groups: the axioms, the standard subgroups, and agreement with escnn's matrices."""

import importlib.util

import numpy as np
import pytest

from covary.symmetry.escnn_compat import provide_lie_learn
from covary.symmetry.group import GroupError, dihedral, group
from covary.symmetry.part import Regular

NAMES = [
    "trivial",
    "C2",
    "C3",
    "C4",
    "C8",
    "C16",
    "D2",
    "D3",
    "D4",
    "D5",
    "D8",
    "reflection",
    "swap",
]
NAMES += ["SO2_12", "O2_6"]
SPATIAL = ["inversion", "T", "O", "Oh", "I", "Ih"]
EVERY = [*NAMES, *SPATIAL]


@pytest.mark.parametrize("name", EVERY)
def test_axioms(name):
    g = group(name)
    p = g.product
    n = g.order
    assert (p[0] == np.arange(n)).all() and (p[:, 0] == np.arange(n)).all()
    assert (p[np.arange(n), g.inverse] == 0).all() and (p[g.inverse, np.arange(n)] == 0).all()
    assert (p[p][:, :, :] == p[np.arange(n)[:, None, None], p[None]]).all()  # (gh)k = g(hk)
    assert (np.sort(p, axis=1) == np.arange(n)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_plane_is_a_homomorphism_of_orthogonal_matrices(name):
    g = group(name)
    for a in g.elements:
        np.testing.assert_allclose(g.plane[a] @ g.plane[a].T, np.eye(2), atol=1e-15)
        for b in g.elements:
            np.testing.assert_allclose(
                g.plane[a] @ g.plane[b], g.plane[g.product[a, b]], atol=1e-15
            )
            turn = g.sign[a] * g.turn[b] + g.turn[a] - g.turn[g.product[a, b]]
            assert abs(np.exp(1j * turn) - 1) < 1e-14


@pytest.mark.parametrize("name", EVERY)
def test_space_is_a_homomorphism_of_orthogonal_matrices(name):
    g = group(name)
    products = np.einsum("aij,bjk->abik", g.space, g.space)
    assert np.abs(products - g.space[g.product]).max() < 2e-15
    assert np.abs(np.einsum("aij,akj->aik", g.space, g.space) - np.eye(3)).max() < 5e-16
    assert (g.sign[g.product] == g.sign[:, None] * g.sign).all()
    assert len(np.unique(g.element_names)) == g.order


@pytest.mark.parametrize(
    ("name", "turns"),
    [
        ("T", {0: 1, 120: 8, 180: 3}),
        ("O", {0: 1, 90: 6, 120: 8, 180: 9}),
        ("I", {0: 1, 72: 12, 120: 20, 144: 12, 180: 15}),
    ],
)
def test_the_rotations_of_a_solid_are_all_there(name, turns):
    """As many turns by each angle as the solid has; full groups have each of them mirrored too."""
    g = group(name)
    degrees = np.degrees(np.arccos((np.trace(g.space, axis1=1, axis2=2) - 1.0) / 2.0))
    found, counts = np.unique(np.round(degrees), return_counts=True)
    assert dict(zip(found, counts, strict=True)) == turns and (g.sign == 1).all()
    if name != "T":
        full = group(f"{name}h")
        assert full.order == 2 * g.order and (full.sign == np.repeat([1, -1], g.order)).all()
        turned = {m.tobytes() for m in np.round(-full.space[: g.order], 9) + 0.0}
        assert {m.tobytes() for m in np.round(full.space[g.order :], 9) + 0.0} == turned


def test_a_solid_keeps_its_corners():
    """O the cube's, I the icosahedron's, each T a tetrahedron's; a turn between them does not."""
    golden = (1 + np.sqrt(5)) / 2
    cube = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)
    rectangle = np.array([[0.0, b * golden, a] for a in (-1, 1) for b in (-1, 1)])
    ico = np.concatenate([np.roll(rectangle, k, axis=1) for k in range(3)])

    def kept(name, corners):
        there = np.einsum("gij,kj->gki", group(name).space, corners)
        apart = np.linalg.norm(there[:, :, None] - corners, axis=-1).min(axis=2)
        return apart.max() < 1e-14

    assert all(kept(name, cube) for name in ("O", "Oh", "T"))
    assert all(kept(name, ico) for name in ("I", "Ih", "T"))
    assert kept("T", cube[cube.prod(axis=1) > 0]) and not kept("O", cube[cube.prod(axis=1) > 0])
    assert not kept("I", cube) and not kept("O", ico)


def test_octahedral_matrices_are_signed_permutations():
    assert set(np.unique(group("Oh").space)) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("name", SPATIAL)
def test_what_tilts_the_plane_has_no_plane(name):
    for ask in ("plane", "turn"):
        with pytest.raises(GroupError, match="Vector3"):
            getattr(group(name), ask)


@pytest.mark.parametrize("name", EVERY)
def test_generators_generate(name):
    g = group(name)
    reached = {0}
    for _ in range(g.order):
        reached |= {int(g.product[a, b]) for a in g.generators for b in reached}
    assert reached == set(g.elements)


def test_a_group_prints_its_name_and_not_its_tables():
    assert repr(group("D4")) == "<group D4, 8 elements>"


def test_quarter_turns_are_exact():
    assert set(np.unique(group("D4").plane)) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("name", EVERY)
def test_every_named_subgroup_restricts(name):
    g = group(name)
    for sub in g.subgroup_names():
        elements = g.subgroup(sub)
        small = g.restricted(elements, sub)
        same = group(sub)
        assert small.order == same.order
        np.testing.assert_allclose(small.space, same.space, atol=1e-14)
        if same.planar:
            np.testing.assert_allclose(small.plane, same.plane, atol=1e-14)
            assert np.abs(np.exp(1j * (small.turn - same.turn)) - 1).max() < 1e-14
        assert (small.product == same.product).all()


@pytest.mark.parametrize(
    ("parent", "wrong", "hint"),
    [
        ("D4", "C3", "C4"),
        ("C4", "D4", "C2"),
        ("D4", "swap", "C4"),
        ("swap", "C2", "swap"),
        ("O", "D4", "C4"),
        ("Ih", "O", "T"),
        ("D4", "T", "C4"),
    ],
)
def test_a_missing_subgroup_names_those_that_exist(parent, wrong, hint):
    with pytest.raises(GroupError, match=hint):
        group(parent).subgroup(wrong)


@pytest.mark.parametrize(
    ("word", "near"), [("reflexion", "reflection"), ("Q8", "known"), ("C0", "turns"), ("O_h", "Oh")]
)
def test_an_unknown_group_names_the_nearest(word, near):
    with pytest.raises(GroupError, match=near):
        group(word)


def test_a_set_that_is_no_group_is_refused():
    with pytest.raises(GroupError, match="closed"):
        dihedral(4).restricted((0, 1), "half")


@pytest.fixture(scope="module")
def dihedral_group():
    """Escnn's own, where it is installed."""
    for needed in ("torch", "escnn"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed; make setup does it")
    provide_lie_learn()
    group_module = importlib.import_module("escnn.group")
    return group_module.dihedral_group


@pytest.mark.parametrize("n", [3, 4, 8])
def test_matrices_agree_with_escnn(n, dihedral_group):
    theirs = dihedral_group(n)
    ours = dihedral(n)
    for k in range(n):
        for flip in (0, 1):
            element = theirs.element((flip, k))
            np.testing.assert_allclose(
                theirs.irrep(1, 1)(element), ours.plane[k + n * flip], atol=1e-12
            )
            np.testing.assert_allclose(
                theirs.irrep(1, 0)(element), ours.sign[k + n * flip], atol=1e-12
            )
            regular = theirs.regular_representation(element)
            assert regular.shape == (2 * n, 2 * n)


@pytest.mark.parametrize("n", [3, 4, 8])
def test_regular_representation_agrees_with_escnn(n, dihedral_group):
    theirs = dihedral_group(n)
    position = {(0, k): k for k in range(n)} | {(1, k): n + k for k in range(n)}
    order = [
        position[e.value if isinstance(e.value, tuple) else (0, e.value)] for e in theirs.elements
    ]
    ours = Regular().matrices(dihedral(n))
    for element in theirs.elements:
        g = position[element.value]
        np.testing.assert_allclose(
            theirs.regular_representation(element), ours[g][np.ix_(order, order)], atol=1e-12
        )
