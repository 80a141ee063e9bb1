"""New items without a refit: taken up by whichever models know items by their content."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from penchant.dataset import described, recognised
from penchant.errors import BadEvents, Incompatible
from penchant.frames import Frame, to_polars
from penchant.ids import IdMap
from penchant.recommender import Codes, Onboards, Recommender
from penchant.training import Training


def onboards(model: Recommender) -> bool:
    """Whether a model, or a part of it, answers for items without events through their content."""
    return isinstance(model, Onboards) or any(map(onboards, _parts(model)))


def onboarded(model: Recommender, items: Frame) -> Recommender:
    """Return a new model that also answers for items it was not fitted on, by their content.

    A composite hands the items on to those of its parts that can take them up (``Onboards``); the
    others stay as they are, and cannot say anything of a new item. ``Weighted`` brings scores to
    scale by the items of its fit alone, and in ``Mixed`` a new item takes no turn of its own. So
    every score that the model gave before is the one it gives now.

    A row about an item the model knows replaces what it knew of its content and title. Then this
    item's scores change, and the profiles of people who met it; ``Weighted``, which takes mean and
    spread over it, too, moves by as much as one item among all weighs in them.

    Parameters
    ----------
    model : a fitted model. It is not changed, and the new one shares what is the same.
    items : a row an item, columns as in the item table of the fit. An item of which no column says
        anything that was met in the fit stays without scores.

    Raises
    ------
    NotFitted : the model has not been fitted.
    Incompatible : neither the model nor any part of it knows items by their content.
    BadEvents : ids of another type, that are missing or occur twice; a title of another type.
    BadParameter : a column that holds something else than in the fit.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.Weighted([pt.EASE(), pt.ContentBased()], weights=[1, 1]).fit(data)
    >>> new = {"item": [5000], "title": ["Brand new"], "genres": ["Sci-Fi"]}
    >>> longer = pt.onboarded(model, new)
    >>> asked = data.queries(tastes=[{"Sci-Fi": 1}])
    >>> 5000 in longer.recommend(asked.recoded(longer.training_.items, asked.users), k=60).ids()[0]
    True
    """
    training = model._trained()
    if not onboards(model):
        raise Incompatible(
            f"{model.name} knows items by their events only: add a part that knows their content, "
            "as in Weighted([..., ContentBased()])"
        )
    items = to_polars(items)
    if isinstance(model, Onboards):
        return model.with_items(items)
    new = copy.copy(model)
    new.training_ = taken_up(training, items).training
    new.parts_ = [  # type: ignore[attr-defined]
        _speaking(onboarded(part, items), new.training_.items) if onboards(part) else part
        for part in _parts(model)
    ]
    return new


def _speaking(new: Recommender, ids: IdMap) -> Recommender:
    """Let a new part keep its composite's map, if it is the same, instead of another like it."""
    if new.training_.items == ids:
        new.training_ = replace(new.training_, items=ids)
    return new


def _parts(model: Recommender) -> list[Recommender]:
    """Return the parts of a composite; a model that is none has none."""
    parts: list[Recommender] = getattr(model, "parts_", [])
    return parts


class TakenUp(NamedTuple):
    """Items for a model to take up: what it is to remember, their codes, and what is said of them.

    Row r of ``table`` describes the item with code ``codes[r]``.
    """

    training: Training
    codes: Codes
    table: pl.DataFrame


def taken_up(training: Training, items: Frame) -> TakenUp:
    """Read a table of new and known items, and extend what is remembered by the new ones.

    Raises
    ------
    BadEvents : ids of another type, that are missing or occur twice; a title of another type.
    """
    table, _, keys = described(items, "item", training.items)
    ids = training.items.extended(keys)
    codes = ids.encode(keys)
    shown = training.shown
    if shown is not None:
        place = np.arange(len(ids))
        place[codes] = shown.height + np.arange(len(codes))
        whole = pl.concat([shown, _recognised(table, shown)], rechunk=True)
        shown = whole if whole.height == len(ids) else whole.select(pl.all().gather(place))
    return TakenUp(replace(training, items=ids, shown=shown), codes, table)


def _recognised(table: pl.DataFrame, as_in: pl.DataFrame) -> pl.DataFrame:
    """Return title and genres of each row, as far as they are told, in the types of ``as_in``."""
    told = recognised(table)
    columns = {}
    for name, dtype in as_in.schema.items():
        if told is None or name not in told.columns:
            columns[name] = pl.Series(name, [None] * table.height, dtype)
            continue
        try:
            columns[name] = told[name].cast(dtype)
        except pl.exceptions.PolarsError as e:
            raise BadEvents(
                f"the item table: {name} holds {told[name].dtype}, and held {dtype} when the model "
                f"was fitted; cast it first ({e})"
            ) from None
    return pl.DataFrame(columns)
