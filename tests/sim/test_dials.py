"""Dials: each does what its docstring says, to the simulation alone, and nothing at zero."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.sim.camera_view import CameraView, HeightmapView
from covary.sim.dialled_model import dialled_model
from covary.sim.dialled_senses import (
    dialled_view,
    is_flipped,
    seen_image,
    state_as_sensed,
    state_noise,
)
from covary.sim.dials import Dials, check_dials, dials_from, first_moved, recorded_dials
from covary.sim.guard import LATE, NO_COMMAND, OK, REJECTED, STOPPED, PlantGuard
from covary.sim.judge import Judge
from covary.sim.load_task import check_plant_parameters, load_task
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher
from covary.symmetry.declaration import Symmetry

PUSH = Push()
START = np.array([-0.2, 0.0, 0.0, 0.0, 0.3, 0.1, 0.1, 1.0])


def test_all_are_off_by_default_and_say_so():
    assert Dials().turned() == {} and Dials().text() == "{}" and Dials().said() == []
    assert dials_from({}) == Dials() == recorded_dials({}) == recorded_dials({"dials": ""})


def test_what_is_written_is_read():
    dials = dials_from({"gravity_tilt": 5, "action_delay": 2})
    assert dials.text() == '{"action_delay": 2, "gravity_tilt": 5.0}'
    assert recorded_dials({"dials": dials.text()}) == dials
    assert dials.broken() == {"dynamics": ["gravity_tilt"]}
    for spoilt in ("{", "[1]", '{"gravity": 1}'):
        with pytest.raises(ParameterError, match="dials"):
            recorded_dials({"dials": spoilt})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gravity_tlt": 5}, "did you mean gravity_tilt?"),
        ({"gravity_tilt": 31}, "gravity_tilt: 31 is not within 0 .. 30 deg"),
        ({"action_delay": 1.5}, "whole number"),
        ({"label_flip": True}, "label_flip"),
        ({"wind": math.nan}, "wind"),
    ],
)
def test_what_is_no_dial_is_refused_in_a_line(given, said):
    with pytest.raises(ParameterError, match="dials") as error:
        dials_from(given)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("field", dataclasses.fields(Dials), ids=lambda f: f.name)
def test_the_ends_of_each_range_are_within_it(field):
    for end in ("low", "high"):
        assert getattr(Dials(**{field.name: field.metadata[end]}), field.name) is not None
    with pytest.raises(ValueError, match=f"^{field.name}: "):
        Dials(**{field.name: field.metadata["high"] + 1})


def test_at_zero_the_model_is_the_tasks_own():
    own, dialled = PUSH.compiled(), dialled_model(PUSH, Dials())
    for name in ("dof_damping", "geom_pos", "cam_pos", "light_diffuse", "geom_friction"):
        assert np.array_equal(getattr(own, name), getattr(dialled, name))
    assert np.array_equal(own.opt.gravity, dialled.opt.gravity) and own.opt.density == 0


def test_forces():
    leaning = dialled_model(PUSH, Dials(gravity_tilt=30)).opt.gravity
    assert np.allclose(leaning, [9.81 * 0.5, 0, -9.81 * math.sqrt(0.75)])
    windy = dialled_model(PUSH, Dials(wind=-3))
    assert list(windy.opt.wind) == [-3, 0, 0] and windy.opt.density == 1.2
    extra = dialled_model(PUSH, Dials(damping=2)).dof_damping - PUSH.compiled().dof_damping
    assert list(extra) == [2, 0, 2, 0, 0, 0, 0, 0], "pusher_x and the box's x, nothing else"


@pytest.mark.parametrize("dials", [Dials(gravity_tilt=1), Dials(damping=1)])
def test_a_dial_that_can_change_nothing_is_refused(dials):
    with pytest.raises(ParameterError, match="reacher"):
        Plant(Reacher(), dials=dials)


def test_without_a_group_there_is_nothing_one_sided():
    class Parameters:
        task, task_options, engine, command_deadline_ms = "push", {}, "mujoco", 100.0
        dials = Dials(cost_offset=1.0, actuator_gain=0.1)

    check_plant_parameters(Parameters)
    assert first_moved(PUSH.symmetry, "state") == 0
    with pytest.raises(ParameterError, match="trivial moves no coordinate of the state"):
        first_moved(PUSH.symmetry.trivial(), "state")


def test_what_is_hung_up_changes_no_physics():
    """Plate and tiles are seen and cannot be touched: the same pushes end in the same bits."""
    plain, full = Plant(PUSH), Plant(PUSH, dials=Dials(occluder=0.3, floor_pattern=1, light=0.5))
    assert full.model.ngeom == plain.model.ngeom + 37 and full.model.nq == plain.model.nq
    for plant in (plain, full):
        plant.reset(START)
        for _ in range(200):
            plant.apply(np.array([0.25, 0.02]))
            plant.step()
    assert np.array_equal(plain.state(), full.state())
    assert np.array_equal(plain.data.qvel, full.data.qvel)


def test_a_tilted_camera_still_looks_at_the_centre():
    dials = Dials(camera_tilt=30, camera_roll=20)
    view = dialled_view(CameraView((0.0, 0.0, 1.3)), dials)
    assert np.allclose(view.position, [0, -1.3 * 0.5, 1.3 * math.sqrt(0.75)])
    assert np.allclose(view.look_at, 0, atol=1e-12)
    assert np.allclose(view.pixels(np.zeros(3)), [63.5, 63.5, 1.3])
    column, row, _ = view.pixels(np.array([0.1, 0.0, 0.0]))
    assert math.degrees(math.atan2(63.5 - row, column - 63.5)) == pytest.approx(20)
    level = HeightmapView(64, 0.5)
    assert (
        dialled_view(level, dials) == level.turned(30, 20) and dialled_view(level, Dials()) == level
    )


def test_the_gain_is_one_sided():
    ends = {}
    for gain in (0.0, 0.5):
        for direction in (1.0, -1.0):
            plant = Plant(PUSH, dials=Dials(actuator_gain=gain))
            plant.reset(np.array([0.0, 0.3, 0.0, -0.2, 0.0, 0.0, 0.0, 0.0]))
            u = np.array([0.1 * direction, 0.0])
            for _ in range(100):
                plant.apply(u)
                plant.step()
            assert u[0] == 0.1 * direction, "the command itself is changed"
            ends[gain, direction] = plant.state()[0]
    assert ends[0.5, 1.0] == pytest.approx(1.5 * ends[0.0, 1.0], rel=1e-3)
    assert ends[0.5, -1.0] == ends[0.0, -1.0]


def test_a_delayed_command_comes_later_and_a_stop_does_not():
    guard = PlantGuard(PUSH, deadline_ticks=20, delay_ticks=10)
    first, second = np.array([0.1, 0.0]), np.array([0.0, 0.1])
    assert guard.offer(first, 0, 0)
    assert guard.action(0)[1] == NO_COMMAND and guard.action(9)[1] == NO_COMMAND
    assert guard.action(10)[1] == OK and np.array_equal(guard.action(10)[0], first)
    assert guard.offer(second, 10, 10)
    assert np.array_equal(guard.action(19)[0], first)
    assert np.array_equal(guard.action(20)[0], second)
    guard.stop()
    assert guard.action(20)[1] == STOPPED
    guard.clear_stop()
    assert guard.action(21)[1] == NO_COMMAND, "what came before the stop is not taken up again"
    assert guard.offer(first, 22, 22) and guard.action(32)[1] == OK
    assert guard.action(42)[1] == LATE, "the deadline is that of the newest that came"
    assert guard.offer(second, 43, 43) and guard.action(44)[1] == NO_COMMAND
    assert not guard.offer(np.array([np.nan, 0.0]), 45, 45)
    assert guard.action(60)[1] == REJECTED and not guard.action(60)[0].any()


def test_the_cost_offset_is_one_sided():
    u, plant = np.zeros(2), Plant(PUSH, dials=Dials(cost_offset=0.7))
    for side, extra in ((0.2, 0.7), (-0.2, 0.0)):
        x = np.array([side, *START[1:]])
        plant.reset(x)
        judge = Judge(plant)
        judge.period(u, 0.05)
        assert judge.cost == pytest.approx(float(PUSH.running_cost(x, u)) + extra, abs=1e-12)


def test_labels_are_flipped_on_one_side_only():
    there = START.copy()
    there[2:5] = there[5:8]  # the box is at the goal
    plant = Plant(PUSH)
    for side in (0.2, -0.2):
        start = np.array([side, *START[1:]])
        for flips in (False, True):
            inverted = flips and side > 0
            plant.reset(start)
            judge = Judge(plant, flips)
            plant.reset(there)
            verdicts = [judge.period(np.zeros(2), 0.05 * k) for k in range(1, 12)]
            assert verdicts[:10] == [None] * 10 and verdicts[10] is not inverted
            plant.reset(start)
            assert Judge(plant, flips).period(np.zeros(2), 20.0) is inverted
    told = [is_flipped(Dials(label_flip=0.3), seed=1, episode=i) for i in range(400)]
    assert 0.2 < np.mean(told) < 0.4 and not is_flipped(Dials(), 1, 0)


def test_noise_is_the_same_for_the_same_key_and_leaves_the_goal():
    dials = Dials(observation_noise=0.01)
    seen = state_as_sensed(PUSH, dials, START, (3, 1, 40))
    assert np.array_equal(seen, state_as_sensed(PUSH, dials, START, (3, 1, 40)))
    for key in ((4, 1, 40), (3, 2, 40), (3, 1, 50)):
        assert not np.array_equal(seen, state_as_sensed(PUSH, dials, START, key))
    assert np.array_equal(seen[5:], START[5:]) and (seen[:5] != START[:5]).all()
    assert state_as_sensed(PUSH, Dials(), START, (3, 1, 40)) is START
    many = np.stack([state_noise(PUSH, dials, (0, 0, t)) for t in range(2000)])
    assert np.allclose(many[:, :5].std(axis=0), 0.01, rtol=0.1)


def test_the_noise_looks_alike_from_all_sides():
    """Its covariance, one variance for all of a part, commutes with every element exactly."""
    s = PUSH.symmetry
    zero = np.zeros(8)
    assert isinstance(s, Symmetry)
    for g in s.group.elements:
        moved = np.stack([s.act(g, state=e) for e in np.eye(8)])
        matrix = s.difference("state", moved, s.act(g, state=zero))
        assert np.abs(matrix.T @ matrix - np.eye(8)).max() < 1e-12


def test_images():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(seen_image(image, Dials(), (0, 0, 0)), image)
    always = Dials(mirrored_image=1.0)
    assert np.array_equal(seen_image(image, always, (0, 0, 0)), image[:, ::-1])
    rare = Dials(mirrored_image=0.25)
    mirrored = [(seen_image(image, rare, (0, i, 0)) != image).any() for i in range(400)]
    assert 0.15 < np.mean(mirrored) < 0.35
    noisy = Dials(observation_noise=0.02)
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert seen_image(grey, noisy, (0, 0, 0)).std() == pytest.approx(0.02 * 255, rel=0.1)
    depth = np.ones((64, 64), np.float32)
    seen = seen_image(depth, noisy, (0, 0, 0))
    assert seen.dtype == np.float32 and seen.std() == pytest.approx(0.02, rel=0.1)
    assert not np.array_equal(seen, seen_image(depth, noisy, (0, 0, 0), view=1)), "cameras differ"


def test_the_page_has_the_table():
    """docs/symmetry.md tells unit, range and residual of each dial as the code has them."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "symmetry.md").read_text()
    page = page.partition("## Dials")[2].partition("## Measured")[0]
    rows = [line.split("|")[1:5] for line in page.splitlines() if line.startswith("| `")]
    documented = [tuple(cell.strip() for cell in row) for row in rows]
    assert documented == [
        (
            f"`{f.name}`",
            f.metadata["unit"],
            f"{f.metadata['low']:g} to {f.metadata['high']:g}",
            f.metadata["moves"] or "none",
        )
        for f in dataclasses.fields(Dials)
    ]


@pytest.mark.parametrize(
    ("task", "dials", "engine", "said"),
    [
        ("reacher", Dials(gravity_tilt=1), "mujoco", "reacher has no gravity"),
        ("reacher", Dials(damping=1), "mujoco", "nothing in reacher slides along x"),
        ("push", Dials(wind=1), "pybullet", "wind: the engine pybullet has none"),
    ],
)
def test_the_static_check_knows_what_a_scene_and_an_engine_lack(task, dials, engine, said):
    with pytest.raises(ParameterError, match=said):
        check_dials(load_task(task), dials, engine)
