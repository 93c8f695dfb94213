"""Where decisions read from: parts here and behind URLs, of different scores, torn, oddly named."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.runs.tables import COLUMNS, SCHEMA, decisions, made_run, policy, row

from nemo_curator.errors import DuplicateIdError, InputError, RecipeError, StorageError
from nemo_curator.runs.deciding import Sample, Split, connection, decide, records
from nemo_curator.runs.deciding.connection import connected, lock
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.stages.declarations import Column

ROWS = ([row("x", a=1.0, sha256="f" * 64), row("y", a=2.0)], [], [row("z", a=0.5, b=3, sha256="f" * 64)])
HOW = policy("a < 1", "rank(a) > 2", split=Split((("p", 0.5), ("q", 0.5))), sample=Sample(n=5, by="b"))


def test_a_run_behind_a_url_decides_the_same(tmp_path):
    """A remote run directory gives the same bytes as a local one."""
    here, ids = made_run(tmp_path, *ROWS)
    there, _ = made_run("memory://deciding", *ROWS)
    assert decide(here, ids, HOW) == decide(there, ids, HOW)
    assert decisions(here) == decisions(there)


@pytest.mark.parametrize("folder", ["a[1]*?{x}", "b=7", "it's", "%20", "~", "ünï 🎞"])
def test_names_of_folders_are_names(tmp_path, folder):
    """A folder that looks like a pattern, a partition key or a quote is read as it is named, and adds no column."""
    run, ids = made_run(tmp_path / folder, *ROWS)
    decide(run, ids, HOW)
    plain, _ = made_run(tmp_path / "plain", *ROWS)
    decide(plain, ids, HOW)
    assert decisions(run) == decisions(plain)


def test_a_relative_run(tmp_path, monkeypatch):
    """A run may be named relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    run, ids = made_run(".", *ROWS)
    assert decide(run, ids, HOW).inputs == 3


@pytest.mark.parametrize("root", ["{tmp}", "memory://mixed"])
def test_parts_of_different_scores(tmp_path, root):
    """A score that some parts lack is NULL there, in the row and in the funnel; types are brought together."""
    run, ids = made_run(root.format(tmp=tmp_path), [row("x", a=1.0)], [row("y")])
    write_part(run, ids[1], [{"ordinal": 0, **row("y"), "a": 7}], part_schema((Column("a", "int"),)))
    funnel = decide(run, ids, policy("a > 5", "b > 1 or flag"))
    assert [(one["verdict"], one["undecided"]) for one in decisions(run)] == [("keep", ["r1"]), ("reject", ["r1"])]
    assert funnel.undecided == {"r1": 2}


@pytest.mark.parametrize("by", [None, "a", "b"])
def test_many_parts_are_read_some_at_a_time(tmp_path, monkeypatch, by):
    """However many files are read together, and whatever scores and types each has, decisions are the same bytes."""
    run, ids = made_run(tmp_path, *([row(f"{part}/{at}", a=at / 4, b=part) for at in range(5)] for part in range(7)))
    for part in (1, 4):
        rows = [{"ordinal": at, **row(f"{part}/{at}"), "a": at} for at in range(5)]
        write_part(run, ids[part], rows, part_schema((Column("a", "int"),)))
    how = policy("a < quantile(a, 0.2)", "b > 5", split=Split((("x", 0.5), ("y", 0.5)), by=by))
    files = []
    for batch in (500, 3, 1):
        monkeypatch.setattr(records, "_BATCH", batch)
        decide(run, ids, how)
        files.append(Path(run.decisions).read_bytes())
    assert len(set(files)) == 1
    assert len({one["split"] for one in decisions(run)}) == 3


@pytest.mark.parametrize("root", ["{tmp}", "memory://lacking"])
def test_a_column_that_no_part_has(tmp_path, root):
    """A rule over a score that was never computed is refused with its place, the nearest column and what to do."""
    run, ids = made_run(root.format(tmp=tmp_path), [row("x")], schema=part_schema(COLUMNS[:3]))
    with pytest.raises(RecipeError) as caught:
        decide(run, ids, policy("word = 'x'"))
    assert "rule 'r0' (word = 'x'): the run has no column 'word'" in str(caught.value)
    assert str(caught.value).endswith("or add the score that computes it")


@pytest.mark.parametrize("root", ["{tmp}", "memory://twice"])
def test_equal_ids_wherever_they_are(tmp_path, root):
    """The check of ids covers all parts."""
    run, ids = made_run(root.format(tmp=tmp_path), [row("x"), row("y")], [row("z"), row("y")])
    with pytest.raises(DuplicateIdError, match="2 inputs have the id 'y'"):
        decide(run, ids, policy())


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-5],
    "zeros": lambda data: bytes(len(data)),
    "another file": lambda data: b"not a Parquet at all, but long enough to be one",
    "damaged inside": lambda data: data[:4] + bytes(b ^ 0xFF for b in data[4:400]) + data[400:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_torn_part_is_named(tmp_path, damage):
    """One sentence names the file and says how it is made again; the decisions before stay."""
    run, ids = made_run(tmp_path, *ROWS)
    decide(run, ids, HOW)
    before = Path(run.decisions).read_bytes()
    part = Path(run.part(ids[2]))
    part.write_bytes(DAMAGES[damage](part.read_bytes()))
    with pytest.raises(InputError, match="torn or damaged") as caught:
        decide(run, ids, HOW)
    assert caught.value.where == str(part)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("run the same command that scored again: it computes this part anew")
    assert Path(run.decisions).read_bytes() == before


def test_an_altered_bit_of_a_page_is_named(tmp_path):
    """Of the columns that are read, a bit that fell over is found by its page's checksum, not decided upon."""
    run, ids = made_run(tmp_path, *ROWS)
    decide(run, ids, HOW)
    before = Path(run.decisions).read_bytes()
    part = Path(run.part(ids[0]))
    whole = part.read_bytes()
    metadata = pq.read_metadata(part)
    for column in map(metadata.row_group(0).column, range(metadata.num_columns)):
        if column.path_in_schema in {"image_id", "a", "b", "sha256"}:
            end = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size
            for bit in range(8):
                part.write_bytes(whole[: end - 1] + bytes([whole[end - 1] ^ 1 << bit]) + whole[end:])
                with pytest.raises(InputError, match="torn or damaged") as caught:
                    decide(run, ids, HOW)
                assert caught.value.where == str(part)
    assert Path(run.decisions).read_bytes() == before


def test_a_missing_part_is_named(tmp_path):
    """A part that is not there is no fault of its contents."""
    run, ids = made_run(tmp_path, *ROWS)
    Path(run.part(ids[0])).unlink()
    with pytest.raises(InputError, match="is missing") as caught:
        decide(run, ids, HOW)
    assert caught.value.where == run.part(ids[0])


@pytest.mark.parametrize("damage", ["empty", "cut"])
def test_a_torn_part_behind_a_url_is_named(damage):
    """The same for a run directory elsewhere."""
    from nemo_curator import storage

    run, ids = made_run(f"memory://torn-{damage}", *ROWS)
    with storage.open(run.part(ids[2])) as file:
        data = file.read()
    with storage.write_atomic(run.part(ids[2])) as file:
        file.write(DAMAGES[damage](data))
    with pytest.raises(InputError, match="torn or damaged") as caught:
        decide(run, ids, HOW)
    assert caught.value.where == run.part(ids[2])


ESCAPES = [
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM glob('{folder}/*')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "ATTACH '{folder}/other.db'",
    "EXPORT DATABASE '{folder}/all'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET temp_directory = '{folder}'",
    "SET memory_limit = '100GB'",
]


@pytest.mark.parametrize("query", ESCAPES)
def test_nothing_is_reached_behind_the_lock(tmp_path, query):
    """What evaluates rules reads no file, writes none, loads nothing and changes no setting, if a rule could ask."""
    import duckdb

    (tmp_path / "file").write_text("secret")
    with connected() as database:
        lock(database)
        with pytest.raises(duckdb.Error):
            database.execute(query.format(file=tmp_path / "file", folder=tmp_path)).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_work_beyond_the_budget_goes_to_files_that_are_removed(tmp_path, monkeypatch):
    """With little memory a decision spills, comes to the same result, and leaves nothing behind."""
    parts = [[row(f"{part}/{at}" * 9, a=float(at % 97)) for at in range(20_000)] for part in range(8)]
    run, ids = made_run(tmp_path, *parts)
    expected = decide(run, ids, HOW, threads=1)
    before = Path(run.decisions).read_bytes()
    monkeypatch.setattr(connection, "MEMORY", "40MB")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    assert decide(run, ids, HOW, threads=1) == expected
    assert Path(run.decisions).read_bytes() == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_no_room_for_temporary_files(tmp_path, monkeypatch):
    """Where what exceeds the budget finds no room, one sentence says where it is needed; nothing is written."""
    run, ids = made_run(tmp_path, [row(f"{at}" * 60) for at in range(60_000)])
    (folder := tmp_path / "temporary").mkdir()
    (folder / "spilled").write_text("a file, where a folder is needed")
    monkeypatch.setattr(connection, "MEMORY", "10MB")
    monkeypatch.setattr(connection, "scratch_folder", lambda: nullcontext(str(folder)))
    with pytest.raises(StorageError, match="ran out of room for its temporary files") as caught:
        decide(run, ids, policy())
    assert caught.value.where == str(folder)
    assert not Path(run.decisions).exists()


def test_no_place_for_temporary_files(tmp_path, monkeypatch):
    """A TMPDIR that cannot be written is named."""
    run, ids = made_run(tmp_path, *ROWS)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match="nowhere"):
        decide(run, ids, policy())


def test_pandas_is_not_loaded(tmp_path):
    """Deciding from files needs no pandas, and does not spend its memory and time where it is installed."""
    run, ids = made_run(tmp_path, *ROWS)
    script = (
        "import sys; from nemo_curator.runs.deciding import *; from nemo_curator.runs.layout import RunDirectory;"
        f"rule = parse_rule('r', 'a < quantile(a, 0.5) or rank(a) < 2', {SCHEMA.names});"
        f"decide(RunDirectory({run.root!r}), {ids}, Policy((rule,), sample=Sample(n=1)));"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert pq.read_metadata(run.decisions).num_rows == 3
