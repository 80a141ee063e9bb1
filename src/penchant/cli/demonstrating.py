"""penchant demo: on films, from ratings to lists with reasons and an honest score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from penchant.cli import telling
from penchant.cli.running import on_step, output, pasted, working

if TYPE_CHECKING:
    from penchant.evaluation.demonstration import Situation

MEANING = (
    "NDCG: how high in the list of ten the films stand that were rated next; 1 is best. Recall: "
    "share of the films that were rated next. Coverage: share of all films that anybody was shown. "
    "Novelty: how few people had met them; 1 more is half as many. Diversity: how little the ten "
    "have in common by genre, 0 to 1."
)
"""The metrics in plain words; each has its exact definition in the documentation."""


def demo() -> None:
    """See what penchant does, on 100,836 film ratings; under a minute, no network.

    Six models learn from the earlier ratings of 610 people and are asked what those people went
    for next. Then a few lists, with a reason for each film.
    """
    with working("Reading MovieLens") as update:
        from penchant.evaluation import demonstration as d

        data = d.films()
        split, left = d.latest_fifth(data)
        console = output()
        _title(console, "The data")
        for line in d.about(data):
            console.print(line)
        console.print(f"{d.TERMS}", style="dim")
        _title(console, "The question")
        console.print(
            f"Held out: {split.description}, {len(split.test.truth.item):,} ratings, which the "
            "models have to name from what came before. (A cut at one moment for all, the usual "
            f"way, would leave {left} people with a history to be known by.)"
        )
        for note in split.notes:
            console.print(f"{note[0].upper()}{note[1:]}.", style="dim")
        found = d.scored(split, on_step(update))
        update("Asking what most models cannot answer", 0, None)
        situations = (d.without_history(found), d.without_ratings(found))
    _title(console, "How good are they?")
    console.print(telling.leaderboard(found))
    console.print()
    console.print(MEANING, style="dim")
    console.print(
        "\nThe hybrid weighs all the others. Its weights were learned within the training part: "
        + ", ".join(f"{name} {weight:.2f}" for name, weight in d.weights(found).items())
    )
    for line in d.hybrid_against_its_parts(found):
        console.print(line)
    _title(console, f"Where the hybrid earns its place ({found.evaluation.metrics[0].name})")
    console.print(_situations(situations))
    console.print()
    for one in situations:
        console.print(f"{one.name}: {one.about}.", style="dim")
    console.print("–: the model has no list for anybody.", style="dim")
    _title(console, "One person")
    person = d.somebody(found)
    console.print(telling.somebody(person, f"Person {person.who}, {person.met} ratings known"))
    console.print(f"  Of these {len(person.list)}, they did rate {len(person.later)} later.")
    _title(console, "Somebody new")
    films, genres = d.newcomer_by_films(found), d.newcomer_by_tastes(found)
    console.print(telling.somebody(films, f"Who named {len(d.FILMS)} films and nothing else"))
    console.print()
    console.print(telling.somebody(genres, f"Who named only genres: {' and '.join(d.TASTES)}"))
    _title(console, "Next, try")
    for words in (
        ["fit", "movielens", "--model", "hybrid", "--out", "movies.model"],
        ["recommend", "movies.model", "--likes", "Toy Story", "--likes", "Babe"],
        ["compare", "movielens"],
    ):
        console.print(f"  {pasted(words)}", markup=False, soft_wrap=True, style="bold")
    console.print("Instead of movielens, give a file of your own: CSV, TSV or Parquet.")


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}[/]", align="left", style="dim")


def _situations(situations: tuple[Situation, ...]) -> Table:
    """Return a row for each situation, a column for each model."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False)
    made.add_column("")
    for name in (*situations[0].scores, "by\nchance"):
        style = "bold green" if name == "hybrid" else ""
        made.add_column(name.replace("content-", "content-\n"), justify="right", style=style)
    for one in situations:
        scores = [f"{s:.4f}" if s == s else "–" for s in (*one.scores.values(), one.chance)]
        made.add_row(one.name, *scores)
    return made
