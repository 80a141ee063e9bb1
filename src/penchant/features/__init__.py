"""What people, items and circumstances are like, as features that models learn from.

``Encoder`` turns the columns of a table into features and remembers how, so that new rows become
the same ones.
"""

from penchant.features.encoding import Encoder, Features, find, tfidf
from penchant.features.statistics import before_each, of_items, of_users
from penchant.features.terms import STOP_WORDS, Weighting

__all__ = [
    "STOP_WORDS",
    "Encoder",
    "Features",
    "Weighting",
    "before_each",
    "find",
    "of_items",
    "of_users",
    "tfidf",
]
