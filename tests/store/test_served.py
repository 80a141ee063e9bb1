"""The service over each database: what one request needs of the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.testing import TestClient

from penchant.serving.app import create_app
from penchant.store.store import Store
from small_shop import NOW, fill


@pytest.fixture
def shop(store_url: str, tmp_path: Path):
    """A filled shop."""
    with Store.open(store_url, models=tmp_path / "models") as opened:
        fill(opened)
        yield opened


def test_events_lists_pages_and_rules(shop):
    with TestClient(create_app(shop, now=lambda: NOW), base_url="http://127.0.0.1") as client:

        def posted(path, **body):
            reply = client.post(path, json=body)
            assert reply.status_code == 200, reply.text
            return reply.json()

        def ids(made):
            return [one["item_id"] for one in made["items"]]

        events = [{"session_id": "new", "item_id": "i01", "event_id": "e"}, {"item_id": "i02"}]
        taken = posted("/v1/events", events=events)
        assert (taken["accepted"], len(taken["rejected"])) == (1, 1)
        assert posted("/v1/events", **events[0])["duplicates"] == 1
        page = posted("/v1/recommendations", session_id="new", k=2)
        assert not page["fallback"]
        assert shop.shown.get(page["recommendation_id"]).person == "snew"
        more = posted("/v1/recommendations", cursor=page["cursor"])
        assert more == posted("/v1/recommendations", cursor=page["cursor"])
        assert not set(ids(page)) & set(ids(more))
        first = ids(page)[0]
        shop.rules.add("bury", item_id=first, now=NOW)
        assert ids(posted("/v1/recommendations", session_id="new", k=12))[-1] == first
        shop.items.remove(first, now=NOW)
        assert first not in ids(posted("/v1/recommendations", session_id="new", k=12))
        # Whoever the session turns out to be has its history, under both names.
        posted("/v1/users/merge", user_id="u00", session_id="new")
        names = [{"user_id": "u00"}, {"session_id": "new"}, {"user_id": "u00", "session_id": "new"}]
        lists = [posted("/v1/recommendations", **who, k=12) for who in names]
        assert "i01" not in {one for made in lists for one in ids(made)}
        assert len({made["items"][0]["score"] for made in lists}) == 1
