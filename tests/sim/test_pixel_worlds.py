"""Worlds seen as pixels: each goes with its group, its frames are where they can be exact."""

import sys

import code_blocks
import numpy as np
import pytest

from covary.nodes.plugin import PluginError, offered
from covary.sim.heightmap import Heightmap
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.pixel_worlds import blocks, cells, reacher_pixels, rotating_object
from covary.sim.pixel_worlds.world import WorldError, load_world, transitions
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher
from covary.symmetry.pixels import moved_image

NAMES = offered("sim.pixel_worlds")
GRIDS = [n for n in NAMES if issubclass(type(load_world(n)), cells.Grid)]


def every() -> list:
    """All worlds, each under all groups that it may be given."""
    made = []
    for name in NAMES:
        groups = getattr(sys.modules[type(load_world(name)).__module__], "GROUPS", cells.GROUPS)
        made += [load_world(name, {"group": g}) for g in groups if g != "I"]  # 60 are slow
    made.append(load_world("reacher_pixels", {"view": "top", "goal": "random"}))
    return made


WORLDS = every()
ids = [f"{world.name}-{world.group.name}" for world in WORLDS]


@pytest.mark.parametrize("world", WORLDS, ids=ids)
def test_a_step_goes_with_the_group_and_with_the_order_of_objects(world):
    rng = np.random.default_rng(0)
    order = [int(i) for i in rng.permutation(world.objects)]
    states = world.initial(rng, 200)
    assert states.shape == (200, *world.state_shape)
    for _ in range(3):  # starts may be apart from each other; later states are not
        actions = world.random_actions(rng, 200)
        assert actions.dtype == np.float32 and actions.shape == (200, world.action_width)
        reached = world.step(states, actions)
        for g in world.group.elements:
            for o in (None, order):
                ours = world.step(world.act(g, states, o), world.act_action(g, actions, o))
                np.testing.assert_allclose(ours, world.act(g, reached, o), atol=1e-6)
        states = reached


@pytest.mark.parametrize("world", WORLDS, ids=ids)
def test_elements_act_as_their_product(world):
    rng = np.random.default_rng(1)
    states, actions = world.initial(rng, 20), world.random_actions(rng, 20)
    for g in world.group.elements:
        for h in world.group.elements:
            gh = int(world.group.product[g, h])
            np.testing.assert_allclose(
                world.act(g, world.act(h, states)), world.act(gh, states), atol=1e-9
            )
            twice = world.act_action(g, world.act_action(h, actions))
            np.testing.assert_allclose(twice, world.act_action(gh, actions), atol=1e-6)


@pytest.mark.parametrize("world", WORLDS, ids=ids)
def test_frames_are_images_and_turn_where_the_world_says_so(world):
    states = world.initial(np.random.default_rng(2), 30)
    frames = world.frames(states)
    assert frames.dtype == np.uint8 and frames.shape == (30, *world.frame_shape)
    assert np.array_equal(frames, world.frames(states))  # nothing is drawn by chance
    assert len(np.unique(frames.reshape(30, -1), axis=0)) == 30
    for g in world.group.elements if world.turns_frames else ():
        moved = world.frames(world.act(g, states))
        for image, there in zip(frames, moved, strict=True):
            turned = moved_image(world.group, g, image.transpose(1, 2, 0)).transpose(2, 0, 1)
            apart = np.abs(turned.astype(int) - there).max()
            assert apart <= (0 if world.name in GRIDS else 1)  # smooth edges are rounded


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_episodes(name):
    world = load_world(name)
    word = world.action_words[-1]
    made = [transitions(world, np.random.default_rng(3), 4, 6, (word,)) for _ in range(2)]
    assert np.array_equal(made[0].states, made[1].states)
    assert np.array_equal(made[0].actions, made[1].actions)
    data = made[0]
    assert data.states.shape == (4, 7, *world.state_shape) and data.count == 24
    assert np.array_equal(world.step(data.states[:, 5], data.actions[:, 5]), data.states[:, 6])
    drawn = data.frames(world, np.array([0, 3]), np.array([6, 2]))
    assert np.array_equal(drawn[1], world.frames(data.states[3:4, 2])[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_said_in_one_line(name):
    world = load_world(name)
    rng = np.random.default_rng(0)
    states, actions = world.initial(rng, 3), world.random_actions(rng, 3)
    with pytest.raises(WorldError, match="has no action 'upp'"):
        transitions(world, rng, 2, 2, ("upp",))
    with pytest.raises(WorldError, match="at least 1"):
        transitions(world, rng, 0, 2)
    with pytest.raises(WorldError, match="states of shape"):
        world.frames(states[0])
    with pytest.raises(WorldError, match="states of shape"):
        world.step(states[..., :-1], actions)
    with pytest.raises(WorldError, match="actions of shape"):
        world.step(states, actions[:2])
    with pytest.raises(WorldError, match="is no order"):
        world.act(0, states, [0] * (world.objects + 1))
    with pytest.raises(WorldError, match="takes no option 'grup'"):
        load_world(name, {"grup": "C4"})


def test_a_world_that_does_not_exist_and_a_group_that_does_not_fit():
    with pytest.raises(PluginError, match="did you mean.*shapes"):
        load_world("shape")
    with pytest.raises(WorldError, match="derive"):
        load_world("covary.sim.pixel_worlds.world:Transitions")
    with pytest.raises(WorldError, match=r"cannot be built \(TypeError: .*abstract"):
        load_world("covary.sim.pixel_worlds.cells:Grid")
    with pytest.raises(WorldError, match="'reflexion' is none of .*did you mean 'reflection'"):
        load_world("shapes", {"group": "reflexion"})


def test_a_turn_counterclockwise_is_rot90_and_rolls_the_directions_by_one():
    world = load_world("shapes")
    rng = np.random.default_rng(4)
    states = world.initial(rng, 50)
    actions = world.random_actions(rng, 50, ("up",))
    assert world.action_part.fields == 1  # the regular representation
    turned = world.act_action(1, actions)
    assert np.array_equal(turned.reshape(50, 5, 4), np.roll(actions.reshape(50, 5, 4), 1, axis=2))
    assert cells.DIRECTIONS[np.argmax(turned[0]) % 4] == "left"
    frames = world.frames(states)
    assert np.array_equal(world.frames(world.act(1, states)), np.rot90(frames, axes=(2, 3)))


def test_moves_on_the_grid():
    world = load_world("shapes")
    states = np.array([[[0, 0], [1, 0], [4, 4], [2, 2], [3, 3]]], np.int8)

    def moved(thing: int, direction: str) -> list[int]:
        action = np.zeros((1, 20), np.float32)
        action[0, 4 * thing + cells.DIRECTIONS.index(direction)] = 1.0
        return world.step(states, action)[0, thing].tolist()

    assert moved(0, "right") == [0, 0]  # another object stands there
    assert moved(0, "left") == [0, 0] and moved(2, "up") == [4, 4]  # walls
    assert moved(0, "up") == [0, 1] and moved(3, "left") == [1, 2]
    image = world.frames(states)[0]
    assert image[:, 45, 5].tolist() == cells.COLOURS[0].tolist()  # low left


@pytest.mark.parametrize("name", GRIDS)
def test_what_stands_off_the_grid_is_not_drawn(name):
    world = load_world(name)
    for value in (-1, 5, np.nan):
        states = world.initial(np.random.default_rng(0), 2).astype(float)
        states[1, 4, -1] = value
        with pytest.raises(WorldError, match="off the grid"):
            world.frames(states)


@pytest.mark.parametrize("name", GRIDS)
def test_objects_never_share_a_cell(name):
    data = transitions(load_world(name), np.random.default_rng(5), 50, 40)
    place = 5 * data.states[..., 0].astype(int) + data.states[..., 1]
    assert place.min() >= 0 and place.max() < 25
    assert (np.diff(np.sort(place, axis=-1), axis=-1) > 0).all()
    assert (data.states[:, 0] != data.states[:, -1]).any(axis=(1, 2)).mean() > 0.9


def test_pictures_of_blocks_laid_over_each_other_are_what_a_depth_buffer_draws():
    world = load_world("blocks")
    states = world.initial(np.random.default_rng(6), 60)
    for state, frame in zip(states, world.frames(states), strict=True):
        # The floor is drawn under the blocks, which stand on it.
        there, showing = blocks.picture(*map(np.concatenate, zip(
            *(blocks.block(i, *cell) for i, cell in enumerate(state)), strict=True)))  # fmt: skip
        empty, _ = blocks.picture(*blocks.floor())
        assert np.array_equal(np.where(showing, there, empty), frame)


def test_any_rotation_turns_the_object_with_its_actions():
    world = load_world("rotating_object")
    rng = np.random.default_rng(7)
    states, actions = world.initial(rng, 50), world.random_actions(rng, 50)
    rotation = rotating_object.uniform_rotations(rng, 1)[0]
    moved, turned = world.turned(rotation, states, actions)
    reached = rotation @ world.step(states, actions)
    np.testing.assert_allclose(world.step(moved, turned), reached, atol=1e-6)
    np.testing.assert_allclose(reached @ reached.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)),
                               atol=1e-6)  # fmt: skip
    small = world.random_actions(rng, 50, ("small",)).reshape(50, 3, 3)
    angle = np.arccos((np.trace(small, axis1=1, axis2=2) - 1) / 2)
    np.testing.assert_allclose(angle, 2 * np.pi / 30, atol=1e-5)


def test_the_object_looks_different_from_all_sides_and_from_its_mirror_image():
    world = load_world("rotating_object", {"group": "O"})
    seen = world.frames(world.group.space)
    apart = np.abs(seen[:, None].astype(int) - seen).max(axis=(2, 3, 4))
    assert (apart + 255 * np.eye(24) > 60).all()
    # Of a mirrored object the sides that the eye can see are in another order.
    mirrored = world.frames(world.group.space @ np.diag([-1.0, 1.0, 1.0]))
    assert np.abs(seen[:, None].astype(int) - mirrored).max(axis=(2, 3, 4)).min() > 60


def test_the_arm_moves_as_the_task_and_is_seen_a_step_ago_and_now():
    world, task = load_world("reacher_pixels", {"view": "top"}), Reacher()
    rng = np.random.default_rng(8)
    states, actions = world.initial(rng, 20), world.random_actions(rng, 20, ("elbow_positive",))
    assert (actions[:, 1] >= 0).all() and (actions[:, 0] < 0).any()
    reached = world.step(states, actions)
    assert np.array_equal(reached[:, 0], states[:, 1])
    now = NumbaDynamics(task).next_state(states[:, 1], actions)
    assert np.array_equal(reached[:, 1], now)
    frames = world.frames(reached)
    assert np.array_equal(frames[:, :3], world.frames(states)[:, 3:])
    for state, frame in zip(reached[:, 1], frames, strict=True):  # a pixel is 19 mm
        place = np.array([31.5, 31.5]) + 64 / 1.2 * np.array([-1, 1]) * task.tip(state)[::-1]
        row, column = np.clip(np.rint(place).astype(int), 0, 63)
        assert frame[3, row, column] > 150 and frame[5, row, column] < 60  # orange


def test_a_tilted_eye_sees_the_tip_where_its_projection_is():
    world, task = load_world("reacher_pixels"), Reacher()
    states = world.initial(np.random.default_rng(9), 20)
    for state, frame in zip(states[:, 1], world.frames(states), strict=True):
        x, y, z = reacher_pixels.EYE.seen(np.append(task.tip(state), 0.0))
        column, row = 64 * (0.5 + reacher_pixels.EYE.focal * np.array([x, -y]) / z)
        assert frame[3, int(row), int(column)] > 150


def test_vehicles_move_relative_to_their_heading():
    world = load_world("rush_hour", {"group": "D4"})
    states = np.array([[[2, 2, 1], [0, 0, 0], [4, 4, 0], [0, 4, 0], [4, 0, 0]]], np.int8)  # up
    for move, (x, y) in {
        "forward": (2, 3),
        "left": (1, 2),
        "back": (2, 1),
        "right": (3, 2),
    }.items():
        action = np.zeros((1, 20), np.float32)
        action[0, world.action_words.index(move)] = 1.0
        assert world.step(states, action)[0, 0].tolist() == [x, y, 1]
    left, right = np.eye(20, dtype=np.float32)[[1, 3]]
    mirror = world.group.element_names.index("s")
    assert np.array_equal(world.act_action(mirror, left), right)
    assert np.array_equal(world.act_action(1, left), left)


def test_the_heightmap_is_the_plants_and_chance_pushes_the_box():
    world, plant = load_world("push_pixels"), Plant(Push())
    data = transitions(world, np.random.default_rng(10), 200, 10)
    moved = np.abs(data.states[:, -1, 2:5] - data.states[:, 0, 2:5]).max(axis=1) > 0.002
    assert moved.mean() > 0.3
    some = data.states[:20, 5]
    for state, image, frame in zip(some, world.heightmaps(some), world.frames(some), strict=True):
        plant.reset(state)
        seen = Heightmap(plant, world.view).image()
        np.testing.assert_allclose(image, seen, atol=1e-6)
        assert frame.max() < 255


def test_the_world_of_the_documents_runs():
    page = code_blocks.blocks(code_blocks.ROOT / "docs" / "world_models.md")
    (block,) = [b for b in page if b.language == "python" and "pixel_worlds" in b.text]
    exec(block.text, {})
