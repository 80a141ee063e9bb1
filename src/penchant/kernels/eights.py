"""Products of eight vectors with one, and their weighted sum, as a pass over a row's pairs needs.

A product of two vectors ends in a sum over the lanes of a register. For eight of them the compiler
behind numba makes eight such sums, which for short vectors takes as long as the products; here the
eight are folded into one another, which takes a third of the instructions, and what follows is done
for all eight at once.

All vectors are float32, of a multiple of LANES factors; ``lined_up`` makes room for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from penchant.kernels.tiles import FLOAT, INT, LANES, VECTOR, WORD, cgutils

ROWS = 8
"""Vectors at once."""

SUMS = ir.VectorType(FLOAT, ROWS)

LINE = 64
"""Bytes of a line of the cache: a vector that lies across two takes two loads."""

FOLDS = (
    ((0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 8),
    ((0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27), 4),
    ((0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29), 2),
    ((0, 4, 8, 12, 1, 5, 9, 13), 2),
)
"""Lanes of two vectors, and how far behind each stands the lane that is added to it. Two vectors
become one in which each has half of the lanes, until eight have two lanes each, and then one."""


@njit(nogil=True, cache=True)
def lined_up(rows, width):  # type: ignore[no-untyped-def]
    """Return (rows, width) float32 zeros that begin with a line of the cache."""
    room = np.zeros(rows * width + LINE // 4, np.float32)
    first = (LINE - room.ctypes.data % LINE) % LINE // 4
    return room[first : first + rows * width].reshape((rows, width))


def _dots(typing: Any, vectors: Any, at: Any, n: Any, x: Any, out: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors, at, x, out = (_array(context, builder, signature, args, n) for n in (0, 1, 3, 4))
        starts, factors = _starts(builder, vectors, at, args[2])
        totals = [cgutils.alloca_once(builder, VECTOR) for _ in range(ROWS)]
        for total in totals:
            builder.store(ir.Constant(VECTOR, [0.0] * LANES), total)
        with cgutils.for_range_slice(builder, _number(0), factors, _number(LANES), INT) as (k, _):
            right = _loaded(builder, x, k)
            for start, total in zip(starts, totals, strict=True):
                left = _loaded(builder, vectors, builder.add(start, k))
                builder.store(_fused(builder, left, right, builder.load(total)), total)
        rest = [builder.load(total) for total in totals]
        for lanes, behind in FOLDS[:-1]:
            pairs = zip(rest[::2], rest[1::2], strict=True)
            rest = [_folded(builder, a, b, lanes, behind) for a, b in pairs]
        sums = _folded(builder, rest[0], rest[0], *FOLDS[-1])
        builder.store(sums, _place(builder, out, args[2], SUMS)).align = 4
        return context.get_dummy_value()

    return types.void(vectors, at, n, x, out), generated


def _add(
    typing: Any, vectors: Any, at: Any, n: Any, weights: Any, preference: Any, sums: Any, out: Any
) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors, at, weights, sums, out = (
            _array(context, builder, signature, args, n) for n in (0, 1, 3, 5, 6)
        )
        starts, factors = _starts(builder, vectors, at, args[2])
        weight, found = (_loaded(builder, one, args[2], SUMS) for one in (weights, sums))
        nothing = ir.Constant(SUMS, ir.Undefined)
        preference = builder.insert_element(nothing, args[4], ir.Constant(WORD, 0))
        missing = builder.fsub(_same(builder, preference, 0, ROWS), found)
        shares = builder.fmul(weight, missing)
        factor = [_same(builder, shares, row, LANES) for row in range(ROWS)]
        with cgutils.for_range_slice(builder, _number(0), factors, _number(LANES), INT) as (k, _):
            total = _loaded(builder, out, k)
            for row, start in enumerate(starts):
                y = _loaded(builder, vectors, builder.add(start, k))
                total = _fused(builder, factor[row], y, total)
            builder.store(total, _place(builder, out, k, VECTOR)).align = 4
        return context.get_dummy_value()

    return types.void(vectors, at, n, weights, preference, sums, out), generated


def _copy(typing: Any, vectors: Any, row: Any, out: Any, to: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors, out = (_array(context, builder, signature, args, n) for n in (0, 2))
        factors = builder.extract_value(vectors.shape, 1)
        begin, end = (builder.mul(args[n], factors) for n in (1, 3))
        with cgutils.for_range_slice(builder, _number(0), factors, _number(LANES), INT) as (k, _):
            y = _loaded(builder, vectors, builder.add(begin, k))
            builder.store(y, _place(builder, out, builder.add(end, k), VECTOR)).align = 4
        return context.get_dummy_value()

    return types.void(vectors, row, out, to), generated


def _array(context: Any, builder: Any, signature: Any, args: Any, n: int) -> Any:
    return context.make_array(signature.args[n])(context, builder, args[n])


def _starts(builder: Any, vectors: Any, at: Any, n: Any) -> Any:
    """Return where the vectors ``at[n:]`` begin, and how long they are."""
    factors = builder.extract_value(vectors.shape, 1)
    places = [builder.gep(at.data, [builder.add(n, _number(row))]) for row in range(ROWS)]
    rows = [builder.sext(builder.load(place), INT) for place in places]
    return [builder.mul(row, factors) for row in rows], factors


def _number(value: int) -> Any:
    return ir.Constant(INT, value)


def _place(builder: Any, array: Any, at: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(array.data, [at]), kind.as_pointer())


def _loaded(builder: Any, array: Any, at: Any, kind: Any = VECTOR) -> Any:
    found = builder.load(_place(builder, array, at, kind))
    found.align = 4  # an array of numbers promises no more
    return found


def _shuffled(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(lanes)), list(lanes)))


def _same(builder: Any, vector: Any, lane: int, lanes: int) -> Any:
    """Return a vector of the number in one lane."""
    return _shuffled(builder, vector, ir.Constant(vector.type, ir.Undefined), [lane] * lanes)


def _folded(builder: Any, a: Any, b: Any, lanes: tuple[int, ...], behind: int) -> Any:
    left = _shuffled(builder, a, b, lanes)
    return builder.fadd(left, _shuffled(builder, a, b, [lane + behind for lane in lanes]))


def _fused(builder: Any, x: Any, y: Any, total: Any) -> Any:
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [x, y, total])


dots: Any = intrinsic(_dots)
"""``dots(vectors, at, n, x, out)`` writes ``vectors[at[n + r]] . x`` to ``out[n + r]``, r < ROWS.

``vectors`` is (any, factors) float32 in C order, ``at`` int32, ``n`` int64, ``x`` (factors,) and
``out`` float32. No place is checked.
"""

add: Any = intrinsic(_add)
"""``add(vectors, at, n, weights, preference, sums, out)`` adds ROWS vectors to ``out``.

Vector ``vectors[at[n + r]]`` counts ``weights[n + r] (preference - sums[n + r])`` times; ``sums``
is what ``dots`` wrote. All float32 but ``at`` and ``n``, as there; ``out`` is (factors,).
"""

copy: Any = intrinsic(_copy)
"""``copy(vectors, row, out, to)`` writes ``vectors[row]`` to ``out[to]``, each (any, factors).

The rows are int64. As a loop the compiler would ask for each row whether the two are apart.
"""
