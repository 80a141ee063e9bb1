"""The service of one worker process: what the routes call."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penchant.errors import BadStore, PenchantError
from penchant.identity import made_id
from penchant.recommender import Recommender
from penchant.serving import browsing, paging, recommending, stages
from penchant.serving.asking import Askers, Told, cleaned
from penchant.serving.batching import Batcher
from penchant.serving.live import Live
from penchant.serving.meters import Meters
from penchant.serving.moments import clock
from penchant.serving.recommending import Wanted, Work
from penchant.serving.shapes import (
    Accepted,
    Ask,
    Explained,
    Listed,
    Ranked,
    Ready,
    Recommended,
    Valid,
)
from penchant.serving.taking import taken
from penchant.store import daily
from penchant.store.erasure import settle
from penchant.store.shown import Shown
from penchant.store.store import Store
from penchant.store.writer import Writer

log = logging.getLogger("penchant.serving")

TENDED = 2.0
"""Seconds between looks at the store while nobody asks."""

COUNTED = 30
"""Looks after which it is counted again what people went for."""

LARGE = 32_768
"""Bytes of a body beyond which it is read in a thread."""

LATEST = 5000
"""Events of a person that a list is made from, the newest."""

_json = msgspec.json.Encoder()


class Service:
    """Answers requests from a store, with the model in use.

    Parameters
    ----------
    store : opened by this process.
    known : classes of your own that a saved model may name.
    now : the clock, in microseconds since 1970 (UTC).
    meters : where to count; None: for this service alone.
    """

    def __init__(
        self,
        store: Store,
        *,
        known: Sequence[type[Recommender]] = (),
        now: Callable[[], int] = clock,
        meters: Meters | None = None,
    ) -> None:
        self.store, self.now, self.meters = store, now, meters or Meters()
        self.live = Live(store, known=known, now=now(), swapped=self._swapped)
        self.writer = Writer(store, self._sized)
        self._batcher = Batcher(self._lists)
        self._counts = browsing.Counts(store)
        self._closing = threading.Event()

    def close(self) -> None:
        """Finish what was begun."""
        self._closing.set()
        self._batcher.close()
        self.writer.close()

    async def take(self, body: bytes) -> Accepted:
        """Store events; answer when they are durable."""
        now = self.now()
        if len(body) > LARGE:
            read = await asyncio.to_thread(taken, body, now)
        else:
            read = taken(body, now)

        def append(connection: Connection) -> list[str]:
            return self.store.events.append(read.events, now=now, connection=connection)

        told = read.accepted(await asyncio.wrap_future(self.writer.submit(append)))
        self._count_events(told)
        return told

    async def recommend(self, ask: Ask) -> Listed:
        """Return a list; what it shows is in the log before."""
        ask = cleaned(ask)
        if ask.cursor is not None:
            made = await self._page(ask)
        else:
            if ask.model is not None:
                await asyncio.to_thread(self.live.other, ask.model)
            made = await self._batcher.submit(Wanted(ask, version=ask.model))
        self.meters.count("penchant_recommendations_total", ("true" if made.fallback else "false",))
        return made

    async def validate(self, ask: Ask) -> Valid:
        """Say whether a request can be answered, and what is odd about it."""
        return await asyncio.to_thread(self._valid, ask)

    async def explain(self, ask: Ask, item_id: str) -> Explained:
        """Say why an item is, or is not, in the list that the request would get."""

        def told() -> Explained:
            work, now = self.work(ask)
            return stages.explained(work, item_id, now)

        return await asyncio.to_thread(told)

    async def trace(self, ask: Ask, *, top: int = 20) -> stages.Trace:
        """Return a request through all stages, item by item; nothing is logged."""

        def told() -> stages.Trace:
            work, now = self.work(ask)
            return stages.trace(work, now, top=top)

        return await asyncio.to_thread(told)

    async def similar(self, item_id: str, k: int, categories: Sequence[str] | None) -> Ranked:
        """Return the items most like one."""
        return await self._browsed(browsing.similar, item_id, k, categories)

    async def popular(self, days: int, k: int, categories: Sequence[str] | None) -> Ranked:
        """Return what people went for most in the last days."""
        return await self._browsed(self._counts.popular, days, k, categories)

    async def trending(self, days: int, k: int, categories: Sequence[str] | None) -> Ranked:
        """Return what people go for more than before."""
        return await self._browsed(self._counts.trending, days, k, categories)

    async def _browsed(self, of: Callable[..., Ranked], *asked: Any) -> Ranked:
        def found() -> Ranked:
            now = self.now()
            return of(self.live.current(self.store.numbers(), now), *asked, now)

        return await asyncio.to_thread(found)

    async def ready(self) -> Ready:
        """Say whether the store answers and the model in use can be used."""
        parts = {"model": self.live.failure or "ok"}
        try:
            await asyncio.to_thread(self.store.numbers)
            parts["store"] = "ok" if self.writer.alive else "the thread that writes has died"
        except (BadStore, SQLAlchemyError, OSError) as e:
            parts["store"] = f"it does not answer ({type(e).__name__})"
        fine = all(told == "ok" for told in parts.values())
        return Ready(status="ok" if fine else "failing", parts=parts)

    def _count_events(self, told: Accepted) -> None:
        outcomes = {
            "accepted": told.accepted, "duplicate": told.duplicates, "rejected": len(told.rejected),
        }  # fmt: skip
        for outcome, n in outcomes.items():
            if n:
                self.meters.count("penchant_events_total", (outcome,), by=n)

    def _swapped(self, outcome: str) -> None:
        self.meters.count("penchant_model_swaps_total", (outcome,))

    def _sized(self, jobs: int) -> None:
        self.meters.observe("penchant_write_group_size", jobs)

    async def tend(self) -> None:
        """Look after what changes while nobody asks: a new model, erasures, counts by the day."""
        looks = 0
        while True:
            await asyncio.sleep(TENDED)
            looks += 1
            try:
                await asyncio.to_thread(self.look, count=looks % COUNTED == 0)
            except (PenchantError, SQLAlchemyError, OSError) as e:
                log.warning("the store could not be looked at: %s", e)

    def look(self, *, count: bool) -> None:
        """Take in what changed in the store; count events by the day.

        Parameters
        ----------
        count : whether to count again what people went for, and to try again to load a model that
            could not be loaded.
        """
        now = self.now()
        if count:
            self.live.retry()
        numbers = self.store.numbers()
        self.live.current(numbers, now)
        if count and numbers.get("erasures"):
            settle(self.store, now=now)
        counted = False
        while not self._closing.is_set() and daily.count_up(self.store):
            counted = True
        if count or (counted and not self.live.counted):
            self.live.count(now)

    def work(self, ask: Ask) -> tuple[Work, int]:
        """Return a request as it was worked on, alone and without a trace in the log, and when."""
        works, now = self._worked([Wanted(cleaned(ask), version=ask.model)])
        return works[0][1], now

    def _worked(self, wanted: Sequence[Wanted]) -> tuple[list[tuple[list[int], Work]], int]:
        """Work on requests: one look at the store, and one call of each model that is asked for.

        Returns
        -------
        For each model the places of its requests and what was made of them; and when.
        """
        now = self.now()
        groups: dict[str | None, list[int]] = {}
        for n, one in enumerate(wanted):
            groups.setdefault(one.version, []).append(n)
        batches = [(places, [wanted[n] for n in places]) for places in groups.values()]
        with self.store.snapshot() as connection:
            numbers = self.store.numbers(connection)
            merges = bool(numbers.get("merges"))
            told = [self._told(connection, batch, merges) for _, batch in batches]
        serving = self.live.current(numbers, now)
        works = []
        for (places, batch), own in zip(batches, told, strict=True):
            version = batch[0].version
            using = serving if version is None else self.live.other(version)
            works.append((places, recommending.worked(using, batch, own, now)))
        return works, now

    def _told(self, connection: Connection, batch: Sequence[Wanted], merges: bool) -> Told:
        """Return what the store has of those who ask, under the names they have now."""
        askers = Askers.of([one.ask for one in batch])
        if merges:
            askers = askers.known_as(self.store.events.merged(connection, askers.people))
        rows = self.store.events.history(askers.people, latest=LATEST, connection=connection)
        return Told(askers.asks, rows)

    def _lists(self, wanted: Sequence[Wanted]) -> tuple[list[Listed], Future[None]]:
        """Make lists for a batch, and a row each for the log."""
        works, now = self._worked(wanted)
        lists: dict[int, Listed] = {}
        for places, work in works:
            for n, (place, items) in enumerate(zip(places, recommending.listed(work), strict=True)):
                lists[place] = _list(work, n, items, now)
        ready = [lists[n] for n in range(len(wanted))]
        rows = [
            _row(one.ask, made, now)
            for one, made in zip(wanted, ready, strict=True)
            if one.continues is None
        ]
        return ready, self.writer.submit(lambda c: self.store.shown.add(rows, connection=c))

    async def _page(self, ask: Ask) -> Listed:
        """Go on with a list: as the log has it, or if it ends there with what comes next."""
        page, because = await asyncio.to_thread(paging.page, self.store, ask), []
        if not page.logged:
            made = await self._batcher.submit(page.wanted())
            because = made.empty_because
            entries = [paging.entry(one) for one in made.items]
            job = self.writer.submit(lambda c: page.extended(self.store, entries, c))
            page = await asyncio.wrap_future(job)
        serving = self.live.current(await asyncio.to_thread(self.store.numbers), self.now())
        return page.listed(serving.shelf, self.now(), because)

    def _valid(self, ask: Ask) -> Valid:
        if ask.cursor is not None:
            ask = paging.page(self.store, cleaned(ask)).ask
        work, now = self.work(ask)
        return Valid(valid=True, fallback=work.fallback(0), notes=stages.notes(work, now))


def _list(work: Work, n: int, items: list[Recommended], now: int) -> Listed:
    """Return the list of request n of a batch."""
    one = work.wanted[n]
    short = len(items) < one.ask.k
    made = one.continues or made_id(now)
    return Listed(
        recommendation_id=made,
        model=work.serving.version,
        fallback=work.fallback(n),
        items=items,
        cursor=paging.following(made, len(one.met), len(items), one.ask.k),
        empty_because=stages.empty_because(work, n, now) if short else [],
    )


def _row(ask: Ask, made: Listed, now: int) -> Shown:
    """Return what the log keeps of a list."""
    return Shown(
        recommendation_id=made.recommendation_id,
        person=paging.person_of(ask),
        time=now,
        model=made.model,
        fallback=made.fallback,
        shown=len(made.items),
        request=_json.encode(ask).decode(),
        items=_json.encode([paging.entry(one) for one in made.items]).decode(),
    )
