"""Earlier runs from the recipe to the verdicts: what they kept stays the first, and is never searched again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.pipeline.test_protect import Reading, large, smaller

from nemo_curator.errors import InputError, MissingRunError, RecipeError, StaleScoresError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded


def recipe(*against, scores=("hashes",), **settings):
    """A recipe that finds copies, also of what earlier runs kept."""
    return Recipe(
        scores=list(scores),
        rules=settings.pop("rules", {}),
        duplicates={"copies": True},
        against=[str(one) for one in against],
        **settings,
    )


def verdicts(run):
    """Id to what it duplicates, None for what is kept."""
    rows = pq.read_table(run.decisions).to_pylist()
    return {one["image_id"]: one["duplicate_of"] for one in rows if one["verdict"] in {"keep", "duplicate"}}


@pytest.fixture
def months(tmp_path):
    """Photos of June, decided; and photos of July, some of which were there in June."""
    for name in ("june", "july"):
        (tmp_path / name).mkdir()
    for seed in range(4):
        (tmp_path / "june" / f"{seed}.jpg").write_bytes(encoded(smaller(large(seed)), quality=60))
    shutil.copy(tmp_path / "june" / "0.jpg", tmp_path / "july" / "0.jpg")
    (tmp_path / "july" / "better.png").write_bytes(encoded(large(1), "PNG"))
    (tmp_path / "july" / "rejected before.jpg").write_bytes(encoded(large(2), quality=95))
    (tmp_path / "july" / "new.jpg").write_bytes(encoded(large(9), quality=95))
    (tmp_path / "july" / "new again.jpg").write_bytes(encoded(large(9), quality=30))
    summary = curate([str(tmp_path / "june")], str(tmp_path / "out-june"), recipe(rules={"no": "key = '2'"}), workers=0)
    return tmp_path, summary.run


def test_what_an_earlier_run_kept_is_not_displaced(months):
    """A better copy of what is kept is a duplicate all the same; what was rejected then may come now."""
    folder, june = months
    before = {path: path.read_bytes() for path in Path(june.root).rglob("*") if path.is_file()}
    watcher = Reading()
    summary = curate(
        [str(folder / "july")], str(folder / "out-july"), recipe(f"june={june.root}"), workers=0, watcher=watcher
    )
    assert verdicts(summary.run) == {
        "0.jpg": "june:0.jpg",
        "better.png": "june:1.jpg",
        "rejected before.jpg": None,
        "new.jpg": None,
        "new again.jpg": "new.jpg",
    }
    assert (summary.funnel.earlier, summary.funnel.kept) == ({"june": 2}, 2)
    assert {path: path.read_bytes() for path in Path(june.root).rglob("*") if path.is_file()} == before
    again = Reading()
    decide_locked(summary.run, watcher=again)
    assert (watcher.searches, again.searches) == (["copies", "copies"], [])


def test_as_one_run_over_all(months):
    """Together both months keep what one run over all keeps in which June's kept images are allowed."""
    folder, june = months
    run = RunDirectory(str(folder / "split"))
    score_run([str(folder / "july")], run, recipe(f"june={june.root}"), workers=0)
    decide_locked(run)
    kept = {f"july/{name}" for name, best in verdicts(run).items() if best is None}
    (folder / "allow.txt").write_text("".join(f"june/{seed}.jpg\n" for seed in (0, 1, 3)))
    whole = RunDirectory(str(folder / "whole"))
    both = recipe(allow=str(folder / "allow.txt"), rules={"no": "image_id = 'june/2.jpg'"})
    score_run([str(folder / "june"), str(folder / "july")], whole, both, workers=0)
    decide_locked(whole)
    together = {name for name, best in verdicts(whole).items() if best is None}
    assert together == kept | {f"june/{seed}.jpg" for seed in (0, 1, 3)}


def test_another_decision_of_the_earlier_run_counts(months):
    """What the earlier run keeps now is what counts; its verdicts must be those of its last decision."""
    folder, june = months
    run = RunDirectory(str(folder / "run"))
    score_run([str(folder / "july")], run, recipe(f"june={june.root}"), workers=0)
    assert decide_locked(run).earlier == {"june": 2}
    decide_locked(june, recipe())
    assert decide_locked(run).earlier == {"june": 3}
    Path(june.decisions).unlink()
    with pytest.raises(InputError, match=r"this earlier run is not decided.*imagecurator decide"):
        decide_locked(run)


def test_earlier_runs_of_other_scores_are_refused(months):
    """Hashes that are missing or computed in another way are named with what differs, before anything is scored."""
    folder, june = months
    run = RunDirectory(str(folder / "run"))
    fast = recipe(f"june={june.root}", decode={"fast": True})
    with pytest.raises(StaleScoresError, match=r"pdq of june was computed in another way .*fast: False → True"):
        score_run([str(folder / "july")], run, fast, workers=0)
    plain = RunDirectory(str(folder / "plain"))
    score_run([str(folder / "june")], plain, Recipe(scores=["header"], rules={}), workers=0)
    decide_locked(plain)
    with pytest.raises(StaleScoresError, match="plain has no pdq to compare by"):
        score_run([str(folder / "july")], run, recipe(plain.root), workers=0)
    only_bytes = Recipe(scores=["header"], rules={}, against=[plain.root])
    score_run([str(folder / "july")], run, only_bytes, workers=0)
    assert decide_locked(run).earlier == {"plain": 1}


def test_an_output_stands_for_its_run(months):
    """The OUTPUT of `run` names the earlier run in it."""
    folder, _ = months
    run = RunDirectory(str(folder / "run"))
    score_run([str(folder / "july")], run, recipe(folder / "out-june"), workers=0)
    assert list(decide_locked(run).earlier) == ["out-june"]


def test_what_is_no_earlier_run(months):
    """A folder without a run, one that is not decided, and the run itself are refused before anything is scored."""
    folder, _ = months
    run = RunDirectory(str(folder / "run"))

    def refused(error, said, place):
        with pytest.raises(error, match=said):
            score_run([str(folder / "july")], run, recipe(place), workers=0)
        assert not (folder / "run").exists()

    refused(MissingRunError, r"or the OUTPUT of `run`", folder / "july")
    score_run([str(folder / "june")], RunDirectory(str(folder / "open")), recipe(), workers=0)
    refused(InputError, "is not decided", folder / "open")
    score_run([str(folder / "july")], run, recipe(), workers=0)
    decide_locked(run)
    with pytest.raises(RecipeError, match="this is the run itself"):
        decide_locked(run, recipe(run.root))
