"""How many requests each command makes of a run directory elsewhere: what is counted here is what a store bills."""

from __future__ import annotations

import json
import shutil

import fsspec
import pytest
from tests.cli.processes import imagecurator, pictures
from tests.counted_files import of_parts
from tests.crash.material import make_many

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions

SHARDS = 6
RUN, OUT = "counted://bucket/run", "counted://bucket/out"
SIMPLE = "scores: [header, entropy]\nrules: {plain: 'entropy < quantile(entropy, 0.2)'}\nexport: {shard_size: 3}\n"
EMBEDDED = SIMPLE.replace("entropy]", "entropy, embedding]")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with six small shards, and a recipe without embeddings and one with."""
    folder = tmp_path_factory.mktemp("source")
    make_many(folder / "in", shards=SHARDS, pictures=3)
    (folder / "simple.yaml").write_text(SIMPLE)
    (folder / "embedded.yaml").write_text(EMBEDDED)
    return folder


def do(*arguments):
    """A command to its good end, in this process; what it says."""
    done = imagecurator(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def score(source, recipe, *more):
    """Score into the run."""
    return do("score", source / "in", RUN, "-r", source / f"{recipe}.yaml", *more)


def test_nothing_is_removed_that_never_was(source, asked):
    """To score anew, with embeddings or without, puts every file, and removes none."""
    for recipe in ("simple", "embedded"):
        score(source, recipe)
        found = asked.take()
        assert sum(number for (kind, _), number in found.items() if kind == "DELETE") == 0
        assert of_parts(found)["PUT"] == SHARDS
        for path in [one.url for one in storage.list(RUN)]:
            storage.remove(path)
        asked.clear()


def test_what_is_there_is_removed(source, asked):
    """Embeddings that a scoring left which was ended before the part are gone once a recipe without them has scored."""
    score(source, "embedded")
    first = next(one.url for one in storage.list(f"{RUN}/parts"))
    storage.remove(first)
    gone = first.rpartition("/")[2].removesuffix(".parquet")
    do("score", source / "in", RUN, "-r", source / "simple.yaml")
    left = {one.url.removeprefix(f"{RUN}/") for one in storage.list(RUN)}
    assert f"parts/{gone}.parquet" in left
    assert not left & {f"embeddings/{gone}.parquet", f"embeddings_npy/{gone}.npy"}


def test_status_lists_once(source, asked):
    """A missing part costs nothing; one that is there one look at its end; all of them together a listing."""
    score(source, "simple")
    for one in storage.list(f"{RUN}/parts")[:4]:
        storage.remove(one.url)
    asked.clear()
    facts = json.loads(do("status", RUN, "--json"))
    assert (facts["partitions"], facts["scored"], len(facts["missing"])) == (SHARDS, 2, 4)
    found = asked.take()
    assert of_parts(found) == {"GET": 2}
    assert found["LIST", "bucket/run/parts"] == 1


def test_scoring_again(source, asked):
    """Where nothing is to do, a part is looked at when it is planned, and once more when it is counted."""
    score(source, "simple")
    asked.clear()
    score(source, "simple")
    assert of_parts(asked.take()) == {"GET": 2 * SHARDS}


@pytest.mark.parametrize("recipe", ["simple", "embedded"])
def test_a_plan_falls_when_another_command_was_quicker(source, asked, monkeypatch, recipe):
    """What another one did between the plan and the moment when the run is held is seen: nothing is scored twice."""
    score(source, "simple")
    for one in storage.list(f"{RUN}/parts")[:2]:
        storage.remove(one.url)
    held = storage.locked

    def between(place):
        monkeypatch.setattr(storage, "locked", held)
        score(source, recipe)
        asked.clear()
        return held(place)

    monkeypatch.setattr(storage, "locked", between)
    score(source, recipe)
    found = asked.take()
    assert of_parts(found) == {"GET": 2 * SHARDS}
    assert not of_parts(found, "embeddings").get("PUT")


def test_a_plan_falls_when_the_list_is_another_one(source, asked, monkeypatch, tmp_path):
    """Files that another command took up in between, and was killed, are one partition, which is its own."""
    folder = pictures(tmp_path / "in")
    do("score", folder, RUN, "--scores", "header")
    began = fsspec.filesystem("counted").cat_file(f"{RUN}/run.json")
    for number in (1, 2):
        shutil.copy(folder / "000.jpg", folder / f"late{number}.jpg")
    held = storage.locked

    def between(place):
        monkeypatch.setattr(storage, "locked", held)
        (folder / "late2.jpg").rename(tmp_path / "late2.jpg")
        do("score", folder, RUN, "--scores", "header")
        (tmp_path / "late2.jpg").rename(folder / "late2.jpg")
        fsspec.filesystem("counted").pipe_file(f"{RUN}/run.json", began)  # as if it had said no more
        return held(place)

    monkeypatch.setattr(storage, "locked", between)
    do("score", folder, RUN, "--scores", "header")
    listed = {one.id for one in read_partitions(RunDirectory(RUN))}
    parts = {one.url.rpartition("/")[2].removesuffix(".parquet") for one in storage.list(f"{RUN}/parts")}
    assert len(listed) == 3
    assert listed == parts


def test_a_share_asks_for_its_own_parts(source, asked):
    """A share that begins the run, one that finds it begun, and one that finds all done, ask for no part of others."""
    ids = {}
    for number in (1, 2):
        score(source, "simple", "--shard", f"{number}/2")
        found = asked.take()
        ids[number] = {path for (kind, path) in found if kind == "PUT" and "/parts/" in path}
        assert len(ids[number]) == SHARDS // 2
        assert {path for (_, path) in found if "/parts/" in path} == ids[number]
    score(source, "simple", "--shard", "1/2")
    found = asked.take()
    assert {path for (_, path) in found if "/parts/" in path} == ids[1]
    assert of_parts(found) == {"GET": 2 * SHARDS // 2}  # to plan, once, and to count
    facts = json.loads(score(source, "simple", "--shard", "2/2", "--json"))
    assert facts["records"] == 9


def test_deciding_reads_each_part_twice(source, asked):
    """Its end, to see that it is there, and its rows."""
    score(source, "simple")
    asked.clear()
    do("decide", RUN)
    assert of_parts(asked.take()) == {"GET": 2 * SHARDS}


@pytest.mark.parametrize("recipe", ["simple", "embedded"])
def test_exporting(source, asked, recipe):
    """Each part is asked for three times, and embeddings by name only where there are some."""
    score(source, recipe)
    do("decide", RUN)
    asked.clear()
    do("export", RUN, OUT)
    found = asked.take()
    assert of_parts(found) == {"GET": 3 * SHARDS}
    if recipe == "simple":
        assert not of_parts(found, "embeddings")
        assert not of_parts(found, "embeddings_npy")
    else:
        assert of_parts(found, "embeddings") == {"GET": 3 * SHARDS + 1}  # and once for their type
        assert of_parts(found, "embeddings_npy") == {"GET": SHARDS, "HEAD": SHARDS}
    tables = {kind for (kind, path) in found if path.startswith("bucket/out/") and path.endswith((".parquet", ".tar"))}
    assert tables == {"PUT"}


def test_the_report(source, asked):
    """Each part is asked for three times, and embeddings not at all where there are none."""
    score(source, "simple")
    do("decide", RUN)
    asked.clear()
    do("report", RUN)
    found = asked.take()
    assert of_parts(found) == {"GET": 3 * SHARDS}
    assert not of_parts(found, "embeddings")


@pytest.mark.parametrize("recipe", ["simple", "embedded"])
def test_the_bytes_are_those_of_a_run_here(source, asked, tmp_path, recipe):
    """However it was asked for, every file is the one that a run directory on this machine has."""
    run, out = tmp_path / "run", tmp_path / "out"
    for place, data in ((RUN, OUT), (run, out)):
        do("score", source / "in", place, "-r", source / f"{recipe}.yaml")
        do("decide", place)
        do("export", place, data)
    there = {}
    for root in (RUN, OUT):
        for one in storage.list(root):
            with storage.open(one.url) as file:
                there[one.url.removeprefix("counted://bucket/")] = file.read()
    here = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    own = {"run/run.json", "run/partitions.parquet"}
    assert there.keys() == here.keys()
    assert {path for path in there if there[path] != here[path]} <= own
