"""Lazy scoring of real images: what is computed, what the parts hold, what makes it stale, and how it decides."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc
import pytest

from nemo_curator.errors import StaleScoresError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_run, recipe_of
from nemo_curator.pipeline.explain import explain
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import DuplicatesSection, Recipe
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.parts import part_facts, read_embeddings, read_part
from nemo_curator.runs.state import RunState
from nemo_curator.runs.stored_embeddings import embeddings_fit
from nemo_curator.shards.parquet import read_table
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from nemo_curator.testing import encoded, make_tar, photo

HERE = "tests.pipeline.test_lazy"
RULES = {"small": "least(width, height) < 64", "dull": "entropy < 3", "odd": "dear_score > 0.9"}
SMALL, DULL = {"0/1", "1/1"}, {"0/2", "1/2"}


@dataclass
class DearStage(BaseFilterStage):
    """A model that writes down whom it is shown."""

    _name: str = "dear"
    told: str = ""

    columns: ClassVar[tuple[Column, ...]] = (Column("dear_score"),)
    cost: ClassVar[Cost] = Cost.MODEL

    def needs(self):
        """A small picture."""
        return Needs(views=(STATISTICS_VIEW,))

    def score(self, images):
        """The share of bright bytes in the name, or thereabouts."""
        with Path(self.told).open("a", encoding="utf-8") as file:
            file.writelines(f"{image.image_id}\n" for image in images)
        return np.array([sum(map(ord, image.image_id)) % 7 / 7 for image in images], np.float32)


@dataclass
class DearEmbedderStage(DearStage):
    """The same for embeddings."""

    _name: str = "embedder"
    columns: ClassVar[tuple[Column, ...]] = (Column("length"),)
    embedding_dimension: ClassVar[int] = 3

    def outputs(self):
        """Embeddings."""
        return ["data"], ["embedding"]

    def score(self, images):
        """A direction of its own for each name."""
        given = super().score(images)
        for image, number in zip(images, given, strict=True):
            image.embedding = np.array([np.cos(number), np.sin(number), 0.0], np.float32)
        return given


@dataclass
class OnEmbeddingStage(DearStage):
    """A head on these embeddings."""

    _name: str = "head"
    columns: ClassVar[tuple[Column, ...]] = (Column("head_score"),)

    def needs(self):
        """The embedding."""
        return Needs(embedding=True)

    def score(self, images):
        """Its first number."""
        super().score(images)
        return np.array([image.embedding[0] for image in images], np.float32)


@dataclass
class SilentEmbedderStage(DearEmbedderStage):
    """One that does not say how long its embeddings are."""

    embedding_dimension: ClassVar[int] = 0


@pytest.fixture
def place(tmp_path):
    """Two shards of four images: one usual, one small, one of one colour, one usual."""
    for shard in range(2):
        pictures = [
            photo(shard, 200, 150),
            photo(shard + 2, 40, 40),
            np.full((90, 90, 3), 99, np.uint8),
            photo(shard + 4, 150, 200),
        ]
        make_tar(tmp_path / "in" / f"{shard}.tar", [(f"{at}.jpg", encoded(one)) for at, one in enumerate(pictures)])
    return tmp_path


def recipe(place: Path, *stages: str, lazy: bool = True, **settings) -> Recipe:
    """A recipe with the dear stages by name; the score `entropy` tells which images are dull."""
    told = {"told": str(place / "told")}
    dear = [{f"{HERE}:{name}Stage": told} for name in stages or ("Dear",)]
    scores = settings.get("scores", ["entropy", *dear])
    odd = any(f"{HERE}:DearStage" in one for one in scores)
    rules = {name: text for name, text in RULES.items() if odd or name != "odd"}
    return Recipe(**{"scores": scores, "rules": rules, "lazy": lazy, **settings})


def asked(place: Path) -> list[str]:
    """Who was shown to the dear stages since the last call."""
    told = place / "told"
    ids = told.read_text(encoding="utf-8").split() if told.exists() else []
    told.write_text("", encoding="utf-8")
    return sorted(ids)


def scored(place: Path, run: str, how: Recipe, **settings) -> RunDirectory:
    """A run directory after a scoring."""
    directory = RunDirectory(str(place / run))
    score_run([str(place / "in")], directory, how, **{"workers": 0, **settings})
    return directory


def missing(run: RunDirectory, column: str) -> set[str]:
    """Ids of the images that have no value there."""
    tables = [read_part(run, one, ["image_id", column]) for one in read_partition_ids(run)]
    return {one for table in tables for one in table.filter(pc.is_null(table[column]))["image_id"].to_pylist()}


def files(run: RunDirectory) -> dict[str, bytes]:
    """Parts and embeddings, byte for byte."""
    folders = (Path(run.root) / name for name in ("parts", "embeddings", "embeddings_npy"))
    return {f"{one.parent.name}/{one.name}": one.read_bytes() for folder in folders for one in folder.glob("*")}


def test_dear_stages_see_what_no_cheaper_rule_rejects(place):
    """Statistics are left out for what the header rejects, models for what either does; the rest is as ever."""
    run = scored(place, "run", recipe(place))
    assert asked(place) == ["0/0", "0/3", "1/0", "1/3"]
    assert missing(run, "entropy") == SMALL
    assert missing(run, "dear_score") == SMALL | DULL
    complete = scored(place, "complete", recipe(place, lazy=False))
    assert len(asked(place)) == 8
    for one in read_partition_ids(run):
        lazy, whole = read_part(run, one).to_pylist(), read_part(complete, one).to_pylist()
        for here, there in zip(lazy, whole, strict=True):
            assert here == {**there, **{name: None for name in ("entropy", "dear_score") if here[name] is None}}


def test_verdicts_are_those_of_a_complete_run(place):
    """Decisions and the delivered data set are the same bytes with `lazy` and without it."""
    outputs = {}
    for lazy in (True, False):
        curate([str(place / "in")], str(place / f"{lazy}"), recipe(place, lazy=lazy), workers=0)
        outputs[lazy] = place / f"{lazy}"
    decisions = [read_table(str(outputs[lazy] / "run" / "decisions.parquet")) for lazy in (True, False)]
    assert decisions[0].equals(decisions[1])
    assert decisions[0]["rule"].to_pylist().count("small") == 2
    tars = [{one.name: one.read_bytes() for one in outputs[lazy].glob("*.tar")} for lazy in (True, False)]
    assert tars[0]
    assert tars[0] == tars[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_parts_do_not_depend_on_workers(place, workers):
    """Parts and embeddings have the same bytes whoever computed them."""
    how = recipe(place, "Dear", "DearEmbedder", "OnEmbedding")
    alone = scored(place, "alone", how)
    assert files(scored(place, "many", how, workers=workers)) == files(alone)


def test_an_embedding_that_is_left_out_is_a_row_of_zeros(place):
    """Embeddings stay in step with their part; a head on them is left out for the same images, and is whole besides."""
    run = scored(place, "run", recipe(place, "DearEmbedder", "OnEmbedding"))
    assert missing(run, "head_score") == SMALL | DULL
    for one in read_partition_ids(run):
        table = read_embeddings(run, one)
        empty = {name for name, vector in zip(*table.to_pydict().values(), strict=True) if not np.any(vector)}
        assert empty == {f"{table['image_id'][0].as_py()[0]}/{at}" for at in (1, 2)}
        assert embeddings_fit(run, one, part_facts(run, one))


def test_what_is_needed_of_every_image_is_computed(place):
    """A search for look-alikes, a quantile and a list keep what they look at from being left out."""
    duplicates = {"similar": {"eps": 0.1}}
    scored(place, "a", recipe(place, "DearEmbedder", duplicates=duplicates))
    assert len(asked(place)) == 8
    scored(place, "b", recipe(place, rules={**RULES, "last": "dear_score < quantile(dear_score, 0.1)"}))
    assert len(asked(place)) == 8
    scored(place, "c", recipe(place, "SilentEmbedder"))
    assert len(asked(place)) == 8
    scored(place, "d", recipe(place, rules={"odd": RULES["odd"], "small": RULES["small"]}))
    assert len(asked(place)) == 8


def test_an_allowed_image_is_not_left_out(place):
    """No rule rejects what is allowed, so that it is computed, kept, and whole."""
    (place / "allow.txt").write_text("0/1\n1/2\n", encoding="utf-8")
    run = scored(place, "run", recipe(place, allow=str(place / "allow.txt")))
    assert missing(run, "dear_score") == {"0/2", "1/1"}
    assert decide_run(run).kept == 6


def facts(run: RunDirectory) -> dict[str, str]:
    """Column to fingerprint."""
    return RunState.require(run).fingerprints


def test_columns_say_by_what_they_are_lazy(place):
    """A changed skip rule makes the columns stale that it left out, and no other; so does switching `lazy` off."""
    run = scored(place, "run", recipe(place))
    stored = RunState.require(run).column_facts("dear_score")["lazy"]
    assert set(stored["rules"]) == {"entropy < 3", "least(width, height) < 64"}
    assert set(stored["read"]) == {"entropy"}
    asked(place)
    stricter = recipe(place, rules={**RULES, "dull": "entropy < 3.5"})
    with pytest.raises(StaleScoresError, match=r"dear_score \(lazy\.rules\.entropy < 3\.5: none → skips;") as caught:
        scored(place, "run", stricter)
    assert "lazy.rules.entropy < 3: skips → none)" in str(caught.value)
    assert str(caught.value).count("_score") == 1
    again = scored(place, "run", stricter, rescore=True)
    assert asked(place) == ["0/0", "0/3", "1/0", "1/3"]
    assert files(again) == files(scored(place, "anew", stricter))
    whole = scored(place, "run", recipe(place, lazy=False), rescore=True)
    assert files(whole) == files(scored(place, "complete", recipe(place, lazy=False)))
    assert facts(whole) == facts(RunDirectory(str(place / "complete")))


def test_rules_that_skip_nothing_change_no_column(place):
    """Where no rule can leave anything out, a lazy scoring is a complete one, with its fingerprints."""
    rules = {"odd": RULES["odd"]}
    lazy = scored(place, "lazy", recipe(place, rules=rules))
    assert facts(lazy) == facts(scored(place, "complete", recipe(place, rules=rules, lazy=False)))


def test_a_score_that_is_added_later_is_left_out_for_the_same_images(place):
    """Added to a scored run, a lazy column ends in the bytes of one scoring of everything."""
    scored(place, "run", recipe(place, scores=["entropy"]))
    added = scored(place, "run", recipe(place))
    assert asked(place) == ["0/0", "0/3", "1/0", "1/3"]
    assert files(added) == files(scored(place, "whole", recipe(place)))


def test_a_head_that_is_added_later_stands_on_stored_embeddings(place):
    """The embedder does not run again, and what it left out is left out of the head as well."""
    scored(place, "run", recipe(place, "DearEmbedder"))
    asked(place)
    added = scored(place, "run", recipe(place, "DearEmbedder", "OnEmbedding"))
    assert asked(place) == ["0/0", "0/3", "1/0", "1/3"]
    assert files(added) == files(scored(place, "whole", recipe(place, "DearEmbedder", "OnEmbedding")))
    assert EMBEDDING in facts(added)


def test_decide_with_other_rules(place):
    """A stricter rule decides at once; one that lets go what was left out is refused, and scoring again helps."""
    run = scored(place, "run", recipe(place))
    decide_run(run)
    stored = recipe_of(run)
    assert decide_run(run, stored.with_rule("dull", "entropy < 3.2", "")).rejected["dull"] == 2
    looser = stored.with_rule("dull", "entropy < -1", "")
    before = json.loads(Path(run.run_json).read_text(encoding="utf-8"))
    with pytest.raises(StaleScoresError, match="2 images lack dear_score"):
        decide_run(run, looser)
    assert json.loads(Path(run.run_json).read_text(encoding="utf-8")) == before
    scored(place, "run", looser, rescore=True)
    assert decide_run(run).rejected["dull"] == 0


def test_no_search_among_what_is_missing(place):
    """Duplicates that are found by an embedding which is missing for some images are refused, and not searched for."""
    run = scored(place, "run", recipe(place, "DearEmbedder"))
    alike = recipe_of(run).model_copy(update={"duplicates": DuplicatesSection(similar={"eps": 0.1})})
    with pytest.raises(StaleScoresError, match=r"duplicates\.similar needs it of every image"):
        decide_run(run, alike)
    assert not Path(run.root, "pairs").exists()
    scored(place, "run", alike, rescore=True)
    assert decide_run(run).kept < 4


def test_explain_says_what_was_left_out(place):
    """A rule whose score was left out for an image was not asked about it; all others answer."""
    run = scored(place, "run", recipe(place))
    decide_run(run)
    rules = {one.name: one for one in explain(run, "0/2").explanation.rules}
    assert (rules["dull"].matches, rules["dull"].left_out) == (True, False)
    assert (rules["odd"].matches, rules["odd"].left_out) == (None, True)
    assert not any(one.left_out for one in explain(run, "0/0").explanation.rules)


def test_workers_load_no_database_for_a_complete_scoring():
    """What a worker runs where nothing is lazy imports no DuckDB."""
    modules = "nemo_curator.pipeline.annotate, nemo_curator.runs.part_writer, sys"
    code = f"import {modules}; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_plan_says_what_is_left_out(place):
    """Notes name the stages and the rules."""
    plan = score_run([str(place / "in")], RunDirectory(str(place / "run")), recipe(place), workers=0)
    assert [note for note in plan.notes if note.startswith("lazy")] == [
        "lazy: entropy is not computed for what small rejects",
        "lazy: dear is not computed for what small or dull rejects",
    ]
