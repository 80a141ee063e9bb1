"""What ALS learns of features: a vector for each, so that whatever has features has one, too.

Collective matrix factorization (Singh and Gordon, "Relational learning via collective matrix
factorization", KDD 2008; for implicit feedback Cortes, "Cold-start recommendations in Collective
Matrix Factorization", 2018): the table of features F, rows by features, is factored beside the
table of who met what, and shares the vectors y of its rows::

    weight * sum over rows i and features k of (F_ik - y_i . c_k)^2  +  ridge sum of |c_k|^2

A row is then drawn to ``weight * sum_k F_ik c_k`` through ``weight * C'C``, the same for all rows,
beside what its pairs say. A row without pairs has a vector from its features alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penchant.kernels import als
from penchant.kernels.csr import CSR
from penchant.kernels.products import sparse_dense

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sharing:
    """Features that a table of rows has in common.

    Parameters
    ----------
    vectors : (features, f) float32, the c_k.
    weight : of each entry of the features, where one interaction weighs 1.
    ridge : the penalty on the vector of a row of which nothing but its features is known.
    """

    vectors: Vectors
    weight: float
    ridge: float

    def gram(self) -> NDArray[np.float64]:
        """Return (f, f), what the features add to the A of every row."""
        return self.weight * als.gram(self.vectors)

    def right(self, told: CSR) -> NDArray[np.float64]:
        """Return (rows, f), what they add to the b of rows."""
        total = told.to_scipy() @ self.vectors.astype(np.float64)
        return np.asarray(self.weight * total, np.float64)

    def pull(self, told: CSR) -> als.Pull:
        """Return both for training, in 32 bits."""
        return als.Pull(self.gram(), np.float32(self.weight) * sparse_dense(told, self.vectors))

    def alone(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (rows, f) A^-1 right, for rows of which nothing but features is known."""
        a = self.gram() + self.ridge * np.eye(self.vectors.shape[1])
        return np.asarray(np.linalg.solve(a, right.T).T, np.float64)


def sharing(vectors: Vectors, *, weight: float, l2: float, nu: float) -> Sharing:
    """Return features with known vectors; a row of features is kept small as in ``shared``."""
    return Sharing(vectors, weight, l2 * (weight * max(len(vectors), 1)) ** nu)


def shared(
    vectors: Vectors, told: CSR, by_feature: CSR, *, weight: float, l2: float, nu: float
) -> Sharing:
    """Solve for the vectors of features, given those of the rows that have them.

    Parameters
    ----------
    vectors : (rows, f) float32, 0 for rows that are not to count.
    told : rows x features; ``by_feature`` is the same, transposed.
    l2, nu : as of the rows: a feature's penalty is ``l2 (weight * rows)^nu``, a row's that has
        only features ``l2 (weight * features)^nu``.
    """
    factors = vectors.shape[1]
    rows = int(np.count_nonzero(vectors.any(axis=1)))
    a = als.gram(vectors) + l2 * (weight * max(rows, 1)) ** nu / weight * np.eye(factors)
    right = sparse_dense(by_feature, vectors).astype(np.float64)
    found = np.linalg.solve(a, right.T).T.astype(np.float32)
    return sharing(np.ascontiguousarray(found), weight=weight, l2=l2, nu=nu)
