"""`imagecurator report`."""

from __future__ import annotations

from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree


def test_the_page_is_written_again(place):
    """The page, and nothing else, is there afterwards; as JSON the command tells its place and length."""
    before = set(tree(place))
    done = imagecurator("report", place / "run")
    assert done.returncode == 0, done.stderr
    page = place / "run" / "report.html"
    assert done.stdout == f"report: {page} ({page.stat().st_size / 1e6:,.1f} MB)\n"
    assert set(tree(place)) - before <= {"run/report.html"}
    assert "of 9 inputs kept" in page.read_text(encoding="utf-8")
    facts = as_json("report", place / "run")
    assert facts == {"run": str(place / "run"), "report": str(page), "bytes": page.stat().st_size}


def test_a_run_without_verdicts_has_no_report(place):
    """It is told what to do first; so is who names a folder that is no run."""
    assert "this run is not decided yet" in sentence(imagecurator("report", place / "scored"), 3)
    assert "there is no run directory" in sentence(imagecurator("report", place / "in"), 3)
    assert not (place / "scored" / "report.html").exists()
