"""What people, items and circumstances are like, as features that models learn from.

``Encoder`` turns the columns of a table into features and remembers how, so that new rows become
the same ones. ``of_users``, ``of_items`` and ``before_each`` count events into columns, from those
before a moment only. ``contexts`` says when and how far into a session an event or a request is,
``distances`` how far it is from items. ``embed`` turns texts and images into vectors by an encoder,
``item2vec`` items by what was taken with them.
"""

from penchant.features.baskets import item2vec
from penchant.features.circumstances import clock, contexts, distances
from penchant.features.encoding import Encoder, Features, find, tfidf
from penchant.features.images import ImageEncoder
from penchant.features.statistics import before_each, of_items, of_users
from penchant.features.terms import STOP_WORDS, Weighting
from penchant.features.texts import sentence_transformer, static
from penchant.features.vectors import Encodes, Principal, embed, normalised
from penchant.features.words import WordVectors, distilled, word2vec

__all__ = [
    "STOP_WORDS",
    "Encoder",
    "Encodes",
    "Features",
    "ImageEncoder",
    "Principal",
    "Weighting",
    "WordVectors",
    "before_each",
    "clock",
    "contexts",
    "distances",
    "distilled",
    "embed",
    "find",
    "item2vec",
    "normalised",
    "of_items",
    "of_users",
    "sentence_transformer",
    "static",
    "tfidf",
    "word2vec",
]
