"""Stores in SQLite to serve from: an empty one, and a small shop with a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

import penchant as pt
from penchant.serving.app import create_app
from penchant.serving.training import gathered
from penchant.store.catalogue import Item
from penchant.store.log import Event
from penchant.store.store import Store

NOW = 1_780_000_000 * 10**6
"""When these tests happen, in microseconds since 1970: May 2026."""

Asked = TestClient[Litestar]
Asking = Callable[..., AbstractContextManager[Asked]]


def fill(store: Store) -> None:
    """Put twelve items, fifteen people who like the even or the odd ones, and a model."""
    store.items.put(
        [
            Item(
                item_id=f"i{n:02}",
                title=f"Item {n}",
                categories=["even" if n % 2 == 0 else "odd"],
                attributes={"size": n, "made": "here"},
            )
            for n in range(12)
        ],
        now=NOW,
    )
    store.events.append(
        [
            Event(f"e{u}-{n}", f"uu{u:02}", f"s{u}", f"i{(u % 2 + 2 * (u + n)) % 12:02}", "view",
                  None, NOW - (60 - n) * 10**6)
            for u in range(15)
            for n in range(4)
        ],
        now=NOW,
    )  # fmt: skip
    learned = gathered(store, store.events.last())
    model = pt.Fallback([pt.EASE(l2=5.0), pt.Popularity()]).fit(learned)
    for _ in range(2):
        made = store.models.add(
            lambda path: pt.save(model, path),
            name="Fallback(EASE, Popularity)",
            position=store.events.last(),
            erasures=0,
            events=len(learned),
            metrics={"NDCG@10": {"mean": 0.3, "low": 0.2, "high": 0.4}},
            gate=[{"check": "not broken", "passed": True, "reason": "it answers"}],
            accepted=True,
            now=NOW,
        )
        store.models.promote(made.version, by="test", now=NOW)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store and a filled one, to be copied."""
    folder = tmp_path_factory.mktemp("served")
    Store.open(str(folder / "empty.db")).close()
    with Store.open(str(folder / "filled.db")) as store:
        fill(store)
    return folder


def copied(templates: Path, name: str, folder: Path) -> Store:
    shutil.copy(templates / f"{name}.db", folder / "shop.db")
    models = templates / f"{name}.db.models"
    if models.is_dir():
        shutil.copytree(models, folder / "shop.db.models")
    return Store.open(str(folder / "shop.db"))


@pytest.fixture
def empty(templates: Path, tmp_path: Path) -> Iterator[Store]:
    """A store with nothing in it."""
    with copied(templates, "empty", tmp_path) as store:
        yield store


@pytest.fixture
def shop(templates: Path, tmp_path: Path) -> Iterator[Store]:
    """A store with items, people and a model in use, the second of two."""
    with copied(templates, "filled", tmp_path) as store:
        yield store


@pytest.fixture
def asking() -> Asking:
    """Open an application over a store and yield a client that asks it as this machine does."""

    @contextmanager
    def opened(store: Store, **settings: Any) -> Iterator[Asked]:
        settings.setdefault("now", lambda: NOW)
        app = create_app(store, **settings)
        with TestClient(
            app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False
        ) as client:
            yield client

    return opened
