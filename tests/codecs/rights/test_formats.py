from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from tests.codecs.headers.test_metadata import dataset, resource
from tests.codecs.headers.tiffs import tiff
from tests.codecs.rights import marked

from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import Rights
from nemo_curator.kernels.sniff import sniff

NOTHING = Rights()
EXPECTED = {
    "exif": Rights(copyright="exif notice", creator="exif artist"),
    "xmp": Rights(copyright="xmp notice"),
    "iptc": Rights(copyright="iptc notice", creator="iptc by-line", credit="iptc credit"),
    "store": Rights(opt_out_by=("C2PA cawg.training-mining cawg.ai_training=notAllowed",), has_c2pa=True),
}
"""What each of the builders' blocks says."""

PLACES = [(name, kind) for name, (_, kinds) in marked.MAKERS.items() for kind in sorted(kinds)]


@pytest.mark.parametrize(("name", "kind"), PLACES)
def test_every_block_of_every_format(name, kind):
    """Wherever a format keeps EXIF, XMP, IPTC or a C2PA store, it is found there, and alone."""
    maker, _ = marked.MAKERS[name]
    data = maker(**{kind: marked.BLOCKS[kind]})
    assert sniff(data) == name
    assert read_rights(data) == EXPECTED[kind]
    assert read_rights(data, name) == EXPECTED[kind]
    assert read_rights(maker()) == NOTHING


@pytest.mark.parametrize("name", marked.MAKERS)
def test_cut_files_say_what_comes_before_the_cut(name):
    """A file that ends anywhere raises nothing."""
    maker, kinds = marked.MAKERS[name]
    data = maker(**{kind: marked.BLOCKS[kind] for kind in kinds})
    for length in range(0, len(data), max(len(data) // 200, 1)):
        read_rights(data[:length], name)


def test_bytes_of_no_format():
    """What is no image, or is said to be of another format than it is, says nothing."""
    assert read_rights(b"") == NOTHING
    assert read_rights(b"%PDF-1.7 noai Copyright") == NOTHING
    assert read_rights(marked.jpeg(xmp=marked.XMP), "bmp") == NOTHING
    for name in marked.MAKERS:
        read_rights(marked.jpeg(xmp=marked.XMP), name)


def test_precedence():
    """Sidecar, XMP, IPTC, EXIF, PNG text: whatever is taken away, the next in the list speaks."""
    blocks = {
        "exif": marked.EXIF,
        "xmp": marked.XMP,
        "iptc": marked.IPTC,
        "more": marked.text("Copyright", "png notice"),
    }
    sidecar = {"a.xmp": marked.xmp(attributes='dc:rights="sidecar notice"')}
    assert read_rights(marked.png(**blocks), sidecars=sidecar).copyright == "sidecar notice"
    for kind, notice in (("xmp", "xmp"), ("iptc", "iptc"), ("exif", "exif"), ("more", "png")):
        assert read_rights(marked.png(**blocks)).copyright == f"{notice} notice"
        blocks[kind] = b""


def test_a_damaged_block_hides_no_other():
    """A reservation in XMP stands whatever EXIF, IPTC and the store before it are."""
    packet = marked.xmp(attributes='plus:DataMining="DMI-PROHIBITED"')
    for garbage in (
        b"\xff" * 40,
        bytes(40),
        b"II*\0\xff\xff\xff\xff" + bytes(30),
        b"MM\0*\0\0\0\x08\xff\xff" + b"\x87\x69" * 60,
    ):
        for name in ("jpeg", "png", "webp", "avif", "jpeg2000", "jxl"):
            maker, kinds = marked.MAKERS[name]
            data = maker(**dict.fromkeys(kinds - {"xmp"}, garbage), xmp=packet)
            assert read_rights(data).opt_out_by == ("XMP plus:DataMining=DMI-PROHIBITED",), (name, garbage)


@pytest.mark.parametrize("form", [{"order": "<"}, {"order": ">"}, {"big": True}, {"order": ">", "big": True}])
def test_tiffs_of_every_form(form):
    """Both byte orders, with offsets of four bytes and of eight."""
    data = marked.tiff_file(exif=marked.EXIF, store=marked.STORE, **form)
    assert read_rights(data).copyright == "exif notice"
    assert read_rights(data).has_c2pa


def test_a_packet_and_datasets_inside_exif():
    """EXIF blocks may hold the tags of a TIFF: XMP, IPTC and Photoshop's resources."""
    inside = {700: (1, marked.XMP), 34377: (1, resource(0x0404, marked.IPTC))}
    assert read_rights(marked.jpeg(exif=tiff(inside))) == Rights(
        copyright="xmp notice", creator="iptc by-line", credit="iptc credit"
    )


def test_blocks_within_blocks_end():
    """EXIF in Photoshop's resources in EXIF, as deep as it likes, is a bounded number of blocks."""
    block = marked.EXIF
    for _ in range(12):
        block = tiff({0x8298: (2, b"outer\0"), 34377: (1, resource(0x0422, block))})
    assert read_rights(marked.jpeg(exif=block[:60_000])).copyright == "outer"


def test_long_xmp_of_a_jpeg():
    """What did not fit into the main packet is put together by offset, in whatever order it comes."""
    packet = marked.xmp("<plus:DataMining>DMI-PROHIBITED</plus:DataMining>")
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + len(packet).to_bytes(4, "big")
    cut = packet.index(b"DMI-") + 2
    parts = [
        marked.segment(0xE1, head + at.to_bytes(4, "big") + part)
        for at, part in ((cut, packet[cut:]), (0, packet[:cut]))
    ]
    assert read_rights(marked.jpeg(xmp=marked.XMP, more=b"".join(parts))) == Rights(
        opt_out_by=("XMP plus:DataMining=DMI-PROHIBITED",), copyright="xmp notice"
    )


def test_resources_that_go_on_in_the_next_segment():
    """Photoshop's resources may be longer than a segment of a JPEG."""
    whole = resource(0x0404, marked.IPTC)
    parts = (marked.segment(0xED, b"Photoshop 3.0\0" + part) for part in (whole[:20], whole[20:]))
    assert read_rights(marked.jpeg(more=b"".join(parts))) == EXPECTED["iptc"]


@pytest.mark.parametrize("name", ["exif", "APP1", "iptc", "xmp"])
def test_profiles_in_the_texts_of_a_png(name):
    """ImageMagick's and ExifTool's hexadecimal profiles are read, those of IPTC bare and in resources."""
    kind = {"APP1": "exif"}.get(name, name)
    body = marked.BLOCKS[kind]
    assert read_rights(marked.png(more=marked.profile(name, body))) == EXPECTED[kind]
    if kind == "exif":
        packet = b"http://ns.adobe.com/xap/1.0/\0" + marked.XMP
        assert read_rights(marked.png(more=marked.profile(name, packet))) == EXPECTED["xmp"]


def test_texts_of_a_png():
    """The keywords of the standard that speak of rights, and `License`."""
    more = marked.text("Copyright", "© me") + marked.text("Author", " Ann \n Ben ") + marked.text("License", "CC0")
    assert read_rights(marked.png(more=more)) == Rights(copyright="© me", creator="Ann Ben", licence="CC0")


def test_texts_of_exif():
    """The photographer's and the editor's notice, Windows' author, the photographer of Exif 3.0."""
    both = tiff({0x8298: (2, b"photographer\0editor\0")})
    assert read_rights(marked.jpeg(exif=both)).copyright == "photographer; editor"
    assert read_rights(marked.jpeg(exif=tiff({0x8298: (2, b" \0editor\0")}))).copyright == "editor"
    author = tiff({0x9C9D: (1, "Änn\0".encode("utf-16-le"))})
    assert read_rights(marked.jpeg(exif=author)).creator == "Änn"
    photographer = tiff({}, inner={0xA437: (2, "Änn\0".encode())})
    assert read_rights(marked.jpeg(exif=photographer)).creator == "Änn"


def test_iptc_of_many_by_lines():
    """Repeated datasets are names of their own; a repeated name is one."""
    names = b"".join(dataset(2, 80, name) for name in (b"Ann", b"", b"Ben", b"Ann"))
    assert read_rights(marked.jpeg(iptc=names)).creator == "Ann; Ben"


def test_sidecars():
    """XMP and C2PA sidecars are read, others are not, and an image without bytes has what they say."""
    sidecars = {
        "a.XMP": marked.xmp(attributes='tdm:reservation="1" tdm:policy="https://example.org/tdm.json"'),
        "a.c2pa": marked.STORE,
        "a.json": json.dumps({"plus:DataMining": "DMI-PROHIBITED"}).encode(),
        "a.txt": b"noai",
    }
    assert read_rights(b"", "", sidecars) == Rights(
        opt_out_by=("sidecar XMP tdm:reservation=1", EXPECTED["store"].opt_out_by[0]),
        opt_out_terms="https://example.org/tdm.json",
        has_c2pa=True,
    )


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "avif"])
def test_pillow_finds_the_blocks_where_the_builders_put_them(name):
    """The builders of these tests and another reader agree about the places."""
    maker, _ = marked.MAKERS[name]
    image = Image.open(io.BytesIO(maker(exif=marked.EXIF, xmp=marked.XMP)))
    packet = image.info["xmp"]
    assert image.getexif()[0x8298] == "exif notice"
    assert (packet if isinstance(packet, bytes) else packet.encode()) == marked.XMP


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_what_pillow_writes_is_read(fmt):
    """Another writer's EXIF and XMP are read."""
    exif = Image.Exif()
    exif[0x8298], exif[0x013B] = "by Pillow", "Ann"
    options = {"xmp": marked.xmp(attributes='photoshop:Credit="Agency"')} if fmt in {"JPEG", "WEBP", "AVIF"} else {}
    expected = Rights(copyright="by Pillow", creator="Ann", credit="Agency" if options else "")
    assert read_rights(marked.saved(fmt, exif=exif, **options)) == expected
