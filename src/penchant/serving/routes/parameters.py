"""Parameters that several routes take, with what may stand in them."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="entries of a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=2000, description="from the page before; none: begin")
]
ItemId = Annotated[str, PathParameter(min_length=1, description="an item")]
UserId = Annotated[str, PathParameter(min_length=1, description="a user")]
Search = Annotated[
    str | None,
    QueryParameter(
        max_length=200,
        pattern=r"^[^\u0000]*$",
        description="for items words of the title or the id, for users what the id begins with",
    ),
]
RuleId = Annotated[str, PathParameter(min_length=1, description="a rule")]
ErasureId = Annotated[str, PathParameter(min_length=1, description="an erasure")]
