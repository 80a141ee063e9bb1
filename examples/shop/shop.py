"""A small shop in front of the service: it sends views, carts and purchases, and shows lists.

    python examples/shop/shop.py --service http://127.0.0.1:8000 --port 8100

A visitor is a session until they sign in; then the service is told that the session was them.
If the service does not answer, the shop shows its products without recommendations.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
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
from litestar.params import Body, FromPath
from litestar.response import Redirect
from visits import products

import penchant as pt

PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
GOODS = {one["item_id"]: one for one in products()}
DONE = {"cart": "It is in your cart.", "purchase": "Thank you. It is on its way."}
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
Visit = Request[Any, Any, State]
log = logging.getLogger("shop")


def session(request: Visit) -> str:
    """Return the visitor's session, a new one for whoever has none."""
    if "session" not in request.state:
        request.state.session = request.cookies.get("session") or secrets.token_urlsafe(16)
    return str(request.state.session)


def who(request: Visit) -> dict[str, Any]:
    """Return by what the service knows this visitor."""
    user = request.cookies.get("user")
    return {"user_id": user} if user else {"session_id": session(request)}


def came(request: Visit) -> dict[str, Any]:
    """Return the list and the rank that led here, if one did."""
    made, rank = request.query_params.get("list"), request.query_params.get("rank", "")
    return {"recommendation_id": made, "rank": int(rank)} if made and rank.isdecimal() else {}


def page(request: Visit, heading: str, **shown: Any) -> Response[str]:
    """Return the page; the session stays with the visitor."""
    html = PAGES.get_template("shop.html").render(
        heading=heading, user=request.cookies.get("user"), query=request.url.query, **shown
    )
    kept = Cookie("session", value=session(request), httponly=True, samesite="lax")
    return Response(html, media_type=MediaType.HTML, cookies=[kept])


async def listed(request: Visit) -> dict[str, Any]:
    """Return a list for this visitor and tell the service that it was on the screen."""
    service: pt.AsyncClient = request.app.state.service
    try:
        found = await service.recommend(**who(request), k=4)
        if found.items:
            await service.send_event(
                **who(request),
                event_type="impression",
                items=[one.item_id for one in found.items],
                recommendation_id=found.recommendation_id,
            )
    except pt.ServiceError as e:
        log.warning("no list: %s", e)
        return {"items": [], "id": "", "fallback": True}
    return {"items": found.items, "id": found.recommendation_id, "fallback": found.fallback}


async def did(request: Visit, kind: str, item: str) -> None:
    """Tell the service what the visitor did, and which list it came from."""
    service: pt.AsyncClient = request.app.state.service
    try:
        await service.send_event(**who(request), item_id=item, event_type=kind, **came(request))
    except pt.ServiceError as e:
        log.warning("an event was not taken: %s", e)


@get("/")
async def home(request: Visit) -> Response[str]:
    """Everything there is, and what may be for this visitor."""
    return page(request, "For you", list=await listed(request), all=list(GOODS.values()))


@get("/product/{item:str}")
async def product(request: Visit, item: FromPath[str]) -> Response[str]:
    """One product, and what else may be for somebody who looks at it."""
    if item not in GOODS:
        raise NotFoundException
    done = DONE.get(request.query_params.get("done", ""))
    if done is None:
        await did(request, "view", item)
    return page(
        request, "You may also need", one=GOODS[item], done=done, list=await listed(request)
    )


@post("/product/{item:str}/{kind:str}", status_code=303)
async def act(request: Visit, item: FromPath[str], kind: FromPath[str]) -> Redirect:
    """Put a product into the cart, or buy it."""
    if item not in GOODS or kind not in DONE:
        raise NotFoundException
    await did(request, kind, item)
    return Redirect(f"/product/{item}?done={kind}", status_code=303)


@post("/sign-in", status_code=303)
async def sign_in(request: Visit, data: Form) -> Redirect:
    """Say who this session is."""
    user = data.get("user", "").strip()
    answer = Redirect("/", status_code=303)
    if user:
        answer.set_cookie(Cookie("user", value=user, httponly=True, samesite="lax"))
        service: pt.AsyncClient = request.app.state.service
        try:
            await service.merge(user, session_id=session(request))
        except pt.ServiceError as e:
            log.warning("a session was not merged: %s", e)
    return answer


@post("/sign-out", status_code=303)
async def sign_out(request: Visit) -> Redirect:
    """Forget who this is: whoever comes next in this browser is somebody else."""
    answer = Redirect("/", status_code=303)
    answer.delete_cookie("user")
    answer.delete_cookie("session")
    return answer


def app(service: pt.AsyncClient) -> Litestar:
    """Return the shop in front of a service."""
    return Litestar(
        [home, product, act, sign_in, sign_out],
        state=State({"service": service}),
        on_shutdown=[service.close],
        openapi_config=None,
        logging_config=None,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Serve the shop on loopback."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--service", default="http://127.0.0.1:8000")
    options.add_argument("--key", default=None, help="a key with the scopes ingest, read and admin")
    options.add_argument("--port", type=int, default=8100)
    chosen = options.parse_args(words)
    shop = app(pt.AsyncClient(chosen.service, chosen.key, timeout=1.0, retries=1))
    server = Server(
        shop, address="127.0.0.1", port=chosen.port, interface=Interfaces.ASGI, log_enabled=False
    )
    print(f"The shop is open: http://127.0.0.1:{chosen.port}", flush=True)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
