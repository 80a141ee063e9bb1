from __future__ import annotations

from penchant.store.log import Event


def clicked(n: int, who: str = "uann", item: str = "i1", **other) -> Event:
    return Event(f"e{n}", who, None, item, "view", None, n, digest=n, **other)


def test_events_are_appended_once(store):
    assert store.events.append([clicked(1), clicked(2)], now=5) == ["accepted", "accepted"]
    assert store.events.append([clicked(1)], now=6) == ["duplicate"]
    assert store.events.history(["uann"]).time == [1, 2]
    assert store.events.last() == 2
    frame, position = store.events.read(0, 10)
    assert len(frame) == position == 2
    assert store.events.frame()["item"].to_list() == ["i1", "i1"]
    assert store.numbers() == {}
