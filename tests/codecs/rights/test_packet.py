from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.rights.marked import NAMESPACES, xmp

from nemo_curator.codecs.rights.packet import Packet
from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import LONGEST, joined

NAMES = [
    *("dc:rights", "dc:creator", "dc:subject", "plus:DataMining", "tdm:reservation", "cc:license", "xmpRights:Marked"),
    *("photoshop:Credit", "tiff:Artist", "dcterms:license", "Iptc4xmpExt:DigitalSourceType"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "form",
    [
        "<{0}>a value</{0}>",
        "<{0} xml:lang='en'>\n a   value</{0} >",
        "<{0} rdf:resource='a value'/>",
        '<{0} rdf:resource = "a value" />',
        "<{0}><rdf:Bag><rdf:li>a value</rdf:li></rdf:Bag></{0}>",
        "<{0}><rdf:Seq><rdf:li rdf:resource='a value'/></rdf:Seq></{0}>",
        "<{0} rdf:parseType='Resource'><rdf:value>a value</rdf:value></{0}>",
        "<{0}><![CDATA[a value]]></{0}>",
        "<{0}>a&#x20;v&#97;lue</{0}>",
        "<!-- <{0}>no value</{0}> --><{0}>a value</{0}>",
    ],
)
def test_forms_of_an_element(name, form):
    """Every way in which RDF may write a value gives the value."""
    packet = Packet(xmp(form.format(name)))
    assert packet.text(name) == "a value"
    assert packet.texts(name) == ["a value"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ['{0}="a value"', "{0} = 'a value'", '\n{0}\n=\n"a value"'])
def test_forms_of_an_attribute(name, form):
    """So does the short form, in which properties are attributes of the description."""
    assert Packet(xmp(attributes=form.format(name))).texts(name) == ["a value"]


@pytest.mark.parametrize("name", NAMES)
def test_a_prefix_counts_for_what_it_is_bound_to(name):
    """Any prefix may stand for a namespace, and the usual one may stand for another."""
    usual, _, local = name.partition(":")
    element = f"<zz:{local}>a value</zz:{local}>"
    assert Packet(xmp(element, zz=NAMESPACES[usual])).texts(name) == ["a value"]
    assert Packet(xmp(element, zz="http://example.org/")).texts(name) == []
    usurped = f"<{name}>a value</{name}>"
    assert Packet(xmp(usurped, **{usual: "http://example.org/"})).texts(name) == []
    assert Packet(xmp(usurped, **{usual: ""})).texts(name) == ["a value"]
    secure = NAMESPACES[usual].replace("http://", "https://").rstrip("/#")
    assert Packet(xmp(element, zz=secure)).texts(name) == ["a value"]


def test_names_that_begin_or_end_alike():
    """A property is its whole name."""
    packet = Packet(xmp("<dc:rightsHolder>no</dc:rightsHolder>", 'xdc:rights="no" dc:rights2="no"'))
    assert packet.texts("dc:rights") == []


def test_languages():
    """The default language speaks for itself; all are known."""
    items = "<rdf:li xml:lang='de'>deutsch</rdf:li><rdf:li xml:lang='x-default'>plain</rdf:li>"
    packet = Packet(xmp(f"<dc:rights><rdf:Alt>{items}</rdf:Alt></dc:rights>"))
    assert packet.text("dc:rights") == "plain"
    assert packet.texts("dc:rights") == ["deutsch", "plain"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_packets_in_utf16(encoding):
    """A few are."""
    assert Packet(xmp("<dc:rights>© 猫</dc:rights>").decode().encode(encoding)).text("dc:rights") == "© 猫"


def test_cut_packets():
    """A property that ends nowhere is its first text; a comment that ends nowhere hides what follows."""
    assert Packet(b"<dc:rights>mine <b>or yours").text("dc:rights") == "mine"
    assert Packet(b"<dc:rights").texts("dc:rights") == []
    assert Packet(b"<!-- <dc:rights>mine</dc:rights>").texts("dc:rights") == []
    assert Packet(b' dc:rights="mine').text("dc:rights") == "mine"
    assert Packet(b"").texts("dc:rights") == []


def test_nothing_is_expanded():
    """Entities that a packet defines itself stand as they are, those of files above all."""
    packet = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>' + xmp(
        "<dc:rights>&a;&b;&amp;</dc:rights>"
    )
    assert Packet(packet).text("dc:rights") == "&a;&b;&"


def test_a_property_that_is_there_a_thousand_times():
    """Only so many places are looked at."""
    assert len(Packet(xmp("".join(f"<dc:rights>{n}</dc:rights>" for n in range(1000)))).texts("dc:rights")) == 16


@given(st.lists(st.text(max_size=300), max_size=20))
def test_joined_texts(texts):
    """Bounded, each once, in order, and none of them is empty."""
    whole = joined(texts)
    assert len(whole) <= LONGEST
    if sum(map(len, texts)) < LONGEST // 2:
        assert whole == "; ".join(dict.fromkeys(text for text in texts if text)).rstrip()


@given(st.text(st.characters(), max_size=3000))
def test_texts_are_clean(text):
    """Whatever a packet holds: valid Unicode on one line, without control characters, at most a thousand characters."""
    raw = text.encode("utf-8", "surrogatepass").replace(b"<", b"&lt;")
    packet = b"<dc:rights>" + raw + b"</dc:rights><dc:creator><rdf:li>" + raw + b"</rdf:li></dc:creator>"
    rights = read_rights(b"", "", {"a.xmp": packet})
    for found in (rights.copyright, rights.creator):
        found.encode()
        assert len(found) <= LONGEST
        assert found == found.strip()
        assert all(ord(letter) >= 32 and not 127 <= ord(letter) < 160 for letter in found)


@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from(
            [
                b"<dc:rights",
                b">",
                b"</",
                b" dc:rights=",
                b"'",
                b"<!--",
                b"-->",
                b"li",
                b"<rdf:li",
                b"xmlns:dc=",
                b"\0",
                b"&#1114112;",
            ]
        )
    ).map(b"".join)
)
def test_any_bytes_are_a_packet(raw):
    """Nothing makes it raise."""
    read_rights(b"", "", {"a.xmp": raw})
