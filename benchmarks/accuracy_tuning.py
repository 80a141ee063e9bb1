"""Settings for accuracy.py: every model tuned for the same time, on validation data only.

    PENCHANT_DATA=FOLDER python benchmarks/accuracy_tuning.py [DATA ...] [--minutes 2] [--model M]

Writes settings/DATA.json, where settings of models that are not asked for stay as they were. The
test is neither learned from nor asked: tuning sees the first split's training part, of which some
is held out in the same way; on ml-100k a tenth, so that almost as much is learned from as later,
and three times, because one tenth of so little is a matter of chance.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from accuracy import HERE, MODELS, PROTOCOLS
from record import found, local_data, machine

import penchant as pt
from penchant.evaluation.space import declared


def settings_of(
    model: pt.Recommender, splits: list[pt.split.Split], minutes: float
) -> dict[str, Any]:
    """Return the best settings found in some minutes, and what they were found by."""
    tuning = pt.tune(model, splits, pt.NDCG(10), minutes=minutes)
    chosen = tuning.winner.settings if tuning.winner.number else {}
    return {
        "settings": dict(chosen),
        "validation": round(tuning.value, 4),
        "as it comes": round(tuning.trials[0].value, 4),
        "trials": len(tuning.trials),
        "minutes": minutes,
    }


def main() -> None:
    """Tune, and write what was found after each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", choices=[*PROTOCOLS, []])
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--minutes", type=float, default=2.0, help="for each model")
    asked = parser.parse_args()
    for data in asked.data or PROTOCOLS:
        if not found(data):
            continue
        protocol = PROTOCOLS[data]
        splits = protocol.tuning(protocol.read(local_data(data)))
        path = HERE / "settings" / f"{data}.json"
        known = json.loads(path.read_text())["models"] if path.exists() else {}
        for name in asked.model or MODELS:
            model = getattr(pt, name)()
            if not declared(model):
                continue
            known[name] = settings_of(model, splits, asked.minutes)
            print(data, name, known[name], flush=True)
            body = {
                "data": data,
                "split": f"{protocol.note}; seed {protocol.seeds[0]}",
                "metric": "NDCG@10 on the validation part",
                "machine": machine(),
                "models": {n: known[n] for n in MODELS if n in known},
            }
            path.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
