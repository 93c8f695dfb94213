"""How near do embeddings of different photos come, and of one photo and its edits?

Cosines of the default embedding between all pairs of different pictures of a collection, and between the original and
the edits, turns and mirror images that PDQ's authors publish of one photo of a bridge.

Run: `python benchmarks/embedding_spread.py`, with the photos beside the checkout; half a minute on one core.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.models import registry
from support.clean_pictures import SHARED, photo_files
from support.machine import publish, skip

MODEL = "efficientnet-lite0"
QUANTILES = (0.05, 0.5, 0.95, 0.999, 1.0)


def vectors(model: registry.ImageModel, files: Iterable[bytes]) -> npt.NDArray[np.float32]:
    """`(N, D)` of unit norm."""
    view = model.spec.view
    rows = [model(cut(decode(data, probe(data)), [view])[view][None])[0] for data in files]
    return np.stack(rows)


def pairs(rows: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Quantiles of the cosines of all pairs of different rows."""
    values = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return {"pairs": len(values), **{str(q): round(float(np.quantile(values, q)), 3) for q in QUANTILES}}


def edits(model: registry.ImageModel, folder: Path) -> dict[str, float]:
    """Name of each edit to its cosine with the first file of the folder, which is the original."""
    paths = sorted(folder.glob("*.jpg"))
    first, *others = vectors(model, (path.read_bytes() for path in paths))
    return {path.stem: round(float(first @ one), 3) for path, one in zip(paths[1:], others, strict=True)}


def main() -> None:
    """Both collections, and the edits."""
    if not (SHARED / "kodak").is_dir():
        skip("the photos are not beside this checkout; made pictures would say nothing about photos")
    model = registry.load(MODEL)
    kodak = [path.read_bytes() for path in sorted((SHARED / "kodak").glob("*.png"))]
    publish(
        "embedding_spread",
        {
            "model": MODEL,
            "photos": pairs(vectors(model, photo_files(SHARED / "photos", 1000).values())),
            "kodak": pairs(vectors(model, kodak)),
            "edits": {name: edits(model, SHARED / "copies" / name) for name in ("bridge-mods", "dih")},
        },
    )


if __name__ == "__main__":
    main()
