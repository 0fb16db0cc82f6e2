"""Steerable layers: equal to escnn's, equivariant before and after training, relaxed, exported."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("joblib", reason="escnn is not installed (make setup installs it)")

from covary.symmetry.escnn_compat import provide_lie_learn  # noqa: E402
from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.convolution import Convolution, move  # noqa: E402
from covary.symmetry.layers.representation import (  # noqa: E402
    RepresentationError,
    planar,
    regular,
    trivial_of,
)
from covary.symmetry.layers.steerable import (  # noqa: E402
    FieldBatchNorm,
    SteerableConvolution,
    SteerableEncoder,
    SteerableError,
    steerable_kernels,
)
from covary.symmetry.pixels import PixelError, pixel_elements  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread_and_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def escnn():
    """Its layers, and the plane under D4 with the mirror axis that ours has."""
    provide_lie_learn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = pytest.importorskip("escnn.nn", reason="escnn is not installed")
        from escnn import gspaces
    return layers, gspaces.flipRot2dOnR2(4, axis=0.0)


@torch.no_grad()
def error(layer, inside, x):
    """Largest of |f(gx) - g f(x)| / |f(x)| over the group."""
    y, errors = layer(x), []
    for g in inside.group.elements:
        there = layer(move(inside, g, x))
        expected = move(layer.outside, g, y)
        errors.append(float((there - expected).norm() / y.norm()))
    return max(errors)


def trained(layer, x, steps=200):
    """The layer after so many steps towards outputs that no symmetry relates."""
    target = torch.randn_like(layer(x))
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimizer.step()
    return layer


def test_a_convolution_equals_escnns_with_the_same_coefficients(escnn):
    layers, space = escnn
    kind = layers.FieldType(space, 2 * [space.regular_repr])
    theirs = layers.R2Conv(kind, kind, 3, padding=1, bias=False)
    d4 = group("D4")
    ours = SteerableConvolution(regular(d4, 2), regular(d4, 2), 3, bias=False)
    kernel = theirs.expand_parameters()[0].detach()
    with torch.no_grad():  # the coefficients that give their kernel
        pairs = kernel.view(2, 8, 2, 8, 9).transpose(1, 2).flatten(2)
        found = torch.linalg.lstsq(ours.basis.flatten(1).T, pairs.flatten(0, 1).T).solution
        ours.coefficients.copy_(found.T.view_as(ours.coefficients))
    x = torch.randn(2, 16, 8, 8)
    expected = theirs(layers.GeometricTensor(x, kind)).tensor
    assert torch.allclose(ours(x), expected, atol=1e-5)


def test_the_group_convolution_has_all_of_escnns_kernels_and_no_more(escnn):
    """On 3 x 3 pixels escnn leaves frequencies out; with all of them the two spaces are one."""
    layers, space = escnn
    d4, kind = group("D4"), layers.FieldType(space, [space.regular_repr])
    ours = Convolution(regular(d4), regular(d4), 3, bias=False)
    with torch.no_grad():
        span = torch.stack([ours.matrix().flatten() for k in range(72)
                            if ours.filters.zero_().view(-1)[k].fill_(1) is not None])  # fmt: skip
    assert torch.linalg.matrix_rank(span) == 72
    every = {"frequencies_cutoff": 8.0, "rings": [0.0, 1.0, 2**0.5], "sigma": 3 * [0.3]}
    for options, rank in (({}, 48), (every, 72)):
        theirs = layers.R2Conv(kind, kind, 3, bias=False, initialize=False, **options)
        kernels = []
        with torch.no_grad():
            for k in range(theirs.weights.numel()):
                theirs.weights.zero_()[k] = 1.0
                kernels.append(theirs.expand_parameters()[0].flatten().clone())
        kernels = torch.stack(kernels)
        assert torch.linalg.matrix_rank(kernels, rtol=1e-4) == rank
        left = kernels - kernels @ span.T @ torch.linalg.inv(span @ span.T) @ span
        assert left.norm() / kernels.norm() < 1e-6


def test_the_batch_norm_equals_escnns(escnn):
    layers, space = escnn
    kind = layers.FieldType(space, 3 * [space.regular_repr])
    theirs, ours = layers.InnerBatchNorm(kind), FieldBatchNorm(regular(group("D4"), 3))
    for _ in range(3):
        x = 2.0 * torch.randn(4, 24, 5, 5) + 1.0
        expected = theirs(layers.GeometricTensor(x, kind)).tensor
        assert torch.allclose(ours(x), expected, atol=1e-5)
    ours.eval()
    theirs.eval()
    expected = theirs(layers.GeometricTensor(x, kind)).tensor
    # The running variance may be of n or of n - 1 numbers: 300 of them here.
    assert torch.allclose(ours(x), expected, atol=1e-2)
    assert torch.allclose(ours.export()(x), ours(x), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["D4", *(pytest.param(n, marks=pytest.mark.slow) for n in ("C4", "D2", "reflection"))]
)
@pytest.mark.parametrize("mode", ["exact", "relaxed"])
def test_it_starts_equivariant_and_an_exact_one_stays_so(name, mode):
    g = group(name)
    for inside in (trivial_of(g, 2), regular(g, 2)):
        layer = SteerableConvolution(inside, regular(g, 2), 3, mode=mode)
        x = torch.randn(2, inside.width, 8, 8)
        assert error(layer, inside, x) < 1e-6 and layer.drift() < 1e-6
        assert layer.penalty().item() == 0.0
        if not inside.fields:
            continue
        trained(layer, x, 200 if mode == "exact" else 50)
        if mode == "exact":
            assert error(layer, inside, x) < 1e-5 and layer.drift() == 0.0
        else:
            assert error(layer, inside, x) > 1e-2 and layer.drift() > 1e-2


def test_the_penalty_pulls_a_relaxed_one_back_but_leaves_rings_alone():
    g = group("D4")
    layer = SteerableConvolution(regular(g), regular(g), 3, mode="relaxed", bias=False)
    x = torch.randn(2, 8, 8, 8)
    with torch.no_grad():  # each ring by itself: still steerable
        layer.deviations.copy_(torch.randn_like(layer.deviations) @ layer.rings)
    assert error(layer, layer.inside, x) < 1e-6
    assert layer.penalty().item() < 1e-12 and layer.drift() < 1e-6
    trained(layer, x, 100)
    before = layer.drift()
    assert before > 0.05
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        layer.penalty().backward()
        optimizer.step()
    assert layer.drift() < 0.2 * before


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
def test_an_encoder_is_rebuilt_from_its_arguments_copied_and_exported(mode):
    arguments = (group("D4"), 2, 16, 16, mode)
    encoder = SteerableEncoder(*arguments)
    x = torch.randn(4, 2, 16, 16)
    for _ in range(3):
        encoder(x)  # running statistics
    encoder.eval()
    again = SteerableEncoder(*arguments)
    again.load_state_dict(encoder.state_dict())
    expected = encoder(x).detach()
    assert expected.shape == (4, 16) and encoder.representation.fields == 2
    assert torch.equal(again.eval()(x), expected)
    assert torch.equal(copy.deepcopy(encoder)(x), expected)
    plain = encoder.export()
    assert all(type(m).__module__.startswith("torch") for m in plain.modules())
    assert torch.allclose(plain(x), expected, atol=1e-5)
    assert (encoder.penalty().item(), set(encoder.drift())) == (
        0.0, {f"convolution_{i}" for i in range(2)})  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: steerable_kernels(group("C4"), True, 4), SteerableError, "4 is even"),
        (lambda: steerable_kernels(group("swap"), True, 3), SteerableError, "does not move the pl"),
        (lambda: SteerableEncoder(group("C4"), 1, 65), PixelError, "65 pixels: take 64"),
        (lambda: SteerableEncoder(group("C4"), 1, 64, 30), ValueError, "no multiple of the 4"),
        (lambda: SteerableConvolution(planar(group("C4")), regular(group("C4"))),
         RepresentationError, "neither regular"),
        (lambda: SteerableConvolution(regular(group("C4")), planar(group("C4"))),
         RepresentationError, "gives regular"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_said_in_one_line(call, kind, said):
    with pytest.raises(kind, match=said):
        call()


def blobs(angle, mirrored=False, size=64):
    """Three smooth bumps turned about the middle by an angle (rad), drawn anew. (1, 1, n, n)"""
    c, s = np.cos(angle), np.sin(angle)
    at = np.array([[6.0, 3.0, 1.0, 4.0], [-9.0, 8.0, 0.7, 5.0], [2.0, -12.0, 1.3, 6.0]])
    xy = at[:, :2] * np.array([1.0, -1.0 if mirrored else 1.0])
    xy = xy @ np.array([[c, s], [-s, c]])
    rows, columns = np.mgrid[0:size, 0:size] - 0.5 * (size - 1)
    square = (columns - xy[:, :1, None]) ** 2 + (-rows - xy[:, 1:, None]) ** 2
    image = (at[:, 2, None, None] * np.exp(-0.5 * square / at[:, 3, None, None] ** 2)).sum(0)
    return torch.tensor(image, dtype=torch.float32)[None, None]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["D4", "C8", "D8"])
def test_an_encoder_turns_with_smooth_images(name):
    """Quarter turns and mirrors exact, after training too; eighth turns nearly, and only before."""
    g = group(name)
    encoder = SteerableEncoder(g, 1, 64, 64)
    x = torch.cat([blobs(a) for a in np.linspace(0.0, 6.0, 8)])
    for _ in range(20):
        encoder(x)  # running statistics
    for training in (False, True):
        if training:
            trained(encoder.train(), x, 20)
        encoder.eval()
        errors = {}
        with torch.no_grad():
            y = encoder(blobs(0.0))
            for k in g.elements:
                there = encoder(blobs(g.turn[k], g.sign[k] < 0))
                expected = encoder.representation.act(k, y)
                errors[k] = float((there - expected).norm() / y.norm())
        grid = pixel_elements(g)
        assert max(errors[k] for k in grid) < 1e-5
        if not training:
            assert max(errors.values()) < 0.25
