"""Peak memory of ``recommend`` for 40,000 people x 12,000 items, k = 20.

python benchmarks/memory.py
"""

from __future__ import annotations

import resource
import time

from record import markdown, record
from synthetic import power_law

import penchant as pt


def peak() -> float:
    """Return the largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fit ALS and EASE on the synthetic set, recommend for everyone, print and record."""
    pairs = power_law()
    data = pt.Dataset.of({"user": pairs.users, "item": pairs.items}, name="synthetic")
    rows = []
    for model in (pt.ALS(epochs=3), pt.EASE()):
        model.fit(data)
        before = peak()
        start = time.process_time()
        lists = model.recommend(data.queries(), k=20)
        rows.append(
            {
                "model": model.name,
                "people": len(lists),
                "items": len(data.items),
                "CPU s": round(time.process_time() - start, 1),
                "peak before, MB": round(before),
                "peak after, MB": round(peak()),
            }
        )
    record(
        "memory", rows,
        "Synthetic 40,000 x 12,000 with 4 million interactions; recommend k = 20 for everyone in "
        "one call; the largest resident size of the whole process (data, model and interpreter "
        "included) before and after.",
    )  # fmt: skip
    print(markdown(rows))


if __name__ == "__main__":
    main()
