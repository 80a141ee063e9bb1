"""What a worker answers from follows the store, without a request that fails or waits."""

from __future__ import annotations

import shutil
import threading

import penchant as pt
from penchant.errors import BadStore
from penchant.serving import live as lives
from penchant.serving.live import Live
from penchant.serving.training import gathered
from penchant.store.catalogue import Item
from small_shop import NOW


def listed(client, **asked):
    reply = client.post("/v1/recommendations", json=asked)
    assert reply.status_code == 200, reply.text
    return reply.json()


def ids(made):
    return [one["item_id"] for one in made["items"]]


def added(store, model=None):
    """Register another version; return it."""
    learned = gathered(store, store.events.last())
    model = model or pt.Fallback([pt.EASE(l2=50.0), pt.Popularity()]).fit(learned)
    made = store.models.add(
        lambda path: pt.save(model, path), name="other", position=store.events.last(), erasures=0,
        events=len(learned), metrics={}, gate=[], accepted=True, now=NOW,
    )  # fmt: skip
    return made.version


def test_a_promoted_model_takes_over_and_a_rollback_brings_the_old_one_back(shop, asking):
    old, new = shop.models.in_use().version, added(shop)
    with asking(shop) as client:
        live = client.app.state.service.live
        shop.models.promote(new, by="test", now=NOW)
        assert listed(client, user_id="u00")["model"] in (old, new)  # the old one answers meanwhile
        live.wait()
        assert listed(client, user_id="u00")["model"] == new
        shop.models.roll_back(by="test", now=NOW)
        listed(client)
        live.wait()
        assert listed(client, user_id="u00")["model"] == old


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_in_use(shop, asking, caplog):
    old, new = shop.models.in_use().version, added(shop)
    with asking(shop) as client:
        service = client.app.state.service
        shop.models.promote(new, by="test", now=NOW)
        shutil.rmtree(shop.models.path(new))
        listed(client)
        service.live.wait()
        assert listed(client, user_id="u00")["model"] == old
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert new in ready.json()["parts"]["model"]
        assert new in caplog.text
        shop.models.promote(old, by="test", now=NOW)
        listed(client)
        service.live.wait()
        assert client.get("/health/ready").status_code == 200


def test_a_model_whose_files_come_back_is_taken_into_use(shop, asking):
    new = added(shop)
    with asking(shop) as client:
        service = client.app.state.service
        shop.models.promote(new, by="test", now=NOW)
        files = shop.models.path(new)
        files.rename(files.with_name("away"))
        listed(client)
        service.live.wait()
        assert client.get("/health/ready").status_code == 503
        files.with_name("away").rename(files)
        service.look(count=True)
        service.live.wait()
        assert listed(client)["model"] == new
        assert client.get("/health/ready").status_code == 200


def failing_once(monkeypatch, owner, name):
    """Let a method fail the first time, as when the store is away for a moment."""
    method, failed = getattr(owner, name), []

    def fails(*args):
        if not failed:
            failed.append(name)
            raise BadStore("away")
        return method(*args)

    monkeypatch.setattr(owner, name, fails)


def test_a_promotion_is_followed_though_the_store_was_away_for_a_moment(shop, monkeypatch):
    new, live = added(shop), Live(shop, now=NOW)
    failing_once(monkeypatch, type(shop.models), "in_use")
    shop.models.promote(new, by="test", now=NOW)
    live.current(shop.numbers(), NOW)
    live.wait()
    assert "away" in live.failure
    live.retry()
    live.current(shop.numbers(), NOW)
    live.wait()
    assert live.current(shop.numbers(), NOW).version == new
    assert live.failure is None


def test_a_catalogue_is_taken_in_though_the_store_was_away_for_a_moment(shop, monkeypatch):
    monkeypatch.setattr(lives, "AT_ONCE", 3)
    live = Live(shop, now=NOW)
    failing_once(monkeypatch, type(shop.items), "changes")
    shop.items.put([Item(item_id=f"n{n}") for n in range(4)], now=NOW)
    for _ in range(2):
        live.current(shop.numbers(), NOW)
        live.wait()
    assert len(live.current(shop.numbers(), NOW).shelf.known(["n1"]))


def test_a_model_promoted_while_another_loads_comes_next(shop, monkeypatch):
    one, two = added(shop), added(shop)
    live = Live(shop, now=NOW)
    begun, go_on = threading.Event(), threading.Event()
    opened = Live._opened

    def slowly(self, version):
        if version == one:
            begun.set()
            go_on.wait(30)
        return opened(self, version)

    monkeypatch.setattr(Live, "_opened", slowly)
    shop.models.promote(one, by="test", now=NOW)
    live.current(shop.numbers(), NOW)
    assert begun.wait(30)
    shop.models.promote(two, by="test", now=NOW)
    assert live.current(shop.numbers(), NOW).version not in (one, two)
    go_on.set()
    live.wait()
    live.current(shop.numbers(), NOW)
    live.wait()
    assert live.current(shop.numbers(), NOW).version == two


def test_a_withdrawn_item_is_gone_from_the_next_request_on(shop, asking):
    with asking(shop) as client:
        first = ids(listed(client, user_id="u00"))[0]
        shop.items.put([Item(item_id=first, title="x", withdrawn=True)], now=NOW)
        assert first not in ids(listed(client, user_id="u00", k=12))
        shop.items.put([Item(item_id=first, title="back")], now=NOW)
        assert listed(client, user_id="u00")["items"][0]["title"] == "back"
        assert shop.items.remove(first, now=NOW)
        assert first not in ids(listed(client, user_id="u00", k=12))
    with asking(shop) as client:  # nor does a worker that starts later bring it back
        assert first not in ids(listed(client, user_id="u00", k=12))


def test_an_item_is_there_in_its_time_only(shop, asking):
    moments = [NOW]
    shop.items.put([Item(item_id="i00", available_from=NOW + 5, available_until=NOW + 9)], now=NOW)
    with asking(shop, now=lambda: moments[0]) as client:
        for later, there in ((0, False), (5, True), (8, True), (9, False)):
            moments[0] = NOW + later
            assert ("i00" in ids(listed(client, k=12))) == there


def test_a_new_item_is_recommendable_through_its_content_at_once(shop, asking):
    learned = gathered(shop, shop.events.last())
    parts = [pt.EASE(l2=5.0), pt.ContentBased()]
    model = pt.Fallback([pt.Weighted(parts, weights=[1, 1]), pt.Popularity()]).fit(learned)
    shop.models.promote(added(shop, model), by="test", now=NOW)
    past = [{"item_id": "i00"}, {"item_id": "i02"}]
    with asking(shop) as client:
        shop.items.put(
            [
                Item(item_id="fresh", title="Fresh", categories=["even"]),
                Item(item_id="other", title="Other", categories=["odd"]),
            ],
            now=NOW,
        )
        made = listed(client, history=past, filters={"items": ["fresh", "other"]})
        assert ids(made)[0] == "fresh"
        assert made["items"][0]["title"] == "Fresh"
        client.post("/v1/events", json={"user_id": "v", "item_id": "fresh"})
        assert not listed(client, user_id="v")["fallback"]
    with asking(shop) as client:  # and after a start, when the catalogue is ahead of the model
        assert "fresh" in ids(listed(client, history=past, k=12))


def test_of_many_changes_the_withdrawn_are_gone_at_once_and_the_rest_follows(shop, monkeypatch):
    monkeypatch.setattr(lives, "AT_ONCE", 3)
    live = Live(shop, now=NOW)
    before = live.current(shop.numbers(), NOW)
    go_on = threading.Event()
    changes = type(shop.items).changes
    monkeypatch.setattr(
        type(shop.items), "changes", lambda self, after: (go_on.wait(30), changes(self, after))[1]
    )
    rows = [Item(item_id=f"n{n}", title="new", withdrawn=n == 0) for n in range(4)]
    shop.items.put([*rows, Item(item_id="i03", withdrawn=True)], now=NOW)
    during = live.current(shop.numbers(), NOW)
    assert not during.shelf.open(NOW)[during.shelf.known(["i03"])].any()
    assert not len(during.shelf.known(["n1"]))
    shop.items.put([Item(item_id="i05", withdrawn=True)], now=NOW)  # while that goes on
    during = live.current(shop.numbers(), NOW)
    assert not during.shelf.open(NOW)[during.shelf.known(["i05"])].any()
    go_on.set()
    live.wait()
    after = live.current(shop.numbers(), NOW)
    assert after.shelf.titles[int(after.shelf.known(["n1"])[0])] == "new"
    gone = after.shelf.known(["n0", "i03", "i05"])
    assert not after.shelf.open(NOW)[gone].any()
    assert after.shelf.open(NOW).sum() == before.shelf.open(NOW).sum() - 2 + 3


def test_events_may_precede_the_catalogue(empty, asking):
    with asking(empty) as client:
        for user in range(3):
            for item in ("a", "b", "c")[: user + 1]:
                client.post("/v1/events", json={"user_id": f"{user}", "item_id": item})
        model = pt.Popularity().fit(gathered(empty, empty.events.last()))
        empty.models.promote(added(empty, model), by="test", now=NOW)
        client.app.state.service.live.current(empty.numbers(), NOW)
        client.app.state.service.live.wait()
        made = listed(client, k=3)
    assert ids(made) == ["a", "b", "c"]
    assert made["items"][0]["title"] is None


def test_tastes_are_enough_for_a_model_that_knows_content(shop, asking):
    learned = gathered(shop, shop.events.last())
    model = pt.Fallback([pt.ContentBased(), pt.Popularity()]).fit(learned)
    shop.models.promote(added(shop, model), by="test", now=NOW)
    with asking(shop) as client:
        made = listed(client, tastes={"odd": 1}, k=6)
        assert not made["fallback"]
        assert {int(one[1:]) % 2 for one in ids(made)} == {1}
        assert listed(client, tastes={}, k=6)["fallback"]
        reply = client.post("/v1/recommendations", json={"tastes": {"ood": 1}})
        assert reply.status_code == 422
        assert "'ood'" in reply.json()["error"]["message"]
