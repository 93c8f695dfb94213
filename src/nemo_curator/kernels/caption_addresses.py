"""Addresses and file names in a caption: they name a place, not what a picture shows."""

from __future__ import annotations

import re

# Every repetition is bounded or begins where a word begins, and what separates its parts is in none of them, so that no
# text takes more than a linear time.
_ADDRESS = re.compile(
    r"""
      (?<!\w) (?: (?:https?|ftps?|file) :// | data: \w{1,20}/ ) [^\s<>"']+                 # a URL
    | (?<!\w) www\. [^\s<>"']+
    | (?<![\w.+-]) [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63}){1,8}                       # an e-mail address
    | (?<![\w.-]) [\w-]{1,200} (?:\.[\w-]{1,63}){0,8}                                       # a file, or a bare host
      \. (?:jpe?g|jpe|png|gif|webp|avif|heic|heif|tiff?|bmp|svg|psd|jxl|raw|cr2|nef|arw|dng|pdf|html?|php|aspx?
          |com|net|org|info|edu|gov|shop|store) (?!\w) (?:/[^\s<>"']*)?
    | (?<![^\W_]) (?:img|dsc[nf]?|pxl|dji|gopr|mvi|sam|imag|pict|cimg|hpim|image|photo|picture|pic|screenshot
          |unnamed|untitled|download) [_-]{1,2} \d{1,20} (?:[_-]{1,2}[^\W_]{1,40}){0,8} (?!\w)     # a camera's name
    | (?<!\w) (?:img|dsc[nf]?|pxl|mvi|cimg|hpim|dscf|gopr|p1|fullsizerender) \d{3,20} (?!\w)
    | (?<!\w) (?:screen[ ]?shot|screenshot|whatsapp[ ](?:image|video)|scan|foto|photo)
          [ ] \d{4}-\d\d-\d\d (?:[ ](?:at[ ])?\d\d[.:-]\d\d(?:[.:-]\d\d)?(?:[ ][ap]m)?)?
    | (?<!\w) (?:19|20)\d{6} [_-] \d{6,9} (?!\w)                                            # the moment it was taken
    | (?<!\w) [0-9a-f]{8} (?:-[0-9a-f]{4}){3} - [0-9a-f]{12} (?!\w)                         # a UUID
    | (?<!\w) (?=[a-f]{0,63}\d) (?=\d{0,63}[a-f]) [0-9a-f]{16,64} (?!\w)                    # a digest
    """,
    re.IGNORECASE | re.VERBOSE,
)

# What every address has somewhere; most captions have none of it, and it is found sooner.
_SIGN = re.compile(r"[.@:_-]\S|\d\d|[a-f]\d|\d[a-f]", re.IGNORECASE)


def addresses(text: str) -> int:
    """How many URLs, e-mail addresses, file names, camera-made names and digests a caption has.

    Args:
        text: A caption; take at most `caption_words.LOOKED_AT` characters of it.
    """
    return sum(1 for _ in _ADDRESS.finditer(text)) if _SIGN.search(text) else 0


def without_addresses(text: str) -> str:
    """The text with a space for each of them."""
    return _ADDRESS.sub(" ", text) if _SIGN.search(text) else text
