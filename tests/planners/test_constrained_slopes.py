"""iLQR, MPPI polished by it and Tube-MPPI keep constraints on the state, and stay exact."""

import numpy as np
import posted_mass
import pytest
from posted_mass import START, Posted, PostedDynamics, away, planner, run

from covary.planners.ilqr import ILQR
from covary.planners.mppi import MPPI

NEAR = np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])  # on its way into the post
COMMON = {"temperature": 0.3}


def ilqr(task=None, **more):
    return ILQR(PostedDynamics(task or Posted()), horizon=20, **more)


def deepest(one, seed=0):
    """How far inside the post a run gets, m, and how far from the goal it ends."""
    states, _ = run(one, seed=seed)
    return float(one.task.constraint(states).max()), float(np.linalg.norm(states[-1, :2]))


def kicked(one, seed, kick=0.1, steps=50):
    """As `deepest`, kicked in each period; and how many plans began from a state that is not so."""
    rng, x, memory, held = np.random.default_rng(seed), START, one.initial_memory(seed), 0
    inside = []
    for k in range(steps):
        plan, memory = one.plan(x, k * one.task.dt, memory)
        held += not np.array_equal(getattr(memory, "nominal", x), x)
        x = one.dynamics.next_state(x, plan.actions[0])
        x[2:4] += kick * rng.standard_normal(2)
        inside.append(float(one.task.constraint(x).max()))
    return max(inside), float(np.linalg.norm(x[:2])), held


def test_ilqr_goes_round_the_post_that_it_goes_through_without():
    through, _ = deepest(ilqr(constraints="off"))
    inside, distance = deepest(ilqr())
    assert through > 0.1 and inside < 0.005 and distance < 0.05


def test_a_polish_keeps_what_the_samples_keep():
    """Plain MPPI breaks it; polished without it, the way is the straight one through the middle."""
    through, _ = deepest(planner("mppi", constraints="off", **COMMON))
    straight, _ = deepest(planner("mppi_ilqr", constraints="off", samples=32, **COMMON))
    inside, distance = deepest(planner("mppi_ilqr", samples=32, **COMMON))
    assert min(through, straight) > 0.1 and inside < 0.005 and distance < 0.05


@pytest.mark.parametrize(
    ("kind", "most", "seeds"),
    [("barrier", 0.0, (0,)), *(pytest.param(k, m, range(1, 4), marks=pytest.mark.slow)
                               for k, m in (("barrier", 0.0), ("lagrangian", 0.05)))],
)  # fmt: skip
def test_a_tube_keeps_it_while_it_is_disturbed(kind, most, seeds):
    for seed in seeds:
        plain, _, _ = kicked(planner("mppi", constraints="off", **COMMON), seed)
        inside, distance, held = kicked(planner("tube_mppi", constraints=kind, **COMMON), seed)
        assert plain > 0.1 and inside < most and distance < 0.3
        assert held > 10  # the feedback was at work


def test_a_tube_learns_from_the_corrected_plan_where_that_breaks_more():
    one = planner("tube_mppi", **COMMON)
    x, memory = np.array([1.6, 0.3, -2.0, 0.0, 1.0, 0.05]), one.initial_memory(0)
    plan, memory = one.plan(x, 0.0, memory)
    x = one.dynamics.next_state(x, plan.actions[0]) - [0.0, 0.0, 0.0, 0.3, 0.0, 0.0]  # at the post
    _, after = one.plan(x, 0.1, memory)
    assert not np.array_equal(after.nominal, x)
    _, alone = MPPI.plan(one, after.nominal, 0.1, memory)
    more = after.multipliers - alone.multipliers
    assert more.min() == 0.0 and more.max() > 0.1


def test_slopes_of_the_price_are_those_of_the_price():
    one, rng = ilqr(), np.random.default_rng(0)
    states = np.tile(NEAR, (4, 1)) + 0.1 * rng.standard_normal((4, 6))
    states[:, :2] = states[:, 4:] + [[0.1, 0.1], [0.2, -0.1], [0.4, 0.1], [0.1, 0.0]]
    multipliers = np.array([[1.0], [0.0], [0.0], [50.0]])

    def price(states):
        return one.constraints.price(NEAR, states[None, None], multipliers)[0, 0]

    slopes = one.descent.derivatives.broken(states)
    slope, bend = one.constraints.bent(states, slopes, multipliers)
    for at in np.ndindex(*states.shape):
        step = np.zeros_like(states)
        step[at] = 1e-6
        found = (price(states + step) - price(states - step)) / 2e-6
        assert slope[at] == pytest.approx(found, abs=1e-5)
    np.testing.assert_array_equal(np.nonzero(slope.any(axis=1))[0], [0, 1, 3])  # 2 is outside
    assert np.linalg.eigvalsh(bend).min() > -1e-9


def test_ilqr_is_exact_with_it():
    one = ilqr()
    assert away(one, NEAR) < 1e-7
    plan, memory = one.plan(NEAR, 0.0, one.initial_memory(3))
    assert memory.multipliers.max() > 0.0
    assert np.linalg.norm(plan.actions, axis=1).max() > 3.0 - 1e-9  # it saturates


class Oval(Posted):
    """The post is wider in one direction."""

    def constraint(self, x):
        apart = np.hypot(x[..., 0] - x[..., 4], 2.0 * (x[..., 1] - x[..., 5]))
        return (posted_mass.RADIUS - apart)[..., None]


def test_a_constraint_that_the_group_changes_is_caught():
    """The control of the laws here."""
    assert away(ilqr(Oval()), NEAR) > 1e-3


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mppi_ilqr", "lagrangian"), ("tube_mppi", "lagrangian"), ("tube_mppi", "barrier")],
)
def test_with_samples_it_is_exact_too(name, kind):
    """Saturating actions, warm starts, weights that many samples share, and a state disturbed."""
    one = planner(name, constraints=kind, noise=3.0, iterations=2, samples=64, temperature=30.0)
    s, x, memory, held = one.symmetry, NEAR.copy(), one.initial_memory(3), 0
    moved = {g: memory.act(s, g) for g in s.group.elements}
    for k in range(3):
        plan, memory = one.plan(x, 0.1 * k, memory)
        held += not np.array_equal(getattr(memory, "nominal", x), x)
        assert kind == "barrier" or memory.multipliers.max() > 0.0  # it was at work
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), 0.1 * k, moved[g])
            apart = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            assert apart < (1e-7 if name == "mppi_ilqr" else 1e-9)
        x = one.dynamics.next_state(x, plan.actions[0])
        x[2:4] += [-0.1, -0.3]
    assert one.figures().effective_samples > 5 and (held > 0 or name == "mppi_ilqr")
    assert np.mean(np.linalg.norm(one.samples.actions, axis=-1) > 3.0 - 1e-9) > 0.2


@pytest.mark.parametrize("build", [ilqr, lambda **more: planner("mppi_ilqr", **more)])
def test_a_barrier_is_refused_where_steps_follow_slopes(build):
    with pytest.raises(ValueError, match="constraints: iLQR keeps none by a barrier"):
        build(constraints="barrier")
