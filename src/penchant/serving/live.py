"""What a worker answers from, kept as the store says and exchanged while it serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from penchant import artifact
from penchant.ids import IdMap
from penchant.recommender import Recommender
from penchant.serving import recommending
from penchant.serving.asking import NOTHING
from penchant.serving.current import Serving, counted
from penchant.serving.recommending import Wanted
from penchant.serving.shapes import Ask, Boost, Filters, Past
from penchant.serving.shelf import Shelf
from penchant.store import daily
from penchant.store.store import Store

log = logging.getLogger("penchant.serving")

AT_ONCE = 2000
"""Items whose changes a request waits for; of more, it waits only for those withdrawn."""

OTHERS = 2
"""Models besides the one in use that are kept at hand, to compare."""

LATELY = 90
"""Days over which is counted what people went for."""


COUNTED = 100_000
"""Items of which it is kept how often people went for them, at most."""


class Live:
    """Holds the ``Serving`` of this process, and keeps it as the store says.

    Parameters
    ----------
    known : classes of your own that a saved model may name.
    now : microseconds since 1970 (UTC).
    swapped : told of each new model "done" or "failed".
    """

    def __init__(
        self,
        store: Store,
        *,
        known: Sequence[type[Recommender]] = (),
        now: int = 0,
        swapped: Callable[[str], None] | None = None,
    ) -> None:
        self.store, self.known, self._swapped = store, known, swapped
        self.failure: str | None = None
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._taking: threading.Thread | None = None
        self._others: dict[str, tuple[Serving, Recommender, Serving]] = {}
        self._seen: dict[str, int] = {}
        self._heard: dict[int, list[str]] = {}
        nothing = IdMap(pl.Series([], dtype=pl.String))
        self._serving = Serving(None, None, Shelf.bare(nothing))
        numbers = store.numbers()
        self._take_rules(numbers)
        self._take_items(numbers)
        self._seen["promotions"] = numbers.get("promotions", 0)
        self._load(now)
        self.count(now)

    def current(self, numbers: Mapping[str, int], now: int) -> Serving:
        """Return what to answer from, after whatever had changed by ``numbers`` of the store.

        Rules, new items and withdrawn ones count at once. A new model is loaded in another thread,
        and takes over once it has answered.
        """
        if self._behind(numbers, "rules"):
            self._take_rules(numbers)
        if self._behind(numbers, "items"):
            self._hear_of_items(numbers)
        if self._behind(numbers, "promotions"):
            self._start_loading(numbers, now)
        return self._serving

    def other(self, version: str) -> Serving:
        """Return what to answer from with another version of the model.

        Raises
        ------
        UnknownId, Conflict : no such version, or one whose files are gone.
        """
        before = self._serving
        if version == before.version:
            return before
        kept = self._others.get(version)
        if kept is not None and kept[0] is before:
            return kept[2]
        model = self._opened(version) if kept is None else kept[1]
        made = before.answering(model, version, self.store)
        with self._lock:
            self._others.pop(version, None)
            entries = [*self._others.items(), (version, (before, model, made))]
            self._others = dict(entries[-OTHERS:])
        return made

    def count(self, now: int) -> None:
        """Count again what people went for, which is shown where no model can answer."""
        found = daily.popular(self.store, LATELY, None, COUNTED, now=now)
        with self._lock:
            self._serving = self._serving.counting(counted(found))

    @property
    def counted(self) -> bool:
        """Whether it is known what people went for."""
        return len(self._serving.counts) > 0

    def wait(self) -> None:
        """Wait until nothing is being loaded any more."""
        for thread in (self._loading, self._taking):
            if thread is not None:
                thread.join()

    def _behind(self, numbers: Mapping[str, int], name: str) -> bool:
        return numbers.get(name, 0) > self._seen.get(name, 0)

    def _take_rules(self, numbers: Mapping[str, int]) -> None:
        with self._lock:
            if self._behind(numbers, "rules"):
                self._serving = self._serving.ruled(self.store.rules.list())
                self._seen["rules"] = numbers["rules"]

    def _hear_of_items(self, numbers: Mapping[str, int]) -> None:
        """Take in what changed in the catalogue: of very much, first what must not be shown."""
        with self._lock:
            seen = max([self._seen.get("items", 0), *self._heard])
            if numbers["items"] > seen:
                if self._heard or self.store.items.touched(seen) > AT_ONCE:
                    self._heard[numbers["items"]] = hidden = self.store.items.withdrawn(seen)
                    self._serving = self._serving.hiding(hidden)
                else:
                    self._serving = self._serving.changed(self.store.items.changes(seen))
                    self._seen["items"] = numbers["items"]
            if self._heard and (self._taking is None or not self._taking.is_alive()):
                self._taking = threading.Thread(target=self._follow, args=(numbers,), daemon=True)
                self._taking.start()

    def _follow(self, numbers: Mapping[str, int]) -> None:
        try:
            self._take_items(numbers)
        except Exception:
            log.exception("the catalogue could not be read; the next request tries again")

    def _take_items(self, numbers: Mapping[str, int]) -> None:
        """Take in all that changed in the catalogue, while requests go on."""
        while self._behind(numbers, "items"):
            before = self._serving
            fresh = before.changed(self.store.items.changes(self._seen.get("items", 0)))
            with self._lock:
                now = self._serving
                if now.model is not before.model or now.rules is not before.rules:
                    continue  # another thread exchanged something else: once more, on top of that
                self._seen["items"] = numbers["items"]
                self._heard = {n: ids for n, ids in self._heard.items() if n > numbers["items"]}
                fresh = fresh.hiding([i for ids in self._heard.values() for i in ids])
                self._serving = fresh.counting(now.counts)
                numbers = {"items": max([numbers["items"], *self._heard])}

    def _start_loading(self, numbers: Mapping[str, int], now: int) -> None:
        with self._lock:
            if self._behind(numbers, "promotions"):
                if self._loading is not None and self._loading.is_alive():
                    return  # it looks again when it is done
                self._seen["promotions"] = numbers["promotions"]
                self._loading = threading.Thread(target=self._load, args=(now,), daemon=True)
                self._loading.start()

    def retry(self) -> None:
        """Have the next request try again to load a model that could not be loaded."""
        with self._lock:
            if self.failure is not None:
                self._seen["promotions"] = -1

    def _load(self, now: int) -> None:
        """Load the model that the registry points to, try it, and put it in use."""
        called = "the model in use"
        try:
            row = self.store.models.in_use()
            if row is None or row.version == self._serving.version:
                self.failure = None
                return
            called = row.version
            model = self._opened(row.version)
            before = self._serving
            fresh = before.answering(model, row.version, self.store)
            _tried(fresh, now)
            with self._lock:
                if self._serving is not before:
                    fresh = self._serving.answering(model, row.version, self.store)
                self._serving = fresh
            self.failure = None
            self._tell("done")
        except Exception as e:
            self._tell("failed")
            self.failure = f"{called} cannot be used: {e}"
            log.exception("model %s cannot be used; %s stays", called, self._serving.version)

    def _tell(self, outcome: str) -> None:
        if self._swapped is not None:
            self._swapped(outcome)

    def _opened(self, version: str) -> Recommender:
        # The registry verified it when it was added; arrays are mapped, not read.
        return artifact.load(self.store.models.path(version), known=self.known, verify=False)


def _tried(serving: Serving, now: int) -> None:
    """Answer a request of each kind, so that code is compiled and pages are in memory."""
    some = serving.shelf.items.values.head(3).to_list()
    past = [Past(item_id=one, event_type="view") for one in some]
    asks = [
        Ask(),
        Ask(history=past),
        Ask(history=past, k=1, filters=Filters(items=some), diversity=0.5),
        Ask(history=past, boosts=[Boost(amount=1.0, item_id=one) for one in some], bury=some),
    ]
    for batch in ([ask] for ask in asks):
        recommending.listed(recommending.worked(serving, [*map(Wanted, batch)], NOTHING, now))
    recommending.listed(recommending.worked(serving, [*map(Wanted, asks)], NOTHING, now))
