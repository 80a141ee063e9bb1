"""Two months of made-up visits, so that there is something to learn from.

    python examples/shop/visits.py --service http://127.0.0.1:8000

Each visitor has one or two interests; what they look at is mostly of these, some of it goes into
the cart, and some of that is bought.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import penchant as pt
from penchant.client import EventFields, ItemRowFields

DAY = 86_400


def products() -> list[dict[str, str]]:
    """Read what the shop sells."""
    with (Path(__file__).parent / "products.csv").open() as file:
        return list(csv.DictReader(file))


def catalogue() -> Iterator[ItemRowFields]:
    """Yield what the service is told of each product."""
    for one in products():
        yield {
            "item_id": one["item_id"],
            "title": one["title"],
            "categories": one["categories"].split("|"),
            "attributes": {"price": float(one["price"])},
        }


def visits(visitors: int, now: float, seed: int = 7) -> Iterator[EventFields]:
    """Yield the events of some visitors, the same ones for the same seed and moment."""
    rng = np.random.default_rng(seed)
    goods = products()
    of = [set(one["categories"].split("|")) for one in goods]
    interests = sorted(set().union(*of))
    liked_by_all = rng.gamma(2.0, 1.0, len(goods))
    for visitor in range(visitors):
        mine = set(rng.choice(interests, rng.integers(1, 3), replace=False))
        chance = liked_by_all * np.array([1.0 if own & mine else 0.05 for own in of])
        day = now - DAY * rng.uniform(1, 60)
        for n, good in enumerate(
            rng.choice(len(goods), rng.integers(3, 9), replace=False, p=chance / chance.sum())
        ):
            done = ["view"] + ["cart"] * int(rng.random() < 0.4)
            done += ["purchase"] * int(len(done) == 2 and rng.random() < 0.5)
            for step, kind in enumerate(done):
                yield {
                    "event_id": f"made-{seed}-{now:.0f}-{visitor}-{n}-{kind}",
                    "user_id": f"visitor-{visitor}",
                    "item_id": goods[good]["item_id"],
                    "event_type": kind,
                    "timestamp": day + 60 * n + 10 * step,
                }


def main() -> None:
    """Put the catalogue and the visits into a service."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--service", default="http://127.0.0.1:8000")
    options.add_argument("--key", default=None, help="a key with the scopes ingest and admin")
    options.add_argument("--visitors", type=int, default=600)
    chosen = options.parse_args()
    with pt.Client(chosen.service, chosen.key) as service:
        put = service.put_items(catalogue())
        taken = service.send_events(visits(chosen.visitors, time.time() // DAY * DAY))
    print(
        f"{put} products; {taken.accepted:,} events new, {taken.duplicates:,} known, "
        f"{len(taken.rejected)} rejected"
    )


if __name__ == "__main__":
    main()
