"""What every page shares: templates, headers, who is signed in."""

from __future__ import annotations

import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import jinja2
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

import penchant
from penchant.serving.access import COOKIE
from penchant.serving.current import Serving
from penchant.serving.failures import Refusal, answer
from penchant.serving.moments import EPOCH
from penchant.serving.service import Service
from penchant.store.keys import Key

UI = Path(__file__).parents[1] / "ui"

HEADERS = {
    # Nothing comes from elsewhere, nothing runs that is not a file of ours.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

Visit = Request[Any, Any, Any]


class Site:
    """Renders templates, everything in them escaped.

    Parameters
    ----------
    service : what the pages show.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(UI / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, request: Visit, template: str, status: int = 200, **shown: Any) -> Response[str]:
        """Return a page, or a part of one."""
        html = self._templates.get_template(template).render(
            here=f"/{request.scope['path'].strip('/').partition('/')[0]}",
            version=penchant.__version__,
            signed_in=COOKIE in request.cookies,
            admin=self.admin(request),
            **shown,
        )
        return Response(html, media_type=MediaType.HTML, status_code=status, headers=HEADERS)

    def admin(self, request: Visit) -> bool:
        """Whether this visitor may change things: with a key of that scope, or without any keys."""
        key: Key | None = request.scope["state"].get("key")
        return key is None or "admin" in key.scopes

    def handlers(self) -> list[ControllerRouterHandler]:
        """Return the routes of what all pages need."""
        service = self.service

        @get("/signin", scope=None, include_in_schema=False)
        async def sign_in_page(request: Visit) -> Response[str]:
            onto = _own(request.query_params.get("next", "/"))
            return self.page(request, "signin.html", next=onto, trouble="")

        @post("/signin", scope=None, form=True, include_in_schema=False)
        async def sign_in(request: Visit) -> Response[Any]:
            form = await request.form()
            secret, onto = str(form.get("key", "")).strip(), _own(str(form.get("next", "/")))
            key = service.store.keys.check(secret, now=service.now())
            if key is None:
                told = "This key is unknown, revoked or expired."
                return self.page(request, "signin.html", 401, next=onto, trouble=told)
            secure = request.url.scheme == "https"
            return _keeping(Redirect(onto, status_code=303), secret, secure=secure)

        @post("/signout", scope=None, form=True, include_in_schema=False)
        async def sign_out(request: Visit) -> Redirect:
            return _keeping(Redirect("/signin", status_code=303), "", max_age=0)

        static = create_static_files_router(
            "/static", [UI / "static"], opt={"scope": None}, include_in_schema=False,
            cache_control=None,
        )  # fmt: skip
        return [sign_in_page, sign_in, sign_out, static]


def _keeping(answer: Redirect, secret: str, **options: Any) -> Redirect:
    """Have the browser keep a key, where no script reads it and for requests of our pages alone."""
    answer.set_cookie(Cookie(COOKIE, value=secret, httponly=True, samesite="strict", **options))
    return answer


def _own(onto: str) -> str:
    """Return a path of this site: a link to a sign-in page must not lead elsewhere."""
    fine = onto.startswith("/") and not onto.startswith(("//", "/\\")) and onto.isprintable()
    return onto if fine else "/"


def refused(request: Visit, error: Refusal) -> Response[Any]:
    """Return where to sign in, for a page that needs a key; the usual error otherwise."""
    if error.status != 401:
        return answer(request, error)
    here = request.scope["path"] if request.method == "GET" else "/"
    onto = f"/signin?next={here}"
    if "hx-request" in request.headers:
        return Response(None, status_code=401, headers={"HX-Redirect": "/signin"})
    return Redirect(onto, status_code=303)


def pages(handlers: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return routes as pages: not in the OpenAPI document, with a way to sign in."""
    for handler in handlers:
        handler.exception_handlers = {**(handler.exception_handlers or {}), Refusal: refused}
    return handlers


def serving_now(service: Service) -> Serving:
    """Return what the service answers from, as the store says now."""
    return service.live.current(service.store.numbers(), service.now())


def hue(word: str) -> int:
    """Return a colour, 0 to 359, the same for the same word."""
    return zlib.crc32(word.encode()) % 360


def told(micros: int) -> str:
    """Return a time as people read it, in UTC."""
    return (EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%d %H:%M:%S")


def ago(micros: int, now: int) -> str:
    """Return how long ago something was.

    >>> ago(0, 90 * 10**6), ago(0, 7200 * 10**6)
    ('1 min', '2 h')
    """
    seconds = max(now - micros, 0) // 10**6
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def number(value: float | None) -> str:
    """Return a number of at most four figures."""
    return (
        "–"
        if value is None or value != value
        else f"{value:.3f}"
        if abs(value) < 10
        else f"{value:,.0f}"
    )
