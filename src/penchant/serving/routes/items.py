"""The catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from penchant.errors import BadParameter, UnknownId
from penchant.identity import clean_id
from penchant.serving.cursors import after, cursor
from penchant.serving.moments import moment, written
from penchant.serving.routes.parameters import Cursor, ItemId, Limit, Search
from penchant.serving.routes.threads import threaded
from penchant.serving.service import Service
from penchant.serving.shapes import ItemBatch, ItemIn, ItemOut, ItemPage, Stored
from penchant.store.catalogue import Item


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""
    items = service.store.items

    @get("/v1/items", operation_id="listItems", scope="read", tags=["items"])
    @threaded
    def list_items(
        cursor: Cursor = None,
        limit: Limit = 50,
        search: Search = None,
    ) -> ItemPage:
        """List the catalogue by id, or those items whose title or id has all the words."""
        rows = items.page(after("items", cursor, str), limit + 1, search=search)
        return ItemPage(items=[shown(row) for row in rows[:limit]], cursor=_next(rows, limit))

    @post("/v1/items", operation_id="putItems", scope="admin", tags=["items"], status_code=200)
    @threaded
    def put_items(data: JSONBody[ItemBatch]) -> Stored:
        """Add up to 1,000 items, or replace them whole; all of them or, if one is wrong, none."""
        rows = [_item(row.item_id, row, f"items[{n}].") for n, row in enumerate(data.items)]
        if rows:
            items.put(rows, now=service.now())
        return Stored(items=len(rows))

    @get("/v1/items/{item_id:str}", operation_id="getItem", scope="read", tags=["items"])
    @threaded
    def get_item(item_id: ItemId) -> ItemOut:
        """Tell what is known of an item."""
        return shown(_found(items.get(clean_id(item_id)), item_id))

    @put("/v1/items/{item_id:str}", operation_id="putItem", scope="admin", tags=["items"])
    @threaded
    def put_item(item_id: ItemId, data: JSONBody[ItemIn]) -> ItemOut:
        """Add an item, or replace all that is known of it."""
        try:
            items.put([_item(item_id, data)], now=service.now())
        except BadParameter as error:
            raise BadParameter(str(error).replace("items[0].", "")) from error
        return shown(_found(items.get(clean_id(item_id)), item_id))

    @delete("/v1/items/{item_id:str}", operation_id="removeItem", scope="admin", tags=["items"])
    @threaded
    def remove_item(item_id: ItemId) -> None:
        """Take an item out for good: it is not recommended from the next request on."""
        if not items.remove(clean_id(item_id), now=service.now()):
            _found(None, item_id)

    return [list_items, put_items, get_item, put_item, remove_item]


def shown(item: Item) -> ItemOut:
    """Return an item as it goes over HTTP."""
    return ItemOut(
        item_id=item.item_id,
        title=item.title,
        categories=item.categories,
        attributes=item.attributes,
        available_from=None if item.available_from is None else written(item.available_from),
        available_until=None if item.available_until is None else written(item.available_until),
        withdrawn=item.withdrawn,
        created=written(item.created),
        updated=written(item.updated),
    )


def _item(item_id: str, told: ItemIn, where: str = "") -> Item:
    begin, end = told.available_from, told.available_until
    return Item(
        item_id=item_id,
        title=told.title,
        categories=told.categories,
        attributes=told.attributes,
        available_from=None if begin is None else moment(begin, f"{where}available_from"),
        available_until=None if end is None else moment(end, f"{where}available_until"),
        withdrawn=told.withdrawn,
    )


def _found(item: Item | None, item_id: str) -> Item:
    if item is None:
        raise UnknownId(f"There is no item {item_id!r:.80}.")
    return item


def _next(rows: Sequence[Item], limit: int) -> str | None:
    return cursor("items", rows[limit - 1].item_id) if len(rows) > limit else None
