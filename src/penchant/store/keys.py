"""Who may ask: secrets that are made here, shown once and kept as hashes."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from sqlalchemy import insert, select, update

from penchant.errors import BadParameter
from penchant.store.numbers import bump
from penchant.store.schema import keys

if TYPE_CHECKING:
    from penchant.store.store import Store

Scope = Literal["ingest", "read", "admin"]

SECRET = 32
"""Random bytes of a secret: so many that a plain hash of it cannot be guessed back."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its secret.

    Parameters
    ----------
    hash : SHA-256 of the secret.
    scopes : what it may do: "ingest" sends events, "read" asks, "admin" does everything.
    per_second : requests allowed; None: as many as the server allows each key.
    created, expires, revoked : microseconds since 1970.
    """

    key_id: str
    name: str
    hash: bytes
    scopes: tuple[Scope, ...]
    per_second: float | None = None
    created: int = 0
    expires: int | None = None
    revoked: int | None = None

    def valid(self, now: int) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """The keys of a store. Workers follow a change from their next request on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        now: int,
        per_second: float | None = None,
        expires: int | None = None,
    ) -> tuple[str, str]:
        """Make a key; return its id and its secret, which is kept nowhere.

        Returns
        -------
        The id, and ``"pk_ID_SECRET"`` with 256 random bits.

        Raises
        ------
        BadParameter : no name, an unknown scope or none, a limit that is not positive, or a time of
            expiry that has passed.
        """
        wanted = tuple(dict.fromkeys(scopes))
        if not name.strip() or len(name) > 256 or not name.isprintable():
            raise BadParameter(f"a key needs a name of 1 to 256 characters, got {name!r:.80}")
        if not wanted or not set(wanted) <= set(get_args(Scope)):
            raise BadParameter(f"scopes are some of ingest, read and admin, got {list(wanted)!r}")
        if per_second is not None and not 0 < per_second < float("inf"):
            raise BadParameter(f"per_second is a positive number, got {per_second!r}")
        if expires is not None and expires <= now:
            raise BadParameter(f"the key would have expired already ({expires} is not after {now})")
        key_id, secret = secrets.token_hex(6), secrets.token_hex(SECRET)
        row = {
            "key_id": key_id,
            "name": name,
            "hash": _hashed(secret),
            "scopes": msgspec.json.encode(wanted).decode(),
            "per_second": per_second,
            "created": now,
            "expires": expires,
        }
        with self._store.writing() as connection:
            bump(connection, "keys")
            connection.execute(insert(keys).values(row))
        return key_id, f"pk_{key_id}_{secret}"

    def list(self) -> list[Key]:
        """Return all keys, oldest first, expired and revoked ones too."""
        asked = select(keys).order_by(keys.c.created, keys.c.key_id)
        with self._store.reading() as connection:
            return [_key(row) for row in connection.execute(asked)]

    def any(self) -> bool:
        """Return whether a key was ever made: then nobody is let in without one.

        A store whose keys have all expired or been revoked is closed, not open.
        """
        with self._store.reading() as connection:
            return connection.execute(select(keys.c.key_id).limit(1)).first() is not None

    def revoke(self, key_id: str, *, now: int) -> bool:
        """Make a key invalid for good; return whether there is such a key."""
        with self._store.writing() as connection:
            there = select(keys.c.key_id).where(keys.c.key_id == key_id)
            if connection.execute(there).first() is None:
                return False
            still = (keys.c.key_id == key_id) & keys.c.revoked.is_(None)
            if connection.execute(update(keys).where(still).values(revoked=now)).rowcount:
                bump(connection, "keys")
            return True

    def check(self, secret: str, *, now: int) -> Key | None:
        """Return the valid key that a secret is of, or None; see ``matching``."""
        return matching({key.key_id: key for key in self.list()}, secret, now=now)


def matching(known: Mapping[str, Key], secret: str, *, now: int) -> Key | None:
    """Return the valid key that a secret is of, or None.

    What is not a key at all, unknown ids, wrong secrets, revoked and expired keys take the same
    path, so that the time tells nothing about which it was.
    """
    _, _, rest = secret.partition("_")
    key_id, _, given = rest.partition("_")
    key = known.get(key_id, _NOBODY)
    same = hmac.compare_digest(_hashed(given), key.hash)
    return key if same & key.valid(now) & secret.startswith("pk_") else None


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


_NOBODY = Key(key_id="", name="", hash=_hashed(secrets.token_hex(SECRET)), scopes=(), revoked=0)
"""What an unknown id is compared with: the hash of a secret that nobody has."""


def _key(row: Any) -> Key:
    scopes: builtins.list[Scope] = msgspec.json.decode(row.scopes, type=builtins.list[Scope])
    return Key(
        key_id=row.key_id,
        name=row.name,
        hash=bytes(row.hash),
        scopes=tuple(scopes),
        per_second=row.per_second,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )
