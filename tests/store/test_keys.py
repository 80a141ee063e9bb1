from __future__ import annotations

import hmac
import re
from pathlib import Path

import pytest

from penchant.errors import BadParameter
from penchant.store import keys as module
from penchant.store.keys import matching


def test_a_key_is_known_by_its_secret_alone(store):
    assert not store.keys.any()
    key_id, secret = store.keys.create("shop", ["read", "ingest", "read"], now=5, per_second=2.5)
    other_id, other = store.keys.create("other", ["admin"], now=6)
    assert store.keys.any()
    found = store.keys.check(secret, now=7)
    assert (found.key_id, found.name, found.scopes, found.per_second, found.created) == (
        key_id, "shop", ("read", "ingest"), 2.5, 5,
    )  # fmt: skip
    assert store.keys.check(other, now=7).key_id == other_id
    assert [key.key_id for key in store.keys.list()] == [key_id, other_id]
    assert store.numbers() == {"keys": 2}
    random = secret.removeprefix(f"pk_{key_id}_")
    assert re.fullmatch("[0-9a-f]{64}", random)
    for wrong in (
        "", "pk_", random, f"pk_{key_id}_", f"pk_{other_id}_{random}", secret[:-1], secret + "0",
        f"xx_{key_id}_{random}", secret.upper(), f"pk_nobody_{random}", "pk__",
        "\udcff_a_b", secret + "\0",
    ):  # fmt: skip
        assert store.keys.check(wrong, now=7) is None, wrong


def test_the_secret_is_kept_nowhere(sqlite_store):
    _, secret = sqlite_store.keys.create("shop", ["read"], now=5)
    path = Path(sqlite_store.engine.url.database)
    written = b"".join(one.read_bytes() for one in path.parent.glob("shop.db*"))
    assert b"shop" in written
    random = secret.rpartition("_")[2]
    assert random.encode() not in written
    assert bytes.fromhex(random) not in written


def test_a_key_ends(store):
    key_id, secret = store.keys.create("shop", ["read"], now=5, expires=10)
    assert store.keys.check(secret, now=9) is not None
    assert store.keys.check(secret, now=10) is None
    _, lasting = store.keys.create("shop", ["read"], now=5)
    lasting_id = lasting.split("_")[1]
    assert store.keys.revoke(lasting_id, now=7)
    assert store.numbers() == {"keys": 3}
    assert store.keys.check(lasting, now=8) is None
    assert store.keys.revoke(lasting_id, now=9), "again does no harm"
    assert not store.keys.revoke("nobody", now=9)
    assert store.numbers() == {"keys": 3}
    assert next(k for k in store.keys.list() if k.key_id == lasting_id).revoked == 7
    assert store.keys.any(), "a store whose keys have ended is closed, not open"
    assert key_id != lasting_id


def test_every_guess_is_compared_in_constant_time(sqlite_store, monkeypatch):
    key_id, secret = sqlite_store.keys.create("shop", ["read"], now=5, expires=9)
    known = {key.key_id: key for key in sqlite_store.keys.list()}
    compared = []

    class Watched:
        @staticmethod
        def compare_digest(a, b):
            compared.append((len(a), len(b)))
            return hmac.compare_digest(a, b)

    monkeypatch.setattr(module, "hmac", Watched)
    guesses = [secret, f"pk_{key_id}_no", "pk_nobody_no", "", "no key at all", "pk_" + "x" * 10_000]
    for guess in guesses:
        matching(known, guess, now=5)
        matching(known, guess, now=99)
    assert compared == [(32, 32)] * 2 * len(guesses)
    assert matching({}, "pk__", now=0) is None


@pytest.mark.parametrize(
    ("name", "scopes", "rest", "said"),
    [
        (" ", ["read"], {}, "needs a name"),
        ("a\n", ["read"], {}, "needs a name"),
        ("a", [], {}, "ingest, read and admin"),
        ("a", ["write"], {}, r"got \['write'\]"),
        ("a", ["read"], {"per_second": 0}, "positive number, got 0"),
        ("a", ["read"], {"per_second": float("nan")}, "positive number"),
        ("a", ["read"], {"expires": 5}, "expired already"),
    ],
)
def test_what_makes_no_key_is_refused(sqlite_store, name, scopes, rest, said):
    with pytest.raises(BadParameter, match=said):
        sqlite_store.keys.create(name, scopes, now=5, **rest)
    assert not sqlite_store.keys.any()
