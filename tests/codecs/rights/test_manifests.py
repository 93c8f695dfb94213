from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.headers.boxed import box
from tests.codecs.rights import marked

from nemo_curator.codecs.rights.cbor import read_cbor
from nemo_curator.codecs.rights.manifests import assertions_of, store_in
from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import Rights


def of_store(*manifests: bytes) -> Rights:
    """What a PNG with a store of these manifests says."""
    return read_rights(marked.png(store=marked.store(*manifests)))


@pytest.mark.parametrize("prefix", ["c2pa", "cawg"])
@pytest.mark.parametrize(
    ("use", "said", "denial"),
    [
        ("data_mining", "notAllowed", "notAllowed"),
        ("ai_training", "notAllowed", "notAllowed"),
        ("ai_generative_training", "constrained", "constrained"),
        ("ai_training", "allowed", ""),
        ("ai_inference", "notAllowed", ""),
        ("ai_training", "", ""),
    ],
)
def test_uses(prefix, use, said, denial):
    """Mining and training that are not allowed, or not without more, are reservations; inference is another matter."""
    rights = of_store(marked.manifest(marked.training(prefix, **{use: said})))
    expected = (f"C2PA {prefix}.training-mining {prefix}.{use}={denial}",) if denial else ()
    assert rights == Rights(opt_out_by=expected, has_c2pa=True)


def test_constraints():
    """What an assertion says of its constraints is told."""
    entries = {"cawg.data_mining": {"use": "constrained", "constraint_info": "ask\x07 us"}}
    made = of_store(marked.manifest(marked.assertion("cawg.training-mining", {"entries": entries})))
    assert made.opt_out_terms == "ask us"


def test_every_manifest_counts():
    """Those of ingredients, updates, and numbered and versioned labels; uses that others defined do not."""
    labels = ("cawg.training-mining", "cawg.training-mining__2", "cawg.training-mining.v2__1")
    data = {"entries": {"cawg.ai_training": {"use": "notAllowed"}, "org.example.training": {"use": "notAllowed"}}}
    for label in labels:
        made = of_store(marked.manifest(marked.assertion(label, data)), marked.manifest(kind=b"c2um"))
        assert made.opt_out_by == ("C2PA cawg.training-mining cawg.ai_training=notAllowed",)
    assert not of_store(marked.manifest(marked.assertion("cawg.training-mining-not", data))).ai_opt_out


def test_assertions_in_json():
    """Some writers use JSON boxes."""
    data = json.dumps({"entries": {"c2pa.ai_training": {"use": "notAllowed"}}}).encode()
    made = of_store(marked.manifest(marked.superbox(b"json", "c2pa.training-mining", box(b"json", data))))
    assert made.ai_opt_out


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"entries": None},
        {"entries": ["notAllowed"]},
        {"entries": {"cawg.ai_training": "notAllowed"}},
        {"entries": {"cawg.ai_training": {"use": 1}}},
        {"entries": {1: {"use": "notAllowed"}}},
        {"actions": [1, None, {"digitalSourceType": 5}]},
        {"actions": {"digitalSourceType": marked.TRAINED}},
        ["notAllowed"],
        "notAllowed",
        None,
    ],
)
def test_assertions_of_another_shape(data):
    """They say nothing."""
    for label in ("cawg.training-mining", "c2pa.actions"):
        assert of_store(marked.manifest(marked.assertion(label, data))) == Rights(has_c2pa=True)


def test_other_jumbf_is_no_store():
    """JUMBF has other uses: only what is described as a C2PA store is one."""
    other = marked.superbox(b"json", "org.example", box(b"json", b"{}"))
    for data in (
        marked.jpeg(store=other),
        marked.png(store=other),
        marked.webp(store=other),
        marked.gif(store=other),
        marked.tiff_file(store=other),
        marked.jxl(store=other),
        marked.isobmff("avif", store=other),
        marked.png(store=b"c2pa"),
        marked.isobmff("avif") + box(b"uuid", bytes(16), bytes(4), b"manifest\0", bytes(8), marked.STORE),
        marked.isobmff("avif") + marked.uuid_store(marked.STORE, b"merkle"),
    ):
        assert read_rights(data) == Rights()


def test_a_store_in_many_segments():
    """A JPEG cuts a long store into segments that repeat its head; other boxes may stand between them."""
    filler = marked.superbox(b"c2db", "filler", box(b"bfdb", bytes(150_000)))
    store = marked.store(marked.manifest(filler, marked.training(ai_training="notAllowed")))
    assert read_rights(marked.jpeg(more=marked.app11(store))).ai_opt_out
    other = marked.app11(marked.superbox(b"json", "org.example", box(b"json", b"{}")), 2)
    assert read_rights(marked.jpeg(more=other + marked.app11(store))).ai_opt_out


def test_boxes_with_long_lengths():
    """A box may give its length in eight bytes."""
    content = marked.STORE[8:]
    long = b"\0\0\0\1jumb" + (len(content) + 16).to_bytes(8, "big") + content
    assert store_in(long) == content
    assert read_rights(marked.png(store=long)).ai_opt_out


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_cbor_round_trip(value):
    """What is written is read, as far as assertions need it."""
    try:
        assert read_cbor(marked.cbor(value)) == value
    except ValueError:
        assert _depth(value) > 12


def _depth(value: object) -> int:
    """How many values are nested in one another."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("bf6161f5ff", {"a": True}),
        ("9f0102ff", [1, 2]),
        ("7f61616162ff", "ab"),
        ("5f4101ff", None),
        ("c11a514b67b0", 1363896240),
        ("fb3ff199999999999a", None),
        ("f7", None),
        ("f8ff", None),
        ("a10102", {"": 2}),
        ("62c328", "\ufffd("),
    ],
)
def test_cbor_by_hand(raw, value):
    """Lengths that are not told before, tags, numbers and keys that nobody needs."""
    assert read_cbor(bytes.fromhex(raw)) == value


@pytest.mark.parametrize("raw", ["", "61", "9f", "1c", "ff", "1f", "bbffffffffffffffff", "81" * 40, "9a00ffffff00"])
def test_damaged_cbor(raw):
    """Cut, endless, too deep or longer than it can be: one kind of error."""
    with pytest.raises(ValueError, match=r"."):
        read_cbor(bytes.fromhex(raw))


def test_too_many_values():
    """No assertion has so many."""
    with pytest.raises(ValueError, match="more"):
        read_cbor(marked.cbor([0] * 6000))


@given(st.binary(max_size=200))
def test_any_bytes_are_cbor_or_an_error(raw):
    """Nothing else is raised."""
    try:
        read_cbor(raw)
    except ValueError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_store(raw):
    """Neither boxes nor assertions make it raise."""
    list(assertions_of(raw))
    list(assertions_of(marked.STORE[8:60] + raw))
    store_in(raw)


def test_json_as_deep_as_it_likes():
    """Python's parser refuses it, and so do we, without a word."""
    deep = box(b"json", b"[" * 100_000)
    assert of_store(marked.manifest(marked.superbox(b"json", "cawg.training-mining", deep))) == Rights(has_c2pa=True)


def test_a_store_of_countless_assertions():
    """Some 5,000 assertions of a store are looked at, in all its manifests: a hostile one costs no more than those."""
    others = marked.manifest(*[marked.assertion("a", 0)] * 199)
    denied = marked.manifest(marked.training(ai_training="notAllowed"))
    assert of_store(*[others] * 20, denied).ai_opt_out
    assert not of_store(*[others] * 30, denied).ai_opt_out
