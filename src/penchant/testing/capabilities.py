"""The laws of the capabilities: each holds for models that have the method, and for them alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from penchant.explanations import Explanation
from penchant.models.onboarding import onboarded, onboards
from penchant.ranking import Rules, select
from penchant.recommender import (
    Bounds,
    Embeds,
    Explains,
    Retrieves,
    Samples,
    Similar,
    Updates,
)
from penchant.testing.case import Case, demand, fingerprint, rated, same, saved


def explanations_add_up(case: Case) -> None:
    """Base and shares add up to the score of any item, in any map; shares tell of the history."""
    model = case.fitted
    if not isinstance(model, Explains):
        return
    for queries in (case.queries, *(case.elsewhere(how)[0] for how in ("permuted", "larger"))):
        scores, answer = model.score(queries), model.answer(queries)
        demand(same(answer.scores, scores), "scores that come with explanations are others")
        for r in range(3):
            known = np.flatnonzero(~np.isnan(scores[r]))
            order = known[np.argsort(-scores[r, known], kind="stable")]
            met = queries.histories.take(slice(r, r + 1)).item
            flat = known[np.argsort(np.abs(scores[r, known]), kind="stable")][:2]
            unsaid = np.flatnonzero(np.isnan(scores[r]))[:3]
            codes = np.array([*order[:3], *order[-2:], *flat, *met[:3], *unsaid], np.int32)
            told = answer.behind.told(r, codes).sums()
            demand(
                np.array_equal(np.isnan(told), np.isnan(scores[r, codes])),
                "something is told of items that have no score, or nothing of others",
            )
            history = queries.items.decode(met)
            for why, code in zip(answer.explain(r, codes), codes, strict=True):
                if not np.isnan(scores[r, code]):
                    _adds_up(why, float(scores[r, code]), queries.items.decode([code])[0])
                alien = [s.id for s in why.shares if s.kind == "history" and s.id not in history]
                demand(not alien, f"shares of {alien}, which the asker never met")


def _adds_up(told: Explanation, score: float, name: object) -> None:
    size = abs(told.base) + sum(abs(s.amount) for s in told.shares)
    total = told.base + sum(s.amount for s in told.shares)
    demand(
        abs(total - score) <= 1e-5 * size + 1e-9,
        f"item {name}: base and shares add up to {total:.6g}, the score is {score:.6g}",
    )
    demand(
        abs(told.score - score) <= 1e-4 * abs(score) + 1e-7,
        f"item {name}: explained {told.score:.6g}, scored {score:.6g}",
    )
    kinds = {s.kind for s in told.shares}
    demand(kinds <= {"history", "feature", "part"}, f"shares of {kinds}")


def similar_items_are_others(case: Case) -> None:
    """An item is not among the items like it; ids come back as they were given."""
    model = case.fitted
    if not isinstance(model, Similar):
        return
    asked = case.data.items.decode([4, 9])
    found = model.similar(asked, k=5)
    for one, row in zip(asked, found.ids(), strict=True):
        demand(one not in row, "an item is its own answer")
        demand(len(row) > 0, "no item is like a popular one")
        demand(len(set(row)) == len(row), "an item is listed twice")


def vectors_multiply_to_scores(case: Case) -> None:
    """A model that embeds scores by the product of its vectors."""
    model = case.fitted
    if not isinstance(model, Embeds):
        return
    product = model.user_vectors(case.queries) @ model.item_vectors().T
    demand(same(product.astype(np.float32), model.score(case.queries)), "products are not scores")
    again = model.user_vectors(case.elsewhere("permuted")[0]) @ model.item_vectors().T
    demand(same(again, product), "other vectors for the same people in another vocabulary")


def bounds_hold_ratings(case: Case) -> None:
    """Bounds hold the score, grow with the level, and hold about as many ratings as they say."""
    model, queries = case.fitted, case.queries
    if not isinstance(model, Bounds):
        return
    scores = model.score(queries)
    inner, outer = (model.bounds(queries, level=level) for level in (0.5, 0.9))
    known = ~np.isnan(scores)
    for low, high in (inner, outer):
        demand(
            np.array_equal(np.isnan(low), ~known) and np.array_equal(np.isnan(high), ~known),
            "bounds are NaN where the score is not, or the other way round",
        )
    low, high = outer
    demand((low <= inner[0])[known].all() and (high >= inner[1])[known].all(),
           "bounds at level 0.9 lie within those at 0.5")  # fmt: skip
    demand(((low <= scores) & (scores <= high))[known].all(), "a score lies outside its bounds")
    codes = np.arange(0, len(case.data.items), 3, dtype=np.int32)
    some = model.bounds(queries, codes, level=0.9)
    demand(same(some[0], low[:, codes]) and same(some[1], high[:, codes]),
           "bounds of some items are not what they are among all")  # fmt: skip
    data = rated(0.6)
    held = np.random.default_rng(1).random(len(data)) < 0.2
    learned = case.fresh().fit(data.where(~held), rng=1)
    truth = data.where(held).histories
    low, high = learned.bounds(data.where(~held).queries(), level=0.9)  # type: ignore[attr-defined]
    row, item = truth.person(), truth.item
    inside = np.mean((truth.value >= low[row, item]) & (truth.value <= high[row, item]))
    demand(inside >= 0.82, f"bounds at level 0.9 hold {inside:.2f} of new ratings")
    mean_width = float(np.mean(high - low))
    demand(mean_width < 3.9, f"bounds are {mean_width:.1f} apart where ratings span 4")


def updates_make_a_new_model(case: Case) -> None:
    """An updated model is a new one, the old unchanged; one that counts ends where a fit does."""
    model = case.fitted
    if not isinstance(model, Updates):
        return
    before = fingerprint(model)
    # What came last of a third of the people is new; a model that counts may learn it afterwards.
    fresh = np.where(np.arange(len(case.data.users)) % 3 == 0, 2, 0)
    h = case.data.histories
    place = np.arange(len(h.item)) - np.repeat(h.indptr[:-1], h.lengths)
    early = case.data.where(place < np.repeat(h.lengths - fresh, h.lengths))
    old = case.fresh().fit(early, rng=5)
    mark = fingerprint(old)
    new = old.updated(case.data, case.data.queries(), fresh) if isinstance(old, Updates) else old
    demand(new is not old, "updated gives the model itself")
    demand(fingerprint(old) == mark, "updating changed the old model")
    demand(fingerprint(new) != mark, "updating taught the model nothing")
    demand(fingerprint(model) == before, "updating one model changed another")
    if model.counts:
        whole = model.score(case.queries)
        demand(same(new.score(case.queries), whole), "fit(A).updated(B) is not fit(A + B)")


def onboarding_keeps_known_scores(case: Case) -> None:
    """Items taken up by their content become answerable, and change no score of the others."""
    model, table = case.fitted, case.data.item_table
    if not onboards(model) or table is None:
        return
    before, known = fingerprint(model), model.score(case.queries)
    fresh = pl.Series("item", range(9900, 9904), dtype=table["item"].dtype)
    new = onboarded(model, table[:4].with_columns(fresh))
    demand(new is not model, "taking up items gives the model itself")
    demand(fingerprint(model) == before, "taking up items changed the old model")
    items = new.training_.items
    demand(items.leading(case.data.items) == len(case.data.items), "codes of known items changed")
    demand(same(new.score(case.queries), known, 1e-6), "scores of known items changed")
    people = [case.queries]
    if "tastes" in model.reads:  # who has no history may be answered by another part
        people.append(case.data.queries(tastes=[{"genres:Action": 1.0}]))
    people = [asked.recoded(items, asked.users) for asked in people]
    codes = items.encode(fresh)
    found = [new.score(asked, codes) for asked in people]
    demand(any((~np.isnan(s)).any() for s in found), "no new item with known content has a score")
    with saved(new) as again:
        kept = [again.score(asked, codes) for asked in people]
    demand(
        all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, kept, strict=True)),
        "saved and loaded, new items score otherwise",
    )


def retrieving_finds_the_best(case: Case) -> None:
    """``retrieve`` gives k allowed items with their exact scores, and the best at its recall."""
    model, queries = case.fitted, case.queries
    if not isinstance(model, Retrieves):
        return
    scores = model.score(queries)
    one_percent = list(case.data.items)[7:9]
    for rules in (Rules(), Rules(only=one_percent), Rules(exclude=one_percent)):
        exact = select(scores, queries, 10, rules).codes
        codes, found = model.retrieve(queries, 10, rules)
        hits = 0
        for r, row in enumerate(codes):
            got, best = row[row >= 0], exact[r][exact[r] >= 0]
            demand(len(set(got)) == len(got), "an item is retrieved twice")
            demand(len(got) == len(best), f"{len(got)} items retrieved; {len(best)} are allowed")
            want = scores[r, got]
            demand(not np.isnan(want).any(), "an item that cannot be scored is retrieved")
            demand(same(found[r, : len(got)][None], want[None]), "a retrieved score is not exact")
            allowed = select(scores[r : r + 1], queries[r], len(case.data.items), rules).codes[0]
            demand(set(got) <= set(allowed), "an item that the rules forbid is retrieved")
            hits += len(set(got) & set(best))
        reached = hits / max(int(np.count_nonzero(exact >= 0)), 1)
        demand(
            reached >= model.recall - 0.05,
            f"recall is {reached:.2f}; {model.recall:.2f} is declared",
        )


def samples_follow_their_propensities(case: Case) -> None:
    """Drawn lists hold allowed items, as often as their propensities say."""
    model = case.fitted
    if not isinstance(model, Samples):
        return
    asked = case.queries[np.zeros(4000, np.int64)]
    lists = model.sample(asked, 2, np.random.default_rng(3), Rules())
    first, chance = lists.codes[:, 0], lists.propensity[:, 0].astype(np.float64)
    seen = set(case.queries.histories.take(slice(0, 1)).item.tolist())
    demand(not seen & set(lists.codes.ravel().tolist()), "a seen item is drawn")
    demand((lists.codes[:, 0] != lists.codes[:, 1]).all(), "an item is drawn twice for one list")
    demand(((chance > 0) & (chance <= 1)).all(), "a propensity is not above 0 and at most 1")
    for code in np.unique(first):
        here = first == code
        stated = chance[here].mean()
        spread = 5 * np.sqrt(max(stated * (1 - stated), 1e-4) / len(first))
        demand(
            abs(here.mean() - stated) <= spread,
            f"an item was drawn first {here.mean():.3f} of the time; {stated:.3f} is stated",
        )


LAWS: tuple[Callable[[Case], None], ...] = (
    explanations_add_up,
    similar_items_are_others,
    vectors_multiply_to_scores,
    bounds_hold_ratings,
    updates_make_a_new_model,
    onboarding_keeps_known_scores,
    retrieving_finds_the_best,
    samples_follow_their_propensities,
)
