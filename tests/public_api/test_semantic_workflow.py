"""`SemanticDeduplicationWorkflow`: the ids of a plain reference, and every parameter as documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.kernels.vectors import clustered
from tests.public_api.semantic_runs import EPS, HERE, names, run, write

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import (
    DuplicateIdError,
    EmptyInputError,
    InputError,
    LockedError,
    MissingInputError,
    OutputExistsError,
)
from nemo_curator.stages.deduplication.semantic import RankingStrategy, SemanticDeduplicationWorkflow
from nemo_curator.stages.image.deduplication.removal import ImageDuplicatesRemovalStage
from nemo_curator.storage import locked
from nemo_curator.tasks import ImageBatch, ImageObject


def clusters_of(cache: Path):
    """The members of each cluster, as the workflow wrote them."""
    parts = sorted(cache.glob("kmeans_results/centroid=*/part.parquet"))
    return {int(path.parent.name.partition("=")[2]): pq.read_table(path, partitioning=None) for path in parts}


def reference(cache: Path, eps, key, reverse):
    """Duplicates by plain NumPy, inside the workflow's own clusters: id to the id that it duplicates."""
    duplicates: dict[str, str] = {}
    for table in clusters_of(cache).values():
        members = sorted(table.to_pylist(), key=lambda row: (-row[key] if reverse else row[key], row["id"]))
        vectors = np.array([row["embedding"] for row in members])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = vectors @ vectors.T
        kept: list[int] = []
        for at, row in enumerate(members):
            near = [other for other in kept if cosines[at, other] >= 1 - eps]
            if near:
                duplicates[row["id"]] = members[max(near, key=lambda other: cosines[at, other])]["id"]
            else:
                kept.append(at)
    return duplicates


def test_the_same_ids_as_a_plain_reference(tmp_path):
    """20,000 vectors: NumPy pairs inside the workflow's clusters, greedy removal, the same ids and originals."""
    result, found = run(tmp_path, clustered(20_000, 32, clusters=200), LocalExecutor(), n_clusters=40)
    expected = reference(tmp_path / "out", EPS, "cosine_dist_to_cent", reverse=True)
    assert len(expected) > 1000
    assert {row["id"]: row["duplicate_of"] for row in found} == expected
    assert result.metadata["num_duplicates"] == len(expected)
    assert not {row["duplicate_of"] for row in found} & set(expected)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize(("keep", "reverse"), [("hard", True), ("easy", False)])
def test_which_to_keep(tmp_path, keep, reverse, metric):
    """`hard` keeps the member farthest from the centroid by the metric, `easy` the nearest."""
    column = {"cosine": "cosine_dist_to_cent", "l2": "l2_dist_to_cent"}[metric]
    _, found = run(tmp_path, clustered(600, 16), which_to_keep=keep, distance_metric=metric)
    expected = reference(tmp_path / "out", EPS, column, reverse=reverse)
    assert {row["id"]: row["duplicate_of"] for row in found} == expected


def test_random_is_seeded(tmp_path):
    """`random` gives the same ids again, and others with another seed; the clusters are compared with a fixed start."""
    rows = clustered(600, 16)
    write(tmp_path / "in", rows)
    start = rows[:8]
    first, again, other = (
        {row["id"] for row in run(tmp_path, which_to_keep="random", init=start, random_state=seed)[1]}
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_ranking_strategy(tmp_path):
    """The first of several similar members by the columns is kept; one without a value comes last."""
    rows = np.repeat(clustered(4, 8, copies=0), 3, axis=0)
    widths = [5, 9, 9, 1, None, 2, None, None, None, 7, 7, 7]
    grades = [1.0, 0.5, 0.7] + 9 * [0.0]
    write(tmp_path / "in", rows, width=widths, grade=grades)
    strategy = RankingStrategy(["width", "grade"], [False, True])
    _, found = run(tmp_path, n_clusters=2, metadata_fields=["width", "grade"], ranking_strategy=strategy)
    kept = set(names(12)) - {row["id"] for row in found}
    assert kept == {f"shard/{at:06d}" for at in (1, 5, 6, 9)}
    with pytest.raises(ValueError, match="at least one column"):
        RankingStrategy([])
    with pytest.raises(ValueError, match="2 for 1 columns"):
        RankingStrategy(["width"], [True, False])


def test_what_is_written(tmp_path):
    """Clusters with distances and metadata, pairs with the known columns, duplicates with an `id`."""
    rows = clustered(300, 16, dtype=np.float16)
    write(tmp_path / "in", rows, kind=pa.list_(pa.float16(), 16), label=[f"l{at}" for at in range(300)])
    result, found = run(tmp_path, metadata_fields=["label"], cache_path=str(tmp_path / "cache"))
    clusters = clusters_of(tmp_path / "cache")
    assert sorted(row["id"] for table in clusters.values() for row in table.to_pylist()) == names(300)
    columns = ["id", "label", "embedding", "l2_dist_to_cent", "cosine_dist_to_cent"]
    assert all(table.column_names == columns for table in clusters.values())
    assert all(row["label"] == f"l{int(row['id'][-6:])}" for row in clusters[0].to_pylist())
    centroids = np.load(tmp_path / "cache" / "kmeans_results" / "_centroids.npy")
    row = clusters[3].to_pylist()[0]
    assert row["l2_dist_to_cent"] == pytest.approx(np.linalg.norm(row["embedding"] - centroids[3]))
    pairs = [table for path in (tmp_path / "out" / "pairwise_results").iterdir() for table in [pq.read_table(path)]]
    assert all(
        table.column_names == ["id", "max_id", "cosine_sim_score", "duplicate_of", "similarity"] for table in pairs
    )
    by_id = {row["id"]: row for table in pairs for row in table.to_pylist()}
    assert sorted(by_id) == names(300)
    assert [by_id[row["id"]]["similarity"] for row in found] == [row["similarity"] for row in found]
    assert all(row["similarity"] <= by_id[row["id"]]["cosine_sim_score"] for row in found)
    firsts = [row for row in by_id.values() if row["max_id"] == row["id"]]
    assert len(firsts) == result.metadata["num_clusters"] == len(clusters)
    assert all(row["cosine_sim_score"] == 0 for row in firsts)


def test_the_result(tmp_path):
    """Name, tasks of both pipelines, timings and counts."""
    result, found = run(tmp_path, clustered(300, 16))
    assert result.workflow_name == "semantic_deduplication"
    assert {name: len(tasks) for name, tasks in result.pipeline_tasks.items()} == {"kmeans": 8, "pairwise": 8}
    counts = {name: value for name, value in result.metadata.items() if name.startswith("num_")}
    expected = {"num_rows": 300, "num_clusters": 8, "num_without_direction": 0, "num_duplicates": len(found)}
    assert counts == expected
    times = [value for name, value in result.metadata.items() if name.endswith("_time")]
    assert len(times) == 4
    assert result.metadata["total_time"] == max(times)
    assert result.get_metadata("duplicates_path") == str(tmp_path / "out" / "duplicates")
    assert result.get_metadata("other", 7) == 7


def test_without_eps_no_duplicates_are_named(tmp_path):
    """Pairs are written, duplicates are not, and those of an earlier run are gone."""
    rows = clustered(200, 16)
    assert run(tmp_path, rows)[1]
    result, found = run(tmp_path, eps=None)
    assert found is None
    assert "num_duplicates" not in result.metadata
    assert len(list((tmp_path / "out" / "pairwise_results").iterdir())) == 8


def test_nothing_is_similar(tmp_path):
    """An empty list of duplicates is still there for the removal stage, and removes nothing."""
    _, found = run(tmp_path, np.eye(20, dtype=np.float32))
    assert found == []
    stage = ImageDuplicatesRemovalStage(str(tmp_path / "out" / "duplicates"))
    stage.setup()
    batch = ImageBatch(data=[ImageObject(image_id=name) for name in names(20)])
    assert len(stage.process(batch).data) == 20


def test_removal_stage_takes_the_folder(tmp_path):
    """What the workflow lists goes, and what it duplicates stays."""
    _, found = run(tmp_path, clustered(300, 16))
    stage = ImageDuplicatesRemovalStage(str(tmp_path / "out" / "duplicates"))
    stage.setup()
    left = stage.process(ImageBatch(data=[ImageObject(image_id=name) for name in names(300)]))
    kept = {image.image_id for image in left.data}
    assert kept == set(names(300)) - {row["id"] for row in found}
    assert {row["duplicate_of"] for row in found} <= kept


@pytest.mark.parametrize("workers", [1, 2])
def test_files_do_not_depend_on_workers(tmp_path, workers):
    """Every byte is the same in this process and in any number of workers."""
    run(tmp_path, clustered(400, 16))
    out = tmp_path / "out"
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    run(tmp_path, executor=LocalExecutor({"num_workers": workers}))
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_files_do_not_depend_on_the_order_of_an_executor(tmp_path):
    """What gives the last task first writes the same bytes, and the tasks of the result are in the same order."""
    rows = [row.tolist() for row in clustered(200, 8)]
    rows[9] = [0.0] * 8

    class Backwards(LocalExecutor):
        """Gives its results in reverse."""

        def execute(self, stages, initial_tasks=None):
            """As always, and then turned round."""
            return list(reversed(super().execute(stages, initial_tasks)))

    seen = []
    write(tmp_path / "in", np.array(rows, np.float32))
    for executor in (HERE, Backwards({"num_workers": 0})):
        result, found = run(tmp_path, executor=executor)
        order = [[task.data for task in tasks] for tasks in result.pipeline_tasks.values()]
        seen.append((found, order, (tmp_path / "out" / "duplicates" / "duplicates.parquet").read_bytes()))
    assert seen[0] == seen[1]
    assert found


def test_any_executor_will_do(tmp_path):
    """Whatever has `execute` gets the stages and the tasks."""

    class Executor:
        """Counts its calls."""

        calls: list[str]

        def __init__(self):
            """None yet."""
            self.calls = []

        def execute(self, stages, initial_tasks=None):
            """Call each stage on each task."""
            self.calls += [stage.name for stage in stages]
            return [
                result
                for task in initial_tasks
                for made in [stages[0].process(task)]
                for result in (made if isinstance(made, list) else [made])
            ]

    executor = Executor()
    assert run(tmp_path, clustered(200, 16), executor)[1]
    assert executor.calls == ["semantic_kmeans", "semantic_pairwise"]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 16), pa.list_(pa.float64(), 16)],
)
def test_any_list_of_floats_is_an_embedding(tmp_path, kind):
    """Lists, large lists and lists of fixed size, in every precision."""
    write(tmp_path / "in", clustered(200, 16).astype(np.float16).astype(np.float64), kind=kind)
    _, found = run(tmp_path)
    expected = reference(tmp_path / "out", EPS, "cosine_dist_to_cent", reverse=True)
    assert {row["id"]: row["duplicate_of"] for row in found} == expected


def test_ids_may_be_numbers(tmp_path):
    """They keep their type."""
    write(tmp_path / "in", clustered(200, 16), ids=list(range(200)))
    _, found = run(tmp_path)
    assert found
    assert all(isinstance(row["id"], int) and isinstance(row["duplicate_of"], int) for row in found)


def test_embeddings_without_a_direction_are_accounted_for(tmp_path):
    """Missing, zero and infinite ones, and such with a missing number, stand in no cluster and duplicate nothing."""
    rows = [row.tolist() for row in clustered(100, 8)]
    rows[3], rows[5], rows[7] = None, [0.0] * 8, [float("inf")] * 8
    rows[9] = [None, *rows[9][1:]]
    (tmp_path / "in").mkdir()
    table = pa.table({"id": names(100), "embeddings": pa.array(rows, pa.list_(pa.float32()))})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    result, found = run(tmp_path)
    assert result.metadata["num_without_direction"] == 4
    aside = pq.read_table(tmp_path / "out" / "pairwise_results" / "without-direction.parquet").to_pylist()
    odd = [f"shard/{at:06d}" for at in (3, 5, 7, 9)]
    assert [row["id"] for row in aside] == odd
    assert all(row["max_id"] is None and row["duplicate_of"] is None for row in aside)
    assert not {row["id"] for row in found} & set(odd)
    assert not {row["duplicate_of"] for row in found} & set(odd)
    listed = pq.read_table(tmp_path / "out" / "kmeans_results" / "_without_direction.parquet")
    assert listed["id"].to_pylist() == odd


def test_settings_of_k_means_reach_it(tmp_path):
    """Given centroids are taken as they are where no iteration moves rows; a fraction of the rows labels all."""
    rows = clustered(200, 8)
    run(tmp_path, rows, init=rows[:8], max_iter=1, fit_data_fraction=0.5, n_init=3, tol=0.1)
    assert sum(table.num_rows for table in clusters_of(tmp_path / "out").values()) == 200


def test_results_of_other_runs_are_replaced_or_refused(tmp_path):
    """`clear_output` removes the files of the workflow alone; without it, they end the run; strangers always do."""
    run(tmp_path, clustered(200, 16))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="clear_output=True"):
        run(tmp_path, clear_output=False)
    run(tmp_path, n_clusters=2)
    assert len(clusters_of(tmp_path / "out")) == 2
    assert len(list((tmp_path / "out" / "pairwise_results").iterdir())) == 2
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    (tmp_path / "out" / "duplicates" / "mine.parquet").write_bytes(b"x")
    with pytest.raises(OutputExistsError, match=r"mine\.parquet"):
        run(tmp_path)
    assert (tmp_path / "out" / "duplicates" / "duplicates.parquet").exists()


def test_a_run_that_fails_leaves_no_list_of_duplicates(tmp_path):
    """The old list is gone before the new one is whole, so that nobody removes by half of one."""
    run(tmp_path, clustered(200, 16))

    class Broken(LocalExecutor):
        """Fails."""

        def execute(self, stages, initial_tasks=None):
            """At once."""
            raise RuntimeError("power cut")

    workflow = SemanticDeduplicationWorkflow(str(tmp_path / "in"), str(tmp_path / "out"), 8, eps=EPS, verbose=False)
    with pytest.raises(RuntimeError, match="power cut"):
        workflow.run(HERE, Broken())
    assert not list((tmp_path / "out").glob("duplicates/*"))


def test_input_is_checked_before_anything_is_done(tmp_path):
    """Each with a sentence, and nothing is written."""
    folder, rows = tmp_path / "in", clustered(30, 8)
    write(folder, rows)

    def refused(kind, words, **given):
        with pytest.raises(kind, match=words):
            run(tmp_path, **given)
        assert not (tmp_path / "out" / "kmeans_results").exists()

    refused(InputError, "30 rows do not make 31 clusters", n_clusters=31)
    refused(InputError, "did you mean 'embeddings'", embedding_field="embedding")
    refused(InputError, "no column 'width'", metadata_fields=["width"])
    refused(InputError, "not lists of floating-point", embedding_field="id", id_field="embeddings")
    refused(EmptyInputError, r"ends in \.arrow", input_file_extensions=["arrow"])
    (folder / "extra.parquet").write_bytes(b"PAR1 not really")
    refused(InputError, "cannot be read as Parquet")
    (folder / "extra.parquet").unlink()
    write(folder / "more", rows, files=1)
    refused(DuplicateIdError, "'shard/000000' stands in 2 rows")
    write(folder / "more", rows, files=1, ids=[None, *names(60)[31:]])
    refused(InputError, "1 rows have no 'id'")
    write(folder / "more", rows, files=1, ids=list(range(30)))
    refused(InputError, "column 'id' is int64 here and string")
    with pytest.raises(MissingInputError, match="check input_path"):
        SemanticDeduplicationWorkflow(str(tmp_path / "none"), str(tmp_path / "out"), 2).run()


def test_embeddings_of_other_lengths_are_refused(tmp_path):
    """Two models in one input, or another length than was said."""
    write(tmp_path / "in", clustered(30, 8))
    with pytest.raises(InputError, match="8 numbers where 9 are expected"):
        run(tmp_path, embedding_dim=9)
    write(tmp_path / "in" / "more", clustered(30, 12), ids=names(60)[30:])
    with pytest.raises(InputError, match="12 numbers where 8 are expected"):
        run(tmp_path)


def test_results_are_no_input(tmp_path):
    """An output inside of the input would be read again; it is refused."""
    write(tmp_path / "in", clustered(30, 8))
    workflow = SemanticDeduplicationWorkflow(str(tmp_path / "in"), str(tmp_path / "in"), 2, eps=EPS, verbose=False)
    workflow.run(HERE, HERE)
    with pytest.raises(InputError, match="outside of input_path"):
        workflow.run(HERE, HERE)


def test_two_at_once_are_refused(tmp_path):
    """A place where another process is at work stays as it is."""
    write(tmp_path / "in", clustered(30, 8))
    with locked(str(tmp_path / "out")), pytest.raises(LockedError):
        run(tmp_path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"input_filetype": "jsonl"}, "embeddings are read from Parquet"),
        ({"n_clusters": 0}, "n_clusters is a whole number"),
        ({"n_init": 1.5}, "n_init is a whole number"),
        ({"pairwise_batch_size": True}, "pairwise_batch_size is a whole number"),
        ({"embedding_dim": -1}, "embedding_dim is a whole number"),
        ({"distance_metric": "manhattan"}, "'cosine' or 'l2'"),
        ({"which_to_keep": "best"}, "'hard' or 'easy' or 'random'"),
        ({"init": "best"}, "or centroids, not 'best'"),
        ({"init": np.zeros((3, 8))}, "8 centroids are a row each"),
        ({"eps": -0.1}, "eps is a number from 0 to 2"),
        ({"eps": "0.1"}, "eps is a number from 0 to 2"),
        ({"fit_data_fraction": 0}, "fit_data_fraction is a number above 0 to 1"),
        ({"tol": -1}, "tol is a number"),
        ({"id_field": "embedding"}, "written by the workflow itself"),
        ({"ranking_strategy": "width"}, "a RankingStrategy"),
        ({"ranking_strategy": RankingStrategy(["width"])}, "not among metadata_fields"),
        ({"write_kwargs": {"compresion": "zstd"}}, "did you mean 'compression'"),
    ],
)
def test_parameters_are_checked_when_they_are_given(given, words):
    """What cannot be run is said at once."""
    with pytest.raises(ValueError, match=words):
        SemanticDeduplicationWorkflow("in", "out", **({"n_clusters": 8} | given))


def test_parameters_and_defaults():
    """Names, order and defaults are those that are documented."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(SemanticDeduplicationWorkflow).parameters.items()
    }
    assert list(defaults)[:3] == ["input_path", "output_path", "n_clusters"]
    expected = {
        "cache_path": None,
        "id_field": "id",
        "embedding_field": "embeddings",
        "embedding_dim": None,
        "metadata_fields": None,
        "input_filetype": "parquet",
        "input_file_extensions": None,
        "n_init": 1,
        "max_iter": 300,
        "tol": 1e-4,
        "random_state": 42,
        "fit_data_fraction": None,
        "distance_metric": "cosine",
        "which_to_keep": "hard",
        "ranking_strategy": None,
        "pairwise_batch_size": 1024,
        "eps": None,
        "clear_output": True,
        "verbose": True,
    }
    assert {name: defaults[name] for name in expected} == expected
    assert {"init", "read_kwargs", "cache_kwargs", "write_kwargs"} <= set(defaults)


def test_the_module_is_light_until_the_workflow_is_asked_for():
    """Importing the room loads no upper floor; an unknown name is no attribute of it."""
    code = (
        "import sys, nemo_curator.stages.deduplication.semantic as s; a = 'nemo_curator.pipeline' in sys.modules; "
        "s.SemanticDeduplicationWorkflow; print(a, hasattr(s, 'Other'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
