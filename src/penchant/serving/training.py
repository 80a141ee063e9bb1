"""train: from what the store holds to a model in use, if it is good enough."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from penchant import artifact
from penchant.dataset import Dataset
from penchant.errors import BadArtifact, BadEvents, Conflict, PenchantError
from penchant.evaluation.comparison import OnStep, Step, describes_items
from penchant.evaluation.evaluator import Evaluation
from penchant.events import Events
from penchant.feedback import Feedback
from penchant.models.content import ContentBased
from penchant.models.factorization import ALS
from penchant.models.hybrid import Fallback, Weighted
from penchant.models.linear import EASE
from penchant.models.popularity import Popularity
from penchant.recommender import Recommender
from penchant.serving import gate, trial
from penchant.serving.gate import Check, Limits
from penchant.serving.moments import SECOND, clock
from penchant.store.erasure import settle
from penchant.store.registry import Model
from penchant.store.store import Store
from penchant.store.trainings import LEASE

FEEDBACK = Feedback(weights={"view": 1, "click": 1, "cart": 3, "purchase": 5})
"""What an event weighs by default; kinds not named weigh 1, "hide" 0."""

SAMPLE = 200
"""How many people are asked at the end, to see that a model is sound."""

KEPT = 5
"""How many accepted models keep their files by default."""

WORK = ".training-"
"""How the names of folders begin in which a model is on its way into the registry."""

STEPS = 6
"""At most so many steps are told of."""

LIMITS = Limits()
POPULARITY = Popularity()

Chooses = Callable[[Dataset], Recommender]


@dataclass(frozen=True, eq=False)
class Result:
    """What became of a training.

    Parameters
    ----------
    model : its row in the registry: version, name, state, position, metrics.
    promoted : whether it is in use now.
    gate : what was looked at.
    evaluation : how it was measured; None with too few people to ask.
    instead : what became of popularity, which is used when a model is refused and none is in use.
    """

    model: Model
    promoted: bool
    gate: tuple[Check, ...]
    evaluation: Evaluation | None
    instead: Result | None = None

    @property
    def version(self) -> str:
        """The model's version in the registry."""
        return self.model.version

    @property
    def accepted(self) -> bool:
        """Whether it passed the gate."""
        return self.model.state == "accepted"

    @property
    def refused_for(self) -> tuple[str, ...]:
        """The reasons why it was refused."""
        return tuple(check.reason for check in self.gate if not check.passed)

    @property
    def metrics(self) -> dict[str, Any]:
        """What the registry keeps (see ``penchant.serving.trial.plain``)."""
        return self.model.metrics


class Read(NamedTuple):
    """What was read of the store.

    Parameters
    ----------
    data : what may be learned from.
    position, erasures : where the log ended, and the number of the last erasure before.
    version : of the model in use; None: there is none.
    old : the model in use; None also if it cannot be read any more, for the ``reason``.
    """

    data: Dataset
    position: int
    erasures: int
    version: str | None
    old: Recommender | None
    reason: str


class _Terms(NamedTuple):
    """What ``train`` was given, and the number of the training."""

    limits: Limits
    promote: bool
    by: str
    known: Sequence[type[Recommender]]
    now: int
    rng: int
    run: int


def usual(data: Dataset) -> Recommender:
    """Return the model that is fitted unless another is asked for.

    Factors, item weights and, where the catalogue says something of the items, content, weighted as
    serves held-out events best; popularity for people of whom nothing is known.
    """
    parts: list[Recommender] = [ALS(), EASE()]
    if describes_items(data):
        parts.append(ContentBased())
    return Fallback([Weighted(parts), Popularity()])


def gathered(store: Store, until: int, feedback: Feedback = FEEDBACK) -> Dataset:
    """Return what may be learned from: the events up to a position, and the catalogue.

    Impressions are left out: what was on a screen was not chosen by anybody. So are events that
    nothing can be learned from, of an item without a name or with an infinite value: the log takes
    what anybody sends, and one event must not end all trainings.

    Raises
    ------
    BadEvents : there is no event with an item.
    """
    log = store.events.frame(until)
    if not len(log):
        raise BadEvents("the store holds no event with an item: there is nothing to learn from yet")
    # Named as in the catalogue, so that no attribute is taken for the id.
    log = log.rename({"item": "item_id"}).with_columns(
        pl.from_epoch("time", time_unit="us").dt.replace_time_zone("UTC")
    )
    events = Events.from_frame(
        log, user="user", item="item_id", value="value", time="time", kind="kind",
        session="session", bad="drop", source="the store",
    )  # fmt: skip
    items = store.items.frame()
    met = bool(items["item_id"].is_in(log["item_id"].unique().implode()).any())
    return Dataset.from_events(events, items=items if met else None, feedback=feedback)


def train(
    store: Store,
    *,
    model: Recommender | Chooses = usual,
    feedback: Feedback = FEEDBACK,
    now: int,
    rng: int = 0,
    limits: Limits = LIMITS,
    promote: bool = True,
    by: str = "train",
    run: int | None = None,
    kept: int = KEPT,
    known: Sequence[type[Recommender]] = (),
    on_step: OnStep | None = None,
) -> Result:
    """Fit a model to what the store holds, measure it, register it, and use it if it is good.

    It is measured on the latest events, having learned from those before, beside the model in use
    and popularity, and then fitted again on everything. What is refused is registered too, with its
    metrics and the reasons, and never used; its files stay until another one is refused. If nothing
    is in use then, popularity is, so that somebody answers.

    Parameters
    ----------
    model : unfitted, or what chooses one when it sees the data.
    feedback : what an event weighs.
    now : microseconds since 1970 (UTC).
    rng : seed of the fits and of the bootstrap.
    limits : what the gate lets pass.
    promote : whether a model that is accepted is used from now on.
    by : who trains, for the record.
    run : the number of a training that has begun (see ``Trainings.begin``); by default one begins.
    kept : how many accepted models keep their files (see ``retire``).
    known : classes of your own that the models may be of, as the service knows them.
    on_step : called as each step begins.

    Raises
    ------
    BadEvents : there is nothing to learn from.
    Conflict : another training runs; or another model was promoted meanwhile, and this one is
        registered, and not in use.
    """
    say = _saying(on_step)
    with leased(store, run, by=by, now=now) as number:
        say("reading the log")
        read = _read(store, feedback, known)
        terms = _Terms(limits, promote, by, known, now, rng, number)
        result = _attempt(store, read, model, terms, say)
        nobody = promote and not result.accepted and read.version is None
        if nobody and result.model.name != POPULARITY.name:
            instead = _attempt(store, read, POPULARITY, terms, say)
            result = replace(result, instead=instead)
        retire(store, kept)
        store.trainings.end(
            number,
            "accepted" if result.accepted else "refused",
            now=clock(),
            version=result.version,
            reason=" ".join(result.refused_for) or None,
        )
        settle(store, now=clock())  # whoever was erased may be in no model now
    return result


def described(model: Recommender) -> str:
    """Return what a model is, for people: ``Fallback(Weighted(ALS, EASE), Popularity)``."""
    parts = getattr(model, "parts", None)
    return f"{model.name}({', '.join(map(described, parts))})" if parts else model.name


def retire(store: Store, kept: int = KEPT) -> list[str]:
    """Delete the files of old models; of those refused, all but the latest one's.

    Parameters
    ----------
    kept : how many accepted models stay, the latest. The one in use, and the one that would be in
        use after a rollback, stay in any case.

    Returns
    -------
    The versions whose files are gone.
    """
    stays = set(store.models.line()[-2:])
    rows = store.models.list()
    accepted = [row.version for row in rows if row.state == "accepted"]
    refused = [row.version for row in rows if row.state == "refused"]
    old = [version for version in accepted[max(kept, 1) :] if version not in stays] + refused[1:]
    for version in old:
        store.models.retire(version)
    return old


@contextmanager
def leased(store: Store, run: int | None, *, by: str, now: int) -> Iterator[int]:
    """Hold the lease on training: begin one (or go on with ``run``), give signs of life.

    A block that raises ends the training as failed.

    Raises
    ------
    Conflict : another training runs.
    """
    number = store.trainings.begin(by=by, now=now) if run is None else run
    over = threading.Event()

    def live() -> None:
        while not over.wait(LEASE / 4 / SECOND):
            store.trainings.alive(number, now=clock())

    thread = threading.Thread(target=live, name="signs of life", daemon=True)
    thread.start()
    try:
        yield number
    except BaseException as e:
        store.trainings.end(number, "failed", now=clock(), reason=why(e))
        raise
    finally:
        over.set()
        thread.join()


def why(error: BaseException) -> str:
    """Return why a training failed, in words for people."""
    if isinstance(error, MemoryError):
        return "it needed more memory than there was"
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return "it was stopped"
    return str(error) if isinstance(error, PenchantError) else f"{type(error).__name__}: {error}"


def _saying(on_step: OnStep | None) -> trial.Say:
    number = count()

    def say(what: str) -> None:
        if on_step is not None:
            on_step(Step(what, min(next(number), STEPS), STEPS))

    return say


def _read(store: Store, feedback: Feedback, known: Sequence[type[Recommender]]) -> Read:
    # The numbers before the log: whoever is erased later may still be in what is read.
    erasures, position = store.numbers().get("erasures", 0), store.events.last()
    data = gathered(store, position, feedback)
    row = store.models.in_use()
    if row is None:
        return Read(data, position, erasures, None, None, "")
    try:
        old = artifact.load(store.models.path(row.version), known=known)
    except BadArtifact as e:  # a new one is needed all the more
        return Read(data, position, erasures, row.version, None, str(e))
    return Read(data, position, erasures, row.version, old, "")


def _attempt(
    store: Store, read: Read, model: Recommender | Chooses, terms: _Terms, say: trial.Say
) -> Result:
    """Fit, measure, register and promote one model."""
    chosen, found, checks = _judged(read, model, terms, say)
    say("fitting to everything")
    final = replace(chosen).fit(read.data, rng=terms.rng)  # type: ignore[type-var]
    with _workplace(store.models.folder) as folder:
        say("saving it, reading it back")
        made = folder / "model"
        checks += _sound(final, made, read, terms)
        if not store.trainings.alive(terms.run, now=clock()):
            raise Conflict("this training was taken for dead, and another may have begun")
        row = store.models.add(
            lambda path: os.rename(made, path),
            name=described(final),
            position=read.position,
            erasures=read.erasures,
            events=len(read.data),
            metrics={} if found is None else trial.plain(found),
            gate=[check.to_json() for check in checks],
            accepted=all(check.passed for check in checks),
            now=terms.now,
        )
    use = terms.promote and row.state == "accepted"
    if use:
        expected = read.version or ""
        store.models.promote(row.version, by=terms.by, expected=expected, now=terms.now)
    return Result(row, use, tuple(checks), found)


def _judged(
    read: Read, model: Recommender | Chooses, terms: _Terms, say: trial.Say
) -> tuple[Recommender, Evaluation | None, list[Check]]:
    """Return the model to fit, how it was measured, and what the gate says to that."""
    data, old, checks = read.data, read.old, list[Check]()
    limits, rng = terms.limits, terms.rng
    if read.reason:
        said = f"{read.version} is in use and cannot be read: nothing is compared with it"
        checks.append(Check("model in use", True, f"{said}. {read.reason}."))
    asked = trial.questions(data, old, limits.people, rng)
    if asked is None:
        said = (
            f"{len(data):,} events of {data.n_active_users:,} people are too few to tell models "
            f"apart: {limits.people} people with a history have to go for something new in the "
            "latest events"
        )
        return POPULARITY, None, [*checks, _too_little(said, old)]
    chosen = model if isinstance(model, Recommender) else model(data)
    say("fitting without the latest events")
    try:
        new = replace(chosen).fit(asked.split.train, rng=rng)  # type: ignore[type-var]
    except BadEvents as e:
        said = f"{described(chosen)} cannot learn from {len(asked.split.train):,} events: {e}"
        return POPULARITY, None, [*checks, _too_little(said, old)]
    checks.append(Check("enough data", True, f"{len(data):,} events; {asked.said}."))
    rival, held = (None, "") if old is None else trial.rival(new, old, asked, say)
    say("asking for the latest events")
    found = trial.measured(new, rival, asked, rng)
    return chosen, found, [*checks, *gate.quality(found, held, limits)]


def _too_little(said: str, old: Recommender | None) -> Check:
    """Say that popularity has to do; which is no reason to give up a model that knows people."""
    if old is not None and gate.PERSONAL & old.reads:
        return Check("enough data", False, f"{said}. The model in use stays: it knows people.")
    return Check("enough data", True, f"{said}. Popularity is the model until then.")


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside the models; what dead trainings left behind goes first."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{WORK}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=WORK, dir=folder) as made:
        yield Path(made)


def _sound(final: Recommender, path: Path, read: Read, terms: _Terms) -> Iterator[Check]:
    """Save the model, read it back, and look at what it answers then."""
    people = np.flatnonzero(read.data.histories.lengths)
    some = np.sort(np.random.default_rng(terms.rng).permutation(people)[:SAMPLE])
    asked = read.data.queries()[some]
    artifact.save(final, path, position=read.position)
    try:
        loaded = artifact.load(path, known=terms.known)
        gate.same_answers(final, loaded, asked)
    except BadArtifact as e:
        yield Check("read back", False, f"{e}.")
        return
    yield Check("read back", True, f"Read back from its files it answers {len(some)} people alike.")
    yield from gate.soundness(loaded, asked, read.old, terms.limits)
