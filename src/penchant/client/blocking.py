"""The client that waits for each reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack

import httpx

from penchant.client import calls
from penchant.client.calls import Call
from penchant.client.sending import Sender
from penchant.serving import shapes

T = TypeVar("T")


class Client(Sender):
    """The service, each method waiting for its reply. Safe to use from several threads.

    Parameters
    ----------
    url : where the service is, such as ``"http://127.0.0.1:8000"``.
    key : a key with the scopes that the calls need; None where the service has no keys.
    timeout : seconds to wait for one reply.
    retries : how often to try again when the service cannot be reached, is busy (429) or is not
        ready (502 to 504). What must not happen twice is sent once.
    transport : how requests travel, as httpx has it; None: over the network.
    wait : called with the seconds to wait before another try.

    Raises
    ------
    ServiceError : from every method: the service refused (``status``, ``code``, ``request_id``) or
        cannot be reached (``status`` None).
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 5.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(url, key, timeout=timeout, retries=retries)
        self._http = httpx.Client(transport=transport, **self._options)
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, call: Call[T]) -> T:
        reply: httpx.Response | None = None
        failed: Exception | None = None
        for tried in range(self.retries + 1):
            try:
                reply, failed = self._http.request(**self._request(call)), None
            except httpx.TransportError as e:
                reply, failed = None, e
            pause = self._pause(call, tried, reply)
            if pause is None:
                break
            self._wait(pause)
        return self._outcome(call, reply, failed)

    def _pages(self, call: Call[T]) -> Iterator[T]:
        while True:
            page: Any = self._send(call)
            yield page
            if page.cursor is None:
                return
            call = call.after(page.cursor)

    def send_event(self, **event: Unpack[calls.EventFields]) -> shapes.Accepted:
        """Send one event; it is durable when this returns."""
        return self._send(calls.events([event]))

    def send_events(self, events: Iterable[calls.EventFields]) -> shapes.Accepted:
        """Send events, a thousand at a time; return the sums and all that was rejected.

        An event without an ``event_id`` gets one, so that trying again never counts it twice.
        """
        return calls.total([self._send(calls.events(part)) for part in calls.batches(events)])

    def recommend(self, **ask: Unpack[calls.AskFields]) -> shapes.Listed:
        """Return a list for a user, a session, a history, or somebody unknown.

        The list's ``cursor``, handed over with the next request, goes on with it.
        """
        return self._send(calls.recommend(ask))

    def validate(self, **ask: Unpack[calls.AskFields]) -> shapes.Valid:
        """Say whether a request can be answered, and what is odd about it."""
        return self._send(calls.validate(ask))

    def explain(self, item_id: str, **ask: Unpack[calls.AskFields]) -> shapes.Explained:
        """Return why an item is, or is not, in the list of the same request."""
        return self._send(calls.explain(item_id, ask))

    def similar(self, item_id: str, k: int = 10, categories: Sequence[str] = ()) -> shapes.Ranked:
        """Return the items most like one, of these categories or of all."""
        return self._send(calls.similar(item_id, k, categories))

    def popular(
        self, k: int = 10, days: int | None = None, categories: Sequence[str] = ()
    ) -> shapes.Ranked:
        """Return what people went for most in the last days (30 unless told)."""
        return self._send(calls.counted("popular", k, days, categories))

    def trending(
        self, k: int = 10, days: int | None = None, categories: Sequence[str] = ()
    ) -> shapes.Ranked:
        """Return what people go for more than before (7 days unless told)."""
        return self._send(calls.counted("trending", k, days, categories))

    def put_item(self, item_id: str, **item: Unpack[calls.ItemFields]) -> shapes.ItemOut:
        """Add an item to the catalogue, or replace what is known of it."""
        return self._send(calls.put_item(item_id, item))

    def put_items(self, items: Iterable[calls.ItemRowFields]) -> int:
        """Add or replace items, a thousand at a time; return how many."""
        return sum([self._send(calls.put_items(part)).items for part in calls.batches(items)])

    def item(self, item_id: str) -> shapes.ItemOut:
        """Return an item."""
        return self._send(calls.item(item_id))

    def remove_item(self, item_id: str) -> None:
        """Take an item out: it is not shown again."""
        self._send(calls.remove_item(item_id))

    def items(self, search: str | None = None) -> Iterator[shapes.ItemOut]:
        """Yield the items of the catalogue by id, or those with these words."""
        for page in self._pages(calls.items(search)):
            yield from page.items

    def put_user(self, user_id: str, attributes: Mapping[str, Any]) -> shapes.UserOut:
        """Store what is known of a user."""
        return self._send(calls.put_user(user_id, attributes))

    def user(self, user_id: str) -> shapes.UserOut:
        """Return what is known of a user."""
        return self._send(calls.user(user_id))

    def users(self, search: str | None = None) -> Iterator[shapes.UserOut]:
        """Yield the users by id, or those whose id begins so."""
        for page in self._pages(calls.users(search)):
            yield from page.users

    def user_events(self, user_id: str) -> Iterator[shapes.EventOut]:
        """Yield what a user did, newest first."""
        for page in self._pages(calls.user_events(user_id)):
            yield from page.events

    def merge(
        self, user_id: str, *, session_id: str | None = None, from_user_id: str | None = None
    ) -> shapes.Merged:
        """Say that a session, or another user, is this user.

        What they did is this user's, and what they will do.
        """
        return self._send(calls.merge(user_id, session_id, from_user_id))

    def export(self, user_id: str) -> shapes.Export:
        """Return everything that is stored about a person."""
        return self._send(calls.export(user_id))

    def erase(self, user_id: str) -> shapes.Erasure:
        """Erase a person; ask ``erasure`` when it is complete."""
        return self._send(calls.erase(user_id))

    def erasure(self, erasure_id: str) -> shapes.Erasure:
        """Return how far an erasure has come."""
        return self._send(calls.erasure(erasure_id))

    def models(self) -> shapes.ModelList:
        """Return the versions of the model, newest first."""
        return self._send(calls.models())

    def promote(self, version: str, expected: str | None = None) -> shapes.ModelList:
        """Use a version; with ``expected``, only if that one is in use now."""
        return self._send(calls.promote(version, expected))

    def roll_back(self) -> shapes.ModelList:
        """Use the version that was in use before."""
        return self._send(calls.roll_back())

    def rules(self) -> list[shapes.RuleOut]:
        """Return the rules, oldest first, those that do not hold now among them."""
        return self._send(calls.rules()).rules

    def add_rule(self, **rule: Unpack[calls.RuleFields]) -> shapes.RuleOut:
        """Boost, pin or bury an item or a category for everyone."""
        return self._send(calls.add_rule(rule))

    def remove_rule(self, rule_id: str) -> None:
        """Remove a rule."""
        self._send(calls.remove_rule(rule_id))

    def ready(self) -> shapes.Ready:
        """Return whether the service can answer, and what keeps it from it."""
        return self._send(calls.ready())
