"""A mapped model is not copied: neither to load it, nor to ask it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import penchant as pt

ITEMS, FACTORS = 300_000, 64

ASK = """
import sys
from pathlib import Path
import numpy as np
import penchant as pt
from penchant.histories import Histories
from penchant.queries import Queries

def own():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024

def asked(model, items):
    person, item = np.zeros(len(items), np.int64), np.array(items)
    stranger = np.full(1, -1, np.int32)
    found = Histories.of(person, item, people=1)
    return Queries(model.training_.items, model.training_.users, found, stranger)

def use(model, k):
    query = asked(model, range(20))
    lists = model.recommend(query, k=k)
    lists.why(0, lists.codes[0])
    model.answer(query).explain(0, lists.codes[0]).sentences()
    model.similar(lists.ids()[0][:1], k=k)
    model.training_.items.encode(lists.ids()[0])

small, large = (Path(name) for name in sys.argv[1:])
use(pt.load(small, verify=False), 3)  # compiles, or reads what was compiled
before = own()
model = pt.load(large, verify=False)
loaded = own()
for _ in range(5):
    use(model, 10)
print(loaded - before, own() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells")
def test_a_mapped_model_is_not_copied(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("small", 30), ("large", ITEMS)):
        factors = rng.standard_normal((n, FACTORS), np.float32)
        model = pt.ALS.from_factors(factors, np.arange(n), unobserved=0.1, l2=1.0)
        pt.save(model, tmp_path / name)
    run = [sys.executable, "-c", ASK, str(tmp_path / "small"), str(tmp_path / "large")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    loaded, used = map(float, done.stdout.split())
    size = ITEMS * FACTORS * 4 / 2**20
    assert size > 70
    assert loaded < 0.1 * size  # the ids
    assert used < 0.3 * size  # and scores, of which some are held at a time
