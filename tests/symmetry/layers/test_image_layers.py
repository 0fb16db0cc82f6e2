"""Image layers: f(gx) = g f(x) for every element, before and after training; what they refuse."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.convolution import Convolution, MaxPool, move  # noqa: E402
from covary.symmetry.layers.flatten import Flatten, FlattenLinear  # noqa: E402
from covary.symmetry.layers.keypoints import Keypoints  # noqa: E402
from covary.symmetry.layers.representation import (  # noqa: E402
    RepresentationError,
    planar,
    regular,
    trivial_of,
)
from covary.symmetry.pixels import PixelError  # noqa: E402

GROUPS = ["D4", "C4", "D2", "C2", "reflection", "trivial"]
SIDE = 8


@pytest.fixture(autouse=True)
def one_thread_and_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def made(kind, name, mode="exact", frame="world"):
    """A layer, and how the group acts on its input's channels."""
    g = group(name)
    images, maps = trivial_of(g, 3), regular(g, 2)
    options = {"mode": mode, "frame": frame}
    return {
        "lifting": lambda: (Convolution(images, maps, **options), images),
        "1x1": lambda: (Convolution(maps, regular(g, 3), 1, **options), maps),
        "3x3": lambda: (Convolution(maps, maps, **options), maps),
        "mixed": lambda: (Convolution(maps + images, maps, **options), maps + images),
        "strided": lambda: (Convolution(maps, maps, 4, 2, 1, **options), maps),
        "flatten_linear": lambda: (FlattenLinear(maps, maps, SIDE, **options), maps),
        "flatten": lambda: (Flatten(maps, SIDE, frame), maps),
        "keypoints": lambda: (Keypoints(maps, SIDE, frame), maps),
        "pool": lambda: (MaxPool(g, 2, frame), maps),
    }[kind]()


LAYERS = ["lifting", "1x1", "3x3", "mixed", "strided", "flatten_linear"]


@torch.no_grad()
def equivariance_error(layer, inside, x, frame="world"):
    """Largest of |f(gx) - g f(x)| / |f(x)| over the group."""
    y, errors = layer(x), []
    outside = getattr(layer, "outside", inside)
    for g in inside.group.elements:
        moved = layer(move(inside, g, x, frame))
        expected = outside.act(g, y) if y.ndim == 2 else move(outside, g, y, frame)
        errors.append(float((moved - expected).norm() / y.norm()))
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


@pytest.mark.parametrize("frame", ["world", "hand"])
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("kind", [*LAYERS, "flatten", "keypoints", "pool"])
def test_exact_and_relaxed_layers_start_equivariant(kind, name, frame):
    for mode in ("exact", "relaxed"):
        layer, inside = made(kind, name, mode, frame)
        x = torch.randn(2, inside.width, SIDE, SIDE)
        tolerance = 0 if kind in ("flatten", "pool") else 1e-6
        assert equivariance_error(layer, inside, x, frame) <= tolerance
        if kind in LAYERS:
            assert layer.drift() < 1e-6 and layer.penalty().item() < 1e-12


@pytest.mark.parametrize("kind", ["lifting", "strided", "flatten_linear"])
def test_after_training_exact_stays_and_relaxed_and_free_do_not(kind):
    drifts = {}
    for mode in ("exact", "relaxed", "free"):
        layer, inside = made(kind, "D4", mode)
        x = torch.randn(2, inside.width, SIDE, SIDE)
        trained(layer, x, 50)  # 200 of the exact ones: tests/properties/test_layers.py
        error, drifts[mode] = equivariance_error(layer, inside, x), layer.drift()
        assert error <= 1e-5 if mode == "exact" else error > 1e-2
    assert drifts["exact"] == 0.0 < drifts["relaxed"] < drifts["free"]


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("kind", LAYERS)
def test_every_group_stays_exact_through_training(kind, name):
    layer, inside = made(kind, name)
    x = torch.randn(4, inside.width, SIDE, SIDE)
    assert equivariance_error(trained(layer, x), inside, x) <= 1e-5


def test_the_penalty_holds_a_relaxed_layer_near_to_an_exact_one():
    layer, inside = made("3x3", "D4", "relaxed")
    x = torch.randn(2, inside.width, SIDE, SIDE)
    trained(layer, x, 100)
    before, penalty = layer.drift(), layer.penalty().item()
    assert before > 0.05 and penalty > 0
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        layer.penalty().backward()
        optimizer.step()
    assert layer.drift() < 0.2 * before and layer.penalty().item() < 0.1 * penalty


def test_drift_is_the_distance_from_the_mean_over_the_group():
    layer, inside = made("3x3", "D4", "free")
    weight = layer.matrix().detach().view(-1, inside.width, 3, 3)
    mean = torch.zeros_like(weight)
    for g in inside.group.elements:  # rho_out(g) W rho_in(g)^-1: rows moved, then their entries
        mean += layer.outside.act(g, move(inside, g, weight).flatten(1).T).T.view_as(weight)
    mean /= inside.group.order
    bias = layer.bias().detach()
    flat = bias.view(2, 8).mean(1, keepdim=True).expand(2, 8).flatten()
    off = (weight - mean).square().sum() + (bias - flat).square().sum()
    expected = (off / (weight.square().sum() + bias.square().sum())).sqrt()
    assert layer.drift() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
@pytest.mark.parametrize("kind", [*LAYERS, "flatten", "keypoints", "pool"])
def test_exported_layers_are_torchs_own_and_give_the_same(kind, mode):
    layer, inside = made(kind, "D4", mode)
    plain = layer.export()
    assert all(not type(m).__module__.startswith("covary") or kind in ("flatten", "keypoints")
               for m in plain.modules())  # fmt: skip
    x = torch.randn(2, inside.width, SIDE, SIDE)
    with torch.no_grad():
        assert torch.equal(plain(x), layer(x))


def test_flatten_and_a_linear_layer_give_what_the_one_matrix_gives():
    """`FlattenLinear` is `Flatten` and a map of the copies, each by the same filter."""
    layer, inside = made("flatten_linear", "D4")
    flatten = Flatten(inside, SIDE)
    x = torch.randn(2, inside.width, SIDE, SIDE)
    copies = flatten(x).view(2, -1, 8)  # (B, entries, order)
    filters, shifts = layer.filters[:, 0], layer.shifts[:, 0]
    expected = torch.einsum("fn,bnh->bfh", filters, copies) + shifts[:, None]
    assert torch.allclose(layer(x), expected.flatten(1), atol=1e-5)
    assert flatten.outside.fields == inside.width * SIDE**2


def test_a_free_layer_has_as_many_channels_and_order_times_the_parameters():
    exact, _ = made("3x3", "D4")
    free, _ = made("3x3", "D4", "free")
    count = {layer.mode: sum(p.numel() for p in layer.parameters()) for layer in (exact, free)}
    assert exact.outside.width == free.outside.width and count["free"] == 8 * count["exact"]


def test_outputs_start_with_the_variance_of_an_ordinary_layer():
    x = torch.randn(8, 16, 16, 16)
    plain = float(torch.nn.Conv2d(16, 64, 3, padding=1)(x).detach().std())
    inside, outside = regular(group("D4"), 2), regular(group("D4"), 8)
    for mode in ("exact", "relaxed", "free"):
        y = Convolution(inside, outside, mode=mode)(x).detach()
        assert float(y.std()) == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: made("strided", "D4")[0](torch.zeros(1, 16, 9, 9)), "9 pixels do not map onto"),
        (lambda: made("pool", "D4")[0](torch.zeros(1, 16, 5, 5)), "5 pixels do not map.*take 4"),
        (lambda: made("3x3", "D4")[0](torch.zeros(1, 16, 8, 6)), "8 x 6; D4 needs square"),
        (lambda: made("flatten", "D4")[0](torch.zeros(1, 16, 4, 4)), "is 4 x 4.*for 8 x 8"),
        (lambda: made("3x3", "D8"), "D8 holds turns .* restrict it to D4"),
        (lambda: Convolution(*2 * [regular(group("D4"))], 4), "kernel: 4 is even"),
    ],
)
def test_what_cannot_be_exact_is_refused_in_one_line(call, said):
    with pytest.raises(PixelError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_channels_must_change_places_and_outputs_be_regular():
    g = group("D4")
    with pytest.raises(RepresentationError, match="regular or trivial"):
        Convolution(planar(g), regular(g))
    with pytest.raises(RepresentationError, match="gives regular fields"):
        Convolution(regular(g), trivial_of(g, 2))
    with pytest.raises(ValueError, match="mode is one of exact, relaxed, free"):
        Convolution(regular(g), regular(g), mode="soft")  # type: ignore[arg-type]


def test_oblong_images_do_where_the_group_only_mirrors():
    layer, inside = made("3x3", "reflection")
    x = torch.randn(1, inside.width, 8, 6)
    turned = layer(x.flip(2)[:, [1, 0, 3, 2]])
    assert np.allclose(turned.detach(), layer(x).flip(2)[:, [1, 0, 3, 2]].detach(), atol=1e-6)


def test_a_keypoint_is_where_the_map_is_active():
    g = group("D4")
    layer, maps = Keypoints(regular(g), SIDE), torch.zeros(1, 8, SIDE, SIDE)
    maps[:, :, 1, 6] = 50.0  # row 1 from above, column 6: x = 2.5, y = 2.5 pixels from the middle
    x, y, value = layer(maps).view(3, 8)
    told = torch.stack([x, y], dim=1).numpy()
    expected = np.stack([np.array([2.5, 2.5]) / 4.0 @ plane for plane in g.plane])  # h^-1 p
    assert np.allclose(told, expected, atol=1e-5) and np.allclose(value, 50.0)
    with pytest.raises(RepresentationError, match="read off regular fields"):
        Keypoints(trivial_of(g, 8), SIDE)
