"""The law of layers, f(gx) = g f(x), for every layer class there is, before and after training."""

import importlib
import inspect
import pkgutil

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from torch import nn  # noqa: E402

import covary.symmetry.layers  # noqa: E402
from covary.symmetry.escnn_compat import provide_lie_learn  # noqa: E402
from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.activation import NormGate, Pointwise  # noqa: E402
from covary.symmetry.layers.convolution import Convolution, MaxPool  # noqa: E402
from covary.symmetry.layers.flatten import Flatten, FlattenLinear  # noqa: E402
from covary.symmetry.layers.keypoints import Keypoints  # noqa: E402
from covary.symmetry.layers.linear import Linear  # noqa: E402
from covary.symmetry.layers.norm import Norm  # noqa: E402
from covary.symmetry.layers.representation import (  # noqa: E402
    planar,
    regular,
    signs,
    trivial_of,
)
from covary.symmetry.layers.steerable import (  # noqa: E402
    FieldBatchNorm,
    SteerableConvolution,
    SteerableEncoder,
    SteerableError,
)
from covary.symmetry.pixels import PixelError, pixel_elements, pixel_sources  # noqa: E402

GROUPS = ("C2", "C4", "C8", "D1", "D4", "D8", "swap")
FIRST = [pytest.param(g, marks=[] if g in ("D4", "swap") else pytest.mark.slow) for g in GROUPS]
"""Two of them by default, all in `make test-all`."""

STEPS, SIDE = 200, 6


def mixed(g):
    """Vectors, signs, scalars and regular fields beside one another."""
    return planar(g, 1, 2) + signs(g) + trivial_of(g, 2) + regular(g)


def fourier_width(g):
    """Regular fields, so many that a layer between them is evaluated in the Fourier basis."""
    return regular(g, 192 // g.order)


LINEAR = {
    "regular": lambda g: (regular(g, 2), regular(g, 3)),
    "lifting": lambda g: (mixed(g), regular(g, 2)),
    "lowering": lambda g: (regular(g, 2), mixed(g)),
    "mixed": lambda g: (mixed(g), mixed(g)),
    "fourier": lambda g: (fourier_width(g), fourier_width(g)),
}
IMAGE = {
    "lifting": lambda g: (trivial_of(g, 2), regular(g, 2)),
    "regular": lambda g: (regular(g, 2), regular(g, 1)),
}
PLAIN = ("",)  # of classes without modes
BOTH = ("exact", "relaxed")

LAWS = {
    Linear: (BOTH, LINEAR, lambda a, b, mode: Linear(a, b, mode)),
    Pointwise: (PLAIN, {"": lambda g: 2 * (regular(g, 3),)}, lambda a, b, mode: Pointwise(a)),
    NormGate: (PLAIN, {"": lambda g: 2 * (mixed(g),)}, lambda a, b, mode: NormGate(a)),
    Norm: (("vector", "field"), {"": lambda g: 2 * (regular(g, 3),)}, lambda a, b, o: Norm(a, o)),
    Convolution: (BOTH, IMAGE, lambda a, b, mode: Convolution(a, b, mode=mode)),
    MaxPool: (PLAIN, {"": lambda g: 2 * (regular(g, 2),)}, lambda a, b, mode: MaxPool(a.group)),
    Flatten: (
        PLAIN,
        {"": lambda g: (regular(g, 2), regular(g, 2 * g.order * SIDE**2))},
        lambda a, b, mode: Flatten(a, SIDE),
    ),
    FlattenLinear: (BOTH, IMAGE, lambda a, b, mode: FlattenLinear(a, b, SIDE, mode)),
    Keypoints: (
        PLAIN,
        {"": lambda g: (regular(g, 2), regular(g, 6))},
        lambda a, b, mode: Keypoints(a, SIDE),
    ),
    SteerableConvolution: (
        BOTH,
        IMAGE,
        lambda a, b, mode: SteerableConvolution(a, b, 3, mode=mode),
    ),
    FieldBatchNorm: (
        PLAIN,
        {"": lambda g: 2 * (regular(g, 2),)},
        lambda a, b, m: FieldBatchNorm(a),
    ),
    SteerableEncoder: (
        BOTH,
        {"": lambda g: (trivial_of(g, 2), regular(g, 1))},
        lambda a, b, mode: SteerableEncoder(a.group, 2, 8, b.width, mode),
    ),
}
"""Layer class -> its modes that promise the law, pairs (inside, outside) for a group, one made."""

PARTS = {"Block", "Fourier", "Banks", "Chosen", "Places"}
PARTS |= {"ImageEncoder", "Affine"}  # tests/symmetry/layers/test_image_encoder.py has its law
"""Modules that are no layers: what layers are made of, made of layers, or what some export."""

VECTORS = (Linear, Pointwise, NormGate, Norm)
ON_ESCNN = (SteerableConvolution, SteerableEncoder)


@pytest.fixture(autouse=True)
def one_thread_and_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def found():
    """Every module class that is written in symmetry/layers."""
    classes = set()
    for file in pkgutil.iter_modules(covary.symmetry.layers.__path__):
        loaded = importlib.import_module(f"covary.symmetry.layers.{file.name}")
        for _, one in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(one, nn.Module) and one.__module__ == loaded.__name__:
                classes.add(one)
    return classes


def moved(representation, g, x):
    """Vectors under element g, or images under one that permutes pixels."""
    if x.ndim == 2:
        return representation.act(g, x)
    of = representation.group
    kept = pixel_elements(of)
    pixels = pixel_sources(of.restricted(tuple(kept), "pixels"), x.shape[-1])[kept.index(g)]
    channels = representation.act(g, x.movedim(1, -1)).movedim(-1, 1)
    return channels.flatten(2)[:, :, pixels.tolist()].view_as(x)


@torch.no_grad()
def error(layer, inside, outside, x):
    """Largest relative error over the elements that move x exactly (all of a vector's)."""
    group, y = inside.group, layer(x)
    elements = group.elements if x.ndim == 2 else pixel_elements(group)
    worst = 0.0
    for g in elements:
        apart = layer(moved(inside, g, x)) - moved(outside, g, y)
        worst = max(worst, float(apart.norm() / y.norm()))
    return worst


def train(layer, x, steps):
    """Adam towards targets that no symmetry relates."""
    if not list(layer.parameters()):
        return
    optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
    target = torch.randn_like(layer(x))
    for _ in range(steps):
        optimizer.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimizer.step()


def holds(kind, name):
    """The law for one class and group, in all its modes and places; how many were tried."""
    modes, places, make = LAWS[kind]
    tried = 0
    for mode in modes:
        for place in places.values():
            inside, outside = place(group(name))
            side = 8 if kind is SteerableEncoder else SIDE
            size = (inside.width,) if kind in VECTORS else (inside.width, side, side)
            x = torch.randn(16 if kind in VECTORS else 4, *size)
            try:
                layer = make(inside, outside, mode)
            except (PixelError, SteerableError):  # a group that this class does not know
                assert kind not in VECTORS and name in ("C8", "D8", "swap")
                continue
            assert error(layer, inside, outside, x) <= 1e-6
            if mode != "relaxed":
                train(layer, x, STEPS)
                assert error(layer, inside, outside, x) <= 1e-5
            tried += 1
    return tried


def test_every_layer_class_of_the_tree_has_its_law_here():
    assert {c.__name__ for c in found()} == {c.__name__ for c in LAWS} | PARTS


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("kind", VECTORS, ids=lambda k: k.__name__)
def test_layers_of_vectors_commute_before_and_after_training(kind, name):
    assert holds(kind, name)


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize(
    "kind", [k for k in LAWS if k not in VECTORS + ON_ESCNN], ids=lambda k: k.__name__
)
def test_layers_of_images_commute_before_and_after_training(kind, name):
    assert holds(kind, name) or (kind not in (MaxPool, FieldBatchNorm) and name in ("C8", "D8"))


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("kind", ON_ESCNN, ids=lambda k: k.__name__)
def test_layers_on_escnns_kernels_commute_before_and_after_training(kind, name):
    provide_lie_learn()
    pytest.importorskip("escnn", exc_type=ImportError)
    assert holds(kind, name) or name == "swap"


@pytest.mark.parametrize("name", FIRST)
def test_a_relaxed_layer_learns_what_an_exact_one_cannot(name):
    g = group(name)
    inside, outside = mixed(g), regular(g, 2)
    x, A = torch.randn(64, inside.width), torch.randn(inside.width, outside.width)
    left = {}
    for mode, banks in (("exact", 1), ("relaxed", 2), ("relaxed", g.order), ("free", 1)):
        layer = Linear(inside, outside, mode, banks)
        optimizer = torch.optim.Adam(layer.parameters(), 3e-2)
        for _ in range(200):
            optimizer.zero_grad()
            loss = (layer(x) - x @ A).square().mean() / (x @ A).square().mean()
            loss.backward()
            optimizer.step()
        left[mode, banks] = loss.item()
        if mode != "exact":
            assert error(layer, inside, outside, x) > 0.1 and layer.drift() > 0.1
    two, all_ = left["relaxed", 2], left["relaxed", g.order]
    assert two < 0.95 * left["exact", 1] and all_ <= two * 1.01 and all_ < 0.5 * left["exact", 1]
