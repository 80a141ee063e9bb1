"""EASE: a linear item-to-item model in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from penchant.dataset import Dataset
from penchant.errors import BadEvents, BadParameter
from penchant.features.encoding import Encoder
from penchant.kernels.coordinate import gram_of, ridges
from penchant.kernels.csr import CSR
from penchant.kernels.gram import lower_gram, mirror
from penchant.models.item_weights import Dense, ItemWeights, Sparse, Woodbury
from penchant.parameters import hyper
from penchant.recommender import Codes, OnEpoch, Scores

Form = Dense | Sparse | Woodbury

USUAL = 0.6
"""Of the default of l2: near the best on data with 35 to 130 interactions a person and 5 to 220 an
item."""

WHOLE = 30_000
"""Items, or people where they are fewer, up to which all weights are learned by default."""

NEAR = 200
"""Items that speak for an item, by default, where there are more."""

RESOLVED = 1e4
"""How much larger than l2 the diagonal of the Gram matrix may be for 32 bits to do. Rounding in a
Cholesky factor does not depend on how columns are scaled (Higham, "Accuracy and Stability of
Numerical Algorithms", 2002, section 10.1): scores were off by 3e-5 of the largest at 3e3."""


@dataclass(kw_only=True)
class EASE(ItemWeights):
    """Embarrassingly shallow autoencoder: each item's score is a weighted sum over the history.

    With X the users x items weights, P = (X'X + l2 I)^-1 and d = diag(P), the item-to-item weights
    are B = I - P / d (column j divided by d_j), so that B_jj = 0, and a history x scores x B
    (Steck 2019, equations 8 and 9). With ``nu`` the penalty on what an item says of others
    grows with how much it was met, n: l2 D takes the place of l2 I, D_ii = (n_i / mean n)^nu, as
    Rendle et al. (RecSys 2022) do for factors. (Solved for X D^-1/2; B is D^-1/2 times that, times
    D^1/2.)

    What is known of the items, the ``item_columns`` of the item table as in ``ContentBased``, makes
    items answerable that nobody met. With S the features x items, it is ``stacked`` under X, so
    that X'X becomes X'X + side_weight S'S, or ``added``: weights learned from S alone, with
    ``side_l2``, are added ``side_weight`` times (Jeunen, Van Balen and Goethals 2020: CEASE and
    Add-EASE).

    P is found on the side that takes less memory. With few users, Woodbury's identity gives
    P = (I - X' K X) / l2 with K = (X X' + l2 I)^-1, and the model keeps K, in 64 bits, and X: rows
    of X are then part of the model, without the ids of whom they belong to and in no order of
    theirs. Otherwise it keeps B, in 32 bits. Both give the same scores, to 1e-4 of the largest.
    With ``k`` only the k items most alike may speak for an item, and the model keeps k weights an
    item (after Steck, "Markov Random Fields for Collaborative Filtering", NeurIPS 2019).

    Reads the history and its values. Items nobody met and nothing is known of, and histories of no
    other, give NaN.

    Examples
    --------
    >>> import penchant as pt
    >>> data = pt.datasets.planted()
    >>> model = pt.EASE(l2=50.0).fit(data)
    >>> len(model.recommend(data.queries(users=[0]), k=3).ids()[0])
    3
    >>> pt.EASE(l2=50.0, item_columns=("genres",)).fit(data).similar([8], k=1).ids()
    [[4]]
    """

    l2: float | None = hyper(
        None, f"regularisation: larger trusts popular items more; default: {USUAL:g} "
        "x interactions a person x root of interactions an item x their mean squared weight",
        above=0, search=(10, 3000), log=True,
    )  # fmt: skip
    nu: float = hyper(
        0.0, "how much more the weights of the frequent are kept small: 0 no more, 1 in proportion",
        at_least=0, at_most=2, search=(0, 1),
    )  # fmt: skip
    k: int | None = hyper(
        None, f"only the k most alike (by cosine) may speak for an item; default: all, or {NEAR} "
        f"with more than {WHOLE} people and more than {WHOLE} items", at_least=1,
    )  # fmt: skip
    item_columns: tuple[str, ...] = hyper((), "columns of the item table to read")
    side: Literal["stacked", "added"] = hyper(
        "stacked",
        "how the columns are read: stacked: as more people; added: as weights of theirs",
        when="item_columns",
    )
    side_weight: float = hyper(
        100.0, "what the columns weigh: stacked: beside people; added: beside weights from events",
        at_least=0, search=(0.1, 1000), log=True, when="item_columns",
    )  # fmt: skip
    side_l2: float = hyper(
        10.0, "regularisation of weights from columns alone, if added", above=0,
        search=(0.1, 100), log=True, when="item_columns",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        for one in self.item_columns:
            if not isinstance(one, str):
                raise BadParameter(f"EASE.item_columns holds names of columns, got {one!r}")

    def _fit(self, data: Dataset, rng: np.random.Generator, on_epoch: OnEpoch | None) -> None:
        x = data.weights()
        if not x.nnz:
            raise BadEvents("EASE needs at least one interaction that weighs something")
        l2 = _usual(x) if self.l2 is None else self.l2
        self.l2_ = np.array(l2)
        self.scale_ = _scale(x, self.nu)
        if not self.item_columns:
            self.by_events_ = self._solved(_scaled(x, self.scale_), l2)
            return
        features = self._features(data)
        if self.side == "stacked":
            both = _stacked(x, features, self.side_weight)
            self.by_events_ = self._solved(_scaled(both, self.scale_), l2)
        else:
            self.by_events_ = self._solved(_scaled(x, self.scale_), l2)
            self.by_features_ = self._solved(features, self.side_l2)

    def _features(self, data: Dataset) -> CSR:
        """Return features x items; rows of an item have length 1, or less if some column is void.

        Raises
        ------
        BadEvents : there is no table of items.
        """
        if data.item_table is None:
            raise BadEvents(
                f"EASE is to read {', '.join(map(repr, self.item_columns))} of the item table, and "
                "the data has none"
            )
        encoder = Encoder.learn(data.item_table, self.item_columns)
        return encoder.encode(data.item_table).transposed()

    def _solved(self, x: CSR, l2: float) -> list[Any]:
        """Return what there is to keep of the weights between the columns of x."""
        met = np.bincount(x.indices, minlength=x.columns) > 0
        active = np.flatnonzero(np.diff(x.indptr) > 0)
        n = int(np.count_nonzero(met))
        k = NEAR if self.k is None and min(len(active), n) > WHOLE else self.k
        if k is not None and k < n - 1:
            found = ridges(gram_of(x.transposed(), x), l2, k)
            return list(Sparse(found.transposed(), met))
        if 2 * len(active) ** 2 < n**2:
            rows = _rows(x, active).by_content()
            columns = rows.transposed()
            inverse = _inverse(lower_gram(rows, columns).astype(np.float64), l2)
            mirror(inverse)  # in 64 bits: P is a small difference at small l2
            divisor = np.where(met, 1 - _quadratic(inverse, columns), np.nan)
            return list(Woodbury(inverse, rows, columns, divisor.astype(np.float32)))
        code = np.cumsum(met) - 1
        known = CSR(x.indptr, code[x.indices].astype(np.int32), x.data, int(n))
        gram = lower_gram(known.transposed(), known)
        if gram.diagonal().max() > RESOLVED * l2:
            gram = gram.astype(np.float64)
        weights = _inverse(gram, l2)
        mirror(weights, -1 / weights.diagonal())
        np.fill_diagonal(weights, 0)
        place = np.where(met, code, -1).astype(np.int32)
        return list(Dense(weights.astype(np.float32, copy=False), place))

    def _from_weights(self, x: CSR) -> Scores:
        scores: Scores = _form(self.by_events_).scores(_scaled(x, self.scale_))
        if self.nu:
            scores *= self.scale_
        if not hasattr(self, "by_features_"):
            return scores
        more = np.float32(self.side_weight) * _form(self.by_features_).scores(x)
        silent = np.isnan(scores) & np.isnan(more)
        total: Scores = np.nan_to_num(scores) + np.nan_to_num(more)
        total[silent] = np.nan
        return total

    def item_weights(self, history: Codes, items: Codes) -> NDArray[np.float64]:
        """Return (items, history): the weight learned from each history item to each item."""
        weights = _form(self.by_events_).to_items(history, items)
        if self.nu:
            weights *= self.scale_[items].astype(np.float64)[:, None] / self.scale_[history]
        if not hasattr(self, "by_features_"):
            return weights
        more = self.side_weight * _form(self.by_features_).to_items(history, items)
        silent = np.isnan(weights) & np.isnan(more)
        return np.where(silent, np.nan, np.nan_to_num(weights) + np.nan_to_num(more))


def _usual(x: CSR) -> float:
    """Return the default of l2: it grows with the weights as X'X does, and slower than the data."""
    people, items = np.count_nonzero(np.diff(x.indptr)), np.count_nonzero(np.bincount(x.indices))
    squared = float(np.square(x.data, dtype=np.float64).mean())
    return float(USUAL * x.nnz / people * np.sqrt(x.nnz / items) * squared)


def _scale(x: CSR, nu: float) -> NDArray[np.float32]:
    """Return (items,) the root of how much more each item's weights are penalised than usual."""
    met = np.bincount(x.indices, x.data, x.columns)
    known = met[met > 0]
    scale: NDArray[np.float32] = (np.maximum(met, known.min()) / known.mean()) ** (nu / 2)
    return scale.astype(np.float32)


def _scaled(x: CSR, scale: NDArray[np.float32]) -> CSR:
    """Return x with its columns divided."""
    return CSR(x.indptr, x.indices, x.data / scale[x.indices], x.columns)


def _form(kept: Sequence[Any]) -> Form:
    """Return the weights in the form that ``EASE._solved`` kept them in."""
    if len(kept) == len(Woodbury._fields):
        return Woodbury(*kept)
    return Sparse(*kept) if isinstance(kept[0], CSR) else Dense(*kept)


def _stacked(x: CSR, features: CSR, weight: float) -> CSR:
    """Return features under x, such that their squares weigh ``weight``."""
    indptr = np.concatenate([x.indptr, x.indptr[-1] + features.indptr[1:]])
    indices = np.concatenate([x.indices, features.indices])
    scaled = features.data * np.float32(np.sqrt(weight))
    return CSR(indptr, indices, np.concatenate([x.data, scaled]), x.columns)


def _rows(x: CSR, which: NDArray[np.int64]) -> CSR:
    """Rows ``which`` of x, of which the others are empty."""
    indptr = np.concatenate([x.indptr[which], x.indptr[-1:]])
    return CSR(indptr, x.indices, x.data, x.columns)


def _inverse(lower: NDArray[Any], l2: float) -> NDArray[Any]:
    """Turn the lower half of S into that of (S + l2 I)^-1, in place, by Cholesky; return it."""
    lower[np.diag_indices_from(lower)] += l2
    single = lower.dtype == np.float32
    factor, invert = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    # LAPACK counts by columns: to it a lower half by rows is an upper one.
    found, info = factor(lower.T, lower=0, overwrite_a=1)
    if info == 0:
        found, info = invert(found, lower=0, overwrite_c=1)
    if info != 0:
        raise BadEvents(f"the Gram matrix is not positive definite at l2={l2:g}; raise EASE.l2")
    inverse: NDArray[Any] = found.T
    return inverse


def _quadratic(inverse: NDArray[np.float64], columns: CSR) -> NDArray[np.float64]:
    """Return x_j' K x_j for each column x_j of X, given as rows of ``columns``."""
    out = np.zeros(columns.shape[0])
    for j in np.flatnonzero(np.diff(columns.indptr)):
        a, b = columns.indptr[j], columns.indptr[j + 1]
        at, w = columns.indices[a:b], columns.data[a:b].astype(np.float64)
        out[j] = w @ inverse[np.ix_(at, at)] @ w
    return out
