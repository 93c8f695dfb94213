"""The page of a search: what it shows, and what it must not show."""

from __future__ import annotations

import pytest
from tests.report.pages import Parsed, curated

from nemo_curator.errors import OutputExistsError
from nemo_curator.report.search_page import Asked, Near, check_page, write_search_page
from nemo_curator.runs.lookup import find_row, find_rows
from nemo_curator.runs.partitions import read_partition_ids


@pytest.fixture
def run(pile, tmp_path):
    """A decided run of a folder with every kind of input, with a list of known images."""
    import hashlib

    (tmp_path / "bad.sha256").write_text(hashlib.sha256((pile / "good-3.jpg").read_bytes()).hexdigest() + "\n")
    return curated(pile, tmp_path / "out", known_bad={"lists": {"forbidden": str(tmp_path / "bad.sha256")}})


def near(run, pile, *names, **more):
    """Rows of a run as a search finds them; `more` is put into each row."""
    (partition_id,) = read_partition_ids(run)
    rows = find_rows(run.part(partition_id), names)
    return [
        Near(0.9 - at / 10, {**rows[name], **more}, str(pile / name), find_row(run.decisions, name))
        for at, name in enumerate(names)
    ]


def page(run, place, found, asked=None):
    """The page, parsed."""
    write_search_page(run, str(place), asked or Asked(text="something", searched=9), found)
    return Parsed(place.read_text(encoding="utf-8"))


def test_images_stand_in_the_order_of_the_answer(run, pile, tmp_path):
    """Nearest first, with cosine and verdict, caption and thumbnail."""
    found = page(run, tmp_path / "p.html", near(run, pile, "good-1.jpg", "tiny.png", "good-0.jpg"))
    assert [one["alt"] for one in found.all("img")] == [
        "From the JSON", "Image tiny.png, without a caption", "A first picture"
    ]  # fmt: skip
    for words in ("0.9000, kept", "0.8000, rejected by small", "0.7000, kept", "3 images of 9"):
        assert words in found.text


def test_known_images_are_not_shown(run, pile, tmp_path):
    """A picture that is on a list of known images has no thumbnail; a page is a copy."""
    found = page(run, tmp_path / "p.html", near(run, pile, "good-3.jpg", "good-4.jpg"))
    assert len(found.all("img")) == 1
    assert "on a list of known images, and not shown" in found.text
    assert "0.9000, rejected by forbidden" in found.text


def test_sensitive_pictures_are_blurred(run, pile, tmp_path):
    """As in the report, until somebody asks to see them; the score and the threshold are told."""
    found = page(run, tmp_path / "p.html", near(run, pile, "good-4.jpg", nsfw_score=0.9))
    (veil,) = found.all("div", **{"class": "veil"})
    assert "nsfw_score 0.9 \u2265 0.5" in veil["aria-label"]
    assert "nsfw_score 0.9 \u2265 0.5" in found.text


def test_sources_that_are_gone(run, pile, tmp_path):
    """An image that cannot be read any more is a placeholder that says so, and so is one that nobody can find."""
    found = near(run, pile, "good-0.jpg", "good-4.jpg")
    (pile / "good-0.jpg").unlink()
    parsed = page(run, tmp_path / "p.html", [found[0], Near(0.1, found[1].row, "", None)])
    assert parsed.all("img") == []
    assert "cannot be read any more" in parsed.text
    assert "nobody knows where its bytes lie" in parsed.text


def test_nothing_was_found(run, tmp_path):
    """An empty answer is a page that says so, with its notes."""
    found = page(run, tmp_path / "p.html", [], Asked(text="<script>alert(1)</script>", notes=["a & b"]))
    assert "Nothing was found" in found.text
    assert "a & b" in found.text
    assert "<script>alert(1)</script>" in found.text
    assert found.all("script") == []


def test_a_place_that_is_taken(run, tmp_path):
    """A page of a search may be replaced when told; anything else never, were it empty or a folder."""
    place = tmp_path / "p.html"
    check_page(str(place), replace=False)
    page(run, place, [])
    with pytest.raises(OutputExistsError, match="pass --replace"):
        check_page(str(place), replace=False)
    check_page(str(place), replace=True)
    (tmp_path / "empty").write_bytes(b"")
    for other in ("empty", "out"):
        with pytest.raises(OutputExistsError, match="is not replaced"):
            check_page(str(tmp_path / other), replace=True)
