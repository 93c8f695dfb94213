"""How far is what an embedder sees from the reference: Pillow's full decode, resized by its antialiased bicubic?

Mean absolute difference over a view of 224 x 224, in levels of 255: the worst and the median picture of a collection.
The development data where it lies beside the checkout, else made pictures.

Run: `python benchmarks/view_agreement.py`
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nemo_curator.errors import SampleError
from support.machine import publish
from support.photos import photo_shards

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


def loose(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".md":
            yield path.name, path.read_bytes()


def differences(files: Iterator[tuple[str, bytes]], off: Callable[[bytes], float]) -> dict[str, object]:
    """The figures of one collection; what is refused is counted."""
    found: dict[str, float] = {}
    refused = 0
    for name, data in files:
        try:
            found[name] = off(data)
        except SampleError:
            refused += 1
    worst = max(found, key=lambda name: found[name])
    return {
        "pictures": len(found),
        "refused": refused,
        "worst": round(found[worst], 3),
        "which": worst,
        "median": round(statistics.median(found.values()), 3),
    }


def main() -> None:
    """Compare every collection that is there."""
    sys.path.insert(0, str(ROOT))  # the reference is that of the tests
    from tests.codecs.reference import off, photos_of

    with tempfile.TemporaryDirectory() as folder:
        shards, what = photo_shards(Path(folder) / "photos")
        figures = {what: differences(photos_of(shards, 1), off)}
    for name in ("kodak", "odd"):
        if (SHARED / name).is_dir():
            figures[name] = differences(loose(SHARED / name), off)
    publish("view_agreement", {"levels_of_255": figures})


if __name__ == "__main__":
    main()
