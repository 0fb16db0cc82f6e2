"""What becomes of the body of a scalar kernel, so that a compiler can vectorise it over samples.

Loops of known length are unrolled, as are all over the coordinates of a state, an action or
parameters: how many there are is known. Every constant gets the kernel's precision, and sine,
cosine and exponential become polynomials (`vector_math`).
"""

# ruff: noqa: N802, D102 (the names of a node visitor's methods are Python's)

from __future__ import annotations

import ast
import copy
import inspect
import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import vector_math
from .fused_syntax import NotFusableError, Put, Sized

if TYPE_CHECKING:
    from .fused_source import Translation, Widths

LONGEST_LOOP = 16
"""Loops of more rounds than that are left as they are .."""

MOST_COORDINATES = 64
""".. unless they go over coordinates: up to that many."""

_MATH = vector_math.__name__
_OWN = {"sin": "sine", "cos": "cosine", "exp": "exponential"}
_CASTS = {"int32", "int64", "float32", "float64"}
_AS_THEY_ARE = {"sqrt", "copysign", "fabs"}
_LIBRARY = {"atan2", "atan", "asin", "acos", "tan", "tanh", "log", "sinh", "cosh", "fmod"}
_BUILTINS = {"min", "max", "abs", "range", "float", "int", "len", "bool"}


class Rewriter(ast.NodeTransformer):
    """Rewrites the body of one function.

    Args:
        whole: What it is part of; it is told of the functions that this one calls.
        plain: The function.
        parsed: Its source.
        widths: How many numbers its arguments hold, as far as that is known.
    """

    def __init__(
        self, whole: Translation, plain: Callable, parsed: ast.FunctionDef, widths: Widths = ()
    ) -> None:
        self.whole, self.outside = whole, plain.__globals__
        names = [argument.arg for argument in parsed.args.args]
        stores = (n for n in ast.walk(parsed) if isinstance(n, ast.Name))
        self.stored = Counter(n.id for n in stores if isinstance(n.ctx, ast.Store))
        self.local = {*names, *self.stored}
        self.widths = {n: w for n, w in zip(names, widths, strict=False) if not self.stored[n]}
        self.several = {n for n, w in zip(names, widths, strict=False) if w is not None}
        self.known: dict[str, int] = {}  # locals that are a whole number, always the same
        self.name = plain.__name__
        self.counting = 0  # inside an index or a range, where whole numbers stay whole
        self.nested = 0  # inside what is done sometimes, or more than once

    def arguments(self, arguments: ast.arguments) -> ast.arguments:
        """The arguments without what is said of their types; defaults are numbers."""
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            raise NotFusableError(f"{self.name} takes more than named arguments")
        for argument in arguments.args:
            argument.annotation = None
        if not all(isinstance(default, ast.Constant) for default in arguments.defaults):
            raise NotFusableError(f"{self.name} has a default that is no number")
        arguments.defaults = [self._real(self.visit(default)) for default in arguments.defaults]
        return arguments

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
                body = [Put(statement.target.id, value).visit(copy.deepcopy(s))
                        for s in statement.body]  # fmt: skip
                done.extend(self.block(body))
            if rounds:  # somebody may read it afterwards
                last = ast.Assign([ast.Name(statement.target.id, ast.Store())],
                                  ast.Constant(rounds[-1]))  # fmt: skip
                done.append(last)
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
        most = MOST_COORDINATES if self._of_widths(call) else LONGEST_LOOP
        return rounds if len(rounds) <= most else None

    def _width(self, node: ast.AST) -> int | None:
        """How many numbers an argument or a slice of one holds, if that is known."""
        if isinstance(node, ast.Name):
            return self.widths.get(node.id)
        if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
            return None
        width, ends = self._width(node.value), (node.slice.lower, node.slice.upper, node.slice.step)
        bounds = [self._whole(end or ast.Constant(0)) for end in ends]
        if width is None or None in bounds:
            return None
        given = [bound if end else None for end, bound in zip(ends, bounds, strict=True)]
        return len(range(width)[slice(*given)])

    def _size(self, node: ast.AST) -> int | None:
        """The value of `x.shape[0]`, `x.size` and `len(x)`, if it is known."""
        match node:
            case ast.Subscript(ast.Attribute(x, "shape"), ast.Constant(0)):
                return self._width(x)
            case ast.Attribute(x, "size") | ast.Call(ast.Name("len"), [x], []):
                return self._width(x)
        return None

    def _of_widths(self, node: ast.AST) -> bool:
        """Whether an expression asks how many coordinates there are."""
        inside = list(ast.walk(node))
        names = {n.id for n in inside if isinstance(n, ast.Name)}
        return bool(names & self.known.keys()) or any(self._size(n) is not None for n in inside)

    def _whole(self, node: ast.AST) -> int | None:
        """The value of an expression of whole numbers, if it is known."""
        node = Sized(self._size).visit(copy.deepcopy(node))
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if not names <= self.known.keys() | (self.outside.keys() - self.local):
            return None
        try:
            value = eval(  # of the task's own source, which is about to be compiled
                compile(ast.Expression(ast.fix_missing_locations(node)), self.name, "eval"),
                {"__builtins__": {}},
                {name: self.known.get(name, self.outside.get(name)) for name in names},
            )
        except Exception:
            return None
        return int(value) if isinstance(value, int | np.integer) else None

    def _levels(self, node: ast.AST) -> int:
        """How often an expression has to be indexed before it is a number."""
        if isinstance(node, ast.Tuple):
            return 1
        if isinstance(node, ast.Name):
            if node.id in self.several:
                return 1
            value = None if node.id in self.local else self.outside.get(node.id)
            return np.ndim(value) if isinstance(value, tuple | np.ndarray) else 0
        if isinstance(node, ast.Subscript) and self._size(node) is None:
            inner = self._levels(node.value)
            if isinstance(node.slice, ast.Slice):
                return max(inner, 1)
            return inner - (len(node.slice.elts) if isinstance(node.slice, ast.Tuple) else 1)
        return 0

    def _one(self, *nodes: ast.AST) -> None:
        """Refuse arithmetic with several numbers at once: a tuple's is another than an array's."""
        for node in nodes:
            if self._levels(node) > 0:
                raise NotFusableError(f"{self.name} computes with all of {ast.unparse(node)}")

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self._one(node.target, node.value)
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self._one(node.operand)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self._one(node.left, *node.comparators)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if not isinstance(node.value, ast.Tuple):  # one by one, that is
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self._one(node.value)
        found = {}
        for target in node.targets if not self.nested else []:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for place, value in pairs:
                if isinstance(place, ast.Name) and self.stored[place.id] == 1:
                    found[place.id] = self._whole(value)
        changed = self.generic_visit(node)
        self.known |= {name: value for name, value in found.items() if value is not None}
        return changed

    # Statements that hold others.

    def visit_If(self, node: ast.If) -> ast.AST:
        node.test = self.visit(node.test)
        return self._inside(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        node.iter = self.visit(node.iter)
        return self._inside(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        node.test = self.visit(node.test)
        return self._inside(node)

    def _inside(self, node: ast.If | ast.For | ast.While) -> ast.AST:
        self.nested += 1
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        self.nested -= 1
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
        if node.id in self.known and isinstance(node.ctx, ast.Load):
            return ast.Constant(self.known[node.id])
        if node.id in self.local or isinstance(node.ctx, ast.Store):
            return node
        if node.id not in self.outside:
            if node.id in _BUILTINS:
                return ast.Name("real", ast.Load()) if node.id == "float" else node
            raise NotFusableError(f"{self.name} uses {node.id}")
        return self._value(self.outside[node.id], node.id)

    def _called(self, name: ast.Name, widths: Widths) -> ast.AST | None:
        """A jitted function, translated for arguments of these widths; None: it is another."""
        value = None if name.id in self.local else self.outside.get(name.id)
        plain = getattr(value, "py_func", value)
        if inspect.isfunction(plain) and (plain is not value or plain.__module__ == _MATH):
            return ast.Name(self.whole.function(plain, widths), ast.Load())
        return None

    def _value(self, value: Any, name: str) -> ast.AST:
        """A value from outside the function, as it stands in the generated source."""
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
        return tuple(Rewriter._entry(e) for e in entry) if isinstance(entry, list) else entry

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        size = self._size(node)
        if size is not None:
            return ast.Constant(size)
        owner = node.value
        module = self.outside.get(owner.id) if isinstance(owner, ast.Name) else None
        if module in (math, np) and isinstance(getattr(module, node.attr, None), float):
            return ast.Name(self.whole.constant(getattr(module, node.attr)), ast.Load())
        if module is np and node.attr in _CASTS:
            return node
        raise NotFusableError(f"{self.name} uses {ast.unparse(node)}")

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        size = self._size(node)
        if size is not None:
            return ast.Constant(size)
        node.value = self.visit(node.value)
        self.counting += 1
        known = None
        if not isinstance(node.slice, ast.Slice):
            known = self._whole(node.slice)
        node.slice = self.visit(node.slice) if known is None else ast.Constant(known)
        self.counting -= 1
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        known = self._whole(node) if self._of_widths(node) else None
        if known is not None:
            return ast.Constant(known)
        if isinstance(node.op, ast.Pow):
            self._one(node.left, node.right)
            return self._power(node)
        self._one(node.left, node.right)
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
        called, size = node.func, self._size(node)
        if size is not None:
            return ast.Constant(size)
        widths = tuple(self._width(argument) for argument in node.args)
        if isinstance(called, ast.Name) and called.id == "range":
            self.counting += 1
            node.args = [self.visit(argument) for argument in node.args]
            self.counting -= 1
            return node
        node.args = [self.visit(argument) for argument in node.args]
        if isinstance(called, ast.Name):
            if called.id in {"min", "max", "abs"}:
                node.args = [self._real(argument) for argument in node.args]
            node.func = self._called(called, widths) or self.visit(called)
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


def _dotted(owner: str, name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name(owner, ast.Load()), name, ast.Load())
