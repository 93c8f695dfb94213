"""Do the scores find the damage that they are meant to find?

Clean photographs are damaged in known ways at four severities (`support/damages.py`), and scored through the stages
themselves. The figure is the area under the ROC curve (AUC) of damaged against clean: the probability that a damaged
picture scores worse than a clean one of the same collection, 1.0 for perfect, 0.5 for guessing. Where CleanVision
(0.3; a tool for this comparison only, `pip install cleanvision==0.3.7`) is installed, its counterpart is measured on
the same pictures.

Which severities count: all four of each damage. The weakest blur, noise, JPEG and rescaling are those of a mean
MS-SSIM of 0.98 on Kodak, which one sees side by side; the weakest of the others are plain to see (0.4 times the
light, 0.3 times the contrast, a tenth of frame, 3:1, a twentieth of text).

Misses are damaged pictures that score better than the worst twentieth of the clean ones, and clean or natural ones
that score worse than half of the damaged ones; the worst of each damage go on a sheet in `results/filter_evidence/`.

Run: `python benchmarks/filter_evidence.py [--kodak FOLDER] [--photos FOLDER] [--count 200] [--text-count 40]`
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import CuratorError
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject
from support import cleanvision_scores
from support.clean_pictures import SHARED, doubled, halved, kodak, natural, packaged, photos
from support.contact_sheet import contact_sheet
from support.damages import DAMAGES, SEVERITIES
from support.machine import RESULTS, publish

Pixels = npt.NDArray[np.uint8]
SHEETS = RESULTS / "filter_evidence"
FILTERS = "nemo_curator.stages.image.filters"
ENOUGH = 0.95


@dataclass(frozen=True)
class Judge:
    """A column, and whether high or low is worse."""

    score: str
    column: str
    worse: int = -1  # low is worse

    def __str__(self) -> str:
        """The column's name."""
        return self.column


# the first of each line is what the damage is judged by; the others are shown
JUDGES: dict[str, tuple[Judge, ...]] = {
    "blur": (Judge("detail", "fine_sharpness"), Judge("sharpness", "sharpness")),
    "rescale": (Judge("detail", "fine_sharpness"), Judge("sharpness", "sharpness")),
    "noise": (Judge("detail", "noise", +1),),
    "jpeg": (Judge("blockiness", "blockiness", +1),),
    "dark": (Judge("exposure", "white_point"), Judge("exposure", "dark_share", +1), Judge("exposure", "brightness")),
    "bright": (Judge("exposure", "black_point", +1), Judge("exposure", "bright_share", +1)),
    "flat": (
        Judge("contrast", "dynamic_range"),
        Judge("contrast", "contrast"),
        Judge("entropy", "entropy"),
        Judge("edges", "edge_density"),
    ),
    "letterbox": (Judge("borders", "letterbox_share", +1), Judge("borders", "border_share", +1)),
    "pillarbox": (Judge("borders", "pillarbox_share", +1), Judge("borders", "border_share", +1)),
    "frame": (Judge("borders", "border_share", +1),),
    "aspect": (Judge("header", "aspect", +1),),
    "text": (Judge("text", "text_share", +1),),
}


@dataclass
class Scorer:
    """The stages, made once."""

    stages: dict[str, BaseFilterStage | None] = field(default_factory=dict)

    def stage(self, score: str) -> BaseFilterStage | None:
        """The stage of that recipe name; None where it, or a part of it, is not installed."""
        if score not in self.stages:
            try:
                module = importlib.import_module(f"{FILTERS}.{score}_filter")
                stage = getattr(module, f"Image{score.capitalize()}FilterStage")()
                stage.setup()
            except (ImportError, CuratorError):
                stage = None
            self.stages[score] = stage
        return self.stages[score]

    def columns(self, judges: tuple[Judge, ...], pixels: Pixels) -> list[float]:
        """Each judge's figure, turned so that high is good."""
        image = ImageObject(image_id="one", image_data=np.ascontiguousarray(pixels))
        answers: dict[str, Any] = {}
        for judge in judges:
            if judge.score not in answers:
                stage = self.stage(judge.score)
                given = stage.score([image])
                answers[judge.score] = given if isinstance(given, dict) else {judge.column: given}
        return [-judge.worse * float(answers[judge.score][judge.column][0]) for judge in judges]


def auc(damaged: npt.NDArray[Any], clean: npt.NDArray[Any]) -> float:
    """Probability that a damaged picture scores below a clean one; equal scores count half."""
    ordered = np.sort(clean)
    above = len(clean) - np.searchsorted(ordered, damaged, "right")
    equal = np.searchsorted(ordered, damaged, "right") - np.searchsorted(ordered, damaged, "left")
    return float((above + equal / 2).sum() / (len(clean) * len(damaged)))


Scored = dict[int, npt.NDArray[Any]]
"""Severity (0 for clean) to `(pictures, judges)` figures, high is good."""


def score_all(pictures: dict[str, Pixels], damage: str, measure: Callable[[Pixels], list[float]]) -> Scored:
    """Every picture, clean and at every severity."""
    rows: dict[int, list[list[float]]] = {severity: [] for severity in (0, *SEVERITIES)}
    for seed, pixels in enumerate(pictures.values()):
        for severity, values in rows.items():
            values.append(measure(DAMAGES[damage](pixels, severity, seed) if severity else pixels))
    return {severity: np.array(values) for severity, values in rows.items()}


def aucs(scored: Scored, judge: int) -> list[float]:
    """One a severity."""
    return [round(auc(scored[severity][:, judge], scored[0][:, judge]), 4) for severity in SEVERITIES]


def misses(scored: Scored, pictures: dict[str, Pixels], damage: str) -> Iterator[tuple[Pixels, str]]:
    """Damaged pictures that pass for clean, the best first; then clean ones that pass for damaged, the worst first."""
    names, clean = list(pictures), scored[0][:, 0]
    bar = np.quantile(clean, 0.05)
    found = [
        (scored[severity][index, 0], severity, index)
        for severity in SEVERITIES
        for index in np.flatnonzero(scored[severity][:, 0] > bar)
    ]
    for score, severity, index in sorted(found, reverse=True)[:9]:
        yield (
            DAMAGES[damage](pictures[names[index]], severity, int(index)),
            f"{names[index]}: missed\n{damage} {severity}: {abs(score):.3f}",
        )
    half = np.median(scored[1][:, 0])
    for index in np.argsort(clean)[:9]:
        if clean[index] < half:
            yield pictures[names[index]], f"{names[index]}: clean,\nbelow half of {damage} 1: {abs(clean[index]):.3f}"


def judged(name: str, pictures: dict[str, Pixels], scorer: Scorer, damage: str, theirs: Any) -> dict[str, Any] | str:
    """What the scores, and their counterpart, make of one damage to one collection."""
    judges = JUDGES[damage]
    if any(scorer.stage(judge.score) is None for judge in judges):
        return "not installed"
    scored = score_all(pictures, damage, lambda pixels: scorer.columns(judges, pixels))
    figures: dict[str, Any] = {"judge": str(judges[0])}
    figures |= {str(judge): aucs(scored, index) for index, judge in enumerate(judges)}
    if damage in theirs:
        figures["cleanvision"] = aucs(score_all(pictures, damage, lambda pixels: [theirs[damage](pixels)]), 0)
    good = figures[str(judges[0])]
    figures["enough"] = min(good) >= ENOUGH
    figures["no_worse"] = all(a >= b for a, b in zip(good, figures.get("cleanvision", good), strict=True))
    hard = {}
    half = np.median(scored[1][:, 0])
    for one, (pixels, why) in natural().items():
        (score,) = scorer.columns(judges[:1], pixels)
        if score < half:
            hard[f"{one} ({why})"] = round(abs(score), 3)
    figures["natural_ones_beyond_half_of_severity_1"] = hard
    found = list(misses(scored, pictures, damage))
    bar = np.quantile(scored[0][:, 0], 0.05)
    figures["missed"] = [int((scored[severity][:, 0] > bar).sum()) for severity in SEVERITIES]
    if found:
        sheet = SHEETS / f"{name}-{damage}.jpg"
        contact_sheet(found, sheet)
        figures["sheet"] = str(sheet.relative_to(RESULTS.parent))
    return figures


def laplacian(pixels: Pixels) -> float:
    """The usual blur score: the variance of the Laplacian at full size."""
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    inner = -4 * grey[1:-1, 1:-1] + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(inner.var())


def robustness(pictures: dict[str, Pixels], scorer: Scorer, theirs: Any) -> dict[str, Any]:
    """AUC where size and noise speak against the truth: clean pictures small, blurred ones large, or noisy, or both."""
    random = np.random.default_rng(0)

    def grainy(pixels: Pixels) -> Pixels:
        return np.clip(np.rint(pixels + random.normal(0, 10, pixels.shape)), 0, 255).astype(np.uint8)

    def blurred(pixels: Pixels) -> Pixels:
        return DAMAGES["blur"](pixels, 3, 0)

    cases: dict[str, tuple[Callable[[Pixels], Pixels], Callable[[Pixels], Pixels]]] = {
        "same size": (lambda p: p, blurred),
        "clean halved, blurred doubled": (halved, lambda p: doubled(blurred(p))),
        "clean doubled, blurred halved": (doubled, lambda p: halved(blurred(p))),
        "blurred then grain of 10 levels": (lambda p: p, lambda p: grainy(blurred(p))),
        "clean halved, blurred doubled then grain": (halved, lambda p: grainy(doubled(blurred(p)))),
        "clean with grain, blurred as JPEG": (grainy, lambda p: DAMAGES["jpeg"](blurred(p), 1, 0)),
    }
    measures: dict[str, Callable[[Pixels], float]] = {
        "sharpness": lambda p: scorer.columns((Judge("sharpness", "sharpness"),), p)[0],
        "fine_sharpness": lambda p: scorer.columns((Judge("detail", "fine_sharpness"),), p)[0],
        "variance of the Laplacian": laplacian,
    }
    if "blur" in theirs:
        measures["cleanvision"] = theirs["blur"]
    found: dict[str, Any] = {}
    for case, (make_clean, make_blurred) in cases.items():
        pairs = [(make_clean(pixels), make_blurred(pixels)) for pixels in pictures.values()]
        found[case] = {
            name: round(auc(np.array([f(b) for _, b in pairs]), np.array([f(c) for c, _ in pairs])), 4)
            for name, f in measures.items()
        }
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| pictures | damage | score | 1 | 2 | 3 | 4 |", "|---|---|---|---:|---:|---:|---:|"]
    for name, damages in figures.items():
        for damage, found in damages.items():
            if isinstance(found, str):
                lines.append(f"| {name} | {damage} | {found} | | | | |")
                continue
            for score, values in found.items():
                if isinstance(values, list) and score != "missed":
                    lines.append(f"| {name} | {damage} | {score} | " + " | ".join(f"{v:.3f}" for v in values) + " |")
    return "\n".join(lines)


def collections(kodak_at: Path, photos_at: Path, count: int) -> dict[str, dict[str, Pixels]]:
    """Name to pictures, of those that are there."""
    found = {}
    if kodak_at.is_dir():
        found["kodak"] = kodak(kodak_at)
    if photos_at.is_dir():
        found["photos"] = photos(photos_at, count)
    return found or {"packaged": packaged()}


def main() -> None:
    """Damage, score, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kodak", type=Path, default=SHARED / "kodak")
    parser.add_argument("--photos", type=Path, default=SHARED / "photos")
    parser.add_argument("--count", type=int, default=200, help="how many of the photos")
    parser.add_argument("--text-count", type=int, default=40, help="how many pictures of each collection for text")
    parser.add_argument("--only", nargs="*", default=list(JUDGES), choices=list(JUDGES), help="damages")
    asked = parser.parse_args()
    scorer, theirs = Scorer(), cleanvision_scores.counterparts()
    figures: dict[str, Any] = {}
    sets = collections(asked.kodak, asked.photos, asked.count)
    for name, pictures in sets.items():
        few = dict(list(pictures.items())[: asked.text_count])
        figures[name] = {
            damage: judged(name, few if damage == "text" else pictures, scorer, damage, theirs) for damage in asked.only
        }
    robust = (
        {name: robustness(pictures, scorer, theirs) for name, pictures in sets.items()} if "blur" in asked.only else {}
    )
    all_found = [one for damages in figures.values() for one in damages.values() if not isinstance(one, str)]
    publish(
        "filter_evidence",
        {
            "pictures": {name: len(pictures) for name, pictures in sets.items()},
            "cleanvision": cleanvision_scores.installed(),
            "auc": figures,
            "blur_against_size_and_noise": robust,
            "all_enough": all(one["enough"] for one in all_found),
            "all_no_worse_than_cleanvision": all(one["no_worse"] for one in all_found),
        },
    )
    print(table(figures))


if __name__ == "__main__":
    main()
