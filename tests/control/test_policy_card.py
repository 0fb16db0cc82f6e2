"""The card of a policy: what is read, what is refused and how, and which task it fits."""

import dataclasses
from pathlib import Path

import pytest

from covary.control.policy_card import (
    CARD,
    FORMAT,
    ImageInput,
    PolicyCard,
    check_fit,
    read_card,
    write_card,
)
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.built_on import MismatchError, described
from covary.sim.load_task import load_task

HERE = Path()
"""A folder without a symmetry file."""


def card_for(task, **changes):
    """A card that fits a task."""
    card = PolicyCard(
        covary_policy=FORMAT,
        task=task.name,
        task_options={"robot": "arm"},
        state_topic="/ground_truth",
        state_names=tuple(task.state_names),
        images={"heightmap": ImageInput("/camera/heightmap/image_raw", (1, 64, 64))},
        action_names=tuple(task.action_names),
        dt=task.dt,
        chunk=4,
        execute=2,
        noise=0,
        symmetry=described(task.symmetry.restrict("D4")),
        mode="exact",
        method="bc",
        recipe={"width": 128, "images": ["heightmap"], "learning_rate": 1e-3},
        data={"path": "pushes", "sha256": "0" * 64, "episodes": 3, "ticks": 120},
        seed=0,
        revision="abc",
        parameters=1234,
        metrics={"validation_loss": 0.5},
        equivariance={"before": 1e-7, "after": 2e-7},
        files={"policy.onnx": "0" * 64},
    )
    return dataclasses.replace(card, **changes)


@pytest.fixture(scope="module")
def task():
    return load_task("block_push")


@pytest.fixture
def folder(tmp_path, task):
    """A policy's folder with nothing but a card."""
    write_card(tmp_path, card_for(task))
    return tmp_path


def test_what_is_written_is_read(folder, task):
    assert read_card(folder) == card_for(task)
    assert [path.name for path in folder.iterdir()] == [CARD], "no partial file stays"


def edited(folder, before, after):
    """Replaces text in the card; the error that reading it gives."""
    path = folder / CARD
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_card(folder)
    text = str(raised.value)
    assert "\n" not in text and text.startswith(f"{path}:")
    return raised.value


def test_an_unknown_key_is_named_with_the_nearest_word(folder):
    error = edited(folder, "chunk: 4", "chunks: 4\nchunk: 4")
    assert "'chunks'" in str(error) and "did you mean chunk?" in str(error)


def test_a_key_of_another_type_is_named_with_its_line(folder):
    error = edited(folder, "chunk: 4", "chunk: four")
    assert "chunk" in str(error) and "whole number" in str(error)
    line = (folder / CARD).read_text(encoding="utf-8").splitlines()[error.line - 1]
    assert line == "chunk: four"


@pytest.mark.parametrize(
    "before, after, said",
    [
        (f"covary_policy: {FORMAT}", "covary_policy: 99", "99"),
        ("execute: 2", "execute: 5", "not within 1 and the chunk, 4"),
        ("mode: exact", "mode: exakt", "did you mean exact?"),
        ("state_topic: /ground_truth", "state_topic: /truth", "/ground_truth"),
        ("seed: 0\n", "", "'seed'"),
        ("dt: 0.05", "dt: .nan", "not finite"),
    ],
)
def test_a_wrong_value_is_named(folder, before, after, said):
    assert said in str(edited(folder, before, after))


def test_a_truncated_card_is_no_card(folder):
    path = folder / CARD
    text = path.read_text(encoding="utf-8")
    for length in (0, 10, len(text) // 2, len(text) - 40):
        path.write_text(text[:length], encoding="utf-8")
        with pytest.raises(InputError) as raised:
            read_card(folder)
        assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_no_card_is_no_policy(tmp_path):
    with pytest.raises(InputError, match="no policy: there is no policy.yaml in it"):
        read_card(tmp_path)
    with pytest.raises(InputError, match="no policy"):
        read_card(tmp_path / "nowhere")


def test_a_list_is_no_card(tmp_path):
    (tmp_path / CARD).write_text("- 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="must be a mapping"):
        read_card(tmp_path)


def test_it_fits_its_own_task_and_the_same_with_another_robot(task):
    check_fit(card_for(task), task, HERE)
    check_fit(card_for(task), load_task("block_push", {"robot": "floating_gripper"}), HERE)
    check_fit(card_for(task, symmetry=described(task.symmetry.trivial())), task, HERE)


SENSED = ("gripper_x", "gripper_y", "gripper_yaw", "gripper_height", "opening", "goal_x", "goal_y")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"state_names": ("block_x", "block_z")}, "observation: .*'block_z'.*did you mean"),
        ({"state_topic": "/state"}, "observation: .*'block_x', which no sensor"),
        ({"action_names": ("gripper", "dx")}, "action: .*moves gripper, dx; block_push has"),
        ({"dt": 0.1}, "control period: .*every 0.1 s; block_push every 0.05 s"),
        ({"symmetry": {"group": "C3"}}, "symmetry: .*built on C3; block_push has D8"),
        (
            {"symmetry": {"group": "D4", "state": {"goal": "Pose(centre=(0.0, 0.0))"}}},
            "symmetry: .*state part goal as Pose",
        ),
        (
            {"symmetry": {"group": "D4", "action": {"yaw": "Scalar(size=1)"}}},
            "symmetry: .*action part yaw as Scalar",
        ),
    ],
)
def test_what_does_not_fit_is_named(task, changes, said):
    with pytest.raises(MismatchError, match=said):
        check_fit(card_for(task, **changes), task, HERE)


def test_what_the_sensors_tell_fits(task):
    check_fit(card_for(task, state_topic="/state", state_names=SENSED), task, HERE)


def test_another_task_is_refused(task):
    for name in ("push", "block_stack", "reacher"):
        with pytest.raises(MismatchError, match="observation: a policy for block_push"):
            check_fit(card_for(task), load_task(name), HERE)


def test_a_card_with_numbers_and_names_that_nobody_means_is_refused_in_a_line(task):
    for changes, said in (
        ({"dt": 0.0}, "dt: 0 s is no period"),
        ({"noise": -1}, "noise: -1 must not"),
        ({"state_names": ()}, "state_names: none: no names, each once"),
        ({"state_names": ("a", "a")}, "state_names: a, a: no names, each once"),
        ({"images": {"heightmap": ImageInput("/t", (1, -5, 5))}}, "images: heightmap: "),
        ({"images": {"state": ImageInput("/t", (1, 5, 5))}}, "images: state: "),
        ({"symmetry": {"group": [1]}}, "symmetry: group: "),
        ({"symmetry": {"group": "D4", "state": 3}}, "symmetry: state: 3 is no mapping"),
        ({"files": {"../../etc/passwd": "0"}}, "files: '../../etc/passwd' does not lie beside"),
    ):
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            card_for(task, **changes)
