"""Parameters that several routes take, with what may stand in them."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter

Limit = Annotated[int, Parameter(ge=1, le=1000, description="entries of a page")]
Cursor = Annotated[
    str | None, Parameter(max_length=2000, description="from the page before; none: begin")
]
ItemId = Annotated[str, Parameter(min_length=1, description="an item")]
UserId = Annotated[str, Parameter(min_length=1, description="a user")]
Search = Annotated[
    str | None,
    Parameter(
        max_length=200,
        pattern=r"^[^\u0000]*$",
        description="for items words of the title or the id, for users what the id begins with",
    ),
]
