"""Shares become sentences that name what spoke for an item, and nothing else."""

from __future__ import annotations

import pytest

import penchant as pt
from penchant.errors import Incompatible, NotFitted, UnknownId
from penchant.explanations import Explanation, Share, explain, spoken

TITLES = {1: "Alien (1979)", 2: "Babe (1995)", 3: "Fugitive, The (1993)", 4: "Heat"}


def told(*shares, base=0.0, liked=(1, 2, 3), item=4) -> Explanation:
    score = base + sum(s.amount for s in shares)
    return Explanation(base, shares, score, item, frozenset(liked), lambda i: TITLES[i])


def met(item, amount):
    return Share("history", item, amount)


def feature(name, amount):
    return Share("feature", name, amount)


@pytest.mark.parametrize(
    ("explanation", "sentence"),
    [
        (told(met(1, 0.2), met(2, 0.5), met(3, -9)), "because you liked Babe and Alien"),
        (told(met(3, 0.2)), "because you liked The Fugitive"),
        (told(met(1, 5), met(2, 1), liked=[2]), "because you liked Babe"),
        # What was liked carries less than a tenth: naming it would mislead.
        (told(met(1, 10), met(2, 1), liked=[2]), "people with a history like yours went for it"),
        (told(met(1, -1)), "no strong reason"),
        (
            told(feature("genre:Sci-Fi", 2), feature("genre:War", 1), feature("genre:Drama", 3)),
            "because you like Drama and Sci-Fi",
        ),
        (told(feature("space opera", 2)), "because you like space opera"),
        (
            told(met(1, 1), feature("genre:War", 2)),
            "because you liked Alien and because you like War",
        ),
        (told(met(1, 2), feature("genre:War", 1)), "because you liked Alien"),
        (told(Share("part", "Popularity", 2), Share("part", "EASE", 1)), "liked by many people"),
        (told(Share("part", "EASE", 2), Share("part", "Popularity", 1)), "suggested by EASE"),
        (told(base=3.0), "liked by many people"),
        (told(), "no strong reason"),
        (told(base=float("nan")), "no strong reason"),
    ],
)
def test_sentences(explanation, sentence):
    assert explanation.sentence() == sentence


def test_the_largest_shares_come_first_whatever_their_sign():
    explanation = told(met(1, 0.5), met(2, -2), met(3, 1))
    assert [s.id for s in explanation.top()] == [2, 3, 1]
    assert [s.id for s in explanation.top(1)] == [2]


def test_the_whole_is_printed_and_adds_up():
    shares = [feature(f"genre:{n}", 1 + n / 10) for n in range(10)]
    lines = str(told(*shares, met(1, 9.0), base=0.5)).splitlines()
    assert lines[0] == "Heat: score 24 — because you liked Alien"
    assert lines[1] == "  +0.5000  base"
    assert lines[2] == "  +9.0000  history: Alien (1979)"
    assert lines[3] == "  +1.9000  feature: genre:9"
    assert lines[-1] == "  +3.3000  3 more"
    assert sum(float(line.split()[0]) for line in lines[1:]) == pytest.approx(24)
    assert str(told(base=2.0, item=None)).startswith("item: score 2 — liked by many people")


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Toy Story (1995)", "Toy Story"),
        ("Fugitive, The (1993)", "The Fugitive"),
        ("American in Paris, An (1951)", "An American in Paris"),
        ("Seven (a.k.a. Se7en) (1995)", "Seven"),
        ("(500) Days of Summer (2009)", "(500) Days of Summer"),
        ("(1995)", "(1995)"),
        ("Me, Myself & Irene", "Me, Myself & Irene"),
        ("", ""),
    ],
)
def test_titles_are_said_as_people_say_them(title, said):
    assert spoken(title) == said


@pytest.fixture(scope="module")
def data():
    return pt.datasets.planted()


def test_one_query_and_one_item_are_explained(data):
    model = pt.EASE(l2=50.0).fit(data)
    query = data.queries(users=[0])
    found = explain(model, query, item=8)
    assert found.item == 8
    assert found.score == pytest.approx(float(model.score(query)[0, data.items.code(8)]), rel=1e-5)
    assert found.score == pytest.approx(found.base + sum(s.amount for s in found.shares), rel=1e-5)
    assert {s.id for s in found.shares} <= set(data.items.decode(query.histories.item))


def test_what_cannot_be_explained_is_said(data):
    silent = pt.UserKNN().fit(data)
    model = pt.EASE(l2=50.0)
    with pytest.raises(NotFitted, match="EASE has not been fitted"):
        explain(model, data.queries(users=[0]), item=8)
    model.fit(data)
    with pytest.raises(Incompatible, match="UserKNN cannot explain its scores"):
        explain(silent, data.queries(users=[0]), item=8)
    with pytest.raises(Incompatible, match="one query can be explained at a time, got 2"):
        explain(model, data.queries(users=[0, 1]), item=8)
    with pytest.raises(UnknownId, match="no such id: 1000"):
        explain(model, data.queries(users=[0]), item=1000)
    with pytest.raises(Incompatible, match="asked for 'x'"):
        explain(model, data.queries(users=[0]), item="x")
