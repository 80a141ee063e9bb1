"""What a row weighs: CPU time for one person's 200 rows, and for a table of ten million.

python benchmarks/feedback.py
"""

from __future__ import annotations

import time

import numpy as np
from record import markdown, record

import penchant as pt
from penchant.histories import Histories

KINDS = ("hide", "purchase", "rating", "view")
ITEMS = 20_000
RULES = {
    "Feedback()": pt.Feedback(),
    "every rule": pt.Feedback(
        weights={"purchase": 3}, half_life="90d", liked=3, at_least={"view": 5},
        clip={"view": (0, 600)}, by_value={"view": "log"}, take_back=("hide",), cap=10,
    ),
}  # fmt: skip


def rows(count: int, people: int, rng: np.random.Generator) -> Histories:
    """Return events of several kinds, with values, in time order."""
    return Histories.of(
        rng.integers(0, people, count), rng.integers(0, ITEMS, count), people=people,
        kind=rng.integers(0, len(KINDS), count), value=rng.integers(1, 6, count).astype(np.float32),
        time=np.sort(rng.integers(0, 10**15, count)), kinds=KINDS,
    )  # fmt: skip


def seconds(feedback: pt.Feedback, histories: Histories, repeats: int) -> float:
    """Return CPU seconds a call, after compilation."""
    now = np.full(len(histories), 10**15)
    feedback.weigh(histories, ITEMS, now)
    start = time.process_time()
    for _ in range(repeats):
        feedback.weigh(histories, ITEMS, now)
    return (time.process_time() - start) / repeats


def main() -> None:
    """Measure, print and record."""
    rng = np.random.default_rng(0)
    one, table = rows(200, 1, rng), rows(10_000_000, 100_000, rng)
    found = [
        {
            "feedback": name,
            "200 rows of a person, us": round(seconds(feedback, one, 5000) * 1e6, 1),
            "10 million rows, s": round(seconds(feedback, table, 1), 2),
        }
        for name, feedback in RULES.items()
    ]
    record("feedback", found, "Feedback.weigh, CPU time after compilation.")
    print(markdown(found))


if __name__ == "__main__":
    main()
