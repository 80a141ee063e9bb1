"""Recommender: the one base class, and the capabilities a model may have besides."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self, final, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant import parameters
from penchant.answers import Answer, Answered, Behind
from penchant.dataset import Dataset
from penchant.errors import Incompatible, NotFitted
from penchant.histories import Histories
from penchant.kernels.csr import CSR
from penchant.queries import Queries
from penchant.ranking import BLOCK_BYTES, EVERYTHING, Recommendations, Rules, joined, listed, select
from penchant.split import seeded
from penchant.training import Training

Codes = NDArray[np.int32]
Scores = NDArray[np.float32]

EVIDENCE = frozenset(
    {"user", "history", "values", "order", "time", "user_features", "tastes", "context"}
)
"""What a model may read of a query."""

MEANINGS = ("rank", "rating", "probability")
"""What a score may mean."""


class Epoch(NamedTuple):
    """Progress of a fit: epoch ``number`` of ``total``; loss is NaN if it is not computed."""

    number: int
    total: int
    loss: float
    seconds: float
    model: Recommender


OnEpoch = Callable[[Epoch], bool | None]
"""Called after each epoch; returning True stops the training there."""


class Recommender(ABC):
    """A model: fitted on a ``Dataset``, asked with ``Queries``.

    An author writes a ``@dataclass(kw_only=True)`` whose fields are hyper-parameters
    (``penchant.parameters.hyper``), the properties ``reads`` and ``scores``, and two methods,
    ``_fit`` and ``_score``. Learned attributes end in ``_``. ``penchant.testing.check_recommender``
    says whether it is right.
    """

    training_: Training
    __hash__: ClassVar[Callable[[Any], int]] = object.__hash__

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        parameters.check(self)

    @property
    @abstractmethod
    def reads(self) -> frozenset[str]:
        """The evidence of a query that may change a score; a subset of ``EVIDENCE``."""

    @property
    def scores(self) -> str:
        """What a score means: "rank" (only the order counts), "rating" or "probability"."""
        return "rank"

    @property
    def name(self) -> str:
        """What to call the model in tables and reasons."""
        return type(self).__name__

    @abstractmethod
    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        """Learn from ``data``, setting attributes whose names end in ``_``; none is set before."""

    @abstractmethod
    def _score(self, queries: Queries, items: Codes | None) -> Scores:
        """Return (q, n) float32 scores; every code in ``queries`` and ``items`` is the model's own.

        Parameters
        ----------
        items : None for all items, (m,) shared codes, or (q, m) codes per query; -1 and items the
            model cannot speak for give NaN.
        """

    @final
    def fit(
        self,
        data: Dataset,
        *,
        rng: int | np.random.Generator | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Learn from ``data``, always from scratch.

        Parameters
        ----------
        data : what to learn from.
        rng : a seed or generator; None is the seed 0, so that a fit can be repeated.
        on_epoch : called after each epoch of models that have epochs; True stops.

        Returns
        -------
        The model itself, its learned arrays read-only.

        Raises
        ------
        BadParameter : a hyper-parameter outside its range; a ``rng`` that is none.
        BadEvents : the data lacks what the model learns from.
        """
        parameters.check(self)
        self._forget()
        generator = seeded(rng)
        seed = None if isinstance(rng, np.random.Generator) else int(rng or 0)
        self.training_ = Training.of(data, seed)  # first, so that on_epoch can ask the model
        try:
            self._fit(data, generator, on_epoch)
        except BaseException:
            self._forget()  # half a model must not answer
            raise
        self._seal()
        return self

    @final
    def score(self, queries: Queries, items: Codes | None = None) -> Scores:
        """Return (q, n) float32 scores in the codes of ``queries.items``; NaN: cannot say.

        Parameters
        ----------
        queries : who asks.
        items : None for every item of ``queries.items``, (m,) codes shared by all queries, or
            (q, m) codes for each; -1 gives NaN.

        Raises
        ------
        NotFitted : the model has not been fitted.
        Incompatible : the queries' ids are of another type than the model's.
        """
        own, mine = self._recoded(queries, items)
        return self._checked(self._score(own, mine), queries, mine)

    @final
    def answer(self, queries: Queries, items: Codes | None = None) -> Answer:
        """Return the scores, as ``score`` does, with what is behind them.

        To ask for both here takes less than to ask for scores and explanations apart: what the
        model makes of who asks is worked out once.

        Raises
        ------
        NotFitted, Incompatible : as ``score``.
        """
        own, mine = self._recoded(queries, items)
        told: Callable[..., Answered] | None = getattr(self, "_answer", None)
        found = told(own, mine) if told else None
        scores = self._checked(found.scores if found else self._score(own, mine), queries, mine)
        source = None
        names: tuple[str, ...] = (self.name,)
        if found and found.source is not None:
            source, names = found.source, getattr(self, "sources", names)
            if mine is None and source.shape[1] > 1:
                wide = queries.items.columns(source.astype(np.float32), self.training_.items)
                source = np.nan_to_num(wide).astype(np.int16)
        asked = None if items is None else np.asarray(items, np.int32)
        return Answer(scores, asked, source, names, Behind(self, queries, found and found.tell))

    @final
    def recommend(
        self, queries: Queries, k: int = 10, rules: Rules = EVERYTHING
    ) -> Recommendations:
        """Return the k best items for each query that it has not seen, within ``rules``.

        A model that ``Retrieves`` is asked for its lists; another for all its scores, in blocks of
        32 MB, so that with the copies that it needs on its way about 64 MB are held at a time.

        Raises
        ------
        NotFitted, Incompatible : as ``score``.
        BadParameter : k below 1, or rules with lists for another number of queries.
        """
        training = self._trained()
        rules.check(len(queries))
        retrieve = getattr(self, "retrieve", None)
        size = max(1, BLOCK_BYTES // (4 * max(len(queries.items), len(training.items), 1)))
        parts, behind = [], None
        for first, block in queries.blocks(max(1, len(queries)) if retrieve else size):
            part_rules = rules.part(first, len(block))
            if retrieve:
                codes, scores = retrieve(block, k, part_rules)
                part = listed(codes, scores, block, source=self.name)
            else:
                answer = self.answer(block)
                part = select(answer.scores, block, k, part_rules, source=self.name)
                source = answer.sourced(part.codes)
                part = replace(part, source=source, sources=answer.sources)
                behind = answer.behind if len(block) == len(queries) else None
            parts.append(part)
        whole = joined(parts)
        shown = training.shown
        if shown is not None and queries.items.leading(training.items) == len(queries.items):
            shown = shown.head(len(queries.items))
        elif shown is not None:
            codes = pl.Series(queries.items.recoding(training.items))
            shown = shown.select(pl.all().gather(codes.replace(-1, None)))
        why = _Why(self, queries, behind).sentences if hasattr(self, "_answer") else None
        return replace(whole, shown=shown, why=why)

    @final
    def _trained(self) -> Training:
        if "training_" not in self.__dict__:
            raise NotFitted(f"{self.name} has not been fitted: call fit(data) first")
        return self.training_

    @final
    def _own(self, queries: Queries) -> Queries:
        """Return the queries in the model's own codes, for capabilities."""
        training = self._trained()
        return queries.recoded(training.items, training.users)

    @final
    def _recoded(self, queries: Queries, items: Codes | None) -> tuple[Queries, Codes | None]:
        """Return queries and item codes in the model's own codes."""
        own = self._own(queries)
        if items is None:
            return own, None
        items = np.asarray(items, dtype=np.int32)
        self._check_codes(items, queries)
        recoding = queries.items.recoding(self.training_.items)
        if recoding is None:
            return own, items
        mine = np.full(items.shape, -1, np.int32)
        mine[items >= 0] = recoding[items[items >= 0]]
        return own, mine

    @final
    def _seal(self) -> None:
        """Make what was learned read-only."""
        for _, value in self._learned():
            for array in arrays_in(value):
                array.setflags(write=False)

    @final
    def _learned(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of each learned attribute except ``training_``."""
        for name, value in vars(self).items():
            if name.endswith("_") and not name.startswith("_") and name != "training_":
                yield name, value

    @final
    def _forget(self) -> None:
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            delattr(self, name)

    @final
    def _check_codes(self, items: Codes, queries: Queries) -> None:
        if items.ndim not in (1, 2) or (items.ndim == 2 and len(items) != len(queries)):
            raise Incompatible(
                f"items have shape {items.shape}; (m,) or ({len(queries)}, m) is needed"
            )
        if items.size and (items.max() >= len(queries.items) or items.min() < -1):
            raise Incompatible(
                f"item codes run from -1 to {len(queries.items) - 1}, got "
                f"{items.min()} to {items.max()}"
            )

    @final
    def _checked(self, scores: Scores, queries: Queries, mine: Codes | None) -> Scores:
        """Return scores as the model gave them, if they are right, in the codes of the queries."""
        n = len(self.training_.items) if mine is None else mine.shape[-1]
        if scores.shape != (len(queries), n) or scores.dtype != np.float32:
            raise Incompatible(
                f"{self.name}._score gave {scores.dtype} of shape {scores.shape}; "
                f"float32 of shape {(len(queries), n)} is the contract"
            )
        return scores if mine is not None else queries.items.columns(scores, self.training_.items)


@dataclass(frozen=True)
class _Why:
    """Sentences for lists of recommendations, worked out when asked for."""

    model: Recommender
    queries: Queries
    behind: Behind | None

    def sentences(self, row: int, items: Codes) -> list[str]:
        if self.behind is not None:
            return self.behind.explain(row, items).sentences()
        return self.model.answer(self.queries[row], items).behind.explain(0, items).sentences()


@runtime_checkable
class Explains(Protocol):
    """A model whose scores are a base and shares that add up. Ask it with ``answer``."""

    def _answer(self, queries: Queries, items: Codes | None) -> Answered:
        """Return what ``_score`` does for the same arguments, and what adds up to it."""
        ...


@runtime_checkable
class Similar(Protocol):
    """A model that knows which items are alike."""

    def similar(self, items: Sequence[Any], k: int = 10) -> Recommendations:
        """Return the k items most like each of some item ids; an item is not its own answer."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A model whose score is the product of two vectors."""

    def user_vectors(self, queries: Queries) -> NDArray[np.float32]:
        """Return (q, d) vectors of who asks."""
        ...

    def item_vectors(self) -> NDArray[np.float32]:
        """Return (items, d) vectors in the model's own codes; NaN rows: cannot say."""
        ...


@runtime_checkable
class Bounds(Protocol):
    """A model of ratings that knows how sure it is."""

    def bounds(
        self, queries: Queries, items: Codes | None = None, *, level: float = 0.9
    ) -> tuple[Scores, Scores]:
        """Return (q, n) lower and upper bounds of ratings; arguments as those of ``score``.

        A rating lies between them with chance ``level``.
        """
        ...


@runtime_checkable
class Retrieves(Protocol):
    """A model that finds the best items without scoring all of them."""

    @property
    def recall(self) -> float:
        """The share of the exact best items it finds, at least."""
        ...

    def retrieve(self, queries: Queries, k: int, rules: Rules) -> tuple[Codes, Scores]:
        """Return (q, k) codes of queries.items, -1 past the end, and their exact scores."""
        ...


@runtime_checkable
class Updates(Protocol):
    """A model that learns new events without a refit."""

    @property
    def counts(self) -> bool:
        """Whether learning in two steps gives what one fit on everything gives."""
        ...

    def updated(self, data: Dataset, queries: Queries, fresh: NDArray[np.int64]) -> Self:
        """Return a new model that also learned the last ``fresh[r]`` events of row r.

        ``data`` brings tables and may extend both vocabularies. This model is untouched; arrays
        that did not change are shared.
        """
        ...


@runtime_checkable
class Onboards(Protocol):
    """A model that can answer for items without events through their content."""

    def with_items(self, items: pl.DataFrame) -> Self:
        """Return a new model that also answers for these items; known scores are unchanged."""
        ...


@runtime_checkable
class Samples(Protocol):
    """A model that draws lists at random, and knows with which chance."""

    def sample(
        self, queries: Queries, k: int, rng: np.random.Generator, rules: Rules
    ) -> Recommendations:
        """Draw lists; ``propensity`` is the chance of each item at its rank given those above."""
        ...


@runtime_checkable
class Sources(Protocol):
    """A composite that knows which part a score is from: see ``Answered.source``."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the parts."""
        ...


def alike(
    training: Training, items: Sequence[Any], k: int, score: Callable[[Codes], Scores], name: str
) -> Recommendations:
    """Return the k items most alike to each id; ``score`` gives (n, items) scores for codes.

    Raises
    ------
    UnknownId : an id the model does not know.
    """
    codes = np.array([training.items.code(one) for one in items], np.int32)
    rows = np.arange(len(codes) + 1, dtype=np.int64)
    none = np.full(len(codes), -1, np.int32)
    nothing = Histories.empty(len(codes))
    asked = Queries(training.items, training.users, nothing, none, seen=(rows, codes))
    found = select(score(codes), asked, k, source=name)
    return replace(found, asked=tuple(items), shown=training.shown)


def column_scores(whole: Scores, items: Codes | None) -> Scores:
    """Return the columns of (q, all items) scores that ``items`` asks for, as in ``_score``."""
    if items is None:
        return whole
    items = np.broadcast_to(items, (len(whole), items.shape[-1]))
    if not whole.shape[1]:
        return np.full(items.shape, np.nan, np.float32)
    picked = np.take_along_axis(whole, np.maximum(items, 0), axis=1)
    return np.where(items >= 0, picked, np.float32(np.nan)).astype(np.float32)


def arrays_in(value: Any) -> Iterator[NDArray[Any]]:
    """Yield the arrays within a learned attribute."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, CSR):
        yield from (value.indptr, value.indices, value.data)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from arrays_in(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from arrays_in(one)
    elif isinstance(value, Recommender):
        for _, one in value._learned():
            yield from arrays_in(one)


def settings(model: Recommender) -> dict[str, Any]:
    """Return the fields of a model by name."""
    return {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}  # type: ignore[arg-type]
