"""Requests and replies as they may look, for the description of the routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penchant.serving import shapes

_EVENT = {
    "user_id": "ann",
    "item_id": "heat-1995",
    "event_type": "view",
    "timestamp": "2026-05-04T12:30:00Z",
    "event_id": "shop-000123",
    "recommendation_id": "1Qz4Yb7kD0aTn2WvXe5R",
    "rank": 3,
    "context": {"page": "home"},
}
_ITEM = {
    "title": "Heat (1995)",
    "categories": ["Action", "Crime"],
    "attributes": {"year": 1995, "colour": True, "cast": ["Al Pacino", "Robert De Niro"]},
    "available_until": "2027-01-01T00:00:00Z",
}
_STORED_ITEM = {
    **_ITEM,
    "item_id": "heat-1995",
    "available_from": None,
    "withdrawn": False,
    "created": "2026-05-01T08:00:00Z",
    "updated": "2026-05-01T08:00:00Z",
}
_RECOMMENDED = {
    "item_id": "heat-1995",
    "rank": 1,
    "score": 1.84,
    "source": "ALS",
    "reason": "Because you liked Casino (1995)",
    "title": "Heat (1995)",
    "categories": ["Action", "Crime"],
    "propensity": None,
}
_STORED_EVENT = {
    **_EVENT,
    "position": 4711,
    "session_id": None,
    "value": None,
    "received": "2026-05-04T12:30:00.120000Z",
    "items": None,
    "properties": None,
}
_USER = {
    "user_id": "ann",
    "attributes": {"country": "NZ", "age": 34},
    "created": "2026-05-01T08:00:00Z",
    "updated": "2026-05-01T08:00:00Z",
}
_MODEL = {
    "version": "m00000012",
    "name": "Weighted(ALS, EASE)",
    "state": "accepted",
    "in_use": True,
    "events": 100836,
    "position": 100836,
    "created": "2026-05-04T02:00:00Z",
    "metrics": {"NDCG@10": {"mean": 0.31, "low": 0.30, "high": 0.32}},
    "gate": [{"check": "better than popularity", "passed": True, "reason": "0.31 against 0.09"}],
}
_RULE = {"action": "boost", "category": "Crime", "amount": 0.5}

EXAMPLES: Mapping[type, Any] = {
    shapes.EventIn: _EVENT,
    shapes.EventBatch: {"events": [_EVENT, {"session_id": "s-77", "item_id": "casino-1995"}]},
    shapes.Accepted: {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [
            {
                "index": 1,
                "code": "conflict",
                "message": "another event has this event_id",
            }
        ],
        "event_ids": ["shop-000123", None],
    },
    shapes.Ask: {
        "user_id": "ann",
        "k": 5,
        "filters": {"categories": ["Crime"], "attributes": {"year": {"min": 1990}}},
        "diversity": 0.3,
    },
    shapes.Listed: {
        "recommendation_id": "1Qz4Yb7kD0aTn2WvXe5R",
        "model": "m00000012",
        "fallback": False,
        "items": [_RECOMMENDED],
        "cursor": None,
    },
    shapes.Valid: {"valid": True, "fallback": False, "notes": []},
    shapes.Ranked: {"model": "m00000012", "items": [_RECOMMENDED]},
    shapes.ExplainAsk: {"user_id": "ann", "item_id": "heat-1995"},
    shapes.Explained: {
        "item_id": "heat-1995",
        "title": "Heat (1995)",
        "recommended": True,
        "rank": 1,
        "score": 1.84,
        "sentence": "Because you liked Casino (1995)",
        "base": 0.0,
        "shares": [
            {"kind": "history", "id": "casino-1995", "title": "Casino (1995)", "amount": 1.84}
        ],
        "stages": [{"stage": "known", "kept": True, "why": "the model knows it"}],
        "model": "m00000012",
    },
    shapes.ItemIn: _ITEM,
    shapes.ItemOut: _STORED_ITEM,
    shapes.ItemBatch: {"items": [{"item_id": "heat-1995", **_ITEM}]},
    shapes.ItemPage: {"items": [_STORED_ITEM], "cursor": None},
    shapes.Stored: {"items": 1},
    shapes.UserIn: {"attributes": {"country": "NZ", "age": 34}},
    shapes.UserOut: _USER,
    shapes.UserPage: {"users": [_USER], "cursor": None},
    shapes.EventPage: {"events": [_STORED_EVENT], "cursor": None},
    shapes.Merge: {"user_id": "ann", "session_id": "s-77"},
    shapes.Merged: {"user_id": "ann", "events": 12},
    shapes.Erasure: {
        "erasure_id": "1Qz4Yb7kD0aTn2WvXe5R",
        "requested": "2026-05-04T12:30:00Z",
        "completed": None,
        "events": 214,
        "recommendations": 61,
        "models": ["m00000012"],
    },
    shapes.Export: {
        "user_id": "ann",
        "attributes": {"country": "NZ"},
        "merged": ["ss-77"],
        "events": [_STORED_EVENT],
        "recommendations": [],
    },
    shapes.Promote: {"version": "m00000012", "expected": "m00000011"},
    shapes.Rollback: {},
    shapes.ModelList: {"in_use": "m00000012", "models": [_MODEL]},
    shapes.RuleIn: _RULE,
    shapes.RuleOut: {
        **_RULE,
        "rule_id": "1Qz4Yb7kD0aTn2WvXe5R",
        "item_id": None,
        "rank": None,
        "valid_from": None,
        "valid_until": None,
        "created": "2026-05-04T12:30:00Z",
    },
    shapes.RuleList: {"rules": []},
    shapes.Alive: {"status": "ok"},
    shapes.Ready: {"status": "ok", "parts": {"store": "ok", "model": "ok"}},
}
"""An example of each shape that a route takes or gives."""
