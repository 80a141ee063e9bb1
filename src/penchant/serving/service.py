"""The service of one worker process: what the routes call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from penchant.errors import BadStore
from penchant.recommender import Recommender
from penchant.serving import recommending
from penchant.serving.asking import Askers
from penchant.serving.batching import Batcher
from penchant.serving.live import Live
from penchant.serving.moments import clock
from penchant.serving.recommending import Wanted
from penchant.serving.shapes import Accepted, Ask, Listed, Ready, Recommended
from penchant.serving.taking import taken
from penchant.store.log import made_id, person
from penchant.store.shown import Shown
from penchant.store.store import Store
from penchant.store.writer import Writer

_json = msgspec.json.Encoder()


class Service:
    """Answers requests from a store, with the model in use.

    Parameters
    ----------
    store : opened by this process.
    known : classes of your own that a saved model may name.
    now : the clock, in microseconds since 1970 (UTC).
    """

    def __init__(
        self,
        store: Store,
        *,
        known: Sequence[type[Recommender]] = (),
        now: Callable[[], int] = clock,
    ) -> None:
        self.store, self.now = store, now
        self.live = Live(store, known=known, now=now())
        self.writer = Writer(store)
        self._batcher = Batcher(self._lists)

    def close(self) -> None:
        """Finish what was begun."""
        self._batcher.close()
        self.writer.close()

    async def take(self, body: bytes) -> Accepted:
        """Store events; answer when they are durable."""
        now = self.now()
        read = taken(body, now)

        def append(connection: Connection) -> list[str]:
            return self.store.events.append(read.events, now=now, connection=connection)

        return read.accepted(await asyncio.wrap_future(self.writer.submit(append)))

    async def recommend(self, ask: Ask) -> Listed:
        """Return a list; what it shows is in the log before."""
        return await self._batcher.submit(Wanted(ask))

    async def ready(self) -> Ready:
        """Say whether the store answers and the model in use can be used."""
        parts = {"model": self.live.failure or "ok"}
        try:
            await asyncio.to_thread(self.store.numbers)
            parts["store"] = "ok"
        except (BadStore, SQLAlchemyError, OSError) as e:
            parts["store"] = f"{type(e).__name__}: it does not answer"
        fine = all(told == "ok" for told in parts.values())
        return Ready(status="ok" if fine else "failing", parts=parts)

    def _lists(self, wanted: Sequence[Wanted]) -> tuple[list[Listed], Future[None]]:
        """Work on a batch: one look at the store, one call of the model, one row each in the log."""
        now = self.now()
        with self.store.reading() as connection:
            numbers = self.store.numbers(connection)
            people = Askers.of([one.ask for one in wanted]).people
            rows = self.store.events.history(people, connection=connection)
        work = recommending.worked(self.live.current(numbers, now), wanted, rows, now)
        lists, log = [], []
        for n, items in enumerate(recommending.listed(work)):
            one = Listed(
                recommendation_id=made_id(now),
                model=work.serving.version,
                fallback=work.fallback(n),
                items=items,
            )
            lists.append(one)
            log.append(_row(wanted[n].ask, one, now))

        def add(connection: Connection) -> None:
            self.store.shown.add(log, connection=connection)

        return lists, self.writer.submit(add)


def _row(ask: Ask, one: Listed, now: int) -> Shown:
    """Return what the log keeps of a list."""
    known = ask.user_id is not None or ask.session_id is not None
    return Shown(
        recommendation_id=one.recommendation_id,
        person=person(ask.user_id, ask.session_id) if known else None,
        time=now,
        model=one.model,
        fallback=one.fallback,
        shown=len(one.items),
        request=_json.encode(ask).decode(),
        items=_json.encode([_entry(item) for item in one.items]).decode(),
    )


def _entry(item: Recommended) -> tuple[str, float | None, str, str | None, float | None]:
    return item.item_id, item.score, item.source, item.reason, item.propensity
