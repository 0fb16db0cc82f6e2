"""From a task's scalar step and cost to source that a compiler can vectorise over samples.

States, actions and parameters become tuples of numbers instead of arrays, what `step` writes
becomes what it returns; `fused_rewriting` says what becomes of a function's body.
What cannot be written so is refused with the reason; then samples are rolled out one by one.
"""

# ruff: noqa: N802, D102 (the names of a node visitor's methods are Python's)

from __future__ import annotations

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Callable
from typing import Any

from . import vector_math
from .fused_rewriting import NotFusableError, Rewriter

_MATH = vector_math.__name__

Widths = tuple[int | None, ...]
"""How many numbers each argument of a function holds, where that is known."""


TRANSLATED = ("step", "running_cost", "terminal_cost")
"""The kernels of a task that are; what they call is too."""

OURS = re.compile(r"(constant|written)_.*_$")
"""Names that generated source makes."""


class Translation:
    """The translated source of `step`, `running_cost`, `terminal_cost` and all that they call.

    Args:
        kernels: The module of a task's kernels.
        states: Width of its state, n.
        actions: Of its action, m.
        parameters: Of its physical parameters, P.
        precision: ``float64`` or ``float32``.

    Attributes:
        functions: Translated functions in the order of definition.
        called: What each of the three is called in the source, whatever its own name is.
        kept: Coordinates of the state that `step` leaves as they are.

    Raises:
        NotFusableError: Why not.
    """

    def __init__(
        self, kernels: Any, states: int, actions: int, parameters: int, precision: str
    ) -> None:
        self.bits, self.states = precision[-2:], states
        self.functions: list[str] = []
        self.called: dict[str, str] = {}
        self.constants: dict[float, str] = {}
        self.kept: tuple[int, ...] = ()
        self._names: dict[tuple[Callable, Widths], str] = {}
        given = (states, actions, parameters)
        each = ((*given, states), given, (states, parameters))
        for name, widths in zip(TRANSLATED, each, strict=True):
            kernel = getattr(kernels, name, None)
            if not hasattr(kernel, "py_func"):
                raise NotFusableError(f"there is no jitted {name}")
            self.called[name] = self.function(kernel.py_func, widths, writes=name == "step")

    def function(self, plain: Callable, widths: Widths = (), writes: bool = False) -> str:
        """Translate a function and all that it calls; its name in the generated source.

        It is translated for each widths of its arguments that it is called with.
        """
        widths = widths if any(width is not None for width in widths) else ()
        if (plain, widths) in self._names:
            return self._names[plain, widths]
        others = sum(other is plain for other, _ in self._names)
        name = plain.__name__ if plain.__module__ == _MATH else f"{plain.__name__}_{others or ''}"
        if name in self._names.values():
            raise NotFusableError(f"two functions are called {plain.__name__}")
        self._names[plain, widths] = name
        try:
            parsed = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
        except (OSError, TypeError, SyntaxError) as error:
            raise NotFusableError(f"{plain.__name__} has no source") from error
        if not isinstance(parsed, ast.FunctionDef) or plain.__closure__:
            raise NotFusableError(f"{plain.__name__} is no plain function")
        ours = {n.id for n in ast.walk(parsed) if isinstance(n, ast.Name) and OURS.match(n.id)}
        if ours or any(OURS.match(argument.arg) for argument in parsed.args.args):
            raise NotFusableError(f"{plain.__name__} uses a name as generated source does")
        parsed.name, parsed.decorator_list, parsed.returns = name, [], None
        if isinstance(parsed.body[0], ast.Expr) and isinstance(parsed.body[0].value, ast.Constant):
            parsed.body = parsed.body[1:] or [ast.Pass()]
        rewriter = Rewriter(self, plain, parsed, widths)
        parsed.args = rewriter.arguments(parsed.args)
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
        return self.constants.setdefault(key, f"constant_{len(self.constants)}_")

    def _return_what_is_written(self, step: ast.FunctionDef) -> None:
        """`step(x, u, p, out)` becomes `step(x, u, p) -> tuple`."""
        if len(step.args.args) != 4:
            raise NotFusableError("step takes other arguments than x, u, p, out")
        x, out = step.args.args[0].arg, step.args.args[3].arg
        step.args.args = step.args.args[:3]
        written = _Written(out, self.states)
        step.body = [written.visit(statement) for statement in step.body]
        names = [_written(out, i) for i in range(self.states)]
        opening = [ast.parse(f"{name} = {x}[{i}]").body[0] for i, name in enumerate(names)]
        step.body = opening + step.body + [ast.parse(written.result).body[0]]
        same = {i: [ast.unparse(ast.parse(f"{x}[{i}]"))] for i in range(self.states)}
        self.kept = tuple(i for i in same if written.values.get(i, same[i]) == same[i])


def _written(out: str, i: int) -> str:
    """The variable in the place of `out[i]`."""
    return f"written_{out}_{i}_"


class _Written(ast.NodeTransformer):
    """`out[i]` becomes a variable, and every return gives all of them."""

    def __init__(self, out: str, states: int) -> None:
        self.out, self.states = out, states
        self.values: dict[int, list[str]] = {}
        self.result = f"return ({', '.join(_written(out, i) for i in range(states))},)"

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
        return ast.Name(_written(self.out, i % self.states), node.ctx)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self.out:
            raise NotFusableError(f"step hands {self.out} on")
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            raise NotFusableError("step returns something")
        return ast.parse(self.result).body[0]
