"""`covary view`: what was recorded is drawn, to scale and in time; bad input is one line."""

import hashlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from covary.commands.view import view
from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.plugin import load
from covary.sim.plant import Plant

SVG = "{http://www.w3.org/2000/svg}"
START_S = 30.0
STEPS = 40


def run(*arguments):
    app = typer.Typer()
    app.command()(view)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def record(folder, name, *, seed=0, success="true", model=None, spoil=None, close=True):
    """An episode of a task in which the actuators do this and that; its states. (T, n)"""
    task = load(name, "sim.tasks")()
    rng = np.random.default_rng(seed)
    plant = Plant(task)
    plant.reset(task.initial_state(rng))
    text = model or Path(task.mjcf).read_text()
    facts = {"task": name, "seed": "7", "success": success, "aborted": "false", "cost": "1.5"}
    facts["duration"] = str(STEPS * task.dt)
    facts["model_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    writer = BagWriter(folder, facts)
    writer.attach("model.xml", "application/xml", text.encode())
    states = []
    for k in range(STEPS):
        if k % 10 == 0:
            plant.apply(task.limits.project(rng.normal(size=len(task.action_names))))
        states.append(plant.state() if spoil is None else spoil(k, plant.state()))
        message = messages.State(
            header=messages.Header(stamp=messages.stamp(START_S + k * task.dt), frame_id="world"),
            episode=0,
            name=list(task.state_names),
            value=states[-1],
        )
        ns = round((START_S + k * task.dt) * 1e9)
        writer.write("/state", message.__msgtype__, messages.serialize(message), ns, ns)
        for _ in range(round(task.dt / task.physics_dt)):
            plant.step()
    writer.close() if close else writer.flush()
    return np.stack(states)


def parse(file):
    text = Path(file).read_text()
    for word in ("href", "<script", "url(http", "@import", "nan", "inf"):
        assert word not in text.replace("infinite", "").replace("indefinite", "")
    assert len(text) < 500_000
    return ET.fromstring(text)


def shapes(picture, kind):
    """How many of each shape stand in the groups of a kind."""
    found = {}
    for group in picture.iter(f"{SVG}g"):
        if group.get("class") == kind:
            for shape in ("circle", "polygon", "line"):
                count = len(group.findall(f"{SVG}{shape}"))
                found[shape] = found.get(shape, 0) + count
    return {shape: count for shape, count in found.items() if count}


def motion(picture, body, kind):
    """Times (s) and values of a body's animation."""
    for group in picture.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is not None and title.text == body and group.get("class") == "moving":
            for node in group.findall(f"{SVG}animateTransform"):
                if node.get("type") == kind:
                    keys = np.array([float(v) for v in node.get("keyTimes").split(";")])
                    values = [[float(v) for v in row.split()] for row in
                              node.get("values").split(";")]  # fmt: skip
                    assert node.get("repeatCount") == "indefinite"
                    return keys, float(node.get("dur").rstrip("s")), np.array(values)
    raise AssertionError(f"{body} does not {kind}")


def px_per_metre(picture):
    bar = next(p for p in picture.iter(f"{SVG}path") if p.get("class") == "scale")
    x0, x1 = map(float, re.fullmatch(r"M.*M([\d.]+) [\d.]+H([\d.]+)M.*", bar.get("d")).groups())
    labels = [t.text for t in picture.iter(f"{SVG}text") if re.fullmatch(r"[\d.]+ m", t.text)]
    assert len(labels) == 1
    return (x1 - x0) / float(labels[0].removesuffix(" m"))


@pytest.mark.parametrize(
    ("name", "moving", "goal", "still", "paths"),
    [
        ("point_mass", {"circle": 1}, {"circle": 1}, {"circle": 1}, 1),
        ("push", {"circle": 1, "polygon": 2}, {"polygon": 2}, {}, None),
        # Each rod is drawn twice, its edge under it.
        ("reacher", {"line": 4}, {"circle": 1}, {}, 2),
    ],
)
def test_every_geom_of_a_task(tmp_path, name, moving, goal, still, paths):
    record(tmp_path / "bag", name)
    result = run(tmp_path / "bag")
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(tmp_path / "bag.svg")
    picture = parse(tmp_path / "bag.svg")
    assert shapes(picture, "moving") == moving
    assert shapes(picture, "goal") == goal
    assert shapes(picture, "still") == still
    bodies = sum(group.get("class") == "moving" for group in picture.iter(f"{SVG}g"))
    ghosts = sum(group.get("class") == "ghost" for group in picture.iter(f"{SVG}g"))
    assert ghosts == 2 * bodies + 1  # start and end, and the goal's outline
    drawn = sum(line.get("class") == "path" for line in picture.iter(f"{SVG}polyline"))
    assert drawn == (paths or drawn) and drawn >= 1  # a box that was not touched has none


def test_it_moves_as_recorded_to_scale_and_in_time(tmp_path):
    states = record(tmp_path / "bag", "push")
    task = load("push", "sim.tasks")()
    assert run(tmp_path / "bag").exit_code == 0
    picture = parse(tmp_path / "bag.svg")
    scale = px_per_metre(picture)
    keys, seconds, places = motion(picture, "pusher", "translate")
    assert keys[0] == 0 and keys[-1] == 1 and (np.diff(keys) >= 0).all()
    assert len(keys) == len(places)
    assert seconds == pytest.approx(STEPS * task.dt + 1.0)  # the whole episode and a pause
    # dt is 1/20 s here, so every state is a key; the last pose stays through the pause.
    np.testing.assert_allclose(keys[:-1] * seconds, np.arange(STEPS) * task.dt, atol=1e-3)
    pusher = [task.state_names.index(n) for n in ("pusher_x", "pusher_y")]
    wanted = (states[:, pusher] - states[0, pusher]) * [scale, -scale]
    np.testing.assert_allclose(places[:-1] - places[0], wanted, atol=0.05)
    np.testing.assert_array_equal(places[-1], places[-2])
    clock = next(c for c in picture.iter(f"{SVG}circle") if c.get("class") == "clock")
    assert float(clock.find(f"{SVG}animate").get("dur").rstrip("s")) == seconds


def test_an_arm_turns_counterclockwise_for_a_positive_angle(tmp_path):
    states = record(tmp_path / "bag", "reacher")
    assert run(tmp_path / "bag").exit_code == 0
    keys, seconds, turns = motion(parse(tmp_path / "bag.svg"), "upper", "rotate")
    assert len(keys) <= 20 * (seconds - 1.0) + 3
    recorded = np.interp(keys * seconds, np.arange(STEPS) * 0.04, np.unwrap(states[:, 0]))
    np.testing.assert_allclose(turns[:, 0], -np.degrees(recorded), atol=0.2)


def test_a_caption_says_what_it_is(tmp_path):
    record(tmp_path / "bags" / "episode_012", "push")
    assert run(tmp_path / "bags" / "episode_012", "--out", tmp_path / "x.svg").exit_code == 0
    text = (tmp_path / "x.svg").read_text()
    for words in ("push, seed 7, episode 12", "success after 2.00 s, cost 1.50", "0 s", "goal"):
        assert words in text


def test_a_run_folder_gives_a_page_and_the_first_in_motion(tmp_path):
    for k, success in enumerate(("true", "false", "true")):
        record(tmp_path / "bags" / f"episode_00{k}", "push", seed=k, success=success)
    record(tmp_path / "bags" / "episode_003", "push", close=False)
    result = run(tmp_path)
    assert result.exit_code == 0
    files = [tmp_path / "episodes.svg", tmp_path / "episode_000.svg"]
    lines = result.output.strip().splitlines()
    assert [line for line in lines if not line.startswith("left out: ")] == list(map(str, files))
    assert len(lines) == 3 and "covary recover" in result.output
    page, first = map(parse, files)
    assert "2 of 3 succeeded" in files[0].read_text()
    marks = [p.get("class") for p in page.iter(f"{SVG}path")]
    assert marks.count("success") == 2 and marks.count("failure") == 1
    assert shapes(page, "moving") == {"circle": 3, "polygon": 6}
    assert not list(page.iter(f"{SVG}animateTransform"))
    assert list(first.iter(f"{SVG}animateTransform"))


def test_out_names_the_page_and_the_animation_lies_beside_it(tmp_path):
    record(tmp_path / "run" / "bags" / "episode_000", "point_mass")
    assert run(tmp_path / "run", "--out", tmp_path / "a.svg").exit_code == 0
    assert {f.name for f in tmp_path.glob("*.svg")} == {"a.svg", "a_episode_000.svg"}


def test_states_that_are_not_finite_are_left_out(tmp_path):
    record(tmp_path / "bag", "push", spoil=lambda k, x: x * np.nan if k > 20 else x)
    assert run(tmp_path / "bag").exit_code == 0
    keys, seconds, _ = motion(parse(tmp_path / "bag.svg"), "pusher", "translate")
    assert seconds == pytest.approx(3.0) and len(keys) == 22


def test_the_recorded_model_is_drawn_and_not_the_installed_one(tmp_path):
    model = Path(load("point_mass", "sim.tasks")().mjcf).read_text()
    extra = "<geom type='box' size='0.1 0.1 0.1' pos='0 0.1 0'/></worldbody>"
    record(tmp_path / "bag", "point_mass", model=model.replace("</worldbody>", extra))
    assert run(tmp_path / "bag").exit_code == 0
    assert shapes(parse(tmp_path / "bag.svg"), "still") == {"circle": 1, "polygon": 1}


def test_bad_input(tmp_path):
    record(tmp_path / "good", "push")
    record(tmp_path / "open", "push", close=False)
    record(tmp_path / "nan", "push", spoil=lambda k, x: x * np.nan)
    record(tmp_path / "short", "push", spoil=lambda k, x: x[:3])
    record(tmp_path / "broken", "push", model="<mujoco><nothing/></mujoco>")
    BagWriter(tmp_path / "no_task", {}).close()
    BagWriter(tmp_path / "no_state", {"task": "push"}).close()
    BagWriter(tmp_path / "stranger", {"task": "pusch"}).close()
    (tmp_path / "empty").mkdir()
    named = ("none", "empty", "open.open", "nan", "short", "broken", "no_task", "no_state",
             "stranger")  # fmt: skip
    cases = [[tmp_path / name] for name in named]
    cases += [[tmp_path / "good", "--out", tmp_path], [tmp_path / "good", "--out", "/none/x.svg"]]
    for words in cases:
        result = run(*words)
        assert result.exit_code == 2, words
        assert len(result.output.strip().splitlines()) == 1, result.output
        assert isinstance(result.exception, SystemExit), words
    assert not list(tmp_path.glob("*.svg"))
