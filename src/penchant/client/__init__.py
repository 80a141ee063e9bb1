"""Client: the service from Python, waiting or not.

::

    from penchant import Client

    with Client("http://127.0.0.1:8000", key="pk_...") as service:
        service.send_events([{"user_id": "ann", "item_id": "1", "event_type": "view"}])
        for one in service.recommend(user_id="ann", k=5).items:
            print(one.rank, one.title, one.reason)

Replies are the types of ``penchant.serving.shapes``.
"""

from penchant.errors import MissingExtra

try:
    import httpx as _httpx  # noqa: F401 - only to say what is missing
    import msgspec as _msgspec  # noqa: F401
except ImportError as e:
    raise MissingExtra("penchant.Client", "httpx and msgspec", "client") from e

from penchant.client.awaited import AsyncClient
from penchant.client.blocking import Client
from penchant.client.calls import AskFields, EventFields, ItemFields, ItemRowFields, RuleFields

__all__ = [
    "AskFields",
    "AsyncClient",
    "Client",
    "EventFields",
    "ItemFields",
    "ItemRowFields",
    "RuleFields",
]
