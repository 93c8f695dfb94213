"""Where MDS shards may be written: an `index.json` is ours where a manifest, a run or its own words say so."""

from __future__ import annotations

import json

import pytest
from tests.cli.processes import pictures, tree
from tests.pipeline.test_output import unfinished
from tests.runs.exporting.mds_by_the_book import read_mds

from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe


def recipe(form):
    """Keep all, and export as a format."""
    return Recipe(scores=["header"], rules={}, export={"format": form})


@pytest.fixture
def source(tmp_path):
    """A folder of three pictures."""
    return pictures(tmp_path / "photos")


def run(source, output, form="mds", **settings):
    """Curate in this process."""
    return curate([str(source)], str(output), recipe(form), workers=0, **settings)


def data(output):
    """The files of a data set, without the run."""
    return {name: data for name, data in tree(output).items() if not name.startswith("run/")}


def test_an_interrupted_export_goes_on(tmp_path, source):
    """Killed before the manifest, with the index there or not: the same bytes in the end."""
    out = tmp_path / "out"
    run(source, out)
    whole = data(out)
    assert sorted(whole) == ["00000.mds", "00000.parquet", "index.json", "manifest.json"]
    for gone in ([], ["index.json"], ["index.json", "00000.mds"]):
        unfinished(out, "mds")
        for name in gone:
            (out / name).unlink()
        run(source, out)
        assert data(out) == whole
    assert [len(one["image"]) for one in read_mds(out)] == [one.stat().st_size for one in sorted(source.iterdir())]


def test_another_format_takes_the_place_of_an_unfinished_one(tmp_path, source):
    """Shards and index of an export that was killed go when another format is exported there."""
    out = tmp_path / "out"
    run(source, out)
    unfinished(out, "mds")
    run(source, out, "webdataset")
    assert sorted(data(out)) == ["00000.parquet", "00000.tar", "manifest.json"]
    unfinished(out)
    run(source, out)
    assert sorted(data(out)) == ["00000.mds", "00000.parquet", "index.json", "manifest.json"]


def test_replacing(tmp_path, source):
    """`replace` removes shards and index, with a manifest and without."""
    out = tmp_path / "out"
    for lost in (False, True):
        run(source, out, replace=True)
        if lost:
            (out / "manifest.json").unlink()
        run(source, out, "webdataset", replace=True)
        assert sorted(data(out)) == ["00000.parquet", "00000.tar", "manifest.json"]


@pytest.mark.parametrize("text", ["{}", '{"shards": [{"raw_data": {"basename": "1.mds"}}], "version": 2}', "mine", "["])
def test_an_index_of_others_is_never_touched(tmp_path, source, text):
    """An `index.json` that was there is refused, told to replace or not; beside another format it stays."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.json").write_text(text)
    for replace in (False, True):
        with pytest.raises(OutputExistsError, match=r"did not put there.*index\.json"):
            run(source, out, replace=replace)
    run(source, out, "webdataset", replace=True)
    assert (out / "index.json").read_text() == text
    (out / "manifest.json").unlink()
    with pytest.raises(OutputExistsError, match=r"index\.json"):
        run(source, out, replace=True)
    assert (out / "index.json").read_text() == text


def test_splits_have_an_index_each(tmp_path, source):
    """The index of a split lies in its folder, and `replace` takes that away with the folder."""
    out = tmp_path / "out"
    split = Recipe(scores=["header"], rules={}, split={"train": 0.5, "val": 0.5}, export={"format": "mds"})
    curate([str(source)], str(out), split, workers=0)
    manifest = json.loads((out / "manifest.json").read_text())
    names = [one["name"] for one in manifest["indexes"]]
    assert names == [f"{name}/index.json" for name, count in manifest["splits"].items() if count]
    run(source, out, "webdataset", replace=True)
    assert sorted(data(out)) == ["00000.parquet", "00000.tar", "manifest.json"]
