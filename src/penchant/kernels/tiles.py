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
FLOAT, INT, WORD = ir.FloatType(), ir.IntType(64), ir.IntType(32)
LANES = 16
"""Floats in a vector: one register with AVX-512, two or four elsewhere."""

WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))
ROWS, VECTORS = (8, 2) if WIDE else (4, 1)
"""Rows of a tile, and vectors in each: as many sums as the registers hold."""
COLUMNS = VECTORS * LANES


def _reaches(
    typing: Any, panel: Any, at: Any, tile: Any, from_: Any, factors: Any, head: Any,
    tails: Any, rests: Any, bars: Any, first: Any, scores: Any, masks: Any,
) -> Any:  # fmt: skip
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        types_ = signature.args
        panel, tile, tails, rests, bars, scores, masks = (
            context.make_array(types_[n])(context, builder, args[n]).data
            for n in (0, 2, 6, 7, 8, 10, 11)
        )
        at, from_, factors, head, first = (args[n] for n in (1, 3, 4, 5, 9))
        vector = ir.VectorType(FLOAT, LANES)
        bits = ir.IntType(LANES)

        def loaded(pointer: Any, start: Any, kind: Any = vector) -> Any:
            found = builder.load(builder.bitcast(builder.gep(pointer, [start]), kind.as_pointer()))
            found.align = 4  # an array of numbers promises no more
            return found

        def constant(value: int) -> Any:
            return ir.Constant(INT, value)

        def splat(number: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), number, ir.Constant(WORD, 0)
            )
            same = ir.Constant(ir.VectorType(WORD, LANES), [0] * LANES)
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), same)

        kind = ir.FunctionType(vector, [vector] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        fused = cgutils.get_or_insert_function(builder.module, kind, name)
        cells = [(r, v) for r in range(ROWS) for v in range(VECTORS)]
        sums = {cell: cgutils.alloca_once(builder, vector) for cell in cells}
        for cell in cells:
            builder.store(ir.Constant(vector, [0.0] * LANES), sums[cell])

        def summed(start: Any, stop: Any) -> None:
            with cgutils.for_range_slice(builder, start, stop, constant(1), INT) as (k, _):
                left = builder.add(from_, builder.mul(k, constant(ROWS)))
                right = builder.add(at, builder.mul(k, constant(COLUMNS)))
                columns = [
                    loaded(panel, builder.add(right, constant(v * LANES))) for v in range(VECTORS)
                ]
                for r in range(ROWS):
                    x = splat(loaded(tile, builder.add(left, constant(r)), FLOAT))
                    for v in range(VECTORS):
                        total = builder.load(sums[r, v])
                        builder.store(builder.call(fused, [x, columns[v], total]), sums[r, v])

        def row_of(array: Any, r: int) -> Any:
            return splat(loaded(array, builder.add(first, constant(r)), FLOAT))

        answer = cgutils.alloca_once_value(builder, constant(0))
        summed(constant(0), head)
        panels_rests = builder.udiv(at, factors)
        hope = ir.Constant(bits, 0)
        for v in range(VECTORS):
            rest = loaded(rests, builder.add(panels_rests, constant(v * LANES)))
            for r in range(ROWS):
                most = builder.call(fused, [row_of(tails, r), rest, builder.load(sums[r, v])])
                above = builder.fcmp_ordered(">=", most, row_of(bars, r))
                hope = builder.or_(hope, builder.bitcast(above, bits))
        with builder.if_then(builder.icmp_unsigned("!=", hope, ir.Constant(bits, 0))):
            summed(head, factors)
            every = ir.Constant(WORD, 0)
            for r in range(ROWS):
                mask = ir.Constant(WORD, 0)
                for v in range(VECTORS):
                    above = builder.fcmp_ordered(">=", builder.load(sums[r, v]), row_of(bars, r))
                    part = builder.zext(builder.bitcast(above, bits), WORD)
                    mask = builder.or_(mask, builder.shl(part, ir.Constant(WORD, v * LANES)))
                    where = builder.gep(scores, [constant((r * VECTORS + v) * LANES)])
                    where = builder.bitcast(where, vector.as_pointer())
                    builder.store(builder.load(sums[r, v]), where).align = 4
                builder.store(mask, builder.gep(masks, [constant(r)]))
                every = builder.or_(every, mask)
            builder.store(builder.zext(every, INT), answer)
        return builder.load(answer)

    kinds = (panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks)
    return types.int64(*kinds), generated


reaches: Any = intrinsic(_reaches)
"""``reaches(panel, at, tile, from_, factors, head, tails, rests, bars, first, scores, masks)``.

Multiply ROWS vectors with COLUMNS vectors and say, not 0, whether a product reaches its row's bar.
Then ``scores`` (ROWS x COLUMNS, float32) holds the products, and bit c of ``masks[r]`` (uint32)
says whether that of row r and column c reaches the bar of r.

The vectors stand at ``tile[from_:]``, as (factors, ROWS), and ``panel[at:]``, as (factors,
COLUMNS), all float32. After the first ``head`` factors the rest is left out when no product can
reach its bar: that of row r and column c is at most the sum so far plus ``tails[first + r]`` times
``rests[at / factors + c]``. ``bars[first + r]`` is the bar of row r.
"""


def _lowest_bit(typing: Any, word: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), INT)

    return types.int64(types.uint32), generated


lowest_bit: Any = intrinsic(_lowest_bit)
"""``lowest_bit(word)`` is the number of the lowest bit that is set in a uint32 that is not 0."""
