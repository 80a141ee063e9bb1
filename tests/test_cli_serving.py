"""How penchant serve is told which store to serve."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from penchant.cli import app
from penchant.cli import serving as command
from penchant.serving import server


@pytest.mark.parametrize(
    ("words", "store"),
    [
        (["--store", "shop.db"], "shop.db"),
        ([], "postgresql+psycopg://shop:secret@localhost/shop"),
        (["--demo"], "demo.db"),
        (["--demo", "--store", "shop.db"], None),
    ],
)
def test_the_store_is_typed_or_in_the_environment(
    words: list[str], store: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []

    def serve(settings: server.Settings, *, ready: object) -> None:
        served.append(settings.store)
        ready("http://127.0.0.1:8000", False)  # type: ignore[operator]

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(command, "_fill", lambda url: None)
    monkeypatch.setenv("PENCHANT_STORE", "postgresql+psycopg://shop:secret@localhost/shop")
    done = CliRunner().invoke(app, ["serve", *words])
    assert done.exit_code == (0 if store else 2)
    assert [url.removeprefix("/").endswith(store or "") for url in served] == [True] * bool(store)
    assert "secret" not in done.output


def test_without_a_store_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENCHANT_STORE", raising=False)
    done = CliRunner().invoke(app, ["serve"])
    assert done.exit_code == 2
    assert "--demo" in done.output
