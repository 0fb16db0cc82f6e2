"""`Linear` between any two representations: exact, relaxed, free, and what it exports."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.linear import Linear  # noqa: E402
from covary.symmetry.layers.representation import (  # noqa: E402
    RepresentationError,
    permuting,
    planar,
    regular,
    signs,
    trivial_of,
)

GROUPS = ["trivial", "C3", "D1", "D4", "D8", "swap"]


def representations(g):
    mixed = planar(g, 1, 2) + trivial_of(g, 3) + signs(g) + planar(g, 2)
    cosets = permuting(g, np.zeros((g.order, 1), int)) + regular(g)
    return {
        "regular": regular(g, 3),
        "mixed": mixed,
        "cosets": cosets,
        "both": mixed + regular(g, 2) + trivial_of(g),
    }


def error(layer, x):
    """Largest relative error over the group of f(gx) against g f(x)."""
    with torch.no_grad():
        y, group = layer(x), layer.inside.group
        apart = [layer(layer.inside.act(g, x)) - layer.outside.act(g, y) for g in group.elements]
        return max(float(a.norm() / y.norm()) for a in apart)


@pytest.mark.parametrize("mode", ["exact", "relaxed"])
@pytest.mark.parametrize("name", GROUPS)
def test_it_commutes_with_every_element_between_all_kinds(name, mode):
    torch.manual_seed(0)
    kinds = representations(group(name))
    for inside in kinds.values():
        for outside in kinds.values():
            layer = Linear(inside, outside, mode)
            x = torch.randn(512, inside.width)
            assert error(layer, x) < 1e-6
            assert layer.drift() < 1e-6 and float(layer.penalty().detach()) < 1e-12
            assert 0.25 < float(layer(x).detach().var()) / (1 / 3 + 1 / 3 / inside.width) < 4


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
def test_what_it_exports_is_an_ordinary_layer_of_equal_output(mode):
    torch.manual_seed(0)
    g = group("D4")
    layer = Linear(representations(g)["both"], regular(g, 2), mode)
    x = torch.randn(64, layer.inside.width)
    plain = layer.export()
    assert type(plain) is torch.nn.Linear
    torch.testing.assert_close(plain(x), layer(x), rtol=0, atol=1e-6)
    assert Linear(regular(g), regular(g), mode, bias=False).export().bias is None


@pytest.mark.parametrize("name", ["C2", "C3", "C5", "C8", "D1", "D2", "D3", "D4", "D8", "swap"])
def test_a_large_layer_is_evaluated_in_the_fourier_basis_and_is_the_same(name):
    torch.manual_seed(0)
    g = group(name)
    fields = -(-192 // g.order)
    for bias in (True, False):
        layer = Linear(regular(g, fields), regular(g, fields + 1), bias=bias)
        assert layer.fourier is not None
        assert Linear(regular(g, 4), regular(g, 4)).fourier is None
        x = torch.randn(3, 5, layer.inside.width, requires_grad=True)
        y, weights = layer(x), torch.randn(3, 5, layer.outside.width)
        wanted = torch.nn.functional.linear(x, layer.matrix(), layer.bias())
        torch.testing.assert_close(y, wanted, rtol=0, atol=1e-5)
        inputs = [x, *layer.parameters()]
        found = torch.autograd.grad((weights * y).sum(), inputs)
        other = torch.autograd.grad((weights * wanted).sum(), inputs)
        for a, b in zip(found, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        assert error(layer, x.detach()) < 1e-6


def test_drift_tells_what_is_not_equivariant():
    torch.manual_seed(0)
    g = group("D4")
    relaxed = Linear(regular(g, 4), regular(g, 4), "relaxed")
    before = relaxed.drift()
    with torch.no_grad():
        relaxed.elements[0, 3] += 0.1
    small = relaxed.drift()
    with torch.no_grad():
        relaxed.elements[:, :4] *= 2
    assert before < 1e-6 < 1e-2 < small < relaxed.drift() < 1
    assert float(relaxed.penalty().detach()) > 1e-3
    free = Linear(regular(g, 16), regular(g, 16), "free").drift()
    assert abs(free - (1 - 1 / 8) ** 0.5) < 0.01  # the equivariant maps are an eighth of all


def test_a_stored_layer_is_its_parameters_alone():
    g = group("D4")
    one, two = (Linear(planar(g) + regular(g), regular(g), "relaxed") for _ in range(2))
    assert set(one.state_dict()) == {name for name, _ in one.named_parameters()}
    two.load_state_dict(one.state_dict())
    x = torch.randn(3, one.inside.width)
    assert torch.equal(one(x), two(x))


def test_what_cannot_be_is_refused():
    g = group("D4")
    with pytest.raises(ValueError, match="exact, relaxed, free, not 'strict'"):
        Linear(regular(g), regular(g), "strict")
    with pytest.raises(RepresentationError, match="no equivariant map .* reaches piece 1"):
        Linear(trivial_of(g), trivial_of(g) + signs(g))
    with pytest.raises(RepresentationError, match="different groups"):
        Linear(regular(g), regular(group("C8")))
    with pytest.raises(ValueError, match="at least one bank"):
        Linear(regular(g), regular(g), "relaxed", banks=0)
