"""train: what is promoted, what is refused and why, and what is left when it goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import penchant as pt
from made_up_shop import DAY, FEW, NOW, PEOPLE, Alike, Forgetful, Silent, act, stock, trained
from penchant.errors import BadEvents, Conflict
from penchant.serving import trial
from penchant.serving.gate import Limits
from penchant.serving.moments import clock
from penchant.serving.training import WORK, Result, gathered, retire, train, usual, why
from penchant.store.erasure import erase, erasure, outdated, settle
from penchant.store.log import Event
from penchant.store.store import Store
from penchant.store.trainings import DIED, LEASE


@pytest.fixture(scope="session")
def two_days(tmp_path_factory):
    """A store with two days of 120 people, to be copied."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    with Store.open(str(path)) as store:
        stock(store)
        act(store, 0)
        act(store, 1)
    return path


@pytest.fixture(scope="session")
def with_model(two_days, tmp_path_factory):
    """The same with a model in use, m00000001."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copy(two_days, folder)
    with Store.open(str(folder / "shop.db")) as store:
        assert trained(store).promoted
    return folder


@pytest.fixture
def shop(two_days, tmp_path):
    """Two days of 120 people."""
    shutil.copy(two_days, tmp_path)
    with Store.open(str(tmp_path / "shop.db")) as store:
        yield store


@pytest.fixture
def running(with_model, tmp_path):
    """Two days of 120 people, and a model in use that learned from them."""
    shutil.copytree(with_model, tmp_path, dirs_exist_ok=True)
    with Store.open(str(tmp_path / "shop.db")) as store:
        yield store


FIRST = "m00000001"
"""The version in use in ``running``."""


def verdicts(result: Result) -> dict[str, bool]:
    return {check.name: check.passed for check in result.gate}


def reason(result: Result, name: str) -> str:
    return next(check.reason for check in result.gate if check.name == name)


def left_behind(store: Store) -> list[str]:
    folder = store.models.folder
    return sorted(p.name for p in folder.glob("*") if folder.is_dir())


def test_a_good_model_is_used_and_says_what_it_learned_from(shop):
    result = trained(shop, now=NOW)
    assert result.accepted
    assert result.promoted
    assert all(verdicts(result).values())
    assert "clearly better" in reason(result, "not below popularity")
    row = shop.models.in_use()
    assert row == result.model == shop.models.get(result.version)
    assert (row.name, row.position, row.events, row.created) == (
        "Fallback(EASE, Popularity)", shop.events.last(), 2 * 4 * PEOPLE, NOW,
    )  # fmt: skip
    path = shop.models.path(row.version)
    assert json.loads((path / "manifest.json").read_text())["position"] == row.position
    assert pt.load(path).training_.events == row.events
    (training,) = shop.trainings.latest()
    assert (training.state, training.version, training.reason) == ("accepted", row.version, None)
    assert left_behind(shop) == [row.version]


def test_other_processes_see_the_swap_by_one_number(shop):
    with Store.open(shop.url) as worker:
        before = worker.numbers().get("promotions", 0)
        first = trained(shop)
        assert worker.numbers()["promotions"] > before
        assert worker.models.in_use().version == first.version
        second = trained(shop, promote=False)
        assert second.accepted
        assert not second.promoted
        assert worker.models.in_use().version == first.version
        third = trained(shop)
        assert [move.version for move in shop.models.history()] == [first.version, third.version]
        assert shop.models.roll_back(by="test", now=NOW).version == first.version
        assert worker.models.in_use().version == first.version


def test_metrics_are_kept_with_their_intervals(shop):
    trained(shop, pt.Popularity())
    kept = trained(shop).model.metrics
    assert kept == json.loads(json.dumps(kept, allow_nan=False))
    ndcg = kept["NDCG@10"]
    assert ndcg["low"] < ndcg["mean"] < ndcg["high"]
    for name in ("in use", "popularity"):
        apart = ndcg["mean"] - ndcg[name]["mean"]
        assert ndcg[f"above {name}"]["mean"] == pytest.approx(apart)
    assert kept["Coverage@10"]["low"] is None


def test_a_worse_model_is_refused_and_the_one_in_use_stays(running):
    bad = trained(running, pt.Popularity())
    assert not bad.accepted
    assert not verdicts(bad)["not below in use"]
    assert "fitted again without these events" in reason(bad, "not below in use")
    assert "clearly worse" in bad.refused_for[0]
    assert running.models.in_use().version == FIRST
    assert running.models.get(bad.version).state == "refused"
    assert running.trainings.latest()[0].reason == bad.refused_for[0]
    with pytest.raises(Conflict, match="clearly worse"):
        running.models.promote(bad.version, by="test", now=NOW)


def test_how_much_worse_is_allowed_can_be_said(running):
    bad = trained(running, pt.Popularity(), limits=replace(FEW, margin=1.0))
    assert bad.promoted
    assert "clearly worse, as far as is allowed" in reason(bad, "not below in use")


def test_events_that_spoil_the_model_get_it_refused(running):
    """The model in use has learned none of the spoiled events: it is measured as it stands."""
    spoilt = [
        # Two items of a group, then six of the next one: as if someone had mixed up ids.
        Event(f"s{who}-{n}", f"ub{who}", None, f"i{4 * ((who + n) % 12) + (who + (n > 1)) % 4}",
              "view", None, NOW + 2 * DAY + 8 * who + n)
        for who in range(400)
        for n in range(8)
    ]  # fmt: skip
    running.events.append(spoilt, now=NOW + 3 * DAY)
    act(running, 4, 4)
    bad = trained(running)
    assert "as it stands, having learned none" in reason(bad, "not below in use")
    assert not verdicts(bad)["not below in use"]
    assert running.models.in_use().version == FIRST


@pytest.mark.parametrize(("people", "each"), [(PEOPLE, 4), (30, 2)], ids=["a third", "6 %"])
def test_the_model_in_use_is_asked_only_for_events_it_cannot_have_learned(running, people, each):
    old = pt.load(running.models.path(FIRST))
    act(running, 2, each, people=people)
    data = gathered(running, running.events.last())
    asked = trial.questions(data, old, 20, 0)
    assert asked.unseen
    assert asked.part.truth.time.min() > old.training_.until
    assert asked.split.train.until <= int(asked.part.truth.time.min())
    few = trial.questions(data, old, PEOPLE, 0)  # not so many act after one moment
    assert not few.unseen
    assert "each person's latest 20%" in few.split.description
    assert trial.questions(data, old, PEOPLE + 1, 0) is None


def test_settings_that_did_not_change_are_not_fitted_twice(running):
    same = trained(running)
    assert "of the same settings" in reason(same, "not below in use")
    apart = same.metrics["NDCG@10"]["above in use"]
    assert apart == {"mean": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("model", "failed"),
    [
        (Silent(), {"answers", "not below popularity", "lists differ"}),
        (Alike(), {"lists differ"}),
        (pt.Fallback([Silent(), pt.Popularity()]), {"lists differ"}),
        (Forgetful(), {"read back"}),
    ],
    ids=["nothing", "the same for all", "popularity in disguise", "forgets when saved"],
)
def test_a_broken_model_is_refused(shop, model, failed):
    result = trained(shop, model, known=(Silent, Alike, Forgetful))
    assert {name for name, passed in verdicts(result).items() if not passed} == failed
    assert result.instead.promoted
    assert shop.models.in_use().name == "Popularity"
    assert left_behind(shop) == [result.version, result.instead.version]
    assert (shop.trainings.latest()[0].state, result.promoted) == ("refused", False)


def test_a_model_that_the_service_could_not_load_is_refused(shop):
    result = trained(shop, Alike())
    assert "known=(Alike,)" in result.refused_for[0]


def test_a_slow_model_is_refused(shop):
    result = trained(shop, limits=replace(FEW, seconds=0.0))
    assert not result.instead.promoted  # nothing is quick enough for that
    assert shop.models.in_use() is None
    assert trained(shop, Silent(), promote=False).instead is None
    assert [name for name, passed in verdicts(result).items() if not passed] == ["quick"]
    assert "0 ms is the most" in result.refused_for[0]


def test_a_model_that_recommends_few_items_is_refused(running):
    result = trained(running, limits=replace(FEW, coverage=1.1))
    assert result.refused_for == (
        "100.0% of the catalogue is in somebody's list, 100.0% with the model in use; 110.0% is "
        "the least.",
    )


def test_a_model_that_answers_fewer_people_is_refused(running):
    """Strangers with a history of items that the new model does not know."""
    known = {"limits": replace(FEW, margin=1.0, coverage=0.0), "known": (Silent,)}
    result = trained(running, Silent(), **known)
    assert not verdicts(result)["answers"]
    assert "0.0% of the people asked got an answer, 100.0% from the model in use" in reason(
        result, "answers"
    )


def test_popularity_is_the_model_of_a_shop_with_few_people(tmp_path):
    with Store.open(str(tmp_path / "small.db")) as store:
        stock(store)
        act(store, 0, people=10)
        small = train(store, now=NOW)
        assert small.promoted
        assert small.model.name == "Popularity"
        assert "50 people with a history have to go for something new" in small.gate[0].reason
        assert small.evaluation is None
        assert small.metrics == {}
        act(store, 1)
        act(store, 2)
        grown = trained(store)
        assert grown.promoted
        assert grown.model.name == "Fallback(EASE, Popularity)"
        poor = trained(store, limits=Limits(people=PEOPLE + 1))
        assert not poor.accepted
        assert "The model in use stays" in poor.refused_for[0]


def test_popularity_is_the_model_where_another_finds_nothing_to_learn_from(tmp_path):
    with Store.open(str(tmp_path / "bare.db")) as store:
        act(store, 0)
        result = trained(store, pt.Fallback([pt.ContentBased(), pt.Popularity()]))
        assert result.promoted
        assert result.model.name == "Popularity"
        assert result.gate[0].reason.startswith(
            "Fallback(ContentBased, Popularity) cannot learn from 432 events: ContentBased needs a"
        )


def test_one_event_is_enough_to_begin_with(tmp_path):
    with Store.open(str(tmp_path / "new.db")) as store:
        store.events.append([Event("e", "ua", None, "tea", "view", None, NOW)], now=NOW)
        assert train(store, now=NOW).promoted


def test_nothing_to_learn_from_is_said_and_recorded(tmp_path):
    with Store.open(str(tmp_path / "empty.db")) as store:
        seen = Event("e", "ua", None, None, "impression", None, NOW, items=["i1", "i2"])
        store.events.append([seen], now=NOW)
        with pytest.raises(BadEvents, match="no event with an item"):
            train(store, now=NOW)
        (training,) = store.trainings.latest()
        assert training.state == "failed"
        assert "nothing to learn from" in training.reason


def test_what_may_be_learned(shop):
    bought = Event("x", "ux", "tab", "i3", "purchase", 9.5, NOW)
    hidden = Event("h", "ux", None, "i4", "hide", None, NOW)
    shop.events.append([bought, hidden], now=NOW)
    data = gathered(shop, shop.events.last())
    assert len(data) == 2 * 4 * PEOPLE + 2
    assert data.item_table["item_id"].to_list() == data.items.values.to_list()
    x = data.queries(users=["ux"])
    weighed = data.feedback.weigh(x.histories, len(data.items), x.now)
    assert (data.items.decode(weighed.indices), weighed.data.tolist()) == (["i3"], [5.0])
    assert len(gathered(shop, 10)) == 10


@pytest.mark.parametrize("odd", [{"value": -1e300}, {"item_id": " "}, {"item_id": "\u00a0"}])
def test_one_odd_event_does_not_end_all_trainings(shop, odd):
    whole = len(gathered(shop, shop.events.last()))
    sent = {"item_id": "i1", "value": None} | odd
    event = Event("odd", "ux", None, sent["item_id"], "rating", sent["value"], NOW)
    shop.events.append([event], now=NOW)
    assert len(gathered(shop, shop.events.last())) == whole


def test_the_usual_model_reads_what_the_catalogue_says(shop):
    data = gathered(shop, shop.events.last())
    assert repr(usual(data)) == repr(
        pt.Fallback([pt.Weighted([pt.ALS(), pt.EASE(), pt.ContentBased()]), pt.Popularity()])
    )
    assert "Content" not in repr(usual(replace(data, item_table=None)))


def test_a_catalogue_of_other_items_is_left_alone(tmp_path):
    with Store.open(str(tmp_path / "shop.db")) as store:
        stock(store)
        store.events.append([Event("e", "ua", None, "other", "view", None, NOW)], now=NOW)
        assert gathered(store, 1).item_table is None


def again(store: Store, *, used: bool) -> str:
    """Register the model in use once more, and perhaps use it; return its version."""
    first = store.models.path(FIRST)
    row = store.models.add(
        lambda path: shutil.copytree(first, path),
        name="again", position=1, erasures=0, events=1, metrics={}, gate=[], accepted=True, now=NOW,
    )  # fmt: skip
    if used:
        store.models.promote(row.version, by="test", now=NOW)
    return row.version


def test_old_models_go_but_never_the_one_in_use_nor_the_one_before(running):
    used = [again(running, used=True) for _ in range(2)]
    new = [again(running, used=False) for _ in range(3)]
    assert retire(running, 2) == [new[0], FIRST]
    assert left_behind(running) == [*used, *new[1:]]
    assert retire(running, 1) == [new[1]]
    assert running.models.in_use().version == used[1]
    assert running.models.roll_back(by="test", now=NOW).version == used[0]


def test_of_refused_models_the_latest_can_be_looked_at(running):
    first, second = (trained(running, pt.Popularity()).version for _ in range(2))
    assert left_behind(running) == [FIRST, second]
    assert running.models.get(first).state == "retired"


def test_a_model_in_use_that_cannot_be_read_is_no_obstacle(running):
    shutil.rmtree(running.models.path(FIRST))
    result = trained(running)
    assert result.promoted
    assert reason(result, "model in use").startswith(f"{FIRST} is in use and cannot be read")


class Interrupted(BaseException):
    """Something that ends a program."""


@pytest.mark.parametrize("last", [0, 3, 4])
def test_what_ends_it_leaves_nothing_behind(running, last):
    steps = []

    def stop(step: object) -> None:
        steps.append(step)
        if len(steps) > last:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(running, on_step=stop)
    assert left_behind(running) == [FIRST]
    assert [row.version for row in running.models.list()] == [FIRST]
    assert running.trainings.latest()[0].state == "failed"
    assert trained(running).promoted


def test_what_a_killed_training_left_goes_with_the_next(shop):
    left = shop.models.folder / f"{WORK}dead"
    (left / "model").mkdir(parents=True)
    assert left_behind(shop) == [left.name]
    assert left_behind(shop) == [left.name]
    assert left_behind(shop) != [trained(shop).version]
    assert not left.exists()


KILLED = """
import os, signal, sys
from made_up_shop import trained
from penchant.serving.moments import clock
from penchant.store.registry import Registry
from penchant.store.store import Store
from penchant.store.trainings import Trainings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

url, point = sys.argv[1:]
steps = []
if point == "registering":
    os.rename = lambda *names, to=os.rename: to(*names) or "m0" in str(names[1]) and die()
elif point == "promoting":
    Registry.promote = die
elif point == "promoted":
    Trainings.end = die
with Store.open(url) as store:
    trained(store, now=clock(), on_step=lambda step: f"{step.done}" == point and die())
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", [*"01234", "registering", "promoting", "promoted"])
def test_kill_9_leaves_rows_with_files_and_nothing_else_for_long(running, point):
    words = [sys.executable, "-c", KILLED, running.url, point]
    path = str(Path(__file__).parents[1])
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, timeout=300)
    assert done.returncode == -signal.SIGKILL
    second = f"m{2:08}"
    rows = {row.version: row.state for row in running.models.list()}
    registered = {second: "accepted"} if point.startswith("promot") else {}
    assert rows == {FIRST: "accepted"} | registered
    for version in rows:
        pt.load(running.models.path(version))
    assert running.models.in_use().version == (second if point == "promoted" else FIRST)
    with pytest.raises(Conflict):
        trained(running, now=clock())  # the lease still holds
    after = trained(running, now=clock() + LEASE)
    assert after.promoted
    assert running.trainings.latest()[1].reason == DIED
    settle(running, now=clock() + 2 * DAY)
    assert left_behind(running) == sorted({*rows, after.version})


def test_one_trains_at_a_time(shop):
    number = shop.trainings.begin(by="somebody", now=NOW)
    with pytest.raises(Conflict, match="begun by somebody, still runs"):
        trained(shop, now=NOW)
    assert trained(shop, run=number).promoted
    assert shop.trainings.latest()[0].number == number


def test_a_training_that_was_taken_for_dead_registers_nothing(shop):
    number = shop.trainings.begin(by="slow", now=NOW)

    def sleep(step: object) -> None:
        shop.trainings.end(number, "failed", now=NOW, reason="it was taken for dead")

    with pytest.raises(Conflict, match="taken for dead"):
        trained(shop, run=number, on_step=sleep)
    assert shop.models.list() == []


def test_of_two_who_promote_the_later_is_told(running):
    other = trained(running, promote=False)

    def meanwhile(step: pt.evaluation.comparison.Step) -> None:
        if step.what.startswith("saving"):
            running.models.promote(other.version, by="somebody", now=NOW)

    with pytest.raises(Conflict, match=f"{other.version} is in use, not {FIRST}"):
        trained(running, on_step=meanwhile)
    assert running.models.in_use().version == other.version
    assert running.models.list()[0].state == "accepted"  # and can be promoted by hand
    assert "is in use, not" in running.trainings.latest()[0].reason


def test_an_erasure_is_complete_once_a_model_without_the_person_is_in_use(running):
    assert outdated(running) is None
    asked = erase(running, "p7", now=NOW + 5 * DAY)
    assert outdated(running) == NOW + 5 * DAY
    assert asked.models == [FIRST]
    new = trained(running)
    done = erasure(running, asked.erasure_id)
    assert (done.models, done.completed is not None) == ([], True)
    assert outdated(running) is None
    assert left_behind(running) == [new.version]
    assert "up7" not in gathered(running, running.events.last()).users.values.to_list()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "it needed more memory than there was"),
        (SystemExit(143), "it was stopped"),
        (BadEvents("no rows"), "no rows"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_why_it_failed_is_said_in_words(error, said):
    assert why(error) == said


def test_the_seed_decides(shop):
    one, two = (trained(shop, promote=False, rng=7) for _ in range(2))
    assert one.metrics == two.metrics
    paths = [shop.models.path(made.version) / "manifest.json" for made in (one, two)]
    assert len({json.dumps(json.loads(path.read_text())["files"]) for path in paths}) == 1
