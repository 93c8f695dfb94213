from __future__ import annotations

import hashlib
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.captions import LONG, captions
from tests.models.clip_reference import (
    MERGES_SHA256,
    learnt,
    pairs,
    spellings,
    transformers_rows,
    write_vocabulary,
)

from nemo_curator.models.tokenizers import clip_tokenizer, merging, pieces
from nemo_curator.models.tokenizers.clip_tokenizer import BEGINNING, ENDING, LENGTH, VOCABULARY, ClipTokenizer
from nemo_curator.models.tokenizers.merging import ENOUGH

tokenizer = ClipTokenizer()


def swept(data):
    """The tokens of a piece by the definition: each pair in the order of learning, all its places from the left."""
    made = learnt()
    tokens = [int(merging._NUMBER[byte]) for byte in data]
    tokens[-1] += 256
    while True:
        known = [made[pair] for pair in pairwise(tokens) if pair in made]
        if not known:
            return tuple(tokens)
        first, joined, place = min(known), [], 0
        while place < len(tokens):
            two = place + 1 < len(tokens) and made.get((tokens[place], tokens[place + 1])) == first
            joined.append(first if two else tokens[place])
            place += 2 if two else 1
        tokens = joined


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    """A folder with the vocabulary as the hub has it."""
    return write_vocabulary(tmp_path_factory.mktemp("vocabulary"))


def test_a_thousand_captions_have_the_tokens_that_transformers_gives(golden):
    """All 1,000 captions, from empty ones to such of 100,000 characters, have the rows that were stored."""
    stored = np.load(golden / "clip_tokens.npz")
    texts = captions()
    expected = np.full((len(texts), LENGTH), ENDING, np.int64)
    for row, tokens in zip(expected, np.split(stored["tokens"], np.cumsum(stored["lengths"])[:-1]), strict=True):
        row[: len(tokens)] = tokens
    rows = tokenizer(texts)
    assert len(texts) == 1_000
    assert max(map(len, texts)) >= LONG
    assert (rows.shape, rows.dtype) == ((1_000, LENGTH), np.int64)
    wrong = [text[:80] for text, one, other in zip(texts, rows, expected, strict=True) if (one != other).any()]
    assert wrong == []


def test_transformers_gives_the_same_where_it_is_installed(vocabulary):
    """The stored rows are what the installed version gives, too."""
    pytest.importorskip("transformers", reason="transformers is for parity only")
    texts = captions()
    np.testing.assert_array_equal(tokenizer(texts), transformers_rows(vocabulary, texts))


@pytest.mark.soak
def test_transformers_gives_the_same_for_every_character(vocabulary):
    """Each character that Unicode has is cut, composed and made small in the same way, beside letters and digits."""
    pytest.importorskip("transformers", reason="transformers is for parity only")
    known = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in {"Cn", "Cs"}]
    texts = [f"a{one}b1{one}'s {one}" for one in known]
    for start in range(0, len(texts), 10_000):
        some = texts[start : start + 10_000]
        np.testing.assert_array_equal(tokenizer(some), transformers_rows(vocabulary, some))


def test_the_vocabulary_is_the_published_one(vocabulary):
    """Its pairs, written as the hub has them, are byte for byte the file of OpenAI's repositories."""
    assert hashlib.sha256((vocabulary / "merges.txt").read_bytes()).hexdigest() == MERGES_SHA256
    spelt = spellings()
    assert len(set(spelt)) == len(spelt) == VOCABULARY - 2 == BEGINNING == ENDING - 1


def test_an_empty_text_is_its_beginning_and_its_end():
    """It has no token, and the row is filled with the end."""
    row = tokenizer([""])[0]
    assert row.tolist() == [BEGINNING] + [ENDING] * 76
    assert tokenizer([]).shape == (0, LENGTH)


def test_known_texts():
    """The tokens of a few texts, as OpenAI's own tokenizer gives them."""
    assert tokenizer.tokens("A person riding a motorcycle") == [BEGINNING, 320, 2533, 6765, 320, 10297, ENDING]
    assert tokenizer.tokens("it's") == [BEGINNING, 585, 568, ENDING]


def test_a_long_text_keeps_its_end():
    """Of more than 75 tokens the first 75 are kept, and the row ends with the end all the same."""
    row = tokenizer(["dress " * 76])[0]
    assert row.tolist() == [BEGINNING, *tokenizer.tokens("dress")[1:-1] * 75, ENDING]


def test_no_byte_has_a_say_far_before_it():
    """By the vocabulary's own rules what follows `ENOUGH` bytes of a piece cannot change its first 75 tokens.

    A byte changes what stands before it only if it hinders a pair, whose left half is then free for a pair that was
    learnt later, and so on to the left: the longest such chain that the pairs allow is found here.
    """
    spelt = [token.removesuffix("</w>") for token in spellings()]
    reach: dict[int, int] = {}
    for token, (left, right) in enumerate(pairs().tolist(), merging.FIRST):
        moved = max(
            len(spelt[left]) + len(spelt[right]),  # the chain begins here
            reach[right] + len(spelt[left]) if right in reach else 0,  # or goes on to the left
            reach.get(left, 0),  # or the pair grows to the right
        )
        for one in (left, right, token):
            reach[one] = max(reach.get(one, 0), moved)
    longest = max(map(len, spelt))
    assert longest <= 32
    assert max(reach.values()) == 1_456
    assert (LENGTH - 2) * longest + max(reach.values()) + 4 <= ENOUGH


@settings(max_examples=60)
@given(st.text("aehinotrs", min_size=1, max_size=200) | st.text(min_size=1, max_size=40))
def test_joining_is_what_its_definition_says(text):
    """Joining the pair that was learnt first, the leftmost of them, gives what a sweep over all pairs gives."""
    assert clip_tokenizer._merging()(text) == swept(text.encode("utf-8", "replace"))


@settings(max_examples=30)
@given(st.text("ahe漢😂", min_size=1, max_size=12))
def test_what_is_cut_off_changes_no_token(text):
    """The first 75 tokens of a piece of some 30,000 bytes are those of all of it."""
    whole = (text * 30_000)[:8_000]
    data = whole.encode()
    tokens = [merging._NUMBER[byte] for byte in data]
    tokens[-1] += 256
    assert list(clip_tokenizer._merging()(whole))[:75] == merging._join(tokens, clip_tokenizer._merging()._made)[:75]


@given(st.lists(st.text(max_size=300), max_size=5))
def test_every_row_is_one_that_a_tower_takes(texts):
    """A row begins with the beginning and ends with the end, and depends on its own text alone."""
    rows = tokenizer(texts)
    assert (rows[:, 0] == BEGINNING).all()
    assert (rows[:, -1] == ENDING).all()
    assert ((rows >= 0) & (rows < VOCABULARY)).all()
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_array_equal(tokenizer([text])[0], row)


@given(st.text("a\u0301\u0316\u0345\u0f73\u0f71\u0344\u1df6é각ᄀ", max_size=60))
def test_marks_are_ordered_as_unicode_orders_them(text):
    """Ordering the marks first, which keeps long runs of them cheap, changes no composed text."""
    assert unicodedata.normalize("NFC", pieces._in_order(text)) == unicodedata.normalize("NFC", text)


def test_a_lone_surrogate_is_a_question_mark():
    """What is no character at all, and cannot be written as bytes, has a token instead of an error."""
    assert tokenizer.tokens("a\ud800") == tokenizer.tokens("a?")
