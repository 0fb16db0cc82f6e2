"""A task's analytic model on tensors: its scalar step and costs, each number a column of samples.

What a kernel does with one sample it does here with all of them: a coordinate is a tensor (K,), the
mathematics is torch's, and a choice takes both ways and keeps one for each sample. What cannot be
read so (loops that hang on values, arrays made inside) is refused.
"""

# ruff: noqa: N802, D102 (the names of a node visitor's methods are Python's)

from __future__ import annotations

import ast
import copy
import inspect
import math
import operator
import textwrap
from collections.abc import Callable
from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from .task import Task

Tensor = torch.Tensor


class TorchKernels:
    """A `TorchModel` made of a task's kernels, with costs of its own.

    Args:
        task: The task; it must have kernels with `step`, `running_cost` and `terminal_cost`.
        device: Where it computes.
        dtype: In which numbers.

    Raises:
        ValueError: The task has no kernels, or some that cannot be written with tensors.
    """

    def __init__(self, task: Task, device: str = "cpu", dtype: torch.dtype = torch.float64) -> None:
        if task.kernels is None:
            raise ValueError(f"{task.name} has no analytic model; plan with model:=mujoco")
        self.device, self.dtype = torch.device(device), dtype
        self._width = len(task.state_names)
        self._parameters = [float(value) for value in task.parameters]
        names = ("step", "running_cost", "terminal_cost")
        self._step, self._running, self._terminal = (
            _translated(getattr(task.kernels, name), dtype) for name in names
        )
        x = torch.as_tensor(task.initial_state(np.random.default_rng(0)), dtype=dtype)
        x = x.to(self.device).expand(2, -1)
        u = torch.as_tensor(np.tile(task.safe_action(), (2, 1)), dtype=dtype).to(self.device)
        try:
            self.terminal_cost(x) + self.running_cost(self.next_state(x, u), u)
        except Exception as error:  # whatever an operation on tensors says
            said = " ".join(f"{type(error).__name__}: {error}".split())
            if "Boolean value of Tensor" in said:
                said = "they branch on numbers that differ from sample to sample"
            raise ValueError(
                f"{task.name}: its kernels cannot run on tensors: {said}; take model: numba"
            ) from error

    def next_state(self, x: Tensor, u: Tensor) -> Tensor:
        """The states one control period later. (K, n), (K, m) -> (K, n)"""
        out = _Columns([None] * self._width)
        self._step(_Columns(x.unbind(1)), _Columns(u.unbind(1)), self._parameters, out)
        return torch.stack([_column(value, x) for value in out], dim=1)

    def running_cost(self, x: Tensor, u: Tensor) -> Tensor:
        """Cost of arriving in x by u. (K, n), (K, m) -> (K,)"""
        found = self._running(_Columns(x.unbind(1)), _Columns(u.unbind(1)), self._parameters)
        return _column(found, x)

    def terminal_cost(self, x: Tensor) -> Tensor:
        """Cost of ending in x. (K, n) -> (K,)"""
        return _column(self._terminal(_Columns(x.unbind(1)), self._parameters), x)


class _Columns(list):
    """Coordinates that a kernel takes for an array."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)


def _column(value: Any, x: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(x[:, 0], value)


def _either(name: str, plain: Callable) -> Callable:
    """A function of numbers that takes tensors too."""
    on_tensors = getattr(torch, {"fabs": "abs", "pow": "pow"}.get(name, name), None)

    def call(*values: Any) -> Any:
        first = next((v for v in values if isinstance(v, Tensor)), None)
        if first is None:
            return plain(*values)
        if on_tensors is None:
            raise TypeError(f"{name} is not to be had on tensors")
        return on_tensors(
            *(v if isinstance(v, Tensor) else torch.full_like(first, v) for v in values)
        )

    return call


def _extreme(bound: Callable, pairwise: Callable) -> Callable:
    """Min or max of two or more; a number bounds a tensor."""

    def two(a: Any, b: Any) -> Any:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return pairwise(a, b)
        if isinstance(b, Tensor):
            a, b = b, a
        return bound(a, b)

    return lambda *values: reduce(two, values)


def _chooser(dtype: torch.dtype) -> Callable:
    """The choice between two ways; of two numbers in these numbers, not in torch's own."""

    def where(condition: Any, yes: Any, no: Any) -> Any:
        if not isinstance(condition, Tensor):
            return yes if condition else no
        if not isinstance(yes, Tensor) and not isinstance(no, Tensor):
            yes = torch.full(condition.shape, yes, dtype=dtype, device=condition.device)
        return torch.where(condition, yes, no)

    return where


def _largest(a: Any, b: Any) -> Any:
    return a.clamp_min(b) if isinstance(a, Tensor) else max(a, b)


def _least(a: Any, b: Any) -> Any:
    return a.clamp_max(b) if isinstance(a, Tensor) else min(a, b)


_MATH = {name: _either(name, f) for name, f in vars(math).items() if callable(f)}
_PUT_IN = {
    "_and": operator.and_,
    "_or": operator.or_,
    "_not": lambda a: ~a if isinstance(a, Tensor) else not a,
    "max": _extreme(_largest, torch.maximum),
    "min": _extreme(_least, torch.minimum),
}
_NUMPY = {"arctan2": "atan2", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "abs": "fabs"}
_NUMPY |= {n: n for n in ("sqrt", "sin", "cos", "tan", "exp", "log", "hypot", "floor", "tanh")}


def _translated(kernel: Any, dtype: torch.dtype) -> Callable:
    """A kernel as a function of columns."""
    space = {"__builtins__": __builtins__, "_where": _chooser(dtype), **_PUT_IN}
    return _function(getattr(kernel, "py_func", kernel), space, {})


def _function(plain: Any, space: dict[str, Any], known: dict[Any, Callable]) -> Callable:
    """It, and in `space` all that it calls, which stands in the same file."""
    if plain in known:
        return known[plain]
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    tree = ast.fix_missing_locations(_Branchless().visit(tree))
    for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}:
        value = plain.__globals__.get(name, space)
        if value is not space and name not in space:
            space[name] = _replaced(value, space, known)
    made: dict[str, Any] = {}
    code = compile(tree, f"<{plain.__name__} on tensors>", "exec")
    exec(code, space, made)  # the text of the task's own kernel, which runs as it is anyway
    known[plain] = made[plain.__name__]
    return known[plain]


def _replaced(value: Any, space: dict[str, Any], known: dict[Any, Callable]) -> Any:
    """What a name of the kernel's file means on tensors."""
    if value is math:
        return SimpleNamespace(**{**vars(math), **_MATH})
    if value is np:
        return SimpleNamespace(pi=np.pi, **{n: _MATH[m] for n, m in _NUMPY.items()})
    if hasattr(value, "py_func"):
        return _function(value.py_func, space, known)
    name = getattr(value, "__name__", "")
    return _MATH[name] if vars(math).get(name) is value else value


class _Branchless(ast.NodeTransformer):
    """Choices as `where`, in expressions and in the returns at a function's end."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list, node.returns = [], None
        body: list[ast.stmt] = []
        early: list[tuple[ast.expr, ast.expr]] = []
        for k, line in enumerate(node.body):
            if (
                isinstance(line, ast.If)
                and not line.orelse
                and isinstance(line.body[0], ast.Return)
            ):
                # What is returned early is kept, and taken at the end where its test held.
                test, value = (ast.Name(f"_{what}{k}", ast.Load()) for what in ("test", "early"))
                body += [_assigned(test.id, line.test), _assigned(value.id, line.body[0].value)]
                early.append((test, value))
            elif isinstance(line, ast.Return):
                found = line.value
                for test, value in reversed(early):
                    found = ast.IfExp(test, value, found)  # type: ignore[arg-type]
                body.append(ast.Return(found))
            else:
                body.append(line)
        node.body = body
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        lines = node.body + node.orelse
        if not all(isinstance(o, ast.Assign) and isinstance(o.targets[0], ast.Name) for o in lines):
            return node  # it fails where its test is a tensor
        self._tests = getattr(self, "_tests", 0) + 1
        test = f"_choice{self._tests}"
        found: list[ast.stmt] = [_assigned(test, node.test)]
        name = ast.Name(test, ast.Load())
        yes, no = ([(o.targets[0].id, o.value) for o in part] for part in (node.body, node.orelse))  # type: ignore[attr-defined]
        if [n for n, _ in yes] == [n for n, _ in no]:
            pairs = zip(yes, no, strict=True)
            return found + [_assigned(n, _call("_where", name, a, b)) for (n, a), (_, b) in pairs]
        for part, order in ((yes, (1, 0)), (no, (0, 1))):
            for target, value in part:
                ways = (ast.Name(target, ast.Load()), value)
                chosen = _call("_where", name, *(ways[k] for k in order))
                found.append(_assigned(target, chosen))
        return found

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """On a tensor it would write into what others hold."""
        self.generic_visit(node)
        read = copy.deepcopy(node.target)
        read.ctx = ast.Load()
        return ast.Assign([node.target], ast.BinOp(read, node.op, node.value))

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return _call("_where", node.test, node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        name = "_and" if isinstance(node.op, ast.And) else "_or"
        return reduce(lambda a, b: _call(name, a, b), node.values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call("_not", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        each: list[ast.expr] = [ast.Compare(a, [op], [b]) for a, op, b in pairs]
        return reduce(lambda a, b: _call("_and", a, b), each)


def _assigned(name: str, value: Any) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _call(name: str, *values: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])
