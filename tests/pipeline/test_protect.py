"""Protect sets from the recipe to the data set: in every form, scored once, and never in the output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.errors import (
    DuplicateIdError,
    InputError,
    MissingInputError,
    OutputExistsError,
    RecipeError,
    StaleScoresError,
)
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_locked, recipe_of
from nemo_curator.pipeline.policy import anchored, plan_policy, without_places
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Protecting, Searching
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.pipeline.set_names import earlier_runs, protect_sets
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.report.page import write_report
from nemo_curator.runs.deciding.leaks import read_leaks
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.catalogue import score_names
from nemo_curator.testing import encoded, make_tar


class Reading(Watcher):
    """Remembers which protect sets were read, and which searches were made."""

    def __init__(self):
        """Nothing yet."""
        self.sets = []
        self.searches = []

    def told(self, event):
        """A set is read, or a search began."""
        if isinstance(event, Protecting):
            self.sets.append(event.name)
        if isinstance(event, Searching):
            self.searches.append(event.kind)


def large(seed):
    """A picture of large forms, which survive edits."""
    return np.asarray(Image.fromarray(picture(seed, 24, 18)).resize((400, 300), Image.Resampling.BICUBIC))


def smaller(pixels):
    """It at half its size."""
    return np.asarray(Image.fromarray(pixels).resize((200, 150)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six photos, and an evaluation set that has the bytes of one, an edit of another, and one of its own."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("in", "eval"):
        (folder / name).mkdir()
    for seed in range(6):
        (folder / "in" / f"{seed}.jpg").write_bytes(encoded(large(seed), quality=95))
        (folder / "in" / f"{seed}.txt").write_text(f"a caption of {seed}")
    shutil.copy(folder / "in" / "1.jpg", folder / "eval" / "same.jpg")
    (folder / "eval" / "edited.png").write_bytes(encoded(smaller(large(2)), "PNG"))
    (folder / "eval" / "own.jpg").write_bytes(encoded(large(70)))
    (folder / "eval" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def recipe(*protect, scores=("hashes",), copies=True, **settings):
    """A recipe that protects some sets from copies."""
    duplicates = {"copies": copies, **settings.pop("duplicates", {})}
    return Recipe(
        scores=list(scores), rules={}, duplicates=duplicates, protect=[str(one) for one in protect], **settings
    )


def verdicts(run):
    """Id to (rule, what it shows) of what a decision rejected."""
    rows = pq.read_table(run.decisions).to_pylist()
    return {one["image_id"]: (one["rule"], one["duplicate_of"]) for one in rows if one["verdict"] == "reject"}


LEAKS = {"1.jpg": ("protect", "eval:same.jpg"), "2.jpg": ("protect", "eval:edited.png")}


def test_leaks_never_reach_the_output(photos, tmp_path):
    """Bytes and edits of protected images stay out, all else goes out as it came; the set is scored inside the run."""
    watcher = Reading()
    summary = curate([str(photos / "in")], str(tmp_path / "out"), recipe(photos / "eval"), workers=0, watcher=watcher)
    assert verdicts(summary.run) == LEAKS
    assert (summary.funnel.kept, summary.funnel.rejected) == (4, {"protect": 2})
    assert (summary.funnel.protected, summary.funnel.unreadable) == ({"eval": 3}, {"eval": 1})
    assert (watcher.sets, watcher.searches) == (["eval"], ["copies", "copies"])
    place = RunDirectory(str(tmp_path / "out" / "run" / "protect" / "eval"))
    assert Path(place.partitions).exists()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["recipe"]["protect"] == ["eval=eval"]
    assert manifest["funnel"]["leaks"] == {"eval": 2}
    assert str(photos) not in json.dumps(manifest)
    delivered = {row["image_id"] for row in pq.read_table(tmp_path / "out" / "00000.parquet").to_pylist()}
    assert delivered == {"0.jpg", "3.jpg", "4.jpg", "5.jpg"}
    write_report(summary.run)
    assert "shows an image of eval" in Path(summary.run.report).read_text(encoding="utf-8")


def test_the_set_is_read_once(photos, tmp_path):
    """A run that is decided, killed or started again reads no set and searches for nothing that is there."""
    run = RunDirectory(str(tmp_path / "run"))
    watcher = Reading()
    score_run([str(photos / "in")], run, recipe(photos / "eval"), workers=0, watcher=watcher)
    assert watcher.sets == ["eval"]
    assert decide_locked(run, workers=0, watcher=watcher).leaks == {"eval": 2}
    before = Path(run.decisions).read_bytes(), Path(run.leaks).read_bytes()
    score_run([str(photos / "in")], run, recipe(photos / "eval"), workers=0, watcher=watcher)
    decide_locked(run, workers=0, watcher=watcher)
    assert (watcher.sets, watcher.searches) == (["eval"], ["copies", "copies"])
    assert (Path(run.decisions).read_bytes(), Path(run.leaks).read_bytes()) == before
    (part,) = (tmp_path / "run" / "protect" / "eval" / "parts").iterdir()
    whole = part.read_bytes()
    part.unlink()  # as a kill leaves it
    decide_locked(run, workers=0, watcher=watcher)
    assert (watcher.sets, part.read_bytes()) == (["eval", "eval"], whole)
    assert watcher.searches == ["copies", "copies"]


def test_a_set_that_changed_is_scored_anew(photos, tmp_path):
    """Images that come, go or change in a set are what the next decision protects."""
    place = tmp_path / "eval"
    shutil.copytree(photos / "eval", place)
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(photos / "in")], run, recipe(place), workers=0)
    assert decide_locked(run, workers=0).leaks == {"eval": 2}
    shutil.copy(photos / "in" / "5.jpg", place / "new.jpg")
    assert decide_locked(run, workers=0).leaks == {"eval": 3}
    (place / "same.jpg").unlink()
    assert decide_locked(run, workers=0).leaks == {"eval": 2}
    (place / "new.jpg").write_bytes((photos / "in" / "4.jpg").read_bytes() + b"more")
    assert set(verdicts(run)) == {"2.jpg", "5.jpg"}
    assert decide_locked(run, workers=0).leaks == {"eval": 2}
    assert set(verdicts(run)) == {"2.jpg", "4.jpg"}


def test_a_dry_run_writes_nothing(photos, tmp_path):
    """A set that is new is read for a dry run too, but not into the run."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(photos / "in")], run, recipe(), workers=0)
    before = sorted(str(path) for path in (tmp_path / "run").rglob("*"))
    assert decide_locked(run, recipe(photos / "eval"), write=False, workers=0).leaks == {"eval": 2}
    assert sorted(str(path) for path in (tmp_path / "run").rglob("*")) == before
    decide_locked(run, recipe(photos / "eval"), workers=0)
    watcher = Reading()
    decide_locked(run, recipe(photos / "eval"), write=False, workers=0, watcher=watcher)
    assert (watcher.sets, watcher.searches) == ([], [])
    decide_locked(run, recipe(), workers=0)
    assert not Path(run.leaks).exists()


def test_every_form_of_a_set(photos, tmp_path):
    """A tar, a Parquet, a pattern of tars, a data set of ours in each format, and a scored run protect as a folder."""
    files = [(path.name, path.read_bytes()) for path in sorted((photos / "eval").iterdir())]
    for number, some in enumerate((files[:2], files[2:])):
        make_tar(tmp_path / "shards" / f"{number}.tar", some)
    make_tar(tmp_path / "eval.tar", files)
    curate([str(photos / "eval")], str(tmp_path / "tars"), recipe(), workers=0)
    folder = recipe(export={"format": "folder"})
    curate([str(photos / "eval")], str(tmp_path / "files"), folder, workers=0)
    parquet = recipe(export={"format": "parquet"})
    curate([str(photos / "eval")], str(tmp_path / "parquet"), parquet, workers=0)
    forms = {
        "eval": tmp_path / "eval.tar",
        "shards": f"{tmp_path}/shards/*.tar",
        "tars": tmp_path / "tars" / "run",
        "delivered": f"delivered={tmp_path}/tars",
        "files": tmp_path / "files",
        "rows": f"rows={tmp_path}/parquet",
        "00000": tmp_path / "parquet" / "00000.parquet",
    }
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(photos / "in")], run, recipe(*forms.values()), workers=0)
    funnel = decide_locked(run, workers=0)
    assert funnel.leaks == dict.fromkeys(forms, 2)
    assert not (tmp_path / "run" / "protect" / "tars").exists()
    shown = {one.image_id for one in read_leaks(run, "protected", 99, 99).listed}
    assert {"eval:eval/same", "shards:1/same", "tars:same.jpg"} <= shown
    assert "delivered:00000/same" in shown
    assert any(one.startswith("files:00000/") for one in shown)
    assert "rows:00000/same" in shown


@pytest.mark.skipif("pixels" not in score_names(), reason="the score pixels is not installed")
def test_leaks_of_equal_pixels(photos, tmp_path):
    """The same picture in another format without loss leaks by its pixels."""
    for name in ("in", "eval"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(large(3), "PNG"))
    (tmp_path / "eval" / "b.bmp").write_bytes(encoded(large(3), "BMP"))
    run = RunDirectory(str(tmp_path / "run"))
    how = recipe(tmp_path / "eval", scores=["pixels"], copies=False, duplicates={"pixels": True})
    score_run([str(tmp_path / "in")], run, how, workers=0)
    assert decide_locked(run, workers=0).leaks == {"eval": 1}
    assert read_leaks(run, "image", 9, 9).listed[0].ends[0].kind == "same_pixels"


def test_leaks_by_embeddings(photos, tmp_path):
    """Look-alikes leak by the embeddings of one model, computed in one way for both sides."""
    run = RunDirectory(str(tmp_path / "run"))
    how = recipe(photos / "eval", scores=["header", "embedding"], copies=False, duplicates={"similar": {"eps": 0.05}})
    score_run([str(photos / "in")], run, how, workers=0)
    found = decide_locked(run, workers=0)
    assert verdicts(run)["1.jpg"] == ("protect", "eval:same.jpg")
    assert found.leaks["eval"] >= 1
    assert recipe_of(run.protect("eval")).scores == ["embedding"]
    kinds = {end.kind for one in read_leaks(run, "image", 9, 9).listed for end in one.ends}
    assert kinds <= {"same_bytes", "similar"}


def test_a_run_of_other_scores_is_refused(photos, tmp_path):
    """A scored run whose hashes are missing or computed otherwise is named, with what differs and the act."""
    plain, run = (RunDirectory(str(tmp_path / name)) for name in ("plain", "run"))
    score_run([str(photos / "eval")], plain, Recipe(scores=["header"], rules={}), workers=0)
    with pytest.raises(StaleScoresError, match=r"plain has no pdq to compare by; score it with `hashes`"):
        score_run([str(photos / "in")], run, recipe(plain.root), workers=0)
    assert not (tmp_path / "run").exists()
    fast = recipe(decode={"fast": True})
    score_run([str(photos / "eval")], RunDirectory(str(tmp_path / "fast")), fast, workers=0)
    with pytest.raises(StaleScoresError, match=r"pdq of fast was computed in another way .*fast: True → False.*again"):
        score_run([str(photos / "in")], run, recipe(tmp_path / "fast"), workers=0)


def test_what_is_told_before_anything_is_read(photos, tmp_path):
    """A set that is not there, two of one name, and places that overlap are refused, and nothing is written."""
    run = RunDirectory(str(tmp_path / "run"))

    def refused(error, said, *sets):
        with pytest.raises(error, match=said):
            score_run([str(photos / "in")], run, recipe(*sets), workers=0)
        with pytest.raises(error, match=said):
            curate([str(photos / "in")], str(tmp_path / "out"), recipe(*sets), workers=0)
        assert not (tmp_path / "run").exists()
        assert not (tmp_path / "out").exists()

    refused(MissingInputError, "there is nothing at this path.*did you mean 'eval'", photos / "evel")
    refused(MissingInputError, "nothing matches this pattern", f"x={photos}/none/*.tar")
    refused(RecipeError, "two sets are called 'eval'.*NAME=PATH", photos / "eval", f"{photos}/eval/*.jpg")
    refused(RecipeError, "no name can be made of '/'", "/")
    (tmp_path / "x.jpg").write_bytes(b"x")
    refused(OutputExistsError, "lies inside", tmp_path)
    refused(InputError, "password", "s3://user:secret@bucket/x.tar")


def test_clashing_ids_inside_a_set(photos, tmp_path):
    """A set whose files would get one id is refused as an input is."""
    make_tar(tmp_path / "eval" / "a.tar", [("x.jpg", b"x")])
    shutil.copy(tmp_path / "eval" / "a.tar", tmp_path / "eval" / "a.tar.gz")
    with pytest.raises(DuplicateIdError):
        score_run([str(photos / "in")], RunDirectory(str(tmp_path / "run")), recipe(tmp_path / "eval"), workers=0)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("evaluation/*.tar", "evaluation"),
        ("data/val.tar.gz", "val"),
        ("data/val.tar", "val"),
        ("data/val.parquet", "val"),
        ("/x/july/run", "july"),
        ("/x/july/run/", "july"),
        ("s3://bucket/a b/täst", "t-st"),
        ("NAME_1=some/path", "NAME_1"),
        ("not a name=x", "not-a-name-x"),
        (".", None),
    ],
)
def test_names(entry, name):
    """A set is called by the last part of its place that says something, or as it is told."""
    if name is None:
        with pytest.raises(RecipeError, match="NAME=PATH"):
            protect_sets(Recipe(protect=[entry]))
    else:
        assert [one.name for one in protect_sets(Recipe(protect=[entry]))] == [name]
        assert [one.name for one in earlier_runs(Recipe(against=[entry]))] == [name]


def test_places_in_recipes(tmp_path, monkeypatch):
    """A stored recipe names sets by whole paths, a delivered one by base names, each with the name of the set."""
    monkeypatch.chdir(tmp_path)
    given = Recipe(protect=["evaluation/*.tar", "b=x.tar"], against=["july/run"])
    stored = anchored(given)
    assert stored.protect == [f"evaluation={tmp_path}/evaluation/*.tar", f"b={tmp_path}/x.tar"]
    assert stored.against == [f"july={tmp_path}/july/run"]
    assert anchored(stored) == stored
    assert without_places(stored).protect == ["evaluation=*.tar", "b=x.tar"]
    assert without_places(stored).against == ["july=run"]


def test_what_a_recipe_may_say():
    """One set may be written without a list, and nothing takes them back."""
    assert parse_recipe("protect: a.tar\nagainst: [b, c]").protect == ["a.tar"]
    assert parse_recipe("protect: [a.tar]", overrides={"protect": ""}).protect == []
    with pytest.raises(RecipeError, match="protect"):
        parse_recipe("protect: {a: b}")
    with pytest.raises(RecipeError, match="against: nothing makes an image a duplicate"):
        plan_policy(parse_recipe("rules: {}\nagainst: [b]\nduplicates: {bytes: false}"), part_schema(()))


def test_the_recipe_in_force_keeps_its_sets(photos, tmp_path):
    """Deciding again without a word about sets compares with the same ones."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(photos / "in")], run, recipe(photos / "eval"), workers=0)
    assert recipe_of(run).protect == [f"eval={photos}/eval"]
    assert decide_locked(run, workers=0).rejected == {"protect": 2}
