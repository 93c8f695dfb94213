"""A thousand captions of every kind that the web has, made here, the same in every process."""

from __future__ import annotations

from collections.abc import Callable
from random import Random


def _words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


WORDS = _words(
    "a photo of the red dress with long sleeves on white background woman's t-shirt they'll we're i'm vintage "
    "Camera OAK Table 3-piece set, size 42 EUR (2019) NEW! sunset over lake Como at dusk; snow-capped mountains HDR"
)
LATIN = _words(
    "Zwölf Boxkämpfer naïve façade Ærøskøbing ŁÓDŹ smörgåsbord ĲSSEL straße İSTANBUL \u0131ss\u0131z ǅungla ﬁre"
)
GREEK = _words("ΟΔΥΣΣΕΥΣ ΣΑΣ σοφός Ἀθῆναι ᾧ ΐ Σ")
CYRILLIC = _words("Красное платье ЁЛКА съезд їжак Ѣ")
ARABIC = _words("فستان أحمر طويل مُحَمَّد ١٢٣ لا ﷺ")
HEBREW = _words("שִׂמְלָה אדומה שָׁלוֹם ירושלים")
INDIC = _words("लाल पोशाक क्षत्रिय हिन्दी লাল পোশাক சிவப்பு ఎరుపు ด้วย ชุดสีแดง བོད་སྐད")
HAN = "红色连衣裙長袖白色背景の写真赤いドレスを着た女性東京タワー夜景カメラﾊﾝｶｸ々〇㈱"
HANGUL = "빨간드레스서울의밤각힣"
EMOJI = ("😂", "❤️", "👩‍👩‍👧‍👦", "👍🏽", "🇩🇪🇯🇵", "🏴‍☠️", "1️⃣", "☃", "🧿", "✨✨✨", "©", "™")
SPACES = (" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u000b")
CONTROLS = (
    "\x00",
    "\x01",
    "\x1b[0m",
    "\x1c",
    "\x1f",
    "\x7f",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u202e",
    "\ufffd",
    "\ue000",
)
ENTITIES = ("&amp;", "&quot;", "&#39;", "&lt;b&gt;", "&nbsp;", "&#x1F600;", "<b>", "</a>", "<br/>", "&eacute")
SIGNS = (
    "--",
    "...",
    "…",
    "_",
    "__init__",
    "''s",
    "'S",
    "\u2019s",
    "'ll",
    "!'re",
    "½",
    "²",
    "Ⅷ",
    "①",
    "3.14",
    "1,000",
    "#tag",
    "@me",
    "%20",
    "\\n",
    "|",
)
MARKS = (
    "\u0301\u0316\u0323\u0308\u030a\u0327\u0345\u0334\u05b8\u0651"
    "\u093c\u0e49\u0f71\u0f72\u0f73\u3099\u20d0\u1df6\u0d3b\U0001e130"
)
MARKED = ("<|endoftext|>", "<|ENDOFTEXT|>", "<|startoftext|>", "<|StartOfText|>", "<|endoftext", "|>", "< |endoftext|>")
LONG = 100_000
"""Characters of the longest captions."""


def captions() -> list[str]:
    """1,000 captions; the last are the longest."""
    draw = Random(0)  # noqa: S311  captions, no secrets
    made = ["", " ", "\t\n\u3000", "\x00", "a", "'", "<|endoftext|>", "\u0301", "😂"]
    while len(made) < 970:
        made.append(_KINDS[len(made) % len(_KINDS)](draw))
    return made + _long(draw)


def _mixed(*sources: tuple[str, ...] | list[str] | str) -> Callable[[Random], str]:
    """A maker of captions of words or characters from several sources."""

    def make(draw: Random) -> str:
        parts = [draw.choice(draw.choice(sources)) for _ in range(draw.randrange(1, 30))]
        return "".join(part + (draw.choice(SPACES[:3]) if draw.random() < 0.7 else "") for part in parts)

    return make


def _decomposed(draw: Random) -> str:
    """Letters with marks behind them, in any order."""
    letters = [
        draw.choice("aeiouAEIOUcns\u0391ωかサबཀ각ᄀ") + "".join(draw.choices(MARKS, k=draw.randrange(6)))
        for _ in range(12)
    ]
    return "".join(letters[:6]) + " " + "".join(letters[6:])


def _address(draw: Random) -> str:
    """A caption with an address in it."""
    name = "_".join(draw.choices(WORDS, k=3))
    return f"https://www.example.com/{name}?id={draw.randrange(10**9)}&q=a%20b IMG_{draw.randrange(10_000):04}.JPG"


def _shouted(draw: Random) -> str:
    """A caption in capitals."""
    return " ".join(draw.choices((*WORDS, *LATIN, *GREEK, *CYRILLIC), k=8)).upper()


_KINDS = (
    _mixed(WORDS),
    _mixed(WORDS, LATIN),
    _mixed(WORDS, SIGNS),
    _mixed(WORDS, EMOJI),
    _mixed(EMOJI),
    _mixed(HAN),
    _mixed(HAN, WORDS, EMOJI),
    _mixed(HANGUL, SIGNS),
    _mixed(ARABIC),
    _mixed(HEBREW, WORDS),
    _mixed(INDIC),
    _mixed(GREEK, CYRILLIC),
    _mixed(WORDS, ENTITIES),
    _mixed(WORDS, CONTROLS),
    _mixed(WORDS, SPACES),
    _mixed(SIGNS),
    _mixed(WORDS, MARKED),
    _mixed(MARKED, SIGNS, EMOJI),
    _decomposed,
    _address,
    _shouted,
)


def _long(draw: Random) -> list[str]:
    """30 captions that are longer than any model reads, some of them one word."""
    sources = (WORDS, LATIN, ARABIC, INDIC, EMOJI, SIGNS, ENTITIES)
    spoken = [" ".join(draw.choices(source, k=LONG // 10)) for source in sources]
    one = [
        LONG * "a",
        LONG * "!",
        LONG * "1",
        LONG * " ",
        LONG * "😂",
        LONG // 2 * "a1",
        LONG // 2 * "'s",
        LONG // 2 * "漢字",
    ]
    joined = [
        "".join(draw.choices(letters, k=LONG)) for letters in ("abcdefgh", "etaoinshr", HAN, HANGUL, "אבגד", "!?.")
    ]
    marked = ["a" + LONG // 2 * "\u0301\u0316", "a" + "".join(draw.choices(MARKS, k=LONG)), LONG // 10 * "e\u0301 "]
    mixed = [LONG * " " + "the end", LONG // 13 * "<|endoftext|>", LONG // 4 * "\x00\n", 5_000 * "haha" + " x"]
    return [*spoken, *one, *joined, *marked, *mixed, "the " * 74 + "last", "the " * 75 + "last"]
