"""What a merchant wants of every list: boosts, pins and buries, each for a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import delete, insert, select

from penchant.errors import BadParameter
from penchant.identity import clean_id, made_id
from penchant.store.numbers import bump
from penchant.store.schema import rules

if TYPE_CHECKING:
    from penchant.store.store import Store

Action = Literal["boost", "pin", "bury"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds for everyone.

    Parameters
    ----------
    action : "boost" adds to scores, "pin" puts an item at a rank, "bury" puts items last.
    item_id, category : what it is about; one of the two, and of a pin the first.
    amount : of a boost, in spreads of the person's scores; below 0 it lowers.
    rank : of a pin, from 1.
    valid_from, valid_until : microseconds since 1970; it holds from the first on and before the
        second. None: always.
    """

    rule_id: str
    action: Action
    item_id: str | None = None
    category: str | None = None
    amount: float | None = None
    rank: int | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    created: int = 0

    def holds(self, now: int) -> bool:
        """Return whether it holds at a time, in microseconds since 1970."""
        begun = self.valid_from is None or self.valid_from <= now
        return begun and (self.valid_until is None or now < self.valid_until)


class Merchandising:
    """The rules of a store. Workers follow a change from their next request on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        action: Action,
        *,
        now: int,
        item_id: str | None = None,
        category: str | None = None,
        amount: float | None = None,
        rank: int | None = None,
        valid_from: int | None = None,
        valid_until: int | None = None,
    ) -> Rule:
        """Add a rule; see ``Rule`` for the parameters.

        Raises
        ------
        BadParameter : the parameters do not make a rule.
        """
        rule = Rule(
            rule_id=made_id(now),
            action=action,
            item_id=None if item_id is None else clean_id(item_id),
            category=None if category is None else clean_id(category),
            amount=amount,
            rank=rank,
            valid_from=valid_from,
            valid_until=valid_until,
            created=now,
        )
        _check(rule)
        with self._store.writing() as connection:
            bump(connection, "rules")
            connection.execute(insert(rules).values(_columns(rule)))
        return rule

    def list(self) -> list[Rule]:
        """Return all rules, those included that do not hold now, oldest first."""
        asked = select(rules).order_by(rules.c.created, rules.c.rule_id)
        with self._store.reading() as connection:
            return [_rule(row) for row in connection.execute(asked).mappings()]

    def remove(self, rule_id: str) -> bool:
        """Remove a rule; return whether it was there."""
        with self._store.writing() as connection:
            done = connection.execute(delete(rules).where(rules.c.rule_id == rule_id))
            if done.rowcount:
                bump(connection, "rules")
            return bool(done.rowcount)


def _check(rule: Rule) -> None:
    """Raise BadParameter for a rule that cannot be followed."""
    needed = {"boost": ("amount",), "pin": ("rank",), "bury": ()}
    if rule.action not in needed:
        raise BadParameter(f"action is boost, pin or bury, got {rule.action!r}")
    if (rule.item_id is None) == (rule.category is None):
        raise BadParameter(f"a {rule.action} is about an item_id or a category, one of the two")
    if rule.action == "pin" and rule.item_id is None:
        raise BadParameter("a pin needs an item_id: a category has no one rank")
    for field in ("amount", "rank"):
        given, wanted = getattr(rule, field) is not None, field in needed[rule.action]
        if given != wanted:
            raise BadParameter(f"a {rule.action} {'needs' if wanted else 'has no'} {field}")
    if rule.amount is not None and not -10 <= rule.amount <= 10:
        raise BadParameter(f"amount is from -10 to 10 spreads, got {rule.amount!r}")
    if rule.rank is not None and not 1 <= rule.rank <= 100:
        raise BadParameter(f"rank is from 1 to 100, got {rule.rank!r}")
    begin, end = rule.valid_from, rule.valid_until
    if begin is not None and end is not None and end <= begin:
        raise BadParameter(f"valid_until ({end}) is not after valid_from ({begin})")


def _columns(rule: Rule) -> dict[str, Any]:
    target = {"category": rule.category} if rule.item_id is None else {"item_id": rule.item_id}
    return {
        "rule_id": rule.rule_id,
        "action": rule.action,
        "target": msgspec.json.encode(target).decode(),
        "amount": rule.amount,
        "rank": rule.rank,
        "from": rule.valid_from,
        "until": rule.valid_until,
        "created": rule.created,
    }


def _rule(row: Any) -> Rule:
    target = msgspec.json.decode(row["target"])
    return Rule(
        rule_id=row["rule_id"],
        action=row["action"],
        item_id=target.get("item_id"),
        category=target.get("category"),
        amount=row["amount"],
        rank=row["rank"],
        valid_from=row["from"],
        valid_until=row["until"],
        created=row["created"],
    )
