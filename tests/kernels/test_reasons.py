"""What is named of the evidence, against plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.kernels.csr import CSR
from penchant.kernels.placed import placed, placed_rows
from penchant.kernels.profiles import agreement, likings
from penchant.kernels.reasons import AGAINST, FOR, NOTHING, among, cited, strongest

seeds = st.integers(0, 2**32 - 1)


def largest(amounts, may):
    """Return the places of the two largest amounts above 0 of those that may be named."""
    places = [n for n in range(len(amounts)) if may[n] and amounts[n] > 0]
    return (sorted(places, key=lambda n: -amounts[n]) + [-1, -1])[:2]


def named(amounts, others, liked, tasted):
    """Return what ``strongest`` does, for one item."""
    whole = [*amounts, *others]
    total = sum(a for a in whole if a > 0)
    state = FOR if total > 0 else AGAINST if any(whole) else NOTHING
    first, taste = largest(amounts, liked), largest(others, tasted)
    if sum(a for a, may in zip(amounts, liked, strict=True) if may and a > 0) < 0.1 * total:
        first = [-1, -1]
    if taste[0] >= 0 and first[0] >= 0 and others[taste[0]] <= amounts[first[0]]:
        taste = [-1, -1]
    top = largest(others, [True] * len(others))[0]
    if top >= 0 and others[top] <= max([0, *amounts]):
        top = -1
    return [state, *first, *taste, top]


@given(seeds)
def test_what_is_named_as_the_naive_twin(seed):
    rng = np.random.default_rng(seed)
    h, n = rng.integers(0, 6, 2)
    amounts, others = (
        rng.normal(size=(3, m)).round(1) * (rng.random((3, m)) < 0.7) for m in (h, n)
    )
    liked, tasted = rng.random(h) < 0.6, rng.random(n) < 0.6
    found = strongest(amounts, others, liked, tasted)
    assert found == [
        named(a.tolist(), o.tolist(), liked.tolist(), tasted.tolist())
        for a, o in zip(amounts, others, strict=True)
    ]


@given(seeds, st.sampled_from([None, 3.0]))
def test_rows_are_cited_as_the_naive_twin(seed, limit):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, 3)
    indptr = np.append(0, np.cumsum(lengths)).astype(np.int64)
    item = rng.integers(-1, 4, indptr[-1]).astype(np.int32)
    good, rated, hidden = (rng.random(len(item)) < p for p in (0.8, 0.7, 0.2))
    value = rng.integers(1, 6, len(item)).astype(np.float32)
    found = cited(indptr, item, good, rated, hidden, value, limit)
    for a, b in pairwise(indptr.tolist()):
        stars = value[a:b][rated[a:b]]
        least = limit or (stars.mean() if len(stars) else 0) - 1e-6
        for n in range(a, b):
            later = [m for m in range(n, b) if item[m] == item[n]]
            against = any(
                (rated[m] and value[m] < least) or (hidden[m] and not good[m]) for m in later
            )
            assert found[n] == (good[n] and not against)


@pytest.mark.parametrize("codes", [[2, 5, 9], [9, 2, 5], []])
def test_codes_among_the_wanted_rows(codes):
    item = np.array([5, 9, 5, 1], np.int32)
    wanted = np.array([False, True, True, True])
    found = among(np.array(codes, np.int32), item, wanted)
    assert found.tolist() == [code in {5, 9} for code in codes]


def some(rng, rows, columns, share=0.4):
    dense = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < share)
    r, c = np.nonzero(dense)
    return CSR.from_pairs(r, c, dense[r, c], dense.shape), dense.astype(np.float32).astype(float)


@given(seeds)
def test_profiles_as_written_down(seed):
    rng = np.random.default_rng(seed)
    (x, weights), (tastes, told), (items, features) = (
        some(rng, *shape) for shape in ((3, 7), (3, 5), (7, 5))
    )
    found = likings(x, tastes, items, items.transposed(), 0.7)
    for q in range(3):
        h, t = weights[q] @ features, told[q]
        known = bool((np.abs(weights[q]) @ (features != 0)).any() or t.any())
        assert found.known[q] == known
        p = np.zeros(5)
        for part, by in ((h, 1.0), (t, 0.7)):
            length = np.linalg.norm(part)
            p += by * part / length if length > 0 else 0
        length = np.linalg.norm(p)
        expected = features @ (p / length if length > 0 else p)
        expected[~(features != 0).any(axis=1)] = np.nan
        if not known:
            expected[:] = np.nan
        if length == 0 or length > 1e-3:  # else rounding is all that is left
            np.testing.assert_allclose(found.scores[q], expected, atol=2e-4)
    history, asked = np.array([0, 3, 6], np.int32), np.array([5, 0], np.int32)
    expected = features[asked] @ features[history].T
    np.testing.assert_allclose(agreement(history, asked, items), expected, atol=1e-6)


@given(seeds, st.booleans())
def test_rows_of_known_items_are_added_up(seed, whole):
    rng = np.random.default_rng(seed)
    known = np.ones(2100, bool) if whole else rng.random(2100) < 0.6
    place = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
    weights = rng.normal(size=(known.sum(),) * 2).astype(np.float32)
    dense = rng.normal(size=(4, len(known))) * (rng.random((4, len(known))) < 0.004)
    dense[1] = 0
    r, c = np.nonzero(dense)
    x = CSR.from_pairs(r, c, dense[r, c], dense.shape)
    expected = np.full(dense.shape, np.nan)
    expected[:, known] = dense[:, known] @ weights
    expected[~dense[:, known].any(axis=1)] = np.nan
    np.testing.assert_allclose(placed_rows(x, weights, place), expected, atol=1e-3)
    items, history = (rng.integers(0, len(known), n).astype(np.int32) for n in (3, 5))
    found = placed(history, items, weights, place)
    for i, to in enumerate(items):
        for j, one in enumerate(history):
            if place[to] < 0:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == (weights[place[one], place[to]] if place[one] >= 0 else 0)
