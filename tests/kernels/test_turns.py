import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from naive_content import turns
from penchant.kernels.turns import deal


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_items_are_dealt_as_by_hand(parts, q, n, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (parts, q, n)).astype(float)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    free = rng.random((q, n)) < 0.3
    orders = np.argsort(-scores, axis=2, kind="stable").astype(np.int32)
    found, who = deal(orders, np.count_nonzero(~np.isnan(scores), axis=2), free)
    for r in range(q):
        rows = [[None if np.isnan(s) else s for s in part[r]] for part in scores]
        expected = turns(rows, set(np.flatnonzero(free[r]).tolist()))
        assert found[r].tolist() == [-1 if one is None else one[0] for one in expected]
        assert who[r].tolist() == [0 if one is None else one[1] for one in expected]


def test_each_thread_count_deals_alike():
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permuted(np.tile(np.arange(900), (400, 1)), axis=1) for _ in range(3)])
    lengths, free = rng.integers(0, 900, (3, 400)), rng.random((400, 900)) < 0.1
    whole = deal(orders.astype(np.int32), lengths, free)
    for r in (0, 399):
        alone = deal(orders[:, r : r + 1].astype(np.int32), lengths[:, r : r + 1], free[r : r + 1])
        for many, one in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(many[r], one[0])
