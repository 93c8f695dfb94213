"""Scores that stand on embeddings, added to a run that has these: no model, no pixel, and the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.processes import imagecurator, tree
from tests.pipeline.embedding_stages import TALLY

from nemo_curator.codecs.decode import DECODERS
from nemo_curator.errors import StaleScoresError
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_run import preview_score, score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part
from nemo_curator.testing import encoded, make_tar, photo, tar_bytes

HERE = "tests.pipeline.embedding_stages"
EMBEDDER, PICKY_EMBEDDER = f"{HERE}:TallyEmbedderStage", f"{HERE}:PickyEmbedderStage"
HEAD, OTHER, PICKY = f"{HERE}:HeadStage", f"{HERE}:OtherHeadStage", f"{HERE}:PickyHeadStage"
UNDECLARED = f"{HERE}:UndeclaredStage"
READABLE = 11


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Shards and loose files: 11 pictures, one that does not decode, one that is none, a shard that ends too early."""
    folder = tmp_path_factory.mktemp("stored") / "in"
    for shard in range(2):
        make_tar(folder / f"{shard}.tar", [(f"{at}.jpg", encoded(photo(10 * shard + at))) for at in range(3)])
    pictures = [(f"{at}.jpg", encoded(photo(20 + at))) for at in range(3)]
    (folder / "cut.tar").write_bytes(tar_bytes(pictures)[:-4000])
    loose = folder / "loose"
    loose.mkdir()
    for at in range(3):
        (loose / f"{at}.jpg").write_bytes(encoded(photo(30 + at)))
    (loose / "broken.jpg").write_bytes(encoded(photo(40, 300, 300))[:2500])
    (loose / "none.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """Tally of the decoders' calls; the decoders themselves do their work."""
    calls = []

    def counting(real):
        return lambda request: calls.append(request.header) or real(request)

    for kind, real in DECODERS.items():
        monkeypatch.setitem(DECODERS, kind, counting(real))
    return calls


def recipe(*scores, **more):
    """A recipe of some scores."""
    return Recipe(scores=list(scores), rules={}, **more)


def score(source, run, *scores, rescore=False, workers=0):
    """Score with this recipe; returns the plan. What embedders were asked stands in the tally."""
    TALLY.clear()
    return score_run([str(source)], RunDirectory(str(run)), recipe(*scores), workers=workers, rescore=rescore)


def stored(run):
    """Name to bytes of parts and embeddings."""
    return {name: data for name, data in tree(run).items() if "/" in name}


def written(run):
    """When each file of the embeddings was written, and which file that is."""
    folders = (run / "embeddings", run / "embeddings_npy")
    return {one: (one.stat().st_ino, one.stat().st_mtime_ns) for folder in folders for one in folder.iterdir()}


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """The run that `embedded` is a copy of."""
    run = tmp_path_factory.mktemp("made") / "run"
    score(source, run, "header", EMBEDDER)
    assert len(TALLY) == 1 + READABLE
    return run


@pytest.fixture
def embedded(made, tmp_path):
    """A run of one's own that has embeddings, and nothing on them."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_added_scores_are_those_of_one_scoring(source, embedded, tmp_path, decoded):
    """Two heads, one after the other: no image is decoded, no embedder loaded, no embedding written, same bytes."""
    before = written(embedded)
    decoded.clear()
    score(source, embedded, "header", EMBEDDER, HEAD)
    assert (TALLY, decoded) == ([], [])
    score(source, embedded, "header", EMBEDDER, HEAD, OTHER)
    assert (TALLY, decoded) == ([], [])
    assert written(embedded) == before
    score(source, tmp_path / "once", "header", EMBEDDER, HEAD, OTHER)
    assert len(TALLY) == 1 + READABLE
    assert stored(embedded) == stored(tmp_path / "once")
    assert score(source, embedded, "header", EMBEDDER, HEAD, OTHER).work.partitions == set()


@pytest.mark.parametrize("workers", [1, 3])
def test_added_by_worker_processes(source, embedded, tmp_path, workers):
    """Any number of processes writes the same bytes."""
    score(source, embedded, "header", EMBEDDER, HEAD, workers=workers)
    score(source, tmp_path / "once", "header", EMBEDDER, HEAD)
    assert stored(embedded) == stored(tmp_path / "once")


def test_a_score_of_pixels_beside_one_of_embeddings(source, embedded, tmp_path, decoded):
    """Where another added score looks at pixels, each image is decoded once for that, and still not embedded."""
    decoded.clear()
    score(source, embedded, "header", "sharpness", EMBEDDER, HEAD)
    assert TALLY == []
    assert len(decoded) == READABLE + 1  # the broken one is tried
    score(source, tmp_path / "once", "header", "sharpness", EMBEDDER, HEAD)
    assert stored(embedded) == stored(tmp_path / "once")


def test_the_chain_reads_no_pixel_and_shares_no_model(source, embedded):
    """What is run in place of the embedder needs no view, no picture, and no model of the inference process."""
    wanted = recipe("header", EMBEDDER, HEAD)
    plan = preview_score([str(source)], RunDirectory(str(embedded)), wanted)
    (columns,) = plan.work.columns
    assert columns == ("head_score",)
    reader, *annotators, _ = score_chain(plan.run, plan.scoring, wanted, plan.scoring.ways(columns)[0])
    assert (reader.views, reader.pixels) == ((), False)
    assert [stage.name for stage in annotators] == ["stored_embeddings", "head"]


@pytest.mark.parametrize("scores", [(PICKY, HEAD), (HEAD, PICKY)], ids=["behind", "before"])
def test_images_that_a_head_failed_on(source, tmp_path, scores):
    """Those have no embedding any more: a head behind that error leaves them, one before it needs the embedder."""
    run = tmp_path / "run"
    score(source, run, "header", EMBEDDER, PICKY)
    score(source, run, "header", EMBEDDER, *scores)
    assert bool(TALLY) == (scores[0] == HEAD)
    score(source, tmp_path / "once", "header", EMBEDDER, *scores)
    assert stored(run) == stored(tmp_path / "once")


def test_a_head_that_fails_takes_the_embedding_away(source, embedded, tmp_path):
    """What an added score puts into quarantine leaves the stored embeddings, as in one scoring."""
    score(source, embedded, "header", EMBEDDER, PICKY)
    assert TALLY == []
    score(source, tmp_path / "once", "header", EMBEDDER, PICKY)
    assert stored(embedded) == stored(tmp_path / "once")


def test_an_embedding_that_cannot_be_stored(source, tmp_path):
    """It is an error of its image alone, and stays that when a head is added."""
    run = tmp_path / "run"
    score(source, run, "header", PICKY_EMBEDDER)
    score(source, run, "header", PICKY_EMBEDDER, HEAD)
    assert TALLY == []
    score(source, tmp_path / "once", "header", PICKY_EMBEDDER, HEAD)
    assert stored(run) == stored(tmp_path / "once")
    errors = [
        (row["image_id"], row["error_stage"], row["error_detail"])
        for part in (run / "parts").iterdir()
        for row in read_part(RunDirectory(str(run)), part.stem).to_pylist()
        if row["error"] == "nan_score"
    ]
    assert {name for name, _, _ in errors} == {"0/2", "1/2", "loose/2.jpg"}
    assert {stage for _, stage, _ in errors} == {"picky_embedder"}
    assert all("16-bit floats cannot hold" in detail for _, _, detail in errors)


def _cut(path):
    """The end is not there."""
    path.write_bytes(path.read_bytes()[:-9])


def _altered(path):
    """Some bits in the middle are other ones."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", ["cut", "altered", "gone", "matrix cut", "matrix gone"])
def test_damaged_embeddings_are_computed_again(source, embedded, tmp_path, harm):
    """Where stored embeddings are not whole their partition is embedded again, all others are not; same bytes."""
    folder = embedded / ("embeddings_npy" if "matrix" in harm else "embeddings")
    victim = max(folder.iterdir(), key=lambda one: one.stat().st_size)
    {"cut": _cut, "altered": _altered, "gone": lambda one: one.unlink()}[harm.removeprefix("matrix ")](victim)
    score(source, embedded, "header", EMBEDDER, HEAD)
    assert 0 < len([one for one in TALLY if one != "loaded"]) < READABLE
    score(source, tmp_path / "once", "header", EMBEDDER, HEAD)
    assert stored(embedded) == stored(tmp_path / "once")


def test_source_that_changed_unnoticed(source, tmp_path):
    """Other pictures under the old names fit neither stored embeddings nor parts: the partition is scored as a whole.

    A picture is gone and another one is there, so that the places of all behind it are other ones.
    """
    own = shutil.copytree(source, tmp_path / "in")
    run = tmp_path / "run"
    score(own, run, "header", EMBEDDER)
    (own / "loose" / "0.jpg").write_bytes(encoded(photo(99)))
    make_tar(own / "0.tar", [(f"{at}.jpg", encoded(photo(60 + at))) for at in range(1, 4)])
    score(own, run, "header", EMBEDDER, HEAD)
    score(own, tmp_path / "once", "header", EMBEDDER, HEAD)
    assert stored(run) == stored(tmp_path / "once")


def test_rescoring_a_head(source, tmp_path, decoded):
    """A head with other parameters is computed again without the embedder; another embedder runs."""
    run = tmp_path / "run"
    score(source, run, "header", EMBEDDER, HEAD)
    other = {HEAD: {"seed": 7}}
    with pytest.raises(StaleScoresError, match=r"head_score \(parameters\.seed: 0 → 7\)"):
        score(source, run, "header", EMBEDDER, other)
    decoded.clear()
    score(source, run, "header", EMBEDDER, other, rescore=True)
    assert (TALLY, decoded) == ([], [])
    score(source, tmp_path / "once", "header", EMBEDDER, other)
    assert stored(run) == stored(tmp_path / "once")
    score(source, run, "header", PICKY_EMBEDDER, other, rescore=True)
    assert len(TALLY) > READABLE


def test_rescoring_a_head_that_failed(source, tmp_path):
    """Images that it failed on have no stored embedding, and may be scored now: the embedder is asked once more."""
    run = tmp_path / "run"
    score(source, run, "header", EMBEDDER, PICKY)
    other = {PICKY: {"seed": 9}}
    score(source, run, "header", EMBEDDER, other, rescore=True)
    assert TALLY
    score(source, tmp_path / "once", "header", EMBEDDER, other)
    assert stored(run) == stored(tmp_path / "once")


def test_a_stage_that_declares_nothing_gets_what_was_before_it(source, embedded, tmp_path):
    """It may look at more than the embedding, so that the embedder runs."""
    score(source, embedded, "header", EMBEDDER, UNDECLARED)
    assert len(TALLY) == 1 + READABLE
    score(source, tmp_path / "once", "header", EMBEDDER, UNDECLARED)
    assert stored(embedded) == stored(tmp_path / "once")


def test_scores_stand_on_what_is_stored(source, tmp_path):
    """The score of a run is the one of the stored embedding, to the last bit, and its fingerprint says so."""
    from tests.pipeline.embedding_stages import HeadStage

    from nemo_curator.tasks import ImageBatch, ImageObject

    run = tmp_path / "run"
    plan = score(source, run, "header", EMBEDDER, HEAD)
    facts = {one.name: one.facts for one in plan.scoring.planned}
    assert facts["head_score"]["embedding_rounded_to"] == "float16"
    assert not any("embedding_rounded_to" in facts[name] for name in ("embedding", "min_side"))
    for part in (run / "parts").iterdir():
        table = pq.read_table(part)
        rows = table.filter(table["error"].is_null())["head_score"].to_pylist()
        matrix = np.load(run / "embeddings_npy" / f"{part.stem}.npy").astype(np.float32)
        batch = ImageBatch(data=[ImageObject(image_id=f"{at}", embedding=row) for at, row in enumerate(matrix)])
        assert [image.scores["head_score"] for image in HeadStage().annotate(batch).data] == rows


def test_a_dry_run_says_so(source, embedded):
    """What would be computed from stored embeddings is marked, for people and machines."""
    import json

    scores = ("-s", f"scores=[header, '{EMBEDDER}', '{HEAD}', sharpness]", "-s", "rules={}", "--dry-run")
    said = imagecurator("score", source, embedded, *scores)
    assert said.returncode == 0, said.stderr
    assert "lack sharpness, head_score (from the stored embeddings)" in said.stdout
    (partly,) = json.loads(imagecurator("score", source, embedded, *scores, "--json").stdout)["partly"]
    assert (partly["stages"], partly["stored_embeddings"]) == (["sharpness", "head"], True)
    fewer = imagecurator("score", source, embedded, "-s", f"scores=[header, '{EMBEDDER}', sharpness]", "--dry-run")
    assert "stored embeddings" not in fewer.stdout


ADDED = st.permutations([HEAD, OTHER, PICKY, "sharpness"])


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=ADDED, cuts=st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_any_order_of_adding(source, tmp_path_factory, order, cuts):
    """Scores added in any order, some at a time, are the bytes of one scoring by the last recipe."""
    place = tmp_path_factory.mktemp("order")
    for end in sorted({*cuts, len(order)}):
        score(source, place / "run", "header", EMBEDDER, *order[:end])
    score(source, place / "once", "header", EMBEDDER, *order)
    assert stored(place / "run") == stored(place / "once")
    shutil.rmtree(place)
