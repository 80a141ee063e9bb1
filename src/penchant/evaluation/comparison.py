"""compare: which model to use on somebody's own data, found within a minute, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penchant import split as splits
from penchant.dataset import Dataset
from penchant.datasets import planted
from penchant.errors import BadEvents, BadParameter
from penchant.evaluation.evaluator import Evaluation, evaluate
from penchant.evaluation.metrics import NDCG, Coverage, Diversity, Metric, Novelty, Recall
from penchant.explanations import spoken
from penchant.models.content import ContentBased
from penchant.models.factorization import ALS
from penchant.models.hybrid import Weighted
from penchant.models.linear import EASE
from penchant.models.neighbours import ItemKNN
from penchant.models.popularity import Popularity
from penchant.queries import Queries
from penchant.recommender import Epoch, Recommender
from penchant.split import Part, Split

POPULARITY, HYBRID = "popularity", "hybrid"

ASKERS = 5000
"""At most so many people are asked about; more would hardly narrow the intervals."""

RESERVE = 0.5
"""Share of the time that the estimates may add up to; they are rough."""

ENOUGH = 2500
"""Rather than to compare on fewer people than this for lack of time, slow models are left out."""

FEW = 100
"""With fewer people to ask, a comparison says that they are few."""


class Step(NamedTuple):
    """Progress: what is being done, number ``done`` of ``total``."""

    what: str
    done: int
    total: int


OnStep = Callable[[Step], None]


class Example(NamedTuple):
    """One person, and what is recommended to them.

    Parameters
    ----------
    who : their id; None for a stranger.
    liked : titles of what they liked best, at most five.
    met : how many events are known of them.
    list : columns rank, item, title and genres if known, score, reason.
    later : ids of the list that they met later, in the test part.
    """

    who: Any
    liked: tuple[str, ...]
    met: int
    list: pl.DataFrame
    later: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out: a leaderboard, the model to use, and lists to look at.

    Parameters
    ----------
    split : how the data was cut.
    models : the fitted models by name, in the order they were fitted.
    seconds : CPU seconds that each took to fit, without compiling.
    evaluation : their scores on the same questions.
    left_out : models that were not fitted, and why.
    notes : what was sampled or stopped to stay within the time, in sentences.
    best : the name of the model to use.
    because : why, in sentences.
    examples : three people's lists from that model.
    """

    split: Split
    models: Mapping[str, Recommender]
    seconds: Mapping[str, float]
    evaluation: Evaluation
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    best: str
    because: tuple[str, ...]
    examples: tuple[Example, ...]

    def to_frame(self) -> pl.DataFrame:
        """Return the leaderboard, the highest NDCG first.

        Columns: model; ndcg with its interval ndcg_low and ndcg_high; above, above_low and
        above_high, the paired difference to popularity; a column for each other metric; CPU
        seconds.
        """
        main, *others = self.evaluation.metrics
        rows = []
        for name in self.models:
            own, above = self.evaluation.cells[name, main]
            rows.append(
                {"model": name, "ndcg": own.value, "ndcg_low": own.low, "ndcg_high": own.high}
                | {"above": above.value, "above_low": above.low, "above_high": above.high}
                | {m.name: self.evaluation.value(m, name) for m in others}
                | {"seconds": self.seconds[name]}
            )
        frame = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
        return frame.sort("ndcg", descending=True, maintain_order=True)


def contenders(data: Dataset) -> dict[str, Recommender]:
    """Return the models worth comparing on data of this kind, unfitted.

    ContentBased is among them if there is an item table with text. The hybrid weighs all the
    others: popularity answers for people of whom nothing is known, content for items that nobody
    has met.
    """
    models: dict[str, Recommender] = {
        POPULARITY: Popularity(), "item-knn": ItemKNN(), "als": ALS(), "ease": EASE(),
    }  # fmt: skip
    if describes_items(data):
        models["content-based"] = ContentBased()
    return models | {HYBRID: hybrid(models)}


def hybrid(models: Mapping[str, Recommender]) -> Weighted:
    """Return all of the models weighted, with weights to be learned."""
    return Weighted(list(models.values()))


def describes_items(data: Dataset) -> bool:
    """Whether the item table says more in words than the items' ids."""
    table = data.item_table
    if table is None:
        return False
    words = [
        table[c] for c, kind in table.schema.items() if kind in (pl.String, pl.List(pl.String))
    ]
    return any(c.null_count() < len(c) and not c.equals(data.items.values) for c in words)


def compare(
    data: Dataset,
    minutes: float | None = 1.0,
    *,
    split: Split | None = None,
    models: Mapping[str, Recommender] | None = None,
    k: int = 10,
    rng: int = 0,
    on_step: OnStep | None = None,
) -> Comparison:
    """Fit several models to part of the data, ask them about the rest, and choose one.

    Held out is each person's latest fifth, or a random fifth where no times are known. Where all of
    the data would take longer than ``minutes``, a random sample of people has to do, and a model
    that would still take too long is left out; the result says so.

    Parameters
    ----------
    minutes : how long it may take, about; compiling on the first run counts too. None: whatever it
        takes.
    split : how the data is cut, if not as above; it is then taken whole.
    models : what to compare, by default ``contenders(data)``. The one called "popularity" is what
        the others are compared with, and must be there.
    k : length of the lists.
    rng : seed of the sample, the fits and the bootstrap.
    on_step : called as each step begins.

    Raises
    ------
    BadParameter : no time, no popularity, or nobody with two events.

    Examples
    --------
    >>> import penchant as pt
    >>> found = pt.compare(pt.datasets.planted())
    >>> found.best in found.models
    True
    """
    if minutes is not None and not minutes > 0:
        raise BadParameter(f"minutes must be a positive number, got {minutes!r}")
    wanted = dict(contenders(data) if models is None else models)
    if POPULARITY not in wanted:
        raise BadParameter(f"the models must include {POPULARITY!r}, to compare the others with")
    if data.histories.lengths.max(initial=0) < 2:
        raise BadParameter(f"nobody in {data.name} has two events: there is nothing to hold out")
    until = np.inf if minutes is None else perf_counter() + 60 * minutes
    _warm_up(wanted, on_step)
    share, slow = _plan(data, wanted, RESERVE * (until - perf_counter()), whole=split is not None)
    left_out = {name: f"fitting it might take {s:,.0f} s" for name, s in slow.items()}
    notes: list[str] = []
    if share < 1:
        data, said = _sample(data, share, rng)
        notes.append(said)
    split = cut(data, rng=rng) if split is None else split
    part = split.test
    if len(part) > ASKERS:
        notes.append(f"{ASKERS:,} of {len(part):,} people with a test were asked, at random")
        part = part.where(_some(len(part), ASKERS, rng))
    fits = _Fits({}, {}, left_out, notes)
    for n, (name, model) in enumerate(wanted.items()):
        if on_step is not None:
            on_step(Step(f"fitting {name}", n, len(wanted) + 1))
        if models is None and name == HYBRID and left_out:
            model = hybrid(fits.models)
        if name not in left_out:
            fits.add(name, model, split.train, until, rng)
    if on_step is not None:
        on_step(Step("asking them", len(wanted), len(wanted) + 1))
    metrics = metrics_for(data, k)
    fitted = fits.models
    result = evaluate(fitted, split, metrics, part=part, baseline=fitted[POPULARITY], rng=rng)
    best, because = _choice(result, fitted, fits.seconds, split)
    return Comparison(
        split=split,
        models=fitted,
        seconds=fits.seconds,
        evaluation=result,
        left_out=left_out,
        notes=tuple(notes),
        best=best,
        because=because,
        examples=_examples(fitted[best], part, k),
    )


@dataclass
class _Fits:
    """The models fitted so far, their CPU seconds, and what was left out or cut short."""

    models: dict[str, Recommender]
    seconds: dict[str, float]
    left_out: dict[str, str]
    notes: list[str]
    took: float = 0.0

    def add(self, name: str, model: Recommender, data: Dataset, until: float, rng: int) -> None:
        """Fit a model, if there is time for it and something that it can learn from."""
        began, cpu = perf_counter(), process_time()
        # It is known by now how long its parts take; a hybrid fits each twice, and learns weights.
        needs = 2.5 * self.took if isinstance(model, Weighted) else 0.0
        if began + needs > until and name != POPULARITY:
            left = max(until - began, 0)
            self.left_out[name] = f"fitting it might take {needs:,.0f} s, of {left:,.0f} s left"
            return
        stopped: list[str] = []
        try:
            model.fit(data, rng=rng, on_epoch=_stopper(until, stopped))
        except BadEvents as e:
            if name == POPULARITY:
                raise
            self.left_out[name] = str(e)
            return
        self.models[name], self.seconds[name] = model, process_time() - cpu
        self.notes += [f"{name}: {said}" for said in stopped[:1]]
        self.took += perf_counter() - began


def cut(data: Dataset, *, rng: int = 0) -> Split:
    """Hold out each person's latest fifth; where times say nothing, a random fifth of each's."""
    times = data.histories.time
    if (times >= 0).all() and times.min() < times.max():
        return splits.last(data, fraction=0.2)
    return splits.random(data, 0.2, by="user", rng=rng)


def metrics_for(data: Dataset, k: int = 10) -> list[Metric]:
    """Return what a leaderboard shows; diversity only if something is known of the items."""
    found: list[Metric] = [NDCG(k), Recall(k), Coverage(k), Novelty(k)]
    return [*found, Diversity(k)] if describes_items(data) else found


def example(
    model: Recommender, query: Queries, k: int = 10, truth: NDArray[np.int32] | None = None
) -> Example:
    """Return what one query's asker liked, and their list.

    Parameters
    ----------
    truth : item codes that they met later.
    """
    training = model._trained()
    found = model.recommend(query, k)
    history = query.histories
    cited = history.where(training.feedback.cited(history))
    # Best first: the highest value, the latest of equals.
    order = np.lexsort((-np.arange(len(cited.item)), -np.nan_to_num(cited.value)))
    ids = query.items.decode(cited.item[order][:5])
    later = found.codes[0][np.isin(found.codes[0], truth)] if truth is not None else ()
    return Example(
        who=query.users.decode(query.user)[0],
        liked=tuple(spoken(training.title(one)) for one in ids),
        met=len(history.item),
        list=found.to_frame().drop("user", "source"),
        later=tuple(query.items.decode(later)),
    )


def _examples(model: Recommender, part: Part, k: int) -> tuple[Example, ...]:
    """Return three people who get a list: of those with short, middling and long histories."""
    lengths = part.queries.histories.lengths
    order = np.argsort(lengths, kind="stable")
    places = [int(len(part) * share) for share in (0.25, 0.5, 0.75)]
    rows = dict.fromkeys(int(order[place]) for place in places)
    made = [example(model, part.queries[r], k, part.truth.take(slice(r, r + 1)).item) for r in rows]
    return tuple(one for one in made if len(one.list))


def _choice(
    result: Evaluation,
    models: Mapping[str, Recommender],
    seconds: Mapping[str, float],
    split: Split,
) -> tuple[str, tuple[str, ...]]:
    """Return the model to use and why.

    The one with the highest NDCG; but a single model that is level with the hybrid is preferred to
    it, and popularity is, unless the model is above it with an interval clear of 0.
    """
    metric = result.metrics[0]
    value = {name: result.value(metric, name) for name in models}
    apart = {name: result.difference(metric, name, POPULARITY) for name in models}
    clear = sorted((n for n in models if apart[n].low > 0), key=lambda n: -value[n])
    if not clear:
        return POPULARITY, _nothing_beats_it(result, max(value, key=lambda n: value[n]), split)
    best = clear[0]
    level = (
        [n for n in clear if n != HYBRID and result.difference(metric, n, HYBRID).high >= 0]
        if best == HYBRID
        else []
    )
    if level:
        best = level[0]
    own = apart[best]
    said = [
        f"Use {best}: its {metric.name} is {value[best]:.4f}, popularity's "
        f"{value[POPULARITY]:.4f}. Person by person it is {own.value:.4f} above (95% interval "
        f"{own.low:.4f} to {own.high:.4f}, clear of zero)."
    ]
    if level:
        off = result.difference(metric, best, HYBRID)
        said.append(
            f"The hybrid scores {value[HYBRID]:.4f}, which is no clear difference ({off.low:+.4f} "
            f"to {off.high:+.4f}), and takes {seconds[HYBRID]:.2f} s of CPU to fit, {best} "
            f"{seconds[best]:.2f} s."
        )
    if best != HYBRID and HYBRID in models:
        said.append(
            "Take hybrid if everybody has to get a list: it also answers for people of whom "
            "nothing is known"
            + (", and for items nobody has met." if "content-based" in models else ".")
        )
    return best, tuple(said)


def _nothing_beats_it(result: Evaluation, top: str, split: Split) -> tuple[str, ...]:
    """Say why popularity is the model to use."""
    metric, asked = result.metrics[0], len(result.asked)
    usual = int(np.median(split.train.histories.lengths[split.train.histories.lengths > 0]))
    if len(result.models) == 1:
        return (f"Use {POPULARITY}: there was no time for anything else.",)
    if asked < FEW:
        who = "person" if asked == 1 else "people"
        why = f"only {asked:,} {who} could be asked, too few to tell the models apart"
    elif usual <= 3:
        why = f"half of the people have {usual} events or fewer to be known by"
    else:
        why = "what people do here says little about what they will do next"
    said = [f"Use popularity: nothing beats it here, because {why}."]
    if top != POPULARITY:
        off = result.difference(metric, top, POPULARITY)
        said.append(
            f"{top} has the highest {metric.name}, {result.value(metric, top):.4f} against "
            f"{result.value(metric, POPULARITY):.4f}, but the difference may be chance: "
            f"{off.low:+.4f} to {off.high:+.4f}."
        )
    return tuple(said)


def _warm_up(models: Mapping[str, Recommender], on_step: OnStep | None) -> None:
    """Compile what the models need, on made-up data, so that it does not count as fitting."""
    small = planted()
    for n, (name, model) in enumerate(models.items()):
        if on_step is not None:
            on_step(Step(f"getting {name} ready (slow only the first time)", n, len(models)))
        if not isinstance(model, Weighted):
            copy = replace(model).fit(small)  # type: ignore[type-var]
            copy.recommend(small.queries(users=[0, 1]), 3).to_frame()


def _stopper(until: float, stopped: list[str]) -> Callable[[Epoch], bool]:
    """Return an ``on_epoch`` that stops when time is up, and says so."""

    def stop(epoch: Epoch) -> bool:
        if perf_counter() < until or epoch.number >= epoch.total:
            return False
        stopped.append(f"stopped after {epoch.number} of {epoch.total} epochs, for time")
        return True

    return stop


class Size(NamedTuple):
    """What the time that a fit takes depends on; ``pairs`` is how often two items meet."""

    people: float
    items: float
    catalogue: float
    events: float
    pairs: float

    @classmethod
    def of(cls, data: Dataset) -> Size:
        """Return the size of a dataset."""
        pairs = float(np.sum(data.histories.lengths.astype(np.float64) ** 2))
        return cls(data.n_active_users, data.n_active_items, len(data.items), len(data), pairs)

    def scaled(self, share: float) -> Size:
        """Return about the size of a random share of the people."""
        return self._replace(
            people=share * self.people, events=share * self.events, pairs=share * self.pairs
        )


def _fit_seconds(model: Recommender, size: Size) -> float:
    """Return about how long a fit takes on two cores of 2023; only the order matters much."""
    if isinstance(model, EASE):
        return 8e-11 * min(size.people, size.items) ** 3 + 2e-9 * size.pairs
    if isinstance(model, ALS):
        wide = model.factors / 64
        rows = size.people + size.items
        return model.epochs * (1.2e-7 * wide * size.events + 3e-6 * wide**2 * rows)
    return 2e-9 * size.pairs if isinstance(model, ItemKNN) else 1e-5 * size.catalogue


def _plan(
    data: Dataset, models: Mapping[str, Recommender], seconds: float, *, whole: bool
) -> tuple[float, dict[str, float]]:
    """Return the share of people to take, and the models that are too slow with their seconds.

    Rather fewer people than fewer models, as long as ``ENOUGH`` people remain.
    """
    size, left_out = Size.of(data), dict[str, float]()
    used = {n: m for n, m in models.items() if not isinstance(m, Weighted)}
    enough = 1.0 if whole else min(1.0, ENOUGH / max(size.people, 1))
    while True:
        share = 1.0
        while share > enough and _all_seconds(used, size.scaled(share)) > seconds:
            share = max(0.9 * share, enough)
        if _all_seconds(used, size.scaled(share)) <= seconds or len(used) == 1:
            return share, left_out
        times = {n: _fit_seconds(m, size.scaled(enough)) for n, m in used.items()}
        slowest = max((n for n in used if n != POPULARITY), key=lambda n: times[n])
        left_out[slowest] = times[slowest]
        del used[slowest]


def _all_seconds(models: Mapping[str, Recommender], size: Size) -> float:
    """Return about how long everything takes: each model alone, and twice within the hybrid."""
    asking = 1e-8 * min(ASKERS, size.people) * size.catalogue
    return sum(3 * _fit_seconds(m, size) + 2 * asking for m in models.values())


def _sample(data: Dataset, share: float, rng: int) -> tuple[Dataset, str]:
    """Return the data of a random share of the people, and a sentence about it."""
    people = np.flatnonzero(data.histories.lengths)
    keep = np.zeros(len(data.users), bool)
    keep[people[_some(len(people), round(share * len(people)), rng)]] = True
    return data.where(keep[data.histories.person()]), (
        f"{np.count_nonzero(keep):,} of {len(people):,} people were taken, at random, to stay "
        "within the time; more minutes take more of them"
    )


def _some(count: int, wanted: int, rng: int) -> NDArray[np.bool_]:
    """Return a mask of ``wanted`` random places of ``count``."""
    mask = np.zeros(count, bool)
    mask[np.random.default_rng(rng).permutation(count)[:wanted]] = True
    return mask
