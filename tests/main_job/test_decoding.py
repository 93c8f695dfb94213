"""The main job with images that decode in more than one right way."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.main_job.material import curated, decisions, delivered_rows, hashes

from nemo_curator.errors import IncompleteRunError, StaleScoresError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_run
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, make_tar, photo

RECIPE = "scores: [header, sharpness]\nrules: {}\n"
ACCEPT = RECIPE + "decode: {truncated: accept}\n"


def tiff_with_a_word(seed: int) -> bytes:
    """A TIFF whose compressed pixels are damaged: libtiff complains of it on standard error."""
    out = io.BytesIO()
    Image.fromarray(photo(seed, 120, 90)).save(out, "TIFF", compression="tiff_lzw")
    data = bytearray(out.getvalue())
    data[200:260] = b"\xff" * 60
    return bytes(data)


def png(image: Image.Image) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Images of several kinds."""
    place = tmp_path / "in"
    place.mkdir()
    colour = photo(1, 200, 150)
    contents = {
        "colour.jpg": encoded(colour),
        "grey.png": png(Image.fromarray(colour[..., 0])),
        "deep.png": png(Image.fromarray(colour[..., 0].astype(np.uint16) * 257)),
        "cut.jpg": encoded(photo(2, 300, 300))[:-900],
        "broken.tif": tiff_with_a_word(3),
        "clear.png": png(Image.fromarray(np.zeros((90, 90, 4), np.uint8))),
    }
    for name, data in contents.items():
        (place / name).write_bytes(data)
    return place


def parts(output: Path) -> dict[str, dict]:
    """Image id to row, of all parts."""
    rows = [row for path in (output / "run" / "parts").iterdir() for row in pq.read_table(path).to_pylist()]
    return {row["image_id"]: row for row in rows}


def test_what_is_known_of_each_is_recorded(folder, tmp_path):
    """Depth, grey, profile and truncation are columns; a truncated JPEG is quarantined by default."""
    curated(folder, tmp_path / "out", RECIPE)
    rows = parts(tmp_path / "out")
    assert {name: rows[name]["is_grey"] for name in ("colour.jpg", "grey.png", "deep.png")} == {
        "colour.jpg": False,
        "grey.png": True,
        "deep.png": True,
    }
    assert (rows["grey.png"]["bit_depth"], rows["deep.png"]["bit_depth"]) == (8, 16)
    assert rows["colour.jpg"]["truncated"] is False
    assert rows["colour.jpg"]["warnings"] == []
    assert rows["cut.jpg"]["error"] == "decode_failed"
    assert rows["cut.jpg"]["truncated"] is None


def test_a_truncated_jpeg_can_be_accepted(folder, tmp_path):
    """It is kept with its own bytes, marked, with the decoder's own words, and a rule can name it."""
    curated(folder, tmp_path / "out", ACCEPT)
    row = parts(tmp_path / "out")["cut.jpg"]
    assert (row["error"], row["truncated"]) == (None, True)
    assert any("Premature end" in text for text in row["warnings"])
    kept = {row["image_id"]: row for row in delivered_rows(tmp_path / "out")}
    assert kept["cut.jpg"]["truncated"] is True
    curated(folder, tmp_path / "ruled", ACCEPT.replace("rules: {}", "rules: {cut: truncated}"))
    rejected = {row["image_id"] for row in decisions(tmp_path / "ruled") if row["rule"] == "cut"}
    assert rejected == {"cut.jpg"}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_libraries_are_heard_and_not_printed(folder, tmp_path, capfd, workers):
    """What libtiff says stands in the record, the same in every process, and nowhere else."""
    curate([str(folder)], str(tmp_path / "out"), parse_recipe(RECIPE), workers=workers)
    row = parts(tmp_path / "out")["broken.tif"]
    assert row["error"] == "decode_failed"
    assert row["warnings"] == ["libtiff: Using code not yet in table"]
    printed = capfd.readouterr()
    assert "not yet in table" not in printed.err + printed.out
    curate([str(folder)], str(tmp_path / "again"), parse_recipe(RECIPE), workers=2)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "again")


def test_the_background_is_part_of_a_score(folder, tmp_path):
    """Another background is another score, computed again only when asked; header scores stay as they are."""
    recipe = "scores: [header, exposure]\nrules: {}\n"
    output = str(tmp_path / "out")
    curate([str(folder)], output, parse_recipe(recipe), workers=0)
    assert parts(tmp_path / "out")["clear.png"]["brightness"] == 1
    black = parse_recipe(recipe + "decode: {background: black}\n")
    with pytest.raises(StaleScoresError, match=r"decode\.options\.background"):
        curate([str(folder)], output, black, workers=0, replace=True)
    curate([str(folder)], output, black, workers=0, replace=True, rescore=True)
    assert parts(tmp_path / "out")["clear.png"]["brightness"] == 0
    curate([str(folder)], str(tmp_path / "fresh"), black, workers=0)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "fresh")


def test_scores_without_pixels_do_not_know_how_images_decode(folder, tmp_path):
    """A header score is not stale because of an option of decoding."""
    recipe = "scores: [header]\nrules: {}\n"
    curate([str(folder)], str(tmp_path / "out"), parse_recipe(recipe), workers=0)
    accept = parse_recipe(recipe + "decode: {truncated: accept}\n")
    summary = curate([str(folder)], str(tmp_path / "out"), accept, workers=0, replace=True)
    assert not summary.plan.work.partitions


@pytest.mark.parametrize("first", ["[header]", "[sharpness]"])
def test_added_scores_leave_what_decoding_found(folder, tmp_path, first):
    """Scores added with or without decoding give the parts of a scoring of all at once."""
    output = tmp_path / "out"
    curated(folder, output, f"scores: {first}\nrules: {{}}\ndecode: {{truncated: accept}}\n")
    both = parse_recipe("scores: [header, sharpness]\nrules: {}\ndecode: {truncated: accept}\n")
    curate([str(folder)], str(output), both, workers=0, replace=True)
    curate([str(folder)], str(tmp_path / "whole"), both, workers=0)
    assert parts(output) == parts(tmp_path / "whole")
    assert parts(output)["cut.jpg"]["truncated"] is True


def test_fast_mode_scores_large_jpegs(tmp_path):
    """The option reaches the workers: large JPEGs score a little differently, small ones not at all."""
    (tmp_path / "in").mkdir()
    for name, size in {"large.jpg": (1700, 1300), "small.jpg": (300, 200)}.items():
        (tmp_path / "in" / name).write_bytes(encoded(photo(9, *size), quality=90))
    for name, text in {"exact": RECIPE, "fast": RECIPE + "decode: {fast: true}\n"}.items():
        curate([str(tmp_path / "in")], str(tmp_path / name), parse_recipe(text), workers=1)
    exact, fast = ({name: row["sharpness"] for name, row in parts(tmp_path / one).items()} for one in ("exact", "fast"))
    assert exact["small.jpg"] == fast["small.jpg"]
    assert 0 < abs(exact["large.jpg"] - fast["large.jpg"]) < 0.2  # a made picture, grainy; real photos differ by 0.03


def test_half_of_a_rescoring_is_not_decided(tmp_path):
    """Where a rescoring stopped between two partitions, scores of both ways are not mixed: deciding says what to do."""
    for name in ("a", "b"):
        make_tar(tmp_path / "in" / f"{name}.tar", [(f"{at}.png", png(Image.new("RGBA", (90, 90)))) for at in range(2)])
    inputs, output = [str(tmp_path / "in")], tmp_path / "out"
    recipe = "scores: [exposure]\nrules: {}\n"
    curate(inputs, str(output), parse_recipe(recipe), workers=0)
    before = {path.name: path.read_bytes() for path in (output / "run" / "parts").iterdir()}
    curate(
        inputs,
        str(output),
        parse_recipe(recipe + "decode: {background: black}\n"),
        workers=0,
        replace=True,
        rescore=True,
    )
    run = RunDirectory(str(output / "run"))
    decide_run(run, write=False)
    name = min(before)
    (output / "run" / "parts" / name).write_bytes(before[name])
    with pytest.raises(IncompleteRunError, match=r"brightness.* as computed before the last change.*same `score`"):
        decide_run(run)
