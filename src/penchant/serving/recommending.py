"""One batch of requests to lists: score, filter, boost, select, pin, give reasons.

Each stage is a function of arrays with a row for each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penchant.answers import Answer
from penchant.errors import BadParameter, UnknownId
from penchant.kernels.topk import top_k
from penchant.models.hybrid import Fallback
from penchant.queries import Queries
from penchant.ranking import listed as listed_codes
from penchant.recommender import Scores
from penchant.rerank import diversified
from penchant.serving import asking
from penchant.serving.asking import Told
from penchant.serving.current import Serving
from penchant.serving.facts import Codes, Mask
from penchant.serving.shapes import Ask, Recommended
from penchant.serving.standing import Standing, targets

POPULAR = "popular now"
"""The source of what is shown where no model can answer."""

PINNED = "pinned"

SHORTLIST = 200
"""Candidates from which a varied list is chosen."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """A request as it is worked on.

    Parameters
    ----------
    ask : what was asked.
    continues : the list that this is a further page of, if it is one.
    met : ids that its earlier pages showed.
    version : of another model than the one in use.
    """

    ask: Ask
    continues: str | None = None
    met: tuple[str, ...] = ()
    version: str | None = None


@dataclass(frozen=True, eq=False)
class Scored:
    """What is said of each item, for each of several askers.

    Parameters
    ----------
    scores : (q, items) float32; NaN: nobody can say.
    answer : the model's, with what is behind its scores; None: there is no model.
    silent : (q,) whom the model cannot answer: they get what is popular now.
    """

    scores: Scores
    answer: Answer | None
    silent: Mask

    def sources(self, n: int, codes: Codes) -> list[str]:
        """Return who said the score of each of some items to asker n."""
        if self.answer is None or self.silent[n]:
            return [POPULAR] * len(codes)
        names, source = self.answer.sources, self.answer.source
        if source is None:
            return [names[0]] * len(codes)
        if source.shape[1] == 1:
            return [names[source[n, 0]]] * len(codes)
        return [names[at] for at in source[n, codes].tolist()]


@dataclass(frozen=True, eq=False)
class Kept:
    """What may be shown.

    Parameters
    ----------
    allowed : (items,) the same for all, or (q, items).
    indptr, banned : the codes that each asker is not shown besides: seen, excluded, pinned.
    """

    allowed: Mask
    indptr: NDArray[np.int64]
    banned: Codes


@dataclass(frozen=True, eq=False)
class Work:
    """A batch with all that its stages made of it; lists are in display order, -1 past the end."""

    serving: Serving
    wanted: Sequence[Wanted]
    asked: Queries
    said: Scored
    values: Scores  # (q, items) the scores with boosts
    kept: Kept
    ordered: Scores  # (q, items) what the order goes by: the values, less for what is buried
    pins: list[dict[int, int]]  # of each request: place in the list, code
    best: Codes  # (q, depth) before anything is moved
    codes: Codes  # (q, k)

    def fallback(self, n: int) -> bool:
        """Whether the model could not answer request n, and something simpler did."""
        answer = self.said.answer
        if answer is None or self.said.silent[n]:
            return True
        if answer.source is None or not isinstance(self.serving.model, Fallback):
            return False
        listed = self.codes[n][self.codes[n] >= 0]
        own = answer.source[n, listed] if answer.source.shape[1] > 1 else answer.source[n]
        return bool((own > 0).all())


def worked(serving: Serving, wanted: Sequence[Wanted], told: Told, now: int) -> Work:
    """Go through the stages.

    Parameters
    ----------
    told : what the store has of those who ask.
    """
    asks = [one.ask for one in wanted]
    asked = asking.queries(serving.shelf, serving.model, asks, told, now)
    said = scored(serving, asked)
    standing = serving.standing(now)
    values = boosted(serving, asks, said.scores, standing)
    pins = [_pins(serving, one, standing, now) for one in wanted]
    kept = _kept(serving, wanted, asked, pins, now)
    ordered = buried(serving, asks, values, standing)
    depth = max(SHORTLIST if ask.diversity else ask.k for ask in asks)
    best, tops = top_k(ordered, depth, kept.indptr, kept.banned, kept.allowed)
    chosen = _diversified(serving, asked, asks, best, tops)
    codes = _placed(chosen, asks, pins)
    return Work(serving, wanted, asked, said, values, kept, ordered, pins, best, codes)


def scored(serving: Serving, asked: Queries) -> Scored:
    """Ask the model; whom it cannot answer gets what is popular now."""
    if serving.model is None:
        scores = np.tile(serving.popular, (len(asked), 1))
        return Scored(scores, None, np.ones(len(asked), bool))
    try:
        answer = serving.model.answer(asked)
    except UnknownId as e:
        raise BadParameter(f"tastes: {e}") from e
    scores, silent = answer.scores, np.isnan(answer.scores[:, 0])  # most rows: no need to look on
    silent[silent] = np.isnan(scores[silent]).all(axis=1)
    if silent.any():
        scores = scores.copy()
        scores[silent] = serving.popular
    return Scored(scores, answer, silent)


def boosted(serving: Serving, asks: Sequence[Ask], scores: Scores, standing: Standing) -> Scores:
    """Return the scores raised by standing boosts and those of the request."""
    rows = [n for n, ask in enumerate(asks) if ask.boosts]
    if standing.boosts is None and not rows:
        return scores
    spread = _spread(scores)[:, None]
    raised = scores.copy() if standing.boosts is None else scores + spread * standing.boosts
    for n in rows:
        for boost in asks[n].boosts or ():
            codes = targets(serving.shelf, boost.item_id, boost.category)
            raised[n, codes] += spread[n, 0] * np.float32(boost.amount)
    return raised


def _spread(scores: Scores) -> Scores:
    """Return (q,) standard deviations of what was said; 1 where it was all the same."""
    known = ~np.isnan(scores)
    said, count = np.where(known, scores, 0), np.maximum(known.sum(axis=1), 1)
    mean = said.sum(axis=1) / count
    apart = np.where(known, scores - mean[:, None], 0)
    spread = np.sqrt((apart * apart).sum(axis=1) / count)
    return np.where(spread > 0, spread, 1).astype(np.float32)


def buried(serving: Serving, asks: Sequence[Ask], values: Scores, standing: Standing) -> Scores:
    """Return the values by which to order: what is buried comes after everything else."""
    rows = [n for n, ask in enumerate(asks) if ask.bury]
    if standing.buried is None and not rows:
        return values
    ordered = values.copy()
    for n, ask in enumerate(asks):
        below = np.zeros(len(serving.shelf), bool)
        if standing.buried is not None:
            below |= standing.buried
        below[serving.shelf.known(ask.bury or [])] = True
        said = values[n][~np.isnan(values[n])]
        if len(said):
            ordered[n, below] -= said.max() - said.min() + 1
    return ordered


def _pins(serving: Serving, wanted: Wanted, standing: Standing, now: int) -> dict[int, int]:
    """Return places (from 0) in this page and what is pinned there: the request's own go first."""
    ask, offset = wanted.ask, len(wanted.met)
    if not ask.pins and not standing.pins:
        return {}
    shelf, may = serving.shelf, serving.shelf.open(now)
    out = set(shelf.known([*wanted.met, *(ask.exclude or ())]).tolist())
    own = [(p.rank, int(c)) for p in ask.pins or () for c in shelf.known([p.item_id])]
    places: dict[int, int] = {}
    for rank, code in (*own, *standing.pins):
        place = rank - 1 - offset
        if 0 <= place < ask.k and place not in places and may[code] and code not in out:
            places[place] = code
            out.add(code)
    return places


def _kept(
    serving: Serving,
    wanted: Sequence[Wanted],
    asked: Queries,
    pins: list[dict[int, int]],
    now: int,
) -> Kept:
    shelf = serving.shelf
    allowed = shelf.open(now)
    filters = [one.ask.filters for one in wanted]
    if any(filters):
        allowed = np.stack([allowed & shelf.meeting(f) if f else allowed for f in filters])
    indptr, banned = asked.already_seen()
    more = [
        [
            shelf.known([*one.met, *(one.ask.exclude or ())]) if one.met or one.ask.exclude else (),
            [*pinned.values()],
        ]
        for one, pinned in zip(wanted, pins, strict=True)
    ]
    if any(one.ask.allow_seen for one in wanted) or any(len(a) or b for a, b in more):
        hides = asked.histories.hidden()
        parts = []
        for n, one in enumerate(wanted):
            a, b = indptr[n], indptr[n + 1]
            seen = banned[a:b]
            if one.ask.allow_seen:
                seen = seen[hides[a:b]]
            parts.append(np.concatenate([seen, *more[n]]).astype(np.int32))
        indptr = np.cumsum([0, *map(len, parts)]).astype(np.int64)
        banned = np.concatenate(parts)
    return Kept(allowed, indptr, banned)


def _diversified(
    serving: Serving, asked: Queries, asks: Sequence[Ask], best: Codes, tops: Scores
) -> Codes:
    """Return the lists of those who want variety chosen anew from their best items."""
    rows = [n for n, ask in enumerate(asks) if ask.diversity]
    if not rows:
        return best
    amounts = np.array([asks[n].diversity for n in rows])
    k = max(asks[n].k for n in rows)
    long = listed_codes(best[rows], tops[rows], asked[np.array(rows)], source="")
    varied = diversified(long, amounts, features=serving.shelf.kinds, k=k)
    chosen = best.copy()
    chosen[rows] = -1
    chosen[rows, : varied.codes.shape[1]] = varied.codes
    return chosen


def _placed(codes: Codes, asks: Sequence[Ask], pins: list[dict[int, int]]) -> Codes:
    """Put what is pinned where it belongs, or last if the list is shorter than that."""
    placed = np.full_like(codes, -1)
    for row, best, ask, pinned in zip(placed, codes, asks, pins, strict=True):
        rest = iter(best[best >= 0].tolist())
        made = [pinned[n] if n in pinned else next(rest, -1) for n in range(ask.k)]
        made = [code for code in made if code >= 0]
        row[: len(made)] = made
    return placed


def listed(work: Work) -> list[list[Recommended]]:
    """Return the list of each request, with titles and reasons."""
    shelf, lists = work.serving.shelf, []
    flat = work.codes[work.codes >= 0]
    ids = iter(shelf.ids(flat))
    told = zip(*shelf.told(flat), strict=True)
    for n, one in enumerate(work.wanted):
        codes, pinned = work.codes[n][work.codes[n] >= 0], work.pins[n].values()
        rows = zip(
            codes.tolist(),
            work.values[n, codes].tolist(),
            work.said.sources(n, codes),
            _reasons(work, n, codes),
            strict=True,
        )
        lists.append(
            [
                Recommended(
                    item_id=next(ids),
                    rank=rank,
                    score=score if score == score else None,
                    source=PINNED if code in pinned else source,
                    reason=reason,
                    title=title,
                    categories=categories,
                )
                for rank, (code, score, source, reason) in enumerate(rows, len(one.met) + 1)
                for title, categories in (next(told),)
            ]
        )
    return lists


def _reasons(work: Work, n: int, codes: Codes) -> Sequence[str | None]:
    """Return a sentence for each item of one list, None where none was asked for."""
    answer = work.said.answer
    if not work.wanted[n].ask.reasons:
        return [None] * len(codes)
    if answer is None or work.said.silent[n]:
        return ["liked by many people"] * len(codes)
    if answer.behind.tell is None:
        return [f"suggested by {name}" for name in work.said.sources(n, codes)]
    found = answer.explain(n, codes)
    return replace(found, called=work.serving.shelf.called).sentences()
