"""The card and the Croissant description beside a data set: true, deterministic, and safe whatever files say."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.exporting.made import contents, decide, deliver, scored, tars
from tests.runs.exporting.test_formats import FORMATS

from nemo_curator.errors import OutputExistsError
from nemo_curator.runs.deciding import IdList
from nemo_curator.runs.exporting import (
    MANIFEST,
    ExportSettings,
    add_documents,
    delivered,
    delivered_files,
    refuse_documents,
    remove_samples,
    verify,
)
from nemo_curator.runs.exporting.card import card, code, fenced
from nemo_curator.runs.exporting.survey import OTHERS, Survey

HOSTILE = "<script>alert(1)</script> | `x` ``y`` [a](javascript:b) ![i](http://e/) \n# head\n---\n\u202eevil\x1b[31m"


@pytest.fixture(params=FORMATS)
def output(request, tmp_path):
    """A data set in two splits, with its documents."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made, lambda at, _: ("keep", "val" if at % 5 == 0 else "train"))
    deliver(made, tmp_path / "out", ExportSettings(request.param, 5))
    add_documents(str(tmp_path / "out"))
    return tmp_path / "out"


def texts(output):
    """The card and the description."""
    return (output / "README.md").read_text(), json.loads((output / "croissant.json").read_text())


def test_what_they_say(output):
    """Numbers are those of the manifest, files have their hashes, and splits their patterns."""
    card_text, described = texts(output)
    manifest = delivered(str(output))
    head = yaml.safe_load(card_text.split("---\n")[1])
    assert head["size_categories"] == ["n<1K"]
    assert "15 samples" in card_text
    assert "| `train` | 12 | 80.0% |" in card_text
    files = {one["@id"]: one.get("sha256") for one in described["distribution"] if one["@type"] == "cr:FileObject"}
    assert files == {one["name"]: one["sha256"] for one in manifest["files"] if not one["name"].endswith("/")}
    (rows,) = (one for one in described["distribution"] if one["@type"] == "cr:FileSet")
    assert rows["includes"] == ["train/[0-9][0-9][0-9][0-9][0-9].parquet", "val/[0-9][0-9][0-9][0-9][0-9].parquet"]
    names = [one["name"] for one in described["recordSet"][0]["field"]]
    assert {"image_id", "caption", "sharpness", "split"} <= set(names)
    assert ("image" in names) == (manifest["format"] == "parquet")
    if manifest["format"] in ("webdataset", "parquet"):
        assert [one["split"] for one in head["configs"][0]["data_files"]] == ["train", "val"]


def test_nothing_of_the_place(output):
    """No document says where or when it was made."""
    for name in ("README.md", "croissant.json"):
        assert str(output.parent) not in (output / name).read_text()


def test_again_is_the_same(output):
    """Writing them again changes nothing, and so does writing those that are gone."""
    whole = contents(output)
    add_documents(str(output))
    assert contents(output) == whole
    (output / "croissant.json").unlink()
    add_documents(str(output))
    assert contents(output) == whole


def test_a_stale_card_is_written_anew(output):
    """Where a removal was killed before it wrote the documents, or listed them, the next one makes them right."""
    ids, stale = IdList("", pa.array(["000/0001"]), ""), contents(output)
    remove_samples(str(output), ids)
    whole = contents(output)
    listed = {**json.loads(whole[MANIFEST]), "documents": json.loads(stale[MANIFEST])["documents"]}
    for written in (stale, whole):
        (output / "README.md").write_bytes(written["README.md"])
        (output / "croissant.json").write_bytes(stale["croissant.json"])
        (output / MANIFEST).write_text(json.dumps(listed))
        remove_samples(str(output), ids)
        assert contents(output) == whole


def test_heads_that_a_reader_takes_as_meant():
    """Names of splits are texts, those without samples are left out, and there is a size for any number."""
    text = card(manifest_of(samples=2 * 10**9, splits={"no": 1, "1": 1, "none": 0}), Survey()).decode()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["size_categories"] == ["1B<n<10B"]
    assert [one["split"] for one in head["configs"][0]["data_files"]] == ["no", "1"]


def test_killed_in_between(output):
    """Documents that are there and not listed yet are ours if they are what would be written."""
    whole = contents(output)
    manifest = json.loads(whole[MANIFEST])
    del manifest["documents"]
    (output / MANIFEST).write_text(json.dumps(manifest))
    add_documents(str(output))
    assert contents(output) == whole


def test_an_edited_card_is_the_users(output):
    """A card that somebody edited stays as it is, is none of our files any more, and no fault of the data set."""
    (output / "README.md").write_text("my own words")
    assert "README.md" not in delivered_files(str(output))
    assert "croissant.json" in delivered_files(str(output))
    add_documents(str(output))
    remove_samples(str(output), IdList("", pa.array(["000/0001"]), ""))
    assert (output / "README.md").read_text() == "my own words"
    assert verify(str(output)).ok
    with pytest.raises(OutputExistsError, match=r"README\.md"):
        refuse_documents(str(output))


def test_somebody_elses_files_stay(tmp_path):
    """A file of another's in their place is refused, before and after the data set is there."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "croissant.json").write_text("{}")
    with pytest.raises(OutputExistsError):
        refuse_documents(str(tmp_path / "out"))
    deliver(made, tmp_path / "out", ExportSettings())
    with pytest.raises(OutputExistsError):
        add_documents(str(tmp_path / "out"))
    assert (tmp_path / "out" / "croissant.json").read_text() == "{}"


def test_they_follow_an_export_that_fills_gaps(tmp_path):
    """When a source is back, the documents that spoke of fewer samples are ours to replace."""
    made = scored(tars(tmp_path / "in"), tmp_path / "run")
    decide(made)
    (tmp_path / "in" / "001.tar").rename(tmp_path / "away")
    deliver(made, tmp_path / "out", ExportSettings(shard_size=5), skip_missing=True)
    add_documents(str(tmp_path / "out"))
    assert "10 samples" in texts(tmp_path / "out")[0]
    (tmp_path / "away").rename(tmp_path / "in" / "001.tar")
    deliver(made, tmp_path / "out", ExportSettings(shard_size=5))
    add_documents(str(tmp_path / "out"))
    assert "15 samples" in texts(tmp_path / "out")[0]
    assert verify(str(tmp_path / "out")).ok


def test_they_follow_a_removal(output):
    """After samples are taken out, the documents speak of what is left."""
    remove_samples(str(output), IdList("", pa.array(["000/0001", "000/0002"]), ""))
    card_text, described = texts(output)
    assert "13 samples" in card_text
    assert "2 samples were taken out" in card_text
    assert described["description"].startswith("13 images")
    assert verify(str(output)).ok


def test_verify_looks_at_what_programs_read(output):
    """A description that was changed is told."""
    text = (output / "croissant.json").read_text()
    (output / "croissant.json").write_text(text.replace("15 images", "16 images"))
    assert not verify(str(output)).ok


@given(st.text(max_size=300))
def test_code_spans_hold_anything(text):
    """Whatever a user says is one code span on one line, without anything that a terminal or a page would obey."""
    span = code(text)
    ticks = re.match("`+", span)[0]
    inner = span[len(ticks) : -len(ticks)]
    assert span.endswith(ticks)
    assert ticks not in re.findall("`+", inner)
    assert span.isprintable()
    assert "|" not in inner


@given(st.text(max_size=300))
def test_fences_hold_anything(text):
    """Whatever a recipe says stays in its block."""
    first, *lines, last = fenced(text)
    assert last == first.removesuffix("yaml")
    assert all(not line.strip().startswith(last) for line in lines)


def manifest_of(**more):
    """A manifest with everything in it, hostile where a user has a say."""
    funnel = {
        "inputs": 10, "kept": 4, "quarantined": {HOSTILE: 1}, "rejected": {HOSTILE: 2}, "duplicates": 3,
        "alike": {"same_bytes": 1, "copy": 1, "similar": 1}, "protected": {HOSTILE: 7}, "leaks": {HOSTILE: 1},
        "unreadable": {HOSTILE: 1}, "earlier": {HOSTILE: 1},
    }  # fmt: skip
    duplicates = {"bytes": True, "pixels": True, "within": True, "copies": {"distance": 31}, "similar": {"eps": 0.05}}
    return {
        "format": "webdataset", "imagecurator": "1", "samples": 4, "bytes": 5, "splits": {}, "funnel": funnel,
        "recipe": {"rules": {HOSTILE: HOSTILE}, "duplicates": duplicates}, "files": [], "versions": {"x": "1"},
        "lists": {HOSTILE: {"name": HOSTILE, "sha256": "0", "ids": 3}}, "missing": [1], "removed": 0, **more,
    }  # fmt: skip


def test_hostile_words():
    """Rules, names, licences that are Markdown, HTML and control characters have no power in a card."""
    found = Survey()
    values = [HOSTILE, HOSTILE, None, "CC0"]
    found.add(
        pa.table({"licence": values, "input": values, "format": values, "caption": values, "ai_opt_out": [1] * 4})
    )
    text = card(manifest_of(), found).decode()
    outside = re.sub(r"(?ms)^(`{3,})yaml$.*?^\1$", "", text)
    outside = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", outside)
    assert "<script>" not in outside
    assert "javascript" not in outside
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == ["# Images curated by imagecurator"]
    assert "1 input that shows one of them was rejected" in text
    assert "edited copies (PDQ hashes within 31 bits)" in text


def test_images_made_anew_are_told_with_others_where_there_are_some():
    """Of others that kept their bytes is spoken only where there are some."""
    rendition = {"resize": None, "encode": {"format": "webp"}}
    for made, words in (
        (4, "4 images were made smaller or encoded anew."),
        (1, "1 image was made smaller or encoded anew, the other 3 have the bytes that they came with."),
    ):
        found = Survey()
        found.flags["rendered"] = made
        assert words in card(manifest_of(samples=4, rendition=rendition), found).decode()


def test_what_was_not_done_is_said():
    """Where rights were not scored and nothing was protected, the card says so, and what was left out."""
    text = card(manifest_of(failed=[1, 2], rendition={"resize": None, "encode": {"format": "webp"}}), Survey()).decode()
    assert "the score `rights` was not computed" in text
    assert "2 kept samples are not in here, because they could not be encoded anew" in text
    plain = manifest_of(funnel={"inputs": 0}, recipe={"duplicates": {"bytes": False}})
    text = card(plain, Survey()).decode()
    assert "Duplicates within the inputs were not looked for" in text
    assert "No evaluation set was protected" in text


def test_many_values_are_counted_together(monkeypatch):
    """Different licences without end take no memory without end."""
    module = __import__("nemo_curator.runs.exporting.survey", fromlist=["_MOST_VALUES"])
    monkeypatch.setattr(module, "_MOST_VALUES", 3)
    found = Survey()
    found.add(pa.table({"licence": [f"licence {number}" for number in range(10)]}))
    assert len(found.counts["licence"]) == 4
    assert found.counts["licence"][OTHERS] == 7


def test_columns_of_old_data_sets(output):
    """A Parquet that lost a column is still described."""
    path = next(output.rglob("0*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["caption", "width"]), path)
    (output / "croissant.json").unlink()
    add_documents(str(output))
    assert (output / "croissant.json").exists()
