"""How the reference shows docstrings: each line ``name : meaning`` as an entry of a list.

Types are in the signatures here, so what stands after the colon is never a type.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

SECTION = re.compile(
    r"^(Parameters|Returns|Yields|Raises)\n-+\n(.*?)(?=\n\n\S+\n---|\Z)", re.M | re.S
)
ENTRY = re.compile(r"^(\S.*?) : ", re.M)


def as_list(section: re.Match[str]) -> str:
    """Return a section in Markdown."""
    title, body = section[1], section[2].strip("\n")
    if title in ("Returns", "Yields"):
        return f"**{title}**: {body}"
    return f"**{title}**\n\n{ENTRY.sub(as_entry, body)}"


def as_entry(names: re.Match[str]) -> str:
    """Return the head of a list entry for one or several names."""
    return "- " + ", ".join(f"`{name}`" for name in names[1].split(", ")) + ": "


class Lists(Extension):
    """Rewrites docstrings before they are parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring:
            obj.docstring.value = SECTION.sub(as_list, obj.docstring.value)
