"""The kernel of a whole plan: warm start, noise, rollouts, weights and update, without a stop.

A template for `sim.fused_kernels`, which puts a task's step and cost beside it. Samples stand in
tiles: for each element of the group the draws, then where they come in pairs their opposites. The
lanes of a tile that is not full cost infinitely much. The noise is never written down: a tile makes
its own from the draws, and the mean is moved by sums over these.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ...sim import fused_kernels
from ...sim.task import Task
from ..loop import normals
from . import fused_steps

REALS = (
    *("pool", "orbit", "std", "weight", "factors", "z", "totals", "shares"),
    *("actions", "parts", "costs", "weights", "mean", "mixing", "white"),
)
"""Arrays in the kernel's precision, as `fused_steps` tells of them; the
spline's weights (H, taps), the mean (H, m)."""
DOUBLES = ("parameters", "limits", "temperature", "to_steps", "rest", "sums", "tail")
"""Arrays in float64; the last as of `Drawn`."""
WHOLES = ("sizes", "knot", "projected", "room")
"""Whole numbers: as `fused_steps` names them; the spline's knots (H, taps), room for words."""

ALIGNED = 16
"""Each array begins at a multiple of so many numbers, which is where vectors begin."""

_PLAN = '''
# {digest}
from {steps} import DRAWN, ELEMENTS, HALF, MOST, OPPOSITE, ROWS, TILES
from {steps} import conclude, drawn, filled, gathered, project, signed, warm

KEPT, TAPS = {kept}, {taps}


@inlined
def settle(s, here, costs, best):
    for k in range(LANES):  # blown up: the worst, never NaN
        cost = get(s[{cost}], k)
        write(costs, k, cost if -np.inf < cost < np.inf else real(np.inf))
    for k in range(here, LANES):
        write(costs, k, real(np.inf))
    for k in range(LANES):
        put(best, k, min(get(best, k), read(costs, k)))


@inlined
def heavier(draw, numbers, sizes, tail):
    most, rows = read(sizes, MOST), read(sizes, ROWS)
    for row in range(rows):
        into = after(draw, row * most)
        of = after(numbers, (read(sizes, DRAWN) - rows // WIDTH + row // WIDTH) * most)
        for k in range(most):
            write(into, k, read(into, k) * exponential(tail * read(of, k) - tail * tail))


@ordered
def lowest_of(best):
    lowest = get(best, 0)
    for k in range(LANES):
        lowest = min(lowest, get(best, k))
    return lowest


@summed
def weigh(costs, count, lowest, temperature, weights):
    total, scale = real(0.0), real(min(max(1.0 / temperature, 1e-30), 1e30))  # never 0 inf
    for k in range(count):
        weight = exponential((lowest - read(costs, k)) * scale)
        write(weights, k, weight)
        total += weight
    return total


@kernel
def improve(
    x0, first, rounds, out, steps, seed, draws, last, moving, reals, doubles, wholes
):
    """Iterations of a plan.

    Args:
        x0: The state. (n,)
        first: Number of the first iteration; the warm start belongs to iteration 0.
        rounds: How many.
        out: Filled: mean, what is planned, what was sent before that. (2 H + 2, m)
        steps: Control periods since the last plan; negative: there was none.
        seed: Key of the draws.
        draws: How many plans were drawn.
        last: The `out` of the last plan. (2 H + 2, m)
        moving: As of `warm`.
        reals: REALS, one behind another.
        doubles: DOUBLES.
        wholes: Where each of these and of WHOLES begins, then WHOLES.

    Returns:
        The lowest cost of the last iteration; infinite: nothing is known, the mean stays. NaN: the
        state is not finite, or that far away in this precision; nothing was done.
    """
    for i in range(STATES):
        if not np.isfinite(real(x0[i])):
            return np.nan
{named}
    s, best = ({rows}), new_row(real(0.0), LANES)
    x, p = state_of(x0), model_of(parameters)
    low, high = limits_of(limits)
    horizon, elements = out.shape[0] // 2 - 1, read(sizes, ELEMENTS)
    if first == 0:
        warm(last, steps, moving, to_steps, rest, KEPT, sums, out)
    lowest = np.inf
    for iteration in range(first, first + rounds):
        for t in range(horizon):
            for j in range(WIDTH):
                write(mean, t * WIDTH + j, real(out[t, j]))
        if read(sizes, DRAWN):
            room, numbers = wholes[{room}].view(np.uint32), reals[{white}]
            draw = drawn(seed, draws, iteration, sizes, mixing, WIDTH, room, numbers, pool)
            if read(tail, 0) > 0.0:
                heavier(draw, white, sizes, real(read(tail, 0)))
        else:
            draw = signed(seed, draws, iteration, sizes, pool, std, factors)
        tile = 0
        for k in range(LANES):
            put(best, k, real(np.inf))
        for part in range(2 * elements):
            element, negative = part // 2, part % 2
            number = read(sizes, HALF) if negative == 0 else read(sizes, OPPOSITE)
            for begin in range(0, number, LANES):
                filled(element, negative, begin, sizes, orbit, factors, draw, WIDTH, LANES, z)
                start(x, s)
                for t in range(horizon):
{asking}
                    into = after(actions, (tile * horizon + t) * WIDTH * LANES)
                    for k in range(CHAIN):
{together}
                finish(x, p, s)
                settle(s, number - begin, after(costs, tile * LANES), best)
                tile += 1
        lowest = float(lowest_of(best))
        if lowest < np.inf:
            count, at = read(sizes, TILES) * LANES, read(temperature, 0)
            share = 1.0 / weigh(costs, count, real(lowest), at, weights)
            if not KEPT:
                gathered(
                    sizes, orbit, factors, draw, weights, share, WIDTH, LANES, shares, totals, sums
                )
            conclude(
                KEPT, sizes, actions, weights, share, parts, to_steps, sums, LANES, out
            )
        project(limits, sizes, projected, out)
        if not lowest < np.inf:
            break  # nothing to learn from: the shifted plan stands
    return lowest
'''


def plan_kernel(task: Task, precision: str, samples: int, taps: int, kept: bool) -> Any:
    """The kernel of a task's plans.

    Args:
        task: With kernels that can be translated.
        precision: float64 or float32.
        samples: Of a tile.
        taps: Of how many knots at most an action is made of.
        kept: Whether the actions of all samples are averaged, else their noise.

    Raises:
        NotFusableError: As `fused_kernels.source_of`.
    """
    kind = f"plan_{taps}_{'actions' if kept else 'noise'}"
    more = partial(_source, taps, kept)
    return fused_kernels.load_more(task, precision, samples, kind, more).improve


def packed(arrays: Mapping[str, Any], precision: str) -> tuple[np.ndarray, ...]:
    """What the kernel works on: its last three arguments.

    Args:
        arrays: Each of REALS, DOUBLES and WHOLES by its name.
        precision: Of REALS.
    """
    starts: list[int] = []
    packs = []
    for names, kind in ((REALS, precision), (DOUBLES, "float64"), (WHOLES, "int64")):
        at = len(REALS + DOUBLES + WHOLES) if names is WHOLES else 0
        places = []
        for name in names:
            at = -(-at // ALIGNED) * ALIGNED
            places.append(at)
            at += np.size(arrays[name])
        room = np.zeros(at + 2 * ALIGNED, kind)
        skipped = -room.ctypes.data // room.itemsize % ALIGNED
        packs.append(room[skipped : skipped + max(at, 1)])
        for name, place in zip(names, places, strict=True):
            packs[-1][place : place + np.size(arrays[name])] = np.ravel(arrays[name])
        starts += places
    packs[-1][: len(starts)] = starts
    return tuple(packs)


def place_of(name: str, packs: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """One of REALS where the kernel keeps it."""
    start = packs[-1][REALS.index(name)]
    return packs[0][start : start + int(np.prod(shape))].reshape(shape)


def _source(taps: int, kept: bool, tile: fused_kernels.Tile) -> str:
    """What stands behind the functions of a tile."""
    packs = (("reals", REALS), ("doubles", DOUBLES), ("wholes", WHOLES))
    places = [(pack, name) for pack, names in packs for name in names]
    named = [f"{name} = part_of({pack}, wholes[{i}])" for i, (pack, name) in enumerate(places)]
    width = range(tile.width)
    asking = [f"m{j} = read(mean, t * WIDTH + {j})" for j in width]
    for i in range(taps):
        asking += [f"w{i} = read(weight, t * TAPS + {i})"]
        asking += [f"a{i} = after(z, read(knot, t * TAPS + {i}) * WIDTH * LANES)"]
    together = []
    for c in range(fused_kernels.CHAINS):
        at = f"{c} * CHAIN + k"
        terms = [
            [f"m{j}", *(f"w{i} * noise_get(a{i}, {j} * LANES + {at})" for i in range(taps))]
            for j in width
        ]
        asked = ", ".join(" + ".join(sums) for sums in terms)
        together += [f"u{c} = within(({asked},), low, high)"]
    for c in range(fused_kernels.CHAINS):
        at = f"{c} * CHAIN + k"
        together += [f"write(into, {j} * LANES + {at}, u{c}[{j}])" for j in width if kept]
        together += [f"advance({at}, u{c}, x, p, s)"]
    return _PLAN.format(
        steps=fused_steps.__name__,
        digest=" ".join(fused_kernels.digest(module) for module in (fused_steps, normals)),
        room=f"wholes[{[name for _, name in places].index('room')}] :",
        white=f"wholes[{[name for _, name in places].index('white')}] :",
        kept=kept,
        taps=taps,
        rows=tile.rows,
        cost=tile.cost,
        named="\n".join(f"    {line}" for line in named),
        asking="\n".join(f"{' ' * 20}{line}" for line in asking),
        together="\n".join(f"{' ' * 24}{line}" for line in together),
    )
