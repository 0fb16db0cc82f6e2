"""Kernels that roll out many samples side by side, generated from a task's scalar step and cost.

The innermost loop goes over the samples of a block, whose states lie coordinate by coordinate, so
the compiler turns it into vector instructions. A block has a fixed size; how many samples, steps
and models there are is told at run time: one kernel for a task and a precision, whatever the size.
What is generated is kept in a file of its own (`kernel_files`): an edit of the task gives another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from . import kernel_files, vector_math
from .fused_source import NotFusableError, Translation
from .limits import Ball
from .task import Task

BLOCK = 64
"""Samples of a block: a whole number of vectors, and few enough to stay in the fastest cache."""

LARGE = 256
"""Of a block where as many samples fill it: fewer loops begin and end."""

PRECISIONS = ("float64", "float32")

_OPENING = '''"""Generated from {origin} for {precision}: edit that, not this."""

import math

import numpy as np
from numba import njit

real = np.{precision}
BLOCK, STATES, WIDTH = {block}, {states}, {width}
ROWS = np.array({rows})  # of a coordinate in the scratch; -1: it keeps what it has
inlined = njit(error_model="numpy", fastmath={{"contract", "nsz"}}, forceinline=True)
summed = njit(error_model="numpy", fastmath={{"contract", "nsz", "reassoc"}}, forceinline=True)
ordered = njit(error_model="numpy", fastmath={{"nnan", "nsz", "reassoc"}}, forceinline=True)
kernel = njit(error_model="numpy", fastmath={{"contract", "nsz"}}, cache=True)
{constants}
'''

# In these, s is the scratch of a block: rows of BLOCK numbers, the states that move, the cost, the
# action. All rows are known when it is compiled, so nothing has to be checked for overlap.
_BLOCK = '''
@inlined
def start(x, s):
    for k in range(BLOCK):
{start}
        s[{cost} * BLOCK + k] = real(0.0)


@inlined
def within(u, low, high):
    {names}, = u
{limited}
    return ({names},)


@inlined
def advance(x, p, s):
    for k in range(BLOCK):
        u = ({action},)
        y = step_(({state},), u, p)
        s[{cost} * BLOCK + k] += running_cost_(({after},), u, p)
{advance}


@inlined
def keep(x0, s, states):
    for k in range(states.shape[0]):
        for i in range(STATES):
            states[k, i] = s[ROWS[i] * BLOCK + k] if ROWS[i] >= 0 else x0[i]


@inlined
def finish(x, p, s):
    for k in range(BLOCK):
        s[{cost} * BLOCK + k] += terminal_cost_(({state},), p)


@summed
def total_of(a):
    total = real(0.0)
    for k in range(a.shape[0]):
        total += a[k]
    return total


@ordered
def lowest_of(a):
    lowest = a[0]
    for k in range(a.shape[0]):
        lowest = min(lowest, a[k])
    return lowest


@kernel
def rollout(x0, actions, parameters, costs, states, s):
    """Costs, and unless `states` is empty the states, of action sequences.

    (n,), (K, H, m), (M, P) -> costs (M, K), states (M, K, H, n) or of shape (0, 0, 0, 0)
    """
    x = ({origin_state},)
    count, horizon = actions.shape[0], actions.shape[1]
    for model in range(parameters.shape[0]):
        p = ({parameters})
        for block in range((count + BLOCK - 1) // BLOCK):
            rows = actions[block * BLOCK : (block + 1) * BLOCK]
            out = costs[model, block * BLOCK : (block + 1) * BLOCK]
            start(x, s)
            for t in range(horizon):
                for k in range(rows.shape[0]):
{gather}
                advance(x, p, s)
                if states.shape[0] > 0:
                    keep(x0, s, states[model, block * BLOCK : (block + 1) * BLOCK, t])
            finish(x, p, s)
            for k in range(rows.shape[0]):
                out[k] = s[{cost} * BLOCK + k]


@inlined
def sample(block, t, x, p, low, high, mean, noise, knot, weight, pairs, s):
    for k in range(BLOCK):
{fill}
    for pair in range({first_pair}, pairs[t]):
        w, v = weight[t, 2 * pair], weight[t, 2 * pair + 1]
{expand}
    w, v = weight[t, 0], weight[t, 1]
{places}
    for k in range(BLOCK):
        {names}, = within(({asked},), low, high)
        u = ({names},)
        y = step_(({state},), u, p)
        s[{cost} * BLOCK + k] += running_cost_(({after},), u, p)
{advance}
{store}


@inlined
def weigh(costs, temperature, weights):
    for k in range(costs.shape[0]):
        costs[k] = costs[k] if costs[k] < np.inf else real(np.inf)  # blown up: the worst, never NaN
    lowest = lowest_of(costs)
    if lowest < np.inf:
        scale = real(1.0 / temperature)
        for k in range(costs.shape[0]):
            weights[k] = exponential((lowest - costs[k]) * scale)
        share = real(1.0) / total_of(weights)
        for k in range(costs.shape[0]):
            weights[k] *= share
    return lowest


@kernel
def improve(
    x0, parameters, mean, noise, knot, weight, pairs, limits, actions, costs, weights, s, samples,
    temperature,
):
    """Rolls out mean + spline(noise), projected onto the limits, and weighs it by its costs.

    mean (H, m); noise (C, N m, BLOCK); knot, weight (H, 2 x pairs): what a step is made of; pairs
    (H,); limits (2, m): lowest and highest, of a ball its radius. Fills costs and weights, (C,
    BLOCK) each: exp(-cost / temperature) of the first so many samples, summing to 1; and actions
    (C, H m, BLOCK) unless these are empty. Returns the lowest cost; NaN: the state is not finite.
    """
    for i in range(STATES):
        if not np.isfinite(x0[i]):
            return np.nan
    x = ({origin_state},)
    low, high = ({low},), ({high},)
    p = ({parameter_row})
    for block in range(noise.shape[0]):
        start(x, s)
        for t in range(mean.shape[0]):
            sample(block, t, x, p, low, high, mean, noise, knot, weight, pairs, s)
            if actions.shape[0] > 0:
{keep}
        finish(x, p, s)
        for k in range(BLOCK):
            costs[block, k] = s[{cost} * BLOCK + k]
    flat, share = costs.reshape(-1)[:samples], weights.reshape(-1)[:samples]
    return float(weigh(flat, temperature, share))
'''

_EXPAND = """        a, b = knot[t, 2 * pair] * WIDTH + {j}, knot[t, 2 * pair + 1] * WIDTH + {j}
        for k in range(BLOCK):
            s[{row} * BLOCK + k] += w * noise[block, a, k] + v * noise[block, b, k]"""

_KEEP = """                for k in range(BLOCK):
                    actions[block, t * WIDTH + {j}, k] = s[{row} * BLOCK + k]"""

MERGED = 3
"""Coordinates of an action up to which noise is read where it is used: to each belongs a check that
it does not overlap the scratch, and the compiler gives up beyond eight."""


def source_of(task: Task, precision: str, block: int = BLOCK) -> str:
    """The source of a task's fused kernels.

    Args:
        task: With kernels: `step`, `running_cost` and `terminal_cost` for one state.
        precision: float64 or float32.
        block: Samples of a block.

    Raises:
        NotFusableError: The task's kernels use what cannot be translated, or there is no such
            precision; the reason.
    """
    if precision not in PRECISIONS:
        raise NotFusableError(f"{precision!r} is none; take {' or '.join(PRECISIONS)}")
    states, width = len(task.state_names), len(task.action_names)
    parts = len(task.parameters)
    translated = Translation(task.kernels, states, width, parts, precision)
    moving = [i for i in range(states) if i not in translated.kept]
    row = {i: k for k, i in enumerate(moving)}
    cost = len(moving)
    action = range(cost + 1, cost + 1 + width)
    indent = " " * 8

    def at(i: int) -> str:
        return f"s[{i} * BLOCK + k]"

    merged = width <= MERGED
    noise = "w * noise[block, a{0}, k] + v * noise[block, b{0}, k]"

    def joined(entries: Sequence[str]) -> str:
        return ", ".join(entries)

    filled = {
        "cost": cost,
        "start": "\n".join(f"{indent}{at(row[i])} = x[{i}]" for i in moving),
        "limited": "\n".join(f"    {line}" for line in _limited(task)),
        "names": joined([f"u{j}" for j in range(width)]),
        "fill": "\n".join(f"{indent}{at(i)} = mean[t, {j}]" for j, i in enumerate(action)),
        "first_pair": int(merged),
        "places": "\n".join(
            f"    a{j}, b{j} = knot[t, 0] * WIDTH + {j}, knot[t, 1] * WIDTH + {j}"
            for j in range(width)
            if merged
        ),
        "asked": joined(
            [at(i) + merged * f" + {noise.format(j)}" for j, i in enumerate(action)]
        ),
        "store": "\n".join(f"{indent}{at(i)} = u{j}" for j, i in enumerate(action)),
        "action": joined([at(i) for i in action]),
        "state": joined([at(row[i]) if i in row else f"x[{i}]" for i in range(states)]),
        "after": joined([f"y[{i}]" if i in row else f"x[{i}]" for i in range(states)]),
        "advance": "\n".join(f"{indent}{at(row[i])} = y[{i}]" for i in moving),
        "origin_state": joined([f"real(x0[{i}])" for i in range(states)]),
        "parameters": "".join(f"real(parameters[model, {i}]), " for i in range(parts)),
        "parameter_row": "".join(f"real(parameters[{i}]), " for i in range(parts)),
        "gather": "\n".join(f"{indent * 2}    {at(i)} = rows[k, t, {j}]"
                            for j, i in enumerate(action)),
        "low": joined([f"limits[0, {j}]" for j in range(width)]),
        "high": joined([f"limits[1, {j}]" for j in range(width)]),
        "expand": "\n".join(_EXPAND.format(j=j, row=i) for j, i in enumerate(action)),
        "keep": "\n".join(_KEEP.format(j=j, row=i) for j, i in enumerate(action)),
    }  # fmt: skip
    name = translated.function(getattr(vector_math, f"exponential{precision[-2:]}"))
    translated.functions.append(f"def exponential(x):\n    return {name}(x)\n")
    constants = "\n".join(f"{name} = real({v!r})" for v, name in translated.constants.items())
    opening = _OPENING.format(
        origin=task.kernels.__name__,
        precision=precision,
        block=block,
        states=states,
        width=width,
        rows=[row.get(i, -1) for i in range(states)],
        constants=constants,
    )
    own = [f"@inlined\n{function}" for function in translated.functions]
    return "\n\n".join([opening, *own, _BLOCK.format(**filled)])


def _limited(task: Task) -> list[str]:
    """Lines that project the action u0, u1 .. onto the task's limits."""
    lines = []
    for name, limit in task.limits.parts.items():
        here = task.limits.slices[name]
        words = [f"u{j}" for j in range(here.start, here.stop)]
        if isinstance(limit, Ball):
            squares, radius = " + ".join(f"{u} * {u}" for u in words), f"high[{here.start}]"
            lines.append(f"scale = {radius} / math.sqrt(max({squares}, {radius} * {radius}))")
            lines += [f"{u} = {u} * scale" for u in words]
        else:
            lines += [f"{u} = min(max({u}, low[{u[1:]}]), high[{u[1:]}])" for u in words]
    return lines


def scratch_of(task: Task, precision: str, block: int = BLOCK) -> np.ndarray:
    """The scratch of a block, s."""
    rows = len(task.state_names) + 1 + len(task.action_names)
    return np.zeros(rows * block, precision)


def load(task: Task, precision: str, block: int = BLOCK) -> ModuleType:
    """The module with a task's fused kernels; generated and written if it is not there yet.

    Raises:
        NotFusableError: As `source_of`, or there is nowhere to write.
    """
    text = source_of(task, precision, block)
    sizes = (block, len(task.state_names), len(task.action_names), len(task.parameters))
    shape = hashlib.sha256(f"{sizes} {_limited(task)}".encode()).hexdigest()[:8]
    try:
        return kernel_files.load(task.kernels, f"{precision}_{shape}", text)
    except OSError as error:
        raise NotFusableError(str(error)) from error
