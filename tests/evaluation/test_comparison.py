"""compare: what it fits, whom it asks, what it says, and how it stays within its time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penchant as pt
from penchant.evaluation import comparison
from penchant.evaluation.comparison import Comparison, Step, compare, contenders, cut, example
from penchant.evaluation.evaluator import Estimate


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(pt.datasets.planted())


def frame(people: int, events: int = 5, items: int = 40) -> dict[str, list[int]]:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(people), events)
    item = np.concatenate([rng.choice(items, events, replace=False) for _ in range(people)])
    return {"user": user.tolist(), "item": item.tolist(), "timestamp": list(range(len(user)))}


def test_what_has_signal_beats_popularity(found: Comparison) -> None:
    board = found.to_frame()
    best = board.row(by_predicate=pl.col("model") == found.best, named=True)
    assert found.best != "popularity"
    assert best["above_low"] > 0
    assert found.best in found.because[0]
    assert f"{best['ndcg']:.4f}" in found.because[0]
    assert board["ndcg"].is_sorted(descending=True)
    assert set(board["model"]) == set(contenders(pt.datasets.planted()))
    assert not found.left_out
    assert not found.notes


def test_the_numbers_are_those_of_evaluate(found: Comparison) -> None:
    data = pt.datasets.planted()
    split = pt.split.last(data, fraction=0.2)
    model = pt.EASE().fit(split.train)
    mine = pt.evaluate(model, split, [pt.NDCG(10), pt.Coverage(10)])
    row = found.to_frame().row(by_predicate=pl.col("model") == "ease", named=True)
    assert row["ndcg"] == mine[pt.NDCG(10)]
    assert row["Coverage@10"] == mine[pt.Coverage(10)]
    apart = mine.difference(pt.NDCG(10))
    assert (row["above"], row["above_low"]) == (apart.value, apart.low)


def test_it_chooses_the_highest_or_a_single_model_level_with_the_hybrid(found: Comparison) -> None:
    metric, result = found.evaluation.metrics[0], found.evaluation
    top = found.to_frame()["model"][0]
    assert found.best == top or (
        top == "hybrid" and result.difference(metric, found.best, top).high >= 0
    )


def test_the_hybrid_gives_way_to_a_single_model_that_is_level() -> None:
    """Weights that are all on one part make the hybrid that part."""
    models = {
        "popularity": pt.Popularity(),
        "ease": pt.EASE(l2=20.0),
        "hybrid": pt.Weighted([pt.EASE(l2=20.0), pt.Popularity()], weights=[1.0, 0.0]),
    }
    said = compare(pt.datasets.planted(), models=models)
    assert said.best == "ease"
    assert "Take hybrid if everybody" in said.because[-1]


def test_without_signal_popularity_is_the_model_to_use() -> None:
    said = compare(pt.datasets.planted(noise=1.0))
    assert said.best == "popularity"
    assert said.because[0].startswith("Use popularity: nothing beats it here, because ")


class Judged:
    """An evaluation of which only what a choice looks at is there, +-0.01 for every interval."""

    metrics = (pt.NDCG(10),)
    asked = tuple(range(500))

    def __init__(self, **values: float) -> None:
        self.values = {name.replace("_", "-"): value for name, value in values.items()}
        self.models = tuple(self.values)

    def value(self, metric: object, name: str) -> float:
        return self.values[name]

    def difference(self, metric: object, name: str, other: str) -> Estimate:
        apart = self.values[name] - self.values[other]
        return Estimate(apart, apart - 0.01, apart + 0.01)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"popularity": 0.1, "ease": 0.13, "als": 0.12, "hybrid": 0.1}, "ease"),
        ({"popularity": 0.1, "ease": 0.13, "als": 0.12, "hybrid": 0.135}, "ease"),
        ({"popularity": 0.1, "ease": 0.13, "als": 0.12, "hybrid": 0.15}, "hybrid"),
        ({"popularity": 0.1, "ease": 0.105, "als": 0.09, "hybrid": 0.09}, "popularity"),
        ({"popularity": 0.1, "ease": 0.08, "als": 0.09, "hybrid": 0.07}, "popularity"),
        # Level with the hybrid, yet not clearly above popularity: only the hybrid is.
        ({"popularity": 0.1, "ease": 0.109, "als": 0.09, "hybrid": 0.111}, "hybrid"),
    ],
)
def test_the_choice(values: dict[str, float], best: str) -> None:
    split = pt.split.last(pt.datasets.planted(), fraction=0.2)
    chosen, said = comparison._choice(Judged(**values), values, dict.fromkeys(values, 1.0), split)
    assert chosen == best
    assert said[0].startswith(f"Use {best}: ")
    if best == "popularity" and values["ease"] > 0.1:
        assert "the difference may be chance" in said[1]


def test_few_people_are_called_few() -> None:
    said = compare(pt.datasets.planted(noise=1.0, users=20))
    assert "because only 20 people could be asked" in said.because[0]


def test_examples_are_people_of_the_test_with_reasons(found: Comparison) -> None:
    assert len(found.examples) == 3
    met = [one.met for one in found.examples]
    assert met == sorted(met)
    for one in found.examples:
        row = found.split.test.queries.users.code(one.who)
        truth = found.split.test.truth.item[
            found.split.test.truth.person() == np.flatnonzero(found.split.test.queries.user == row)
        ]
        assert set(one.later) == set(one.list["item"]) & set(truth.tolist())
        assert one.list["reason"].str.starts_with("because you liked").all()
        assert 1 <= len(one.liked) <= 5


def test_an_example_names_what_was_liked_best_first() -> None:
    data = pt.Dataset.of(
        {"user": [1, 1, 1, 2, 2], "item": list("abcab"), "rating": [3, 5, 4, 5, 5]},
        items={"item": list("abc"), "title": ["A, The (1990)", "B", "C"]},
    )
    model = pt.EASE(l2=1.0).fit(data)
    one = example(model, data.queries(users=[1]))
    assert one.liked == ("B", "C")  # a is below this person's mean
    assert one.met == 3
    assert example(model, data.queries(users=[2])).liked == ("B", "The A")


def test_without_an_item_table_there_is_neither_content_nor_diversity() -> None:
    said = compare(pt.Dataset.of(frame(60)))
    assert "content-based" not in said.models
    assert "Diversity@10" not in said.to_frame().columns
    assert "title" not in said.examples[0].list.columns


def test_a_table_of_ids_alone_describes_nothing() -> None:
    data = pt.Dataset.of({"user": ["u"], "item": ["a"]}, items={"item": ["a", "b"]})
    assert not comparison.describes_items(data)
    described = pt.Dataset.of({"user": ["u"], "item": ["a"]}, items={"item": ["a"], "tag": ["x"]})
    assert comparison.describes_items(described)


def test_it_holds_out_the_latest_where_there_are_times_and_any_where_not() -> None:
    timed = frame(30)
    untimed = {name: timed[name] for name in ("user", "item")}
    same = {**timed, "timestamp": [5] * len(timed["user"])}
    assert "latest" in cut(pt.Dataset.of(timed)).description
    assert "random" in cut(pt.Dataset.of(untimed)).description
    assert "random" in cut(pt.Dataset.of(same)).description


def test_nothing_to_hold_out_is_an_error() -> None:
    with pytest.raises(pt.BadParameter, match=r"nobody in .* has two events"):
        compare(pt.Dataset.of({"user": [1, 2], "item": [1, 1]}))
    with pytest.raises(pt.BadParameter, match="minutes must be a positive number, got 0"):
        compare(pt.datasets.planted(), 0)
    with pytest.raises(pt.BadParameter, match="must include 'popularity'"):
        compare(pt.datasets.planted(), models={"ease": pt.EASE()})


def test_a_model_that_cannot_learn_is_left_out_with_the_reason() -> None:
    data = pt.Dataset.of({"user": [1, 1, 2, 2], "item": [1, 2, 2, 1], "timestamp": [1, 2, 3, 4]})
    said = compare(data)  # one event each is left to learn from
    assert "two events" in said.left_out["hybrid"]
    assert said.best == "popularity"


def test_without_time_only_popularity_is_left() -> None:
    said = compare(pt.datasets.planted(), 1e-9)
    assert list(said.models) == ["popularity"]
    assert "no time" in said.because[0]
    assert set(said.left_out) == set(contenders(pt.datasets.planted())) - {"popularity"}


def test_rather_fewer_people_than_fewer_models() -> None:
    data = pt.Dataset.of(frame(20_000, 3))
    models = {"popularity": pt.Popularity(), "als": pt.ALS(), "ease": pt.EASE()}
    size = comparison.Size.of(data)

    def needs(share: float, names: set[str]) -> float:
        used = {n: m for n, m in models.items() if n in names}
        return comparison._all_seconds(used, size.scaled(share))

    def plan(seconds: float, *, whole: bool = False) -> tuple[float, dict[str, float]]:
        return comparison._plan(data, models, seconds, whole=whole)

    everything = needs(1.0, set(models))
    assert plan(everything * 1.01) == (1.0, {})
    share, left_out = plan(everything / 3)
    assert comparison.ENOUGH / 20_000 <= share < 1
    assert not left_out
    assert needs(share, set(models)) <= everything / 3
    tight = needs(comparison.ENOUGH / 20_000, {"popularity", "ease"})
    share, left_out = plan(tight)
    assert list(left_out) == ["als"]
    assert share * 20_000 >= comparison.ENOUGH
    assert plan(1e-9)[1].keys() == {"als", "ease"}
    share, left_out = plan(everything / 3, whole=True)
    assert share == 1
    assert left_out


def test_a_sample_takes_whole_people() -> None:
    data = pt.Dataset.of(frame(100))
    some, said = comparison._sample(data, 0.3, 0)
    assert some.n_active_users == 30
    assert set(some.histories.lengths.tolist()) == {0, 5}
    assert said.startswith("30 of 100 people were taken, at random")
    assert some.users is data.users


def test_at_most_so_many_people_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "ASKERS", 50)
    said = compare(pt.datasets.planted(), models={"popularity": pt.Popularity()})
    assert len(said.evaluation.asked) == 50
    assert said.notes == ("50 of 200 people with a test were asked, at random",)


def test_training_stops_when_time_is_up() -> None:
    stopped: list[str] = []
    stop = comparison._stopper(0.0, stopped)
    model = pt.ALS(factors=2, epochs=9).fit(pt.datasets.planted(), on_epoch=stop)
    assert stopped[0] == "stopped after 1 of 9 epochs, for time"
    assert model.recommend(pt.datasets.planted().queries(users=[0])).ids()[0]


def test_each_step_is_told_before_it_begins() -> None:
    told: list[Step] = []
    models = {"popularity": pt.Popularity(), "ease": pt.EASE()}
    compare(pt.datasets.planted(), models=models, on_step=told.append)
    assert [step.what for step in told] == [
        "getting popularity ready (slow only the first time)",
        "getting ease ready (slow only the first time)",
        "fitting popularity", "fitting ease", "asking them",
    ]  # fmt: skip
    assert all(0 <= step.done < step.total for step in told)


def test_the_same_again_gives_the_same(found: Comparison) -> None:
    again = compare(pt.datasets.planted())
    assert again.to_frame().drop("seconds").equals(found.to_frame().drop("seconds"))
