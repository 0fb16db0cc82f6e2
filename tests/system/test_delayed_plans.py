"""Plans that take effect late, in lockstep: a planner that knows of the delay does better."""

import pytest
from launches import launch

DELAY_MS = 200


@pytest.mark.slow
@pytest.mark.parametrize("name", ["push", "reach"])
def test_it_is_cheaper_to_know_of_the_delay(tmp_path, name):
    costs = []
    for known in (0, DELAY_MS):
        run = launch(
            *(tmp_path / str(known), name, "--lockstep", "episodes:=6", "record:=false"),
            *(f"plan_delay_ms:={DELAY_MS}", f"planner_options:={{delay_ms: {known}}}"),
            here=True,
        )
        costs.append(run.summary["cost"]["mean"])
    assert run.summary["success_rate"] == 1.0
    assert costs[1] < costs[0]
