"""The clients against the application itself: every test runs with both of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

import penchant as pt
from penchant.client.calls import BATCH, PAGE
from penchant.serving.access import Policy
from penchant.serving.app import create_app
from penchant.store import daily
from penchant.store.store import Store
from serving.conftest import Asking
from small_shop import NOW

HERE = "http://127.0.0.1:8000"


class Awaited:
    """An AsyncClient as if it were a Client."""

    def __init__(self, client: pt.AsyncClient, runner: asyncio.Runner) -> None:
        self.client, self.runner = client, runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def result(*words: Any, **named: Any) -> Any:
            answer = getattr(self.client, name)(*words, **named)
            if hasattr(answer, "__aiter__"):
                return [one async for one in answer]
            return await answer

        return lambda *words, **named: self.runner.run(result(*words, **named))


@contextmanager
def awaited(store: Store, **settings: Any) -> Iterator[Callable[..., Any]]:
    """Open the application for clients that are awaited."""
    app = create_app(store, now=lambda: NOW, **settings)
    began, ends = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():  # begun and ended by one task, as anyio wants it
            began.set()
            await ends.wait()

    with asyncio.Runner() as runner, ExitStack() as ending:
        living = runner.get_loop().create_task(live())
        runner.run(began.wait())

        async def end() -> None:
            ends.set()
            await living

        ending.callback(lambda: runner.run(end()))

        def connected(key: str | None = None, **options: Any) -> Awaited:
            made = Awaited(
                pt.AsyncClient(HERE, key, transport=httpx.ASGITransport(app), **options), runner
            )
            ending.callback(made.close)
            return made

        yield connected


@pytest.fixture(params=["waiting", "awaited"])
def serving(request: pytest.FixtureRequest, asking: Asking) -> Callable[..., Any]:
    """Open an application over a store; what is yielded makes clients of it, given a key."""
    if request.param == "awaited":
        return awaited

    @contextmanager
    def waiting(store: Store, **settings: Any) -> Iterator[Callable[..., Any]]:
        with asking(store, **settings) as asked:
            yield lambda key=None, **options: pt.Client(
                HERE, key, transport=asked._transport, **options
            )

    return waiting


@pytest.fixture
def client(serving: Callable[..., Any], shop: Store) -> Iterator[Any]:
    with serving(shop) as connected:
        yield connected()


def ids(listed: Any) -> list[str]:
    return [one.item_id for one in listed.items]


def test_events_change_the_next_list(client: Any) -> None:
    before = client.recommend(session_id="new", k=3)
    assert before.fallback
    taken = client.send_event(session_id="new", item_id="i03", event_type="view")
    assert (taken.accepted, taken.duplicates, taken.rejected) == (1, 0, [])
    after = client.recommend(session_id="new", k=3)
    assert not after.fallback
    assert ids(after) != ids(before)
    assert "i03" not in ids(after)
    assert all(int(one[1:]) % 2 for one in ids(after))
    assert after.items[0].reason == "because you liked Item 3"


def test_many_events_go_in_batches_and_once(client: Any) -> None:
    events = [
        {"event_id": f"m{n}", "user_id": "many", "item_id": f"i{n % 12:02}"}
        for n in range(BATCH + 2)
    ]
    del events[BATCH]["item_id"]
    taken = client.send_events(events)
    assert (taken.accepted, taken.duplicates) == (BATCH + 1, 0)
    assert [one.index for one in taken.rejected] == [BATCH]
    assert taken.event_ids[BATCH - 1 :] == [f"m{BATCH - 1}", None, f"m{BATCH + 1}"]
    assert client.send_events(events).duplicates == BATCH + 1
    done = [one.event_id for one in client.user_events("many")]
    assert len(done) == BATCH + 1 > PAGE
    assert len(set(done)) == BATCH + 1


def test_a_list_goes_on(client: Any) -> None:
    first = client.recommend(user_id="u00", k=2)
    second = client.recommend(cursor=first.cursor)
    assert len(ids(first)) == len(ids(second)) == 2
    assert not {*ids(first)} & {*ids(second)}
    assert second.items[0].rank == 3


def test_requests_take_what_the_service_takes(client: Any) -> None:
    found = client.recommend(
        history=[{"item_id": "i01"}],
        k=2,
        filters={"attributes": {"size": {"min": 6}}},
        exclude=["i07"],
        pins=[{"item_id": "i08", "rank": 1}],
        diversity=0.2,
        reasons=False,
    )
    assert ids(found)[0] == "i08"
    assert "i07" not in ids(found)
    told = client.validate(history=[{"item_id": "nowhere"}])
    assert told.valid
    assert told.notes
    with pytest.raises(pt.ServiceError) as e:
        client.recommend(k=1000)
    assert (e.value.status, e.value.code) == (422, "invalid")
    assert "$.k" in str(e.value)
    assert e.value.request_id


def test_why_and_why_not(client: Any) -> None:
    found = client.recommend(user_id="u00", k=3)
    told = client.explain(found.items[0].item_id, user_id="u00", k=3)
    assert told.recommended
    assert told.rank == 1
    assert told.sentence == found.items[0].reason
    assert not client.explain("i00", user_id="u00", exclude=["i00"]).recommended


def test_similar_popular_trending(client: Any, shop: Store) -> None:
    alike = client.similar("i02", k=3, categories=["even"])
    assert len(ids(alike)) == 3
    assert all(int(one[1:]) % 2 == 0 for one in ids(alike))
    client.send_events({"user_id": f"p{n}", "item_id": "i05"} for n in range(9))
    while daily.count_up(shop):
        pass
    assert client.popular(k=2, days=3).items[0].item_id == "i05"
    assert client.trending(k=2).items[0].item_id == "i05"
    assert "i05" not in ids(client.popular(categories=["even"]))


def test_the_catalogue(client: Any) -> None:
    made = client.put_item("a/b c", title="Slashed", categories=["odd"], attributes={"size": 3})
    assert client.item("a/b c") == made
    assert made.attributes == {"size": 3}
    rows = [{"item_id": f"n{n:04}", "title": "Numbered"} for n in range(BATCH + 1)]
    assert client.put_items(rows) == BATCH + 1
    assert [one.item_id for one in client.items("Numbered")] == [row["item_id"] for row in rows]
    client.remove_item("a/b c")
    with pytest.raises(pt.ServiceError, match="a/b c") as e:
        client.item("a/b c")
    assert (e.value.status, e.value.code) == (404, "not_found")


def test_what_is_withdrawn_is_gone_from_the_next_list(client: Any) -> None:
    best = client.recommend(user_id="u00", k=1).items[0].item_id
    client.put_item(best, title="Gone", categories=["even"], withdrawn=True)
    assert best not in ids(client.recommend(user_id="u00", k=10))


def test_people(client: Any) -> None:
    assert client.put_user("ann", {"age": 34}).attributes == {"age": 34}
    assert client.user("ann").user_id == "ann"
    client.send_events({"session_id": "s-77", "item_id": item} for item in ("i01", "i03"))
    assert client.merge("ann", session_id="s-77").events == 2
    assert client.merge("ann", from_user_id="u01").events == 4
    client.send_event(session_id="s-77", item_id="i05")
    assert [one.item_id for one in client.user_events("ann")][:1] == ["i05"]
    assert "ann" in [one.user_id for one in client.users("a")]
    with pytest.raises(pt.ServiceError) as e:
        client.merge("bob", session_id="s-77")
    assert (e.value.status, e.value.code) == (409, "conflict")


def test_a_person_is_handed_out_and_erased(client: Any) -> None:
    client.recommend(user_id="u02")
    all_of_it = client.export("u02")
    assert (len(all_of_it.events), len(all_of_it.recommendations)) == (4, 1)
    erasure = client.erase("u02")
    assert erasure.events == 4
    assert len(erasure.models) == 2
    assert client.erasure(erasure.erasure_id) == erasure
    assert client.export("u02").events == []


def test_models(client: Any) -> None:
    found = client.models()
    newest, older = (one.version for one in found.models)
    assert found.in_use == newest
    assert client.roll_back().in_use == older
    with pytest.raises(pt.ServiceError) as e:
        client.promote(newest, expected=newest)
    assert (e.value.status, e.value.code) == (409, "conflict")
    assert client.promote(newest, expected=older).in_use == newest
    assert client.recommend(user_id="u00", model=older).model == older
    assert client.ready().parts == {"store": "ok", "model": "ok"}


def test_rules(client: Any) -> None:
    best = client.recommend(user_id="u00", k=1).items[0].item_id
    rule = client.add_rule(action="bury", item_id=best)
    assert client.rules() == [rule]
    assert ids(client.recommend(user_id="u00", k=1)) != [best]
    client.remove_rule(rule.rule_id)
    assert ids(client.recommend(user_id="u00", k=1)) == [best]


def test_keys(serving: Callable[..., Any], shop: Store) -> None:
    made = {name: shop.keys.create(name, [name], now=NOW)[1] for name in ("ingest", "read")}
    refused = {}
    with serving(shop, policy=Policy(loopback=False)) as connected:
        for key in (None, "pk_no_such", made["ingest"]):
            with pytest.raises(pt.ServiceError) as e:
                connected(key).recommend(user_id="u00")
            refused[e.value.code] = e.value.status
        assert connected(made["read"]).recommend(user_id="u00").items
        assert connected(made["ingest"]).send_event(user_id="u00", item_id="i01").accepted == 1
        assert connected().ready().status == "ok"
    assert refused == {"no_key": 401, "bad_key": 401, "scope_missing": 403}


def test_a_client_that_asks_too_often_waits_as_long_as_it_is_told(
    serving: Callable[..., Any], shop: Store
) -> None:
    waits: list[float] = []

    async def later(seconds: float) -> None:
        waits.append(seconds)

    with serving(shop, policy=Policy(per_second=0.01)) as connected:
        wait = waits.append if serving is not awaited else later
        client = connected(wait=wait, retries=1)
        assert client.popular().items is not None
        with pytest.raises(pt.ServiceError, match="requests a second") as e:
            client.popular()
    assert (e.value.status, e.value.code) == (429, "too_many_requests")
    assert waits == [30.0]  # a hundred seconds are asked for
