"""A small shop in front of the service: it sends views, carts and purchases, and shows lists.

    python examples/shop/shop.py --service http://127.0.0.1:8000 --port 8100

A visitor is a session until they sign in; then the service is told that the session was them.
If the service does not answer, the shop shows its products without recommendations.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from granian.constants import Interfaces
from granian.server.embed import Server
from jinja2 import Environment, FileSystemLoader
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import Redirect
from visits import products

import penchant as pt
from penchant.client import AskFields

PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
GOODS = {one["item_id"]: one for one in products()}
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
Visit = Request[Any, Any, State]


def who(request: Visit) -> AskFields:
    """Return by what the service knows this visitor."""
    user, session = request.cookies.get("user"), request.cookies.get("session")
    return {"user_id": user} if user else {"session_id": session or "new"}


def page(request: Visit, heading: str, **shown: Any) -> Response[str]:
    """Return the page, with a session for whoever has none."""
    html = PAGES.get_template("shop.html").render(
        heading=heading, goods=GOODS, user=request.cookies.get("user"), **shown
    )
    answer = Response(html, media_type=MediaType.HTML)
    if "session" not in request.cookies:
        answer.set_cookie(
            Cookie("session", secrets.token_urlsafe(16), httponly=True, samesite="lax")
        )
    return answer


async def listed(request: Visit, **more: Any) -> dict[str, Any]:
    """Return a list for this visitor and tell the service that it was on the screen."""
    service: pt.AsyncClient = request.app.state.service
    try:
        found = await service.recommend(**who(request), k=4, **more)
        shown = [one.item_id for one in found.items]
        if shown and "session" in request.cookies:
            await service.send_event(
                **who(request), event_type="impression", items=shown,
                recommendation_id=found.recommendation_id,
            )  # fmt: skip
    except pt.ServiceError:
        return {"items": [], "id": "", "fallback": True}
    return {"items": found.items, "id": found.recommendation_id, "fallback": found.fallback}


async def did(request: Visit, kind: str, item: str) -> None:
    """Tell the service what the visitor did, and which list it came from."""
    came: dict[str, Any] = {}
    if request.query_params.get("list"):
        rank = request.query_params.get("rank", "")
        came = {"recommendation_id": request.query_params["list"]}
        came |= {"rank": int(rank)} if rank.isdigit() and 0 < int(rank) < 100 else {}
    try:
        await request.app.state.service.send_event(
            **who(request), item_id=item, event_type=kind, **came
        )
    except pt.ServiceError as e:
        request.logger.warning("an event was not taken: %s", e)


@get("/")
async def home(request: Visit) -> Response[str]:
    """Everything there is, and what may be for this visitor."""
    return page(request, "For you", list=await listed(request), all=list(GOODS.values()))


@get("/product/{item:str}")
async def product(request: Visit, item: str) -> Response[str]:
    """One product, and what else may be for somebody who looks at it."""
    if item not in GOODS:
        raise NotFoundException
    await did(request, "view", item)
    return page(request, "You may also need", one=GOODS[item], list=await listed(request))


@post("/product/{item:str}/{kind:str}", status_code=303)
async def act(request: Visit, item: str, kind: str) -> Redirect:
    """Put a product into the cart, or buy it."""
    if item not in GOODS or kind not in ("cart", "purchase"):
        raise NotFoundException
    await did(request, kind, item)
    return Redirect(f"/product/{item}", status_code=303)


@post("/sign-in", status_code=303)
async def sign_in(request: Visit, data: Form) -> Redirect:
    """Say who this session is."""
    user = data.get("user", "").strip()
    answer = Redirect("/", status_code=303)
    if user and "session" in request.cookies:
        await request.app.state.service.merge(request.cookies["session"], user)
        answer.set_cookie(Cookie("user", value=user, httponly=True, samesite="lax"))
    return answer


def app(service: pt.AsyncClient) -> Litestar:
    """Return the shop in front of a service."""
    return Litestar(
        [home, product, act, sign_in],
        state=State({"service": service}),
        on_shutdown=[service.close],
        openapi_config=None,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Serve the shop on loopback."""
    import asyncio

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--service", default="http://127.0.0.1:8000")
    options.add_argument("--key", default=None, help="a key with the scopes ingest, read and admin")
    options.add_argument("--port", type=int, default=8100)
    chosen = options.parse_args(words)
    shop = app(pt.AsyncClient(chosen.service, chosen.key, timeout=1.0, retries=1))
    print(f"The shop is open: http://127.0.0.1:{chosen.port}")
    server = Server(shop, address="127.0.0.1", port=chosen.port, interface=Interfaces.ASGI)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
