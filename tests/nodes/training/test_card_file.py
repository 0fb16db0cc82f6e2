"""Cards: what is in their place where they are missing, and files that are no longer theirs."""

import hashlib

import numpy as np
import pytest

from covary.nodes.training.card_file import are_there, damaged, missing


def test_what_is_in_the_place_of_a_card(tmp_path):
    (tmp_path / "eyes").mkdir()
    (tmp_path / "eyes" / "model.yaml").touch()
    (tmp_path / "picker").mkdir()
    (tmp_path / "picker" / "policy.yaml").touch()
    (tmp_path / "begun" / "last").mkdir(parents=True)
    for name, said in (
        ("eye", f"there is no such folder; did you mean '{tmp_path / 'eyes'}'?"),
        ("somewhere", "there is no such folder; beside it are eyes"),
        ("eyes/model.yaml", "is a file; name the folder of a model"),
        ("picker", "no model but a policy; policy:= takes it"),
        ("begun", "a training that has not ended"),
        (".", "no model: there is no model.yaml in it"),
    ):
        assert said in missing(tmp_path / name / "model.yaml", "model")


def test_a_file_that_was_changed_is_damaged_and_one_that_is_gone_is_missing(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    files = {"a": hashlib.sha256(b"one").hexdigest(), "b": hashlib.sha256(b"two").hexdigest()}
    assert damaged(tmp_path, files) == [] and not are_there(tmp_path, files)
    (tmp_path / "b").write_bytes(b"twp")
    assert damaged(tmp_path, files) == ["b"] and not are_there(tmp_path, files)
    (tmp_path / "b").write_bytes(b"two")
    assert are_there(tmp_path, files)


def test_whole_turns_may_be_told_as_no_difference(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from covary.nodes.training.onnx_file import ExportError, write_onnx
    from covary.symmetry.declaration import wrap

    network, path = torch.nn.Identity(), tmp_path / "angle.onnx"
    angle = torch.tensor([[3.14159], [0.5]])
    other = [angle.numpy() - np.array([[2.0 * np.pi], [0.0]], np.float32)]
    with pytest.raises(ExportError, match="angle differs"):
        write_onnx(network, path, {"x": angle}, ("angle",), other)
    assert not path.exists()
    write_onnx(network, path, {"x": angle}, ("angle",), other, lambda _, a, b: wrap(a - b))
    assert path.exists()
