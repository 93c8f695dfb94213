"""The photos that benchmarks run on: real ones where they lie beside the checkout, else made ones."""

from __future__ import annotations

from pathlib import Path

from nemo_curator.testing import encoded, make_tar, photo

_SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "photos"


def photo_shards(folder: Path, count: int = 1000) -> tuple[Path, str]:
    """(a folder of tars with `count` photos, what they are)."""
    if _SHARED.is_dir() and count == 1000:
        return _SHARED, "1,000 real photos (clothing-dataset-small) in 8 tars"
    for shard in range(count // 125):
        members = []
        for index in range(shard * 125, shard * 125 + 125):
            members.append((f"{index:09d}.jpg", encoded(photo(index, 500, 375), quality=90)))
            members.append((f"{index:09d}.txt", f"made picture {index}".encode()))
        make_tar(folder / f"{shard:05d}.tar", members)
    return folder, f"{count:,} made pictures of 500 x 375 in {count // 125} tars"
