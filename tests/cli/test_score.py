"""`imagecurator score`."""

from __future__ import annotations

import json
import os

import pytest
from tests.cli.kept import ODD, as_json
from tests.cli.processes import imagecurator, pictures, sentence, tree

from nemo_curator import storage
from nemo_curator.stages.catalogue import score_names

MAY_DIFFER = {"run.json", "partitions.parquet"}  # the input is at another place, and times pass


def test_scores_without_deciding(place):
    """Scores stand in the run directory, nothing is decided, and the next step is named."""
    done = imagecurator("score", place / "in", place / "new", "-r", place / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert "scored: 9 inputs in 2 partitions, 2 of these just now" in done.stdout
    assert f"next:   imagecurator decide {place / 'new'}" in done.stdout
    files = {name.partition("/")[0] for name in tree(place / "new")}
    assert files == {"run.json", "partitions.parquet", "parts"}


def test_again_is_nothing_to_do(place):
    """A second scoring computes nothing, and leaves every part as it is."""
    before = tree(place / "scored")
    facts = as_json("score", place / "in", place / "scored", "-r", place / "recipe.yaml")
    assert (facts["to_score"], facts["records"], facts["bytes"]) == (0, 9, 0)
    assert {name for name, data in tree(place / "scored").items() if data != before[name]} <= MAY_DIFFER


def test_columns_of_another_recipe_are_added(place):
    """A further score is computed for what is there; the scores of before are not computed again."""
    more = ("score", place / "in", place / "scored", "-s", "scores=[header, entropy, exposure]")
    facts = as_json(*more, "--dry-run")
    assert (facts["to_score"], facts["partly"][0]["partitions"]) == (2, 2)
    assert facts["partly"][0]["columns"][0] == "dark_share"
    assert "entropy" not in facts["partly"][0]["columns"]
    said = imagecurator(*more, "--dry-run").stdout
    assert "2 to do" in said
    assert "  2 lack dark_share" in said
    done = imagecurator(*more)
    assert done.returncode == 0, done.stderr
    assert imagecurator("decide", place / "scored", "--rule", "dark=dark_share < 0").returncode == 0


def test_scores_are_named_on_the_command_line(place):
    """`--scores` names what to compute, in the place of the recipe's own; twice said is refused."""
    facts = as_json("score", place / "in", place / "named", "--scores", "sharpness, header", "--dry-run")
    assert sorted(facts["stages"]) == ["header", "sharpness"]
    for twice in ("scores=[entropy]", "scores.0=entropy"):
        said = sentence(imagecurator("score", place / "in", place / "named", "--scores", "header", "-s", twice), 5)
        assert "twice" in said
    none = imagecurator("score", place / "in", place / "named", "--scores", " ,")
    assert "--scores names no score" in sentence(none, 5)
    assert "no score 'shrpness'" in sentence(
        imagecurator("score", place / "in", place / "named", "--scores", "shrpness"), 5
    )


def test_all_scores(place):
    """`--scores all` computes every installed score, and a note names each that is left out."""
    facts = as_json("score", place / "in", place / "all", "--scores", "all", "--dry-run")
    left_out = [name for name in score_names() if any(f"leaves out {name}:" in note for note in facts["notes"])]
    assert sorted([*facts["stages"], *left_out]) == sorted(score_names())
    assert {"header", "sharpness", "exposure", "entropy", "nsfw", "embedding"} <= set(facts["stages"])
    assert len(left_out) > 1


def test_all_scores_are_told_in_one_line(place):
    """What `--scores all` leaves out is one short line, with what each lacks; another command says how to get it."""
    command = ("score", place / "in", place / "all", "--scores", "all")
    dry = [line for line in imagecurator(*command, "--dry-run").stdout.splitlines() if "leaves out" in line]
    done = [line for line in imagecurator(*command).stderr.splitlines() if "leaves out" in line]
    assert len(dry) == len(done) == 1
    assert dry == done
    assert len(done[0]) < 250
    for lacking in ("aesthetic (weights)", "clip_prompts (words of yours)", "clip_score (another embedding)"):
        assert lacking in done[0]
    assert "`imagecurator plan --scores all` says how to get each" in done[0]
    said = imagecurator("plan", "--scores", "all").stdout
    assert "leaves out aesthetic: " in said
    assert "imagecurator models get sac-logos-ava1-l14-linearMSE" in said


def test_dry_run_writes_nothing(place):
    """A dry run says what would be scored, and writes nothing, into a new run or one that is there."""
    pictures(place / "in", 5)
    before = tree(place)
    for run, todo in (("new", 2), ("scored", 1)):
        done = imagecurator("score", place / "in", place / run, "-r", place / "recipe.yaml", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert f"{todo} to do" in done.stdout
        assert done.stdout.startswith(f"9 images, 1 shard in {3 if run == 'scored' else 2} partitions: ")
        assert "This was a dry run: nothing is written." in done.stdout
        assert as_json("score", place / "in", place / run, "-r", place / "recipe.yaml", "--dry-run")["to_score"] == todo
    assert tree(place) == before
    assert not (place / "new").exists()


def test_growth_is_said(place):
    """New files are scored; changed and vanished ones are named, with control characters shown, not obeyed."""
    (place / "in" / ODD).unlink()
    os.utime(place / "in" / "001.jpg", ns=(1, 1))
    (place / "in" / "later.jpg").write_bytes((place / "in" / "002.jpg").read_bytes())
    done = imagecurator("score", place / "in", place / "scored", "-r", place / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert "scored: 10 inputs in 3 partitions, 1 of these just now" in done.stdout
    assert "1 file (001.jpg) may have changed since the first scoring, and is not scored again" in done.stderr
    assert "esc\\x1b[31m.jpg" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout


def test_a_decision_does_not_outlive_its_records(place):
    """After further images were scored the run is not decided any more; a scoring that finds nothing leaves it."""
    assert imagecurator("score", place / "in", place / "run", "-r", place / "recipe.yaml").returncode == 0
    assert as_json("status", place / "run")["decided"]
    (place / "in" / "later.jpg").write_bytes((place / "in" / "002.jpg").read_bytes())
    assert imagecurator("score", place / "in", place / "run", "-r", place / "recipe.yaml").returncode == 0
    assert not as_json("status", place / "run")["decided"]
    sentence(imagecurator("export", place / "run", place / "out"), 3)


def test_scores_that_void_a_decision_say_so(place):
    """Where scores are added to a decided run, that is what is told, by `score` and by all who miss the verdicts."""
    run = place / "run"
    again = f"imagecurator decide {run}"
    done = imagecurator("score", place / "in", run, "--scores", "header, entropy, exposure")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"\nnext:   the decision of before no longer stands: {again}\n")
    told = f"scores were added since the last decision; run `{again}`"
    for command in (("view",), ("report",)):
        said = sentence(imagecurator(*command, run), 3)
        assert said.endswith(f"{run}: {told}"), said
    assert f"verdict          none: {told}\n" in imagecurator("explain", run, "tiny.jpg").stdout
    assert "no verdicts: scores were added since the last decision" in imagecurator("status", run).stdout
    assert imagecurator("decide", run).returncode == 0
    assert imagecurator("report", run).returncode == 0
    facts = json.loads((run / "run.json").read_text())
    assert "outdated" not in facts


def test_a_recipe_that_voids_a_decision_is_told(place):
    """Where a scoring changes the recipe alone, no scores are said to be added; with scores it is their fault."""
    run = place / "run"
    changed = ("score", place / "in", run, "-r", place / "recipe.yaml", "-s", "rules={other: 'width < 9'}")
    assert "no longer stands" in imagecurator(*changed).stdout
    assert "the recipe was changed since the last decision" in sentence(imagecurator("report", run), 3)
    assert imagecurator("score", place / "in", run, "--scores", "header, entropy, exposure").returncode == 0
    assert "scores were added since the last decision" in sentence(imagecurator("report", run), 3)
    assert "no longer stands" in imagecurator(*changed).stdout
    assert "scores were added since the last decision" in sentence(imagecurator("report", run), 3)


def test_stale_scores(place):
    """Scores of other limits are refused with what changed; `--rescore` computes them."""
    before = tree(place)
    other = ("score", place / "in", place / "scored", "-r", place / "recipe.yaml", "-s", "limits.pixels=50")
    said = sentence(imagecurator(*other), 4)
    assert "stored scores were computed in another way: every column (limits.pixels: 100,000,000 → 50)" in said
    assert "pass --rescore" in said
    assert tree(place) == before
    assert imagecurator(*other, "--rescore").returncode == 0
    assert imagecurator("decide", place / "scored").returncode == 0
    funnel = as_json("status", place / "scored")["funnel"]
    assert (funnel["kept"], sum(funnel["quarantined"].values())) == (0, 9)


def test_mistakes(place):
    """Each mistake is one sentence with its exit code, and nothing is written."""
    (place / "full").mkdir()
    (place / "full" / "thesis.tex").write_text("x")
    (place / "other").mkdir()
    pictures(place / "other" / "below", 1)
    before = tree(place)
    for arguments, code, words in [
        ((place / "nowhere", place / "new"), 3, "there is nothing at this path"),
        ((place / "in", place / "in" / "run"), 4, "the run directory lies inside the input"),
        ((place / "in", place / "full"), 4, "did not put there, such as 'thesis.tex'"),
        ((place / "in", place / "recipe.yaml"), 4, "this is a file, and the run directory is a folder"),
        ((place / "other", place / "scored"), 4, "this run is of another input"),
        ((place / "in", place / "new", "-s", "scores=[heder]"), 5, "did you mean 'header'?"),
        ((place / "in", place / "new", "-s", "rules.x=nobody < 1"), 5, "nobody"),
        ((place / "in", place / "new", "-s", "deny=nowhere.txt"), 3, "nowhere.txt"),
        ((place / "in", place / "new", "-s", "sample={by: nobody, n: 1}"), 5, "nobody"),
        ((place / "in", place / "new", "-r", place / "no.yaml"), 5, "there is no such recipe"),
    ]:
        assert words in sentence(imagecurator("score", *arguments), code), arguments
        assert tree(place) == before, arguments


@pytest.mark.parametrize("command", ["score", "decide", "export"])
def test_one_at_a_time(place, command):
    """While somebody is at work in the run directory, nobody else writes there; asking is allowed."""
    arguments = {
        "score": (place / "in", place / "run"),
        "decide": (place / "run",),
        "export": (place / "run", place / "out"),
    }
    before = tree(place)
    with storage.locked(str(place / "run")):
        said = sentence(imagecurator(command, *arguments[command], *_recipe(command, place)), 4)
        assert as_json("status", place / "run")["at_work"]
        assert "another imagecurator is at work here; wait until it ends" in said
    assert tree(place) == before
    assert not as_json("status", place / "run")["at_work"]


def _recipe(command, place):
    """The options of a command that has a recipe file here."""
    return ("-r", place / "recipe.yaml") if command == "score" else ()
