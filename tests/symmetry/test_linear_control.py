"""Linear theory: slopes, steerable bases, Riccati solutions and gains go with the group."""

import code_blocks
import numpy as np
import pytest

from covary.benchmarks.problems.ball_in_space import BALL, field
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import GroupError, dihedral, o3, octahedral
from covary.symmetry.linear_control.linearised import (
    LinearError,
    Linearised,
    departures,
    linearised,
)
from covary.symmetry.linear_control.riccati import finite_horizon, regulator
from covary.symmetry.linear_control.stabiliser import aligning, stabiliser
from covary.symmetry.linear_control.steerable import bases, brought_back, commuting, fit
from covary.symmetry.motion import drawn, under
from covary.symmetry.part import Pseudoscalar, Scalar, Vector


@pytest.mark.parametrize("word, free", [("SO3", (12, 6)), ("O3", (8, 4))])
def test_a_point_mass_in_space_has_12_free_numbers_under_so3_and_8_under_o3(word, free):
    p = np.array([0.3, -0.5, 0.9])
    assert bases(under(BALL, stabiliser(word, p))).free == free
    assert bases(under(BALL, [])).free == (36, 18)
    along = [p, 2.0 * p, np.zeros(3)]  # a velocity along the place changes nothing
    assert bases(under(BALL, stabiliser(word, along))).free == free
    apart = [p, np.array([1.0, 0.0, 0.0])]  # one across it leaves the mirror at most
    assert bases(under(BALL, stabiliser(word, apart))).free == {
        "SO3": (36, 18), "O3": (20, 10)}[word]  # fmt: skip
    assert bases(under(BALL, stabiliser(word, np.zeros((0, 3))))).free == (4, 2)


def test_counts_in_the_plane():
    puck = Symmetry(dihedral(4), {"p": Vector(), "v": Vector()}, {"force": Vector()})
    x = np.array([[1.0, 2.0, 0.0]])
    assert bases(under(puck, stabiliser("SO2", x))).free == (16, 8)  # nothing turns it into itself
    assert bases(under(puck, stabiliser("O2", x))).free == (8, 4)
    assert bases(under(puck, stabiliser("SO2", np.zeros((0, 3))))).free == (8, 4)  # a + b turned
    assert bases(under(puck, stabiliser("O2", np.zeros((0, 3))))).free == (4, 2)


def test_the_basis_of_a_finite_group_is_what_averaging_leaves():
    for group in (octahedral(full=True), o3()):
        acting = Symmetry(group, BALL.state, BALL.action)
        x = np.array([0.0, 0.0, 0.7, 0.0, 0.0, -0.2])  # on an axis of both
        kept = acting.stabiliser(state=x, action=np.zeros(3))
        assert len(kept) > 1
        found = bases(acting, kept)
        rho, rho_action = acting.affine("state")[0], acting.orbit("action")
        for basis, right in ((found.A, rho), (found.B, rho_action)):
            any_one = np.random.default_rng(0).normal(size=basis.shape[1:])
            mean = np.mean([rho[h] @ any_one @ right[h].T for h in kept], axis=0)
            flat = basis.reshape(len(basis), -1)
            np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-12)
            np.testing.assert_allclose(flat.T @ (flat @ any_one.ravel()), mean.ravel(), atol=1e-9)
    # A half turn and two mirrors know the axis as well as O(2) does, but not that x is like y.
    assert bases(acting, kept).free == (12, 6)
    assert commuting(rho[:1], rho_action[:1]).shape == (18, 6, 3)


@pytest.mark.parametrize("word, swirl", [("SO3", 0.7), ("O3", 0.0)])
def test_slopes_lie_in_the_basis_and_go_with_the_group(word, swirl):
    rng = np.random.default_rng(1)
    p = rng.normal(size=3)
    x, u = np.append(p, np.zeros(3)), np.zeros(3)
    here = linearised(field(swirl), x, u)
    allowed = bases(under(BALL, stabiliser(word, p)))
    for basis, slopes in ((allowed.A, here.A), (allowed.B, here.B)):
        flat = basis.reshape(len(basis), -1)
        np.testing.assert_allclose(flat.T @ (flat @ slopes.ravel()), slopes.ravel(), atol=1e-8)
    acting = under(BALL, [drawn(word, rng) for _ in range(8)])
    assert departures(field(swirl), acting, x, u).max() < 1e-8
    if word == "SO3":  # what has a swirl does not go with mirrors
        mirrored = under(BALL, [m for m in (drawn("O3", rng) for _ in range(8))
                                if np.linalg.det(m.space) < 0])  # fmt: skip
        assert departures(field(swirl), mirrored, x, u)[1:].min() > 0.01


def test_few_samples_are_enough_for_a_steerable_fit():
    rng = np.random.default_rng(2)
    step, p = field(0.7), np.array([0.0, 0.0, 0.8])
    base = np.append(p, np.zeros(3))
    truth = linearised(step, base, np.zeros(3))
    motions = [drawn("SO3", rng) for _ in range(20)]
    acting = under(BALL, motions)
    deviation, action = 0.05 * rng.normal(size=(20, 6)), 0.05 * rng.normal(size=(20, 3))
    at = np.stack([acting.act(i + 1, state=base) for i in range(20)])
    to = step(at + deviation, action) - step(at, 0.0 * action) + 0.005 * rng.normal(size=(20, 6))
    back = brought_back(acting, range(1, 21), deviation, action, to)
    allowed = bases(under(BALL, stabiliser("SO3", p)))
    errors = [np.linalg.norm(fit(*back, b).A - truth.A) for b in (None, allowed)]
    assert errors[1] < 0.6 * errors[0]
    clean = fit(*back[:2], back[0] @ truth.A.T + back[1] @ truth.B.T, allowed)
    assert clean.apart(truth) < 1e-7


def test_aligning_and_what_cannot_be_aligned():
    rng = np.random.default_rng(3)
    for word in ("SO3", "O3", "SO2", "O2"):
        for _ in range(20):
            a = rng.normal(size=3)
            b = rng.normal(size=3)
            if word.endswith("2"):
                b = np.append(b[:2] / np.linalg.norm(b[:2]) * np.linalg.norm(a[:2]), a[2])
            else:
                b *= np.linalg.norm(a) / np.linalg.norm(b)
            for end in (b, a, np.append(-a[:2], a[2] if word.endswith("2") else -a[2])):
                motion = aligning(word, a, end)
                np.testing.assert_allclose(motion.space @ a, end, atol=1e-9)
                np.testing.assert_allclose(motion.space @ motion.space.T, np.eye(3), atol=1e-12)
                assert np.linalg.det(motion.space) > 0
    for word, end in (("SO3", [2.0, 0.0, 0.0]), ("SO2", [0.0, 0.0, 1.0])):
        with pytest.raises(GroupError, match="sends"):
            aligning(word, np.array([1.0, 0.0, 0.0]), np.array(end))
    with pytest.raises(GroupError, match="'SE3' is none of .*did you mean SO3"):
        stabiliser("SE3", np.zeros((0, 3)))


TASKS = [
    ("point_masses", {"balls": 2, "group": "Oh"}),
    ("point_masses", {"balls": 1, "group": "Ih"}),
    ("drone", {}),
    ("reacher", {}),
]


@pytest.mark.parametrize("name, options", TASKS, ids=[f"{n}-{o.get('group')}" for n, o in TASKS])
def test_the_slopes_of_our_tasks_go_with_their_groups(name, options):
    task = load_task(name, options)
    rng = np.random.default_rng(4)
    step = NumbaDynamics(task).next_state
    for _ in range(3):
        x = task.initial_state(rng)
        x = step(x, 0.3 * rng.normal(size=len(task.action_names)))  # not at rest
        u = 0.3 * rng.normal(size=len(task.action_names))
        assert departures(step, task.symmetry, x, u).max() < 1e-8


# Riccati and LQR.

WHERE = [("point_masses", {"balls": 2, "group": "Ih"}, 12), ("reacher", {}, 4)]


@pytest.mark.parametrize("name, options, moving", WHERE, ids=[w[0] for w in WHERE])
def test_solutions_and_gains_go_with_the_group(name, options, moving):
    task = load_task(name, options)
    rng, rows = np.random.default_rng(5), slice(0, moving)  # no action moves a goal
    step = NumbaDynamics(task).next_state
    x, u = task.initial_state(rng), np.zeros(len(task.action_names))
    here = linearised(step, x, u, task.symmetry)
    whole, m = len(x), len(u)
    R = 0.1 * np.eye(m)
    endless = regulator(here.part(rows), np.eye(moving), R)
    ended = finite_horizon(here, np.eye(whole), R, 3.0 * np.eye(whole), 15)
    assert ended.P.shape == (16, whole, whole) and ended.K.shape == (15, m, whole)
    for g in task.symmetry.group.elements:
        there = here.moved(task.symmetry, g)
        for ours, theirs in (
            (endless.moved(task.symmetry, g, rows), regulator(there.part(rows), np.eye(moving), R)),
            (
                ended.moved(task.symmetry, g),
                finite_horizon(there, np.eye(whole), R, 3.0 * np.eye(whole), 15),
            ),
        ):
            np.testing.assert_allclose(ours.P, theirs.P, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(ours.K, theirs.K, rtol=1e-9, atol=1e-9)


def test_the_gain_regulates_and_a_long_horizon_ends_nowhere():
    rng = np.random.default_rng(6)
    model = Linearised(rng.normal(size=(4, 4)), rng.normal(size=(4, 2)))
    Q, R = np.eye(4), np.eye(2)
    endless = regulator(model, Q, R)
    assert np.abs(np.linalg.eigvals(model.A - model.B @ endless.K)).max() < 1.0
    ended = finite_horizon([model] * 200, Q, R, Q)
    np.testing.assert_allclose(ended.P[0], endless.P, rtol=1e-9)
    np.testing.assert_allclose(ended.K[0], endless.K, rtol=1e-7, atol=1e-9)
    x, cost = rng.normal(size=4), 0.0
    start = x
    for gain in ended.K:
        u = -gain @ x
        cost += x @ Q @ x + u @ R @ u
        x = model.A @ x + model.B @ u
    np.testing.assert_allclose(cost + x @ Q @ x, start @ ended.P[0] @ start, rtol=1e-9)


def test_the_gain_commutes_with_the_stabiliser():
    p = np.array([0.0, 0.0, 0.8])
    acting = under(BALL, stabiliser("SO3", p))
    model = linearised(field(0.7), np.append(p, np.zeros(3)), np.zeros(3))
    found = regulator(model, np.diag([1.0] * 3 + [0.2] * 3), np.eye(3))
    for g in acting.group.elements:
        np.testing.assert_allclose(found.moved(acting, g).K, found.K, atol=1e-7)


def test_what_does_not_fit_is_said_in_one_line():
    model = Linearised(np.eye(3), np.zeros((3, 1)))
    with pytest.raises(LinearError, match="no stabilising solution"):
        regulator(model, np.eye(3), np.eye(1))
    with pytest.raises(LinearError, match="do not fit together"):
        regulator(model, np.eye(2), np.eye(1))
    with pytest.raises(LinearError, match="at least one step"):
        finite_horizon(model, np.eye(3), np.eye(1), np.eye(3))
    with pytest.raises(LinearError, match="2 models for a horizon of 3"):
        finite_horizon([model] * 2, np.eye(3), np.eye(1), np.eye(3), 3)
    with pytest.raises(LinearError, match="do not fit together"):
        fit(np.zeros((4, 3)), np.zeros((5, 1)), np.zeros((4, 3)))
    with pytest.raises(LinearError, match="not finite"):
        fit(np.full((4, 3), np.nan), np.zeros((4, 1)), np.zeros((4, 3)))
    with pytest.raises(LinearError, match="are not of samples of 3 and 1"):
        fit(np.zeros((4, 3)), np.zeros((4, 1)), np.zeros((4, 3)), bases(under(BALL, [])))
    with pytest.raises(LinearError, match="2 elements for 4 samples"):
        brought_back(BALL, (0, 1), *np.zeros((3, 4, 6)))
    with pytest.raises(LinearError, match="answers .* to 8 states of 3"):
        linearised(lambda x, u: x[:, :2], np.zeros(3), np.zeros(1))
    with pytest.raises(LinearError, match="not finite"):
        linearised(lambda x, u: np.inf * x, np.ones(3), np.zeros(1))
    signs = Symmetry(dihedral(4), {"a": Pseudoscalar()}, {"u": Scalar()})
    assert bases(signs).free == (1, 0)  # what changes sign under mirrors, no scalar moves


def test_the_counts_of_the_documents(capsys):
    page = code_blocks.blocks(code_blocks.ROOT / "docs" / "world_models.md")
    (block,) = [b for b in page if b.language == "python" and "linear_control" in b.text]
    exec(block.text, {})
    assert capsys.readouterr().out.split("\n")[:3] == ["(36, 18)", "(12, 6)", "(8, 4)"]
