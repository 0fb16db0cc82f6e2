"""What surrounds the rollouts of a fused plan: warm start, noise, update, as compiled kernels.

They know no task and work in either precision; `plan_kernel` puts them together. Samples lie
innermost, in tiles of L. Most arrays are rows as `sim.lanes` has them, whose shapes are said here
and which lie as in C; what they hold is made once by `fused_plan.FusedPlan`, and nothing is
allocated here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from ...sim.lanes import after, noise_get, noise_put, part_of, read, write
from ..loop.normals import fill

CLIPPED, BALL = 0, 1
"""How an action part is projected onto its limits."""

ELEMENTS, HALF, OPPOSITE, MOST, ROWS, TILES, PARTS, SETS, WORDS, DRAWN, MIXED = range(11)
"""Sizes: elements of the group, E; draws; how many of them are there with the other sign too; room
for draws, a whole number of tiles; rows of noise, N m; tiles in all; action parts; sets of draws in
the pool, S; words of a choice from it; rows of normal numbers to draw instead, 0: none; rows of
these that are mixed to noise, R m, 0: they are it."""

_ALONE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
_OPTIONS = {"fastmath": {"contract", "nsz"}, **_ALONE}
_SUMMED = {"fastmath": {"contract", "nsz", "reassoc"}, **_ALONE}


@intrinsic
def high(typing: Any, a: Any, b: Any) -> Any:
    """The upper half of a product of 64-bit words."""

    def multiply(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        whole = ir.IntType(128)
        a, b = (builder.zext(argument, whole) for argument in arguments)
        product = builder.lshr(builder.mul(a, b), ir.Constant(whole, 64))
        return builder.trunc(product, ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), multiply


@njit(**_OPTIONS)
def words(seed, draws, counter):
    """Four 64-bit words of the stream that NumPy's Philox with key (seed, draws) gives.

    Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011: philox4x64-10, whose
    counter NumPy begins at 1.
    """
    a, b, c, d = np.uint64(counter + 1), np.uint64(0), np.uint64(0), np.uint64(0)
    k0, k1 = np.uint64(seed), np.uint64(draws)
    m0, m1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
    for _ in range(10):
        a, b, c, d = high(m1, c) ^ b ^ k0, m1 * c, high(m0, a) ^ d ^ k1, m0 * a
        k0 += np.uint64(0x9E3779B97F4A7C15)
        k1 += np.uint64(0xBB67AE8584CAA73B)
    return a, b, c, d


@njit(**_OPTIONS)
def drawn(seed, draws, iteration, sizes, mixing, width, room, white, pool):
    """Draw the noise of an iteration, but for factors of its size: as `Drawn`.

    Args:
        seed: Key of the draws.
        draws: How many plans were drawn.
        iteration: Of this plan.
        sizes: See above.
        mixing: From normal numbers along time to noise on the knots. (N, R)
        width: Of an action, m.
        room: For words, an array. (4 most,)
        white: For normal numbers, an array. (a whole number of fours of rows x most,)
        pool: Filled if they are mixed. (N m, most)

    Returns:
        Draws of variance 1. (N m, most)
    """
    most, size, sources = read(sizes, MOST), read(sizes, ROWS), read(sizes, MIXED)
    fill(words(seed, draws, iteration // 4)[iteration % 4], read(sizes, DRAWN), most, room, white)
    numbers = part_of(white, 0)
    if sources == 0:
        return numbers
    for row in range(size):
        into, shares = after(pool, row * most), after(mixing, row // width * (sources // width))
        for k in range(most):
            write(into, k, read(shares, 0) * 0)
        for past in range(sources // width):
            share, of = read(shares, past), after(numbers, (past * width + row % width) * most)
            for k in range(most):
                write(into, k, read(into, k) + share * read(of, k))
    return pool


@njit(**_OPTIONS)
def signed(seed, draws, iteration, sizes, pool, std, factors):
    """Choose a set of the pool, and a sign for each row of it.

    Args:
        seed: Key of the draws.
        draws: How many plans were drawn.
        iteration: Of this plan.
        sizes: See above.
        pool: Sets of draws of variance 1. (S, N m, most)
        std: Of the noise. (N m,)
        factors: Filled: the spread with the sign. (N m,)

    Returns:
        The set. (N m, most)
    """
    first = iteration * read(sizes, WORDS)
    counter = first // 4
    four = words(seed, draws, counter)
    chosen = np.int64(four[first % 4] % np.uint64(read(sizes, SETS)))
    signs, size = np.uint64(0), read(sizes, ROWS)
    for row in range(size):
        if row % 64 == 0:
            index = first + 1 + row // 64
            if index // 4 != counter:
                counter = index // 4
                four = words(seed, draws, counter)
            signs = four[index % 4]
        negative = (signs >> np.uint64(row % 64)) & np.uint64(1)
        write(factors, row, -read(std, row) if negative else read(std, row))
    return after(pool, chosen * size * read(sizes, MOST))


@njit(**_OPTIONS)
def filled(element, negative, begin, sizes, orbit, factors, draw, width, lanes, z):
    """The noise of a tile: a group element's image of draws with their spread and signs.

    A spread is the same for coordinates that the group mixes, so it may come first.

    Args:
        element: Of the group.
        negative: 1: these are the opposites, else 0.
        begin: The first draw of the tile.
        sizes: See above.
        orbit: Matrices of the elements. (E, m, m)
        factors: As of `signed`. (N m,)
        draw: The set. (N m, most)
        width: Of an action, m.
        lanes: Of a tile, L.
        z: Filled. (N m, L)
    """
    size, most = read(sizes, ROWS), read(sizes, MOST)
    if read(sizes, ELEMENTS) == 1:
        for row in range(size):
            factor = -read(factors, row) if negative == 1 else read(factors, row)
            of, into = after(draw, row * most + begin), after(z, row * lanes)
            for k in range(lanes):
                noise_put(into, k, factor * read(of, k))
        return
    for place in range(size * lanes):
        noise_put(z, place, read(factors, 0) * 0)
    for row in range(size):
        into = after(z, row * lanes)
        for j in range(width):
            past = row - row % width + j
            factor = read(orbit, (element * width + row % width) * width + j) * read(factors, past)
            factor = -factor if negative == 1 else factor
            of = after(draw, past * most + begin)
            for k in range(lanes):
                noise_put(into, k, noise_get(into, k) + factor * read(of, k))


@njit(**_SUMMED)
def warm(last, steps, moving, to_steps, rest, kept, sums, out):
    """The warm start: the mean `steps` control periods later, as the planner's `moved_on`.

    Args:
        last: Its mean, what was planned from it, what was sent before that. (2 H + 2, m)
        steps: Control periods since then; negative: there was no plan.
        moving: Where the mean is a curve, from it to its knots so many steps later. (N m, H m)
        to_steps: As of `curved`.
        rest: What comes after the mean's end, NaN: its last action goes on; and what a curve is
            about. (H m,)
        kept: Whether the mean is no curve.
        sums: Room for the knots. (N m,)
        out: Its first rows are the mean, its last two what was sent before. (2 H + 2, m)
    """
    rows, width = last.shape
    old, new, many = part_of(last, 0), part_of(out, 0), (rows // 2 - 1) * width
    if steps < 0.0:
        for place in range(many):
            write(new, place, read(old, place))
    elif kept:
        whole = int(np.floor(steps + 1e-6))
        part = max(steps - whole, 0.0)
        part = part if part >= 1e-6 else 0.0
        for t in range(rows // 2 - 1):
            here, end = t + whole, rows // 2 - 1
            for j in range(width):
                idle = read(rest, j)
                idle = last[end - 1, j] if idle != idle else idle
                now = last[here, j] if here < end else idle
                then = last[here + 1, j] if here + 1 < end else idle
                out[t, j] = (1.0 - part) * now + part * then
    else:
        by, count = part_of(moving, 0), moving.shape[0]
        for row in range(count):
            total, of = 0.0, after(by, row * many)
            for past in range(many):
                total += read(of, past) * (read(old, past) - read(rest, past))
            write(sums, row, total)
        for place in range(many):
            write(new, place, read(rest, place))
        curved(to_steps, count, sums, many, new)
    for i in range(2):
        at = min(int(np.floor(i + max(steps, 0.0) + 0.5 + 1e-6)), rows // 2)
        for j in range(width):
            out[rows - 2 + i, j] = last[rows - 2 + at, j] if at < 2 else last[rows // 2 - 3 + at, j]


@njit(**_SUMMED)
def curved(to_steps, count, sums, many, mean):
    """Add a curve through knots to the mean.

    Args:
        to_steps: From knots to the curve. (N m, H m)
        count: N m.
        sums: The knots. (N m,)
        many: H m.
        mean: (H m,)
    """
    for row in range(count):
        share, of = read(sums, row), after(to_steps, row * many)
        for place in range(many):
            write(mean, place, read(mean, place) + share * read(of, place))


@njit(**_SUMMED)
def gathered(sizes, orbit, factors, draw, weights, share, width, lanes, shares, totals, sums):
    """The weighted sum of the noise of all samples.

    Args:
        sizes: See above.
        orbit: Matrices of the elements. (E, m, m)
        factors: As of `signed`. (N m,)
        draw: The set. (N m, most)
        weights: Of the samples, 0 in lanes that are none. (tiles x L,)
        share: By which they sum to 1.
        width: Of an action, m.
        lanes: Of a tile, L.
        shares: Room for the draws' weights. (most,)
        totals: Room for a sum for each row. (N m,)
        sums: Filled. (N, m)
    """
    size, more = read(sizes, ROWS), read(sizes, MOST)
    fewer = -(-read(sizes, OPPOSITE) // lanes) * lanes
    for row in range(size):
        write(sums, row, 0.0)
    for element in range(read(sizes, ELEMENTS)):
        plus = after(weights, element * (more + fewer))
        minus = after(plus, more)
        for k in range(fewer):
            write(shares, k, read(plus, k) - read(minus, k))
        for k in range(fewer, more):
            write(shares, k, read(plus, k))
        for row in range(size):
            of, total = after(draw, row * more), read(factors, row) * 0
            for k in range(more):
                total += read(shares, k) * read(of, k)
            write(totals, row, total * read(factors, row))
        for row in range(size):
            for j in range(width):
                entry = read(orbit, (element * width + row % width) * width + j) * share
                past = row - row % width + j
                write(sums, row, read(sums, row) + entry * read(totals, past))


@njit(**_SUMMED)
def conclude(kept, sizes, actions, weights, share, parts, to_steps, sums, lanes, out):
    """Move the mean by the weights.

    Args:
        kept: Whether it is the mean of the samples' actions; else their noise moves its knots.
        sizes: See above.
        actions: Of the samples. (tiles, H m, L)
        weights: Of the samples. (tiles x L,)
        share: By which they sum to 1.
        parts: Room for parts of their sum. (H m, L)
        to_steps: As of `curved`.
        sums: How far the knots move. (N m,)
        lanes: Of a tile, L.
        out: Its first rows are the mean. (2 H + 2, m)
    """
    width = out.shape[1]
    count = (out.shape[0] // 2 - 1) * width
    if not kept:
        curved(to_steps, read(sizes, ROWS), sums, count, part_of(out, 0))
        return
    for place in range(count * lanes):
        write(parts, place, read(weights, 0) * 0)
    for tile in range(read(sizes, TILES)):
        weight = after(weights, tile * lanes)
        for row in range(count):
            of, into = after(actions, (tile * count + row) * lanes), after(parts, row * lanes)
            for k in range(lanes):
                write(into, k, read(into, k) + read(of, k) * read(weight, k))
    for row in range(count):
        of, total = after(parts, row * lanes), read(weights, 0) * 0
        for k in range(lanes):
            total += read(of, k)
        out[row // width, row % width] = total * share


@njit(**_OPTIONS)
def project(limits, sizes, projected, out):
    """Project the mean onto the limits, as what is planned.

    Args:
        limits: Lowest and highest action, of a ball its radius. (2, m)
        sizes: See above.
        projected: How each part is, its first coordinate, the one after its last. (parts, 3)
        out: Mean, what is planned, what was sent before. (2 H + 2, m)
    """
    horizon, width = out.shape[0] // 2 - 1, out.shape[1]
    for part in range(read(sizes, PARTS)):
        kind, first, last = (
            read(projected, 3 * part),
            read(projected, 3 * part + 1),
            read(projected, 3 * part + 2),
        )
        for t in range(horizon):
            scale = 1.0
            if kind == BALL:
                squares, radius = 0.0, read(limits, width + first)
                for j in range(first, last):
                    squares += out[t, j] * out[t, j]
                scale = radius / np.sqrt(max(squares, radius * radius))
            for j in range(first, last):
                u = scale * out[t, j]
                if kind == CLIPPED:
                    u = min(max(u, read(limits, j)), read(limits, width + j))
                out[horizon + t, j] = u
