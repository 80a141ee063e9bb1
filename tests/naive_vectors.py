"""Vectors of texts, computed slowly and plainly."""

from __future__ import annotations

import re

import numpy as np


def mean_of_words(text, vectors, weights, stop_words):
    """Return the weighted mean of the vectors of a text's known words, or None."""
    total, weight = 0.0, 0.0
    for word in re.findall(r"\b\w\w+\b", text.lower()):
        if word in vectors and word not in stop_words:
            total = total + weights[word] * vectors[word]
            weight += weights[word]
    return None if weight == 0 else total / weight


def smooth_inverse_frequency(texts, stop_words, a=1e-3):
    """Return a / (a + p) of each word, p its share of all words that are no stop words."""
    words = [w for t in texts for w in re.findall(r"\b\w\w+\b", t.lower()) if w not in stop_words]
    return {word: a / (a + words.count(word) / len(words)) for word in set(words)}


def principal_axes(rows, k):
    """Return the k directions of greatest variance, one after the other, by power iteration."""
    rest = np.asarray(rows, float) - np.mean(rows, axis=0)
    axes = []
    for _ in range(k):
        axis = np.ones(rest.shape[1]) + np.arange(rest.shape[1]) / 7
        for _ in range(3000):
            axis = rest.T @ (rest @ axis)
            axis /= np.linalg.norm(axis)
        axes.append(axis)
        rest = rest - np.outer(rest @ axis, axis)
    return np.array(axes)


def agreement(vectors, groups, k):
    """Return the share of the k nearest rows, by the cosine, that are of the same group."""
    same = 0
    for n, one in enumerate(vectors):
        cosines = [
            -2.0 if m == n else one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            for m, other in enumerate(vectors)
        ]
        nearest = sorted(range(len(vectors)), key=lambda m: -cosines[m])[:k]
        same += sum(groups[m] == groups[n] for m in nearest)
    return same / len(vectors) / k
