"""How fast an action in a ball may change so that it can still brake before the ball's end."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...sim.cache_folder import provide

provide()  # before Numba meets the first kernel

HALVINGS = 50
"""Of the way from braking at once to what is asked: then rounding alone is left."""


@njit(cache=True)
def beyond(now, rate, dt, braking, radius):
    """How far outside the ball braking straight from a rate would end. (d,), (d,) -> float"""
    squared = 0.0
    for j in range(len(rate)):
        squared += rate[j] * rate[j]
    reach = dt + math.sqrt(squared) / (2.0 * braking)
    squared = 0.0
    for j in range(len(rate)):
        end = now[j] + reach * rate[j]
        squared += end * end
    return math.sqrt(squared) - radius


@njit(cache=True)
def brake(now, rate, asked, dt, braking, radius):
    """Bring each row of `asked` as near to itself as one can still brake, in place.

    What is taken lies between braking at once, straight, and what was asked, so it keeps every
    convex limit that both keep. Nothing but lengths decides, so it goes with every rotation.

    Args:
        now: The action of each row, within the ball. (K, d)
        rate: How fast it changes. (K, d)
        asked: How fast it is to change in the next period. (K, d)
        dt: The period, s.
        braking: Largest change of the rate, per second.
        radius: Of the ball.
    """
    slow, tried = np.empty(now.shape[1]), np.empty(now.shape[1])
    for k in range(len(now)):
        if beyond(now[k], asked[k], dt, braking, radius) <= 0.0:
            continue
        squared = 0.0
        for j in range(len(slow)):
            squared += rate[k, j] * rate[k, j]
        speed = math.sqrt(squared)
        left = max(speed - dt * braking, 0.0) / max(speed, 1e-300)
        for j in range(len(slow)):
            slow[j] = left * rate[k, j]
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            for j in range(len(slow)):
                tried[j] = slow[j] + middle * (asked[k, j] - slow[j])
            if beyond(now[k], tried, dt, braking, radius) <= 0.0:
                low = middle
            else:
                high = middle
        for j in range(len(slow)):
            asked[k, j] = slow[j] + low * (asked[k, j] - slow[j])
