"""Sums of two rows over the columns they share, four at a time in one vector register.

The compiler behind numba makes a vector of the steps of a loop, never of four statements in one
step, and four additions to memory take four times as long as one. So the vector is written out.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

LANES = 4
DOUBLE, INT, VECTOR = ir.DoubleType(), ir.IntType(64), ir.VectorType(ir.DoubleType(), LANES)


def _products(typing: Any, sums: Any, row: Any, x: Any, y: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one, x, y = ir.Constant(DOUBLE, 1.0), args[2], args[3]
        # x x is the same in every step of a loop over y, which the optimiser finds.
        left = _made(builder, [one, x, builder.fmul(x, x), y])
        right = _made(builder, [one, y, one, y])
        return _add(context, builder, signature, args, builder.fmul(left, right))

    return types.void(sums, row, x, y), generated


def _values(typing: Any, sums: Any, row: Any, x: Any, y: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(DOUBLE, 0.0)
        left = _made(builder, [args[2], args[3], zero, zero])
        return _add(context, builder, signature, args, left)

    return types.void(sums, row, x, y), generated


def _made(builder: Any, lanes: list[Any]) -> Any:
    vector = ir.Constant(VECTOR, ir.Undefined)
    for n, lane in enumerate(lanes):
        vector = builder.insert_element(vector, lane, ir.Constant(ir.IntType(32), n))
    return vector


def _add(context: Any, builder: Any, signature: Any, args: Any, vector: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    first = builder.mul(builder.zext(args[1], INT), ir.Constant(INT, LANES))
    at = builder.bitcast(builder.gep(data, [first]), VECTOR.as_pointer())
    before = builder.load(at)
    before.align = 8  # an array of numbers promises no more
    builder.store(builder.fadd(before, vector), at).align = 8
    return context.get_dummy_value()


add_products: Any = intrinsic(_products)
"""``add_products(sums, row, x, y)`` adds ``(1, x y, x x, y y)`` to ``sums[row]``.

``sums`` is (rows, 4) float64 in C order, ``row`` a uint32 that is not checked, x and y float64.
"""

add_values: Any = intrinsic(_values)
"""``add_values(sums, row, x, y)`` adds ``(x, y, 0, 0)`` to ``sums[row]``; the rest as above."""
