"""Sequences counted with dictionaries, one pair at a time."""

from __future__ import annotations

from collections import defaultdict


def counted(sequences, weights):
    """Return {(j, i): weight} of every i that stands up to len(weights) places after a j."""
    found = defaultdict(float)
    for sequence in sequences:
        for at, j in enumerate(sequence):
            for s, i in enumerate(sequence[at + 1 : at + 1 + len(weights)]):
                found[j, i] += weights[s]
    return dict(found)


def by_session(events):
    """Return the items of (person, session, item) events in order, a list for each session."""
    found = defaultdict(list)
    for person, session, item in events:
        found[person, session].append(item)
    return list(found.values())


def scored(sequences, history, weights, voices, shrinkage, items):
    """Return {item: score} for what an asker met, the last item last; None if it says nothing."""
    met = defaultdict(int)
    for sequence in sequences:
        for item in sequence:
            met[item] += 1
    rules, everything = counted(sequences, weights), sum(met.values())
    heard = [item for item in reversed(history) if met[item]][: len(voices)]
    if not heard:
        return None
    scores = {}
    for i in items:
        if not met[i]:
            continue
        scores[i] = 0.0
        for voice, j in zip(voices, heard, strict=False):
            total = sum(w for (a, _), w in rules.items() if a == j)
            if total + shrinkage > 0:
                backed = rules.get((j, i), 0.0) + shrinkage * met[i] / everything
                scores[i] += voice * backed / (total + shrinkage)
    return scores
