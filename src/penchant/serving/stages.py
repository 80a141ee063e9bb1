"""Why, and why not: what each stage made of one request, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl

from penchant.explanations import Explanation
from penchant.kernels.topk import top_k
from penchant.models.hybrid import Fallback
from penchant.recommender import Recommender
from penchant.serving.facts import Mask
from penchant.serving.recommending import Work
from penchant.serving.shapes import Because, Explained, Filters, Stage

CLOSED = "withdrawn or not available"
SEEN = "seen"
EXCLUDED = "exclude"
EARLIER = "earlier pages"
UNSAID = "no score"
VARIETY = "left out for variety"
PUSHED = "pushed out by what is pinned"


class Proposed(msgspec.Struct, frozen=True):
    """What one part of the model would show, by itself, before anything is filtered.

    Parameters
    ----------
    weight : of the part among the others; None: it has none.
    items : ids, best first.
    """

    name: str
    weight: float | None
    items: list[str]


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """One item on its way through the stages.

    Parameters
    ----------
    parts : its score by each part, None where a part cannot say.
    score : the model's; None: it cannot say.
    value : with boosts.
    place : among all that may be shown, from 1; None: it may not.
    rank : in the list, from 1; None: it is not in it.
    fate : what became of it, in words: "shown", "seen", "filters.categories", "outranked" ...
    """

    item_id: str
    title: str | None
    parts: list[float | None]
    score: float | None
    value: float | None
    place: int | None
    rank: int | None
    fate: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One request through all stages.

    Parameters
    ----------
    source : who answered.
    proposed : by each part.
    filtered : how many items of those with a score each condition takes out.
    items : all that a part proposed or the list shows, those shown first.
    """

    model: str | None
    source: str
    fallback: bool
    proposed: list[Proposed]
    filtered: dict[str, int]
    items: list[Traced]


def conditions(work: Work, n: int, now: int) -> list[tuple[str, Mask]]:
    """Return what keeps items from request n: the name of each condition, and who meets it."""
    shelf, ask = work.serving.shelf, work.wanted[n].ask
    found = [(CLOSED, shelf.open(now))]
    if ask.filters is not None:
        found += [(f"filters.{name}", mask) for name, mask in shelf.conditions(ask.filters)]
    indptr, seen = work.asked.already_seen()
    own = seen[indptr[n] : indptr[n + 1]]
    if ask.allow_seen:
        own = own[work.asked.histories.hidden()[indptr[n] : indptr[n + 1]]]
    out = {
        EXCLUDED: shelf.known(ask.exclude or []),
        EARLIER: shelf.known(work.wanted[n].met),
        SEEN: own,
    }
    for name, codes in out.items():
        if len(codes):
            mask = np.ones(len(shelf), bool)
            mask[codes] = False
            found.append((name, mask))
    return found


def empty_because(work: Work, n: int, now: int) -> list[str]:
    """Return which conditions left a list short: each alone, or several together."""
    said = ~np.isnan(work.values[n])
    if not said.any():
        return ["there is nothing to choose from"]
    found = [*conditions(work, n, now), (UNSAID, said)]
    alone = [name for name, mask in found if not mask.any()]
    if alone:
        return alone
    left = np.logical_and.reduce([mask for _, mask in found])
    together = []
    for name, _ in found:
        others = [mask for other, mask in found if other != name]
        if (np.logical_and.reduce(others) & ~left).any():
            together.append(name)
    if not together:  # without any one of them the others still keep all that is missing
        together = [name for name, mask in found if not mask.all()]
    return [" with ".join(together)] if together else ["the catalogue has no more"]


def notes(work: Work, now: int) -> list[str]:
    """Return what is odd about the only request of a batch: ids and words that nobody knows."""
    shelf, ask = work.serving.shelf, work.wanted[0].ask
    named = {
        "history": [past.item_id for past in ask.history or ()],
        "exclude": ask.exclude or [],
        "bury": ask.bury or [],
        "pins": [pin.item_id for pin in ask.pins or ()],
        "boosts": [boost.item_id for boost in ask.boosts or () if boost.item_id is not None],
    }
    told = []
    for name, ids in named.items():
        unknown = [one for one in ids if not len(shelf.known([one]))]
        if unknown:
            told.append(f"{name}: no such item: {', '.join(unknown[:5])}")
    filters = ask.filters or Filters()
    wanted = [*(filters.categories or ()), *(filters.not_categories or ())]
    wanted += [boost.category for boost in ask.boosts or () if boost.category is not None]
    unknown = [one for one in wanted if (None, one) not in shelf.facts.words]
    if unknown:
        told.append(f"no such category: {', '.join(unknown[:5])}")
    if (work.codes[0] >= 0).sum() < ask.k:
        told += [f"the list is short: {why}" for why in empty_because(work, 0, now)]
    return told


def explained(work: Work, item_id: str, now: int) -> Explained:
    """Return why the item is, or is not, in the list of the only request of a batch."""
    shelf, listed = work.serving.shelf, work.codes[0][work.codes[0] >= 0].tolist()
    code = next(iter(shelf.known([item_id]).tolist()), -1)
    told = None if code < 0 else _explanation(work, code)
    stages = _stages(work, code, now)
    shown = code in listed
    score = float(work.values[0, code]) if code >= 0 else float("nan")
    return Explained(
        item_id=item_id,
        title=None if code < 0 else shelf.titles[code],
        recommended=shown,
        rank=listed.index(code) + 1 if shown else None,
        score=score if score == score else None,
        sentence=_sentence(told, stages, shown),
        base=told.base if told is not None and told.base == told.base else 0.0,
        shares=[] if told is None else _because(work, told),
        stages=stages,
        model=work.serving.version,
    )


def _sentence(told: Explanation | None, stages: Sequence[Stage], shown: bool) -> str:
    """Return one line: why it is shown, or which stage dropped it first."""
    if not shown:
        return "not shown: " + next(stage.why for stage in stages if not stage.kept)
    return "liked by many people" if told is None else told.sentence()


def _because(work: Work, told: Explanation) -> list[Because]:
    top = told.top(20)
    ids = [str(share.id) for share in top if share.kind == "history"]
    codes = work.serving.shelf.items.encode(pl.Series(ids, dtype=pl.String))
    titles = dict(zip(ids, work.serving.shelf.titles.gather(codes).to_list(), strict=True))
    return [
        Because(
            kind=share.kind,
            id=str(share.id),
            title=titles.get(str(share.id)) if share.kind == "history" else None,
            amount=share.amount,
        )
        for share in top
    ]


def _explanation(work: Work, code: int) -> Explanation | None:
    answer = work.said.answer
    if answer is None or work.said.silent[0] or answer.behind.tell is None:
        return None
    return answer.explain(0, [code])[0]


def _stages(work: Work, code: int, now: int) -> list[Stage]:
    """Return what became of an item, stage by stage, up to the one that dropped it."""
    stages = [_known(work, code)]
    for stage in (_retrieved, _filtered, _ruled, _ranked, _reranked, _paged):
        if not stages[-1].kept:
            break
        stages.append(stage(work, code, now))
    return stages


def _known(work: Work, code: int) -> Stage:
    if code < 0:
        return Stage(
            stage="known", kept=False, why="neither the catalogue nor the model knows the item"
        )
    listed = bool(work.serving.shelf.listed[code])
    return Stage(
        stage="known",
        kept=True,
        why="the catalogue has it" if listed else "known from events, not in the catalogue",
    )


def _retrieved(work: Work, code: int, now: int) -> Stage:
    score, source = work.said.scores[0, code], _source(work, code)
    if np.isnan(score):
        pinned = code in work.pins[0].values()
        return Stage(stage="retrieve", kept=pinned, why=f"{source} cannot say anything about it")
    return Stage(stage="retrieve", kept=True, why=f"{source} gives it {score:.4g}")


def _filtered(work: Work, code: int, now: int) -> Stage:
    if code in work.pins[0].values():
        return Stage(stage="filter", kept=True, why="it is pinned")
    failed = [name for name, mask in conditions(work, 0, now) if not mask[code]]
    failed = ["what was seen before" if name == "seen" else name for name in failed]
    return Stage(
        stage="filter",
        kept=not failed,
        why=f"taken out by {', '.join(failed)}" if failed else "it meets every condition",
    )


def _ruled(work: Work, code: int, now: int) -> Stage:
    told = [f"pinned at {place + 1}" for place, c in work.pins[0].items() if c == code]
    raised = float(work.values[0, code] - work.said.scores[0, code])
    if raised and raised == raised:
        told.append(f"boosted by {raised:+.4g}")
    if work.ordered[0, code] < work.values[0, code]:
        told.append("buried: it comes after everything else")
    return Stage(stage="rules", kept=True, why=", ".join(told) or "no rule is about it")


def _ranked(work: Work, code: int, now: int) -> Stage:
    if code in work.pins[0].values():
        return Stage(stage="rank", kept=True, why="it is pinned")
    place = _places(work)[code] + 1
    depth, k = work.best.shape[1], work.wanted[0].ask.k
    last = work.best[0][work.best[0] >= 0][: depth if work.wanted[0].ask.diversity else k][-1]
    why = f"place {place} with {work.values[0, code]:.4g}"
    kept = bool((work.best[0] == code).any())
    if not kept:
        why += f"; the last that is taken has {work.values[0, last]:.4g}"
    return Stage(stage="rank", kept=kept, why=("" if kept else "outranked: ") + why)


def _reranked(work: Work, code: int, now: int) -> Stage:
    ask, shown = work.wanted[0].ask, bool((work.codes[0] == code).any())
    if ask.diversity and not shown:
        why = f"{VARIETY}: others are less like those above them"
    elif not shown:
        why = PUSHED
    else:
        rank = work.codes[0].tolist().index(code) + 1
        why = f"at rank {rank}" + (" after variety" if ask.diversity else "")
    return Stage(stage="rerank", kept=shown, why=why)


def _paged(work: Work, code: int, now: int) -> Stage:
    return Stage(stage="page", kept=True, why="it is on the page")


def _places(work: Work) -> list[int]:
    """Return the place of each item among all that may be shown, from 0; -1: it may not."""
    n, kept = len(work.serving.shelf), work.kept
    order, _ = top_k(work.ordered[:1], n, kept.indptr[:2], kept.banned, kept.allowed)
    places = np.full(n, -1)
    found = order[0][order[0] >= 0]
    places[found] = np.arange(len(found))
    return places.tolist()


def trace(work: Work, now: int, *, top: int = 20) -> Trace:
    """Return the only request of a batch through all stages.

    Parameters
    ----------
    top : how many to tell of each part's best items, without those that have been seen.
    """
    shelf, parts = work.serving.shelf, _parts(work)
    scores = [part.score(work.asked)[0] for _, _, part in parts]
    # Of a long history the best are all seen: what is proposed besides tells more.
    indptr, seen = work.asked.already_seen()
    if work.wanted[0].ask.allow_seen:
        indptr, seen = np.zeros(2, np.int64), seen[:0]
    everything = np.zeros(0, bool)
    tops = [
        top_k(row[None], min(top, len(shelf)), indptr[:2], seen, everything)[0][0] for row in scores
    ]
    listed = work.codes[0][work.codes[0] >= 0]
    met = dict.fromkeys(np.concatenate([listed, *tops]).tolist())
    codes = [code for code in met if code >= 0]
    found, places = conditions(work, 0, now), _places(work)
    said = ~np.isnan(work.values[0])
    ids = dict(zip(codes, shelf.items.values.gather(codes).to_list(), strict=True))
    titles = dict(zip(codes, shelf.titles.gather(codes).to_list(), strict=True))
    ranks = {code: rank for rank, code in enumerate(listed.tolist(), 1)}
    return Trace(
        model=work.serving.version,
        source=_source(work, 0),
        fallback=work.fallback(0),
        proposed=[
            Proposed(name, weight, [ids[c] for c in best.tolist() if c >= 0])
            for (name, weight, _), best in zip(parts, tops, strict=True)
        ],
        filtered={name: int((said & ~mask).sum()) for name, mask in found},
        items=[
            Traced(
                item_id=ids[code],
                title=titles[code],
                parts=[_number(row[code]) for row in scores],
                score=_number(work.said.scores[0, code]),
                value=_number(work.values[0, code]),
                place=places[code] + 1 or None,
                rank=ranks.get(code),
                fate=_fate(work, code, found, ranks),
            )
            for code in codes
        ],
    )


def _source(work: Work, code: int) -> str:
    return work.said.sources(0, np.array([code], np.int32))[0]


def _parts(work: Work) -> list[tuple[str, float | None, Recommender]]:
    """Return name, weight and model of each part of whoever answered."""
    answer, model = work.said.answer, work.serving.model
    if answer is None or model is None or work.said.silent[0]:
        return []
    if isinstance(model, Fallback) and answer.source is not None:
        model = model.parts_[answer.source[0, 0]]
    parts = getattr(model, "parts_", None)
    if parts is None:
        return [(model.name, None, model)]
    weights = getattr(model, "weights_", [None] * len(parts))
    return [
        (part.name, None if weight is None else float(weight), part)
        for part, weight in zip(parts, weights, strict=True)
    ]


def _fate(work: Work, code: int, found: list[tuple[str, Mask]], ranks: dict[int, int]) -> str:
    if code in ranks:
        return "pinned" if code in work.pins[0].values() else "shown"
    failed = [name for name, mask in found if not mask[code]]
    if failed:
        return ", ".join(failed)
    if (work.best[0] == code).any():
        return VARIETY if work.wanted[0].ask.diversity else PUSHED
    return "outranked" if not np.isnan(work.values[0, code]) else UNSAID


def _number(value: float) -> float | None:
    return float(value) if value == value else None
