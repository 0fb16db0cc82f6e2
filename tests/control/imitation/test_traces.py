"""Backwards models and their traces: the law, what the spreads are, true transitions, filters."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from covary.control.imitation.backwards_model import BackwardsModel, Draws  # noqa: E402
from covary.control.imitation.forward_model import ForwardModel  # noqa: E402
from covary.control.imitation.traces import consistent, grow, steps_at, within  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.seen import seen  # noqa: E402

torch.set_num_threads(1)
REACH = 0.02
"""What one action of size 1 moves the toy's state by."""


def toy(task, rows, rng):
    """Transitions of push in which the pusher alone moves, by what it is told."""
    state = np.array([task.initial_state(rng) for _ in range(rows)])
    action = task.limits.project(rng.normal(scale=0.15, size=(rows, 2)))
    after = state.copy()
    after[:, :2] += REACH / 0.25 * action
    return state, action, after


def fitted(model, task, transitions, updates):
    model.fit_normaliser(transitions[0], transitions[2])
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    rng = np.random.default_rng(3)
    for _ in range(updates):
        rows = rng.integers(len(transitions[0]), size=128)
        optimizer.zero_grad(set_to_none=True)
        model.loss(*(array[rows] for array in transitions)).backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def push():
    return load_task("push", {})


@pytest.fixture(scope="module")
def models(push):
    """A backwards and a forward model of the toy, exactly equivariant."""
    torch.manual_seed(0)
    s = seen(push, push.state_names)
    transitions = toy(push, 600, np.random.default_rng(0))
    pair = (
        BackwardsModel(s, s.restrict("full"), "exact", 64, 2),
        ForwardModel(s, s.restrict("full"), "exact", 64, 2),
    )
    return [fitted(model, push, transitions, 300) for model in pair], transitions


@pytest.mark.parametrize("trained", [False, True])
def test_the_model_is_equivariant_before_and_after_training(push, models, trained):
    s = seen(push, push.state_names)
    symmetry = s.restrict("full")
    (model, _), (state, action, after) = models
    if not trained:
        model = BackwardsModel(s, symmetry, "exact", 64, 2)
        model.fit_normaliser(state, after)
    with torch.no_grad():
        expected = model.loss(state[:50], action[:50], after[:50]).item()
        for g in symmetry.group.elements:
            moved = (symmetry.act(g, state=x[:50]) for x in (state, after))
            before, then = moved
            found = model.loss(before, symmetry.act(g, action=action[:50]), then).item()
            assert abs(found - expected) <= 1e-5 * (1.0 + abs(expected)), g


def test_traces_are_transitions_of_the_world(push, models):
    (model, forward), (state, _, _) = models
    rng = np.random.default_rng(1)
    draws = Draws("deviation", 1.0)
    traces = grow([model], state[:100], 5, rng, push.limits, draws)
    assert len(traces) == 500 and traces.refused == 0
    assert np.linalg.norm(traces.action, axis=1).max() <= 0.25 + 1e-9
    led = traces.state.copy()
    led[:, :2] += REACH / 0.25 * traces.action
    off = push.symmetry.difference("state", led, traces.next_state)
    assert np.sqrt(np.mean(off[:, :2] ** 2)) < 0.2 * REACH
    assert np.abs(off[:, 2:]).max() < 1e-4
    # Each trace leads, step by step, to the state that it grew from.
    for step in range(1, 5):
        now, nearer = traces.step == step + 1, traces.step == step
        assert np.array_equal(traces.next_state[now], traces.state[nearer])
        assert np.array_equal(traces.source[now], traces.source[nearer])
    assert np.array_equal(traces.next_state[traces.step == 1], state[:100])
    again = grow(
        [model], state[:100], 5, np.random.default_rng(1), push.limits, Draws("deviation", 1.0)
    )
    assert np.array_equal(again.state, traces.state)


def test_the_published_spread_takes_a_variance_for_a_deviation(push, models):
    (model, _), (_, _, after) = models
    widths, rng = {}, np.random.default_rng(0)
    with torch.no_grad():
        log = model.action(model.feature(after[:200]))[1].numpy()
        mean = model.action(model.feature(after[:200]))[0].numpy()
    for spread in ("published", "deviation"):
        draws = [
            model.step(after[:200], rng.standard_normal((200, 2)), rng, Draws(spread, 0.5))[1]
            / model.reach.numpy()
            for _ in range(60)
        ]
        widths[spread] = np.std(np.array(draws) - mean, axis=0)
    expected = {"published": 0.5 * -log * np.exp(log), "deviation": 0.5 * np.exp(0.5 * log)}
    for spread, width in widths.items():
        assert np.median(width / np.maximum(expected[spread], 1e-12)) == pytest.approx(1.0, abs=0.1)


def test_what_a_filter_does_not_believe_ends_the_trace(push, models):
    (model, forward), (state, _, after) = models
    rng = np.random.default_rng(2)
    s = seen(push, push.state_names)
    low, high = np.full(8, -np.inf), np.full(8, np.inf)
    low[0] = 0.0  # the pusher's x
    ends = after[:200]
    boxed = grow([model], ends, 4, rng, push.limits, Draws("deviation", 3.0), [within(low, high)])
    assert (boxed.state[:, 0] >= 0.0).all() and boxed.refused > 0
    ended = set(range(200)) - set(boxed.source[boxed.step == 1].tolist())
    assert not ended & set(boxed.source[boxed.step > 1].tolist())
    rule = consistent(forward.next_state, s.symmetry, model.scale.numpy(), 0.02)
    strict = grow([model], ends, 4, rng, push.limits, Draws("deviation", 3.0), [rule])
    assert 0 < strict.refused and len(strict) < 800
    assert rule(strict.state, strict.action, strict.next_state).all()


def test_traces_grow_longer_as_training_goes_on():
    lengths = [steps_at(k / 8, 1, 10, 0.125) for k in range(9)]
    assert lengths[:2] == [1, 1] and lengths[-1] == 10 and lengths == sorted(lengths)
    assert steps_at(0.5, 4, 4) == 4


def test_an_ensemble_shares_the_traces(push, models):
    (model, _), (state, _, _) = models
    other = BackwardsModel(model.seen, model.seen.restrict("full"), "exact", 64, 2)
    other.fit_normaliser(state, state + 0.01)
    both = grow([model, other], state[:60], 1, np.random.default_rng(0), push.limits)
    assert len(both) == 60
