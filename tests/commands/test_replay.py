"""`covary replay`: the same physics comes out again, and where it does not the place is named."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from covary.commands.replay import replay, verify
from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push

TICKS, PERIOD = 400, 10
FIND_SPEC = "covary.sim.engines.engine.find_spec"

needs_bullet = pytest.mark.skipif(find_spec("pybullet") is None, reason="needs pybullet")


def run(*arguments):
    app = typer.Typer()
    app.command()(replay)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def header(t: float) -> messages.Header:
    return messages.Header(stamp=messages.stamp(t), frame_id="world")


def record(
    folder,
    *,
    first_tick=1000,
    model=None,
    task=None,
    engine="mujoco",
    said=(),
    since=0,
    change=lambda topic, tick, message: None,
):
    """What the sim node publishes in a push episode, in a bag; `change` may spoil a message."""
    push = Push()
    text = model or Path(push.mjcf).read_text()
    plant = Plant(push, model, engine)
    x = np.array([-0.12, 0.01, 0.0, 0.0, 0.3, 0.2, 0.1, 1.0])
    plant.reset(x)
    writer = BagWriter(
        folder,
        {
            "task": task or "push",
            "model_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "engine": engine,
            **dict(said),
        },
    )
    writer.attach("model.xml", "application/xml", text.encode())

    def publish(topic, tick, message):
        if tick < since:
            return
        change(topic, tick, message)
        ns = round((first_tick + tick) * push.physics_dt * 1e9)
        writer.write(topic, message.__msgtype__, messages.serialize(message), ns, ns)

    for tick in range(TICKS + 1):
        head = header((first_tick + tick) * push.physics_dt)
        if tick == 200:
            plant.set_goal(np.array([0.3, 0.0, -1.0]))
        if tick % 100 == 0:
            state = plant.physics_state()
            publish("/physics", tick, messages.PhysicsState(header=head, tick=tick, state=state))
        if tick % PERIOD == 0:
            position, velocity = plant.joints()
            joints = messages.JointState(
                header=head,
                name=list(push.action_names),
                position=position,
                velocity=velocity,
                effort=np.zeros(0),
            )
            publish("/joint_states", tick, joints)
            value = plant.state()
            names = list(push.state_names)
            publish("/state", tick, messages.State(header=head, episode=0, name=names, value=value))
            action = np.array([0.2, 0.03 * np.sin(tick)])
            applied = messages.Applied(
                header=head, tick=tick, action=action.copy(), status=0, command_stamp=head.stamp
            )
            publish("/applied", tick, applied)
            plant.apply(action)
        plant.step()
    assert np.hypot(*(plant.state()[2:4] - x[2:4])) > 0.05  # the box was pushed
    return writer.close()


def test_a_replay_is_identical_to_the_last_bit(tmp_path):
    path = record(tmp_path / "bag")
    verdict = verify(path)
    assert verdict.difference is None and verdict.ticks == TICKS and verdict.notes == ()
    assert verdict.compared == 5 + 2 * (TICKS // PERIOD + 1)
    result = run(path)
    assert result.exit_code == 0 and f"identical over {TICKS} ticks" in result.output


def test_another_action_is_found_at_the_next_record(tmp_path):
    def change(topic, tick, message):
        if topic == "/applied" and tick == 130:
            message.action[0] += 1e-12

    difference = verify(record(tmp_path / "bag", change=change)).difference
    assert difference.tick == 140 and difference.topic in ("/state", "/joint_states")
    assert abs(difference.replayed - difference.recorded) < 1e-9
    result = run(tmp_path / "bag")
    assert result.exit_code == 1 and "differs first at tick 140" in result.output


def test_a_flipped_bit_is_named_with_both_values(tmp_path):
    def change(topic, tick, message):
        if topic == "/physics" and tick == 300:
            message.state[3] = np.nextafter(message.state[3], 9.0)

    difference = verify(record(tmp_path / "bag", change=change)).difference
    assert (difference.tick, difference.topic) == (300, "/physics")
    assert difference.coordinate == "qpos[2] (joint box)"
    assert difference.recorded == np.nextafter(difference.replayed, 9.0)


def test_a_minus_zero_is_not_a_zero(tmp_path):
    def change(topic, tick, message):
        if topic == "/physics" and tick == 100:
            zeros = np.flatnonzero(message.state == 0.0)
            message.state[zeros[0]] *= -1.0

    assert verify(record(tmp_path / "bag", change=change)).difference.tick == 100


def test_a_model_changed_since_is_said_and_the_recorded_one_is_used(tmp_path):
    text = Path(Push().mjcf).read_text()
    heavier = text.replace('mass="0.5"', 'mass="0.6"')
    assert heavier != text
    verdict = verify(record(tmp_path / "bag", model=heavier))
    assert verdict.difference is None and "another one" in verdict.notes[0]


@pytest.mark.parametrize("task, words", [("no_such_task", "cannot be loaded"), ("push", None)])
def test_what_cannot_be_replayed_exits_with_2(tmp_path, task, words):
    if words:
        path = record(tmp_path / "bag", task=task)
    else:
        path, words = tmp_path / "none", "no such file"
    result = run(path)
    assert result.exit_code == 2 and words in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_an_engine_that_is_not_there_or_not_known_exits_with_2(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "covary.sim.engines.engine.find_spec", lambda name: name != "pybullet" or None
    )
    result = run(record(tmp_path / "bag", said={"engine": "pybullet"}))
    assert result.exit_code == 2 and "pip install --only-binary=:all: pybullet" in result.output
    result = run(record(tmp_path / "odd", said={"engine": "ode"}))
    assert result.exit_code == 2 and "'ode' is none of mujoco, pybullet" in result.output


@needs_bullet
def test_bullet_replays_an_episode_to_the_last_bit_from_its_first_tick(tmp_path):
    verdict = verify(record(tmp_path / "bag", engine="pybullet"))
    assert verdict.difference is None and verdict.ticks == TICKS and verdict.notes == ()
    # Not from a later one: contacts are in no recording.
    path = record(tmp_path / "late", engine="pybullet", since=200, said={"pybullet_version": "0.1"})
    verdict = verify(path)
    assert "recorded with pybullet 0.1" in verdict.notes[0]
    assert "begins at tick 200" in verdict.notes[1]
    assert verdict.difference is None or verdict.difference.tick > 200
    assert "tick 0 only" in run(path).output


def test_an_episode_cut_off_before_its_first_tick_is_identical_over_none(tmp_path):
    push = Push()
    text = Path(push.mjcf).read_text()
    plant = Plant(push)
    plant.reset(push.initial_state(np.random.default_rng(0)))
    said = {"task": "push", "model_sha256": hashlib.sha256(text.encode()).hexdigest()}
    writer = BagWriter(tmp_path / "bag", said)
    writer.attach("model.xml", "application/xml", text.encode())
    first = messages.PhysicsState(header=header(0.0), tick=0, state=plant.physics_state())
    writer.write("/physics", first.__msgtype__, messages.serialize(first), 0, 0)
    verdict = verify(writer.close())
    assert (verdict.difference, verdict.ticks, verdict.compared) == (None, 0, 1)


def test_a_folder_of_bags_is_replayed_one_by_one(tmp_path):
    def spoil(topic, tick, message):
        if (topic, tick) == ("/state", 150):
            message.value[2] += 1e-9

    record(tmp_path / "bags" / "episode_000000")
    record(tmp_path / "bags" / "episode_000004")
    assert "2 of 2 episodes identical" in run(tmp_path).output
    record(tmp_path / "bags" / "episode_000007", change=spoil)
    (tmp_path / "bags" / "episode_000009").mkdir()
    (tmp_path / "bags" / "episode_000009" / "episode_000009_0.mcap").write_bytes(b"nothing")
    result = run(tmp_path)
    assert result.exit_code == 1 and "2 of 4 episodes identical" in result.output
    text = " ".join(result.output.replace("│", " ").split())
    assert "differs first at tick 150: /state box_x" in text and "cannot be replayed" in text
