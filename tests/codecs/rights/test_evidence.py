"""Which values mean what: one table for reservations, one for what says that a model made the image."""

from __future__ import annotations

import pytest
from tests.codecs.headers.test_metadata import dataset
from tests.codecs.headers.tiffs import tiff
from tests.codecs.rights import marked

from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import Rights

PLUS = "http://ns.useplus.org/ldf/vocab/"


def of_xmp(inside: str = "", attributes: str = "") -> Rights:
    """What a JPEG with that XMP says."""
    return read_rights(marked.jpeg(xmp=marked.xmp(inside, attributes)))


@pytest.mark.parametrize(
    ("value", "term"),
    [
        (PLUS + "DMI-PROHIBITED", "DMI-PROHIBITED"),
        (PLUS + "DMI-PROHIBITED-AIMLTRAINING", "DMI-PROHIBITED-AIMLTRAINING"),
        (PLUS + "DMI-PROHIBITED-GENAIMLTRAINING", "DMI-PROHIBITED-GENAIMLTRAINING"),
        (PLUS + "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"),
        (PLUS + "DMI-PROHIBITED-SEECONSTRAINT", "DMI-PROHIBITED-SEECONSTRAINT"),
        (PLUS + "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR"),
        (PLUS + "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR"),
        ("dmi-prohibited", "DMI-PROHIBITED"),
        ("Prohibited for AI/ML training", "DMI-PROHIBITED"),
        (PLUS + "DMI-ALLOWED", ""),
        (PLUS + "DMI-UNSPECIFIED", ""),
        ("Allowed", ""),
        ("", ""),
    ],
)
def test_data_mining_of_plus(value, term):
    """Every value of the vocabulary that prohibits is a reservation, no other is."""
    expected = (f"XMP plus:DataMining={term}",) if term else ()
    assert of_xmp(attributes=f'plus:DataMining="{value}"').opt_out_by == expected


@pytest.mark.parametrize(
    ("value", "reserved"), [("1", True), (" 1 ", True), ("true", True), ("0", False), ("2", False), ("", False)]
)
def test_tdm_reservation(value, reserved):
    """1 reserves; all else is unset. A policy without a reservation is none."""
    policy = 'tdm:policy="https://example.org/policy.json"'
    rights = of_xmp(f"<tdm:reservation>{value}</tdm:reservation>", policy)
    assert rights.opt_out_by == (("XMP tdm:reservation=1",) if reserved else ())
    assert rights.opt_out_terms == ("https://example.org/policy.json" if reserved else "")
    assert not of_xmp(attributes=policy).ai_opt_out


def test_a_permission_does_not_cancel_a_reservation():
    """Fields that contradict each other are a reservation."""
    rights = of_xmp(attributes=f'plus:DataMining="{PLUS}DMI-ALLOWED" tdm:reservation="1"')
    assert rights.opt_out_by == ("XMP tdm:reservation=1",)


def test_constraints():
    """What a reservation refers to is told, and counts among the terms of use."""
    body = (
        "<plus:OtherConstraints><rdf:Alt><rdf:li xml:lang='x-default'>Ask us</rdf:li></rdf:Alt></plus:OtherConstraints>"
    )
    rights = of_xmp(body, f'plus:DataMining="{PLUS}DMI-PROHIBITED-SEECONSTRAINT"')
    assert (rights.opt_out_terms, rights.licence) == ("Ask us", "Ask us")
    assert of_xmp(body) == Rights(licence="Ask us")


@pytest.mark.parametrize(
    ("keyword", "directive"),
    [
        ("noai", "noai"),
        ("#NoAI", "noai"),
        ("No AI", "noai"),
        ("no-image-ai", "noimageai"),
        ("noimageai", "noimageai"),
        ("ai", ""),
        ("noaim", ""),
        ("no aim in life", ""),
        ("Noailles", ""),
    ],
)
def test_keywords(keyword, directive):
    """In XMP, IPTC, Windows' keywords and a PNG's, whatever the spelling, and as a whole keyword only."""
    expected = [f"XMP dc:subject={directive}"] if directive else []
    body = f"<dc:subject><rdf:Bag><rdf:li>cat</rdf:li><rdf:li>{keyword}</rdf:li></rdf:Bag></dc:subject>"
    assert list(of_xmp(body).opt_out_by) == expected
    iptc = dataset(2, 25, b"cat") + dataset(2, 25, keyword.encode())
    assert list(read_rights(marked.jpeg(iptc=iptc)).opt_out_by) == [
        text.replace("XMP dc:subject", "IPTC 2:25") for text in expected
    ]
    windows = tiff({0x9C9E: (1, f"cat; {keyword}\0".encode("utf-16-le"))})
    assert list(read_rights(marked.jpeg(exif=windows)).opt_out_by) == [
        text.replace("XMP dc:subject", "EXIF XPKeywords") for text in expected
    ]
    png = marked.png(more=marked.text("Keywords", f"cat, {keyword}"))
    assert list(read_rights(png).opt_out_by) == [text.replace("XMP dc:subject", "PNG Keywords") for text in expected]


@pytest.mark.parametrize(
    ("comment", "directive"),
    [
        ("noai", "noai"),
        ("noindex, NoImageAI", "noimageai"),
        ("X-Robots-Tag: noai, noimageai", "noai"),
        ("robots=noindex;noai", "noai"),
        ("a photo of a noai badge", ""),
        ("noindex", ""),
        ("", ""),
        ("noai " * 100, ""),
    ],
)
def test_directives_in_comments(comment, directive):
    """A comment counts where it is directives for robots and nothing else."""
    raw = comment.encode()
    files = {
        "comment": [marked.jpeg(more=marked.segment(0xFE, raw)), marked.gif(comment=raw)],
        "EXIF UserComment": [marked.jpeg(exif=tiff({}, inner={0x9286: (7, b"ASCII\0\0\0" + raw)}))],
        "PNG Comment": [marked.png(more=marked.text("Comment", comment))],
        "PNG robots": [marked.png(more=marked.text("robots", comment))],
    }
    for where, made in files.items():
        for data in made:
            assert read_rights(data).opt_out_by == ((f"{where}={directive}",) if directive else ()), where


@pytest.mark.parametrize(
    ("notice", "directive"),
    [
        ("© Ann. noai, noimageai", "noai"),
        ("All rights reserved (#NoAI)", "noai"),
        ("see example.org/noai-policy", ""),
        ("© Noailles", ""),
        ("No AI training without permission", ""),
    ],
)
def test_directives_in_notices(notice, directive):
    """A notice counts where the directive is a word of it; sentences are not understood."""
    expected = bool(directive)
    for name in ("dc:rights", "xmpRights:UsageTerms", "photoshop:Instructions", "plus:OtherConstraints"):
        assert of_xmp(f"<{name}>{notice}</{name}>").opt_out_by == ((f"XMP {name}={directive}",) if expected else ())
    raw = notice.encode()
    for number in (40, 116):
        assert read_rights(marked.jpeg(iptc=dataset(2, number, raw))).ai_opt_out == expected
    assert read_rights(marked.jpeg(exif=tiff({0x8298: (2, raw + b"\0")}))).ai_opt_out == expected
    for keyword in ("Copyright", "License", "Licence"):
        assert read_rights(marked.png(more=marked.text(keyword, notice))).ai_opt_out == expected


@pytest.mark.parametrize(
    ("keyword", "value", "evidence"),
    [
        ("noai", "noindex", "PNG noai"),
        ("noimageai", "1", "PNG noimageai"),
        ("noai", "false", ""),
        ("tdm-reservation", "1", "PNG tdm-reservation=1"),
        ("tdm:reservation", "0", ""),
        ("Title", "noai", ""),
        ("Description", "noai", ""),
    ],
)
def test_texts_of_a_png_that_reserve(keyword, value, evidence):
    """Keywords that say it themselves; what a picture shows is no reservation."""
    rights = read_rights(marked.png(more=marked.text(keyword, value)))
    assert rights.opt_out_by == ((evidence,) if evidence else ())


def test_captions_are_no_reservations():
    """A picture about the movement says nothing about its own use."""
    assert not of_xmp("<dc:description>noai</dc:description><dc:title>noai</dc:title>").ai_opt_out
    assert not read_rights(marked.jpeg(iptc=dataset(2, 120, b"noai"), exif=tiff({0x010E: (2, b"noai\0")}))).ai_opt_out


@pytest.mark.parametrize(
    ("said", "evidence"),
    [
        ("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
        (
            "https://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
            "compositeWithTrainedAlgorithmicMedia",
        ),
        ("compositedWithTrainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture", ""),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia", ""),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic", ""),
    ],
)
def test_digital_source_types(said, evidence):
    """In XMP and in the actions of a C2PA manifest."""
    name = "Iptc4xmpExt:DigitalSourceType"
    assert of_xmp(f"<{name}>{said}</{name}>").generated_by == ((f"XMP {name}={evidence}",) if evidence else ())
    actions = marked.assertion("c2pa.actions.v2", {"actions": [{"action": "c2pa.created", "digitalSourceType": said}]})
    made = read_rights(marked.jpeg(store=marked.store(marked.manifest(actions))))
    expected = (f"C2PA c2pa.actions digitalSourceType={evidence}",) if evidence else ()
    assert made == Rights(generated_by=expected, has_c2pa=True)


def test_the_system_that_was_used():
    """IPTC 2025.1 names it, which says that one was."""
    rights = of_xmp("<Iptc4xmpExt:AISystemUsed>A Model</Iptc4xmpExt:AISystemUsed>")
    assert rights == Rights(generated_by=("XMP Iptc4xmpExt:AISystemUsed=A Model",))


INFOTEXT = "a cat\nNegative prompt: a dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
GRAPH = '{"3": {"class_type": "KSampler", "inputs": {}}}'


@pytest.mark.parametrize(
    ("keyword", "value", "evidence"),
    [
        ("parameters", INFOTEXT, "PNG parameters"),
        ("parameters", "x" * 10_000 + INFOTEXT, "PNG parameters"),
        ("parameters", '{"sui_image_params": {"prompt": "a cat"}}', "PNG parameters"),
        ("parameters", '{"steps": 30, "seed": "1"}', "PNG parameters"),
        ("parameters", "gain=3, offset=1", ""),
        ("prompt", GRAPH, "PNG prompt"),
        ("prompt", "$ ", ""),
        ("workflow", '{"nodes": [], "links": []}', "PNG workflow"),
        ("workflow", "approved", ""),
        ("invokeai_metadata", "{}", "PNG invokeai_metadata"),
        ("sd-metadata", "{}", "PNG sd-metadata"),
        ("Dream", "cat -s50", "PNG Dream"),
        ("Software", "NovelAI", "PNG Software=NovelAI"),
        ("Software", "GIMP", ""),
    ],
)
def test_texts_of_generators(keyword, value, evidence):
    """What programs write that make images, and nothing that merely has the same keyword."""
    rights = read_rights(marked.png(more=marked.text(keyword, value)))
    assert rights == Rights(generated_by=(evidence,) if evidence else ())


@pytest.mark.parametrize(
    ("tags", "inner"),
    [
        ({}, {0x9286: (7, b"UNICODE\0" + INFOTEXT.encode("utf-16-be"))}),
        ({}, {0x9286: (7, b"ASCII\0\0\0" + INFOTEXT.encode())}),
        ({0x0110: (2, b"prompt:" + GRAPH.encode() + b"\0")}, None),
        ({0x010F: (2, b'workflow:{"nodes": [], "links": []}\0')}, None),
    ],
)
def test_generators_that_write_exif(tags, inner):
    """Where a format has no texts, generators use EXIF: UserComment, or Make and Model."""
    rights = read_rights(marked.webp(exif=tiff(tags, inner=inner)))
    assert rights.generated_by == ("EXIF generation settings",)
    assert read_rights(marked.webp(exif=tiff({0x0110: (2, b"prompt: X100\0")}))).generated_by == ()


@pytest.mark.parametrize(
    ("said", "marked_as"), [("True", True), ("true", True), ("False", False), ("", None), ("maybe", None)]
)
def test_the_mark(said, marked_as):
    """True, false or neither."""
    assert of_xmp(attributes=f'xmpRights:Marked="{said}"').marked is marked_as


def test_licences():
    """Addresses come before terms, each once, and a long text does not push an address out."""
    terms = f"<rdf:Alt><rdf:li xml:lang='x-default'>{'long ' * 400}</rdf:li></rdf:Alt>"
    body = (
        f"<xmpRights:UsageTerms>{terms}</xmpRights:UsageTerms>"
        "<xmpRights:WebStatement>https://example.org/terms</xmpRights:WebStatement>"
        "<cc:license rdf:resource='https://creativecommons.org/licenses/by/4.0/'/>"
        "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'><plus:LicensorURL>https://example.org/terms"
        "</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>"
    )
    licence = of_xmp(body).licence
    assert licence.startswith("https://creativecommons.org/licenses/by/4.0/; https://example.org/terms; long long")
    assert len(licence) <= 1000
