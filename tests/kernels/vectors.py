"""Rows that the tests of clusters and pairs share."""

from __future__ import annotations

import numpy as np


def clustered(count, dimension=32, clusters=20, copies=0.2, seed=0, dtype=np.float32):
    """Unit rows around some centres, some of them near copies of others; deterministic."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, dimension))
    rows = centres[random.integers(clusters, size=count)] + 0.7 * random.standard_normal((count, dimension))
    near = random.choice(count, int(copies * count), replace=False)
    rows[near] = rows[random.integers(count, size=len(near))] + 0.1 * random.standard_normal((len(near), dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def planted(count, pairs, far, dimension=64, seed=0):
    """Rows in all directions, of which a few are turned copies of others, up to so far from them."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, dimension))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    picked = random.permutation(count)[: 2 * pairs]
    one = rows[picked[:pairs]]
    away = random.standard_normal((pairs, dimension))
    away -= (away * one).sum(axis=1)[:, None] * one
    away /= np.linalg.norm(away, axis=1)[:, None]
    cosines = 1 - far * random.uniform(0.5, 0.95, pairs)[:, None]
    rows[picked[pairs:]] = cosines * one + np.sqrt(1 - cosines**2) * away
    return rows.astype(np.float16)


def reference_pairs(rows, least):
    """Pairs of the definition, in double precision: (left, right) to cosine."""
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (wide @ wide.T) / lengths / lengths[:, None]
    left, right = np.nonzero(np.triu(cosines >= least, 1))
    return {(int(one), int(other)): cosines[one, other] for one, other in zip(left, right, strict=True)}


def as_mapping(found):
    """What a search gave: (left, right) to cosine; each pair must be there once."""
    pairs = [
        ((int(left), int(right)), float(cosine))
        for block in found
        for left, right, cosine in zip(block.left, block.right, block.cosines, strict=True)
    ]
    mapping = dict(pairs)
    assert len(mapping) == len(pairs)
    return mapping
