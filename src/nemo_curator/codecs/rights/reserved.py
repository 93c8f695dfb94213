"""Which values reserve an image against text and data mining, or against training.

| said by | reserves where |
|---|---|
| XMP `plus:DataMining` | the value begins with `DMI-PROHIBITED` |
| XMP `tdm:reservation` | it is 1 |
| C2PA `training-mining` | mining or training is `notAllowed` or `constrained` |
| `noai`, `noimageai` | a keyword, a directive for robots, or a word of a notice about rights |

`DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING` and the values that refer to constraints prohibit too, with exceptions.
What says that mining is allowed does not cancel what says that it is not. Sentences in natural language are not
understood.

Source: PLUS License Data Format, "Data Mining" vocabulary, in IPTC Photo Metadata Standard 2023.1 and later; W3C TDM
Reservation Protocol Community Group, final report of 10 May 2024, and its vocabulary http://www.w3.org/ns/tdmrep
(`reservation` is 1 or 0; XMP is defined for PDF, and images get the same XMP for want of a place of their own); CAWG
Training and Data Mining Assertion 1.1, section "Assertion definition" (`constrained` without more is `notAllowed`), and
its ancestor in C2PA 1.4; DeviantArt, announcement of the `noai` and `noimageai` directives, November 2022 (made for
HTML and HTTP; in files they are a habit, and no standard).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_DIRECTIVES = frozenset({"noai", "noimageai"})
_ROBOTS = _DIRECTIVES | {"noindex", "nofollow", "noarchive", "nosnippet", "noimageindex", "none", "all", "index"}
_LONGEST_DIRECTIVE = 200
_SEPARATORS = re.compile(r"[,;\s]+")
_ROBOTS_NAME = re.compile(r"^\s*(?:x-robots-tag|robots)\s*[:=]\s*", re.IGNORECASE)
_KEYWORD_NOISE = re.compile(r"[\s_#-]+")
_WORD = re.compile(r"(?<![\w-])(noai|noimageai)(?![\w-])", re.IGNORECASE)
_RESERVED = re.compile(r"\s*(?:1|true)\s*", re.IGNORECASE)
_USES = ("data_mining", "ai_training", "ai_generative_training")
_DENIALS = frozenset({"notallowed", "constrained"})


def prohibits(value: str) -> str:
    """The term of the PLUS vocabulary in a value of `plus:DataMining` that prohibits; "" where it does not.

    Args:
        value: An address or a term of the vocabulary, or its label in English, as some writers have it.
    """
    term = value.strip().rpartition("/")[2].upper()
    if term.startswith("DMI-PROHIBITED"):
        return term[:60]
    return "DMI-PROHIBITED" if value.strip().lower().startswith("prohibited") else ""


def reserves(value: str) -> bool:
    """Whether a value of TDMRep's `reservation` reserves; all but 1 count as unset, as the protocol has it."""
    return _RESERVED.fullmatch(value) is not None


def denied_uses(assertion: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(use, `notAllowed` or `constrained`, constraints) of the uses that an assertion denies.

    Inference does not count, and nor do uses that others than C2PA and CAWG defined.

    Args:
        assertion: A training and data mining assertion.
    """
    entries = assertion.get("entries")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        prefix, _, use = str(name).partition(".")
        if prefix not in {"c2pa", "cawg"} or use not in _USES or not isinstance(entry, dict):
            continue
        said = entry.get("use")
        if isinstance(said, str) and said.lower() in _DENIALS:
            info = entry.get("constraint_info") or entry.get("constraints_info")
            denial = "notAllowed" if said.lower() == "notallowed" else "constrained"
            yield str(name), denial, info if isinstance(info, str) else ""


def directive_among(keywords: Iterable[str]) -> str:
    """`noai` or `noimageai` where one of these keywords is that, in whatever spelling (`#NoAI`, `no-ai`); else ""."""
    return next((plain for word in keywords if (plain := _plain(word)) in _DIRECTIVES), "")


def directive_in_robots(text: str) -> str:
    """The same of a text that is a list of directives for robots and nothing else.

    Args:
        text: A comment, or the value of a field named after robots.
    """
    if len(text) > _LONGEST_DIRECTIVE:
        return ""
    words = [word for word in _SEPARATORS.split(_ROBOTS_NAME.sub("", text).lower()) if word]
    if not all(word in _ROBOTS for word in words):
        return ""
    return next((word for word in words if word in _DIRECTIVES), "")


def directive_in_notice(text: str) -> str:
    """The same of a text about rights, where it is a word among others."""
    found = _WORD.search(text)
    return found[1].lower() if found else ""


def _plain(keyword: str) -> str:
    return _KEYWORD_NOISE.sub("", keyword[:_LONGEST_DIRECTIVE]).lower()
