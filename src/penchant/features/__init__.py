"""What people, items and circumstances are like, as features that models learn from.

``Encoder`` turns the columns of a table into features and remembers how, so that new rows become
the same ones. ``of_users``, ``of_items`` and ``before_each`` count events into columns, from those
before a moment only. ``contexts`` says when and how far into a session an event or a request is,
``distances`` how far it is from items.
"""

from penchant.features.circumstances import clock, contexts, distances
from penchant.features.encoding import Encoder, Features, find, tfidf
from penchant.features.statistics import before_each, of_items, of_users
from penchant.features.terms import STOP_WORDS, Weighting

__all__ = [
    "STOP_WORDS",
    "Encoder",
    "Features",
    "Weighting",
    "before_each",
    "clock",
    "contexts",
    "distances",
    "find",
    "of_items",
    "of_users",
    "tfidf",
]
