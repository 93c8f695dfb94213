"""The estimate of decoding's memory is an upper bound, and not so high that usual pictures are refused."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.codecs.fuzzing import Child

from nemo_curator.codecs.limits import DEFAULT_LIMITS, check
from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import LimitError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import FORMAT_EXTENSIONS
from nemo_curator.testing import photo

MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCCK", "I;16", "I;16B", "I", "F", "LAB")
HEADERS = st.builds(
    ImageHeader,
    format=st.sampled_from(list(FORMAT_EXTENSIONS)),
    width=st.integers(1, 65_535),
    height=st.integers(1, 65_535),
    mode=st.sampled_from(MODES),
    orientation=st.integers(1, 8),
    bit_depth=st.sampled_from((1, 2, 4, 8, 10, 12, 16, 32)),
)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("RGB", {}),
    "jpeg progressive": ("RGB", {"progressive": True, "subsampling": 0}),
    "jpeg cmyk": ("CMYK", {"progressive": True}),
    "jpeg turned": ("RGB", {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}),
    "png": ("RGB", {"compress_level": 1}),
    "png alpha": ("RGBA", {"compress_level": 1}),
    "png palette": ("P", {"compress_level": 1, "transparency": 3}),
    "png deep": ("I;16", {"compress_level": 1}),
    "webp": ("RGB", {"method": 0}),
    "webp lossless": ("RGBA", {"method": 0, "quality": 0, "lossless": True}),
    "gif": ("P", {}),
    "tiff": ("RGB", {"compression": "tiff_lzw", "strip_size": 1 << 30}),
    "tiff float": ("F", {}),
    "bmp": ("RGB", {}),
    "avif": ("RGBA", {"speed": 10}),
    "jpeg2000": ("RGB", {"quality_layers": [30]}),
}


def made(kind: str, width: int, height: int) -> bytes:
    """A picture of that kind and size."""
    mode, options = KINDS[kind]
    tile = photo(3, min(width, 500), min(height, 400))
    pixels = np.tile(tile, (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1))[:height, :width]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode == "P":
        picture = picture.convert("P", palette=Image.Palette.WEB)
    else:
        picture = picture.convert("L" if mode == "F" else mode).convert(mode)
    file = io.BytesIO()
    picture.save(file, kind.split(maxsplit=1)[0].upper(), **options)
    return file.getvalue()


@given(HEADERS)
def test_the_estimate_covers_the_picture_and_grows_with_it(header):
    """It is never below the picture itself, more pixels never take less, and turning never takes less."""
    need = decoding_bytes(header)
    assert need >= 3 * header.pixels
    assert decoding_bytes(replace(header, width=header.width + 1)) >= need
    assert need >= decoding_bytes(replace(header, orientation=1))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", ["jpeg", "png", "tiff", "bmp", "gif"])
def test_the_limit_of_pixels_is_the_one_that_counts(name, mode):
    """By default a picture of 100 million pixels of a usual kind is admitted by the limit of memory too."""
    check(ImageHeader(name, 10_000, 10_000, mode), 1, DEFAULT_LIMITS)


def test_formats_that_take_much_are_refused_before_they_take_it():
    """Where 100 million pixels would take more than the limit, the record says how much and how to admit it."""
    for header in (ImageHeader("jpeg2000", 10_000, 10_000), ImageHeader("webp", 10_000, 10_000)):
        with pytest.raises(LimitError, match=r"bytes of memory to decode .*; raise limits\.memory"):
            check(header, 1, DEFAULT_LIMITS)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system tells no peak to compare with")
@pytest.mark.parametrize("kind", KINDS)
def test_no_decoder_takes_more_than_estimated(kind):
    """What a process really takes for a picture of three million pixels stays within the estimate."""
    small, large = made(kind, 40, 30), made(kind, 2000, 1500)
    with Child() as child:
        assert child.outcome(small).kind == "picture"  # what its libraries take is not the picture's
        outcome = child.outcome(large)
    assert outcome.kind == "picture", outcome
    assert outcome.growth <= decoding_bytes(probe(large))
