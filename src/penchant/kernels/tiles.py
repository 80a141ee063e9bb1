"""Products of a tile of vectors with a panel of vectors, kept in registers and compared there.

A matrix product that only looks for scores above a bar needs no matrix: a tile of scores is summed
in registers and compared, and is written only where something reaches its bar. The compiler behind
numba keeps no tile of sums in registers by itself, so the vectors are written out.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic

cgutils: Any = _cgutils  # its functions have no types

LANES = 16
"""Floats in a vector: one register with AVX-512, two or four elsewhere."""

FLOAT, INT, WORD, BITS = ir.FloatType(), ir.IntType(64), ir.IntType(32), ir.IntType(LANES)
VECTOR = ir.VectorType(FLOAT, LANES)

WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))
ROWS, VECTORS = (8, 2) if WIDE else (4, 1)
"""Rows of a tile, and vectors in each: as many sums as the registers hold."""
COLUMNS = VECTORS * LANES


def tile_of(rows: int, vectors: int) -> Any:
    """Return ``reaches`` for tiles of so many rows, and vectors (at most 2) in each."""

    def typed(
        typing: Any, panel: Any, at: Any, tile: Any, from_: Any, factors: Any, head: Any,
        tails: Any, rests: Any, bars: Any, first: Any, scores: Any, masks: Any,
    ) -> Any:  # fmt: skip
        kinds = (panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks)
        return types.int64(*kinds), generated

    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        panel, tile, tails, rests, bars, scores, masks = (
            context.make_array(signature.args[n])(context, builder, args[n]).data
            for n in (0, 2, 6, 7, 8, 10, 11)
        )
        at, from_, factors, head, first = (args[n] for n in (1, 3, 4, 5, 9))
        cells = [(r, v) for r in range(rows) for v in range(vectors)]
        sums = {cell: cgutils.alloca_once(builder, VECTOR) for cell in cells}
        for cell in cells:
            builder.store(ir.Constant(VECTOR, [0.0] * LANES), sums[cell])
        above = {r: _splat(builder, _loaded(builder, bars, first, r)) for r in range(rows)}

        def add(start: Any, stop: Any) -> None:
            with cgutils.for_range_slice(builder, start, stop, _number(1), INT) as (k, _):
                left = builder.add(from_, builder.mul(k, _number(rows)))
                right = builder.add(at, builder.mul(k, _number(vectors * LANES)))
                y = [_loaded(builder, panel, right, v * LANES, VECTOR) for v in range(vectors)]
                for r in range(rows):
                    x = _splat(builder, _loaded(builder, tile, left, r))
                    for v in range(vectors):
                        builder.store(_fused(builder, x, y[v], sums[r, v]), sums[r, v])

        answer = cgutils.alloca_once_value(builder, _number(0))
        add(_number(0), head)
        hope = ir.Constant(BITS, 0)
        for r, v in cells:
            rest = _loaded(builder, rests, builder.udiv(at, factors), v * LANES, VECTOR)
            tail = _splat(builder, _loaded(builder, tails, first, r))
            most = _fused(builder, tail, rest, sums[r, v])
            hope = builder.or_(hope, _at_least(builder, most, above[r]))
        with builder.if_then(builder.icmp_unsigned("!=", hope, ir.Constant(BITS, 0))):
            add(head, factors)
            every = ir.Constant(WORD, 0)
            for r in range(rows):
                mask = ir.Constant(WORD, 0)
                for v in range(vectors):
                    products = builder.load(sums[r, v])
                    place = builder.gep(scores, [_number((r * vectors + v) * LANES)])
                    builder.store(products, builder.bitcast(place, VECTOR.as_pointer())).align = 4
                    part = builder.zext(_at_least(builder, products, above[r]), WORD)
                    mask = builder.or_(mask, builder.shl(part, ir.Constant(WORD, v * LANES)))
                builder.store(mask, builder.gep(masks, [_number(r)]))
                every = builder.or_(every, mask)
            builder.store(builder.zext(every, INT), answer)
        return builder.load(answer)

    return intrinsic(typed)


def _number(value: int) -> Any:
    return ir.Constant(INT, value)


def _loaded(builder: Any, pointer: Any, start: Any, plus: int, kind: Any = FLOAT) -> Any:
    """Return what stands at an element of an array."""
    place = builder.gep(pointer, [builder.add(start, _number(plus))])
    found = builder.load(builder.bitcast(place, kind.as_pointer()))
    found.align = 4  # an array of numbers promises no more
    return found


def _splat(builder: Any, number: Any) -> Any:
    """Return a vector of the same number."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(WORD, 0))
    return builder.shuffle_vector(
        one, nothing, ir.Constant(ir.VectorType(WORD, LANES), [0] * LANES)
    )


def _fused(builder: Any, x: Any, y: Any, total: Any) -> Any:
    """Return x y plus what ``total`` points to."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
    return builder.call(function, [x, y, builder.load(total)])


def _at_least(builder: Any, x: Any, y: Any) -> Any:
    """Return a bit for each lane."""
    return builder.bitcast(builder.fcmp_ordered(">=", x, y), BITS)


reaches = tile_of(ROWS, VECTORS)
"""``reaches(panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks)``.

Multiply ROWS vectors with COLUMNS vectors and say, not 0, whether a product reaches its row's bar.
Then ``scores`` (ROWS x COLUMNS, float32) holds the products, and bit c of ``masks[r]`` (uint32)
says whether that of row r and column c reaches the bar of r.

The vectors stand at ``tile[from_:]``, as (factors, ROWS), and ``panel[at:]``, as (factors,
COLUMNS), all float32. After the first ``head`` factors the others are left out when no product can
reach its bar: that of row r and column c is at most the sum so far plus ``tails[first + r]`` times
``rests[at / factors + c]``. ``bars[first + r]`` is the bar of row r.
"""


def _lowest_bit(typing: Any, word: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), INT)

    return types.int64(types.uint32), generated


lowest_bit: Any = intrinsic(_lowest_bit)
"""``lowest_bit(word)`` is the number of the lowest bit that is set in a uint32 that is not 0."""
