"""`imagecurator decide`."""

from __future__ import annotations

import shutil

from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree

MAY_CHANGE = {"run/run.json", "run/decisions.parquet"}


def test_rules_are_set_one_by_one(place):
    """`--rule` sets one rule of the recipe in force, behind or in the place of others, and it stays in force."""
    facts = as_json("decide", place / "run", "--rule", "plain=entropy < 100")
    assert facts["funnel"]["rejected"] == {"small": 1, "plain": 7}
    assert (facts["inputs"], facts["kept"], facts["dry_run"]) == (9, 0, False)
    facts = as_json("decide", place / "run", "--rule", "plain=entropy < 0")
    assert facts["funnel"]["rejected"] == {"small": 1, "plain": 0}
    done = imagecurator("decide", place / "run")
    assert "The run's recipe rejects, in this order:" in done.stderr
    assert "plain: entropy < 0" in done.stderr
    assert "rejected: plain" in done.stdout
    assert "9 inputs = 6 kept + 1 rejected + 1 duplicate + 1 quarantined" in done.stdout


def test_recipe_file(place):
    """A recipe file decides with its rules, and leaves what was scored as it is."""
    (place / "other.yaml").write_text("scores: [sharpness]\nrules: {wide: width > 5}\nduplicates: {bytes: false}\n")
    facts = as_json("decide", place / "run", "--recipe", place / "other.yaml")
    assert facts["funnel"]["rejected"] == {"wide": 8}
    assert as_json("status", place / "run")["columns"].keys() == as_json("status", place / "scored")["columns"].keys()


def test_dry_run_writes_nothing(place):
    """A dry run shows the funnel of the changed rules and changes nothing."""
    before = tree(place)
    done = imagecurator("decide", place / "run", "--rule", "plain=entropy < 100", "--dry-run", "--report")
    assert done.returncode == 0, done.stderr
    assert "rejected: plain" in done.stdout
    assert "This was a dry run: the verdicts of the run are what they were." in done.stdout
    assert as_json("decide", place / "run", "--rule", "plain=entropy < 100", "--dry-run")["dry_run"] is True
    assert tree(place) == before


def test_only_decisions_change(place):
    """Deciding anew rewrites the verdicts and the state of the run, and `--report` the report; no score is touched."""
    before = tree(place)
    assert imagecurator("decide", place / "run", "--rule", "plain=entropy < 100").returncode == 0
    after = tree(place)
    assert {name for name in after if after[name] != before.get(name)} == MAY_CHANGE
    done = imagecurator("decide", place / "run", "--report")
    assert f"report: {place / 'run' / 'report.html'}" in done.stdout
    assert set(tree(place)) - set(before) == {"run/report.html"}


def test_lists_samples_and_splits(place):
    """Lists, a sample and a split are told before, counted after, and noted where they name nothing of this run."""
    (place / "deny.txt").write_text("000.jpg\ncopy.jpg\nnobody\n")
    (place / "allow.txt").write_text("tiny.jpg\n")
    settings = [
        f"deny={place / 'deny.txt'}",
        f"allow={place / 'allow.txt'}",
        "sample.n=4",
        "split={train: 0.5, val: 0.5}",
    ]
    options = [word for one in settings for word in ("-s", one)]  # fmt: skip
    done = imagecurator("decide", place / "run", *options)
    assert done.returncode == 0, done.stderr
    for told in (
        "deny: what",
        "but by no rule what",
        "then all but a sample of 4 images",
        "and divides what is kept: train 0.5, val 0.5",
    ):
        assert told in done.stderr
    assert "note: the allow list names 1 image, which no rule was asked about" in done.stdout
    assert "note: the deny list names 1 id that this run does not have" in done.stdout
    funnel = as_json("decide", place / "run")["funnel"]
    assert (funnel["kept"], funnel["rejected"]["deny"]) == (4, 2)
    assert sum(funnel["splits"].values()) == 4


def test_the_list_is_found_from_anywhere(place, monkeypatch):
    """A list that was named by a relative path is found again from another directory."""
    (place / "deny.txt").write_text("000.jpg\n")
    monkeypatch.chdir(place)
    assert imagecurator("decide", "run", "-s", "deny=deny.txt").returncode == 0
    monkeypatch.chdir(place / "in")
    assert as_json("decide", place / "run")["funnel"]["rejected"]["deny"] == 1


def test_mistakes(place):
    """Each mistake is one sentence with its exit code; verdicts and recipe stay as they were."""
    shutil.copytree(place / "scored", place / "half")
    next((place / "half" / "parts").iterdir()).unlink()
    shutil.copytree(place / "scored", place / "torn")
    part = next((place / "torn" / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-10])
    shutil.copytree(place / "scored", place / "begun")
    (place / "begun" / "partitions.parquet").unlink()
    shutil.copytree(place / "scored", place / "damaged")
    (place / "damaged" / "partitions.parquet").write_bytes(b"PAR1 no more")
    before = tree(place)
    for arguments, code, words in [
        (("nowhere",), 3, "there is no run directory; name one that `imagecurator score` or `run` made"),
        (("in",), 3, "there is no run directory"),
        (("half",), 3, "1 of 2 partitions are not scored, or damaged"),
        (("torn",), 3, "1 of 2 partitions are not scored, or damaged"),
        (("begun",), 3, "nothing is scored here yet"),
        (("damaged",), 3, "the list of partitions is damaged"),
        (("run", "--rule", "x=entropi < 1"), 5, "did you mean 'entropy'?"),
        (("run", "--rule", "x=entropy"), 5, "x"),
        (("run", "--rule", "x"), 5, "this is not NAME=EXPRESSION; write it as in --rule dark="),
        (("run", "--rule", "deny=width < 1"), 5, "deny"),
        (("run", "-s", "scores=[header]"), 5, "scores says what to compute, and this command computes nothing"),
        (("run", "-s", "limits.pixels=5"), 5, "limits.pixels says what to compute"),
        (("run", "-s", "sample.n=1", "-s", "sample.share=0.5"), 5, "give one of `n` and `share`"),
        (("run", "-s", "split={train: 0.9}"), 5, "the shares add up to 0.9, not to 1"),
        (("run", "-s", "sample={n: 1, by: nobody}"), 5, "nobody"),
        (("run", "-s", "deny=nowhere.txt"), 3, "nowhere.txt"),
        (("run", "--recipe", "no.yaml"), 5, "there is no such recipe"),
    ]:
        said = sentence(imagecurator("decide", place / arguments[0], *arguments[1:]), code)
        assert words in said, said
        assert tree(place) == before, arguments


def test_thresholds_that_fit_nothing_are_told(place):
    """A dry run, a decision, its JSON and the status say so; a default rule that rejects nothing is as expected."""
    odd = ("--rule", "plain=entropy > 80", "--rule", "png=format = 'jpg'")
    told = "warning: rule plain (entropy > 80) rejects nothing: its threshold is above all seen values; entropy is "
    done = imagecurator("decide", place / "run", *odd, "--dry-run")
    assert told in done.stdout
    assert "warning: rule png (format = 'jpg') rejects nothing: no image has format = 'jpg'" in done.stdout
    assert told not in imagecurator("status", place / "run").stdout
    facts = as_json("decide", place / "run", *odd, "--rule", "nsfw=width > 100000")
    assert [(one["rule"], one["kind"]) for one in facts["warnings"]] == [
        ("plain", "nothing"),
        ("png", "nothing"),
        ("nsfw", "nothing"),
    ]
    assert "warnings" not in facts["funnel"]
    assert told in imagecurator("status", place / "run").stdout
    assert as_json("status", place / "run")["warnings"] == facts["warnings"]
    (place / "small").mkdir()
    (place / "in" / "tiny.jpg").rename(place / "small" / "tiny.jpg")  # the one that the default rule rejects
    recipe = place / "recipe.yaml"
    assert imagecurator("score", place / "in" / "shard.tar", place / "clean", "-r", recipe).returncode == 0
    assert as_json("decide", place / "clean")["warnings"] == []
    renamed = as_json("decide", place / "clean", "--rule", "tiny=least(width, height) < 64")["warnings"]
    assert [one["rule"] for one in renamed] == ["tiny"]
    assert imagecurator("score", place / "small", place / "all", "-s", "scores=[header]").returncode == 0
    facts = as_json("decide", place / "all")["warnings"]
    assert [(one["rule"], one["kind"]) for one in facts] == [("small", "everything")]


def test_a_key_of_the_metadata_that_is_not_there(place):
    """It is found out from the data, before anything of the run is touched."""
    before = tree(place)
    said = sentence(imagecurator("decide", place / "run", "--rule", "unsafe=metadata.punsafe > 0.5"), 5)
    assert "no image has metadata.punsafe" in said
    assert tree(place) == before


def test_explain_has_what_deciding_computed(place):
    """The frequency of a caption is told beside the stored columns."""
    assert imagecurator("decide", place / "run", "--rule", "often=caption_frequency > 1").returncode == 0
    lines = imagecurator("explain", place / "run", "shard/a").stdout.splitlines()
    assert ["caption_frequency", "1"] in [line.split() for line in lines]
    assert any(line.startswith("rule often") and line.endswith("[1 against 1]") for line in lines)


def test_many_rules_that_reject_nothing_are_not_a_wall(place):
    """Three of them are told in full, the others by name in one line; --json has all."""
    rules = [("--rule", f"none{number}=entropy > {90 + number}") for number in range(6)]
    words = [word for rule in rules for word in rule]
    said = imagecurator("decide", place / "scored", *words, "--dry-run").stdout
    assert said.count("warning: rule none") == 3
    assert "warning: 3 more rules reject nothing: none3, none4, none5" in said
    assert len(as_json("decide", place / "scored", *words, "--dry-run")["warnings"]) == 6


def test_a_report_of_earlier_verdicts_is_named(place):
    """Where a page is there that shows other verdicts, it is said, and how to have it anew; not where it is written."""
    assert "report:" not in imagecurator("decide", place / "run", "--rule", "plain=entropy < 1").stdout
    assert imagecurator("report", place / "run").returncode == 0
    done = imagecurator("decide", place / "run", "--rule", "plain=entropy < 2")
    said = f"report: {place}/run/report.html shows the verdicts before these; `imagecurator report {place}/run` writes"
    assert said in done.stdout
    dry = imagecurator("decide", place / "run", "--rule", "plain=entropy < 3", "--dry-run")
    assert "the verdicts before these" not in dry.stdout
    fresh = imagecurator("decide", place / "run", "--rule", "plain=entropy < 2", "--report")
    assert f"report: {place}/run/report.html\n" in fresh.stdout
