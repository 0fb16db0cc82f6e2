"""Loops over rows and samples round a task's scalar kernels, made once for every task.

A task gives `step(x, u, p, out)`, `running_cost(x, u, p)` and `terminal_cost(x, p)` for one state,
and `constraint(x, out)` where it has constraints; each argument is an array, p the physical
parameters, and all of `out` is written. The loops that call them are compiled when they are first
called, and kept on disk (`kernel_files`), under a name that tells the code of the kernels, of all
that they call in whatever file, and the constants that all of these read. They check every index:
a kernel that writes where its array ends would write over what is somebody else's.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import config
from numba.core.dispatcher import Dispatcher

from . import kernel_files
from .kernel_errors import plain, told

_OPENING = '''"""Generated loops round the kernels of {origin}."""

import numpy as np
from numba import njit
'''

_LOOPS = {
    "rollout": '''
@njit(cache=True)
def rollout_loop(x0, actions, p, costs, states):
    """Costs, and unless `states` is empty the states, of action sequences from x0.

    (n,), (K, H, m), (M, P) -> costs (M, K), states (M, K, H, n) or of shape (0, 0, 0, 0)
    """
    keep = states.shape[0] > 0
    x, out = np.empty_like(x0), np.empty_like(x0)  # two: step may write before it has read all
    for m in range(p.shape[0]):
        for k in range(actions.shape[0]):
            x[:], cost = x0, 0.0
            for t in range(actions.shape[1]):
                step(x, actions[k, t], p[m], out)
                cost += running_cost(out, actions[k, t], p[m])
                for i in range(x.shape[0]):
                    x[i] = out[i]
                if keep:
                    for i in range(x.shape[0]):
                        states[m, k, t, i] = x[i]
            costs[m, k] = cost + terminal_cost(x, p[m])
''',
    "step_batch": '''
@njit(cache=True)
def step_batch_loop(x, u, p, out):
    """One control period for each row. (B, n), (B, m), (P,) -> out (B, n)"""
    for b in range(x.shape[0]):
        step(x[b], u[b], p, out[b])
''',
    "running_cost_batch": '''
@njit(cache=True)
def running_cost_batch_loop(x, u, p, out):
    """Running cost of each row. (B, n), (B, m), (P,) -> out (B,)"""
    for b in range(x.shape[0]):
        out[b] = running_cost(x[b], u[b], p)
''',
    "terminal_cost_batch": '''
@njit(cache=True)
def terminal_cost_batch_loop(x, p, out):
    """Terminal cost of each row. (B, n), (P,) -> out (B,)"""
    for b in range(x.shape[0]):
        out[b] = terminal_cost(x[b], p)
''',
    "constraint_batch": '''
@njit(cache=True)
def constraint_batch_loop(x, out):
    """The constraints of each row. (B, n) -> out (B, C)"""
    for b in range(x.shape[0]):
        constraint(x[b], out[b])
''',
}
_OWN = '''
@njit(cache=True)
def {name}({words}):
    """The author's, with all indices checked."""
    return own_{name}({words})
'''
_CALLED = {
    "rollout": ("step", "running_cost", "terminal_cost"),
    "step_batch": ("step",),
    "running_cost_batch": ("running_cost",),
    "terminal_cost_batch": ("terminal_cost",),
    "constraint_batch": ("constraint",),
}


class Loops:
    """The loops round one module of kernels; of those that it has itself jitted ones check indices.

    Args:
        kernels: A task's.

    Raises:
        ValueError: On use: a kernel is not there, or not jitted; as `KernelError`, it cannot be
            compiled, or an index is out of range.
        OSError: On use: there is no folder to keep what is compiled in.
    """

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels

    def try_out(self, name: str, *given: Any) -> None:
        """Hold the loop round a scalar kernel to its bounds, as a rule without compiling anything.

        Python runs it first. Only where that fails the compiled one is asked, whose word counts: it
        has other rules for a division by zero, say.

        Raises:
            KernelError: It cannot be compiled, or an index is out of range.
        """
        try:
            plain(getattr(self._generated, f"{name}_loop"))(*given)
        except Exception:
            self._guarded(f"{name}_loop")(*given)

    @functools.cached_property
    def rollout(self) -> Callable:
        """(x0, actions, p, costs, states)"""
        return self._own("rollout") or self._made("rollout")

    @functools.cached_property
    def step_batch(self) -> Callable:
        """(x, u, p, out)"""
        return self._own("step_batch") or self._made("step_batch")

    @functools.cached_property
    def running_cost_batch(self) -> Callable:
        """(x, u, p, out); a module's own knows no parameters."""
        own = self._own("running_cost_batch")
        return (lambda x, u, p, out: own(x, u, out)) if own else self._made("running_cost_batch")

    @functools.cached_property
    def terminal_cost_batch(self) -> Callable:
        """(x, p, out); a module's own knows no parameters."""
        own = self._own("terminal_cost_batch")
        return (lambda x, p, out: own(x, out)) if own else self._made("terminal_cost_batch")

    @functools.cached_property
    def constraint_batch(self) -> Callable:
        """(x, out)"""
        return self._own("constraint_batch") or self._made("constraint_batch")

    def _own(self, name: str) -> Callable | None:
        """The module's own loop; a jitted one as it is compiled for us."""
        own = getattr(self._kernels, name, None)
        return self._guarded(name) if isinstance(own, Dispatcher) else own

    def _made(self, name: str) -> Callable:
        for kernel in _CALLED[name]:
            if not _jitted(getattr(self._kernels, kernel, None)):
                said = "is not jitted" if hasattr(self._kernels, kernel) else "is not there"
                raise ValueError(f"{self._kernels.__name__}: {kernel} {said}")
        return self._guarded(f"{name}_loop")

    def _guarded(self, name: str) -> Callable:
        return guarded(getattr(self._generated, name))

    @functools.cached_property
    def _generated(self) -> types.ModuleType:
        """One file for all loops that there can be; what is not called is not compiled."""
        names = sorted({kernel for called in _CALLED.values() for kernel in called})
        there = {name: getattr(self._kernels, name, None) for name in names}
        there = {name: kernel for name, kernel in there.items() if _jitted(kernel)}
        loops = [_LOOPS[name] for name, called in _CALLED.items() if there.keys() >= set(called)]
        for name in _CALLED:
            own = getattr(self._kernels, name, None)
            if isinstance(own, Dispatcher):
                there[f"own_{name}"] = own
                loops.append(_own(own, name))
        return _generated(self._kernels, "loops", loops, there)


def _own(jitted: Dispatcher, name: str) -> str:
    return _OWN.format(name=name, words=", ".join(inspect.signature(jitted.py_func).parameters))


def _generated(
    kernels: Any, kind: str, functions: list[str], called: dict[str, Any]
) -> types.ModuleType:
    """A generated module, given copies of what its functions call."""
    text = "\n".join([_OPENING.format(origin=kernels.__name__), *functions])
    twins = _Twins()
    given = {name: twins.of(kernel) for name, kernel in called.items()}
    kind = f"{kind}_{sys.implementation.cache_tag}"  # a Python has bytecode of its own
    made = kernel_files.load(kernels, kind, text, "\n".join(twins.said), given)
    twins.belong_to(made.__name__)
    return made


def checked(jitted: Dispatcher) -> Callable:
    """A jitted function compiled with all indices checked, `guarded`.

    Raises:
        OSError: There is no folder to keep it in.
    """
    name = jitted.py_func.__name__
    module = sys.modules[jitted.py_func.__module__]
    made = _generated(module, f"checked_{name}", [_own(jitted, name)], {f"own_{name}": jitted})
    return guarded(getattr(made, name))


def guarded(jitted: Callable) -> Callable:
    """A jitted function whose errors are one line, that of its author's file: `KernelError`."""

    @functools.wraps(jitted)
    def call(*given: Any) -> Any:
        try:
            return jitted(*given)
        except Exception as error:  # of the kernels, or of Numba's where it compiles them
            raise told(error, jitted, given) from error

    return call


@functools.cache
def loops(kernels: Any) -> Loops:
    """The loops round a module of kernels."""
    return Loops(kernels)


def _jitted(kernel: Any) -> bool:
    return isinstance(kernel, Dispatcher) or (bool(config.DISABLE_JIT) and callable(kernel))


class _Twins:
    """Copies of jitted functions and of all that they call, which no cache answers for.

    A function that is cached by itself may be old: its cache does not see an edit of what it calls
    in another file. The copies are compiled into the loop that calls them, or not at all.

    Attributes:
        said: What the functions do: their code, options, and all values they read.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self._twins: dict[Any, Any] = {}
        self._copies: list[types.FunctionType] = []

    def belong_to(self, module: str) -> None:
        """Have what is compiled and kept name this module, and no file that may be moved."""
        for copy in self._copies:
            copy.__module__ = copy.__globals__["__name__"] = module

    def of(self, value: Any, names: frozenset[str] = frozenset()) -> Any:
        """What stands in the place of a value; of a module, as far as these names go."""
        if isinstance(value, Dispatcher):
            return self._twins.get(value) or self._function(value)
        if isinstance(value, types.ModuleType):
            return self._twins.get((value, names)) or self._module(value, names)
        if isinstance(value, tuple):
            self.said.append(f"{len(value)} of")
            for entry in value:
                self.of(entry)
        elif isinstance(value, np.ndarray):
            self.said.append(f"{value.dtype} {value.shape} {value.tobytes().hex()}")
        else:  # a number, or the name of what Numba knows
            self.said.append(re.sub(" at 0x[0-9a-fA-F]+", "", repr(value)))
        return value

    def _function(self, jitted: Dispatcher) -> Dispatcher:
        plain = jitted.py_func
        names = frozenset(_names(plain.__code__))
        options = {**jitted.targetoptions, "boundscheck": True}
        self.said += [*_told(plain.__code__), repr(sorted(options.items()))]
        world: dict[str, Any] = {}
        cells = tuple(types.CellType() for _ in plain.__closure__ or ())
        copy = types.FunctionType(plain.__code__, world, plain.__name__, None, cells)
        copy.__qualname__ = plain.__qualname__
        self._copies.append(copy)
        copy.__defaults__ = self.of(plain.__defaults__)  # before it is looked at as a jitted one
        twin = type(jitted)(copy, locals=jitted.locals, targetoptions=options)
        self._twins[jitted] = twin  # before what it calls: that may be itself
        for name in sorted(names & plain.__globals__.keys()):
            self.said.append(name)
            world[name] = self.of(plain.__globals__[name], names)
        for cell, old in zip(cells, plain.__closure__ or (), strict=True):
            cell.cell_contents = self.of(old.cell_contents, names)
        return twin

    def _module(self, module: types.ModuleType, names: frozenset[str]) -> types.ModuleType:
        """The module itself, unless it has jitted functions under one of the names."""
        self._twins[module, names] = module
        self.said.append(module.__name__)
        jitted = {}
        for name in sorted(names & vars(module).keys()):
            value = vars(module)[name]
            twin = self.of(value, names)
            if isinstance(value, Dispatcher):
                jitted[name] = twin
        if not jitted:
            return module
        copy = types.ModuleType(module.__name__)
        vars(copy).update(vars(module) | jitted)
        self._twins[module, names] = copy
        return copy


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(code: types.CodeType) -> set[str]:
    """Names of globals and attributes that it reads."""
    return {name for inner in _codes(code) for name in inner.co_names}


def _told(code: types.CodeType) -> Iterator[str]:
    """What it does, and not where it stands."""
    for inner in _codes(code):
        numbers = [c for c in inner.co_consts if not isinstance(c, types.CodeType)]
        yield f"{inner.co_code.hex()} {inner.co_exceptiontable.hex()} {inner.co_argcount} {numbers}"
        yield f"{inner.co_names} {inner.co_varnames} {inner.co_freevars} {inner.co_cellvars}"
