from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.codecs.headers.tiffs import tiff

from nemo_curator.codecs.headers.exif import read_exif
from nemo_curator.codecs.headers.iptc import iptc_caption, iptc_of_resources
from nemo_curator.codecs.headers.metadata import Blocks, said_by
from nemo_curator.codecs.headers.words import LONGEST, cleaned, decoded
from nemo_curator.codecs.headers.xmp import xmp_description, xmp_orientation, xmp_title

XMP = """<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Überschrift</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="de">Zwei Möwen</rdf:li>
<rdf:li xml:lang="x-default">Two gulls &amp; a &lt;crab&gt; &#x1F980;</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def dataset(record: int, number: int, body: bytes) -> bytes:
    """One IPTC dataset."""
    return struct.pack(">BBBH", 0x1C, record, number, len(body)) + body


def resource(number: int, body: bytes, name: bytes = b"") -> bytes:
    """One of Photoshop's image resources."""
    named = bytes([len(name)]) + name
    return b"8BIM" + struct.pack(">H", number) + named + bytes(len(named) % 2) + struct.pack(">I", len(body)) + body


def test_the_order_of_captions():
    """As the probe's documentation has it: whatever is taken away, the next in the list speaks."""
    inner = {0x9286: (7, b"ASCII\0\0\0user comment")}
    windows = {0x9C9C: (1, "XP comment\0".encode("utf-16-le")), 0x9C9B: (1, "XP title\0".encode("utf-16-le"))}
    description = {270: (2, b"EXIF description\0")}
    xmp = b"<dc:description>XMP description</dc:description> <dc:title>XMP title</dc:title>"
    stages = [
        ("XMP description", {"xmp": xmp}),
        ("IPTC caption", {"xmp": b"<dc:title>XMP title</dc:title>"}),
        ("EXIF description", {"iptc": b""}),
        ("user comment", {"exif": tiff(windows, inner=inner)}),
        ("XP comment", {"exif": tiff(windows)}),
        ("XMP title", {"exif": tiff({0x9C9B: windows[0x9C9B]})}),
        ("XP title", {"xmp": b""}),
        ("text", {"exif": b""}),
        ("comment", {"text": ""}),
        ("", {"comment": b""}),
    ]
    blocks = Blocks(
        exif=tiff({**description, **windows}, inner=inner),
        iptc=dataset(2, 120, b"IPTC caption"),
        text="text",
        comment=b"comment",
    )
    for expected, changed in stages:
        for name, value in changed.items():
            setattr(blocks, name, value)
        assert said_by(blocks).caption == expected


def test_blank_is_empty():
    """Blanks, NULs and control characters are no caption, and the next one speaks."""
    blocks = Blocks(exif=tiff({270: (2, b" \r\n\t \0")}), comment=b"\x01\x02 real\x00 rest")
    assert said_by(blocks).caption == "real"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("naïve 猫".encode(), "naïve 猫"),
        ("naïve 猫".encode()[:-1], "naïve "),
        ("naïve “q”".encode("cp1252"), "naïve “q”"),
        (b"\x81\xff", "\ufffd\xff"),
        (b"one\0two", "one"),
    ],
)
def test_bytes_without_a_character_set(raw, text):
    """UTF-8 where they are that, though cut; else Windows-1252."""
    assert decoded(raw) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a \r\n b\tc  ", "a b c"),
        ("a\x07\x1b[31mb\x9f", "a[31mb"),
        ("\ud800a\udfff\ufffe", "a"),
        ("x" * 5000, "x" * LONGEST),
        ("x\0y", "x"),
        ("\u200f\U0001f980", "\u200f\U0001f980"),
    ],
)
def test_cleaning(text, clean):
    """One line, no control characters, valid Unicode, bounded."""
    assert cleaned(text) == clean


@given(st.text(st.characters(), max_size=6000) | st.text("\t \n\0\ud800x", max_size=30))
def test_a_caption_is_always_valid(text):
    """Whatever goes in, what comes out can be written as UTF-8 and is clean."""
    clean = cleaned(text)
    clean.encode()
    assert len(clean) <= LONGEST
    assert clean == clean.strip() == cleaned(clean)
    assert all(ord(letter) >= 32 for letter in clean)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("comment", "text"),
    [
        (b"ASCII\0\0\0plain\0\0", "plain"),
        (bytes(8) + b"undefined", "undefined"),
        (b"JIS\0\0\0\0\0" + "日本".encode("iso2022_jp"), "日本"),
        (b"UNICODE\0" + "猫 cat".encode("utf-16-le"), "猫 cat"),
        (b"UNICODE\0" + "猫 cat".encode("utf-16-be"), "猫 cat"),
        (b"UNICODE\0" + "猫".encode("utf-16"), "猫"),
        (b"UNICODE\0", ""),
        (b"", ""),
    ],
)
def test_user_comments(order, comment, text):
    """Each character set of EXIF, UTF-16 in whatever byte order the writer took."""
    assert read_exif(tiff({}, order, inner={0x9286: (7, comment)})).comment == text


def test_utf16_without_a_zero_follows_the_byte_order():
    """Where nothing else tells, the order of the block is that of its text."""
    for order, name in (("<", "utf-16-le"), (">", "utf-16-be")):
        assert read_exif(tiff({}, order, inner={0x9286: (7, b"UNICODE\0" + "猫猫".encode(name))})).comment == "猫猫"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_types(order, kind):
    """Writers use three types for one number."""
    assert read_exif(tiff({274: (kind, (6,))}, order)).orientation == 6
    assert read_exif(b"Exif\0\0" + tiff({274: (kind, (6,))}, order)).orientation == 6
    assert read_exif(tiff({274: (kind, (9,))}, order)).orientation is None
    assert read_exif(tiff({274: (kind, (6, 6))}, order)).orientation is None


def test_exif_agrees_with_pillow():
    """A block that Pillow writes is read back."""
    block = Image.Exif()
    block[0x010E] = "two gulls"
    block[0x0112] = 5
    block.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0hello"
    facts = read_exif(block.tobytes())
    assert (facts.orientation, facts.description, facts.comment) == (5, "two gulls", "hello")


def test_xmp():
    """The default language, entities, and other encodings of the packet."""
    for packet in (XMP.encode(), XMP.encode("utf-16-le"), XMP.encode("utf-16")):
        assert xmp_description(packet) == "Two gulls & a <crab> 🦀"
        assert xmp_title(packet) == "Überschrift"
    assert xmp_orientation(XMP.encode()) == 6


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (b"<dc:description>plain</dc:description>", "plain"),
        (b"<rdf:Description dc:description='in &quot;an&quot; attribute'/>", 'in "an" attribute'),
        (b'<rdf:Description dc:description = "in an attribute"/>', "in an attribute"),
        (b"<dc:description><rdf:Alt><rdf:li xml:lang='de'>nur</rdf:li></rdf:Alt></dc:description>", "nur"),
        (b"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'/></rdf:Alt></dc:description>", ""),
        (b"<dc:descriptions>other</dc:descriptions>", ""),
        (b"<dc:description><rdf:Alt><rdf:li>cut off here", ""),
        (b"<dc:description>&#xD800;&#x110000;&#99999999;&bomb;</dc:description>", "&#99999999;&bomb;"),
        (b"<dc:description/>", ""),
        (b"dc:description", ""),
    ],
)
def test_xmp_forms(packet, text):
    """An element, an attribute, any language; what is ill-formed is empty, and no entity is expanded."""
    assert xmp_description(packet) == text


def test_xmp_expands_nothing():
    """The thousand million laughs stay what they are."""
    laughs = b'<!DOCTYPE l [<!ENTITY a "haha"><!ENTITY b "&a;&a;">]><dc:description>&b;</dc:description>'
    assert xmp_description(laughs) == "&b;"


@pytest.mark.parametrize(
    ("iptc", "text"),
    [
        (dataset(2, 5, b"title") + dataset(2, 120, b"a caption"), "a caption"),
        (dataset(1, 90, b"\x1b%G") + dataset(2, 120, "Möwe".encode()), "Möwe"),
        (dataset(2, 120, "Möwe".encode("cp1252")), "Möwe"),
        (dataset(1, 90, b"\x1b%G") + dataset(2, 120, b"M\xf6we"), "M\ufffdwe"),
        (dataset(2, 120, b"cut here")[:-4], "cut "),
        (b"\0\0" + dataset(2, 120, b"behind rubbish"), "behind rubbish"),
        (dataset(2, 0x8000 >> 8, b"") + b"\x1c\x02\x78\xff\xff" + bytes(20), ""),
        (b"", ""),
    ],
)
def test_iptc(iptc, text):
    """The declared character set, else a guess; damage ends it."""
    assert iptc_caption(iptc) == text.strip()


def test_iptc_among_resources():
    """Names of any length before it, odd lengths padded."""
    before = resource(0x03ED, bytes(5), b"name") + b"\0" + resource(0x0409, bytes(4), b"odd")
    assert iptc_of_resources(before + resource(0x0404, b"here")) == b"here"
    assert iptc_of_resources(before) == b""
    assert iptc_of_resources(b"8BIM") == b""


@given(
    st.binary(max_size=400),
    st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"<dc:description", b"\x1c\x02\x78"]),
)
def test_any_bytes_are_silent_or_text(raw, start):
    """Rubbish in any block gives valid text or none, and raises nothing."""
    said = said_by(Blocks(exif=start + raw, xmp=start + raw, iptc=start + raw, comment=raw))
    said.caption.encode()
    assert 1 <= said.orientation <= 8


def test_long_hostile_packets_take_one_pass():
    """A million openings that never close are walked once each, not once for every other."""
    for piece in (
        b"<rdf:li",
        b"<rdf:li>",
        b"dc:description ",
        b" dc:description=",
        b"tiff:Orientation= ",
        b"<dc:description ",
    ):
        xmp_description(piece * 100_000)
        xmp_orientation(piece * 100_000)
    assert xmp_description(b"<dc:description>" + b"<rdf:li " * 100_000) == ""
