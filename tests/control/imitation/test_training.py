"""Training: no interruption changes what comes out, and what is wrong is said in a line."""

import pytest
from made_demonstrations import demonstrations, recorded

from covary.control.imitation.bc import BC
from covary.control.imitation.training import Training
from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.training import checkpoint
from covary.nodes.training.checkpoint import read_checkpoint
from covary.nodes.training.loop import TrainingError
from covary.nodes.training.recipe import Recipe

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return demonstrations(tmp_path_factory.mktemp("springs"))


def recipe(out, **given):
    defaults = {"width": 32, "depth": 2, "steps": 12, "batch": 16, "validate_every": 4}
    parameters = BC.Parameters(method="bc", data="", out=out, **{**defaults, **given})
    return Recipe("bc.yaml", BC, parameters)


def run(training, updates=None):
    """Train, or make so many updates and be killed."""
    for count, _ in enumerate(training.moments(), 1):
        if count == updates:
            break
    return training


def outcome(folder):
    """All tensors of the checkpoint, and what it says but for how long it took."""
    found = read_checkpoint(folder)
    found.facts.pop("seconds")
    found.facts["best"].pop("seconds")
    return found


def assert_equal(a, b):
    assert a.facts == b.facts
    assert a.tensors.keys() == b.tensors.keys()
    for file, tensors in a.tensors.items():
        assert tensors.keys() == b.tensors[file].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, b.tensors[file][name]), (file, name)


DRAWS = {"head": "flow", "chunk": 3, "augment": True, "noise": 0.1}
LOOKS = {"images": ("heightmap",), "augment": True, "shift": 1, "mode": "free"}


@pytest.mark.parametrize(
    "given", [{}, DRAWS, LOOKS, {"mode": "relaxed", "relaxation_penalty": 0.1}]
)
def test_a_killed_training_ends_with_the_same_bits(tmp_path, data, given):
    if "images" in given:
        data = demonstrations(tmp_path / "seen", pixels=16)
    run(Training(recipe(tmp_path / "whole", **given), data))
    out = tmp_path / "killed"
    run(Training(recipe(out, **given), data), 3)  # before the first checkpoint
    assert not (out / "last").exists()
    run(Training(recipe(out, **given), data), 6)  # after it: two updates are lost
    stopped = run(Training(recipe(out, **given), data), 3)
    assert (stopped.resumed, stopped.step) == (4, 7)
    stopped.save()  # as Ctrl-C does
    last = run(Training(recipe(out, **given), data))
    assert last.resumed == 7 and last.done
    assert_equal(outcome(tmp_path / "whole"), outcome(out))
    logs = [[{**e, "seconds": 0} for e in read(f / "log.jsonl")] for f in (tmp_path / "whole", out)]
    assert logs[0] == logs[1] and [e["step"] for e in logs[0]] == [4, 8, 12]


def read(path):
    import json

    return [json.loads(line) for line in path.read_text().splitlines()]


def test_another_seed_is_another_training(tmp_path, data):
    for seed in (0, 1):
        run(Training(recipe(tmp_path / str(seed), seed=seed), data))
    a, b = (read_checkpoint(tmp_path / str(seed)).tensors["modules"] for seed in (0, 1))
    assert any(not torch.equal(a[name], b[name]) for name in a)


def test_updates_in_bfloat16_are_others_and_answers_stay_equivariant(tmp_path, data):
    found = {}
    for precision in ("float32", "bfloat16"):
        found[precision] = run(Training(recipe(tmp_path / precision, precision=precision), data))
    a, b = (read_checkpoint(tmp_path / name).tensors["modules"] for name in found)
    assert any(not torch.equal(a[name], b[name]) for name in a)
    losses = [training.best["validation_loss"] for training in found.values()]
    assert abs(losses[1] - losses[0]) < 0.1 * losses[0]
    assert found["bfloat16"].method.equivariance_error() < 1e-5


def test_it_learns_and_stays_equivariant_and_keeps_the_best_step(tmp_path, data):
    training = run(
        Training(recipe(tmp_path / "p", steps=60, validate_every=20, learning_rate=1e-2), data)
    )
    losses = [entry["validation_loss"] for entry in training.log]
    assert losses[-1] < 0.7 * losses[0]
    assert training.best["validation_loss"] == min(losses)
    training.use_best()
    assert max(training.before, training.method.equivariance_error()) < 1e-5


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_taken(tmp_path, data):
    out = tmp_path / "p"
    run(Training(recipe(out), data), 4)
    file = out / "last" / "optimizers.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(InputError, match=r"optimizers.safetensors: damaged or cut off .*; put "):
        Training(recipe(out), data)
    file.write_bytes(whole)
    facts = out / "last" / "checkpoint.yaml"
    facts.write_text(facts.read_text().partition("files:")[0])
    with pytest.raises(InputError, match="no checkpoint: its end is missing"):
        Training(recipe(out), data)


def test_a_whole_checkpoint_that_holds_something_else_is_refused_in_a_line(tmp_path, data):
    out = tmp_path / "p"
    run(Training(recipe(out), data), 4)
    facts = out / "last" / "checkpoint.yaml"
    whole = facts.read_text()
    for old, new in (
        ("step: 4\n", "step: four\n"),
        ("step: 4\n", "step: 4000000\n"),
        ("recipe:\n", "recip:\n"),
        ("modules: ", "no_modules: "),
        ("modules: ", "../modules: "),
        ("sums: {}", "sums: {a: b}"),
    ):
        assert old in whole
        facts.write_text(whole.replace(old, new, 1))
        with pytest.raises(InputError) as found:
            Training(recipe(out), data)
        assert str(out / "last") in str(found.value) and "\n" not in str(found.value)


def test_a_kill_while_a_checkpoint_is_written_costs_nothing(tmp_path, data, monkeypatch):
    out = tmp_path / "p"
    run(Training(recipe(out), data), 4)
    written = []

    def full(path, content):
        written.append(path)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        return path.write_bytes(content)

    training = Training(recipe(out), data)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write", full)
        with pytest.raises(OSError, match="No space"):
            run(training)
    assert Training(recipe(out), data).resumed == 4
    (out / "last").rename(out / ".last.previous")  # killed between two renames
    assert Training(recipe(out), data).resumed == 4
    run(Training(recipe(out), data))
    assert not (out / ".last.previous").exists() and not (out / ".last.partial").exists()


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(tmp_path, data, monkeypatch):
    out, update = tmp_path / "p", BC.update

    def broken(self, step, rng):
        return {"loss": float("nan")} if step == 6 else update(self, step, rng)

    monkeypatch.setattr(BC, "update", broken)
    with pytest.raises(TrainingError, match=r"step 7: the loss is nan.*last is good up to step 4"):
        run(Training(recipe(out), data))
    assert Training(recipe(out), data).step == 4


def test_another_recipe_or_other_data_do_not_go_on(tmp_path, data):
    out = tmp_path / "p"
    run(Training(recipe(out), data), 4)
    said = "was begun with width:=32, not width:=64; name a new folder, or remove"
    with pytest.raises(InputError, match=said):
        Training(recipe(out, width=64), data)
    with pytest.raises(InputError, match="was begun with other data"):
        Training(recipe(out), demonstrations(tmp_path / "others", seed=1))
    recorded(tmp_path / "again")
    assert Training(recipe(out), demonstrations(tmp_path / "same")).resumed == 4
