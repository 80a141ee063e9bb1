"""The example shop in front of the service: what visitors do changes what they see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

import example_shop
import penchant as pt
from penchant.serving.app import create_app
from penchant.store.store import Store
from small_shop import NOW

LISTED = re.compile(r'<li><a href="(/product/([\w-]+)\?list=(\w+)&amp;rank=(\d+))">')


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with what the example puts there, and a model."""
    path = str(tmp_path_factory.mktemp("shop") / "shop.db")
    with Store.open(path) as store:
        example_shop.fill(store)
    return path


class Offered(NamedTuple):
    """A product of a list on a page."""

    href: str
    item: str
    recommendation_id: str
    rank: int


def offered(page: httpx.Response) -> list[Offered]:
    assert page.status_code == 200
    found = LISTED.findall(page.text)
    return [Offered(h.replace("&amp;", "&"), i, r, int(n)) for h, i, r, n in found]


Visiting = Callable[[httpx.AsyncClient, Store], Awaitable[None]]


@pytest.fixture
def visit(url: str) -> Callable[[Visiting], None]:
    """Run a visitor's way through the shop, with the store to look at."""
    shop, _ = example_shop.modules()

    @asynccontextmanager
    async def opened(store: Store) -> AsyncIterator[httpx.AsyncClient]:
        service = create_app(store, now=lambda: NOW)
        to_service = pt.AsyncClient(example_shop.SERVICE, transport=httpx.ASGITransport(service))
        front = shop.app(to_service)
        async with AsyncExitStack() as open_:
            await open_.enter_async_context(service.lifespan())
            await open_.enter_async_context(front.lifespan())
            yield await open_.enter_async_context(browser(front))

    def visited(way: Visiting) -> None:
        async def go() -> None:
            with Store.open(url) as store:
                async with opened(store) as visitor:
                    await way(visitor, store)

        asyncio.run(go())

    return visited


def browser(front: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(front), base_url="http://shop", follow_redirects=True
    )


def person(visitor: httpx.AsyncClient) -> str:
    return "s" + visitor.cookies["session"]


def test_a_view_changes_the_next_list_and_a_click_says_where_it_came_from(
    visit: Callable[[Visiting], None],
) -> None:
    async def way(visitor: httpx.AsyncClient, store: Store) -> None:
        first = offered(await visitor.get("/"))
        seen = offered(await visitor.get("/product/helmet-1"))
        assert len(first) == len(seen) == 4
        assert [one.item for one in first] != [one.item for one in seen]
        assert "helmet-1" not in [one.item for one in seen]
        page = await visitor.get(seen[1].href)
        assert "because you liked Road helmet" in page.text
        form = re.search(r'action="(\S+/purchase\S*)"', page.text)
        assert form is not None
        bought = await visitor.post(form[1].replace("&amp;", "&"))
        assert "It is on its way" in bought.text
        events = store.events.page(person(visitor), None, 20)
        done = [(one.kind, one.item_id, one.recommendation_id, one.rank) for one in events]
        wanted = seen[1].item, seen[1].recommendation_id, 2
        assert [one for one in done if one[0] != "impression"] == [
            ("purchase", *wanted),
            ("view", *wanted),
            ("view", "helmet-1", None, None),
        ]
        shown = [one.items for one in events if one.kind == "impression"]
        assert shown[-1] == [one.item for one in first]

    visit(way)


def test_whoever_signs_in_keeps_what_they_did_before(visit: Callable[[Visiting], None]) -> None:
    async def way(visitor: httpx.AsyncClient, store: Store) -> None:
        before = offered(await visitor.get("/product/knife-1"))
        page = await visitor.post("/sign-in", data={"user": " Ann <b> "})
        assert "Hello, Ann &lt;b&gt;" in page.text
        assert [one.item for one in offered(page)] == [one.item for one in before]
        kinds = {one.kind for one in store.events.page("uAnn <b>", None, 20)}
        assert kinds == {"view", "impression"}
        await visitor.post("/sign-out")
        somebody = offered(await visitor.get("/"))
        assert [one.item for one in somebody] != [one.item for one in before]

    visit(way)


def test_visitors_are_not_mixed_up(visit: Callable[[Visiting], None]) -> None:
    async def way(visitor: httpx.AsyncClient, store: Store) -> None:
        await visitor.get("/product/pan-1")
        mine = person(visitor)
        visitor.cookies.clear()
        await visitor.get("/product/bench-1")
        viewed = [
            [one.item_id for one in store.events.page(who, None, 9) if one.kind == "view"]
            for who in (mine, person(visitor))
        ]
        assert viewed == [["pan-1"], ["bench-1"]]

    visit(way)


def test_without_the_service_the_shop_still_shows_its_products() -> None:
    shop, _ = example_shop.modules()

    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody is there", request=request)

    async def go() -> list[httpx.Response]:
        service = pt.AsyncClient(
            example_shop.SERVICE, transport=httpx.MockTransport(refused), retries=0
        )
        front = shop.app(service)
        async with front.lifespan(), browser(front) as visitor:
            return [
                await visitor.get("/"),
                await visitor.get("/product/pan-1"),
                await visitor.post("/product/pan-1/cart"),
                await visitor.post("/sign-in", data={"user": "Ann"}),
                await visitor.get("/product/no-such"),
            ]

    pages = asyncio.run(go())
    assert [one.status_code for one in pages] == [200, 200, 200, 200, 404]
    assert "Cast-iron pan" in pages[0].text
    assert "It is in your cart" in pages[2].text
    assert "Hello, Ann" in pages[3].text
