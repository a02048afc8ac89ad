"""Variances of a sparse least-squares solution: the diagonal of its normal matrix's inverse."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import SuperLU, splu

_AT_ONCE = 256
"""Columns of the inverse that are solved for together: memory does not grow with the square of the unknowns."""


def factored(matrix: csc_matrix[np.float64]) -> SuperLU:
    """Return the factors of a symmetric, positive definite matrix."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def inverse_diagonal(factors: SuperLU) -> NDArray[np.float64]:
    """Return the diagonal of the inverse, shape (unknowns,)."""
    size = factors.shape[0]
    diagonal = np.zeros(size)
    for start in range(0, size, _AT_ONCE):
        some = np.arange(start, min(start + _AT_ONCE, size))
        unit = np.zeros((size, some.size))
        unit[some, some - start] = 1.0
        diagonal[some] = factors.solve(unit)[some, some - start]
    return diagonal
