"""Options about duplicates, and `imagecurator duplicates`."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence
from tests.kernels.pdq_pictures import picture

from nemo_curator.cli.pair_words import pairs_note
from nemo_curator.kernels.cell_recall import Recall
from nemo_curator.runs.pairing.pair_file import PairFacts
from nemo_curator.testing import encoded


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two pictures, one of which is there in three qualities, with an exact copy of the best."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "in").mkdir()
    pixels = picture(5, 320, 240)
    for quality in (30, 60, 95):
        (folder / "in" / f"q{quality}.jpg").write_bytes(encoded(pixels, quality=quality))
    (folder / "in" / "r95.jpg").write_bytes((folder / "in" / "q95.jpg").read_bytes())
    (folder / "in" / "esc\x1b[31m.jpg").write_bytes(encoded(picture(6, 320, 240)))
    done = imagecurator(
        "run", folder / "in", folder / "out", "--scores", "header,hashes", "--copies", "31", "-s", "rules={}"
    )
    assert done.returncode == 0, done.stderr
    assert "then edited copies: PDQ within 31 bits of a kept image" in done.stderr
    assert "pairs: looking for copies among" in done.stderr
    assert "duplicates: copy" in done.stdout
    assert "pairs of copies" not in done.stdout  # all pairs were looked at
    return folder


def test_groups_are_listed(made):
    """The kept image, then each that duplicates it with kind and distance, largest group first."""
    done = imagecurator("duplicates", made / "out" / "run")
    assert done.stdout.startswith("1 group, 3 duplicates\n\nq95.jpg is kept, and 3 images with it not:\n")
    assert "\n  r95.jpg: same_bytes\n" in done.stdout
    assert re.search(r"\n  q60\.jpg: copy, \d+ bits? apart\n", done.stdout)
    facts = as_json("duplicates", made / "out" / "run")
    (group,) = facts["largest"]
    assert (facts["groups"], facts["duplicates"], group["kept"], group["size"]) == (1, 3, "q95.jpg", 3)
    assert [one["rule"] for one in group["duplicates"]] == ["copy", "copy", "same_bytes"]
    assert "\nnote: 3 pairs of copies within 31 bits, among 4 different images\n" in done.stdout
    (searched,) = facts["searched"]
    assert (searched["kind"], searched["pairs"], searched["exact"], searched["recall"]) == ("copies", 3, True, None)
    assert "see --limit" in imagecurator("duplicates", made / "out" / "run", "--limit", "0").stdout


def test_what_is_known_of_a_search():
    """Of a search in cells it is told what it finds, on how much that rests, and what it proves."""
    facts = PairFacts("similar", 0.05, "x", 90_000, 80_000, 700, False, Recall(0.995, 0.983, 3125, 400, 8))
    assert pairs_note(facts) == (
        "700 pairs of look-alikes within 0.05, among 80,000 different images; each was compared with those of 8 cells, "
        "which finds 99.50% of the 400 pairs of 3,125 sampled images "
        "(of all pairs at least 98.30%, with 95% confidence)"
    )
    leaks = replace(facts, kind="turned", radius=31.0, recall=None, exact=True, other="protect-our-eval")
    assert pairs_note(leaks) == (
        "700 pairs of copies (turned ones too) within 31 bits with the protect set our-eval, "
        "among 80,000 different images"
    )
    none = replace(facts, recall=Recall(None, 0.0, 3125, 0, 8))
    assert pairs_note(none).endswith("of 3,125 sampled images none has a pair to measure by what that finds")


def test_pairs_are_written(made, tmp_path):
    """`--pairs` writes every pair with both ids, kind and distance, and says how many."""
    file = tmp_path / "pairs.parquet"
    facts = as_json("duplicates", made / "out" / "run", "--pairs", file)
    table = pq.read_table(file)
    assert table.column_names == ["left", "right", "kind", "distance"]
    assert facts["pairs"] == table.num_rows > 0
    assert set(table["left"].to_pylist()) | set(table["right"].to_pylist()) == {
        "q30.jpg",
        "q60.jpg",
        "q95.jpg",
        "r95.jpg",
    }


def test_a_file_that_is_there_stays(made, tmp_path):
    """Nothing is replaced without `--replace`, and with it nothing but earlier pairs."""
    run, file = made / "out" / "run", tmp_path / "pairs.parquet"
    assert imagecurator("duplicates", run, "--pairs", file).returncode == 0
    assert "this exists already" in sentence(imagecurator("duplicates", run, "--pairs", file), 4)
    assert imagecurator("duplicates", run, "--pairs", file, "--replace").returncode == 0
    file.write_text("mine")
    done = imagecurator("duplicates", run, "--pairs", file, "--replace")
    assert "no pairs of ours" in sentence(done, 4)
    assert file.read_text() == "mine"


def test_deciding_again_by_options(made):
    """`decide` takes the options too; a smaller radius needs no search, and none is told of."""
    done = imagecurator("decide", made / "out" / "run", "--copies", "0", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "PDQ within 0 bits" in done.stderr
    assert "looking for" not in done.stderr
    facts = as_json("decide", made / "out" / "run", "-s", "duplicates.copies=false", "--dry-run")
    assert (facts["funnel"]["alike"], facts["pairs"]) == ({"same_bytes": 1}, [])


def test_what_a_run_cannot_be_decided_by(made):
    """A kind without its score is one sentence that names the option's key and the score."""
    run = made / "out" / "run"
    assert "duplicates.similar finds duplicates by embeddings" in sentence(
        imagecurator("decide", run, "--similar", "0.1"), 5
    )
    assert "add `pixels` to `scores`" in sentence(imagecurator("decide", run, "--pixels"), 5)
    assert "add `turned_hashes` to `scores`" in sentence(imagecurator("decide", run, "--turned"), 5)


def test_the_same_thing_said_twice(made):
    """An option and a setting of the same key are refused."""
    done = imagecurator("decide", made / "out" / "run", "--copies", "3", "-s", "duplicates.copies=false")
    assert "--copies and --set duplicates.copies=… say the same thing twice" in sentence(done, 5)


def test_a_missing_score_is_told_before_a_run(made, tmp_path):
    """Nothing is scored where duplicates are to be found by what is not."""
    done = imagecurator("run", made / "in", tmp_path / "out", "--scores", "header", "--copies", "31")
    assert "add `hashes` to `scores`" in sentence(done, 5)
    assert not (tmp_path / "out").exists()


def test_options_that_mean_nothing(made):
    """Numbers out of their range are refused with the range."""
    assert imagecurator("decide", made / "out" / "run", "--copies", "64").returncode == 2
    assert imagecurator("decide", made / "out" / "run", "--similar", "1.5").returncode == 2


def test_a_run_that_is_not_decided(place):
    """There are no groups before a decision, and no pairs before a search."""
    assert "this run is not decided" in sentence(imagecurator("duplicates", place / "scored"), 3)
    done = imagecurator("duplicates", place / "run", "--pairs", place / "pairs.parquet")
    assert "decide it with `--copies 31`" in sentence(done, 3)
