"""The peer of the service: cicerone-recommender, which answers from lists it made beforehand.

It needs an environment of its own (NumPy below 2, Python 3.11):
``python3.11 -m venv cicerone && cicerone/bin/pip install cicerone-recommender==0.8.5``; its program
is then ``cicerone/bin/cicerone``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import load
import numpy as np
import polars as pl

KEY = "benchmark"
NOTE = """cicerone: its own choice of models (LightFM, item-KNN, popular) with genres, lists of ten
for all people made beforehand by its batch job, kept in its memory, served by its one process with
its settings as they come. Its requests are of the same people, but leave no genre out: of genres it
can only keep one. Its answer reads no history, computes no score and logs no row; its reasons are
those its batch job wrote, genres shared with what was met. With its events switched on, which they
are not here, an event reaches a list once a hundred have come or a minute has passed, by putting
its item on top; the models see it in the next batch job."""

FEATURES = """
[event_weights]
view = 1.0

[[item_features]]
column = "genres"
type = "list"
"""

# Times are made up: a half-life of a thousand years leaves all events alike.
SETTINGS = """
[job]
mode = "{mode}"
top_k = 10
half_life_days = 365000
feature_config_path = "{folder}/features.toml"

[input]
kind = "dataset"
[input.options]
storage_backend = "local"
path = "{folder}"

[output]
kind = "dataset"
[output.options]
storage_backend = "local"
path = "{folder}"

[serve]
host = "127.0.0.1"
port = 0
auth_token = "{key}"
"""


def name(program: Path) -> str:
    """Return its name with its version, as it says them."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return f"{said.stdout.strip()} (precomputed lists)"


def prepared(program: Path, folder: Path) -> list[str]:
    """Let it make its lists of the events of a folder, if not done; return how to serve them."""
    own = (folder / "cicerone").resolve()
    own.mkdir(exist_ok=True)
    files = {mode: own / f"{mode}.toml" for mode in ("batch", "serve")}
    for mode, file in files.items():
        file.write_text(SETTINGS.format(mode=mode, folder=own, key=KEY))
    if not (own / "recommendations.parquet").exists():
        (own / "features.toml").write_text(FEATURES)
        events = pl.scan_csv(folder / "events.csv").select(
            user_id=pl.col("user").cast(pl.String),
            item_id=pl.col("item").cast(pl.String),
            event_type=pl.lit("view"),
            occurred_at=pl.from_epoch("time").dt.replace_time_zone("UTC"),
        )
        events.collect().write_parquet(own / "events.parquet")
        items = pl.scan_csv(folder / "items.csv").select(
            item_id=pl.col("item").cast(pl.String), genres=pl.col("genres").str.split("|")
        )
        items.collect().write_parquet(own / "items.parquet")
        job = [program, "--config", files["batch"], "job"]
        subprocess.run(job, check=True, stdout=sys.stderr)
    return [str(program), "--config", str(files["serve"]), "serve"]


def asking(port: int, people: list[str], seed: int) -> Callable[[int], bytes]:
    """Return requests for ten items of people drawn uniformly."""
    drawn = np.random.default_rng(seed).integers(0, len(people), 1_000_000)

    def made(n: int) -> bytes:
        path = f"/recommendations/{people[drawn[n]]}?limit=10"
        return load.request("GET", path, port=port, key=KEY)

    return made
