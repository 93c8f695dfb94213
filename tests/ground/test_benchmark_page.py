"""The page of benchmarks: its figures come from results, and its prose does not change when they do."""

import json
import re
import sys
from pathlib import Path

import pytest
from tools.benchmark_page.blocks import PAGE, ROOT, names, renewed, results
from tools.benchmark_page.running import SKIPPED, run, scripts
from tools.benchmark_page.tables import TABLES

TEXT = PAGE.read_text(encoding="utf-8")
FOUND = json.loads((Path(__file__).parent / "benchmark_results.json").read_text(encoding="utf-8"))
BENCHMARKS = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
# their figures stand in prose
BY_HAND = [
    "against_speed",
    "bombs",
    "brisque_evidence",
    "caption_language",
    "clip_inference",
    "copy_detection",
    "copy_search",
    "decode_memory",
    "detector_evidence",
    "embedding_spread",
    "fetch_urls",
    "filter_evidence",
    "gpu_inference",
    "hash_agreement",
    "inference_process",
    "lazy_scoring",
    "memory_budget",
    "model_speed",
    "nsfw_specificity",
    "run_memory",
    "search_speed",
    "similar_search",
    "tar_walk",
    "view_agreement",
    "view_server",
]


def outside(text):
    """The page without what is between markers."""
    return re.sub(r"(<!-- figures: \S+ -->).*?(<!-- /figures -->)", r"\1\2", text, flags=re.DOTALL)


def block(text, name):
    """What is between the markers of one block."""
    return text.partition(f"<!-- figures: {name} -->")[2].partition("<!-- /figures -->")[0]


def test_every_benchmark_has_a_block_or_is_kept_by_hand():
    """No benchmark is forgotten by the page, and none has its figures in two ways."""
    made = {table.script for table in TABLES.values()}
    assert made | set(BY_HAND) == BENCHMARKS
    assert made.isdisjoint(BY_HAND)


def test_every_table_has_one_block():
    """The page has a place for each table, once."""
    assert sorted(names(TEXT)) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_block_is_a_whole_table_with_its_origin(name):
    """All rows have the columns of the head, and the last line says on which machine and when."""
    lines = block(renewed(TEXT, FOUND), name).strip().split("\n")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) > 2
    assert len({line.count("|") for line in rows}) == 1
    assert re.fullmatch(r"\*(.* rounds; )?A processor, 2 cores; (2026-11-26|day not kept)\.\*", lines[-1])


def test_renewing_twice_changes_nothing_more():
    """The second time finds what the first one wrote."""
    once = renewed(TEXT, FOUND)
    assert once != TEXT
    assert renewed(once, FOUND) == once


def test_prose_stays():
    """Nothing outside of the markers is touched."""
    assert outside(renewed(TEXT, FOUND)) == outside(TEXT)


def test_a_block_without_results_stays():
    """A benchmark that was not run keeps the figures that stand there."""
    some = renewed(TEXT, {"limit_statistics_500x375": FOUND["limit_statistics_500x375"]})
    assert block(some, "limit") != block(TEXT, "limit")
    assert all(block(some, name) == block(TEXT, name) for name in TABLES if name != "limit")


def test_works_stand_in_their_order():
    """Rows are ordered by work and size, however files are named."""
    found = block(renewed(TEXT, FOUND), "limit")
    assert found.index("header and three statistics") < found.index("and CLIP L/14, int8")


def test_what_was_not_installed_is_told():
    """A comparison says whom it leaves out."""
    assert "Not installed there: a third." in block(renewed(TEXT, FOUND), "peers_clip")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("<!-- figures: limit -->", ""), "go together: limit"),
        (lambda text: text + "<!-- figures: growth -->\n<!-- /figures -->", "go together: growth"),
        (lambda text: text + "<!-- figures: new -->\n", "not closed"),
    ],
)
def test_a_damaged_page_is_refused(damage, message):
    """A marker that was lost, doubled or left open is told, not passed over."""
    with pytest.raises(ValueError, match=message):
        renewed(damage(TEXT), FOUND)


def test_results_are_read_by_name(tmp_path):
    """A result is known by the name of its file."""
    (tmp_path / "growth.json").write_text('{"rounds": 1}')
    assert results(tmp_path) == {"growth": {"rounds": 1}}


def test_no_benchmark_stops_the_others(tmp_path):
    """What fails or cannot run here is told apart, and the next one runs all the same."""
    for name, code in (("a_fails", 1), ("b_is_skipped", SKIPPED), ("c_runs", 0)):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit({code})")
    outcome = run(scripts(tmp_path, []))
    assert (outcome.failed, outcome.skipped, outcome.ran) == (["a_fails"], ["b_is_skipped"], ["c_runs"])


def test_an_unknown_benchmark_is_told():
    """A name that no script has is refused with those that there are."""
    with pytest.raises(ValueError, match=r"no such benchmark: limits; known: .*limit"):
        scripts(ROOT / "benchmarks", ["limits"])


def test_skipping_has_one_exit_code(monkeypatch, capsys):
    """Benchmarks leave by the code that the runner knows, with a sentence."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from support.machine import skip  # noqa: PLC0415 (a folder of scripts, not of the package)

    with pytest.raises(SystemExit) as left:
        skip("there is no device")
    assert left.value.code == SKIPPED
    assert capsys.readouterr().err == "skipped: there is no device\n"
    sys.modules.pop("support.machine")
    sys.modules.pop("support")
