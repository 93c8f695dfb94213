"""A small input with every kind of source in it, and recipes over it."""

from __future__ import annotations

from pathlib import Path

from tests.main_job.material import sample

from nemo_curator.testing import encoded, make_tar, photo, tar_bytes

CHEAP = """\
scores: [header, sharpness, entropy]
rules:
  small: least(width, height) < 40
  plain: entropy < quantile(entropy, 0.2)
split: {train: 0.7, val: 0.3}
export: {shard_size: 4}
"""

EMBEDDING = """\
scores: [header, entropy, embedding]
rules: {plain: "entropy < quantile(entropy, 0.2)"}
shuffle: 7
export: {shard_size: 5}
"""

LAZY = """\
scores: [header, entropy, embedding]
lazy: true
rules: {small: "least(width, height) < 40", dull: "entropy < 6.5"}
export: {shard_size: 5}
"""


def make_source(folder: Path) -> Path:
    """Two tars, one of them compressed, a damaged one, and loose files with sidecars; duplicates across them."""
    first = [member for number in range(5) for member in sample(f"{number:03d}", number)]
    make_tar(folder / "a.tar", first)
    make_tar(
        folder / "b.tar.gz", [*sample("000", 10), *sample("tiny", 11, width=20, height=20), ("z.jpg", first[0][1])]
    )
    (folder / "cut.tar").write_bytes(tar_bytes(sample("whole", 20) + sample("cut", 21))[:-4000])
    contents = {
        "x.jpg": encoded(photo(30), quality=80),
        "x.txt": b"a caption",
        "y.png": encoded(photo(31), "PNG"),
        "y-copy.png": encoded(photo(31), "PNG"),
        "broken.jpg": encoded(photo(32, 200, 200))[:1500],
        "LICENSE": b"free",
    }
    (folder / "loose").mkdir()
    for name, data in contents.items():
        (folder / "loose" / name).write_bytes(data)
    return folder


def make_many(folder: Path, shards: int = 10, pictures: int = 12) -> Path:
    """Shards that take a moment, with captions; every fifth picture is one of the shard before."""
    for shard in range(shards):
        members = []
        for number in range(pictures):
            seed = pictures * (shard - (number % 5 == 0)) + number if shard else number
            members += sample(f"{number:03d}", seed, width=240, height=180)
        make_tar(folder / f"{shard:02d}.tar", members)
    return folder
