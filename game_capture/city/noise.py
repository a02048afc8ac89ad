"""Repeatable randomness at any place of an endless plane, without drawing what lies between."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Floats = NDArray[np.float64]

_MULTIPLIERS = tuple(
    np.array(value, dtype=np.uint64)
    for value in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def scatter(x: ArrayLike, y: ArrayLike, salt: int) -> Hashes:
    """Return 64 well-mixed bits for each pair of whole coordinates; `x` and `y` broadcast, each may be negative."""
    along_x, along_y, along_salt, first, second = _MULTIPLIERS
    # Arrays wrap around without a warning, scalars do not: hence at least one dimension.
    columns = np.atleast_1d(np.asarray(x, dtype=np.int64)).astype(np.uint64)
    rows = np.atleast_1d(np.asarray(y, dtype=np.int64)).astype(np.uint64)
    salts = np.array([salt & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64)
    mixed: Hashes = columns * along_x + rows * along_y + salts * along_salt
    mixed ^= mixed >> np.uint64(29)
    mixed *= first
    mixed ^= mixed >> np.uint64(32)
    mixed *= second
    mixed ^= mixed >> np.uint64(29)
    return mixed


def pick(hashes: Hashes, count: int, *, shift: int = 0) -> Ints:
    """Return numbers 0 to `count` - 1 from the bits above `shift`."""
    return ((hashes >> np.uint64(shift)) % np.uint64(count)).astype(np.int64)


def share(hashes: Hashes, *, shift: int = 0) -> Floats:
    """Return numbers in [0, 1) from 20 bits above `shift`."""
    return ((hashes >> np.uint64(shift)) & np.uint64(0xFFFFF)).astype(np.float64) / float(1 << 20)


def hills(x: Ints, y: Ints, *, scale: int, salt: int) -> Floats:
    """Return smooth noise in [0, 1) over the grid of `x` (columns) and `y` (rows), shape (len(y), len(x)).

    Args:
        scale: Distance of the noise's own lattice points, in the unit of `x` and `y`.
    """
    column, along = _ease(x, scale)
    row, down = _ease(y, scale)
    columns = np.arange(column[0], column[-1] + 2)
    rows = np.arange(row[0], row[-1] + 2)
    lattice = share(scatter(columns[None, :], rows[:, None], salt))
    column, row = column - column[0], row - row[0]
    upper = lattice[row]
    bands = upper + (lattice[row + 1] - upper) * down[:, None]
    left = bands[:, column]
    values: Floats = left + (bands[:, column + 1] - left) * along[None, :]
    return values


def _ease(values: Ints, scale: int) -> tuple[Ints, Floats]:
    cell = values // scale
    rest = (values - cell * scale) / scale
    return cell, rest * rest * (3 - 2 * rest)
