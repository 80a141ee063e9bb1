"""What the demo claims, checked on the values it prints."""

from __future__ import annotations

import numpy as np
import pytest

import penchant as pt
from penchant.evaluation import demonstration as d
from penchant.evaluation.comparison import Comparison
from penchant.evaluation.metrics import NDCG
from penchant.split import Part


@pytest.fixture(scope="module")
def situations(demonstrated: Comparison) -> tuple[d.Situation, d.Situation]:
    return d.without_history(demonstrated), d.without_ratings(demonstrated)


def value(found: Comparison, name: str) -> float:
    return found.evaluation.value(found.evaluation.metrics[0], name)


def test_the_numbers_are_those_published_for_this_split(demonstrated: Comparison) -> None:
    assert len(demonstrated.evaluation.asked) == 610
    assert value(demonstrated, "popularity") == pytest.approx(0.087, abs=0.001)
    assert value(demonstrated, "als") >= 0.118
    assert value(demonstrated, "ease") >= 0.126


def test_the_hybrid_is_above_popularity_and_level_with_its_best_part(
    demonstrated: Comparison,
) -> None:
    result, metric = demonstrated.evaluation, demonstrated.evaluation.metrics[0]
    assert result.difference(metric, "hybrid", "popularity").low > 0
    parts = [name for name in demonstrated.models if name != "hybrid"]
    best = max(parts, key=lambda name: result.value(metric, name))
    assert result.difference(metric, "hybrid", best).high >= 0
    said = d.hybrid_against_its_parts(demonstrated)
    assert " above popularity (95% interval +" in said[0]
    assert best in said[1]


def test_if_a_part_wins_the_demo_says_so(demonstrated: Comparison) -> None:
    from dataclasses import replace

    content = demonstrated.models["content-based"]
    swapped = dict(demonstrated.models) | {"hybrid": content}
    result = pt.evaluate(
        swapped, demonstrated.split, demonstrated.evaluation.metrics[0],
        baseline=swapped["popularity"],
    )  # fmt: skip
    said = d.hybrid_against_its_parts(replace(demonstrated, models=swapped, evaluation=result))
    assert " below popularity (95% interval -" in said[0]
    assert said[1].startswith("A part wins")


def test_the_hybrid_answers_what_its_parts_cannot(
    situations: tuple[d.Situation, d.Situation],
) -> None:
    people, items = situations
    parts = set(people.scores) - {"hybrid"}
    for one in situations:
        assert one.scores["hybrid"] > 5 * one.chance
        silent = {name for name in parts if np.isnan(one.scores[name])}
        assert len(silent) == len(parts) - 1
        assert one.scores["hybrid"] == max(s for s in one.scores.values() if s == s)
    # No part answers both.
    assert all(np.isnan(people.scores[name]) or np.isnan(items.scores[name]) for name in parts)


def test_people_without_history_are_the_same_people(
    demonstrated: Comparison, situations: tuple[d.Situation, d.Situation]
) -> None:
    """Popularity reads nothing of a person, so hiding the history must not change its score."""
    people = situations[0]
    assert people.asked == 610
    assert people.scores["popularity"] == pytest.approx(value(demonstrated, "popularity"))


def test_new_films_are_those_without_a_rating_in_train(
    demonstrated: Comparison, situations: tuple[d.Situation, d.Situation]
) -> None:
    split, items = demonstrated.split, situations[1]
    counts = np.bincount(split.train.histories.item, minlength=len(split.train.items))
    new = np.flatnonzero(counts == 0)
    rated = [t for t in split.test.truth.item if counts[t] == 0]
    assert f"among {len(new):,} films" in items.about
    assert f"the {len(rated):,} that" in items.about
    assert items.asked < 610


def test_chance_is_what_random_lists_score(situations: tuple[d.Situation, d.Situation]) -> None:
    rng = np.random.default_rng(0)
    truth = pt.split.last(pt.datasets.planted(), fraction=0.2).test.truth
    part = Part(pt.split.last(pt.datasets.planted(), fraction=0.2).test.queries, truth)
    expected = d._by_chance(part, np.full(len(part), 100), 10)
    drawn = [
        NDCG(10)
        .per_query(
            np.array([rng.choice(100, 10, replace=False) for _ in range(len(part))], np.int32),
            truth,
        )
        .mean()
        for _ in range(50)
    ]
    assert expected == pytest.approx(np.mean(drawn), rel=0.05)


def test_tags_are_kept_from_the_models(demonstrated: Comparison) -> None:
    table = demonstrated.split.train.item_table
    assert table is not None
    assert table.columns == ["movieId", "title", "genres"]


def test_a_global_cut_leaves_few_people(movielens: pt.Dataset) -> None:
    split, left = d.latest_fifth(movielens)
    assert left == 28
    assert len(split.test) == 610


def test_it_says_what_the_data_is_and_whose(movielens: pt.Dataset) -> None:
    line = d.about(movielens)[0]
    for part in ("100,836", "9,724", "610", "1.7%", "1996", "2018", "0.5 to 5"):
        assert part in line
    for part in ("GroupLens", "non-commercial research", "not endorsed", "Harper", "2015"):
        assert part in d.TERMS


def test_weights_add_up(demonstrated: Comparison) -> None:
    learned = d.weights(demonstrated)
    assert list(learned) == [name for name in demonstrated.models if name != "hybrid"]
    assert sum(learned.values()) == pytest.approx(1)


def test_everybody_gets_ten_films_with_reasons(demonstrated: Comparison) -> None:
    person = d.somebody(demonstrated)
    films, genres = d.newcomer_by_films(demonstrated), d.newcomer_by_tastes(demonstrated)
    for one in (person, films, genres):
        assert len(one.list) == 10
        assert (
            one.list.select("title", "genres", "score", "reason").null_count().sum_horizontal()[0]
            == 0
        )
    assert person.who == d.PERSON
    assert len(person.liked) == 5
    assert set(films.liked) == {"Toy Story", "Babe", "The Matrix"}
    assert films.list["reason"].str.starts_with("because you liked").all()
    assert genres.list["reason"].str.starts_with("because you like ").all()
    assert genres.list["genres"].str.contains("Sci-Fi|Comedy").all()
