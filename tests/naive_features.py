"""Slow twins of the features. They share no code with them."""

import math


def bm25(documents, k1=1.2, b=0.75):
    """Weight of each term of each document (a list of terms); Lucene's inverse frequency."""
    full = [d for d in documents if d]
    mean = sum(len(d) for d in full) / len(full)
    rows = []
    for document in documents:
        row = {}
        for term in set(document):
            n = sum(term in other for other in full)
            rarity = math.log(1 + (len(full) - n + 0.5) / (n + 0.5))
            c = document.count(term)
            row[term] = rarity * c * (k1 + 1) / (c + k1 * (1 - b + b * len(document) / mean))
        rows.append(row)
    return rows


def runs(words, shortest, longest):
    """All runs of so many words, joined by blanks."""
    return [
        " ".join(words[at : at + n])
        for n in range(shortest, longest + 1)
        for at in range(len(words) - n + 1)
    ]


def unit(row):
    """Bring a row to length 1."""
    length = math.sqrt(sum(v * v for v in row.values()))
    return {name: v / length for name, v in row.items()}


def classes(values, bins):
    """Say in which of the equally full classes each value is; None where it is missing.

    Class c holds values from the c-th to below the next of the quantiles c / bins (linear between
    order statistics, as numpy's), those that do not exceed the smallest value and repeats left out.
    """
    known = sorted(v for v in values if v is not None)
    cuts = set()
    for c in range(1, bins):
        at = (len(known) - 1) * c / bins
        lo = math.floor(at)
        cut = known[lo] + (known[min(lo + 1, len(known) - 1)] - known[lo]) * (at - lo)
        if cut > known[0]:
            cuts.add(cut)
    return [None if v is None else sum(cut <= v for cut in cuts) for v in values]
