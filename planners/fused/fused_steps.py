"""What surrounds the rollouts of a fused plan: warm start, noise, update, as compiled kernels.

They know no task and work in either precision; samples lie innermost as in `sim.fused_kernels`, in
C blocks of B: noise (C, N m, B). What they work on is made once by `fused.FusedPlan`; nothing is
allocated here.
"""

import numpy as np
from numba import njit

CLIPPED, BALL = 0, 1
"""How an action part is projected onto its limits."""

_OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
_SUMMED = {"error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc"}}


@njit(cache=True, **_OPTIONS)
def word(seed, draws, index):
    """A 64-bit word of the stream that NumPy's Philox with key (seed, draws) gives: its index-th.

    Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011: philox4x64-10, whose
    counter NumPy begins at 1.
    """
    low32, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b = np.uint64(index // 4 + 1), np.uint64(0)
    c, d = np.uint64(0), np.uint64(0)
    k0, k1 = np.uint64(seed), np.uint64(draws)
    m0, m1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
    for _ in range(10):
        x0, y0, x1, y1 = a >> half, a & low32, m0 >> half, m0 & low32
        t = (y0 * y1 >> half) + (x0 * y1 & low32) + (y0 * x1 & low32)
        high0 = x0 * x1 + (x0 * y1 >> half) + (y0 * x1 >> half) + (t >> half)
        x0, y0, x1, y1 = c >> half, c & low32, m1 >> half, m1 & low32
        t = (y0 * y1 >> half) + (x0 * y1 & low32) + (y0 * x1 & low32)
        high1 = x0 * x1 + (x0 * y1 >> half) + (y0 * x1 >> half) + (t >> half)
        a, b, c, d = high1 ^ b ^ k0, m1 * c, high0 ^ d ^ k1, m0 * a
        k0 += np.uint64(0x9E3779B97F4A7C15)
        k1 += np.uint64(0xBB67AE8584CAA73B)
    place = index % 4
    return a if place == 0 else (b if place == 1 else (c if place == 2 else d))


@njit(cache=True, **_OPTIONS)
def put(factor, row, start, count, at, noise, j):
    """Write factor times a part of a row into coordinate j of the samples from `at` on."""
    block_size, done = noise.shape[2], 0
    while done < count:
        block, lane = (at + done) // block_size, (at + done) % block_size
        here = min(block_size - lane, count - done)
        into, of = noise[block, j, lane : lane + here], row[start + done : start + done + here]
        for k in range(here):
            into[k] = factor * of[k]
        done += here


@njit(cache=True, **_OPTIONS)
def close(z, moved, count, orbit, std, noise):
    """The noise std A(g) z of all draws z and elements g."""
    knots, width = std.shape
    for n in range(knots):
        for e in range(orbit.shape[0]):
            for i in range(width):
                for k in range(count):
                    moved[k] = orbit[e, i, 0] * z[n * width, k]
                for j in range(1, width):
                    for k in range(count):
                        moved[k] += orbit[e, i, j] * z[n * width + j, k]
                put(std[n, i], moved, 0, count, e * count, noise, n * width + i)


@njit(cache=True, **_OPTIONS)
def pooled(pool, half, count, seed, draws, first, std, orbit, z, moved, noise):
    """Noise from a set of the pool, with signs; draws beyond `half` are the opposites."""
    width, signs = std.shape[1], np.uint64(0)
    chosen = pool[int(word(seed, draws, first) % np.uint64(pool.shape[0]))]
    for row in range(chosen.shape[0]):
        if row % 64 == 0:
            signs = word(seed, draws, first + 1 + row // 64)
        negative = (signs >> np.uint64(row % 64)) & np.uint64(1)
        if orbit.shape[0] == 1:
            factor = std[row // width, row % width]
            factor = -factor if negative else factor
            put(factor, chosen[row], 0, half, 0, noise, row)
            put(-factor, chosen[row], 0, count - half, half, noise, row)
        else:
            for k in range(half):
                z[row, k] = -chosen[row, k] if negative else chosen[row, k]
            for k in range(count - half):
                z[row, half + k] = -z[row, k]
    if orbit.shape[0] > 1:
        close(z, moved, count, orbit, std, noise)


@njit(cache=True, **_OPTIONS)
def drawn(draws, std, orbit, z, moved, noise):
    """Noise from draws (count, N, m)."""
    count, knots, width = draws.shape
    for n in range(knots):
        for j in range(width):
            row = n * width + j
            for k in range(count):
                z[row, k] = draws[k, n, j]
            if orbit.shape[0] == 1:
                put(std[n, j], z[row], 0, count, 0, noise, row)
    if orbit.shape[0] > 1:
        close(z, moved, count, orbit, std, noise)


@njit(cache=True, **_SUMMED)
def warm(before, planned, sent, steps, moving, out):
    """The warm start: the mean `steps` control periods later, as the planner's `moved_on`.

    Args:
        before: The last mean. (H, m)
        planned: What was planned from it. (H, m)
        sent: What was sent before that. (2, m)
        steps: Control periods since then; negative: there was no plan.
        moving: What `moved_on` does to a mean so many steps later. (H, H)
        out: Its first rows are the mean, its last two what was sent before. (2 H + 2, m)
    """
    horizon, width = before.shape
    for t in range(horizon):
        for j in range(width):
            total = 0.0
            for past in range(horizon):
                total += moving[t, past] * before[past, j]
            out[t, j] = total
    for i in range(2):
        at = min(int(np.floor(i + max(steps, 0.0) + 0.5 + 1e-6)), 1 + horizon)
        for j in range(width):
            out[2 * horizon + i, j] = sent[at, j] if at < 2 else planned[at - 2, j]


@njit(cache=True, **_OPTIONS)
def prepare(iteration, steps, seed, draws, before, planned, sent, moving, given, fixed, sizes, out):
    """Warm start and noise of an iteration; see `warm` and `FusedPlan`.

    Args:
        iteration: Its number; the warm start belongs to the first.
        steps: As of `warm`.
        seed: Key of the draws.
        draws: How many plans were drawn.
        before: As of `warm`.
        planned: As of `warm`.
        sent: As of `warm`.
        moving: As of `warm`.
        given: The draws of this iteration; empty: they come from the pool. (count, N, m)
        fixed: Arrays of `FusedPlan`.
        sizes: Draws, those of them that the pool has, words of a choice from it.
        out: As of `warm`.
    """
    pool, orbit, std, z, moved, noise, mean = fixed
    count, half, words = sizes
    if iteration == 0:
        warm(before, planned, sent, steps, moving, out)
    if given.shape[0] > 0:
        drawn(given, std, orbit, z, moved, noise)
    else:
        pooled(pool, half, count, seed, draws, iteration * words, std, orbit, z, moved, noise)
    for t in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            mean[t, j] = out[t, j]


@njit(cache=True, **_SUMMED)
def weighted(weights, rows, j):
    """The weighted sum of coordinate j of all samples. (C, B), (C, J, B)"""
    total = 0.0
    for block in range(rows.shape[0]):
        part = rows[block, j, 0] * weights[block, 0]
        for k in range(1, rows.shape[2]):
            part += rows[block, j, k] * weights[block, k]
        total += part
    return total


@njit(cache=True, **_OPTIONS)
def conclude(known, weights, rows, to_steps, limits, parts, out):
    """Move the mean by the weights, and project it onto the limits as what is planned.

    Args:
        known: Whether some cost is finite; if not, the mean stays.
        weights: Of the samples, summing to 1. (C, B)
        rows: Their actions (C, H m, B), or where the mean is a curve their noise (C, N m, B).
        to_steps: From knots to a curve; empty: the mean is none. (H, N)
        limits: Lowest and highest action, of a ball its radius. (2, m)
        parts: How each part is projected, its first coordinate, the one after its last. (parts, 3)
        out: Mean, what is planned, what was sent before. (2 H + 2, m)
    """
    horizon, width = out.shape[0] // 2 - 1, out.shape[1]
    knots = to_steps.shape[1]
    if known:
        for j in range(width):
            for n in range(knots):
                further = weighted(weights, rows, n * width + j)
                for t in range(horizon):
                    out[t, j] += to_steps[t, n] * further
            if knots == 0:
                for t in range(horizon):
                    out[t, j] = weighted(weights, rows, t * width + j)
    for part in range(parts.shape[0]):
        kind, first, last = parts[part]
        for t in range(horizon):
            scale = 1.0
            if kind == BALL:
                squares, radius = 0.0, limits[1, first]
                for j in range(first, last):
                    squares += out[t, j] * out[t, j]
                scale = radius / np.sqrt(max(squares, radius * radius))
            for j in range(first, last):
                u = scale * out[t, j]
                if kind == CLIPPED:
                    u = min(max(u, limits[0, j]), limits[1, j])
                out[horizon + t, j] = u
