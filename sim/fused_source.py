"""From a task's scalar step and cost to source that a compiler can vectorise over samples.

States, actions and parameters become tuples of numbers instead of arrays, what `step` writes
becomes what it returns, loops of known length are unrolled, and every constant gets the kernel's
precision.
What cannot be written so is refused with the reason; then the task's own kernels stay in use.
"""

# ruff: noqa: N802, D102 (the names of a node visitor's methods are Python's)

from __future__ import annotations

import ast
import copy
import inspect
import math
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from . import vector_math

LONGEST_LOOP = 16
"""Loops of more rounds than that are left as they are."""

_MATH = vector_math.__name__
_OWN = {"sin": "sine", "cos": "cosine", "exp": "exponential"}
_CASTS = {"int32", "int64", "float32", "float64"}
_AS_THEY_ARE = {"sqrt", "copysign", "fabs"}
_LIBRARY = {"atan2", "atan", "asin", "acos", "tan", "tanh", "log", "sinh", "cosh", "fmod"}
_BUILTINS = {"min", "max", "abs", "range", "float", "int", "len", "bool"}


class NotFusableError(ValueError):
    """A kernel uses what cannot be translated."""


class Translation:
    """The translated source of `step`, `running_cost`, `terminal_cost` and all that they call.

    Args:
        kernels: The module of a task's kernels.
        states: Width of its state, n.
        precision: ``float64`` or ``float32``.

    Attributes:
        functions: Translated functions in the order of definition.
        kept: Coordinates of the state that `step` leaves as they are.

    Raises:
        NotFusableError: Why not.
    """

    def __init__(self, kernels: Any, states: int, precision: str) -> None:
        self.bits, self.states = precision[-2:], states
        self.functions: list[str] = []
        self.constants: dict[float, str] = {}
        self.kept: tuple[int, ...] = ()
        self._names: dict[Any, str] = {}
        for name in ("step", "running_cost", "terminal_cost"):
            kernel = getattr(kernels, name, None)
            if not hasattr(kernel, "py_func"):
                raise NotFusableError(f"there is no jitted {name}")
            self.function(kernel.py_func, writes=name == "step")

    def function(self, plain: Callable, writes: bool = False) -> str:
        """Translate a function and all that it calls; its name in the generated source."""
        if plain in self._names:
            return self._names[plain]
        name = plain.__name__ if plain.__module__ == _MATH else f"{plain.__name__}_"
        if name in self._names.values():
            raise NotFusableError(f"two functions are called {plain.__name__}")
        self._names[plain] = name
        try:
            parsed = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
        except (OSError, TypeError, SyntaxError) as error:
            raise NotFusableError(f"{plain.__name__} has no source") from error
        if not isinstance(parsed, ast.FunctionDef) or plain.__closure__:
            raise NotFusableError(f"{plain.__name__} is no plain function")
        parsed.name, parsed.decorator_list, parsed.returns = name, [], None
        if isinstance(parsed.body[0], ast.Expr) and isinstance(parsed.body[0].value, ast.Constant):
            parsed.body = parsed.body[1:] or [ast.Pass()]
        rewriter = _Rewriter(self, plain, parsed)
        parsed.body = rewriter.block(parsed.body)
        if writes:
            self._return_what_is_written(parsed)
        self.functions.append(f"{ast.unparse(ast.fix_missing_locations(parsed))}\n")
        return name

    def constant(self, value: float) -> str:
        """The name of a constant of the kernel's precision."""
        value = float(value)
        if not math.isfinite(value):
            return f"real({value!r})".replace("inf", "np.inf").replace("nan", "np.nan")
        key = math.copysign(1.0, value) * (abs(value) + 0.0) if value else 0.0
        return self.constants.setdefault(key, f"c{len(self.constants)}")

    def _return_what_is_written(self, step: ast.FunctionDef) -> None:
        """`step(x, u, p, out)` becomes `step(x, u, p) -> tuple`."""
        if len(step.args.args) != 4:
            raise NotFusableError("step takes other arguments than x, u, p, out")
        x, out = step.args.args[0].arg, step.args.args[3].arg
        step.args.args = step.args.args[:3]
        written = _Written(out, self.states)
        step.body = [written.visit(statement) for statement in step.body]
        names = [f"{out}_{i}" for i in range(self.states)]
        opening = [ast.parse(f"{name} = {x}[{i}]").body[0] for i, name in enumerate(names)]
        step.body = opening + step.body + [ast.parse(written.result).body[0]]
        same = {i: [ast.unparse(ast.parse(f"{x}[{i}]"))] for i in range(self.states)}
        self.kept = tuple(i for i in same if written.values.get(i, same[i]) == same[i])


class _Rewriter(ast.NodeTransformer):
    """Rewrites the body of one function."""

    def __init__(self, whole: Translation, plain: Callable, parsed: ast.FunctionDef) -> None:
        self.whole, self.outside = whole, plain.__globals__
        self.local = {argument.arg for argument in parsed.args.args}
        stored = (n for n in ast.walk(parsed) if isinstance(n, ast.Name))
        self.local |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
        self.name = plain.__name__
        self.counting = 0  # inside an index or a range, where whole numbers stay whole

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The statements, loops of known length unrolled."""
        done: list[ast.stmt] = []
        for statement in statements:
            rounds = self._rounds(statement)
            if rounds is None:
                new = self.visit(statement)
                done.extend(new if isinstance(new, list) else [new])
                continue
            assert isinstance(statement, ast.For) and isinstance(statement.target, ast.Name)
            for value in rounds:
                body = [_Put(statement.target.id, value).visit(copy.deepcopy(s))
                        for s in statement.body]  # fmt: skip
                done.extend(self.block(body))
        return done

    def _rounds(self, loop: ast.stmt) -> range | None:
        """The values that a loop's variable takes, if they are few and known."""
        if not (
            isinstance(loop, ast.For) and isinstance(loop.target, ast.Name) and not loop.orelse
        ):
            return None
        if any(isinstance(n, ast.Break | ast.Continue) for n in ast.walk(loop)):
            return None
        call = loop.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            return None
        if call.func.id != "range":
            return None
        limits = [self._whole(argument) for argument in call.args]
        if any(limit is None for limit in limits):
            return None
        rounds = range(*limits)  # pyright: ignore
        return rounds if len(rounds) <= LONGEST_LOOP else None

    def _whole(self, node: ast.AST) -> int | None:
        """The value of an expression of whole numbers, if it is known."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if names & self.local or not names <= set(self.outside):
            return None
        try:
            value = eval(  # of the task's own source, which is about to be compiled
                compile(ast.Expression(ast.fix_missing_locations(node)), self.name, "eval"),
                {"__builtins__": {}},
                {name: self.outside[name] for name in names},
            )
        except Exception:
            return None
        return int(value) if isinstance(value, int | np.integer) else None

    # Statements that hold others.

    def visit_If(self, node: ast.If) -> ast.AST:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        node.iter = self.visit(node.iter)
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        node.test = self.visit(node.test)
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        raise NotFusableError(f"{self.name} annotates a variable")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        refused = (ast.With, ast.Try, ast.Raise, ast.Assert, ast.Lambda, ast.ListComp, ast.List)
        if isinstance(node, refused):
            said = type(node).__name__.lower()
            raise NotFusableError(f"{self.name} has a {said} in line {getattr(node, 'lineno', 0)}")
        return super().generic_visit(node)

    # Expressions.

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.Name(self.whole.constant(node.value), ast.Load())
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.local or isinstance(node.ctx, ast.Store):
            return node
        if node.id not in self.outside:
            if node.id in _BUILTINS:
                return ast.Name("real", ast.Load()) if node.id == "float" else node
            raise NotFusableError(f"{self.name} uses {node.id}")
        return self._value(self.outside[node.id], node.id)

    def _value(self, value: Any, name: str) -> ast.AST:
        """A value from outside the function, as it stands in the generated source."""
        plain = getattr(value, "py_func", value)
        if inspect.isfunction(plain) and (plain is not value or plain.__module__ == _MATH):
            return ast.Name(self.whole.function(plain), ast.Load())
        if isinstance(value, bool | int | np.integer):
            return ast.Constant(int(value))
        if isinstance(value, float | np.floating):
            return ast.Name(self.whole.constant(float(value)), ast.Load())
        if isinstance(value, tuple) or (isinstance(value, np.ndarray) and value.size <= 64):
            entries = value if isinstance(value, tuple) else value.tolist()
            if isinstance(entries, tuple | list):
                return ast.Tuple([self._value(self._entry(e), name) for e in entries], ast.Load())
        raise NotFusableError(f"{self.name} uses {name}, a {type(value).__name__}")

    @staticmethod
    def _entry(entry: Any) -> Any:
        return tuple(_Rewriter._entry(e) for e in entry) if isinstance(entry, list) else entry

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = node.value
        module = self.outside.get(owner.id) if isinstance(owner, ast.Name) else None
        if module in (math, np) and isinstance(getattr(module, node.attr, None), float):
            return ast.Name(self.whole.constant(getattr(module, node.attr)), ast.Load())
        if module is np and node.attr in _CASTS:
            return node
        raise NotFusableError(f"{self.name} uses {ast.unparse(node)}")

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value = self.visit(node.value)
        self.counting += 1
        known = None
        if not isinstance(node.slice, ast.Slice):
            known = self._whole(node.slice)
        node.slice = self.visit(node.slice) if known is None else ast.Constant(known)
        self.counting -= 1
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        node.left, node.right = self.visit(node.left), self.visit(node.right)
        if not self.counting and not isinstance(node.op, ast.FloorDiv | ast.Mod):
            # A whole number beside a float32 would make a float64 of it.
            node.left, node.right = self._real(node.left), self._real(node.right)
        return node

    def _real(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return ast.Name(self.whole.constant(node.value), ast.Load())
        return node

    def _power(self, node: ast.BinOp) -> ast.AST:
        exponent = self._whole(node.right)
        if exponent is None or not 1 <= exponent <= 4:
            half = isinstance(node.right, ast.Constant) and node.right.value == 0.5
            if half:
                return ast.Call(_dotted("math", "sqrt"), [self.visit(node.left)], [])
            raise NotFusableError(f"{self.name} has a power other than 1 to 4 or 0.5")
        factor = self._real(self.visit(node.left))
        product = factor
        for _ in range(exponent - 1):
            product = ast.BinOp(product, ast.Mult(), copy.deepcopy(factor))
        return product

    def visit_Return(self, node: ast.Return) -> ast.AST:
        node.value = node.value and self.visit(node.value)
        if isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            node.value = self._real(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if node.keywords:
            raise NotFusableError(f"{self.name} calls with keywords")
        called = node.func
        if isinstance(called, ast.Name) and called.id == "range":
            self.counting += 1
            node.args = [self.visit(argument) for argument in node.args]
            self.counting -= 1
            return node
        node.args = [self.visit(argument) for argument in node.args]
        if isinstance(called, ast.Name):
            if called.id in {"min", "max", "abs"}:
                node.args = [self._real(argument) for argument in node.args]
            node.func = self.visit(called)
            return node
        owner = called.value if isinstance(called, ast.Attribute) else None
        module = self.outside.get(owner.id) if isinstance(owner, ast.Name) else None
        word = called.attr if isinstance(called, ast.Attribute) else ""
        if word not in _CASTS:
            node.args = [self._real(argument) for argument in node.args]
        if word == "view" and isinstance(called, ast.Attribute):
            called.value = self.visit(called.value)
            return node
        if module not in (math, np):
            raise NotFusableError(f"{self.name} calls {ast.unparse(called)}")
        if word in _CASTS:
            return node
        word = {"arctan2": "atan2", "absolute": "fabs"}.get(word, word)
        if word in _OWN:
            own = getattr(vector_math, f"{_OWN[word]}{self.whole.bits}")
            return ast.Call(ast.Name(self.whole.function(own), ast.Load()), node.args, [])
        if word in ("floor", "ceil"):  # numpy's stay floats
            return ast.Call(_dotted("np", word), node.args, [])
        if word == "hypot":
            a, b = node.args
            squares = [ast.BinOp(s, ast.Mult(), copy.deepcopy(s)) for s in (a, b)]
            return ast.Call(
                _dotted("math", "sqrt"), [ast.BinOp(squares[0], ast.Add(), squares[1])], []
            )
        if word == "fabs":
            return ast.Call(ast.Name("abs", ast.Load()), node.args, [])
        if word in _AS_THEY_ARE:
            return ast.Call(_dotted("math", word), node.args, [])
        if word in ("minimum", "maximum"):
            return ast.Call(ast.Name(word[:3], ast.Load()), node.args, [])
        if word in _LIBRARY:  # right, but one call for each sample
            call = ast.Call(_dotted("math", word), node.args, [])
            return ast.Call(ast.Name("real", ast.Load()), [call], [])
        raise NotFusableError(f"{self.name} calls {ast.unparse(called)}")


class _Put(ast.NodeTransformer):
    """Puts a whole number in a variable's place."""

    def __init__(self, name: str, value: int) -> None:
        self.name, self.value = name, value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id != self.name:
            return node
        if isinstance(node.ctx, ast.Store):
            raise NotFusableError(f"a loop changes its variable {self.name}")
        return ast.Constant(self.value)


class _Written(ast.NodeTransformer):
    """`out[i]` becomes a variable `out_i`, and every return gives all of them."""

    def __init__(self, out: str, states: int) -> None:
        self.out, self.states = out, states
        self.values: dict[int, list[str]] = {}
        self.result = f"return ({', '.join(f'{out}_{i}' for i in range(states))},)"

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple):
                same = isinstance(node.value, ast.Tuple)
                values = node.value.elts if same else [node.value] * len(target.elts)
                pairs = list(zip(target.elts, values, strict=False))
            for place, value in pairs:
                if isinstance(place, ast.Subscript) and self._is_out(place.value):
                    i = place.slice.value if isinstance(place.slice, ast.Constant) else None
                    if not isinstance(i, int):
                        raise NotFusableError(f"step writes {ast.unparse(place)}")
                    self.values.setdefault(i % self.states, []).append(ast.unparse(value))
        return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if isinstance(node.target, ast.Subscript) and self._is_out(node.target.value):
            i = getattr(node.target.slice, "value", 0)
            self.values.setdefault(i % self.states, []).append("changed")
        return self.generic_visit(node)

    def _is_out(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self.out

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not self._is_out(node.value):
            return self.generic_visit(node)
        i = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(i, int) or not -self.states <= i < self.states:
            raise NotFusableError(f"step uses {ast.unparse(node)}")
        return ast.Name(f"{self.out}_{i % self.states}", node.ctx)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self.out:
            raise NotFusableError(f"step hands {self.out} on")
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            raise NotFusableError("step returns something")
        return ast.parse(self.result).body[0]


def _dotted(owner: str, name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name(owner, ast.Load()), name, ast.Load())
