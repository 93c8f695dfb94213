"""The metrics of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pipeline.progress.samples import EVENTS, ODD

from nemo_curator.pipeline.progress.metrics import PREFIX, exposition, families
from nemo_curator.pipeline.progress.standing import Standing

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "watch-a-run.md").read_text(encoding="utf-8")
CLOCK = {"wall": 1_700_000_100.5, "started": 1_700_000_000.25}


def standings():
    """How far a run is after each of its events, with the second of that."""
    standing = Standing()
    for second, event in enumerate(EVENTS):
        standing.take(event, float(second))
        yield standing, float(second)


def parsed(text):
    """Name to series of each metric, as the official parser reads them."""
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
    return {
        sample.name: {tuple(sorted(one.labels.items())): one.value for one in family.samples if one.name == sample.name}
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_official_parser_reads_all_of_it():
    """At every moment of a run, whatever rules and stages are called; and the numbers are those of the run."""
    for standing, second in standings():
        found = parsed(exposition(standing, second, **CLOCK))
        assert found[f"{PREFIX}images_read_total"][()] == standing.images
        assert found[f"{PREFIX}start_time_seconds"][()] == CLOCK["started"]
    shown = ODD.encode("utf-8", "backslashreplace").decode()
    assert found[f"{PREFIX}images_rejected"][("rule", shown),] == 1
    assert found[f"{PREFIX}images_quarantined"][("code", "decode_failed"),] == 1
    assert found[f"{PREFIX}images"][("verdict", "keep"),] == 3
    assert found[f"{PREFIX}stage_seconds_total"][("stage", shown),] == 1.0
    assert found[f"{PREFIX}worker_restarts_total"][()] == 1
    assert found[f"{PREFIX}info"][("command", "run"), ("version", "1.2.3")] == 1
    assert sum(found[f"{PREFIX}phase"].values()) == 1
    assert found[f"{PREFIX}phase"][("phase", "failed"),] == 1


def test_the_text_has_the_form_that_the_collector_takes():
    """Each metric has its help and type once, before its series; no series has a time; the last line is whole."""
    for standing, second in standings():
        text = exposition(standing, second, **CLOCK)
        assert text.endswith("\n")
        lines = text[:-1].split("\n")
        about = [line.split(" ", 3)[1:3] for line in lines if line.startswith("# ")]
        assert len({tuple(one) for one in about}) == len(about)
        series = [line for line in lines if not line.startswith("#")]
        assert len(series) == len({line.rpartition(" ")[0] for line in series})
        for line in series:
            float(line.rpartition(" ")[2])
            assert line.startswith(PREFIX)


def test_counters_never_fall():
    """What is called a counter grows over a run, and is named as one; nothing else is."""
    before: dict[tuple[str, str], float] = {}
    for standing, second in standings():
        for family in families(standing, second, **CLOCK):
            assert family.name.endswith("_total") == (family.kind == "counter")
            for labels, value in family.samples if family.kind == "counter" else ():
                key = family.name, str(labels)
                assert value >= before.get(key, 0.0)
                before[key] = value


def test_every_metric_is_documented():
    """The page has a row for each."""
    for standing, second in standings():
        for family in families(standing, second, **CLOCK):
            assert f"| `{PREFIX}{family.name}` | {family.kind} |" in PAGE, family.name
