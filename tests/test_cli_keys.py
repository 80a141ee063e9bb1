"""penchant keys, as somebody types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from commands import typed
from penchant.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = str(tmp_path / "shop.db")
    Store.open(path).close()
    return path


def made(store: str, *words: object) -> str:
    return typed("keys", "create", *words, "--store", store).stdout.strip()


def test_a_key_is_printed_alone_and_works(store: str) -> None:
    found = typed(
        "keys", "create", "the shop", "--scope", "read", "--scope", "ingest", "--store", store
    )
    secret = found.stdout.strip()
    assert re.fullmatch(r"pk_[0-9a-f]{12}_[0-9a-f]{64}", secret)
    assert "cannot be shown again" in found.stderr.replace("\n", " ")
    assert "every request needs a key" in found.stderr.replace("\n", " ")
    with Store.open(store) as opened:
        key = opened.keys.check(secret, now=0)
    assert key is not None
    assert (key.name, key.scopes) == ("the shop", ("read", "ingest"))
    again = typed("keys", "create", "b", "--scope", "admin", "--store", store)
    assert "first" not in again.stderr


def test_keys_are_listed_without_their_secrets_and_revoked(store: str) -> None:
    secret = made(store, "a", "--scope", "read", "--per-second", "2.5")
    made(store, "b", "--scope", "admin", "--days", "0.5")
    key = secret.split("_")[1]
    found = typed("keys", "list", "--store", store, "--format", "json")
    rows = json.loads(found.stdout)
    assert [(row["name"], row["scopes"], row["per second"], row["state"]) for row in rows] == [
        ("a", "read", 2.5, "valid"),
        ("b", "admin", None, "valid"),
    ]
    assert secret.split("_")[2] not in found.stdout
    assert f"Key {key} is revoked" in typed("keys", "revoke", key, "--store", store).stderr
    assert "revoked" in typed("keys", "list", "--store", store).stdout
    with Store.open(store) as opened:
        assert opened.keys.check(secret, now=0) is None


def test_mistakes_are_told_in_a_line(store: str, tmp_path: Path) -> None:
    assert "there is no key 'x'" in typed("keys", "revoke", "x", "--store", store, code=2).stderr
    absent = str(tmp_path / "absent.db")
    assert "does not exist" in typed("keys", "list", "--store", absent, code=2).stderr
    wrong = typed("keys", "create", "a", "--scope", "write", "--store", store, code=2)
    assert "ingest" in wrong.stderr
    wrong = typed("keys", "create", "a", "--scope", "read", "--days", "0", "--store", store, code=2)
    assert "expired already" in wrong.stderr.replace("\n", " ")
