"""penchant: personalised recommendations, from a file of interactions to lists with reasons.

Public names are loaded when first used, so that importing the package stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "ALS": "models.factorization",
    "BadArtifact": "errors",
    "BadEvents": "errors",
    "BadParameter": "errors",
    "Biases": "models.ratings",
    "CappedRecall": "evaluation.metrics",
    "ContentBased": "models.content",
    "Coverage": "evaluation.metrics",
    "Dataset": "dataset",
    "Diversity": "evaluation.metrics",
    "EASE": "models.linear",
    "Epoch": "recommender",
    "Evaluation": "evaluation.evaluator",
    "Events": "events",
    "Explanation": "explanations",
    "F1": "evaluation.metrics",
    "Fallback": "models.hybrid",
    "Feedback": "feedback",
    "Gini": "evaluation.metrics",
    "HitRate": "evaluation.metrics",
    "IdMap": "ids",
    "Incompatible": "errors",
    "ItemKNN": "models.neighbours",
    "MAE": "evaluation.metrics",
    "MAP": "evaluation.metrics",
    "MAPOverK": "evaluation.metrics",
    "MAPOverRelevant": "evaluation.metrics",
    "MRR": "evaluation.metrics",
    "MissingExtra": "errors",
    "Mixed": "models.hybrid",
    "NDCG": "evaluation.metrics",
    "NDCGOverK": "evaluation.metrics",
    "NotFitted": "errors",
    "Novelty": "evaluation.metrics",
    "PenchantError": "errors",
    "Popularity": "models.popularity",
    "Precision": "evaluation.metrics",
    "Queries": "queries",
    "RMSE": "evaluation.metrics",
    "Recall": "evaluation.metrics",
    "Recommendations": "ranking",
    "Recommender": "recommender",
    "Rules": "ranking",
    "SVD": "models.ratings",
    "Split": "split",
    "Switching": "models.hybrid",
    "UnknownId": "errors",
    "UserKNN": "models.neighbours",
    "Weighted": "models.hybrid",
    "compare": "evaluation.comparison",
    "evaluate": "evaluation.evaluator",
    "explain": "explanations",
    "load": "artifact",
    "predict": "predictions",
    "save": "artifact",
}

_MODULES = ("datasets", "split", "testing")

__all__ = sorted([*_HOME, *_MODULES, "__version__"])

if TYPE_CHECKING:
    from penchant import datasets as datasets
    from penchant import split as split
    from penchant.dataset import Dataset as Dataset
    from penchant.errors import PenchantError as PenchantError


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"penchant.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"penchant.{name}")
    else:
        raise AttributeError(f"module 'penchant' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
