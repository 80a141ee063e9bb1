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

from penchant.serving.app import create_app
from penchant.store.store import Store
from small_shop import NOW, fill

Asked = TestClient[Litestar]
Asking = Callable[..., AbstractContextManager[Asked]]


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
