"""Very many PDQ hashes, of pictures that nobody has: random bits, or blends of real photos.

A blend of pictures has the blend of their spectra, so that hashes of blends cost no pixel, and their bits hang together
as those of photos do. One hash of a hundred is another one with up to 33 of its bits changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.pdq import spectrum
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from support.clean_pictures import SHARED, photo_files

Hashes = npt.NDArray[np.uint8]

SHARE = 100
_BLENDED = 4  # photos in one picture
_EVEN = 4.0  # how evenly: with 1 most blends are one photo, and copies of each other
_AT_ONCE = 20_000


def random_hashes(count: int, seed: int = 0) -> Hashes:
    """Bits that have nothing to do with one another."""
    random = np.random.default_rng([seed, 0])
    return _planted(random.integers(0, 256, (count, 32), dtype=np.uint8), random)


def photo_spectra() -> npt.NDArray[np.float32]:
    """`(N, 256)`, of the photos beside the checkout; N is 0 where there are none."""
    return np.array(list(_spectra()), np.float32).reshape(-1, 256)


def _spectra() -> Iterator[npt.NDArray[np.float64]]:
    if not (SHARED / "photos").is_dir():
        return
    for data in photo_files(SHARED / "photos", 1000).values():
        pixels = decode(data, probe(data))
        found = spectrum(cut(pixels, [STATISTICS_VIEW])[STATISTICS_VIEW], (pixels.shape[1], pixels.shape[0]))[0]
        yield found.ravel() / np.abs(found).max()


def blended_hashes(spectra: npt.NDArray[np.float32], count: int, seed: int = 0) -> Hashes:
    """Hashes of blends of four photos, in unlike shares."""
    random = np.random.default_rng([seed, 1])
    made = []
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        weights = random.dirichlet([_EVEN] * _BLENDED, size).astype(np.float32)
        chosen = random.integers(0, len(spectra), (size, _BLENDED))
        blends = np.einsum("nk,nkf->nf", weights, spectra[chosen])
        middle = np.partition(blends, 127, axis=1)[:, 127:128]
        made.append(np.packbits((blends > middle)[:, ::-1], axis=1))
    return _planted(np.concatenate(made), random)


def _planted(hashes: Hashes, random: np.random.Generator) -> Hashes:
    order = random.permutation(len(hashes))
    count = len(hashes) // SHARE
    bits = np.unpackbits(hashes[order[:count]], axis=1)
    for row in bits:
        row[random.choice(256, random.integers(0, 34), replace=False)] ^= 1
    hashes[order[count : 2 * count]] = np.packbits(bits, axis=1)
    return hashes
