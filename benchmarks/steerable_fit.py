"""How far from the truth a fitted linear model is, by samples and by what it is held to, as JSON.

A ball in space in a field about the origin, its slopes wanted at points 0.8 m from it. A sample is
taken near such a point anywhere on that sphere; state and action deviate by 0.05, the next state is
told with noise of 0.005 (all standard deviations of normal draws). Errors are Frobenius norms of
A's, over the norm of the true A, mean of the draws with a bootstrap interval of 95 %.

`one matrix` fits one for all points in the world's axes. The others turn samples to one point
first (`brought_back`): `any matrix` of 36 numbers, `SO3` of 12, `O3` of 8. The field with a swirl
knows no mirrors: held to O(3) it cannot be fitted, which the row shows.
"""

import json
import os
import sys

import numpy as np

from covary.benchmarks.problems.ball_in_space import BALL, field
from covary.symmetry.linear_control.linearised import linearised
from covary.symmetry.linear_control.stabiliser import stabiliser
from covary.symmetry.linear_control.steerable import bases, brought_back, fit
from covary.symmetry.motion import drawn, under

DRAWS = 20 if "--quick" in sys.argv else 300
COUNTS = (5, 10, 20, 50, 200)
SPREAD, NOISE = 0.05, 0.005
POINT = np.array([0.0, 0.0, 0.8])


def errors(swirl: float, count: int) -> dict[str, list[float]]:
    """Of each draw, for each way to fit."""
    step, base = field(swirl), np.append(POINT, np.zeros(3))
    truth = linearised(step, base, np.zeros(3))
    allowed = {
        "any matrix": None,
        **{word: bases(under(BALL, stabiliser(word, POINT))) for word in ("SO3", "O3")},
    }
    found: dict[str, list[float]] = {way: [] for way in ("one matrix", *allowed)}
    for draw in range(DRAWS):
        rng = np.random.default_rng([draw, count])
        acting = under(BALL, [drawn("SO3", rng) for _ in range(count)])
        at = np.stack([acting.act(i + 1, state=base) for i in range(count)])
        s, a = SPREAD * rng.normal(size=(count, 6)), SPREAD * rng.normal(size=(count, 3))
        to = step(at + s, a) - step(at, np.zeros((count, 3)))
        to += NOISE * rng.normal(size=to.shape)
        back = brought_back(acting, range(1, count + 1), s, a, to)
        fitted = {way: fit(*back, which).A for way, which in allowed.items()}
        size = np.linalg.norm(truth.A)
        for way, A in fitted.items():
            found[way].append(float(np.linalg.norm(A - truth.A) / size))
        constant, there = fit(s, a, to), acting.affine("state")[0][1:]
        apart = [np.linalg.norm(constant.A - M @ truth.A @ M.T) for M in there]
        found["one matrix"].append(float(np.mean(apart) / size))
    return found


def main() -> None:
    """Print one JSON object."""
    rows, rng = [], np.random.default_rng(0)
    for name, swirl in (("no swirl", 0.0), ("swirl", 0.7)):
        for count in COUNTS:
            row: dict = {"field": name, "samples": count}
            for way, values in errors(swirl, count).items():
                array = np.array(values)
                means = array[rng.integers(len(array), size=(2000, len(array)))].mean(axis=1)
                interval = np.percentile(means, [2.5, 97.5]).round(4).tolist()
                row[way] = {"error": round(float(array.mean()), 4), "interval": interval}
            rows.append(row)
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "steerable_fit", "load": load, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
