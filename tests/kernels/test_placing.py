"""Where ratings place people, against one regression over everything that is not known."""

import numpy as np
import pytest

from naive_fm import placed as naively
from penchant.kernels import placing, threads
from penchant.kernels.placing import Samples, Told

F, S, ITEMS = 3, 37, 6


def samples(rng, *, rated=True, contexts=True):
    def draw(n):
        return (0.5 * rng.standard_normal((n, F + 1, S))).astype(np.float32)

    own = np.stack([0.3 * rng.standard_normal((F + 1, S)), 0.5 + rng.random((F + 1, S))])
    moods = np.stack([0.2 * rng.standard_normal(S), 0.5 + rng.random(S)])
    return Samples(
        draw(ITEMS), draw(ITEMS if rated else 0), draw(2), draw(3 if contexts else 0), own, moods,
        3 + rng.standard_normal(S), 0.5 + rng.random(S), np.zeros((0, S)),
    )  # fmt: skip


def told(rng, people=5, *, contexts=True):
    lengths = np.array([3, 0, 1, 5, 4])[:people]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    n = int(indptr[-1])
    items = np.concatenate([rng.choice(ITEMS, k, replace=False) for k in lengths]).astype(np.int32)
    session, first = np.full(n, -1), [0]
    for q, k in enumerate(lengths):
        many = min(2, int(k))
        session[indptr[q] : indptr[q + 1]] = first[-1] + np.arange(k) % max(many, 1)
        first.append(first[-1] + many)
    session[0] = -1  # a rating without a time
    pointer = np.arange(n + 1) if contexts else np.zeros(n + 1, np.int64)
    which = rng.integers(0, 3, n if contexts else 0).astype(np.int32)
    return Told(
        indptr, items, rng.integers(1, 6, n).astype(np.float32), session, np.array(first),
        np.arange(people + 1), rng.integers(0, 2, people).astype(np.int32),
        rng.random(people).astype(np.float32), pointer, which,
        rng.random(len(which)).astype(np.float32),
    )  # fmt: skip


def placed(t, s, run_threads=1):
    people = len(t.indptr) - 1
    out = np.empty((people, F + 1, S), np.float32)
    moods = np.empty((t.sessions[-1], S), np.float32)
    threads.run(placing.place, t.indptr, t, s, out, moods, threads=run_threads)
    return out, moods


def features(t, s, q, sample, rating=None):
    """The person's features but the own one, and with a rating those of what was rated."""
    lo, hi = t.indptr[q], t.indptr[q + 1]
    found = []
    if len(s.rated):
        found += [(1 / np.sqrt(hi - lo), s.rated[i, :, sample]) for i in t.items[lo:hi]]
    f = t.feature_ptr[q]
    found.append((t.amount[f], s.people[t.feature[f], :, sample]))
    if rating is not None:
        found.append((1.0, s.items[t.items[rating], :, sample]))
        for n in range(t.context_ptr[rating], t.context_ptr[rating + 1]):
            found.append((t.context_amount[n], s.contexts[t.context[n], :, sample]))
    return [(float(x), float(v[-1]), v[:-1].astype(float)) for x, v in found]


@pytest.mark.parametrize("rated", [True, False])
@pytest.mark.parametrize("contexts", [True, False])
def test_people_stand_where_one_regression_puts_them(rated, contexts):
    rng = np.random.default_rng(4)
    s, t = samples(rng, rated=rated, contexts=contexts), told(rng, contexts=contexts)
    out, moods = placed(t, s)
    for q in range(5):
        lo, hi = t.indptr[q], t.indptr[q + 1]
        for sample in (0, 31, 32, S - 1):
            said = [
                (float(t.values[p]) - s.base[sample], features(t, s, q, sample, p),
                 None if t.session[p] < 0 else int(t.session[p]))
                for p in range(lo, hi)
            ]  # fmt: skip
            own, numbers = naively(
                said, None, s.own[:, :, sample], s.moods[:, sample], s.noise[sample]
            )
            others = features(t, s, q, sample)
            vector = own[:-1] + sum(x * v for x, _, v in others)
            np.testing.assert_allclose(out[q, :-1, sample], vector, atol=2e-5)
            total = s.base[sample] + own[-1] + sum(x * w for x, w, _ in others)
            every = [own[:-1], *(x * v for x, _, v in others)]
            total += sum(every[a] @ every[b] for a in range(len(every)) for b in range(a))
            assert out[q, -1, sample] == pytest.approx(total, abs=1e-4)
            for name, number in numbers.items():
                assert moods[name, sample] == pytest.approx(number, abs=2e-5)


def test_the_number_of_threads_does_not_matter():
    rng = np.random.default_rng(5)
    s, t = samples(rng), told(rng)
    for a, b in zip(placed(t, s), placed(t, s, run_threads=3)):
        np.testing.assert_array_equal(a, b)


def test_levels_place_people_about_where_numbers_do():
    """Cuts so fine that a level is nearly a number: the probit is then a regression."""
    rng = np.random.default_rng(6)
    s, t = samples(rng, contexts=False), told(rng, contexts=False)
    s = s._replace(noise=np.ones(S))
    edges = np.linspace(-12, 18, 401)
    cuts = np.tile(np.concatenate([[-1e9], edges, [1e9]])[:, None], (1, S))
    numbers = rng.uniform(0, 6, len(t.values)).astype(np.float32)
    levels = np.searchsorted(edges, numbers).astype(np.float32)
    middle = (edges[levels.astype(int) - 1] + edges[levels.astype(int)]) / 2
    fine, _ = placed(t._replace(values=levels), s._replace(cuts=cuts))
    exact, _ = placed(t._replace(values=middle.astype(np.float32)), s)
    np.testing.assert_allclose(fine, exact, atol=0.02)
