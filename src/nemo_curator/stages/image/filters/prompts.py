"""What `clip_prompts` is given: names, and the texts that stand for each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_curator.models.tokenizers.clip_tokenizer import LENGTH, ClipTokenizer

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SIDES = ("for", "against")
_FORMS = '`watermark: ["a watermarked photo", …]`, or `watermark: {for: […], against: […]}`'


@dataclass(frozen=True, slots=True)
class Prompt:
    """One score by texts.

    Attributes:
        name: What it looks for; its column is `<name>_score`.
        wanted: Texts of what it looks for.
        against: Texts of what it is told apart from; none where it is not.
    """

    name: str
    wanted: tuple[str, ...]
    against: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Name of its column."""
        return f"{self.name}_score"

    @property
    def texts(self) -> tuple[str, ...]:
        """All its texts."""
        return (*self.wanted, *self.against)


def read_prompts(given: Any) -> tuple[Prompt, ...]:
    """The prompts that a recipe names, in its order.

    Args:
        given: Name to a text, a list of texts, or `{for: texts, against: texts}`.

    Raises:
        ValueError: A name is no name of a column, there is no text, one is empty, or is longer than CLIP reads.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"prompts are names with texts, such as {_FORMS}")  # noqa: TRY004 (the recipe's words)
    return tuple(_prompt(name, texts) for name, texts in given.items())


def _prompt(name: Any, given: Any) -> Prompt:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for prompts; it becomes the column NAME_score, so use small letters, digits and _"
        )
    if not isinstance(given, Mapping):
        return Prompt(name, _texts(name, given))
    if set(given) != set(_SIDES):
        raise ValueError(f"the prompts of {name} have {', '.join(map(repr, given)) or 'nothing'}; write {_FORMS}")
    wanted, against = (_texts(name, given[side]) for side in _SIDES)
    both = next((text for text in wanted if text in against), None)
    if both is not None:
        raise ValueError(f"the text {both!r} stands on both sides of {name}")
    return Prompt(name, wanted, against)


def _texts(name: str, given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not texts:
        raise ValueError(f"{name} has no texts; write {_FORMS}")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{text!r} is no text for {name}; where it was meant as one, put it in quotes")
        if not ClipTokenizer().fits(text):
            raise ValueError(
                f"a text for {name} has more than the {LENGTH - 2} tokens (words and parts of words) that CLIP reads, "
                f"so shorten it: {text[:60]!r}…"
            )
    return tuple(texts)
