"""Demonstrated and widened starts: in their regions, clear of each other, and known by name."""

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.nodes.plugin import PluginError
from covary.sim.load_task import load_task
from covary.sim.starts import AROUND
from covary.sim.tabletop.squares import gap
from covary.sim.tasks.push import BOX, PUSHER
from covary.sim.tasks.push import gap as pusher_gap

FLOATING = {"robot": "floating_gripper"}


def starts(name, word, count=200, **options):
    task = load_task(name, {"starts": word, **options})
    return task, np.array([task.initial_state(np.random.default_rng([5, i])) for i in range(count)])


def within(poses, place, word):
    """Whether all are as near a place as a word says, and somewhere nearly that far."""
    away, turned = AROUND[word]
    distance = np.hypot(*(poses[:, :2] - place[:2]).T)
    turn = np.abs(np.angle(np.exp(1j * (poses[:, 2] - place[2]))))
    return 0.8 * away < distance.max() <= away and 0.8 * turned < turn.max() <= turned


@pytest.mark.parametrize("word", ["demonstrated", "widened"])
def test_push_starts_where_its_docstring_says(word):
    _, x = starts("push", word)
    assert within(x[:, 2:5], BOX, word) and not x[:, 5:].any()
    clear = [pusher_gap(*(s[0:2] - s[2:4]), np.cos(s[4]), np.sin(s[4])) for s in x]
    assert min(clear) >= 0.010
    if word == "demonstrated":
        assert np.hypot(*(x[:, :2] - PUSHER[:2]).T).max() <= AROUND[word][0]
    else:
        assert 0.35 < np.hypot(*x[:, :2].T).max() <= 0.40


@pytest.mark.parametrize("word", ["demonstrated", "widened"])
def test_block_push_starts_where_its_docstring_says(word):
    task, x = starts("block_push", word, **FLOATING)
    assert within(x[:, task.at["block"]], np.array([-0.13, 0.0, 0.0]), word)
    assert not x[:, task.at["goal"]].any()
    if word == "demonstrated":
        assert within(x[:, task.at["gripper"]], np.zeros(3), word)


@pytest.mark.parametrize("word", ["demonstrated", "widened"])
@pytest.mark.parametrize("name", ["block_pick", "block_stack", "drawer_open", "two_block_sort"])
def test_every_tabletop_task_has_them(name, word):
    task, x = starts(name, word, count=50, **FLOATING)
    poses, goal = task.centre()
    for thing, place in zip(task.things, poses, strict=True):
        here = x[:, task.at[thing.name]]
        away = np.hypot(*(here[:, :2] - place[:2]).T)
        assert away.max() <= AROUND[word][0] and np.hypot(*here[:, :2].T).max() <= task.places
    if len(task.things) == 2:
        first, second = (x[:, task.at[thing.name]] for thing in task.things)
        pairs = zip(first, second, strict=True)
        assert min(gap(*pair, 0.02, 0.02) for pair in pairs) > 0.02
    if task.goal:
        assert (x[:, task.at[task.goal]] == goal).all()
    assert not task.success(x).any()


def test_a_task_s_own_starts_are_what_they_were():
    for name, options in (("push", {}), ("block_push", FLOATING)):
        plain = load_task(name, options).initial_state(np.random.default_rng(3))
        np.testing.assert_array_equal(starts(name, "own", 1, **options)[0].starts, "own")
        own = load_task(name, {"starts": "own", **options})
        np.testing.assert_array_equal(own.initial_state(np.random.default_rng(3)), plain)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("push", {"starts": "near"}, "starts: 'near' is none of own, demonstrated, widened"),
        ("block_pick", {"starts": "Own"}, "starts: 'Own' is none of own, demonstrated, widened"),
        ("reacher", {"starts": "widened"}, "takes no option 'starts'"),
    ],
)
def test_starts_that_do_not_exist(name, options, said):
    with pytest.raises((PluginError, ParameterError), match=said):
        load_task(name, options)
