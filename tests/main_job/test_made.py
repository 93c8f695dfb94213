"""The main job on a made input that holds everything which a real one does."""

from __future__ import annotations

import json
import os
import shutil

import pyarrow.parquet as pq
import pytest
from tests.main_job.material import (
    curated,
    decisions,
    delivered_members,
    delivered_rows,
    hashes,
    part_rows,
    source_members,
)

SOURCE_ORDER = ["a/", "c/", "cut/", "cut.tar", "loose/", "sub/"]


def test_every_input_has_one_verdict_by_id(made_output):
    """Inputs are kept, rejected, duplicates and quarantined, each id once, and the summary says the same numbers."""
    rows = decisions(made_output)
    by_verdict = {
        verdict: {row["image_id"] for row in rows if row["verdict"] == verdict}
        for verdict in ("keep", "reject", "duplicate", "quarantine")
    }
    ids = [row["image_id"] for row in part_rows(made_output)]
    assert len(ids) == len(set(ids)) == 30
    assert sum(map(len, by_verdict.values())) == 30
    assert set().union(*by_verdict.values()) == set(ids)
    assert by_verdict["quarantine"] == {
        "cut.tar", "loose/bomb.png", "loose/empty.jpg", "loose/notes.csv", "loose/truncated.jpg"
    }  # fmt: skip
    assert by_verdict["duplicate"] == {"loose/y.png", "sub/b/copy"}
    assert "sub/b/tiny" in by_verdict["reject"]
    funnel = json.loads((made_output / "manifest.json").read_text())["funnel"]
    assert funnel["kept"] == len(by_verdict["keep"])
    assert sum(funnel["rejected"].values()) == len(by_verdict["reject"])
    assert sum(funnel["quarantined"].values()) == len(by_verdict["quarantine"])
    assert funnel["duplicates"] == len(by_verdict["duplicate"])


def test_every_verdict_but_keep_says_why(made_output):
    """A reject names its rule and figures, a quarantine its error, a duplicate the image that is kept for it."""
    kept = {row["image_id"] for row in decisions(made_output) if row["verdict"] == "keep"}
    for row in decisions(made_output):
        if row["verdict"] == "keep":
            assert (row["rule"], row["reason"], row["score"], row["duplicate_of"]) == (None,) * 4
            continue
        assert row["reason"]
        if row["verdict"] == "reject":
            assert row["rule"] in {"small", "plain"}
            assert row["score"] < row["threshold"]
        if row["verdict"] == "duplicate":
            assert row["duplicate_of"] in kept


def test_kept_members_leave_with_their_bytes(made, made_output):
    """Every member of every kept sample is in the output with the bytes of its source, and nothing else is."""
    sources, delivered = source_members(made), delivered_members(made_output)
    rows = delivered_rows(made_output)
    written = [f"{row['shard']}#{name}" for row in rows for name in row["files"]]
    assert len(rows) == 18
    assert len(written) == len(delivered)
    for row in rows:
        for member, name in zip(row["members"], row["files"], strict=True):
            given = delivered[f"{row['shard']}#{name}".replace("\\xe9", "\udce9")]  # a name that is not UTF-8
            source = row["source"] if ".tar" in row["source"] else member["name"]
            assert given == sources[source, member["name"]], name
            assert len(given) == member["length"]


def test_sidecars_travel(made_output):
    """Captions, labels, masks and undecodable texts stand beside the image under its key."""
    delivered = delivered_members(made_output)
    assert [name for name in delivered if name.startswith("00000.tar#000000.")] == [
        "00000.tar#000000.jpg", "00000.tar#000000.txt", "00000.tar#000000.seg.png", "00000.tar#000000.json"
    ]  # fmt: skip
    assert delivered["00002.tar#loose/x.txt"] == b"\xff\xfe not utf-8"
    row = next(row for row in delivered_rows(made_output) if row["image_id"] == "a/000003")
    assert row["caption"] == "picture 3 of señor 000003"
    assert json.loads(row["metadata"]) == {"seed": 3, "nested": {"a": [1, None]}}


def test_order_is_that_of_the_source(made_output):
    """Decisions and the output follow the source: files bytewise by path, members as they stand in their shard."""
    ids = [row["image_id"] for row in decisions(made_output)]
    places = [next(index for index, start in enumerate(SOURCE_ORDER) if one.startswith(start)) for one in ids]
    assert places == sorted(places)
    assert ids[:12] == [f"a/{number:06d}" for number in range(12)]
    kept = [row["image_id"] for row in decisions(made_output) if row["verdict"] == "keep"]
    assert [row["image_id"] for row in delivered_rows(made_output)] == kept


def test_shards_are_full_but_the_last(made_output):
    """Every shard but the last holds as many samples as asked for; the manifest lists all files with hashes."""
    manifest = json.loads((made_output / "manifest.json").read_text())
    assert [file["samples"] for file in manifest["files"]] == [7, 7, 7, 7, 4, 4]
    hashed = hashes(made_output)
    assert {file["name"]: file["sha256"] for file in manifest["files"]} == {
        name: hashed[name] for name in hashed if name[0].isdigit()
    }
    assert {file["name"]: file["bytes"] for file in manifest["files"]} == {
        file["name"]: (made_output / file["name"]).stat().st_size for file in manifest["files"]
    }


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_number_of_workers_changes_no_byte(made, made_output, tmp_path, workers):
    """Shards, Parquet, manifest, parts and decisions are the same bytes for any number of workers."""
    output = tmp_path / "again"
    curated(made, output, workers=workers)
    assert hashes(output) == hashes(made_output)


def test_place_changes_no_byte(made, made_output, tmp_path):
    """The same input at another place, into an output and run directory elsewhere, gives the same bytes."""
    moved = tmp_path / "a moved input"
    shutil.copytree(made, moved)
    output = tmp_path / "deeper" / "öut"
    curated(moved, output, run_dir=str(tmp_path / "run"))
    shutil.move(tmp_path / "run", output / "run")
    assert hashes(output) == hashes(made_output)


def test_repeatable_files_hold_no_trace_of_the_run(made, made_output):
    """None of the files that are always the same holds a path, a host name, a time of today or a number of workers."""
    traces = [str(made), str(made.parent), str(made_output), str(made_output.parent), os.uname().nodename]
    facts = json.loads((made_output / "run" / "run.json").read_text())
    traces += [facts["started"], facts["started"][:10]]
    for name in hashes(made_output):
        path = made_output / name
        texts = [path.read_bytes()]
        if path.suffix == ".parquet":
            texts += [repr(pq.read_table(path).to_pylist()).encode(), repr(pq.read_schema(path).metadata).encode()]
        for trace in traces:
            assert not any(trace.encode() in text for text in texts), (name, trace)


def test_run_json_says_what_may_differ(made_output):
    """Recipe, versions, times and the output's place are in `run.json`."""
    facts = json.loads((made_output / "run" / "run.json").read_text())
    assert [one["output"] for one in facts["exports"]] == [str(made_output)]
    assert facts["finished"] >= facts["started"]
    assert facts["recipe"]["scores"] == ["header", "entropy"]
    assert [path for path, _ in facts["ignored"]] == ["loose/.hidden", "loose/LICENSE"]


def test_key_clash_gets_the_shard_in_front(made, tmp_path):
    """A key that repeats inside one output shard is prefixed with its source shard; the original is in a column."""
    curated(made, tmp_path / "out", "scores: [header]\nrules: {}\n")
    delivered = delivered_members(tmp_path / "out")
    assert delivered["00000.tar#000000.jpg"] != delivered["00000.tar#b__000000.jpg"]
    row = next(row for row in delivered_rows(tmp_path / "out") if row["image_id"] == "sub/b/000000")
    assert (row["key"], row["original_key"]) == ("b__000000", "000000")
    assert row["files"] == ["b__000000.jpg", "b__000000.txt", "b__000000.json"]
