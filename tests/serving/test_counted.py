"""What the service does is in its meters."""

from __future__ import annotations

from penchant.store.store import Store
from serving.conftest import Asking


def test_lists_events_models_and_writes_are_counted(shop: Store, asking: Asking) -> None:
    with asking(shop) as client:
        event = {"user_id": "u00", "item_id": "i01", "event_id": "one"}
        for _ in range(2):
            assert client.post("/v1/events", json={"events": [event, {}]}).status_code == 200
        first = client.post("/v1/recommendations", json={"k": 2}).json()
        client.post("/v1/recommendations", json={"cursor": first["cursor"]})
        client.get("/v1/recommendations?user_id=u00")
        client.post("/v1/models/rollback", json={})
        client.get("/v1/recommendations?user_id=u00")
        client.app.state.service.live.wait()
        lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    told = {
        'penchant_events_total{outcome="accepted"}': 1,
        'penchant_events_total{outcome="duplicate"}': 1,
        'penchant_events_total{outcome="rejected"}': 2,
        'penchant_recommendations_total{fallback="true"}': 2,
        'penchant_recommendations_total{fallback="false"}': 2,
        'penchant_model_swaps_total{outcome="done"}': 2,
    }
    assert {name: int(lines.get(name, 0)) for name in told} == told
    assert int(lines["penchant_write_group_size_count"]) >= 5


def test_a_model_that_cannot_be_read_is_counted(shop: Store, asking: Asking) -> None:
    version = shop.models.list()[0].version
    (shop.models.path(version) / "manifest.json").write_text("{}")
    with asking(shop) as client:
        assert 'penchant_model_swaps_total{outcome="failed"} 1' in client.get("/metrics").text
