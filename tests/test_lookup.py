"""Titles and ids as people type them."""

from __future__ import annotations

import uuid

import polars as pl
import pytest

import penchant as pt
from penchant.lookup import Titles, typed

FILMS = [
    "Toy Story (1995)",
    "Toy Story 2 (1999)",
    "Babe (1995)",
    "Babe, The (1992)",
    "Matrix, The (1999)",
    "Seven (a.k.a. Se7en) (1995)",
    "Amelie (Fabuleux destin d'Amélie Poulain, Le) (2001)",
    "Hamlet (1990)",
    "Hamlet (1996)",
    "300 (2007)",
    "Shawshank Redemption, The (1994)",
    "Star Wars: Episode IV - A New Hope (1977)",
    "Star Wars: Episode V - The Empire Strikes Back (1980)",
    "WALL·E (2008)",
    None,
]


@pytest.fixture
def titles() -> Titles:
    ids = pt.IdMap([*range(100, 100 + len(FILMS) - 1), 300])
    return Titles(ids, pl.Series(FILMS))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Toy Story", "Toy Story (1995)"),
        ("toy story (1995)", "Toy Story (1995)"),
        ("TOY STORY 2", "Toy Story 2 (1999)"),
        ("Babe", "Babe (1995)"),
        ("The Babe", "Babe, The (1992)"),
        ("matrix", "Matrix, The (1999)"),
        ("the matrix", "Matrix, The (1999)"),
        ("Seven", "Seven (a.k.a. Se7en) (1995)"),
        ("se7en", "Seven (a.k.a. Se7en) (1995)"),
        ("Amélie", "Amelie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("le fabuleux destin d'amelie poulain", FILMS[6]),
        ("Hamlet (1996)", "Hamlet (1996)"),
        ("hamlet 1990", "Hamlet (1990)"),
        ("wall-e", "WALL·E (2008)"),
        ("300", "300 (2007)"),  # a title before an id
    ],
)
def test_a_title_in_other_words_is_that_title(titles: Titles, asked: str, meant: str) -> None:
    found = titles.find(asked)
    assert (found.title, found.exact) == (meant, True)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Toy Stroy", "Toy Story (1995)"),
        ("Shawshank", "Shawshank Redemption, The (1994)"),
        ("Empire Strikes Back", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
        ("the matrx", "Matrix, The (1999)"),
    ],
)
def test_a_near_title_is_taken_and_said_to_be_near(titles: Titles, asked: str, meant: str) -> None:
    found = titles.find(asked)
    assert (found.title, found.exact) == (meant, False)


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("Hamlet", ["Hamlet (1990)", "Hamlet (1996)"]),
        ("Star Wars", ["Star Wars: Episode IV", "Star Wars: Episode V"]),
        ("Toy Story 5", ["Toy Story (1995)", "Toy Story 2 (1999)"]),
    ],
)
def test_what_could_be_several_is_listed_with_ids(
    titles: Titles, asked: str, listed: list[str]
) -> None:
    with pytest.raises(pt.UnknownId) as e:
        titles.find(asked)
    assert all(one in str(e.value) for one in listed)
    assert "(id 1" in str(e.value)


@pytest.mark.parametrize("asked", ["xqzzt", "", "...", "(1995)"])
def test_what_is_like_nothing_is_an_error(titles: Titles, asked: str) -> None:
    with pytest.raises(pt.UnknownId, match=r"nothing|no letters"):
        titles.find(asked)


def test_an_id_is_found_too(titles: Titles) -> None:
    assert titles.find("104").title == "Matrix, The (1999)"


def test_an_item_without_a_title_is_called_by_its_id() -> None:
    found = Titles(pt.IdMap([7, 8]), pl.Series(["Alien", None])).find("8")
    assert (found.item, found.title) == (8, "8")


def test_without_titles_there_are_ids() -> None:
    shops = Titles(pt.IdMap(["sku-1", "sku-2"]), None)
    assert shops.find("sku-2").item == "sku-2"
    with pytest.raises(pt.UnknownId, match="Did you mean sku-"):
        shops.find("sku-3")


def test_typed_ids_take_the_type_of_the_ids() -> None:
    one = uuid.uuid4()
    assert typed("12", pt.IdMap([12])) == 12
    assert typed("12", pt.IdMap(["12"])) == "12"
    assert typed(str(one), pt.IdMap([one])) == one
    with pytest.raises(pt.UnknownId, match="like 12"):
        typed("twelve", pt.IdMap([12]))
    with pytest.raises(pt.UnknownId, match="13"):
        typed("13", pt.IdMap([12]))


def test_another_number_is_no_typo() -> None:
    films = Titles(pt.IdMap([1, 2]), pl.Series(["Lethal Weapon 3 (1992)", "Alien (1979)"]))
    with pytest.raises(pt.UnknownId, match=r"could mean 'Lethal Weapon 3 \(1992\)'"):
        films.find("Lethal Weapon 7")
    assert films.find("Lethal Waepon 3").item == 1
