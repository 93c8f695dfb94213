from __future__ import annotations

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps
from tests.codecs.golden import REFUSED

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe

# 16-bit, float and managed colour, where Pillow's own conversion is not the reference
OTHER_SCALE = {"I", "I;16", "I;16B", "F", "CMYK"}


def pixels_of(data: bytes) -> np.ndarray:
    """Probe and decode."""
    return decode(data, probe(data))


def reference(data: bytes) -> np.ndarray:
    """Pillow's full decode, turned by Pillow, over white."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        turned = ImageOps.exif_transpose(image)
    rgba = turned.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def test_every_odd_file_decodes_like_pillow(odd_files):
    """Upright, composited and in RGB, within one level of an independent composition of Pillow's parts."""
    for name, data in odd_files.items():
        if name in REFUSED or name.endswith(".heif"):
            continue
        pixels = pixels_of(data)
        with Image.open(io.BytesIO(data)) as image:
            mode = image.mode
        if mode not in OTHER_SCALE:
            expected = reference(data)
            assert pixels.shape == expected.shape, name
            assert np.abs(pixels.astype(int) - expected).max() <= 1, name


def test_heif_equals_libheif(odd_files):
    """HEIF equals a direct decode."""
    data = odd_files["avif/hopper.heif"]
    assert np.array_equal(
        pixels_of(data), np.asarray(pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True))
    )


@pytest.mark.parametrize("which", ["Landscape", "Portrait"])
def test_exif_examples_agree(odd_files, which):
    """All nine orientations of one photograph are the same picture."""
    upright = pixels_of(odd_files[f"exif-orientation/{which}_1.jpg"]).astype(int)
    for i in range(9):
        name = f"exif-orientation/{which}_{i}.jpg"
        if name in odd_files:
            pixels = pixels_of(odd_files[name])
            assert pixels.shape == upright.shape, name
            assert np.abs(pixels - upright).mean() < 6, name


def test_hopper_orientations_agree(odd_files):
    """JPEG and WebP of orientations 2 to 8 show the same upright face."""
    for suffix in ("jpg", "webp"):
        faces = [pixels_of(odd_files[f"pillow/hopper_orientation_{i}.{suffix}"]).astype(int) for i in range(2, 9)]
        for face in faces[1:]:
            assert np.abs(face - faces[0]).mean() < 6


def test_group4_orientations_agree(odd_files):
    """TIFF is turned by its parser, and not again."""
    pages = [pixels_of(odd_files[f"pillow/g4_orientation_{i}.tif"]).astype(int) for i in range(1, 9)]
    for page in pages[1:]:
        assert np.abs(page - pages[0]).mean() < 2  # a few dots differ: each was turned by another program


def test_avif_rotation_and_mirror(odd_files):
    """AVIF's irot and imir boxes are applied once: shapes as the boxes say, and never twice."""
    for rotation in range(4):
        for mirror in range(2):
            name = f"avif/rot{rotation}mir{mirror}.avif"
            if name in odd_files:
                data = odd_files[name]
                assert np.array_equal(pixels_of(data), reference(data)), name


def test_cmyk_photo_through_its_conversion(odd_files):
    """The CMYK version of the sample photo looks like the RGB version."""
    cmyk = pixels_of(odd_files["modes/CMYK.jpg"]).astype(int)
    rgb = pixels_of(odd_files["modes/RGB.jpg"]).astype(int)
    assert np.abs(cmyk - rgb).mean() < 25
    assert np.corrcoef(cmyk.ravel(), rgb.ravel())[0, 1] > 0.95


def test_sixteen_bit_targets(odd_files):
    """The 16-bit TIFFs match the PNGs that Pillow's authors keep as their targets."""
    for kind in ("RGB", "RGBa"):
        target = pixels_of(odd_files[f"pillow/tiff_16bit_{kind}_target.png"]).astype(int)
        for layout in ("tiff_16bit", "tiff_strip_planar_16bit", "tiff_tiled_planar_16bit"):
            pixels = pixels_of(odd_files[f"pillow/{layout}_{kind}.tiff"])
            assert np.abs(pixels - target).max() <= 2, (layout, kind)
