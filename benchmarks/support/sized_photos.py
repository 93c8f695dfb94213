"""Photos of one size in tars, all of different bytes: real ones where they lie beside the checkout, else made ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from nemo_curator.shards.tar_writer import TarWriter
from nemo_curator.testing import encoded, photo
from support.clean_pictures import SHARED, photo_files

_DIFFERENT = 100


def sized_tars(folder: Path, size: tuple[int, int], count: int, tars: int) -> str:
    """Write the tars; says what they hold. Pictures repeat, each time with a number behind their last byte.

    Args:
        folder: Where to.
        size: Width and height in pixels.
        count: Pictures in all.
        tars: How many files.
    """
    folder.mkdir(parents=True)
    found = list(_pictures(size, min(count, _DIFFERENT)))
    each = -(-count // tars)
    for start in range(0, count, each):
        with (folder / f"{start:09d}.tar").open("wb") as file, TarWriter(file) as tar:
            for number in range(start, min(start + each, count)):
                tar.add(f"{number:09d}.jpg", found[number % len(found)] + number.to_bytes(8, "big"))
                tar.add(f"{number:09d}.txt", f"picture {number}".encode())
    return f"{count:,} {_kind()} of {size[0]} x {size[1]}, {_mean(found):.0f} kB each, in {tars} tars"


def sized_files(folder: Path, size: tuple[int, int], count: int) -> str:
    """Write loose files, alike in all else; says what they are."""
    folder.mkdir(parents=True)
    found = list(_pictures(size, min(count, _DIFFERENT)))
    for number in range(count):
        (folder / f"{number:09d}.jpg").write_bytes(found[number % len(found)] + number.to_bytes(8, "big"))
    return f"{count:,} {_kind()} of {size[0]} x {size[1]}, {_mean(found):.0f} kB each, loose files"


def _kind() -> str:
    return "real photos" if (SHARED / "photos").is_dir() else "made pictures"


def _mean(found: list[bytes]) -> float:
    return sum(map(len, found)) / len(found) / 1000


def _pictures(size: tuple[int, int], count: int) -> Iterator[bytes]:
    from PIL import Image, ImageOps

    if not (SHARED / "photos").is_dir():
        yield from (encoded(photo(seed, *size), quality=90) for seed in range(count))
        return
    for data in photo_files(SHARED / "photos", count).values():
        picture = ImageOps.fit(Image.open(io.BytesIO(data)).convert("RGB"), size, Image.Resampling.LANCZOS)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        yield out.getvalue()
