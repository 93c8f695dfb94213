"""`imagecurator search`."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.cli.kept import ODD, as_json, make_source
from tests.cli.processes import imagecurator, sentence, tree
from tests.report.pages import HOSTILE_CAPTION, HOSTILE_NAME, Parsed

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import IncompleteRunError, InputError
from nemo_curator.pipeline import query
from nemo_curator.runs import Run
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions, write_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.testing import encoded, photo

RECIPE = "scores: [header, embedding]\nrules: {small: 'least(width, height) < 64'}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An input with hostile names, and a decided run with embeddings."""
    folder = tmp_path_factory.mktemp("search")
    source = make_source(folder / "in")
    (source / HOSTILE_NAME).write_bytes(encoded(photo(9), "PNG"))
    (source / HOSTILE_NAME.replace(".png", ".txt")).write_text(HOSTILE_CAPTION)
    (folder / "recipe.yaml").write_text(RECIPE)
    for step in (("score", source, folder / "run", "-r", folder / "recipe.yaml"), ("decide", folder / "run")):
        done = imagecurator(*step)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def inside(monkeypatch):
    """Queries are embedded in this process, which is sooner there; the other tests have the process of its own."""

    class Inside(LocalExecutor):
        def __init__(self, config):
            super().__init__({**config, "num_workers": 0})

    monkeypatch.setattr(query, "LocalExecutor", Inside)


@pytest.fixture
def place(made, tmp_path):
    """A copy of one's own, whose run is of its own input."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder, copy_function=shutil.copy2)
    run = RunDirectory(str(folder / "run"))
    partitions = [
        replace(
            one,
            entries=tuple(
                replace(entry, location=f"{folder}/in/{entry.path}", root=f"{folder}/in") for entry in one.entries
            ),
        )
        for one in read_partitions(run)
    ]
    write_partitions(run, partitions)
    return folder


def hits(*arguments):
    """What a search found, as (image id, cosine)."""
    return [(one["image_id"], one["cosine"]) for one in as_json("search", *arguments)["hits"]]


def test_every_image_finds_itself(made):
    """An image of the run is nearest to itself, with cosine 1 up to 16 bits; a copy of it ties, in the order of ids."""
    before = tree(made)
    for name in ("001.jpg", "tiny.jpg", ODD, HOSTILE_NAME):
        image_id, cosine = hits(made / "run", "--image", made / "in" / name)[0]
        assert image_id == name
        assert cosine == pytest.approx(1.0, abs=1e-6)
    (first, cosine), (second, same), *_ = hits(made / "run", "--image", made / "in" / "copy.jpg")
    assert (first, second, cosine) == ("000.jpg", "copy.jpg", same)
    assert tree(made) == before


def test_an_image_of_a_shard_is_found_by_its_bytes(made, tmp_path):
    """The file need not be one of the run; where the found image lies in its shard is said."""
    (tmp_path / "a").write_bytes(encoded(photo(60)))
    found = as_json("search", made / "run", "--image", tmp_path / "a", "--top", "1")["hits"]
    assert [(one["image_id"], one["file"]) for one in found] == [("shard/a", "a.jpg")]
    assert found[0]["location"] == f"{made}/in/shard.tar"


@pytest.mark.parametrize(("kind", "least"), [("PNG", 0.9999), ("GIF", 0.8)])
def test_any_format_that_is_read(made, tmp_path, kind, least):
    """A picture in another format, whatever its name, finds the image that it shows."""
    out = io.BytesIO()
    with Image.open(made / "in" / "001.jpg") as image:
        image.save(out, kind, **({"quality": 95} if kind == "WEBP" else {}))
    (tmp_path / "query.dat").write_bytes(out.getvalue())
    image_id, cosine = hits(made / "run", "--image", tmp_path / "query.dat", "--top", "1")[0]
    assert image_id == "001.jpg"
    assert cosine >= least


@pytest.mark.usefixtures("inside")
def test_what_is_printed(made):
    """A line an image with cosine, verdict, id and place; control characters are shown, not obeyed."""
    done = imagecurator("search", made / "run", "--image", made / "in" / "tiny.jpg", "-n", "20")
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.split() == ["1.0000", "reject", "tiny.jpg", f"{made}/in/tiny.jpg"]
    assert last == "9 images of 9 searched, by embeddings of efficientnet-lite0"
    assert "\x1b" not in done.stdout
    assert "esc\\x1b[31m.jpg" in done.stdout
    assert f"{made}/in/shard.tar#b.jpg" in done.stdout


@pytest.mark.usefixtures("inside")
def test_only_images_of_a_verdict(made):
    """`--verdict` leaves only those, and machines are told verdict and rule."""
    found = as_json("search", made / "run", "--image", made / "in" / "tiny.jpg", "--verdict", "keep")
    assert found["searched"] == len(found["hits"]) == 7
    assert {one["verdict"] for one in found["hits"]} == {"keep"}
    small = as_json("search", made / "run", "--image", made / "in" / "tiny.jpg", "--verdict", "reject")["hits"]
    assert [(one["image_id"], one["rule"]) for one in small] == [("tiny.jpg", "small")]
    nothing = imagecurator("search", made / "run", "--image", made / "in" / "tiny.jpg", "--verdict", "duplicate")
    assert "1 image of 1 searched" in nothing.stdout


@pytest.mark.usefixtures("inside")
def test_a_run_that_is_not_decided(place):
    """It is searched all the same, without verdicts; to ask for one is refused."""
    (place / "run" / "decisions.parquet").unlink()
    query = ("search", place / "run", "--image", place / "in" / "001.jpg")
    assert as_json(*query)["hits"][0]["verdict"] is None
    assert "not decided yet" in sentence(imagecurator(*query, "--verdict", "keep"), 3)


@pytest.mark.usefixtures("inside")
def test_a_run_that_is_not_whole(place):
    """What is not scored is left out, and that is said; where nothing is left it is refused."""
    parts = sorted((place / "run" / "parts").iterdir())
    parts[0].unlink()
    (place / "run" / "decisions.parquet").unlink()
    query = ("search", place / "run", "--image", place / "in" / "001.jpg")
    assert "1 of 2 partitions were not searched" in as_json(*query)["notes"][0]
    assert "note: 1 of 2 partitions were not searched" in imagecurator(*query).stderr
    parts[1].unlink()
    assert "no embedding is stored here yet" in sentence(imagecurator(*query), 3)
    (place / "run" / "partitions.parquet").unlink()
    assert "no embedding is stored here yet" in sentence(imagecurator(*query), 3)


@pytest.mark.usefixtures("inside")
def test_decisions_that_do_not_fit(place):
    """Decisions of other inputs are refused, not shown beside the wrong image."""
    other = place / "other"
    shutil.copytree(place / "run", other)
    run = RunDirectory(str(other))
    shutil.copy(run.decisions, place / "kept.parquet")
    Run(str(other)).decide(rules={})
    import pyarrow.parquet as pq

    table = pq.read_table(run.decisions)
    pq.write_table(table.slice(1), run.decisions)
    said = sentence(imagecurator("search", other, "--image", place / "in" / "001.jpg"), 3)
    assert "decide again" in said


def _recorded(run, change):
    """Change what a run has on record about its embeddings."""
    state = RunState.require(run)
    change(state.facts["columns"]["embedding"]["facts"])
    state.write()


def test_other_weights_are_refused(place):
    """Embeddings of other weights are in another space: a query by those of this machine is refused with both named."""
    run = RunDirectory(str(place / "run"))
    _recorded(run, lambda facts: facts["model"].update(weights="0" * 64))
    said = sentence(imagecurator("search", place / "run", "--image", place / "in" / "001.jpg"), 6)
    assert "a query would be embedded by something else than this run was: model.weights: 000000000000… → " in said


def test_other_libraries_are_told(place):
    """What moves an embedding a little is a note, and the search goes on; so is a runtime that is gone."""
    run = RunDirectory(str(place / "run"))
    _recorded(run, lambda facts: (facts["libraries"].update(numpy="1.0"), facts["model"].update(runtime="abacus")))
    found = as_json("search", place / "run", "--image", place / "in" / "001.jpg")
    assert found["hits"][0]["image_id"] == "001.jpg"
    (note,) = found["notes"]
    assert "libraries.numpy: 1.0 → " in note
    assert "model.runtime: abacus → " in note


@pytest.mark.usefixtures("inside")
def test_the_way_of_the_run_counts_not_that_of_the_recipe(place):
    """After a scoring without embeddings the recorded stage and decoding embed the query."""
    before = hits(place / "run", "--image", place / "in" / "001.jpg")
    recipe = place / "other.yaml"
    recipe.write_text("scores: [header]\ndecode: {background: black}\n")
    assert imagecurator("score", place / "in", place / "run", "-r", recipe).returncode == 0
    assert hits(place / "run", "--image", place / "in" / "001.jpg") == before


def test_a_stage_that_is_not_installed(place):
    """Embeddings of a stage that is gone cannot be searched."""
    run = RunDirectory(str(place / "run"))
    _recorded(run, lambda facts: facts.update(stage="elsewhere.embedders:Mine"))
    said = sentence(imagecurator("search", place / "run", "--image", place / "in" / "001.jpg"), 6)
    assert "made by 'elsewhere.embedders:Mine', which is not installed" in said


@pytest.mark.usefixtures("inside")
def test_damaged_embeddings(place):
    """A part that has no row for an embedding is one sentence."""
    part = next(path for path in (place / "run" / "parts").iterdir() if path.stat().st_size)
    before = part.read_bytes()
    part.write_bytes(before[:-20] + b"x" * 20)
    done = imagecurator("search", place / "run", "--image", place / "in" / "001.jpg", "-n", "20")
    assert "this file of the run is damaged or missing" in sentence(done, 3)


def test_files_that_cannot_be_searched_by(made, tmp_path):
    """Each is one sentence with the reason, and code 3."""
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes((made / "in" / "cut.jpg").read_bytes())
    (tmp_path / "list.jpg").write_text("bread, milk")
    os.mkfifo(tmp_path / "pipe")
    for name, words in [
        ("nowhere.jpg", "there is nothing at this path"),
        ("", "this is a folder"),
        ("empty.jpg", "the file is empty (0 bytes)"),
        ("cut.jpg", "the jpeg decoder refused it"),
        ("list.jpg", "its first bytes are of no known image format"),
        ("pipe", "Not a regular file"),
    ]:
        said = sentence(imagecurator("search", made / "run", "--image", tmp_path / name), 3)
        assert words in said, name
    shard = sentence(imagecurator("search", made / "run", "--image", made / "in" / "shard.tar"), 3)
    assert "this is a shard of images" in shard


def test_a_bomb_is_refused_by_the_limits_of_the_run(made, tmp_path):
    """What the run would have quarantined as too large is no query either."""
    (tmp_path / "large.png").write_bytes(encoded(np.zeros((20_000, 20_000), np.uint8), "PNG"))
    assert "over the limit" in sentence(imagecurator("search", made / "run", "--image", tmp_path / "large.png"), 3)


def test_mistakes(made, tmp_path):
    """Wrong usage is code 2; no run, no embeddings, a taken place for the page are one sentence each."""
    image = made / "in" / "001.jpg"
    for wrong in ([], ["--image", image, "--text", "a car"], ["--image", image, "--top", "0"],
                  ["--image", image, "--verdict", "quarantine"]):  # fmt: skip
        assert imagecurator("search", made / "run", *wrong).returncode == 2
    assert "there is no run directory" in sentence(imagecurator("search", made / "in", "--image", image), 3)
    assert imagecurator("score", made / "in", tmp_path / "bare", "--scores", "header").returncode == 0
    said = sentence(imagecurator("search", tmp_path / "bare", "--image", image), 3)
    assert "this run has no embeddings to search; add the score" in said


@pytest.mark.usefixtures("inside")
def test_the_page_shows_what_was_found(made, tmp_path):
    """Thumbnails in order, the picture that was asked for, no script, nothing loaded, hostile text only as text."""
    page = tmp_path / "found.html"
    done = imagecurator("search", made / "run", "--image", made / "in" / HOSTILE_NAME, "-n", "20", "--page", page)
    assert done.returncode == 0, done.stderr
    assert f"page: {page}" in done.stdout
    parsed = Parsed(page.read_text(encoding="utf-8"))
    images = parsed.all("img")
    assert len(images) == 10
    assert all(one["src"].startswith("data:image/jpeg;base64,") for one in images)
    names = {name for name, _ in parsed.elements}
    assert names.isdisjoint({"script", "iframe", "form", "object"})
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)
    assert HOSTILE_NAME in parsed.text
    assert "<script>document.title" in parsed.text
    assert "rejected by small" in parsed.text
    assert "1.0000, kept" in parsed.text
    assert str(made) not in parsed.html


@pytest.mark.usefixtures("inside")
def test_an_earlier_page_is_replaced_only_when_told(made, tmp_path):
    """And nothing but a page of a search is ever replaced."""
    page, image = tmp_path / "found.html", made / "in" / "001.jpg"
    query = ("search", made / "run", "--image", image, "-n", "1", "--page", page)
    assert imagecurator(*query).returncode == 0
    first = page.read_bytes()
    assert "this exists already" in sentence(imagecurator(*query), 4)
    assert page.read_bytes() == first
    assert imagecurator(*query[:3], made / "in" / "002.jpg", *query[4:], "--replace").returncode == 0
    assert page.read_bytes() != first
    for other in (made / "run" / "run.json", made / "run"):
        said = sentence(imagecurator(*query[:-1], other, "--replace"), 4)
        assert "is no page of a search, and is not replaced" in said
    json.loads((made / "run" / "run.json").read_text())


def test_the_same_from_a_program(place):
    """`Run.search` gives the hits with everything that is known of them."""
    run = Run(str(place / "run"))
    found = run.search(image=str(place / "in" / "001.jpg"), top=3, verdict="keep")
    assert found.hits[0].image_id == "001.jpg"
    assert (found.hits[0].row["width"], found.hits[0].verdict) == (96, "keep")
    for wrong in ({}, {"image": "a", "text": "b"}, {"image": "a", "top": 0}):
        with pytest.raises(ValueError, match="one of image and text"):
            run.search(**wrong)
    with pytest.raises(InputError, match="is a folder"):
        run.search(image=str(place))
    (place / "run" / "decisions.parquet").unlink()
    with pytest.raises(IncompleteRunError, match="not decided"):
        run.search(image=str(place / "in" / "001.jpg"), verdict="keep")
