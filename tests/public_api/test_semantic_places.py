"""Where the semantic deduplication writes: no spelling of a path lets it remove its own input, or another's files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.kernels.vectors import clustered
from tests.public_api.semantic_runs import EPS, HERE, names, write

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.stages.deduplication.semantic import SemanticDeduplicationWorkflow


def run_to(source, output, **given):
    """Run the workflow from one place to another; gives the result."""
    defaults = {"n_clusters": 2, "eps": EPS, "verbose": False}
    return SemanticDeduplicationWorkflow(source, output, **(defaults | given)).run(HERE, HERE)


def contents(folder):
    """Every file below a folder, and its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SPELLINGS = {
    "relative": lambda folder: "out",
    "detour": lambda folder: f"{folder}/in/../out",
    "link": lambda folder: f"{folder}/link",
    "file-url": lambda folder: f"file://{folder}/out",
    "local-url": lambda folder: f"local://{folder}/out/",
    "absolute": lambda folder: f"{folder}//out",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with embeddings in `in`, results in `out`, and a link to these; work goes on in it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in", clustered(30, 8))
    run_to(str(tmp_path / "in"), str(tmp_path / "out"))
    (tmp_path / "link").symlink_to("out")
    return tmp_path


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_results_are_no_input_however_they_are_spelled(folder, spelling):
    """They would be removed before they are read: by another path to one place, too."""
    before = contents(folder / "out")
    other = SPELLINGS[spelling](folder)
    for source, output in [(other, f"{folder}/out"), (f"{folder}/out", other)]:
        with pytest.raises(InputError, match="outside of input_path"):
            run_to(f"{source.rstrip('/')}/kmeans_results", output, embedding_field="embedding")
    assert contents(folder / "out") == before


def test_a_link_among_the_input_to_a_result_is_refused(folder):
    """The file that it leads to would go."""
    before = contents(folder / "out")
    part = next((folder / "out").glob("kmeans_results/centroid=*/part.parquet"))
    (folder / "picked").mkdir()
    (folder / "picked" / "a.parquet").symlink_to(part)
    with pytest.raises(InputError, match="outside of input_path"):
        run_to("picked", "out", embedding_field="embedding")
    assert contents(folder / "out") == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_results_are_replaced_however_they_are_spelled(folder, spelling):
    """A second run by another spelling replaces what the first wrote, and leaves no empty folder of it."""
    other = SPELLINGS[spelling](folder)
    run_to("in", other, n_clusters=1)
    assert [path.name for path in (folder / "out" / "kmeans_results").glob("centroid=*")] == ["centroid=0"]
    with pytest.raises(OutputExistsError, match="clear_output=True"):
        run_to("in", other, clear_output=False)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_cache_and_output_may_be_one_place_in_two_spellings(folder, spelling):
    """The place is locked once, and not found to be at work by itself."""
    assert run_to("in", "out", cache_path=SPELLINGS[spelling](folder)).metadata["num_rows"] == 30


def test_urls_of_other_storages_work_again_and_again():
    """A second run replaces what the first wrote."""
    pytest.importorskip("fsspec")
    table = pa.table({"id": names(30), "embeddings": pa.array(clustered(30, 8).tolist(), pa.list_(pa.float32()))})
    with storage.write_atomic("memory://semantic/in/a.parquet") as file:
        pq.write_table(table, file)
    for count in (4, 2):
        run_to("memory://semantic/in", "memory://semantic/out", n_clusters=count)
    with pytest.raises(InputError, match="outside of input_path"):
        run_to("memory://semantic/out/kmeans_results", "memory://semantic/out/", embedding_field="embedding")


def test_what_lies_behind_a_link_is_not_removed(folder):
    """A folder of results that leads elsewhere ends the run: the files there are somebody else's."""
    kept = folder / "out" / "kmeans_results" / "centroid=0"
    kept.rename(folder / "elsewhere")
    kept.symlink_to(folder / "elsewhere")
    before = contents(folder / "elsewhere")
    with pytest.raises(OutputExistsError, match="does not write"):
        run_to("in", "out")
    assert contents(folder / "elsewhere") == before


def test_a_strangers_unfinished_file_is_not_removed(folder):
    """Only files under our names are ours, finished or not."""
    (folder / "out" / "duplicates" / "duplicates.parquet.tmp-0123456789ab").write_bytes(b"ours")
    run_to("in", "out")
    assert [path.name for path in (folder / "out" / "duplicates").iterdir()] == ["duplicates.parquet"]
    (folder / "out" / "duplicates" / "notes.txt.tmp-0123456789ab").write_bytes(b"theirs")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        run_to("in", "out")
