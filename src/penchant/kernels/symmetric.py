"""The nearest columns of each column of a sparse matrix, from tiles of the symmetric product X'X.

The sums of products behind similarities take a step for each pair of entries of a row, the square
of its length. Here they take fewer. A pair is computed once, for both of its columns. Columns stand
in order of their number of entries, and LANES neighbours in that order are summed together: a row
with several of them, as most of the work is in rows and columns with many entries, adds one vector
for all to each column behind them. And rows are fetched from memory ahead of their turn.

The sums of as many tiles as fit in BUFFER are made; then each column looks through them for others
above the worst it would keep. A sum is made in one place, a column looks in one order, and how many
threads do it changes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from penchant.kernels.csr import CSR, stretches
from penchant.kernels.threads import run
from penchant.kernels.topk import kth_largest

LANES = 8
"""Columns whose sums are made together, one in each lane of a vector of 32-bit numbers."""

TILE = LANES * LANES
"""Sums of LANES columns with LANES others."""

BUFFER = 1 << 23
"""Bytes of sums that are made before they are looked through: they stay in the cache till then."""

AT_LEAST = 16
"""Blocks of LANES columns whose sums are made nevertheless, so that threads have a share each."""

AHEAD = 8
"""Rows that are fetched while one is added: a row is somewhere in memory, and short."""

LINE = 16
"""Numbers of 32 bits that are fetched at a time."""

LEAST = 1 << 16
"""Vectors to add or look at for which one thread will do."""

SURE = np.float32(1.00001)
"""Factor by which a sum may miss its bar in the quick test, for rounding."""


class Scale(NamedTuple):
    """How alike j is to i: ``p / (times_i[i] times_j[j] + plus_i[i] + plus_j[j] + both p + rest)``.

    p is the sum of products of columns i and j. The arrays are (columns,) float32, not negative.
    """

    times_i: NDArray[np.float32]
    times_j: NDArray[np.float32]
    plus_i: NDArray[np.float32]
    plus_j: NDArray[np.float32]
    both: np.float32
    rest: np.float32


def nearest_columns(columns: CSR, k: int, scale: Scale) -> CSR:
    """Return the similarities of each column's ``k`` most similar other columns.

    Parameters
    ----------
    columns : the matrix X transposed: a row of it is a column of X.
    k : how many to keep, at least 1; of equals those with more entries, then of a lower number.
    scale : what makes a similarity of a sum of products; those above 0 count.

    Returns
    -------
    (n, n); column i holds the similarities of the nearest to i, in the rows they belong to.
    """
    n = columns.shape[0]
    lengths = np.diff(columns.indptr)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)].astype(np.int32)
    count, blocks = len(order), -(-len(order) // LANES)
    indptr = np.zeros(columns.columns + 1, np.int64)
    np.cumsum(np.bincount(columns.indices, minlength=columns.columns), out=indptr[1:])
    indices, data = _ordered(columns.indptr, columns.indices, columns.data, order, indptr)
    starts, rows, offsets, work = _visits(indptr, indices, blocks)
    constant = _constant(indptr, data)
    k = min(k, max(count - 1, 1))
    room = _room(indptr, indices, count, k)
    near, values = np.empty(room[-1], np.int32), np.empty(room[-1], np.float32)
    found, bars = np.zeros(count, np.int64), np.zeros(blocks * LANES, np.float32)
    bars[count:] = np.inf
    scales = [np.pad(one[order], (0, len(bars) - count)) for one in scale[:4]]
    sizes = np.arange(blocks, 0, -1) * TILE
    sums = _aligned(min(int(sizes.sum()), max(BUFFER // 4, AT_LEAST * blocks * TILE)))
    met = np.empty(len(sums) // TILE, np.bool_)
    first = 0
    while first < blocks:
        tiles = np.append(0, np.cumsum(sizes[first:]))
        last = first + int(np.searchsorted(tiles, len(sums), "right")) - 1
        run(
            _sums, work[first : last + 1], first, tiles, starts, rows, offsets, indptr, indices,
            data, constant, sums, met, least=LEAST,
        )  # fmt: skip
        run(
            _look, _looks(first, last, blocks), first, last, tiles, sums, met, *scales, *scale[4:],
            k, room, found, bars, near, values, least=LEAST,
        )  # fmt: skip
        first = last
    run(_best, count, k, room, found, near, values)
    held, begins = np.zeros(n + 1, np.int64), np.zeros(n, np.int64)
    held[order + 1], begins[order] = found, room[:-1]
    held = np.cumsum(held)
    entries = stretches(begins, held)
    return CSR(held, order[near[entries]], values[entries], n).transposed()


def _aligned(size: int) -> NDArray[np.float32]:
    """Return an array that begins with a line of the cache."""
    room = np.empty(size + LINE, np.float32)
    return room[-room.ctypes.data % (4 * LINE) // 4 :][:size]


def _room(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], count: int, k: int
) -> NDArray[np.int64]:
    """Return where the candidates of each column begin: room for k, and for better ones to come."""
    others = np.repeat(np.diff(indptr) - 1, np.diff(indptr))
    most = np.bincount(indices, others, count).astype(np.int64)
    most = np.minimum(most, min(count - 1, k + max(k // 2, 16)))
    return np.append(0, np.cumsum(most))


def _looks(first: int, last: int, blocks: int) -> NDArray[np.int64]:
    """Return the cumulative work of ``_look`` by block of columns."""
    tiles = np.minimum(np.arange(blocks - first), last - first)
    tiles[: last - first] += np.arange(blocks - first, blocks - last, -1)
    return np.append(0, np.cumsum(tiles)) * LANES


VECTOR, WORD = ir.VectorType(ir.FloatType(), LANES), ir.IntType(64)


def _data(context: Any, builder: Any, signature: Any, args: Any, n: int) -> Any:
    """Return where the entries of an argument stand that is an array."""
    return context.make_array(signature.args[n])(context, builder, args[n]).data


def _vector_at(builder: Any, data: Any, at: Any) -> Any:
    return builder.bitcast(builder.gep(data, [at]), VECTOR.as_pointer())


def _loaded(builder: Any, where: Any) -> Any:
    found = builder.load(where)
    found.align = 4  # an array of numbers promises no more
    return found


def _same(builder: Any, number: Any) -> Any:
    """Return a vector of one number."""
    nothing, narrow = ir.Constant(VECTOR, ir.Undefined), ir.IntType(32)
    one = builder.insert_element(nothing, number, ir.Constant(narrow, 0))
    first = ir.Constant(ir.VectorType(narrow, LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, first)


def _add_scaled(typing: Any, sums: Any, at: Any, lanes: Any, factor: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, lanes = (_data(context, builder, signature, args, n) for n in (0, 2))
        into = _vector_at(builder, sums, args[1])
        values = _loaded(builder, _vector_at(builder, lanes, ir.Constant(WORD, 0)))
        product = builder.fmul(_same(builder, args[3]), values, flags=["contract"])
        total = builder.fadd(_loaded(builder, into), product, flags=["contract"])
        builder.store(total, into).align = 4
        return context.get_dummy_value()

    return types.void(sums, at, lanes, factor), generated


add_scaled: Any = intrinsic(_add_scaled)
"""``add_scaled(sums, at, lanes, factor)`` adds LANES numbers times a factor to ``sums[at:]``.

All float32, ``at`` an int64 that is not checked. The compiler cannot know that ``lanes`` and
``sums`` are apart, and would ask at each call.
"""


def _fetch(typing: Any, array: Any, at: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        to_read_soon_data = (ir.Constant(word, n) for n in (0, 2, 1))
        where = builder.bitcast(builder.gep(data, [args[1]]), byte)
        builder.call(prefetch, [where, *to_read_soon_data])
        return context.get_dummy_value()

    return types.void(array, at), generated


fetch: Any = intrinsic(_fetch)
"""``fetch(array, at)`` asks for an entry to be brought near; past the end it does nothing."""


def _above(
    typing: Any, sums: Any, at: Any, row_times: Any, row_plus: Any, row_bars: Any, row: Any,
    lane_times: Any, lane_plus: Any, lane_bars: Any, lane: Any, both: Any, rest: Any,
) -> Any:  # fmt: skip
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sums, *arrays = (_data(context, builder, signature, args, n) for n in (0, 2, 3, 4, 6, 7, 8))
        both, rest = _same(builder, args[10]), _same(builder, args[11])
        times, plus, bars = (
            _loaded(builder, _vector_at(builder, one, args[9])) for one in arrays[3:]
        )
        plus = builder.fadd(plus, rest)
        mask = ir.Constant(WORD, 0)
        for r in range(LANES):
            at = builder.add(args[5], ir.Constant(WORD, r))
            row_times, row_plus, row_bar = (
                _same(builder, builder.load(builder.gep(one, [at]))) for one in arrays[:3]
            )
            bar = builder.fadd(bars, row_bar)
            more = builder.fadd(builder.fmul(row_times, times), builder.fadd(row_plus, plus))
            at = builder.add(args[1], ir.Constant(WORD, r * LANES))
            p = _loaded(builder, _vector_at(builder, sums, at))
            sure = builder.fsub(ir.Constant(VECTOR, [SURE] * LANES), builder.fmul(bar, both))
            found = builder.fcmp_ordered(">", builder.fmul(p, sure), builder.fmul(bar, more))
            bits = builder.zext(builder.bitcast(found, ir.IntType(LANES)), WORD)
            mask = builder.or_(mask, builder.shl(bits, ir.Constant(WORD, r * LANES)))
        return mask

    kinds = (
        sums, at, row_times, row_plus, row_bars, row, lane_times, lane_plus, lane_bars, lane, both,
        rest,
    )  # fmt: skip
    return types.uint64(*kinds), generated


above: Any = intrinsic(_above)
"""``above(sums, at, times, plus, bars, row, times, plus, bars, lane, both, rest)``.

Say which of the TILE sums at ``sums[at:]`` may be above a bar: a uint64 whose bit ``r LANES + l``
is for row r and lane l. A sum p may, if ``p SURE > bar (times times + plus + plus + both p +
rest)`` with times and plus of its row and its lane, from ``row`` and ``lane`` on, and the sum of
their bars, one of which is 0: either the rows look for lanes, or the lanes for rows.
"""


def _lowest_bit(typing: Any, word: Any) -> Any:
    def generated(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generated


lowest_bit: Any = intrinsic(_lowest_bit)
"""``lowest_bit(word)`` is the number of the lowest bit that is set in a uint64 that is not 0."""


@njit(nogil=True, cache=True)
def _ordered(indptr, indices, data, order, starts):  # type: ignore[no-untyped-def]
    """Return numbers and values by rows, of a matrix given by columns, of which ``order`` is new.

    ``starts`` says where rows begin.
    """
    at = starts[:-1].copy()
    numbers = np.empty(len(indices), np.int32)
    values = np.empty(len(indices), np.float32)
    for new in range(len(order)):
        old = order[new]
        for e in range(indptr[old], indptr[old + 1]):
            to = at[indices[e]]
            numbers[to] = new
            values[to] = data[e]
            at[indices[e]] = to + 1
    return numbers, values


@njit(nogil=True, cache=True)
def _visits(indptr, indices, blocks):  # type: ignore[no-untyped-def]
    """Return which rows have entries in a block of columns, and others behind the first of them.

    Block by block from ``starts``: the row, and how far within it the first entry stands; and the
    entries from there on, summed over all visits before those of a block.
    """
    starts = np.zeros(blocks + 1, np.int64)
    work = np.zeros(blocks + 1, np.int64)
    for counted in (True, False):
        if not counted:
            starts = np.cumsum(starts)
            rows = np.empty(starts[-1], np.int32)
            offsets = np.empty(starts[-1], np.int32)
            into = starts.copy()
        for r in range(len(indptr) - 1):
            before = -1
            for e in range(indptr[r], indptr[r + 1] - 1):
                block = indices[e] // LANES
                if block == before:
                    continue
                before = block
                if counted:
                    starts[block + 1] += 1
                    work[block + 1] += indptr[r + 1] - e
                else:
                    rows[into[block]] = r
                    offsets[into[block]] = e - indptr[r]
                    into[block] += 1
    return starts, rows, offsets, np.cumsum(work)


@njit(nogil=True, cache=True)
def _constant(indptr, data):  # type: ignore[no-untyped-def]
    """Whether each row holds one value only, so that it need not be read."""
    for r in range(len(indptr) - 1):
        for e in range(indptr[r] + 1, indptr[r + 1]):
            if data[e] != data[e - 1]:
                return False
    return True


@njit(nogil=True, cache=True)
def _sums(  # type: ignore[no-untyped-def]
    lo, hi, first, tiles, starts, rows, offsets, indptr, indices, data, constant, sums, met
):
    """Sum the products of the columns of a block with those of the block and behind it.

    ``met`` says of which tiles there are sums: where rows reach few of them, the others are not
    even set to 0.
    """
    lanes = np.zeros(LANES, np.float32)
    for block in range(first + lo, first + hi):
        base = block * LANES
        top = tiles[block - first]
        end = tiles[block - first + 1]
        many = 0
        for visit in range(starts[block], starts[block + 1]):
            many += indptr[rows[visit] + 1] - indptr[rows[visit]] - offsets[visit]
        whole = many * LANES > end - top
        met[top // TILE : end // TILE] = whole
        if whole:
            sums[top:end] = 0
        else:
            for visit in range(starts[block], starts[block + 1]):
                r = rows[visit]
                for e in range(indptr[r] + offsets[visit], indptr[r + 1]):
                    tile = top // TILE + (indices[e] - base) // LANES
                    if not met[tile]:
                        met[tile] = True
                        sums[tile * TILE : (tile + 1) * TILE] = 0
        for visit in range(starts[block], starts[block + 1]):
            later = min(visit + AHEAD, len(rows) - 1)
            for line in range(4):
                at = indptr[rows[later]] + offsets[later] + line * LINE
                fetch(indices, at)
                if not constant:
                    fetch(data, at)
            begin, end = indptr[rows[visit]] + offsets[visit], indptr[rows[visit] + 1]
            for lane in range(LANES):
                lanes[lane] = 0
            e = begin
            while e < end and indices[e] < base + LANES:
                lanes[indices[e] - base] = data[e]
                e += 1
            if constant:
                for e in range(begin, end):
                    at = top + np.int64(np.uint32(indices[e] - base)) * LANES
                    add_scaled(sums, at, lanes, data[begin])
            else:
                for e in range(begin, end):
                    at = top + np.int64(np.uint32(indices[e] - base)) * LANES
                    add_scaled(sums, at, lanes, data[e])


@njit(nogil=True, cache=True, fastmath={"contract"})
def _look(  # type: ignore[no-untyped-def]
    lo, hi, first, last, tiles, sums, met, times_i, times_j, plus_i, plus_j, both, rest, k,
    room, found, bars, near, values,
):  # fmt: skip
    """Let the columns of each block look for near ones in the tiles of blocks first to last."""
    spare = np.empty(k + max(k // 2, 16), np.float32)
    none = np.zeros(len(bars), np.float32)
    blocks = len(bars) // LANES
    for mine in range(first + lo, first + hi):
        own = mine < last
        for other in range(first, blocks if own else last):
            # The tile of the earlier block has it; lanes are then the later one's, or mine.
            if other < mine:
                at = tiles[other - first] + (mine - other) * TILE
            else:
                at = tiles[mine - first] + (other - mine) * TILE
            if not met[at // TILE]:
                continue
            i0, j0 = mine * LANES, other * LANES
            if other < mine:
                mask = above(
                    sums, at, times_i, plus_i, bars, i0, times_j, plus_j, none, j0, both, rest
                )
            else:
                mask = above(
                    sums, at, times_j, plus_j, none, j0, times_i, plus_i, bars, i0, both, rest
                )
            while mask != 0:
                n = lowest_bit(mask)
                mask &= mask - np.uint64(1)
                r, lane = n // LANES, n % LANES
                i, j = (i0 + r, j0 + lane) if other < mine else (i0 + lane, j0 + r)
                p = sums[at + n]
                if i == j:
                    continue
                p /= times_i[i] * times_j[j] + plus_i[i] + plus_j[j] + both * p + rest
                if p <= bars[i]:
                    continue
                start, size = room[i], found[i]
                if start + size == room[i + 1]:
                    bars[i] = _keep_best(near[start:], values[start:], size, k, spare)
                    found[i] = size = k
                    if p <= bars[i]:
                        continue
                near[start + size] = j
                values[start + size] = p
                found[i] = size + 1


@njit(nogil=True, cache=True)
def _best(lo, hi, k, room, found, near, values):  # type: ignore[no-untyped-def]
    spare = np.empty(k + max(k // 2, 16), np.float32)
    for i in range(lo, hi):
        if found[i] > k:
            _keep_best(near[room[i] :], values[room[i] :], found[i], k, spare)
            found[i] = k


@njit(nogil=True, cache=True)
def _keep_best(near, values, size, k, spare):  # type: ignore[no-untyped-def]
    """Move the k best to the front, in the order they stand, and return the worst of them."""
    worst = kth_largest(values, size, k, spare)
    equals = k
    for n in range(size):
        equals -= values[n] > worst
    kept = 0
    for n in range(size):
        if values[n] > worst or (values[n] == worst and equals > 0):
            equals -= values[n] == worst
            near[kept] = near[n]
            values[kept] = values[n]
            kept += 1
    return worst
