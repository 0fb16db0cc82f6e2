"""A task's kernels held to the sizes of its arrays, before anything of them is compiled or run."""

from __future__ import annotations

import ast
import inspect
import textwrap
import time
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from .kernel_errors import KernelError, short
from .kernel_loops import Loops, loops
from .task import Task

_STARTS, _PERIODS = 2, 4
_ENOUGH_S = 0.02
"""Of trying, s: what one call takes comes on top."""


def check_kernels(task: Task) -> None:
    """Refuse kernels that use an index out of range, or leave a coordinate of the state unwritten.

    Constant indices are looked up in the source; the others are tried: Python runs the kernels for
    a few periods from a few starts. What hangs on other states is caught where it happens, since
    the loops round the kernels are compiled with all indices checked, and fused kernels hold
    states in tuples.

    Args:
        task: One with kernels, whose parts and names fit each other.

    Raises:
        KernelError: One does, or cannot be compiled, as far as anything had to be; one line.
    """
    n, m, p = len(task.state_names), len(task.action_names), len(task.parameters)
    own = loops(task.kernels)
    arguments = {"step": (n, m, p, n), "running_cost": (n, m, p), "terminal_cost": (n, p)}
    if task.constraint_names:
        arguments["constraint"] = (n, len(task.constraint_names))
    jitted = {k: getattr(task.kernels, k, None) for k in arguments}
    jitted = {k: kernel for k, kernel in jitted.items() if isinstance(kernel, Dispatcher)}
    for name, kernel in jitted.items():
        flaw = _constants(kernel, arguments[name], set())
        if flaw:
            raise KernelError(flaw)
    rng, began = np.random.default_rng(0), time.monotonic()
    low, high = task.limits.bound()
    physics = np.array(task.parameters, float)
    for _ in range(_STARTS):
        try:
            x = np.array(task.initial_state(rng), float)[None]
        except Exception:  # said where an episode begins
            return
        for _ in range(_PERIODS):
            u = task.limits.project(rng.uniform(low, high))[None]
            out = np.full_like(x, np.nan)
            if "step" in jitted:
                own.try_out("step_batch", x, u, physics, out)
                _check_written(task, own, x, u, out)
            if "running_cost" in jitted:
                own.try_out("running_cost_batch", x, u, physics, np.empty(1))
            if "terminal_cost" in jitted:
                own.try_out("terminal_cost_batch", x, physics, np.empty(1))
            if "constraint" in jitted:
                own.try_out("constraint_batch", x, np.empty((1, len(task.constraint_names))))
            if not np.isfinite(out).all() or time.monotonic() - began > _ENOUGH_S:
                break
            x = out


def _check_written(task: Task, own: Loops, x: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
    """Refuse a step that leaves something as it was in `out`, which was no number."""
    if not np.isnan(out).any():
        return
    again = np.zeros_like(out)
    own.try_out("step_batch", x, u, np.array(task.parameters, float), again)
    left = np.flatnonzero(np.isnan(out[0]) & (again[0] == 0.0))
    if len(left):
        code = task.kernels.step.py_func.__code__
        raise KernelError(
            f"{short(code.co_filename)}:{code.co_firstlineno}: step does not write out[{left[0]}] "
            f"({task.state_names[left[0]]}); it writes all {len(task.state_names)} numbers of out"
        )


def _constants(kernel: Any, widths: tuple[int | None, ...], done: set) -> str:
    """Which constant index of a kernel is out of range, in whatever branch; empty: none.

    Functions that it hands its arguments on to are looked at too. One that asks how many numbers
    there are is left alone: it may do so to know which it can use.

    Args:
        kernel: A jitted function.
        widths: How many numbers each of its arguments holds, where that is known.
        done: What was looked at already.
    """
    if not isinstance(kernel, Dispatcher) or (kernel, widths) in done:
        return ""
    done.add((kernel, widths))
    function = kernel.py_func
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return ""
    if not isinstance(tree, ast.FunctionDef):
        return ""
    nodes = list(ast.walk(tree))
    words = {getattr(node, "attr", getattr(node, "id", "")) for node in nodes}
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if words & {"len", "shape", "size"}:
        return ""
    names = [argument.arg for argument in tree.args.args]
    known = {n: w for n, w in zip(names, widths, strict=False) if w is not None and n not in stored}
    for node in nodes:
        match node:
            case ast.Subscript(ast.Name(name), index) if name in known:
                i = _whole(index)
                if i is not None and not -known[name] <= i < known[name]:
                    file, size = short(function.__code__.co_filename), known[name]
                    said = f"index {i} is out of bounds for axis 0 with size {size}"
                    return f"{file}:{first + node.lineno - 1}: {ast.unparse(node)}: {said}"
            case ast.Call(ast.Name(name), args):
                passed = tuple(known.get(a.id) if isinstance(a, ast.Name) else None for a in args)
                flaw = _constants(function.__globals__.get(name), passed, done)
                if flaw:
                    return flaw
    return ""


def _whole(index: ast.AST) -> int | None:
    """A constant index."""
    match index:
        case ast.Constant(int(i)):
            return i
        case ast.UnaryOp(ast.USub(), ast.Constant(int(i))):
            return -i
    return None
