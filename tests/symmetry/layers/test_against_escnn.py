"""Exact layers span what escnn's span, and give the same outputs with weights carried over."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from covary.symmetry.escnn_compat import provide_lie_learn  # noqa: E402
from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.linear import Linear  # noqa: E402
from covary.symmetry.layers.representation import Representation, regular  # noqa: E402

NAMES = [
    "D4",
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("C2", "C3", "C4", "C8", "D2", "D3", "D8")),
]


@pytest.fixture(scope="module")
def escnn():
    provide_lie_learn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that only its SO(3) would need
        pytest.importorskip("escnn", exc_type=ImportError)
        import escnn.group
        import escnn.gspaces
        import escnn.nn

        return escnn


def theirs(escnn, g, kind, fields):
    """Their layer from `fields` fields of a kind to one more, and the pieces of ours."""
    turns = int((g.sign > 0).sum())
    made = escnn.group.dihedral_group if g.order > turns else escnn.group.cyclic_group
    space = escnn.gspaces.no_base_space(made(turns))
    whole = space.fibergroup
    one = {
        "regular": lambda: space.regular_repr,
        "plane": lambda: space.irrep(1, 1) if g.order > turns else space.irrep(1),
        "trivial": lambda: space.trivial_repr,
    }[kind]()
    matrices = np.stack([one(e) for e in whole.elements])
    return escnn.nn.FieldType(space, fields * [one]), fields * Representation(g, matrices)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_outputs_between_regular_fields(escnn, name):
    torch.manual_seed(0)
    g = group(name)
    (a, inside), (b, outside) = theirs(escnn, g, "regular", 2), theirs(escnn, g, "regular", 3)
    assert inside.fields == 2 and outside.fields == 3  # their elements stand in our order
    layer, ours = escnn.nn.Linear(a, b), Linear(regular(g, 2), regular(g, 3))
    weight, bias = layer.expand_parameters()
    block = ours.blocks["0_0"]
    with torch.no_grad():
        bias.normal_() if bias.is_leaf else None
        # Our basis maps are orthogonal, each of squared norm `order`.
        entries = weight.view(3, g.order, 2, g.order).transpose(1, 2).reshape(6, -1)
        block.weight.copy_((entries @ block.basis.T / g.order).view(3, 2, -1))
        ours.bias_blocks["0"].weight.copy_(bias.view(3, g.order)[:, :1, None])
        torch.testing.assert_close(ours.matrix(), weight, rtol=0, atol=1e-6)
        x = torch.randn(16, inside.width)
        y = layer(escnn.nn.GeometricTensor(x, a)).tensor
        torch.testing.assert_close(ours(x), y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_as_many_maps_between_every_two_kinds(escnn, name):
    g = group(name)
    for first in ("regular", "plane", "trivial"):
        for second in ("regular", "plane", "trivial"):
            (a, inside), (b, outside) = theirs(escnn, g, first, 2), theirs(escnn, g, second, 3)
            count = escnn.nn.Linear(a, b, bias=False).weights.numel()
            if count == 0:
                continue  # ours refuses a layer that gives nothing
            ours = Linear(inside, outside, bias=False)
            assert sum(p.numel() for p in ours.parameters()) == count
            W = ours.matrix().detach().numpy()
            for e in g.elements:
                moved = outside.matrices[e] @ W @ inside.matrices[e].T
                np.testing.assert_allclose(moved, W, atol=1e-6)
