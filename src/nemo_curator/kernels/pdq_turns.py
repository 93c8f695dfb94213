"""The PDQ hashes of the seven other ways to turn and mirror a picture.

Every turn is one of four mirrored pictures, as it stands or turned about its diagonal; and turning about the diagonal
transposes what the hash is made of. So the seven cost three further spectra of 64 x 64 samples, and their bits are
those of the turned picture's own hash.
"""

from __future__ import annotations

from nemo_curator.kernels.pdq import Spectrum, pack

TURNS = (
    "a quarter clockwise",
    "a half",
    "three quarters clockwise",
    "mirrored left to right",
    "mirrored top to bottom",
    "about the diagonal from the upper left",
    "about the diagonal from the upper right",
)
"""The seven, in the order of their hashes."""


def turned(upright: Spectrum, mirrored: tuple[Spectrum, Spectrum, Spectrum]) -> list[bytes]:
    """The hashes of a picture turned and mirrored.

    Args:
        upright: Of the picture as it stands; see `pdq.spectrum`.
        mirrored: Of the picture mirrored; see `pdq.mirrored_spectra`.

    Returns:
        Seven times 32 bytes, in the order of `TURNS`.
    """
    across, down, both = mirrored
    # a quarter clockwise is upside down, then about the diagonal
    return [pack(one) for one in (down.T, both, across.T, across, down, upright.T, both.T)]
