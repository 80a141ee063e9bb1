"""Pages of HTML as the tests read them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Tags as they nest; what is text and what is not."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def needs_nothing(text: str) -> bool:
    """Whether a page is whole, needs no network, runs nothing, and fits a phone and the dark."""
    page = Page(text)
    names = {name for _, attributes in page.tags for name in attributes}
    viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    return (
        not page.open
        and {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
        and names.isdisjoint({"src", "href"})
        and not any(name.startswith("on") for name in names)
        and not re.search(r"url\(|@import|https?:", text)
        and ("meta", viewport) in page.tags
        and "prefers-color-scheme: dark" in text
    )
