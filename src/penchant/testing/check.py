"""check_recommender: every law of the contract, tried on planted data."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from penchant.dataset import Dataset
from penchant.errors import BadEvents, NotFitted
from penchant.histories import Histories
from penchant.kernels import threads
from penchant.ranking import Rules
from penchant.recommender import (
    EVIDENCE,
    MEANINGS,
    Embeds,
    Explains,
    Onboards,
    Recommender,
    Similar,
    Updates,
    arrays_in,
)
from penchant.testing.case import Case, changed, fingerprint, hubs, planted, rated, same


class BrokenLaw(AssertionError):
    """A model breaks its contract; the message lists each law broken, and how."""


class _Broken(Exception):
    """One law is broken; raised within a law, collected by ``check_recommender``."""


Law = Callable[[Case], None]
_LAWS: tuple[Law, ...]


def laws() -> dict[str, str]:
    """Return the name and the meaning of each law."""
    return {law.__name__: (law.__doc__ or "").strip() for law in _LAWS}


def check_recommender(model: Recommender | type[Recommender]) -> None:
    """Check that a model keeps every law of the contract.

    Parameters
    ----------
    model : a class that needs no arguments, or an instance; it is copied, not changed.

    Raises
    ------
    BrokenLaw : lists each law that is broken, and how.

    Examples
    --------
    >>> from penchant import Popularity
    >>> check_recommender(Popularity)
    """
    case = Case(model() if isinstance(model, type) else model)
    broken = []
    for law in _LAWS:
        try:
            law(case)
        except _Broken as e:
            broken.append(f"{law.__name__}: {e}")
        except Exception as e:  # noqa: BLE001 - whatever a model raises, its author wants to see
            broken.append(f"{law.__name__}: raised {type(e).__name__}: {e}")
    if broken:
        raise BrokenLaw(f"{case.model.name} breaks {len(broken)} laws:\n  " + "\n  ".join(broken))


def _demand(kept: bool | np.bool_, otherwise: str) -> None:
    if not kept:
        raise _Broken(otherwise)


def declares_itself(case: Case) -> None:
    """A model is a dataclass; what it reads and what its scores mean are words of the contract."""
    model = case.model
    _demand(dataclasses.is_dataclass(model), "it is no dataclass")
    _demand(
        model.reads <= EVIDENCE,
        f"reads {sorted(model.reads - EVIDENCE)}: not in {sorted(EVIDENCE)}",
    )
    _demand(model.scores in MEANINGS, f"scores is {model.scores!r}, not one of {MEANINGS}")
    for name in ("fit", "score", "recommend"):
        own = getattr(type(model), name) is getattr(Recommender, name)
        _demand(own, f"{name} is overridden; write _fit and _score")


def unfitted_says_so(case: Case) -> None:
    """Asking before ``fit`` raises NotFitted."""
    try:
        case.fresh().score(case.queries)
    except NotFitted:
        return
    raise _Broken("score before fit did not raise NotFitted")


def keeps_state_in_learned_attributes(case: Case) -> None:
    """``fit`` changes no hyper-parameter, and everything it learns ends in ``_``, read-only."""
    model = case.fresh()
    before = {f.name: repr(getattr(model, f.name)) for f in dataclasses.fields(model)}  # type: ignore[arg-type]
    model.fit(case.data, rng=5)
    parts = {n for n, v in before.items() if isinstance(getattr(model, n), (list, tuple))}
    for name, was in before.items():
        _demand(name in parts or repr(getattr(model, name)) == was, f"fit changed {name}")
    extra = [n for n in vars(model) if n not in before and not n.endswith("_")]
    _demand(not extra, f"fit set {extra}, which save would lose: learned names end in _")
    for name, value in model._learned():
        for array in arrays_in(value):
            _demand(not array.flags.writeable, f"{name} can be written to")


def fits_the_same_again(case: Case) -> None:
    """The same data and seed give the same model, whatever it was fitted on before."""
    once, other = fingerprint(case.fitted), planted(rng=9)
    again = case.fresh().fit(other, rng=1).fit(case.data, rng=5)
    _demand(fingerprint(again) == once, "a second fit does not start from scratch, or is random")
    known = case.fresh().fit(case.data, rng=5).fit(case.data, rng=5)
    _demand(fingerprint(known) == once, "fitting the same data twice gives another model")


def fits_without_side_effects(case: Case) -> None:
    """``fit`` writes neither to its data nor to numpy's global generator."""
    data = planted(feedback=case.data.feedback)  # its own copy: other laws rely on theirs
    before, state = fingerprint(data), str(np.random.get_state())
    case.fresh().fit(data, rng=5)
    _demand(fingerprint(data) == before, "fit wrote to the data")
    _demand(str(np.random.get_state()) == state, "fit drew from numpy's global generator")


def fits_alike_on_any_number_of_threads(case: Case) -> None:
    """The number of threads changes nothing, to the last bit."""
    prints = set()
    for number in (1, 2, 5):
        with threads.limited(number):
            model = case.fresh().fit(case.data, rng=5)
            prints.add((fingerprint(model), model.score(case.queries).tobytes()))
    _demand(len(prints) == 1, "1, 2 and 5 threads give different models or scores")


def reads_do_not_write(case: Case) -> None:
    """Scoring, recommending and explaining change no array of the model or of the queries."""
    own = Case(case.model)  # its own copy: other laws rely on theirs
    model, queries = own.fitted, own.queries
    before = fingerprint(model), fingerprint(queries), sorted(vars(model))
    first = model.score(queries)
    lists = model.recommend(queries, k=5)
    if isinstance(model, Explains) and lists.codes[0, 0] >= 0:
        model.explain(queries[0], int(lists.codes[0, 0]))
    after = fingerprint(model), fingerprint(queries), sorted(vars(model))
    _demand(before == after, "asking changed the model or the queries")
    _demand(same(first, model.score(queries)), "asking twice gives two answers")


def scores_are_numbers_or_nan(case: Case) -> None:
    """A score is finite or NaN; (q, items) float32."""
    scores = case.fitted.score(case.queries)
    _demand(not np.isinf(scores).any(), "a score is infinite; NaN means that it cannot say")
    _demand((~np.isnan(scores)).any(), "every score for known people is NaN")


def scores_what_is_asked(case: Case) -> None:
    """``items`` picks columns of the whole, shared or per query, in any order; -1 is NaN."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    some = np.array([7, 3, -1, 50, 3], np.int32)
    want = np.where(some >= 0, whole[:, some], np.nan).astype(np.float32)
    _demand(same(model.score(queries, some), want), "shared items score otherwise than the whole")
    rng = np.random.default_rng(0)
    each = rng.integers(-1, whole.shape[1], (len(queries), 6)).astype(np.int32)
    picked = np.take_along_axis(whole, np.maximum(each, 0), axis=1)
    want = np.where(each >= 0, picked, np.nan).astype(np.float32)
    _demand(same(model.score(queries, each), want), "items per query score otherwise")


def askers_do_not_mix(case: Case) -> None:
    """A query's scores do not depend on who else asks, nor on the order."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    _demand(same(model.score(queries[::-1]), whole[::-1]), "the order of queries matters")
    for n in range(3):
        _demand(same(model.score(queries[n]), whole[n : n + 1]), "asked alone, another answer")
    _demand(model.score(queries[:0]).shape == (0, whole.shape[1]), "no queries, no empty answer")


def codes_keep_to_their_map(case: Case) -> None:
    """Permuted, larger and smaller vocabularies of the queries give the same scores by id."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    for how in ("permuted", "larger", "smaller"):
        asked, items = case.elsewhere(how)
        found = model.score(asked)
        mine = queries.items.encode(list(items))
        want = np.where(mine >= 0, whole[:, np.maximum(mine, 0)], np.nan).astype(np.float32)
        _demand(same(found, want), f"a {how} vocabulary gives other scores")


def unlisted_evidence_is_ignored(case: Case) -> None:
    """Evidence that ``reads`` does not list changes no score."""
    if "values" not in case.model.reads and case.model.scores == "rating":
        raise _Broken("a model of ratings must read values")
    for evidence in sorted(EVIDENCE - case.model.reads):
        before = case.fitted.score(case.before(evidence))
        for asked in case.variations(evidence, case.queries):
            _demand(
                same(before, case.fitted.score(asked)),
                f"{evidence} is not in reads, and changes scores",
            )


def listed_evidence_counts(case: Case) -> None:
    """Evidence that ``reads`` lists changes some score."""
    for evidence in sorted(case.model.reads):
        moved = False
        for asked in (case.before(evidence), case.strangers):  # some only counts without a history
            before = case.fitted.score(asked)
            after = [case.fitted.score(other) for other in case.variations(evidence, asked)]
            moved = moved or any(not same(before, scores) for scores in after)
        _demand(moved, f"{evidence} is in reads, and changes nothing")


def lists_follow_the_rules(case: Case) -> None:
    """Lists hold k items at most, best first, never twice, seen or excluded, and never NaN."""
    model, queries = case.fitted, case.queries
    scores = model.score(queries)
    lists = model.recommend(queries, k=12)
    indptr, seen = queries.already_seen()
    for r, row in enumerate(lists.codes):
        shown = row[row >= 0]
        _demand(not set(shown) & set(seen[indptr[r] : indptr[r + 1]]), "a seen item is shown")
        _demand(len(set(shown)) == len(shown), "an item is shown twice")
        got = scores[r, shown]
        _demand(not np.isnan(got).any(), "an item that cannot be scored is shown")
        _demand((np.diff(got) <= 1e-6).all(), "the list is not in order of score")
        open_ = np.setdiff1d(np.flatnonzero(~np.isnan(scores[r])), seen[indptr[r] : indptr[r + 1]])
        _demand(len(shown) == min(12, len(open_)), "the list is shorter than it could be")
    first = [row[0] for row in lists.ids() if row]
    again = model.recommend(queries, k=12, rules=Rules(exclude=first))
    _demand(not any(set(row) & set(first) for row in again.ids()), "an excluded item is shown")


def strangers_are_alike(case: Case) -> None:
    """People of whom nothing is known get one and the same answer, or none."""
    nothing = Histories.empty(2, case.data.histories.kinds)
    asked = replace(
        case.queries[:2], histories=nothing, user=np.array([-1, -1], np.int32), seen=None,
        context=None, user_features=None, tastes=None,
    )  # fmt: skip
    scores = case.fitted.score(asked)
    _demand(same(scores[:1], scores[1:]), "two people without evidence get different scores")
    pure = case.model.scores == "rank" and case.model.reads >= {"history"}
    answers = hasattr(case.model, "parts") or not pure  # a composite may hold a fallback
    _demand(
        answers or np.isnan(scores).all(), "no evidence, and yet an answer: NaN is the contract"
    )


def unmet_items_are_unknown(case: Case) -> None:
    """An item that nobody met in training is NaN, unless the model reads features."""
    if case.model.reads & {"tastes", "user_features"}:
        return
    cold = case.data.items.encode([9000, 9001])
    scores = case.fitted.score(case.queries, cold)
    _demand(np.isnan(scores).all(), "an item without evidence has a score; it must be NaN, not 0")


def tells_signal_from_noise(case: Case) -> None:
    """Planted groups are found: surely without noise, less with some, not at all in pure noise."""
    if not case.model.reads & {"history", "user", "tastes"} or _alike_for_all(case):
        return
    found = [_found(case, noise) for noise in (0.1, 0.6, 1.0)]
    low, middle, high = found
    shown = ", ".join(f"{x:.2f}" for x in found)
    _demand(low > 0.7, f"share of own group at noise .1, .6, 1: {shown}; the first is below .7")
    _demand(low > middle > high - 0.1, f"share of own group does not fall with noise: {shown}")
    _demand(high < 0.45, f"share of own group in pure noise is {high:.2f}; chance is .25")


def _alike_for_all(case: Case) -> bool:
    """Whether a model of ratings only shifts one order of the items from person to person."""
    if case.model.scores != "rating":
        return False
    scores = case.fitted.score(case.queries)
    centred = scores - np.nanmean(scores, axis=1, keepdims=True)
    return all(same(row[None], centred[:1]) for row in centred)


def _found(case: Case, noise: float) -> float:
    """Share of the five best items that are of the asker's planted group."""
    data = rated(noise) if case.model.scores == "rating" else planted(noise)
    if case.model.reads & {"tastes"} and noise > 0.5:  # genres would give the group away
        table = data.item_table
        if table is not None:
            mixed = np.random.default_rng(0).permutation(len(table))
            data = replace(data, item_table=table[mixed].with_columns(table.to_series(0)))
    model = case.fresh().fit(data, rng=5)
    queries = data.queries()
    scores = model.score(queries, np.arange(80, dtype=np.int32))
    if case.model.scores != "rating":
        rows = np.repeat(np.arange(len(queries)), queries.histories.lengths)
        scores = scores.copy()
        scores[rows, queries.histories.item] = np.nan
    best = np.argsort(-np.nan_to_num(scores, nan=-1e30), axis=1, kind="stable")[:, :5]
    return float((best % 4 == np.arange(len(queries))[:, None] % 4).mean())


def weights_point_the_right_way(case: Case) -> None:
    """Who met a niche item is shown the hub that everyone who met it met, before other niches."""
    if case.model.scores != "rank" or not case.model.reads & {"history"}:
        return
    if case.model.reads & {"tastes", "user_features", "order"}:
        return
    data = hubs()
    model = case.fresh().fit(data, rng=5)
    asked = data.queries(likes=[[101], [305]])
    scores = model.score(asked)
    for row, (hub, own) in zip(scores, ((100, 101), (300, 305)), strict=True):
        niches = [hub + n for n in range(1, 11) if hub + n != own]
        others = np.nan_to_num(row[data.items.encode(niches)], nan=-np.inf)
        _demand(
            row[data.items.code(hub)] > others.max(),
            "a niche item speaks less for its hub than for other niche items: transposed weights?",
        )


def tiny_data_is_no_accident(case: Case) -> None:
    """One person, one item: a model, or BadEvents, and nothing else."""
    kinds = {"rating": [4.0], "device": ["phone"], "title": ["A"]}
    tiny = Dataset.of(
        {"user": [1], "item": [7], "rating": kinds["rating"], "device": kinds["device"]},
        items={"item": [7], "title": ["Drama story"], "genres": ["Drama"]},
        users={"user": [1], "age": [30]},
        context=("device",),
    )
    try:
        model = case.fresh().fit(tiny, rng=5)
    except BadEvents:
        return
    scores = model.score(tiny.queries())
    _demand(scores.shape == (1, 1) and not np.isinf(scores).any(), "a score is infinite")


def survives_saving(case: Case) -> None:
    """A saved model answers as before, bit for bit."""
    from penchant import artifact

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checked.model"
        artifact.save(case.fitted, path)
        again = artifact.load(path, known=_classes(case.fitted))
        want, got = case.fitted.score(case.queries), again.score(case.queries)
        _demand(np.array_equal(want, got, equal_nan=True), "a loaded model scores otherwise")


def _classes(model: Recommender) -> tuple[type[Recommender], ...]:
    """The classes of a model and of the models within it."""
    found = [type(model)]
    for value in vars(model).values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Recommender):
                found += _classes(one)
    return tuple(dict.fromkeys(found))


def explanations_add_up(case: Case) -> None:
    """Base and shares add up to the score, for liked, seen, unseen and poorly scored items."""
    model, queries = case.fitted, case.queries
    if not isinstance(model, Explains):
        return
    scores = model.score(queries)
    for r in range(3):
        known = np.flatnonzero(~np.isnan(scores[r]))
        order = known[np.argsort(-scores[r, known], kind="stable")]
        met = queries.histories.take(slice(r, r + 1)).item[:3]
        flat = known[np.argsort(np.abs(scores[r, known]), kind="stable")][:2]
        for code in (*order[:3], *order[-2:], *flat, *met):
            told = model.explain(queries[r], int(code))
            score = float(scores[r, code])
            if np.isnan(score):
                continue
            size = abs(told.base) + sum(abs(s.amount) for s in told.shares)
            total = told.base + sum(s.amount for s in told.shares)
            name = queries.items.decode([code])[0]
            _demand(
                abs(total - score) <= 1e-5 * size + 1e-9,
                f"item {name}: base and shares add up to {total:.6g}, the score is {score:.6g}",
            )
            _demand(
                abs(told.score - score) <= 1e-4 * abs(score) + 1e-7,
                f"item {name}: explained {told.score:.6g}, scored {score:.6g}",
            )
            if told.shares:
                amounts = {s.kind: 0 for s in told.shares}
                _demand(set(amounts) <= {"history", "feature", "part"}, f"shares of {set(amounts)}")


def similar_items_are_others(case: Case) -> None:
    """An item is not among the items like it; ids come back as they were given."""
    model = case.fitted
    if not isinstance(model, Similar):
        return
    asked = case.data.items.decode([4, 9])
    found = model.similar(asked, k=5)
    for one, row in zip(asked, found.ids(), strict=True):
        _demand(one not in row, "an item is its own answer")
        _demand(len(row) > 0, "no item is like a popular one")
        _demand(len(set(row)) == len(row), "an item is listed twice")


def vectors_multiply_to_scores(case: Case) -> None:
    """A model that embeds scores by the product of its vectors."""
    model = case.fitted
    if not isinstance(model, Embeds):
        return
    product = model.user_vectors(case.queries) @ model.item_vectors().T
    _demand(same(product.astype(np.float32), model.score(case.queries)), "products are not scores")


def updates_leave_the_old_alone(case: Case) -> None:
    """An updated model is a new one; the old is unchanged."""
    model = case.fitted
    if not isinstance(model, Updates):
        return
    before = fingerprint(model)
    histories = case.queries.histories
    asked = replace(case.queries, histories=changed(histories, time=histories.time))
    new = model.updated(case.data, asked, np.ones(len(asked), np.int64))
    _demand(new is not model, "updated gives the model itself")
    _demand(fingerprint(model) == before, "updating changed the old model")


def onboarding_keeps_known_scores(case: Case) -> None:
    """Items taken up by their content change no score of the others."""
    model = case.fitted
    if not isinstance(model, Onboards) or case.data.item_table is None:
        return
    row = case.data.item_table[:1].with_columns(item=9900)
    new = model.with_items(row.with_columns(row["item"].cast(case.data.item_table["item"].dtype)))
    _demand(same(model.score(case.queries), new.score(case.queries)), "known scores changed")


_LAWS = (
    declares_itself,
    unfitted_says_so,
    keeps_state_in_learned_attributes,
    fits_the_same_again,
    fits_without_side_effects,
    fits_alike_on_any_number_of_threads,
    reads_do_not_write,
    scores_are_numbers_or_nan,
    scores_what_is_asked,
    askers_do_not_mix,
    codes_keep_to_their_map,
    unlisted_evidence_is_ignored,
    listed_evidence_counts,
    lists_follow_the_rules,
    strangers_are_alike,
    unmet_items_are_unknown,
    tells_signal_from_noise,
    weights_point_the_right_way,
    tiny_data_is_no_accident,
    survives_saving,
    explanations_add_up,
    similar_items_are_others,
    vectors_multiply_to_scores,
    updates_leave_the_old_alone,
    onboarding_keeps_known_scores,
)
