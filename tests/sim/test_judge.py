"""Judging episodes: success has to hold for a span of time, and time runs out."""

import numpy as np
import pytest

from covary.sim.judge import Judge
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
START = TASK.initial_state(np.random.default_rng(0))
GOOD = START.copy()
GOOD[:2] = GOOD[4:6]
GOOD[2:4] = 0.0
U = np.zeros(2)


def test_success_must_hold():
    assert bool(TASK.success(GOOD)) and not bool(TASK.success(START))
    judge = Judge(TASK)
    spans = round(TASK.hold / TASK.dt)
    verdicts = [judge.period(GOOD, U, TASK.dt * k) for k in range(spans)]
    assert verdicts == [None] * spans
    assert judge.period(START, U, 1.0) is None  # it slipped away, and begins anew
    verdicts = [judge.period(GOOD, U, 1.0) for _ in range(spans + 1)]
    assert verdicts == [None] * spans + [True]


def test_time_runs_out_and_costs_add_up():
    judge = Judge(TASK)
    assert judge.period(START, U, TASK.time_limit - TASK.dt) is None
    assert judge.period(START, U, TASK.time_limit) is False
    assert judge.cost == pytest.approx(2 * float(TASK.running_cost(START, U)))
