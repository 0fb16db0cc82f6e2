"""Judging episodes: success has to hold for a span of time, and time runs out."""

import numpy as np
import pytest

from covary.sim.judge import Judge
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
PLANT = TASK.plant()
START = TASK.initial_state(np.random.default_rng(0))
GOOD = START.copy()
GOOD[:2] = GOOD[4:6]
GOOD[2:4] = 0.0
U = np.zeros(2)


def judged(judge, x, elapsed):
    """The verdict on a period that ended in a state."""
    PLANT.reset(x)
    return judge.period(U, elapsed)


def test_success_must_hold():
    assert bool(TASK.success(GOOD)) and not bool(TASK.success(START))
    judge = Judge(PLANT)
    spans = round(TASK.hold / TASK.dt)
    verdicts = [judged(judge, GOOD, TASK.dt * k) for k in range(spans)]
    assert verdicts == [None] * spans
    assert judged(judge, START, 1.0) is None  # it slipped away, and begins anew
    verdicts = [judged(judge, GOOD, 1.0) for _ in range(spans + 1)]
    assert verdicts == [None] * spans + [True]


def test_time_runs_out_and_costs_add_up():
    judge = Judge(PLANT)
    assert judged(judge, START, TASK.time_limit - TASK.dt) is None
    assert judged(judge, START, TASK.time_limit) is False
    assert judge.cost == pytest.approx(2 * float(TASK.running_cost(START, U)))


def test_a_world_that_is_over_ends_the_episode():
    class Fallen(type(PLANT)):
        over = True

    plant = Fallen(TASK)
    plant.reset(START)
    assert Judge(plant).period(U, TASK.dt) is False
