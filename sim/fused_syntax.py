"""Small changes of syntax that translations of kernels need: known numbers in their places."""

# ruff: noqa: N802, D102 (the names of a node visitor's methods are Python's)

from __future__ import annotations

import ast
from collections.abc import Callable


class NotFusableError(ValueError):
    """A kernel uses what cannot be translated."""


class Sized(ast.NodeTransformer):
    """Puts the number of coordinates where it is asked for."""

    def __init__(self, size: Callable[[ast.AST], int | None]) -> None:
        self.size = size

    def visit(self, node: ast.AST) -> ast.AST:
        size = self.size(node)
        return self.generic_visit(node) if size is None else ast.Constant(size)


class Put(ast.NodeTransformer):
    """Puts a whole number in a variable's place."""

    def __init__(self, name: str, value: int) -> None:
        self.name, self.value = name, value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id != self.name:
            return node
        if isinstance(node.ctx, ast.Store):
            raise NotFusableError(f"a loop changes its variable {self.name}")
        return ast.Constant(self.value)
