"""Rows of a few numbers, for kernels that `fused_kernels` generates.

An array is memory, and a compiler must write to it what a loop over time changes. A row that only
the kernel itself can see is not: once the loops over its lanes are vector instructions, it is a
register. So states stay in registers from the first step of a rollout to the last, which an array
would cost half of the time for. The compiler is told that rows, noise and other memory never
overlap: else it would check that before each loop, and where there is too much to check, give up.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ALIGNMENT = 64
"""Of a row, bytes: the widest vector."""

_KINDS = ("row", "noise", "memory")


@intrinsic(prefer_literal=True)
def new_row(typing: Any, zero: Any, lanes: Any) -> Any:
    """A row of so many numbers of the type of `zero`; how many is known when it is compiled."""
    signature = types.CPointer(zero)(zero, lanes)

    def make(context: Any, builder: Any, signature: Any, _: Any) -> Any:
        number = context.get_data_type(signature.args[0])
        with builder.goto_entry_block():
            whole = builder.alloca(ir.ArrayType(number, signature.args[1].literal_value))
        whole.align = ALIGNMENT
        return builder.bitcast(whole, number.as_pointer())

    return signature, make


@intrinsic
def part_of(typing: Any, array: Any, first: Any) -> Any:
    """The numbers of a contiguous array from the first-th on, as they lie in memory, as a row.

    A slice would do, but for what it costs: it is counted, and checked for where it ends.
    """

    def point(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(whole.data, [arguments[1]])

    return types.CPointer(array.dtype)(array, types.intp), point


@intrinsic
def after(typing: Any, of: Any, count: Any) -> Any:
    """What lies so many numbers behind the beginning of a row."""

    def point(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return of(of, types.intp), point


def _told(kind: str, builder: Any, instruction: Any) -> Any:
    """Tell the compiler what an access cannot overlap."""
    module = builder.module
    domain = module.add_metadata(["covary lanes"])
    scopes = {name: module.add_metadata([f"covary {name}", domain]) for name in _KINDS}
    others = module.add_metadata([scopes[name] for name in _KINDS if name != kind])
    instruction.set_metadata("alias.scope", module.add_metadata([scopes[kind]]))
    instruction.set_metadata("noalias", others)
    return instruction


def _access(kind: str) -> tuple[Any, Any]:
    """How lanes of a row of that kind are read and set."""

    @intrinsic
    def get(typing: Any, of: Any, k: Any) -> Any:
        """Lane k of a row."""

        def load(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
            return _told(kind, builder, builder.load(builder.gep(arguments[0], [arguments[1]])))

        return of.dtype(of, k), load

    @intrinsic
    def put(typing: Any, into: Any, k: Any, value: Any) -> Any:
        """Set lane k of a row."""

        def store(_: Any, builder: Any, __: Any, arguments: Any) -> None:
            place = builder.gep(arguments[0], [arguments[1]])
            _told(kind, builder, builder.store(arguments[2], place))

        return types.void(into, k, into.dtype), store

    return get, put


get, put = _access("row")
noise_get, noise_put = _access("noise")
read, write = _access("memory")
