"""Whole bags of hostile messages: replay and view end with a verdict, a picture or one line."""

import hashlib
import io
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bounds import QUIET, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from covary.commands.replay import ReplayError, verify
from covary.commands.view import ViewError, draw_bag
from covary.nodes import messages
from covary.nodes.bags.bag import BagError, BagWriter
from covary.nodes.bags.reader import read
from covary.sim.plant import Plant
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
MODEL = Path(TASK.mjcf).read_text()
PHYSICS = Plant(TASK).physics_state()
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 1e-3, -5.0, 1e18, 1e308, -1e308]) | st.sampled_from(
    [float("nan"), float("inf"), -float("inf")]
)
TICKS = st.integers(0, 30) | st.sampled_from([2**31, 2**53, 2**63, 2**64 - 1])
STAMPS = st.integers(0, 30).map(lambda k: (0, k * 10_000_000)) | st.sampled_from(
    [(-(2**31), 0), (2**31 - 1, 2**32 - 1), (0, 2**32 - 1), (-1, 999_999_999)]
)


def vectors(right):
    """Mostly of the right length."""
    return st.one_of(
        st.lists(NUMBERS, min_size=right, max_size=right), st.lists(NUMBERS, max_size=3)
    ).map(np.array)


PHYSICS_STATES = st.just(PHYSICS) | vectors(len(PHYSICS)) | st.integers(0, len(PHYSICS) - 1).map(
    lambda k: np.where(np.arange(len(PHYSICS)) == k, np.nan, PHYSICS)
)  # fmt: skip
NAMES = st.lists(st.sampled_from(["x", "y", "", "\n"]), max_size=3)


@st.composite
def items(draw):
    """(topic, message) of the five topics that replay and view read."""
    seconds, nanoseconds = draw(STAMPS)
    stamp = messages.Time(sec=seconds, nanosec=nanoseconds)
    header = messages.Header(stamp=stamp, frame_id="")
    topic = draw(st.sampled_from(["/physics", "/state", "/applied", "/joint_states", "/episode"]))
    n, m = len(TASK.state_names), len(TASK.action_names)
    if topic == "/physics":
        made = messages.PhysicsState(
            header=header, tick=draw(TICKS), state=draw(PHYSICS_STATES).astype(float)
        )
    elif topic == "/state":
        value = draw(vectors(n)).astype(float)
        made = messages.State(header=header, episode=0, name=draw(NAMES), value=value)
    elif topic == "/applied":
        action = draw(vectors(m)).astype(float)
        made = messages.Applied(
            header=header, tick=draw(TICKS), action=action, status=0, command_stamp=stamp
        )
    elif topic == "/joint_states":
        values = [draw(vectors(m)).astype(float) for _ in range(2)]
        made = messages.JointState(
            header=header,
            name=draw(NAMES),
            position=values[0],
            velocity=values[1],
            effort=np.zeros(0),
        )
    else:
        made = messages.Episode(
            header=header, index=0, seed=0, options="{}", engine="mujoco", dials="{}",
            task="\n", phase=draw(st.integers(0, 255)),
            success=True, aborted=False, cost=draw(NUMBERS), duration=draw(NUMBERS), model="",
            model_sha256="",
        )  # fmt: skip
    # A topic may carry what belongs on another.
    return draw(st.sampled_from([topic] * 9 + ["/state"])), made


FACTS = st.dictionaries(
    st.sampled_from(["seed", "success", "cost", "duration", "mujoco_version", "launch"]),
    st.sampled_from(["", "true", "nan", "-1", "1e999", "\n", "\x1b", "<x>&'\"", "\0"]),
    max_size=4,
)


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_any_messages_give_a_verdict_a_picture_or_one_line(tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings where it stands
    folder = tmp_path / "bag"
    quiet = Console(file=io.StringIO())

    @settings(max_examples=count, **QUIET)
    @given(st.lists(items(), min_size=1, max_size=12), FACTS)
    def check(listed, facts):
        hashed = hashlib.sha256(MODEL.encode()).hexdigest()
        writer = BagWriter(folder, {"task": "point_mass", "model_sha256": hashed, **facts})
        writer.attach("model.xml", "application/xml", MODEL.encode())
        types = {}
        for k, (topic, message) in enumerate(listed):
            kind = types.setdefault(topic, message.__msgtype__)
            if kind == message.__msgtype__:
                writer.write(topic, kind, messages.serialize(message), k, k)
        writer.close()
        try:
            outcome(lambda: read(folder), BagError)
            outcome(lambda: verify(folder), BagError, ReplayError, cpu_s=10.0)
            drawn = outcome(
                lambda: draw_bag(folder, tmp_path / "it.svg", quiet), BagError, ViewError
            )
            if drawn:
                ElementTree.parse(drawn[0])
        finally:
            shutil.rmtree(folder)

    check()
