"""penchant: personalised recommendations, from a file of interactions to lists with reasons.

Public names are loaded when first used, so that importing the package stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "ALS": "models.factorization",
    "AsyncClient": "client",
    "BPR": "models.pairwise",
    "BadArtifact": "errors",
    "BadEvents": "errors",
    "BadParameter": "errors",
    "BadStore": "errors",
    "BayesianFM": "models.fm",
    "Between": "preparation.selecting",
    "Biases": "models.ratings",
    "Binarise": "preparation.values",
    "CappedRecall": "evaluation.metrics",
    "CleanIds": "preparation.spelling",
    "Client": "client",
    "ClipValues": "preparation.values",
    "CoClustering": "models.co_clustering",
    "ContentBased": "models.content",
    "Conflict": "errors",
    "Coverage": "evaluation.metrics",
    "Dataset": "dataset",
    "Deduplicate": "preparation.selecting",
    "Diversity": "evaluation.metrics",
    "DropMissing": "preparation.selecting",
    "DropOutliers": "preparation.values",
    "DropRobots": "preparation.people",
    "DropValues": "preparation.dropping",
    "EASE": "models.linear",
    "Epoch": "recommender",
    "Evaluation": "evaluation.evaluator",
    "Events": "events",
    "Explanation": "explanations",
    "F1": "evaluation.metrics",
    "Fallback": "models.hybrid",
    "Feedback": "feedback",
    "Gini": "evaluation.metrics",
    "GraphFilter": "models.spectral",
    "HitRate": "evaluation.metrics",
    "IdMap": "ids",
    "Impute": "preparation.levels",
    "Incompatible": "errors",
    "ItemKNN": "models.neighbours",
    "KCore": "preparation.people",
    "LogisticMF": "models.logistic",
    "MAE": "evaluation.metrics",
    "MAP": "evaluation.metrics",
    "MAPOverK": "evaluation.metrics",
    "MAPOverRelevant": "evaluation.metrics",
    "MRR": "evaluation.metrics",
    "MarkovChain": "models.markov",
    "MissingExtra": "errors",
    "Mixed": "models.hybrid",
    "NDCG": "evaluation.metrics",
    "NDCGOverK": "evaluation.metrics",
    "NMF": "models.rating_factors",
    "Normalise": "preparation.levels",
    "NotFitted": "errors",
    "Novelty": "evaluation.metrics",
    "P3alpha": "models.graph",
    "PenchantError": "errors",
    "Popularity": "models.popularity",
    "PopularityRecent": "models.popularity",
    "Precision": "evaluation.metrics",
    "Preparation": "preparation.preparing",
    "Prepared": "preparation.preparing",
    "Queries": "queries",
    "RMSE": "evaluation.metrics",
    "RP3beta": "models.graph",
    "Recall": "evaluation.metrics",
    "Recommendations": "ranking",
    "Recommender": "recommender",
    "Rules": "ranking",
    "SLIM": "models.slim",
    "SVD": "models.rating_factors",
    "SVDpp": "models.rating_factors",
    "ServiceError": "errors",
    "SequentialRules": "models.markov",
    "SlopeOne": "models.slope_one",
    "Split": "split",
    "Switching": "models.hybrid",
    "UnknownId": "errors",
    "UserKNN": "models.neighbours",
    "WARP": "models.pairwise",
    "Weighted": "models.hybrid",
    "compare": "evaluation.comparison",
    "cross_validate": "evaluation.folds",
    "evaluate": "evaluation.evaluator",
    "explain": "explanations",
    "inspect": "inspection.inspector",
    "load": "artifact",
    "measure": "evaluation.measuring",
    "onboarded": "models.onboarding",
    "predict": "predictions",
    "prepare": "preparation.preparing",
    "save": "artifact",
    "tune": "evaluation.tuning",
}

_MODULES = ("datasets", "features", "rerank", "split", "testing")

__all__ = sorted([*_HOME, *_MODULES, "__version__"])

if TYPE_CHECKING:  # the same names for type checkers; a test compares the two lists
    from penchant import datasets as datasets
    from penchant import features as features
    from penchant import rerank as rerank
    from penchant import split as split
    from penchant import testing as testing
    from penchant.artifact import load as load
    from penchant.artifact import save as save
    from penchant.client import AsyncClient as AsyncClient
    from penchant.client import Client as Client
    from penchant.dataset import Dataset as Dataset
    from penchant.errors import BadArtifact as BadArtifact
    from penchant.errors import BadEvents as BadEvents
    from penchant.errors import BadParameter as BadParameter
    from penchant.errors import BadStore as BadStore
    from penchant.errors import Conflict as Conflict
    from penchant.errors import Incompatible as Incompatible
    from penchant.errors import MissingExtra as MissingExtra
    from penchant.errors import NotFitted as NotFitted
    from penchant.errors import PenchantError as PenchantError
    from penchant.errors import ServiceError as ServiceError
    from penchant.errors import UnknownId as UnknownId
    from penchant.evaluation.comparison import compare as compare
    from penchant.evaluation.evaluator import Evaluation as Evaluation
    from penchant.evaluation.evaluator import evaluate as evaluate
    from penchant.evaluation.folds import cross_validate as cross_validate
    from penchant.evaluation.measuring import measure as measure
    from penchant.evaluation.metrics import F1 as F1
    from penchant.evaluation.metrics import MAE as MAE
    from penchant.evaluation.metrics import MAP as MAP
    from penchant.evaluation.metrics import MRR as MRR
    from penchant.evaluation.metrics import NDCG as NDCG
    from penchant.evaluation.metrics import RMSE as RMSE
    from penchant.evaluation.metrics import CappedRecall as CappedRecall
    from penchant.evaluation.metrics import Coverage as Coverage
    from penchant.evaluation.metrics import Diversity as Diversity
    from penchant.evaluation.metrics import Gini as Gini
    from penchant.evaluation.metrics import HitRate as HitRate
    from penchant.evaluation.metrics import MAPOverK as MAPOverK
    from penchant.evaluation.metrics import MAPOverRelevant as MAPOverRelevant
    from penchant.evaluation.metrics import NDCGOverK as NDCGOverK
    from penchant.evaluation.metrics import Novelty as Novelty
    from penchant.evaluation.metrics import Precision as Precision
    from penchant.evaluation.metrics import Recall as Recall
    from penchant.evaluation.tuning import tune as tune
    from penchant.events import Events as Events
    from penchant.explanations import Explanation as Explanation
    from penchant.explanations import explain as explain
    from penchant.feedback import Feedback as Feedback
    from penchant.ids import IdMap as IdMap
    from penchant.inspection.inspector import inspect as inspect
    from penchant.models.co_clustering import CoClustering as CoClustering
    from penchant.models.content import ContentBased as ContentBased
    from penchant.models.factorization import ALS as ALS
    from penchant.models.fm import BayesianFM as BayesianFM
    from penchant.models.graph import P3alpha as P3alpha
    from penchant.models.graph import RP3beta as RP3beta
    from penchant.models.hybrid import Fallback as Fallback
    from penchant.models.hybrid import Mixed as Mixed
    from penchant.models.hybrid import Switching as Switching
    from penchant.models.hybrid import Weighted as Weighted
    from penchant.models.linear import EASE as EASE
    from penchant.models.logistic import LogisticMF as LogisticMF
    from penchant.models.markov import MarkovChain as MarkovChain
    from penchant.models.markov import SequentialRules as SequentialRules
    from penchant.models.neighbours import ItemKNN as ItemKNN
    from penchant.models.neighbours import UserKNN as UserKNN
    from penchant.models.onboarding import onboarded as onboarded
    from penchant.models.pairwise import BPR as BPR
    from penchant.models.pairwise import WARP as WARP
    from penchant.models.popularity import Popularity as Popularity
    from penchant.models.popularity import PopularityRecent as PopularityRecent
    from penchant.models.rating_factors import NMF as NMF
    from penchant.models.rating_factors import SVD as SVD
    from penchant.models.rating_factors import SVDpp as SVDpp
    from penchant.models.ratings import Biases as Biases
    from penchant.models.slim import SLIM as SLIM
    from penchant.models.slope_one import SlopeOne as SlopeOne
    from penchant.models.spectral import GraphFilter as GraphFilter
    from penchant.predictions import predict as predict
    from penchant.preparation.dropping import DropValues as DropValues
    from penchant.preparation.levels import Impute as Impute
    from penchant.preparation.levels import Normalise as Normalise
    from penchant.preparation.people import DropRobots as DropRobots
    from penchant.preparation.people import KCore as KCore
    from penchant.preparation.preparing import Preparation as Preparation
    from penchant.preparation.preparing import Prepared as Prepared
    from penchant.preparation.preparing import prepare as prepare
    from penchant.preparation.selecting import Between as Between
    from penchant.preparation.selecting import Deduplicate as Deduplicate
    from penchant.preparation.selecting import DropMissing as DropMissing
    from penchant.preparation.spelling import CleanIds as CleanIds
    from penchant.preparation.values import Binarise as Binarise
    from penchant.preparation.values import ClipValues as ClipValues
    from penchant.preparation.values import DropOutliers as DropOutliers
    from penchant.queries import Queries as Queries
    from penchant.ranking import Recommendations as Recommendations
    from penchant.ranking import Rules as Rules
    from penchant.recommender import Epoch as Epoch
    from penchant.recommender import Recommender as Recommender
    from penchant.split import Split as Split


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
