"""A policy's folder runs without torch, in chunks, and refuses what it was not made for."""

import dataclasses
import subprocess
import sys

import code_blocks
import made_policies
import numpy as np
import pytest

from covary.control.onnx_policy import AnswerError, ObservationError, OnnxPolicy
from covary.control.policy_card import CARD, NETWORK, write_card
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.load_task import load_task

PUSH = np.array([-0.2, 0.0, 0.0, 0.05, 0.3, 0.2, -0.1, 0.5])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A policy for `push` that answers with four actions and executes two."""
    path = tmp_path_factory.mktemp("policies") / "chunks"
    return made_policies.made_policy(path, "push", chunk=4, execute=2)[0]


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """One that draws, and looks at heights of 16 x 16."""
    path = tmp_path_factory.mktemp("policies") / "flow"
    return made_policies.made_policy(path, "push", head="flow", pixels=16)[0]


def copied(folder, tmp_path, **changes):
    """The folder again, its card changed."""
    card = dataclasses.replace(OnnxPolicy(folder).card, **changes)
    (tmp_path / NETWORK).write_bytes((folder / NETWORK).read_bytes())
    write_card(tmp_path, card)
    return tmp_path


def test_a_chunk_is_executed_as_far_as_the_card_says(folder):
    policy = OnnxPolicy(folder)
    policy.reset(np.random.default_rng(0))
    first, other = {"state": PUSH}, {"state": PUSH + 0.05}
    chunk = policy.plan(first)
    assert chunk.shape == (4, 2) and chunk.dtype == np.float64
    assert np.array_equal(policy.act(first), chunk[0])
    assert np.array_equal(policy.act(other), chunk[1]), "it goes on with what it began"
    assert np.array_equal(policy.act(other), policy.plan(other)[0])
    policy.reset(np.random.default_rng(0))
    assert np.array_equal(policy.act(first), chunk[0]), "a reset forgets the rest of the chunk"


def test_the_pages_own_program_runs_without_covary(flow, tmp_path):
    page = code_blocks.ROOT / "docs" / "policies.md"
    (block,) = [block for block in code_blocks.blocks(page) if block.file == "run_policy.py"]
    assert "covary" not in block.text
    (tmp_path / block.file).write_text(block.text)
    said = code_blocks.run([sys.executable, "-P", block.file, str(flow)], tmp_path, timeout=120)
    names = OnnxPolicy(flow).card.action_names
    assert all(f"'{name}': " in said for name in names) and "uncertainty " in said


def test_draws_come_from_the_reset(flow):
    policy = OnnxPolicy(flow)
    assert np.isnan(policy.uncertainty)
    seen = {"state": PUSH, "heightmap": made_policies.heights(16, 1)[0, 0]}
    runs = []
    for seed in (0, 1, 0):
        policy.reset(np.random.default_rng(seed))
        runs.append([policy.act(seen) for _ in range(3)])
        assert policy.uncertainty > 0.0
    assert np.array_equal(runs[0], runs[2]) and not np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][0], runs[0][1])


def test_images_are_taken_as_published(flow):
    """(H, W) or (H, W, 1), of any type of numbers."""
    policy, image = OnnxPolicy(flow), made_policies.heights(16, 1)[0, 0]
    answers = []
    for shaped in (image, image[..., None], image.astype(np.float32)):
        policy.reset(np.random.default_rng(0))
        answers.append(policy.act({"state": PUSH, "heightmap": shaped}))
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"state": PUSH[:5]},
            r"the state has the shape \(5,\); the policy sees 8 coordinates: pus",
        ),
        ({"state": np.where(np.arange(8) == 4, np.nan, PUSH)}, "box_yaw is not finite"),
        ({"state": None}, "sees 'state'; there is heightmap"),
        ({"heightmap": None}, "sees 'heightmap'; there is state"),
        ({"heightmap": np.zeros((8, 8))}, r"'heightmap' has the shape \(8, 8\).*\(16, 16\)"),
        ({"heightmap": np.zeros((16, 16, 3))}, r"has the shape \(16, 16, 3\)"),
        ({"heightmap": np.full((16, 16), np.inf)}, "'heightmap' is not finite"),
    ],
)
def test_an_observation_that_does_not_fit_is_one_clear_error(flow, change, said):
    observation = {"state": PUSH, "heightmap": np.zeros((16, 16))} | change
    observation = {name: value for name, value in observation.items() if value is not None}
    with pytest.raises(ObservationError, match=said) as raised:
        OnnxPolicy(flow).act(observation)
    assert str(raised.value).startswith("observation: ") and "\n" not in str(raised.value)


def test_a_file_that_is_not_the_cards_is_refused(folder, tmp_path):
    copied(folder, tmp_path)
    whole = (tmp_path / NETWORK).read_bytes()
    for wrong in (whole[:-100], b"", whole[:200] + b"x" + whole[201:]):
        (tmp_path / NETWORK).write_bytes(wrong)
        with pytest.raises(InputError, match="truncated or changed: its SHA-256 is") as raised:
            OnnxPolicy(tmp_path)
        assert str(tmp_path / NETWORK) in str(raised.value)
    (tmp_path / NETWORK).unlink()
    with pytest.raises(InputError, match="No such file"):
        OnnxPolicy(tmp_path)
    copied(folder, tmp_path, files={})
    with pytest.raises(InputError, match=f"{CARD}: files: no hash of {NETWORK}"):
        OnnxPolicy(tmp_path)


def test_a_network_that_is_not_what_the_card_says_is_refused(folder, tmp_path):
    for changes in ({"chunk": 3}, {"state_names": ("box_x",)}, {"noise": 4}):
        copied(folder, tmp_path, **changes)
        with pytest.raises(InputError, match="; its card says"):
            OnnxPolicy(tmp_path)


def test_answers_of_another_form_than_declared_are_an_error_in_a_line(folder, tmp_path):
    copied(folder, tmp_path)
    policy = OnnxPolicy(tmp_path)
    seen = {"state": np.zeros(len(policy.card.state_names))}

    class Liar:
        """A session: onnxruntime holds no network to the shapes that it declares."""

        def __init__(self, answer):
            self.answer = answer

        def run(self, outputs, inputs):
            if self.answer is None:
                raise RuntimeError("no memory\nfor so much")
            return self.answer

    for answer, said in (
        (None, "policy.onnx: no memory for so much"),
        ((np.zeros((1, 9, 7)), np.zeros(1)), "answers of the shapes"),
        ((np.zeros((1, policy.card.chunk, 2)), np.zeros((1, 3))), "answers of the shapes"),
    ):
        policy._session = Liar(answer)
        with pytest.raises(AnswerError, match=said):
            policy.plan(seen)


def test_what_is_no_network_is_refused(folder, tmp_path):
    import hashlib

    copied(folder, tmp_path, files={NETWORK: hashlib.sha256(b"no network").hexdigest()})
    (tmp_path / NETWORK).write_bytes(b"no network")
    with pytest.raises(InputError, match="no network: ") as raised:
        OnnxPolicy(tmp_path)
    assert "\n" not in str(raised.value)


def test_torch_is_not_needed(folder):
    code = f"""
import sys
import numpy as np
from covary.control.onnx_policy import OnnxPolicy
policy = OnnxPolicy({str(folder)!r})
policy.reset(np.random.default_rng(0))
assert policy.act({{"state": np.zeros(8)}}).shape == (2,)
assert "torch" not in sys.modules and "escnn" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_export_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    """A layer whose export is another layer: the file is refused, and the one before stays."""
    import torch

    from covary.control.policies.export import export_onnx
    from covary.control.policies.network import Architecture, PolicyNetwork
    from covary.nodes.training.onnx_file import ExportError
    from covary.symmetry.layers.linear import Linear

    task = load_task("push")
    network = PolicyNetwork(task, task.state_names, {}, Architecture(width=16, depth=1))
    x = made_policies.states(task, 4)
    (tmp_path / NETWORK).write_bytes(b"before")
    exported = Linear.export

    def broken(self):
        made = exported(self)
        with torch.no_grad():
            made.weight.mul_(1.001)
        return made

    monkeypatch.setattr(Linear, "export", broken)
    with pytest.raises(ExportError, match="action differs from the network's by"):
        export_onnx(network, tmp_path / NETWORK, x, {})
    assert [p.name for p in tmp_path.iterdir()] == [NETWORK]
    assert (tmp_path / NETWORK).read_bytes() == b"before"
