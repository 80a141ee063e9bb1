"""check_recommender: every law of the contract, tried on planted data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from penchant.dataset import Dataset
from penchant.errors import BadEvents, NotFitted
from penchant.histories import Histories
from penchant.kernels import threads
from penchant.ranking import Rules
from penchant.recommender import (
    EVIDENCE,
    MEANINGS,
    Explains,
    Recommender,
    arrays_in,
)
from penchant.testing import capabilities
from penchant.testing.case import (
    Broken,
    Case,
    demand,
    fingerprint,
    followers,
    hiding,
    hubs,
    ordered,
    planted,
    rated,
    same,
    saved,
)


class BrokenLaw(AssertionError):
    """A model breaks its contract; the message lists each law broken, and how."""


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
        except Broken as e:
            broken.append(f"{law.__name__}: {e}")
        except Exception as e:  # noqa: BLE001 - whatever a model raises, its author wants to see
            broken.append(f"{law.__name__}: raised {type(e).__name__}: {e}")
    if broken:
        raise BrokenLaw(f"{case.model.name} breaks {len(broken)} laws:\n  " + "\n  ".join(broken))


def declares_itself(case: Case) -> None:
    """A model is a dataclass; what it reads and what its scores mean are words of the contract."""
    model = case.model
    demand(dataclasses.is_dataclass(model), "it is no dataclass")
    demand(
        model.reads <= EVIDENCE,
        f"reads {sorted(model.reads - EVIDENCE)}: not in {sorted(EVIDENCE)}",
    )
    demand(model.scores in MEANINGS, f"scores is {model.scores!r}, not one of {MEANINGS}")
    for name in ("fit", "score", "answer", "recommend"):
        own = getattr(type(model), name) is getattr(Recommender, name)
        demand(own, f"{name} is overridden; write _fit and _score")


def unfitted_says_so(case: Case) -> None:
    """Asking before ``fit`` raises NotFitted."""
    try:
        case.fresh().score(case.queries)
    except NotFitted:
        return
    raise Broken("score before fit did not raise NotFitted")


def keeps_state_in_learned_attributes(case: Case) -> None:
    """``fit`` changes no hyper-parameter, and everything it learns ends in ``_``, read-only."""
    model = case.fresh()
    before = {f.name: repr(getattr(model, f.name)) for f in dataclasses.fields(model)}  # type: ignore[arg-type]
    model.fit(case.data, rng=5)
    parts = {n for n, v in before.items() if isinstance(getattr(model, n), (list, tuple))}
    for name, was in before.items():
        demand(name in parts or repr(getattr(model, name)) == was, f"fit changed {name}")
    learned = {"training_", *(name for name, _ in model._learned())}
    extra = [n for n in vars(model) if n not in before and n not in learned]
    demand(
        not extra,
        f"fit set {extra}, which save would lose: learned names end, and do not begin, in _",
    )
    for name, value in model._learned():
        for array in arrays_in(value):
            demand(not array.flags.writeable, f"{name} can be written to")


def fits_the_same_again(case: Case) -> None:
    """The same data and seed give the same model, whatever it was fitted on before."""
    once, other = fingerprint(case.fitted), planted(rng=9)
    again = case.fresh().fit(other, rng=1).fit(case.data, rng=5)
    demand(fingerprint(again) == once, "a second fit does not start from scratch, or is random")
    known = case.fresh().fit(case.data, rng=5).fit(case.data, rng=5)
    demand(fingerprint(known) == once, "fitting the same data twice gives another model")


def fits_without_side_effects(case: Case) -> None:
    """``fit`` writes neither to its data nor to numpy's global generator."""
    data = planted(feedback=case.data.feedback)  # its own copy: other laws rely on theirs
    before, state = fingerprint(data), str(np.random.get_state())
    case.fresh().fit(data, rng=5)
    demand(fingerprint(data) == before, "fit wrote to the data")
    demand(str(np.random.get_state()) == state, "fit drew from numpy's global generator")


def fits_alike_on_any_number_of_threads(case: Case) -> None:
    """The number of threads changes nothing, to the last bit."""
    prints = set()
    for number in (1, 2, 5):
        with threads.limited(number):
            model = case.fresh().fit(case.data, rng=5)
            prints.add((fingerprint(model), model.score(case.queries).tobytes()))
    demand(len(prints) == 1, "1, 2 and 5 threads give different models or scores")


def reads_do_not_write(case: Case) -> None:
    """Scoring, recommending and explaining change no array of the model or of the queries."""
    own = Case(case.model)  # its own copy: other laws rely on theirs
    model, queries = own.fitted, own.queries
    before = fingerprint(model), fingerprint(queries), sorted(vars(model))
    first = model.score(queries)
    lists = model.recommend(queries, k=5)
    if isinstance(model, Explains):
        model.answer(queries).explain(0, lists.codes[0][lists.codes[0] >= 0]).sentences()
    after = fingerprint(model), fingerprint(queries), sorted(vars(model))
    demand(before == after, "asking changed the model or the queries")
    demand(same(first, model.score(queries)), "asking twice gives two answers")


def scores_are_numbers_or_nan(case: Case) -> None:
    """A score is finite or NaN; (q, items) float32."""
    scores = case.fitted.score(case.queries)
    demand(not np.isinf(scores).any(), "a score is infinite; NaN means that it cannot say")
    demand((~np.isnan(scores)).any(), "every score for known people is NaN")
    chance = case.model.scores != "probability" or 0 <= np.nanmin(scores) <= np.nanmax(scores) <= 1
    demand(chance, "a probability is not between 0 and 1")


def scores_what_is_asked(case: Case) -> None:
    """``items`` picks columns of the whole, shared or per query, in any order; -1 is NaN."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    some = np.array([7, 3, -1, 50, 3], np.int32)
    want = np.where(some >= 0, whole[:, some], np.nan).astype(np.float32)
    demand(same(model.score(queries, some), want), "shared items score otherwise than the whole")
    rng = np.random.default_rng(0)
    each = rng.integers(-1, whole.shape[1], (len(queries), 6)).astype(np.int32)
    picked = np.take_along_axis(whole, np.maximum(each, 0), axis=1)
    want = np.where(each >= 0, picked, np.nan).astype(np.float32)
    demand(same(model.score(queries, each), want), "items per query score otherwise")


def askers_do_not_mix(case: Case) -> None:
    """A query's scores do not depend on who else asks, nor on the order."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    demand(same(model.score(queries[::-1]), whole[::-1]), "the order of queries matters")
    for n in range(3):
        demand(same(model.score(queries[n]), whole[n : n + 1]), "asked alone, another answer")
    demand(model.score(queries[:0]).shape == (0, whole.shape[1]), "no queries, no empty answer")


def codes_keep_to_their_map(case: Case) -> None:
    """Permuted, larger and smaller vocabularies of the queries give the same scores by id."""
    model, queries = case.fitted, case.queries
    whole = model.score(queries)
    for how in ("permuted", "larger", "smaller"):
        asked, items = case.elsewhere(how)
        found = model.score(asked)
        mine = queries.items.encode(list(items))
        want = np.where(mine >= 0, whole[:, np.maximum(mine, 0)], np.nan).astype(np.float32)
        demand(same(found, want), f"a {how} vocabulary gives other scores")


def unlisted_evidence_is_ignored(case: Case) -> None:
    """Evidence that ``reads`` does not list changes no score."""
    if "values" not in case.model.reads and case.model.scores == "rating":
        raise Broken("a model of ratings must read values")
    for evidence in sorted(EVIDENCE - case.model.reads):
        before = case.fitted.score(case.before(evidence))
        for asked in case.variations(evidence, case.queries):
            demand(
                same(before, case.fitted.score(asked)),
                f"{evidence} is not in reads, and changes scores",
            )
    seen = np.zeros(len(case.queries) + 1, np.int64), np.zeros(0, np.int32)
    after = case.fitted.score(replace(case.queries, seen=seen))
    kept = same(case.fitted.score(case.queries), after)
    demand(kept, "what was seen is for the lists alone, and changes scores")


def listed_evidence_counts(case: Case) -> None:
    """Evidence that ``reads`` lists changes some score."""
    for evidence in sorted(case.model.reads):
        moved = False
        for asked in (case.before(evidence), case.strangers):  # some only counts without a history
            before = case.fitted.score(asked)
            after = [case.fitted.score(other) for other in case.variations(evidence, asked)]
            moved = moved or any(not same(before, scores) for scores in after)
        demand(moved, f"{evidence} is in reads, and changes nothing")


def what_weighs_nothing_says_nothing(case: Case) -> None:
    """Hidden items and ratings below ``liked`` are no evidence, in training and asking alike."""
    if hasattr(case.model, "parts"):  # may hold out rows of any kind, and give hidden items a turn
        return
    data, q, liked = case.data, case.queries, case.data.feedback.liked
    others = [("a hidden item", hiding(data.histories), hiding(q.histories))]
    if liked is not None:
        less, fewer = (h.where(~(h.value < liked)) for h in (data.histories, q.histories))
        others.append(("a rating below liked", less, fewer))
    before = case.fitted.score(q)
    for what, learned, asked in others:
        after = case.fitted.score(replace(q, histories=asked))
        demand(same(before, after), f"{what} in a history changes scores")
        after = case.fresh().fit(replace(data, histories=learned), rng=5).score(q)
        demand(same(before, after), f"{what} in the training data changes scores")


def history_beats_stored_state(case: Case) -> None:
    """A model that ranks answers from the history, if there is one, whoever the user is."""
    if case.model.scores != "rank" or not case.model.reads >= {"user", "history"}:
        return
    asked = case.variations("history", case.queries)[0]
    stranger = replace(asked, user=np.full(len(asked), -1, np.int32))
    kept = same(case.fitted.score(asked), case.fitted.score(stranger))
    demand(kept, "a known user's scores are not those of a stranger with the same history")


def lists_follow_the_rules(case: Case) -> None:
    """Lists hold k items at most, best first, never twice, seen or excluded, and never NaN."""
    model, queries = case.fitted, case.queries
    scores = model.score(queries)
    lists = model.recommend(queries, k=12)
    indptr, seen = queries.already_seen()
    for r, row in enumerate(lists.codes):
        shown = row[row >= 0]
        demand(not set(shown) & set(seen[indptr[r] : indptr[r + 1]]), "a seen item is shown")
        demand(len(set(shown)) == len(shown), "an item is shown twice")
        got = scores[r, shown]
        demand(not np.isnan(got).any(), "an item that cannot be scored is shown")
        demand((np.diff(got) <= 1e-6).all(), "the list is not in order of score")
        open_ = np.setdiff1d(np.flatnonzero(~np.isnan(scores[r])), seen[indptr[r] : indptr[r + 1]])
        demand(len(shown) == min(12, len(open_)), "the list is shorter than it could be")
    first = [row[0] for row in lists.ids() if row]
    again = model.recommend(queries, k=12, rules=Rules(exclude=first))
    demand(not any(set(row) & set(first) for row in again.ids()), "an excluded item is shown")


def strangers_are_alike(case: Case) -> None:
    """People of whom nothing is known get one and the same answer, or none."""
    nothing = Histories.empty(2, case.data.histories.kinds)
    asked = replace(
        case.queries[:2], histories=nothing, user=np.array([-1, -1], np.int32), seen=None,
        context=None, user_features=None, tastes=None,
    )  # fmt: skip
    scores = case.fitted.score(asked)
    demand(same(scores[:1], scores[1:]), "two people without evidence get different scores")
    pure = case.model.scores == "rank" and case.model.reads >= {"history"}
    answers = hasattr(case.model, "parts") or not pure  # a composite may hold a fallback
    demand(answers or np.isnan(scores).all(), "no evidence, and yet an answer: NaN is the contract")


def unmet_items_are_unknown(case: Case) -> None:
    """An item that nobody met and nothing describes is NaN, unless the model reads features."""
    if case.model.reads & {"tastes", "user_features"}:
        return
    cold = case.data.items.encode([9001])
    scores = case.fitted.score(case.queries, cold)
    demand(np.isnan(scores).all(), "an item without evidence has a score; it must be NaN, not 0")


def tells_signal_from_noise(case: Case) -> None:
    """What is planted is found: surely without noise, less with some, not at all in pure noise."""
    if not case.model.reads & {"history", "user", "tastes"} or _only_shifts(case):
        return
    if "order" in case.model.reads:
        _tells_order_from_noise(case)
        return
    found = [_found(case, noise) for noise in (0.1, 0.6, 1.0)]
    low, middle, high = found
    shown = ", ".join(f"{x:.2f}" for x in found)
    demand(low > 0.7, f"share of own group at noise .1, .6, 1: {shown}; the first is below .7")
    demand(low > middle > high - 0.1, f"share of own group does not fall with noise: {shown}")
    demand(high < 0.45, f"share of own group in pure noise is {high:.2f}; chance is .25")


def _tells_order_from_noise(case: Case) -> None:
    """Who met one item is shown the one that follows it in planted walks, first of all."""
    found = []
    for noise in (0.1, 0.9, 1.0):
        data = ordered(noise)
        model = case.fresh().fit(data, rng=5)
        asked = data.queries(likes=[[one] for one in data.items])
        scores = model.score(asked)
        np.fill_diagonal(scores, np.nan)
        best = np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1)
        found.append(float((best == followers()).mean()))
    low, middle, high = found
    shown = ", ".join(f"{x:.2f}" for x in found)
    demand(low > 0.7, f"share of next items found at noise .1, .9, 1: {shown}; the first is "
           "below .7: is the order read, and the right way round?")  # fmt: skip
    demand(low >= middle > high, f"share of next items found does not fall with noise: {shown}")
    demand(high < 0.3, f"share of next items found in pure noise is {high:.2f}; chance is .03")


def _only_shifts(case: Case) -> bool:
    """Whether the ratings of a person shift all their scores alike, as in a model of biases."""
    if case.model.scores != "rating":
        return False
    history = case.queries.histories
    middle = np.nanmax(history.value) + np.nanmin(history.value)
    turned = replace(history, value=middle - history.value)
    moved = case.fitted.score(replace(case.queries, histories=turned))
    moved -= case.fitted.score(case.queries)
    highest = np.fmax.reduce(moved, axis=1, initial=-np.inf)
    return bool((highest - np.fmin.reduce(moved, axis=1, initial=np.inf) < 1e-4).all())


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
        demand(
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
    demand(scores.shape == (1, 1) and not np.isinf(scores).any(), "a score is infinite")


def survives_saving(case: Case) -> None:
    """A saved model answers as before, bit for bit."""
    with saved(case.fitted) as again:
        want, got = case.fitted.score(case.queries), again.score(case.queries)
        demand(np.array_equal(want, got, equal_nan=True), "a loaded model scores otherwise")


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
    what_weighs_nothing_says_nothing,
    history_beats_stored_state,
    lists_follow_the_rules,
    strangers_are_alike,
    unmet_items_are_unknown,
    tells_signal_from_noise,
    weights_point_the_right_way,
    tiny_data_is_no_accident,
    survives_saving,
    *capabilities.LAWS,
)
