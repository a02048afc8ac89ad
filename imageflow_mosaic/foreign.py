"""Which pictures have next to no patch in common with the others, as compression and scaling leave them.

Screenshots without loss repeat their game's sprites, wherever they were taken; ones that were compressed or scaled
repeat nothing. What tells it of two pictures is `registration.differ_everywhere`; here it is told of all pairs at once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from imageflow_mosaic.fingerprint import Fingerprint
from imageflow_mosaic.registration import FOREIGN_SHARE

_ONE_IN = 16
"""Of the sparse sample's patches, chosen by their hashes, so that all pictures choose the same ones."""

_DISTINCTIVE = 32
"""Fewer patches tell nothing."""

_USUAL_SHARE = 0.3
"""A picture shares more with the others on average unless its pixels differ everywhere: with a loss 0.2 at most, where
all were moved by whole blocks of the compression."""

Hashes = NDArray[np.uint32]


def distinctive(picture: Fingerprint) -> Hashes:
    """Return the hashes of the few patches of a picture that are looked for in all others; some are repeated."""
    hashes = picture.coarse.hashes
    return hashes[hashes < 2**32 // _ONE_IN]


def foreign_pairs(
    samples: Sequence[Hashes], palettes: Sequence[bool], known: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Return which pairs have next to no patch in common, one of the two having none with most others either.

    Args:
        samples: What `telling` gave, of each picture.
        palettes: Whether each was drawn from a palette: two such pictures lost nothing.
        known: Pairs that show the same place, and so have patches in common even where they were compressed.

    Returns:
        Shape (pictures, pictures), symmetric.
    """
    shares = _shares(samples)
    few = np.array([one.size < _DISTINCTIVE for one in samples], np.bool_)
    undistinguished = few[:, None] | few[None, :]
    np.fill_diagonal(undistinguished, val=True)
    usual = np.ma.masked_array(shares, undistinguished)
    for first, second in known:
        usual[first, second] = usual[second, first] = np.ma.masked
    apart = usual.mean(axis=1).filled(1.0) < _USUAL_SHARE
    exact = np.array(palettes, np.bool_)
    undistinguished |= exact[:, None] & exact[None, :]
    foreign: NDArray[np.bool_] = (shares < FOREIGN_SHARE) & ~undistinguished & (apart[:, None] | apart[None, :])
    return foreign


def _shares(samples: Sequence[Hashes]) -> NDArray[np.float32]:
    """For each pair the share of the patches of either picture that occur in the other one, whichever is more."""
    count = len(samples)
    sizes = np.array([one.size for one in samples])
    owner = np.repeat(np.arange(count), sizes)
    hashes, numbers = np.unique(np.concatenate(samples), return_inverse=True)
    ones = np.ones(numbers.size, np.float32)
    patches = csr_matrix((ones, (owner, numbers)), shape=(count, hashes.size))
    there = patches.copy()
    there.data[:] = 1  # however often
    found = np.asarray((patches @ there.T).todense(), np.float32) / np.maximum(sizes, 1).astype(np.float32)[:, None]
    shares: NDArray[np.float32] = np.maximum(found, found.T)
    return shares
