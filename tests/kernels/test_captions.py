from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.kernels.caption_addresses import addresses, without_addresses
from nemo_curator.kernels.caption_boilerplate import NAMELESS, PHRASES, boilerplate, phrasebook
from nemo_curator.kernels.caption_repetition import repetition
from nemo_curator.kernels.caption_words import LOOKED_AT, Caption

BOOK = phrasebook()
# what text() leaves out, lone surrogates, is as possible in a JSON sidecar as anything else
CHARACTERS = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("a1 .,@#$<>{}[]&;:/_-'\0\u200d\ufe0f")
TEXTS = st.text(CHARACTERS, max_size=200)
# what a pattern that is not linear would stumble over, at the full length that is looked at
TIRING = [
    "1", "a", "a.", "a-", "a@", "@a", "#", "<a", "&a", "{{", "[caption", "%a", "0a", "$1,", "1.", "-", "http://",
    "www.", "stock ", "image may ", "a@a.", "\N{CJK UNIFIED IDEOGRAPH-5B57}", "\ud800", "\0", " ",
    "\N{COMBINING ACUTE ACCENT}", "img_1_", "pic_1" + "_" * 200, "img_1" + "_a" * 100,
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a photo of a t-shirt", ["a", "photo", "of", "a", "t-shirt"]),
        ("Can't stop, won't stop!", ["can't", "stop", "won't", "stop"]),
        ("costs 1,999.50 EUR.", ["costs", "1,999.50", "eur"]),
        ("red,green/blue", ["red", "green", "blue"]),
        ("IMG_1234.jpg", ["img_1234", "jpg"]),
        ("हिन्दी में शीर्षक", ["हिन्दी", "में", "शीर्षक"]),
        ("صورة قميص أحمر", ["صورة", "قميص", "أحمر"]),
        ("빨간 셔츠", ["빨간", "셔츠"]),
        ("红色衬衫", ["红", "色", "衬", "衫"]),
        ("赤いスカート", ["赤", "い", "スカート"]),
        ("ｶﾞﾗｽ の 皿", ["ｶﾞﾗｽ", "の", "皿"]),
        ("เสื้อสีแดง", ["เสื้", "อสีแ", "ดง"]),
        ("cafe\N{COMBINING ACUTE ACCENT} noir", ["cafe\N{COMBINING ACUTE ACCENT}", "noir"]),
        ("\N{FAMILY} \N{HEAVY BLACK HEART}\ufe0f !? --", []),
        ("a\0b \ud800 c", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_words(text, words):
    """Words are told in every script: by spaces, or by the sign where a script writes none."""
    assert list(Caption.of(text).words) == words


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a red dress", 1.0),
        ("हिन्दी", 1.0),
        ("ab!?", 0.5),
        ("a\ud800\0 \u200b", 1.0),
        ("1\ufe0f\N{COMBINING ENCLOSING KEYCAP}", 0.5),
        ("!!!", 0.0),
        (" \n\0", 0.0),
        ("", 0.0),
    ],
)
def test_alphanumeric_share(text, share):
    """Letters with their marks and digits count among what takes room; a text without anything has none."""
    assert Caption.of(text).alphanumeric_share == share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a man riding a horse", 0.0),
        ("the hat of the man of the house", 5 / 24),  # "of the" comes again, "the" and "of" alone do not count
        ("red dress red dress red dress", 16 / 24),
        ("Shoes men SHOES women shoes", 10 / 23),
        ("hat hat hat hat", 9 / 12),
        ("wow!!!!!!", 3 / 9),
        ("www. ...", 0.0),
        ("-" * 40, 37 / 40),
        ("红色衬衫 红色衬衫", 0.5),
        (" " * 40, 0.0),
        ("", 0.0),
    ],
)
def test_repetition(text, share):
    """What says again what was said before counts by its characters; articles and prepositions alone do not."""
    assert repetition(Caption.of(text)) == pytest.approx(share)


def test_stuffing_is_more_repetitive_than_a_sentence():
    """Keywords that are stuffed into a caption stand out from what people write."""
    stuffed = "cheap shoes, men shoes, women shoes, buy cheap shoes, running shoes for men, cheap running shoes"
    written = "Two women in running shoes wait at the corner of a busy street while a man crosses the street with a dog"
    assert repetition(Caption.of(stuffed)) > 0.5
    assert repetition(Caption.of(written)) < 0.15


@pytest.mark.parametrize(
    "text",
    [
        "https://www.example.com/a/b.jpg?c=d#e", "ftp://example.com", "www.example.de", "joe.doe+x@mail.example.co.uk",
        "IMG_1234", "IMG_1234.jpg", "img-20210304-wa0001", "DSC01234", "DSCN0123.JPG", "P1010123",
        "PXL_20210304_123456789", "red-shoes_final.v2.PNG",
        "20210304_123456", "Screenshot 2021-03-04 at 12.30.11 PM", "Screen Shot 2021-03-04",
        "WhatsApp Image 2021-03-04 at 12.30.11", "example.com", "example.org/path", "photo-1", "untitled-3",
        "IMG_1234_a_b_c_d_e-1", "IMG__12__edited",
        "d41d8cd98f00b204e9800998ecf8427e", "123e4567-e89b-12d3-a456-426614174000", "data:image/png;base64,AAAA",
    ],
)  # fmt: skip
def test_an_address_is_one_hit(text):
    """URLs, e-mail addresses, file names and camera names are found, each once, alone and inside a sentence."""
    assert addresses(text) == 1
    assert addresses(f"see {text} here") == 1
    assert without_addresses(f"see {text} here").split() == ["see", "here"]


@pytest.mark.parametrize(
    "text",
    [
        "a photo of a t-shirt", "a U.S. flag, e.g. at 12.30 p.m.", "the ratio 3:2", "John F. Kennedy in 1961",
        "MP3 player with 128 GB", "size 38/40 - blue", "room 1234567890", "a man @ work", "an image of a raw oyster.",
        "deadbeefcafe on a plate", "photo of 3 dogs", "", ".", "Boeing 747-400", "the facade of a decade",
    ],
)  # fmt: skip
def test_a_sentence_has_no_address(text):
    """Abbreviations, times, numbers and hyphens of ordinary captions are none."""
    assert addresses(text) == 0
    assert without_addresses(text) == text


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("Stock Photo: a man riding a horse", 1),
        ("Royalty-free stock photos of a dog, all rights reserved", 3),
        ("CLICK  to\nenlarge", 1),
        ("Red dress, $19.99 #fashion @shop", 3),
        ("nur 19,99 € oder 20 EUR", 2),
        ("&amp; <b>bold</b> {{title}} %name% [caption id=1]", 6),
        ("Shirt™ ©", 2),
        ("Image", 1), ("image_12", 1), ("Logo (2)", 1), ("untitled", 1), ("图片", 1),
        ("Untitled, oil on canvas", 0),
        ("a stocky photographer clicks on nothing", 0),
        ("a log in the forest", 0),
        ("Route #66 at 5 < 6", 0),
        ("[Paris, 1920] sic", 0),
        ("a photo of a shirt", 0),
        ("", 0),
    ],
)  # fmt: skip
def test_boilerplate(text, hits):
    """Stock phrases, prices, tags and markup are found word by word, in any case; words that look like them are not."""
    assert boilerplate(Caption.of(text), BOOK) == hits


def test_phrases_of_a_user():
    """A user's phrases count besides ours, in any script and case; the longest that fits is one hit."""
    book = phrasebook(["ACME Studios", "acme studios berlin", "点击放大"])
    assert boilerplate(Caption.of("Dog, by Acme studios Berlin"), book) == 1
    assert boilerplate(Caption.of("请点击放大 stock photo"), book) == 2
    with pytest.raises(ValueError, match="has no word"):
        phrasebook(["!?"])


def test_every_phrase_is_found():
    """No phrase of the list is spelt so that it never matches, and none is there twice."""
    assert len(set(PHRASES)) == len(PHRASES)
    assert [phrase for phrase in PHRASES if boilerplate(Caption.of(f"Dog {phrase.upper()} dog"), BOOK) != 1] == []
    assert [name for name in NAMELESS if boilerplate(Caption.of(name), BOOK) < 1] == []


@given(TEXTS)
def test_any_text_has_scores_within_their_bounds(text):
    """No text fails: parts fit together, shares lie between 0 and 1, and hits are not negative."""
    caption = Caption.of(text)
    assert len(caption.kinds) == len(caption.text) <= LOOKED_AT
    assert len(caption.words) == len(caption.spans) <= len(text)
    assert all(a <= b for (_, a), (b, _) in zip(caption.spans, caption.spans[1:], strict=False))
    assert 0.0 <= caption.alphanumeric_share <= 1.0
    assert 0.0 <= repetition(caption) <= 1.0
    assert addresses(text) >= 0
    assert boilerplate(caption, BOOK) >= 0


@given(TEXTS)
def test_a_text_said_twice_repeats_more(text):
    """Saying a text a second time never makes it less repetitive."""
    once = Caption.of(text)
    assert repetition(Caption.of(f"{text} {text}")) >= repetition(once) - 1e-12


@given(TEXTS)
def test_signs_miss_no_address(text):
    """The quick look before the search for addresses and marks lets nothing pass that the search finds."""
    padded = f"{text} \n"
    assert (addresses(text) == 0) == (without_addresses(text) == text)
    assert addresses(f"{padded}IMG_1234 00") == addresses(f"{padded}00 00") + 1


@pytest.mark.parametrize("part", TIRING, ids=ascii)
def test_hostile_texts_are_read_to_the_end(part):
    """A text made to tire a pattern, megabytes of it, is scored like any other: its beginning alone is looked at."""
    text = part * (3_000_000 // len(part))
    caption = Caption.of(text)
    assert len(caption.text) == LOOKED_AT
    assert 0.0 <= repetition(caption) <= 1.0
    assert addresses(caption.text) <= LOOKED_AT
    assert boilerplate(caption, BOOK) <= LOOKED_AT
