"""Short texts whose language is known, from packages that carry translations: messages of Django, names of emoji."""

from __future__ import annotations

import ast
import gettext
import re
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

# ISO 639-1 → folder of Django's catalogue; English is what the catalogues translate from
CATALOGUES = {
    "ar": "ar", "cs": "cs", "da": "da", "de": "de", "el": "el", "es": "es", "fa": "fa", "fi": "fi", "fr": "fr",
    "he": "he", "hi": "hi", "hu": "hu", "id": "id", "it": "it", "ja": "ja", "ko": "ko", "nl": "nl", "pl": "pl",
    "pt": "pt", "ro": "ro", "ru": "ru", "sv": "sv", "th": "th", "tr": "tr", "uk": "uk", "vi": "vi", "zh": "zh_Hans",
}  # fmt: skip
UNSPACED = ("ja", "th", "zh")
_CHARACTERS_A_WORD = 2  # of scripts that write no spaces
_NOT_PROSE = re.compile(r"%\(\w+\)\w|%\w|\S*[{}<>_\\/]\S*|[\n\"“”«»„「」]|\w+\.\w+")
_PICTOGRAPHIC = 2  # words that a name of an emoji must have to be a description


def messages() -> dict[str, list[str]]:
    """Language → Django's messages in it that are prose: without placeholders, markup or line breaks."""
    spec = find_spec("django")
    if spec is None or spec.origin is None:
        raise SystemExit("this benchmark reads the translations of Django: pip install django emoji")
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for language, folder in CATALOGUES.items():
        for path in sorted(Path(spec.origin).parent.rglob(f"locale/{folder}/LC_MESSAGES/django.mo")):
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # noqa: SLF001 (no other list)
            for key, text in catalogue.items():
                source = key[0] if isinstance(key, tuple) else key
                if source and text and text != source:
                    found[language][_prose(text)] = None
                    found["en"][_prose(source.rpartition("\x04")[2])] = None
    return {language: list(texts) for language, texts in sorted(found.items())}


def _prose(message: str) -> str:
    """The longest stretch of a message without placeholders, markup, quotes or names of files."""
    return max(_NOT_PROSE.split(message), key=len).strip()


def names_of_emoji() -> dict[str, list[str]]:
    """Language → what emoji show, in it, as Unicode CLDR says; descriptions of two words or more."""
    import emoji

    found = {}
    for language in ("ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh"):
        emoji.config.load_language(language)
        texts = dict.fromkeys(
            data[language].strip(":").replace("_", " ").replace("-", " ")
            for data in emoji.EMOJI_DATA.values()
            if language in data and data["status"] == emoji.STATUS["fully_qualified"]
        )
        found[language] = [text for text in texts if length(text, language) >= _PICTOGRAPHIC]
    return found


def names_of_things() -> list[str]:
    """English names of ImageNet's classes, as the package `open_clip_torch` lists them, where it is installed."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        return []
    module = ast.parse(
        (Path(spec.origin).parent / "zero_shot_metadata.py").read_text(encoding="utf-8")
    )  # needs no torch
    for node in module.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "IMAGENET_CLASSNAMES":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def length(text: str, language: str) -> int:
    """Words of a text; where no spaces are written, characters divided by two."""
    return len(text) // _CHARACTERS_A_WORD if language in UNSPACED else len(text.split())


def beginning(text: str, words: int, language: str) -> str:
    """The first so many words."""
    return text[: words * _CHARACTERS_A_WORD] if language in UNSPACED else " ".join(text.split()[:words])


def of_length(texts: dict[str, list[str]], words: int, most: int) -> list[tuple[str, str]]:
    """(text, language) of exactly that many words, at most so many a language, cut from longer messages."""
    pairs = []
    for language, known in texts.items():
        long_enough = [beginning(text, words, language) for text in known if length(text, language) >= words]
        distinct = list(dict.fromkeys(long_enough))
        step = max(1, len(distinct) // most)
        pairs += [(text, language) for text in distinct[::step][:most]]
    return pairs
