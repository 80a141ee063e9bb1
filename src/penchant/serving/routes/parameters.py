"""Parameters that several routes take, with what may stand in them."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

from penchant.serving.shapes import PLAIN

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="entries of a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=2000, description="from the page before; none: begin")
]
Search = Annotated[
    str | None,
    QueryParameter(
        max_length=200,
        pattern=r"^[^\u0000]*$",
        description="for items words of the title or the id, for users what the id begins with",
    ),
]


def _id(what: str) -> PathParameter:
    return PathParameter(min_length=1, max_length=256, description=what, schema_extra=PLAIN)


ItemId = Annotated[str, _id("an item")]
UserId = Annotated[str, _id("a user")]
RuleId = Annotated[str, _id("a rule")]
ErasureId = Annotated[str, _id("an erasure")]
