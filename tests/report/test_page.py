"""The report page: what it says, and what it withstands."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from tests.report.pages import HOSTILE_NAME, curated, figures_of, report_of

from nemo_curator.errors import StorageError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.report import gather, page, sampling
from nemo_curator.report.content import Group
from nemo_curator.report.page import render, write_report
from nemo_curator.testing import encoded, make_tar, photo


def test_the_page_is_complete_in_itself(pile, tmp_path):
    """It asks nothing of a network, and its own policy forbids that and every script and style that is not its own."""
    parsed = report_of(curated(pile, tmp_path / "out"))
    for tag, attributes in parsed.elements:
        assert tag not in {"iframe", "object", "embed", "form", "base", "link"} or attributes == {
            "rel": "icon",
            "href": "data:,",
        }
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "@import" not in parsed.styles[0]
    assert "url(" not in parsed.styles[0]
    (policy,) = [one["content"] for one in parsed.all("meta") if one.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for kind, (text,) in (("script", parsed.scripts[1:]), ("style", parsed.styles)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert parsed.all("script") == [{"type": "application/json", "id": "data"}, {}]


def test_hostile_names_and_captions_are_text(pile, tmp_path):
    """A caption that ends a script and begins another and a name that ends an attribute are data, and nothing else."""
    parsed = report_of(curated(pile, tmp_path / "out"))
    assert HOSTILE_NAME in parsed.data["sample"]["ids"]
    captions = [one.get("caption", "") for one in parsed.data["figures"].values()]
    assert [one for one in captions if one.startswith("</script><script>document.title='stolen'</script><!--<b>bold")]
    assert len(parsed.scripts) == 2
    assert not parsed.all("b", **{"class": "bold"})
    assert not parsed.all("img")
    assert "stolen'<" not in parsed.html
    assert "\u202e" not in parsed.html
    assert "\x1b" not in parsed.html


def test_hostile_rules_and_quarantine_details_are_text(pile, tmp_path):
    """Rule names and expressions come from a recipe that may be a stranger's."""
    name = "</style><script>alert(1)</script>"
    parsed = report_of(
        curated(pile, tmp_path / "out", rules={name: "format = '<img src=x onerror=alert(2)>' or width < 64"})
    )
    assert len(parsed.scripts) == 2
    assert len(parsed.styles) == 1
    assert name in parsed.text
    assert name in [group["rule"] for group in parsed.data["groups"]]
    assert not parsed.all("img")


def test_the_funnel_is_what_the_decisions_say(pile, tmp_path):
    """Every line of the funnel has the count that DuckDB finds, and they add up."""
    run = curated(pile, tmp_path / "out")
    found = gather.gather(run)
    query = f"SELECT verdict, count(*) FROM '{run.decisions}' GROUP BY 1"  # noqa: S608
    counts = dict(duckdb.sql(query).fetchall())
    by_kind = {}
    for step in found.steps[1:]:
        by_kind[step.kind] = by_kind.get(step.kind, 0) + step.count
    expected = {"quarantine": "quarantine", "reject": "reject", "duplicate": "duplicate", "keep": "keep"}
    assert by_kind == {kind: counts.get(verdict, 0) for kind, verdict in expected.items()}
    assert sum(by_kind.values()) == found.inputs
    assert [step.name for step in found.steps if step.kind == "quarantine"] == ["decode_failed", "not_an_image"]
    assert [(step.name, step.count, step.anchor) for step in found.steps if step.kind == "reject"] == [
        ("small", 1, "images")
    ]


def test_bars_step_down_to_what_is_kept(pile, tmp_path):
    """Each bar begins where the steps after it end, so that the last one is what is kept."""
    steps = gather.gather(curated(pile, tmp_path / "out")).steps
    edge = 1.0
    for step in steps[1:-1]:
        assert step.start + step.share == pytest.approx(edge)
        edge = step.start
    assert steps[-1].share == pytest.approx(edge)


def test_every_image_has_words_for_who_cannot_see_it(pile, tmp_path):
    """Alt text is the caption, else the id."""
    figures = figures_of(gather.gather(curated(pile, tmp_path / "out")))
    assert figures["good-0.jpg"].alt == "A first picture"
    assert figures["good-1.jpg"].alt == "From the JSON"
    assert figures["good-3.jpg"].alt == "Image good-3.jpg, without a caption"


def test_a_rejected_image_shows_its_score_against_the_threshold(pile, tmp_path):
    """The size, and what the rule compared."""
    (figure,) = figures_of(gather.gather(curated(pile, tmp_path / "out")), "reject").values()
    assert (figure.image_id, figure.size, figure.compared) == ("tiny.png", "40 \N{MULTIPLICATION SIGN} 30", "30 < 64")
    assert figure.picture.startswith("data:image/jpeg;base64,")
    assert figure.shape == (40, 30)


def test_duplicates_are_introduced_as_what_they_are(pile, tmp_path):
    """One is not a group, and of equal bytes no radius is spoken of; of copies one is."""
    page = gather.gather(curated(pile, tmp_path / "out"))
    assert not page.apart
    words = render(page)
    assert "1 group of" not in words
    assert "the radius" not in words
    near = replace(page, groups=(*page.groups, Group("duplicate", "copy", "", 2)))
    assert "look there before you trust the radius" in render(near)
    one = render(replace(page, duplicates=1))
    assert "1 duplicate, beside the kept image that it repeats." in one


def test_it_is_said_from_which_score_on_pictures_are_blurred(pile, tmp_path):
    """The score, and that a rule about such pictures blurs too, stand beside the switch."""
    page = gather.gather(curated(pile, tmp_path / "out"))
    assert "blurred from" not in render(page)
    first = next(iter(page.figures))
    veiled = replace(page, figures={**page.figures, first: replace(page.figures[first], unsafe="rule nsfw")})
    assert "blurred from nsfw_score 0.5 on" in render(veiled)


def test_a_duplicate_stands_beside_the_image_that_it_duplicates(pile, tmp_path):
    """The group names and shows both, with what makes them equal."""
    found = gather.gather(curated(pile, tmp_path / "out"))
    (group,) = found.alike
    (removed,) = group.removed
    assert (group.kept_id, group.size, removed.how, removed.distance) == ("good-2.jpg", 1, "its bytes are equal", "")
    assert found.figures[group.kept].image_id == "good-2.jpg"
    assert found.figures[removed.position].image_id == "zz-copy.jpg"
    assert found.figures[group.kept].picture == found.figures[removed.position].picture != ""


def test_quarantined_inputs_are_listed_with_code_and_detail(pile, tmp_path):
    """What could not be used has no picture, but a reason."""
    found = gather.gather(curated(pile, tmp_path / "out"))
    assert [(one.code, one.count, [each.image_id for each in one.examples]) for one in found.quarantine] == [
        ("decode_failed", 1, ["broken.jpg"]),
        ("not_an_image", 1, ["list.jpg"]),
    ]
    assert all(one.meaning and one.remedy and one.examples[0].detail for one in found.quarantine)


def test_recipe_versions_and_ignored_files_are_there(pile, tmp_path):
    """The page says what was asked for, by what it was done, and what was passed over."""
    text = report_of(curated(pile, tmp_path / "out")).text
    assert "small: least(width, height) < 64" in text
    assert "duckdb" in text
    assert "README.md" in text


def test_pictures_of_a_sensitive_rule_are_blurred(pile, tmp_path):
    """Those that a rule about NSFW rejected are marked, and a switch to see them is there; else there is none."""
    run = curated(pile, tmp_path / "out", rules={"small": "width < 64", "nsfw": "format = 'png'"})
    parsed = report_of(run)
    marked = [
        parsed.data["sample"]["ids"][int(row)]
        for row, one in parsed.data["figures"].items()
        if one.get("unsafe") == "rule nsfw"
    ]
    assert marked == [HOSTILE_NAME]
    assert parsed.all("input", id="unveil")
    assert not report_of(curated(pile, tmp_path / "calm")).all("input", id="unveil")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_thumbnails_come_from_shards_too(tmp_path, suffix):
    """Members of plain and compressed tars are found again by their offsets."""
    members = [(f"{seed}.jpg", encoded(photo(seed), quality=90)) for seed in range(4)]
    make_tar(tmp_path / "in" / f"shard{suffix}", [*members, ("0.txt", b"the first")])
    figures = figures_of(gather.gather(curated(tmp_path / "in", tmp_path / "out")))
    assert list(figures) == [f"shard/{seed}" for seed in range(4)]
    assert all(figure.picture for figure in figures.values())
    assert figures["shard/0"].caption == "the first"
    assert figures["shard/0"].source == f"shard{suffix}"


def test_a_source_that_vanished_leaves_a_placeholder(pile, tmp_path):
    """The report is of the run, whose input may be gone by now."""
    run = curated(pile, tmp_path / "out")
    for path in pile.iterdir():
        path.unlink()
    figures = figures_of(gather.gather(run))
    assert figures
    assert {figure.picture for figure in figures.values()} == {""}
    assert all("No such file" in figure.missing for figure in figures.values())


def test_a_source_that_changed_is_not_shown(pile, tmp_path):
    """A thumbnail is of the bytes that were scored, or there is none."""
    run = curated(pile, tmp_path / "out")
    (pile / "good-0.jpg").write_bytes((pile / "good-1.jpg").read_bytes())
    by_id = figures_of(gather.gather(run))
    assert by_id["good-0.jpg"].picture == ""
    assert "changed" in by_id["good-0.jpg"].missing
    assert by_id["good-1.jpg"].picture


def test_the_same_run_gives_the_same_page(pile, tmp_path):
    """Samples are chosen by place, not by chance."""
    run = curated(pile, tmp_path / "out")
    write_report(run)
    first = Path(run.report).read_bytes()
    write_report(run)
    assert Path(run.report).read_bytes() == first


def test_a_run_that_keeps_nothing(pile, tmp_path):
    """There is a page all the same, without the sections that would be empty."""
    parsed = report_of(curated(pile, tmp_path / "out", rules={"all": "true"}))
    assert "0 of 10 inputs kept" in parsed.text
    assert parsed.all("section", id="images")
    assert not parsed.all("section", id="duplicates")
    assert not parsed.all("section", id="leaks")


def test_a_run_of_nothing_usable(tmp_path):
    """There is a page without any score, which no image has."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_text("no picture")
    parsed = report_of(curated(tmp_path / "in", tmp_path / "out"))
    assert "0 of 1 input kept" in parsed.text
    assert "not_an_image" in parsed.text
    assert "no value" not in parsed.text
    assert not parsed.all("section", id="scores")
    assert not parsed.all("a", href="#scores")
    assert not parsed.all("section", id="images")
    assert not parsed.all("section", id="joint")
    assert not parsed.all("section", id="map")


def test_a_name_that_is_no_utf8(tmp_path):
    """Such a file is read, scored and shown under its escaped name."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")).write_bytes(encoded(photo(1)))
    (figure,) = figures_of(gather.gather(curated(folder, tmp_path / "out"))).values()
    assert figure.image_id == "caf\\xe9.jpg"
    assert figure.picture


def test_pictures_are_spread_over_the_source_order(tmp_path, monkeypatch):
    """Of many images a fixed number has a picture, from the first to the last, and the page says so of how many."""
    monkeypatch.setattr(sampling, "_FEW_PICTURES", 24)
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(60):
        (folder / f"{seed:03}.jpg").write_bytes(encoded(photo(seed, 80, 64)))
    found = gather.gather(curated(folder, tmp_path / "out"))
    ids = sorted(figures_of(found))
    assert len(ids) == 24
    assert (ids[0], ids[-1]) == ("000.jpg", "059.jpg")
    assert len(found.sample.positions) == found.readable == 60
    assert "The nearest of the 24 pictures" in page.render(found)


def test_thumbnails_have_a_budget(pile, tmp_path, monkeypatch):
    """Once the page holds enough of them, the rest are placeholders; kept images come first."""
    monkeypatch.setattr(gather, "MOST_BYTES", 1)
    found = figures_of(gather.gather(curated(pile, tmp_path / "out")))
    assert [name for name, figure in found.items() if figure.picture] == [HOSTILE_NAME]
    assert {figure.missing for figure in found.values() if not figure.picture} == {"left out to keep this page small"}


def test_a_page_that_cannot_be_written_is_one_sentence(pile, tmp_path):
    """A folder in the page's place is a storage error."""
    run = curated(pile, tmp_path / "out")
    Path(run.report).mkdir()
    with pytest.raises(StorageError, match=re.escape("report.html")):
        write_report(run)


def test_odd_thresholds_are_listed_as_text(pile, tmp_path):
    """A rule that rejects nothing is told of with what was seen; names and values from strangers are text."""
    page = report_of(curated(pile, tmp_path / "out", {"<b>odd</b>": "width > 99999", "calm": "width > 0"}))
    assert "rule <b>odd</b> (width > 99999) rejects nothing: its threshold is above all seen values" in page.text
    assert "rule calm (width > 0) rejects every image: its threshold is below all seen values" in page.text
    assert "<b>odd</b>" not in page.html
    fitting = report_of(curated(pile, tmp_path / "fits", {"small": "least(width, height) < 64"}))
    assert "Thresholds to look at" not in fitting.text


def test_how_models_were_computed(pile, tmp_path):
    """The page says of each model how it was computed, and the figures of what was tried, as text."""
    run = curated(pile, tmp_path / "out")
    facts = json.loads(Path(run.run_json).read_text())
    way = {"runtime": "openvino", "precision": "int8"}
    figures = {**way, "images": 40, "cosine": 0.99987, "drift": 0, "changed": {}, "seconds": 0.01, "fp32_seconds": 0.04}
    facts["numerics"] = {"clip<b>\x1b": {**way, "weights": {}, "why": "", "tried": [figures]}}
    Path(run.run_json).write_text(json.dumps(facts))
    parsed = report_of(run)
    assert "is computed in int8 on openvino, which agrees with fp32 on 40 of your images" in parsed.text
    rows = re.findall(r"<bdi>(int8|fp32) on openvino</bdi></th>(.*)</tr>", parsed.html)
    cells = {precision: re.findall(r">([^<>]*)</(?:td|bdi)>", row) for precision, row in rows}
    assert cells == {"int8": ["0.999870", "", "", "10.0"], "fp32": ["", "", "", "40.0"]}
    assert "\x1b" not in parsed.html
    assert not parsed.all("b", **{"class": "bold"})


def test_pace_is_of_what_was_scored_then(pile, tmp_path):
    """The first run tells its pace and what a stage took for one input; one that had nothing to score tells neither."""
    first = gather.gather(curated(pile, tmp_path / "out"))
    assert first.pace.endswith("while scoring 10 inputs")
    taken = {one.name: (one.seconds, one.milliseconds) for one in first.stages}
    assert taken["image_reader"][1] == pytest.approx(100 * taken["image_reader"][0])
    run = curated(pile, tmp_path / "out")
    again = gather.gather(run)
    assert again.pace == ""
    assert {one.name: (one.seconds, one.milliseconds) for one in again.stages} == taken
    text = report_of(run).text
    assert "nothing was left to score" in text
    assert "ms an input" in text


def test_a_new_file_is_timed_alone(pile, tmp_path):
    """Scoring one file beside ten that were there tells the time of that one, not a share of it."""
    curated(pile, tmp_path / "out")
    (pile / "late.jpg").write_bytes(encoded(photo(30), quality=90))
    recipe = Recipe(scores=["header"], rules={"small": "least(width, height) < 64"})
    found = gather.gather(curate([str(pile)], str(tmp_path / "out"), recipe, workers=0, replace=True).run)
    assert found.inputs == 11
    assert found.pace.endswith("while scoring 1 input")
    assert all(one.milliseconds == pytest.approx(1000 * one.seconds) for one in found.stages)


def test_a_run_of_before_tells_no_time_of_an_input(pile, tmp_path):
    """Where it is not on record how many inputs were scored, there are no figures that were divided by a guess."""
    run = curated(pile, tmp_path / "out")
    facts = json.loads(Path(run.run_json).read_text())
    del facts["scored"], facts["stage_inputs"]
    Path(run.run_json).write_text(json.dumps(facts))
    text = report_of(run).text
    assert "Where the time went" in text
    assert "ms an input" not in text
    assert "while scoring" not in text
    assert "nothing was left to score" not in text


def test_a_page_says_when_it_was_decided(pile, tmp_path):
    """Beside when the run was started: a later decision tells the new page from the old one."""
    run = curated(pile, tmp_path / "out")
    facts = json.loads(Path(run.run_json).read_text())
    assert facts["decided"] >= facts["started"]
    facts |= {"started": "2024-01-02T03:04:05+00:00", "decided": "2024-01-02T03:04:06+00:00"}
    Path(run.run_json).write_text(json.dumps(facts))
    assert "started 2024-01-02 03:04:05 UTC · decided 2024-01-02 03:04:06 UTC" in report_of(run).text
    decide_run(run)
    again = report_of(run).text
    assert "started 2024-01-02 03:04:05 UTC · decided " in again
    assert "decided 2024-01-02" not in again
