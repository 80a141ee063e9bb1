"""What Weighted does with its parts' scores: bring them to one scale, and learn their weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penchant.explanations import Tell, Told
from penchant.kernels.blending import add_standardised, carried
from penchant.kernels.topk import top_k
from penchant.queries import Queries
from penchant.ranking import BLOCK_BYTES
from penchant.recommender import Codes, Scores, column_scores
from penchant.split import Part

Vector = NDArray[np.float64]

LEARNERS = 2000
"""At most so many people's held-out events decide on learned weights."""

SHORTLIST, DEPTH = 50, 10
"""Weights are tried on each part's best SHORTLIST items, by the NDCG of the best DEPTH."""

DRAWS, RESAMPLES, FLOOR = 64, 200, 0.05
"""Random weights tried, times that people are resampled, share dealt out evenly at the end."""


class Scaled(NamedTuple):
    """A part's scores brought to scale.

    ``scores`` (q, items) hold the part's mean where it is not ``known`` (or the sums that they were
    added to, and where these hold any); ``answers`` (q,) says
    whether it knows any item of the fit for a query; ``mean`` and ``spread`` (q,) are what was
    subtracted, and then divided by; ``usual`` (q,) is what stands for an item that is not known.
    """

    scores: Scores
    known: NDArray[np.bool_]
    answers: NDArray[np.bool_]
    mean: Vector
    spread: Vector
    usual: Vector


class Term(NamedTuple):
    """A part's place in a weighted sum.

    Parameters
    ----------
    name : what to call the part.
    tell : what adds up to its scores.
    explains : whether that is more than one share of its own.
    weight : (q,) its weight.
    mean, spread, usual : see ``Scaled``.
    """

    name: str
    tell: Tell
    explains: bool
    weight: Vector
    mean: Vector
    spread: Vector
    usual: Vector

    def told(self, row: int, items: Codes, total: float) -> tuple[Told, Vector]:
        """Return what adds up to the part of a weighted sum, and 1 for items it knows, else 0."""
        told = self.tell(row, items)
        weight = float(self.weight[row]) / total
        spread = float(self.spread[row])
        base, amounts, others, own, known = carried(
            told.base, told.amounts, told.others,
            factor=weight / spread if spread > 0 else 0.0, mean=float(self.mean[row]),
            usual=weight * float(self.usual[row]), explains=self.explains,
        )  # fmt: skip
        told = Told(base, told.history, amounts, told.names, others)
        if own.any():
            told = Told.added([told, Told.plain(own, self.name)])
        return told, known


def blended(terms: list[Term], row: int, items: Codes, total: float) -> Told:
    """Return what adds up to a weighted sum for one query, whose weights add up to ``total``."""
    if not terms:
        return Told.plain(np.full(len(items), np.nan))
    each = [term.told(row, items, total) for term in terms]
    told = Told.added([one for one, _ in each])
    unknown = np.add.reduce([known for _, known in each]) == 0
    if unknown.any():
        told = told._replace(base=np.where(unknown, np.nan, told.base))
    return told


def add_scaled(
    scores: Scores,
    how: str,
    fitted: int,
    constants: tuple[float, float] | None,
    *,
    onto: tuple[Scores, NDArray[np.bool_]],
    weight: float = 1.0,
) -> Scaled:
    """Bring (q, all items) scores of a part to scale, and add them to others.

    Parameters
    ----------
    how : "query" by mean and standard deviation of each row; "fit" by ``constants``, which are
        such; "none" not at all. A spread of 0 makes every score 0.
    fitted : how many items decide on mean and deviation, from the first: those of the fit, so that
        items taken up later do not change the scores of the others.
    onto : (q, items) sums, and which of them hold a score.
    weight : what to multiply by.
    """
    as_it_is, given = how == "none", constants if how == "fit" else None
    count, means, spreads = add_standardised(
        scores, *onto, fitted=fitted, weight=weight, given=given, as_it_is=as_it_is
    )
    nothing = np.zeros(len(scores))
    if as_it_is:
        return Scaled(*onto, count > 0, nothing, nothing + 1, means)
    return Scaled(*onto, count > 0, means, spreads, nothing)


def scaled(
    scores: Scores, how: str, fitted: int, constants: tuple[float, float] | None = None
) -> Scaled:
    """Bring (q, all items) scores of a part to scale; arguments as of ``add_scaled``."""
    onto = np.zeros(scores.shape, np.float32), np.zeros(scores.shape, bool)
    return add_scaled(scores, how, fitted, constants, onto=onto)


def inverse(values: Vector) -> Vector:
    """Return 1 / values, and 0 where they are 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def learned(
    asked: Part,
    score: Callable[[Queries], list[Scaled]],
    n_parts: int,
    rng: np.random.Generator,
    *,
    rating: bool,
) -> Vector:
    """Return (parts,) weights, positive and adding up to 1, that serve held-out events best.

    Equal weights, each part alone, and draws from a Dirichlet distribution are tried; people are
    resampled, and the weights that win each time are averaged (Breiman, "Bagging predictors",
    Machine Learning 24, 1996). The winner on one sample often is a part alone, by luck; the average
    is stable. FLOOR keeps every part a say: it may be the only one that knows an item.

    Parameters
    ----------
    asked : queries and what they went for next.
    score : all parts' scores for queries.
    rating : whether to judge by squared error of ratings instead of NDCG.
    """
    # Equal weights first: they win a tie.
    tried = np.concatenate(
        [
            np.full((1, n_parts), 1 / n_parts),
            np.eye(n_parts),
            rng.dirichlet(np.ones(n_parts), DRAWS),
        ]
    )
    some = np.sort(rng.permutation(len(asked))[:LEARNERS])
    asked = Part(asked.queries[some], asked.truth.take(some))
    judge = _accuracy if rating else _ndcg
    size = max(1, BLOCK_BYTES // (8 * n_parts * max(len(asked.queries.items), 1)))
    worth = np.concatenate(
        [
            judge(Part(block, asked.truth.take(slice(lo, lo + len(block)))), score(block), tried)
            for lo, block in asked.queries.blocks(size)
        ],
        axis=1,
    )
    people = worth.shape[1]
    times = rng.multinomial(people, np.full(people, 1 / people), RESAMPLES)
    mean = tried[np.argmax(worth @ times.T, axis=0)].mean(axis=0)
    weights: Vector = (1 - FLOOR) * mean + FLOOR / n_parts
    return weights


def _ndcg(asked: Part, parts: list[Scaled], tried: Vector) -> Vector:
    """Return (tried, people) the NDCG that each weighting reaches on the parts' shortlists."""
    seen = asked.queries.already_seen()
    lists = [
        top_k(np.where(p.known, p.scores, np.float32(np.nan)), SHORTLIST, *seen, np.zeros(0, bool))
        for p in parts
    ]
    codes = np.sort(np.concatenate([found for found, _ in lists], axis=1), axis=1)
    codes[:, 1:][codes[:, 1:] == codes[:, :-1]] = -1
    stacked = np.stack([column_scores(p.scores, codes) for p in parts], axis=2)
    size = len(asked.queries.items)
    wanted = np.unique(asked.truth.person() * size + asked.truth.item)
    hit = np.isin(np.arange(len(codes))[:, None] * size + codes, wanted) & (codes >= 0)
    discount = 1 / np.log2(np.arange(DEPTH) + 2)
    relevant = np.bincount(wanted // size, minlength=len(codes))
    ideal = np.append(0, np.cumsum(discount))[np.minimum(relevant, DEPTH)]
    worth = np.empty((len(tried), len(codes)))
    for n, weights in enumerate(tried.astype(np.float32)):
        scores = np.where(codes >= 0, stacked @ weights, -np.inf)
        best = np.argpartition(-scores, DEPTH, axis=1)[:, :DEPTH]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        worth[n] = np.take_along_axis(hit, best, axis=1) @ discount * inverse(ideal)
    return worth


def _accuracy(asked: Part, parts: list[Scaled], tried: Vector) -> Vector:
    """Return (tried, people) minus the squared error of each weighting on held-out ratings."""
    rated = asked.truth.where(asked.truth.rated())
    row, item = rated.person(), rated.item
    scores = np.stack([p.scores[row, item] for p in parts], axis=1)
    answers = np.stack([p.answers for p in parts], axis=1)
    worth = np.empty((len(tried), len(asked)))
    for n, weights in enumerate(tried):
        each = weights * answers
        each *= inverse(each.sum(axis=1))[:, None]
        off = rated.value - (scores * each[row]).sum(axis=1)
        worth[n] = -np.bincount(row, off**2, minlength=len(asked))
    return worth
