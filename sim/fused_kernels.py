"""Kernels that roll out many samples side by side, generated from a task's scalar step and cost.

The innermost loops go over the samples of a tile, whose states lie coordinate by coordinate in rows
of a fixed length, so the compiler turns them into vector instructions and the rows into registers
(`lanes`). How many samples, steps and models there are is told at run time: one kernel for a task
and a precision, whatever the size.
What is generated is kept in a file of its own (`kernel_files`): an edit of the task gives another.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from . import kernel_files, lanes, vector_math
from .fused_source import TRANSLATED, NotFusableError, Translation
from .limits import Ball
from .task import Task

LANES = {"float64": 16, "float32": 32}
"""Samples of a tile: two of the widest vectors."""

WIDE = {"float64": 32, "float32": 64}
"""Of a tile where as many fill it."""

CHAINS = 2
"""Parts of a tile that are rolled out side by side in one loop: while one waits for its last
instruction, another goes on."""

_OPENING = '''"""Generated from {origin} for {precision}: edit that, not this."""

import math

import numpy as np
from numba import njit

# {lanes_digest}
from {lanes_module} import after, get, new_row, noise_get, noise_put, part_of, put, read, write

real = np.{precision}
LANES, CHAIN, STATES, WIDTH = {lanes}, {chain}, {states}, {width}
alone = {{"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}}
inlined = njit(error_model="numpy", fastmath={{"contract", "nsz"}}, **alone)
summed = njit(error_model="numpy", fastmath={{"contract", "nsz", "reassoc"}}, **alone)
ordered = njit(error_model="numpy", fastmath={{"nnan", "nsz", "reassoc"}}, **alone)
kernel = njit(error_model="numpy", fastmath={{"contract", "nsz"}}, cache=True)
{constants}
'''

# In these, s holds the rows of a tile: the states that move, and the cost.
_TILE = '''
@inlined
def start(x, s):
    for k in range(LANES):
{start}
        put(s[{cost}], k, real(0.0))


@inlined
def within(u, low, high):
    {names}, = u
{limited}
    return ({names},)


@inlined
def advance(k, u, x, p, s):
    y = {step}(({state},), u, p)
    put(s[{cost}], k, get(s[{cost}], k) + {running_cost}(({after},), u, p))
{advance}


@inlined
def finish(x, p, s):
    for k in range(LANES):
        put(s[{cost}], k, get(s[{cost}], k) + {terminal_cost}(({state},), p))


@inlined
def state_of(x0):
    return ({origin_state},)


@inlined
def model_of(parameters):
    return ({parameters})


@inlined
def limits_of(limits):
    return ({low},), ({high},)


@kernel
def rollout(x0, actions, parameters, costs, states):
    """Costs, and unless `states` is empty the states, of action sequences.

    (n,), (K, H, m), (M, P) -> costs (M, K), states (M, K, H, n) or of shape (0, 0, 0, 0)
    """
    s = ({rows})
    x = state_of(x0)
    count, horizon = actions.shape[0], actions.shape[1]
    for model in range(parameters.shape[0]):
        p = model_of(part_of(parameters, model * {model}))
        for first in range(0, count, LANES):
            start(x, s)
            here = min(count - first, LANES)
            for t in range(horizon):
                for k in range(CHAIN):
{gather}
                if states.shape[0] > 0:
                    for k in range(here):
{keep}
            finish(x, p, s)
            for k in range(here):
                costs[model, first + k] = get(s[{cost}], k)
'''


@dataclass(frozen=True)
class Tile:
    """The rows of a tile in generated source: of the states that move, and last of the cost.

    Attributes:
        rows: An expression of new ones, a tuple.
        cost: The place of the cost.
        width: Of an action.
    """

    rows: str
    cost: int
    width: int


def source_of(task: Task, precision: str, samples: int | None = None) -> tuple[str, Tile]:
    """The source of a task's fused kernels, and what other source has to know to use its functions.

    Args:
        task: With kernels: `step`, `running_cost` and `terminal_cost` for one state.
        precision: float64 or float32.
        samples: Of a tile, if others than usual.

    Raises:
        NotFusableError: The task's kernels use what cannot be translated, or there is no such
            precision; the reason.
    """
    if precision not in LANES:
        raise NotFusableError(f"{precision!r} is none; take {' or '.join(LANES)}")
    states, width = len(task.state_names), len(task.action_names)
    parts = len(task.parameters)
    jitted = tuple(getattr(task.kernels, name, None) for name in TRANSLATED)
    translated = _translated(task.kernels, jitted, states, width, parts, precision)
    moving = [i for i in range(states) if i not in translated.kept]
    place = {i: k for k, i in enumerate(moving)}
    cost = len(moving)

    def at(i: int) -> str:
        return f"get(s[{i}], k)"

    def joined(entries: Iterable[str]) -> str:
        return ", ".join(entries)

    def lines(entries: Iterable[str], indent: int = 8) -> str:
        return "\n".join(f"{' ' * indent}{entry}" for entry in entries)

    filled = {
        **translated.called,
        "cost": cost,
        "start": lines(f"put(s[{place[i]}], k, x[{i}])" for i in moving),
        "limited": lines(_limited(task), 4),
        "names": joined(f"u{j}" for j in range(width)),
        "state": joined(at(place[i]) if i in place else f"x[{i}]" for i in range(states)),
        "after": joined(f"y[{i}]" if i in place else f"x[{i}]" for i in range(states)),
        "advance": lines((f"put(s[{place[i]}], k, y[{i}])" for i in moving), 4),
        "origin_state": joined(f"real(x0[{i}])" for i in range(states)),
        "parameters": "".join(
            f"real(read(parameters, {i})), " for i in range(len(task.parameters))
        ),
        "low": joined(f"real(read(limits, {j}))" for j in range(width)),
        "high": joined(f"real(read(limits, {width + j}))" for j in range(width)),
        "keep": "\n".join(
            f"{' ' * 24}states[model, first + k, t, {i}] = "
            + (f"get(s[{place[i]}], k)" if i in place else f"x0[{i}]")
            for i in range(states)
        ),
        "rows": "".join(["new_row(real(0.0), LANES), "] * (cost + 1)),
        "model": len(task.parameters),
        "gather": "\n".join(
            f"{' ' * 20}i{c} = first + min({c} * CHAIN + k, here - 1)\n{' ' * 20}u{c} = "
            + f"({joined(f'real(actions[i{c}, t, {j}])' for j in range(width))},)"
            for c in range(CHAINS)
        )
        + "".join(f"\n{' ' * 20}advance({c} * CHAIN + k, u{c}, x, p, s)" for c in range(CHAINS)),
    }
    constants = "\n".join(f"{name} = real({v!r})" for v, name in translated.constants.items())
    opening = _OPENING.format(
        origin=task.kernels.__name__,
        lanes_module=lanes.__name__,
        lanes_digest=digest(lanes),
        precision=precision,
        lanes=samples or LANES[precision],
        chain=(samples or LANES[precision]) // CHAINS,
        states=states,
        width=width,
        constants=constants,
    )
    own = [f"@inlined\n{function}" for function in translated.functions]
    text = "\n\n".join([opening, *own, _TILE.format(**filled)])
    return text, Tile(filled["rows"], cost, width)


@functools.cache
def _translated(
    kernels: Any, jitted: tuple, states: int, actions: int, parameters: int, precision: str
) -> Translation:
    """The kernels and an exponential, translated once for all planners of a process.

    Args:
        kernels: A task's.
        jitted: Its functions as they are now: a module that was loaded again has others.
        states: As of `Translation`, like the rest.
        actions: Likewise.
        parameters: Likewise.
        precision: Likewise.
    """
    translated = Translation(kernels, states, actions, parameters, precision)
    name = translated.function(getattr(vector_math, f"exponential{precision[-2:]}"))
    translated.functions.append(f"def exponential(x):\n    return {name}(x)\n")
    return translated


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


def digest(module: ModuleType) -> str:
    """A hash of a module's text: for source that uses it, and has to change when it does."""
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()[:16]


def load(task: Task, precision: str) -> ModuleType:
    """The module with a task's fused kernels; generated and written if it is not there yet.

    Raises:
        NotFusableError: As `source_of`, or there is nowhere to write.
    """
    return _loaded(task, precision, source_of(task, precision)[0])


def load_more(
    task: Task, precision: str, samples: int, kind: str, more: Callable[[Tile], str]
) -> ModuleType:
    """A module with kernels that use the functions of a tile; generated likewise.

    Args:
        task: As `source_of`.
        precision: As `source_of`.
        samples: Of a tile.
        kind: What they are, of all that is generated for a task.
        more: Gives their source.

    Raises:
        NotFusableError: As `load`.
    """
    text, tile = source_of(task, precision, samples)
    wide = "" if samples == LANES[precision] else f"_{samples}"
    tiles = _loaded(task, precision, text, wide)
    text = f"from {tiles.__name__} import *\n\n{more(tile)}"
    return _loaded(task, precision, text, f"{wide}_{kind}")


def _loaded(task: Task, precision: str, text: str, kind: str = "") -> ModuleType:
    """The module with that source."""
    sizes = (len(task.state_names), len(task.action_names), len(task.parameters))
    shape = hashlib.sha256(f"{sizes} {_limited(task)}".encode()).hexdigest()[:8]
    try:
        return kernel_files.load(task.kernels, f"{precision}_{shape}{kind}", text)
    except OSError as error:
        raise NotFusableError(str(error)) from error
