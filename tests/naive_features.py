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


def days(microseconds):
    """Microseconds in days."""
    return microseconds / 86_400e6


def known_before(events, now):
    """Events that happened strictly before a moment and are not "hide"."""
    return [e for e in events if 0 <= e["time"] < now and e["kind"] != "hide"]


def ratings(events):
    """The values of the events that are ratings and recorded one."""
    return [e["value"] for e in events if e["kind"] == "rating" and e["value"] is not None]


def person_before(events, user, now, genres):
    """What a person was like before a moment; ``genres`` maps items to sets."""
    past = [e for e in known_before(events, now) if e["user"] == user]
    stars = ratings(past)
    mean = sum(stars) / len(stars) if stars else None
    met = [g for e in past for g in genres[e["item"]]]
    shares = [met.count(g) / len(met) for g in set(met)]
    return {
        "user_count": len(past),
        "user_mean": mean,
        "user_variance": sum((s - mean) ** 2 for s in stars) / len(stars) if stars else None,
        "user_recency": days(now - max(e["time"] for e in past)) if past else None,
        "user_tenure": days(now - min(e["time"] for e in past)) if past else None,
        "user_entropy": -sum(p * math.log(p) for p in shares) if met else None,
    }


def item_before(events, item, now, weights, half_life, prior):
    """What an item was like before a moment; ``half_life`` in days."""
    everything = known_before(events, now)
    past = [e for e in everything if e["item"] == item]
    stars, all_stars = ratings(past), ratings(everything)
    bayes = None
    if all_stars:
        middle = sum(all_stars) / len(all_stars)
        bayes = (prior * middle + sum(stars)) / (prior + len(stars))
    return {
        "item_count": len(past),
        "item_mean": sum(stars) / len(stars) if stars else None,
        "item_bayes": bayes,
        "item_popularity": sum(
            weights.get(e["kind"], 1) * 0.5 ** (days(now - e["time"]) / half_life) for e in past
        ),
        "item_age": days(now - min(e["time"] for e in past)) if past else None,
    }
