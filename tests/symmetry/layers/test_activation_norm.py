"""Activations and norms commute or are refused; a stack of layers becomes plain torch and ONNX."""

import warnings

import code_blocks
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from torch import nn  # noqa: E402

from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.activation import NormGate, Pointwise  # noqa: E402
from covary.symmetry.layers.linear import Linear  # noqa: E402
from covary.symmetry.layers.norm import Norm  # noqa: E402
from covary.symmetry.layers.plain import plain  # noqa: E402
from covary.symmetry.layers.representation import (  # noqa: E402
    RepresentationError,
    planar,
    regular,
    signs,
    trivial_of,
)

D4 = group("D4")


def test_a_norm_leaves_mean_zero_and_variance_one_where_it_says():
    torch.manual_seed(0)
    inside = regular(D4, 3) + trivial_of(D4, 2)
    x = 3 * torch.randn(20, inside.width) + 1
    y = Norm(inside)(x)
    torch.testing.assert_close(y.mean(-1), torch.zeros(20), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(-1, unbiased=False), torch.ones(20), atol=1e-3, rtol=0)
    fields = Norm(regular(D4, 3), "field")(x[:, :24]).unflatten(-1, (3, 8))
    torch.testing.assert_close(fields.mean(-1), torch.zeros(20, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(fields.var(-1, unbiased=False), torch.ones(20, 3), atol=1e-3, rtol=0)


def test_with_one_field_each_a_norm_is_torchs():
    torch.manual_seed(0)
    ours, theirs = Norm(trivial_of(D4, 6)), nn.LayerNorm(6)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_gate_shortens_each_copy_and_is_silent_at_zero():
    inside = planar(D4, count=2) + signs(D4)
    gate = NormGate(inside)
    x = torch.randn(10, 5, requires_grad=True)
    y = gate(x)
    ratio = (y / x)[:, :4].unflatten(-1, (2, 2))
    torch.testing.assert_close(ratio[..., 0], ratio[..., 1])
    assert (ratio > 0.5).all() and (ratio < 1).all()
    zero = torch.zeros(1, 5, requires_grad=True)
    gate(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()


def test_what_does_not_commute_is_refused():
    for mixing in (planar(D4), signs(D4), regular(D4) + planar(D4)):
        with pytest.raises(RepresentationError, match="pointwise function does not commute"):
            Pointwise(mixing)
        with pytest.raises(RepresentationError, match="permuted channels alone"):
            Norm(mixing)
    with pytest.raises(RepresentationError, match="field of one channel"):
        Norm(trivial_of(D4), "field")


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
def test_a_stack_is_equal_as_plain_torch_and_as_onnx(tmp_path, mode):
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    inside, hidden, outside = planar(D4, count=2) + trivial_of(D4), regular(D4, 4), planar(D4)
    network = nn.Sequential(
        Linear(inside, hidden, mode),
        Norm(hidden),
        Pointwise(hidden),
        nn.Sequential(Linear(hidden, hidden, mode), Norm(hidden, "field"), Pointwise(hidden)),
        Linear(hidden, outside, mode),
        NormGate(outside),
    ).eval()
    x = torch.randn(8, inside.width)
    with torch.no_grad():
        y = network(x)
        exported = plain(network)
        assert not any(isinstance(m, Linear) for m in exported.modules())
        assert isinstance(network[0], Linear)
        torch.testing.assert_close(exported(x), y, rtol=0, atol=1e-6)
    with warnings.catch_warnings():
        # The exporter that replaces it takes ten times as long, and prints.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            exported, (x[:1],), str(tmp_path / "net.onnx"), input_names=["x"], dynamo=False
        )
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    for i in range(8):
        (found,) = session.run(None, {"x": x[i : i + 1].numpy()})
        torch.testing.assert_close(torch.tensor(found), y[i : i + 1], rtol=0, atol=1e-6)


def test_the_network_of_the_documents_runs(capsys):
    page = code_blocks.blocks(code_blocks.ROOT / "docs" / "symmetry.md")
    (block,) = [block for block in page if block.language == "python"]
    exec(block.text, {})
    assert float(capsys.readouterr().out) < 1e-6
