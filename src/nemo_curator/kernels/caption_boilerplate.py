"""Stock phrases in a caption: words of the page, its shop or its software, which say nothing of the picture.

Sharma et al. ("Conceptual Captions", ACL 2018) drop such captions ("click to enlarge picture", "stock photo",
"embedded image permalink", "profile photo"). The list is our own and short; a user adds what their source repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nemo_curator.kernels.caption_words import Caption

PHRASES = (
    # agencies and licences
    "stock photo", "stock photos", "stock image", "stock images", "stock photography", "stock illustration",
    "stock vector", "stock footage", "royalty free", "royalty-free", "shutterstock", "istockphoto", "istock",
    "getty images", "gettyimages", "alamy", "dreamstime", "depositphotos", "adobe stock", "123rf", "vectorstock",
    "photo by", "photo credit", "photo courtesy", "image courtesy", "photograph by", "image credit", "image by",
    "all rights reserved", "copyright", "symbolfoto", "alle rechte vorbehalten", "tous droits réservés",
    "todos los derechos reservados", "tutti i diritti riservati",
    # what a page asks of its reader
    "click to enlarge", "click to view", "click to zoom", "click here", "click for", "click on", "tap to",
    "read more", "see more", "learn more", "view larger", "larger image", "full size image", "roll over", "subscribe",
    "download now", "free download", "share this", "pin it", "follow us", "scroll down", "hover to", "zum vergrößern",
    "cliquez pour agrandir", "haga clic", "clicca per ingrandire",
    # where there is nothing
    "image not available", "image unavailable", "image not found", "image coming soon", "no image", "no photo",
    "photo not available", "no picture", "no description", "no caption", "no alt text", "alt text", "default title",
    "default image", "default alt", "image description", "insert caption", "lorem ipsum", "placeholder",
    "image may contain", "kein bild", "bild nicht verfügbar", "image non disponible", "imagen no disponible",
    "immagine non disponibile",
    # shops
    "add to cart", "add to wishlist", "buy now", "shop now", "free shipping", "in stock", "out of stock", "sold out",
    "best price", "on sale now", "sale price", "regular price", "product image", "product photo", "gallery image",
    "hi-res",
    # software
    "embedded image permalink", "profile photo", "profile picture", "profile image", "video thumbnail",
    "thumbnail for", "thumbnail of", "thumbnail image", "featured image", "background image", "header image",
    "page not found",
)  # fmt: skip
"""Phrases that count wherever they stand, in any case. They are compared word by word."""

NAMELESS = frozenset(
    {
        "image", "images", "img", "photo", "photos", "photograph", "picture", "pictures", "pic", "thumbnail", "logo",
        "icon", "banner", "avatar", "figure", "slide", "screenshot", "graphic", "caption", "title", "description",
        "alt", "null", "untitled", "none", "nan", "undefined", "unknown", "n/a", "na", "test", "default", "blank",
        "empty", "spacer", "bild", "foto", "imagen", "immagine", "imagem", "изображение", "фото", "图片", "画像",
        "사진",
    }
)  # fmt: skip
"""What counts where it is the whole caption, with a number behind it or without."""

_MARKS = re.compile(
    r"""
      (?<!\w) \# [^\W\d]\w{1,100}                                               # a hashtag
    | (?<![\w@.]) @ [^\W\d]\w{1,100}                                           # a mention
    | [$€£¥₹₽] \s? \d{1,12} (?:[.,]\d{1,12}){0,4}                                # a price
    | (?<![\w.,]) \d{1,12} (?:[.,]\d{1,12}){0,4} \s? (?:[$€£¥₹₽]|(?:usd|eur|gbp)(?!\w))
    | & (?:[a-z]{2,8}|\#\d{1,7}|\#x[0-9a-f]{1,6}) ;                            # an entity that nobody decoded
    | < /? [a-z][^<>]{0,200} >                                                 # markup
    | \{\{ [^{}]{0,200} \}\} | %[a-z]{1,30}%                                  # a template that nobody filled
    | \[ /? (?:caption|gallery|embed|video|img|url) (?!\w) [^\[\]]{0,100} \]   # the markup of a forum or a blog
    | [©®™]
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SIGN = re.compile(
    r"[#@$€£¥₹₽&<{%\[©®™]|\d\s?(?:usd|eur|gbp)", re.IGNORECASE
)  # what every mark has; most captions have none
_NUMBERING = " 0123456789#._()[]:-"

Phrases = Mapping[str, tuple[tuple[str, ...], ...]]


def phrasebook(more: Iterable[str] = ()) -> Phrases:
    """Phrases by their first word, the longest first: ours, and more.

    Args:
        more: Phrases of a user, in any case.

    Raises:
        ValueError: One of them has no word.
    """
    book: dict[str, set[tuple[str, ...]]] = {}
    for phrase in (*PHRASES, *more):
        said = Caption.of(phrase).words
        if not said:
            raise ValueError(f"the phrase {phrase!r} has no word that could be found")
        book.setdefault(said[0], set()).add(said)
    return {first: tuple(sorted(known, key=lambda one: (-len(one), one))) for first, known in book.items()}


def boilerplate(caption: Caption, phrases: Phrases) -> int:
    """How often a caption says what pages say of any picture.

    Stock phrases, hashtags, mentions, prices, copyright and trade marks, markup and templates; and one more where the
    whole caption is a word such as "image", "logo 2" or "untitled".

    Args:
        caption: A caption, taken apart.
        phrases: What `phrasebook` gives.
    """
    hits = sum(1 for _ in _MARKS.finditer(caption.text)) if _SIGN.search(caption.text) else 0
    said, at = caption.words, 0
    while at < len(said):
        found = next((one for one in phrases.get(said[at], ()) if said[at : at + len(one)] == one), None)
        hits += found is not None
        at += len(found) if found else 1
    return hits + (caption.text.strip().casefold().rstrip(_NUMBERING) in NAMELESS)
