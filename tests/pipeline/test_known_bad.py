"""Known images from end to end: recipe, scores, verdicts, report, manifest, and deciding again with other lists."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.errors import InputError, OutputExistsError, RecipeError
from nemo_curator.kernels.pdq import pdq
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_run
from nemo_curator.pipeline.explain import explain
from nemo_curator.pipeline.policy import anchored, plan_policy, without_lists, without_places
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.report.page import write_report
from nemo_curator.runs.lookup import find_row
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.declarations import Column
from nemo_curator.testing import encoded

HASHES = "nemo_curator.stages.image.filters.hash_filter:ImageHashFilterStage"
LISTED = picture(3, 640, 480)


@pytest.fixture
def photos(tmp_path):
    """Six photos, of which one is also there saved again and smaller, one as PNG, and one unreadable file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed}.jpg").write_bytes(encoded(picture(seed, 640, 480), quality=92))
    small = np.array(Image.fromarray(LISTED).resize((320, 240)))
    (folder / "again.jpg").write_bytes(encoded(small, quality=35))
    (folder / "again.png").write_bytes(encoded(LISTED, "PNG"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture
def lists(tmp_path, photos):
    """A list of a picture, and one of the bytes of two files."""
    (tmp_path / "pictures.pdq").write_text(f"{pdq(LISTED).hex}\n")
    sums = [hashlib.md5((photos / name).read_bytes(), usedforsecurity=False).hexdigest() for name in ("1.jpg", "2.jpg")]
    (tmp_path / "bytes.md5").write_text("\n".join(sums))
    return {"pictures": str(tmp_path / "pictures.pdq"), "bytes": str(tmp_path / "bytes.md5")}


def run(photos, tmp_path, known, **settings):
    """A run over the photos."""
    recipe = Recipe(scores=["header", HASHES], rules={}, known_bad=known, **settings)
    return curate([str(photos)], str(tmp_path / "out"), recipe, workers=0)


def verdict(summary_run, name):
    """(verdict, rule, reason) of one image."""
    found = find_row(summary_run.decisions, name)
    return found["verdict"], found["rule"], found["reason"]


def test_known_images_never_leave(photos, lists, tmp_path):
    """Listed bytes, the listed picture and its edits stay out, allowed or not; others stay in."""
    (tmp_path / "allow.txt").write_text("1.jpg\nagain.jpg\n5.jpg\n")
    summary = run(photos, tmp_path, {"lists": lists}, allow=str(tmp_path / "allow.txt"))
    assert summary.funnel.rejected == {"pictures": 3, "bytes": 2}
    assert (summary.funnel.kept, summary.funnel.allowed) == (3, 1)
    for name in ("3.jpg", "again.jpg", "again.png"):
        what, rule, reason = verdict(summary.run, name)
        assert (what, rule) == ("reject", "pictures")
        assert f"bits from {pdq(LISTED).hex} in pictures.pdq" in reason
    assert verdict(summary.run, "1.jpg")[:2] == ("reject", "bytes")
    assert verdict(summary.run, "broken.jpg")[0] == "quarantine"
    facts = explain(summary.run, "again.jpg")
    assert [one.name for one in facts.explanation.known] == ["pictures"]
    assert facts.explanation.listed == ("allow",)


def test_another_list_is_another_decision(photos, lists, tmp_path):
    """With other lists, or a changed file, the run is decided again without scoring; the manifest says which lists."""
    summary = run(photos, tmp_path, {"lists": {}})
    assert summary.funnel.rejected == {}
    recipe = Recipe(scores=["header", HASHES], rules={}, known_bad={"lists": lists, "distance": 0})
    assert decide_run(summary.run, recipe, write=False).rejected["bytes"] == 2
    (tmp_path / "bytes.md5").write_text("0" * 32)
    assert decide_run(summary.run, recipe).rejected["bytes"] == 0
    again = curate([str(photos)], str(tmp_path / "out"), recipe, workers=0, replace=True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["lists"]["known_bad.bytes"] == {
        "name": "bytes.md5",
        "sha256": hashlib.sha256(b"md5 1\n" + bytes(16) + b"sha256 0\npdq 0\n").hexdigest(),
        "hashes": 1,
    }
    assert manifest["recipe"]["known_bad"]["lists"] == {"pictures": "pictures.pdq", "bytes": "bytes.md5"}
    assert str(tmp_path) not in json.dumps(manifest)
    assert again.funnel.rejected["bytes"] == 0
    (tmp_path / "bytes.md5").write_text("1" * 32)
    with pytest.raises(OutputExistsError, match="finished data set of another recipe"):
        curate([str(photos)], str(tmp_path / "out"), recipe, workers=0)


def test_lists_that_are_gone(photos, lists, tmp_path):
    """Without its files a run is still explained by its verdicts, and a new decision names the file."""
    summary = run(photos, tmp_path, {"lists": lists})
    (tmp_path / "bytes.md5").unlink()
    facts = explain(summary.run, "1.jpg")
    assert (facts.decision["rule"], facts.explanation.known) == ("bytes", ())
    with pytest.raises(InputError, match=r"bytes\.md5: this list of hashes cannot be read"):
        decide_run(summary.run)


def test_the_report_names_lists_and_shows_no_picture(photos, lists, tmp_path):
    """Lists are steps of the funnel with their file; of known images there are ids and distances, and no thumbnail."""
    summary = run(photos, tmp_path, {"lists": lists})
    write_report(summary.run)
    page = (tmp_path / "out" / "run" / "report.html").read_text(encoding="utf-8")
    assert page.index("hashes in pictures.pdq") < page.index("hashes in bytes.md5")
    assert page.count("on a list of known images, and not shown") == 5
    assert page.count("data:image/jpeg") == 3


def test_places(lists, tmp_path, monkeypatch):
    """A stored recipe names lists by whole paths, a delivered one by base names; neither says what was not said."""
    monkeypatch.chdir(tmp_path)
    recipe = Recipe(known_bad={"lists": {"a": "pictures.pdq", "b": "s3://bucket/b.md5"}, "distance": 5})
    stored = anchored(recipe)
    assert stored.known_bad.lists == {"a": str(tmp_path / "pictures.pdq"), "b": "s3://bucket/b.md5"}
    assert (anchored(stored), stored.known_bad.distance) == (stored, 5)
    assert without_places(stored).known_bad.lists == {"a": "pictures.pdq", "b": "b.md5"}
    assert without_lists(stored).known_bad.lists == {}
    assert anchored(Recipe()) == Recipe()


def test_mistakes_name_their_line(lists):
    """A score that is missing and a name that is taken are told with the recipe's line."""
    text = f"rules: {{{{one: a < 1}}}}\nknown_bad:\n  lists:\n    {{name}}: {lists['pictures']}\n"
    plain = part_schema([Column("a")])
    with pytest.raises(RecipeError, match=r"^my\.yaml, line 4: the list 'x' has PDQ hashes.*add `hashes` to `scores`"):
        plan_policy(parse_recipe(text.format(name="x"), where="my.yaml"), plain)
    hashed = part_schema([Column("a"), Column("pdq", "string"), Column("pdq_quality", "int")])
    for name in ("deny", "one"):
        with pytest.raises(RecipeError, match=r"my\.yaml, line 4"):
            plan_policy(parse_recipe(text.format(name=name), where="my.yaml"), hashed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("known_bad: {distance: 32}", "known_bad.distance: .*less than or equal to 31"),
        ("known_bad: {distance: -1}", "known_bad.distance"),
        ("known_bad: {min_quality: 101}", "known_bad.min_quality"),
        ("known_bad: {lists: [a.txt]}", "known_bad.lists: this should be a mapping of names to values"),
        ("known_bad: {list: {a: b}}", "unknown key 'list'.*'lists'"),
        ("known_bad: a.txt", "section with keys of its own"),
    ],
)
def test_what_a_recipe_may_not_say(text, says):
    """Numbers out of range, lists without names and unknown keys are refused in the words of a recipe."""
    with pytest.raises(RecipeError, match=says):
        parse_recipe(text)


def test_one_list_from_the_command_line():
    """`--set known_bad.lists.NAME=FILE` adds one list to those of the recipe."""
    text = "known_bad: {lists: {a: a.md5}}"
    recipe = parse_recipe(text, overrides={"known_bad.lists.b": "b.pdq", "known_bad.distance": "20"})
    assert (recipe.known_bad.lists, recipe.known_bad.distance) == ({"a": "a.md5", "b": "b.pdq"}, 20)
    assert parse_recipe("", overrides={"known_bad.lists.b": "b.pdq"}).known_bad.lists == {"b": "b.pdq"}
