"""Boosts, pins and buries that hold for everyone."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from penchant.errors import UnknownId
from penchant.identity import clean_id
from penchant.serving.moments import moment, written
from penchant.serving.routes.parameters import RuleId
from penchant.serving.routes.threads import threaded
from penchant.serving.service import Service
from penchant.serving.shapes import RuleIn, RuleList, RuleOut
from penchant.store.rules import Rule


def handlers(service: Service) -> list[HTTPRouteHandler]:
    """Return the routes."""
    rules = service.store.rules

    @get("/v1/rules", operation_id="listRules", scope="admin", tags=["rules"])
    @threaded
    def list_rules() -> RuleList:
        """List all rules, oldest first, those that do not hold now among them."""
        return RuleList(rules=[_shown(rule) for rule in rules.list()])

    @post("/v1/rules", operation_id="addRule", scope="admin", tags=["rules"])
    @threaded
    def add_rule(data: JSONBody[RuleIn]) -> RuleOut:
        """Boost, pin or bury an item or a category, from the next request on or for a time."""
        begin, end = data.valid_from, data.valid_until
        made = rules.add(
            data.action,
            now=service.now(),
            item_id=data.item_id,
            category=data.category,
            amount=data.amount,
            rank=data.rank,
            valid_from=None if begin is None else moment(begin, "valid_from"),
            valid_until=None if end is None else moment(end, "valid_until"),
        )
        return _shown(made)

    @delete("/v1/rules/{rule_id:str}", operation_id="removeRule", scope="admin", tags=["rules"])
    @threaded
    def remove_rule(rule_id: RuleId) -> None:
        """Remove a rule; it does not hold from the next request on."""
        if not rules.remove(clean_id(rule_id)):
            raise UnknownId(f"There is no rule {rule_id!r:.80}.")

    return [list_rules, add_rule, remove_rule]


def _shown(rule: Rule) -> RuleOut:
    return RuleOut(
        rule_id=rule.rule_id,
        action=rule.action,
        item_id=rule.item_id,
        category=rule.category,
        amount=rule.amount,
        rank=rule.rank,
        valid_from=None if rule.valid_from is None else written(rule.valid_from),
        valid_until=None if rule.valid_until is None else written(rule.valid_until),
        created=written(rule.created),
    )
