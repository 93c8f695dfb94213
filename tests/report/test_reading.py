"""What the report reads of a run: verdicts by place, and how scores lie."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.report.pages import curated

from nemo_curator.report.samples import part_rows
from nemo_curator.report.sensitive import is_sensitive_image, is_sensitive_rule
from nemo_curator.report.survey import survey
from nemo_curator.report.verdicts import Verdicts, evenly
from nemo_curator.runs.deciding import SCHEMA
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations
from nemo_curator.testing import encoded, photo


@pytest.fixture
def decided(tmp_path):
    """Decisions of 1,000 inputs in small row groups: every tenth is rejected by one of two rules."""
    rows = [
        {
            "image_id": f"image-{at:04}",
            "verdict": "reject" if at % 10 == 0 else "keep",
            "rule": None if at % 10 else ("even" if at % 20 == 0 else "odd"),
            "score": float(at),
        }
        for at in range(1000)
    ]
    run = RunDirectory(str(tmp_path))
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), run.decisions, row_group_size=64)
    return Verdicts(run)


def test_verdicts_are_counted_by_rule(decided):
    """Counts are by verdict, or by verdict and rule."""
    assert decided.total == 1000
    assert (decided.count("keep"), decided.count("reject")) == (900, 100)
    assert (decided.count("reject", "even"), decided.count("reject", "nothing")) == (50, 0)
    assert decided.rules("reject") == ["even", "odd"]


def test_rows_and_places_are_inverse(decided):
    """A row is found by its place, and its place by its id, across row groups."""
    wanted = [999, 0, 64, 127, 500]
    rows = decided.rows(wanted)
    assert sorted(rows) == sorted(wanted)
    assert all(row["score"] == place for place, row in rows.items())
    assert decided.places([row["image_id"] for row in rows.values()]) == {f"image-{at:04}": at for at in wanted}
    assert decided.places(["no such id"]) == {}
    assert decided.places([]) == {}


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 24), (7, 1)])
def test_an_even_sample(count, most):
    """It is as large as asked for or as there is, ascending, without repeats, and from end to end."""
    positions = np.arange(count, dtype=np.int64) * 3
    chosen = evenly(positions, most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    if count and most > 1:
        assert (chosen[0], chosen[-1]) == (positions[0], positions[-1])


@pytest.fixture
def sized(tmp_path):
    """A run over images of many widths, in several partitions."""
    for shard in range(3):
        folder = tmp_path / f"in{shard}"
        folder.mkdir()
        for at in range(20):
            (folder / f"{at:02}.png").write_bytes(encoded(photo(at, 20 + 7 * at + shard, 16), "PNG"))
        (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    from nemo_curator.pipeline.curate import curate
    from nemo_curator.planning.recipe import Recipe

    inputs = [str(tmp_path / f"in{shard}") for shard in range(3)]
    return curate(inputs, str(tmp_path / "out"), Recipe(scores=["header"], rules={}), workers=0).run


def test_rows_of_parts_are_found_by_position(sized):
    """The position of an input in the decisions finds its row, and what opens its file, in any partition."""
    partitions = Locations(sized)
    verdicts = Verdicts(sized)
    found = survey(sized, partitions.ids)
    rows = part_rows(sized, partitions, found.starts, range(verdicts.total), ["min_side"])
    decisions = verdicts.rows(range(verdicts.total))
    assert len(rows) == 63
    for position, row in rows.items():
        assert row["image_id"] == decisions[position]["image_id"]
        assert row["location"].endswith(row["source"])


def test_what_is_sensitive():
    """A rule by its words, an image by what the model thinks, whatever became of it."""
    assert is_sensitive_rule("safe", "nsfw_score >= 0.8")
    assert is_sensitive_rule("NSFW", "width > 1")
    assert not is_sensitive_rule("small", "width < 64")
    assert is_sensitive_image({"nsfw_score": 0.5})
    assert not is_sensitive_image({"nsfw_score": 0.49})
    assert not is_sensitive_image({"nsfw_score": None})
    assert not is_sensitive_image({})


def test_the_ends_of_parts_say_what_there_is(sized):
    """Where each part begins, and which columns are numbers."""
    found = survey(sized, Locations(sized).ids)
    assert found.starts == (0, 21, 42)
    assert found.numbers[:3] == ("width", "height", "bytes")
    assert "min_side" in found.numbers
    assert "mislabelled" in found.texts


def test_many_rules_get_fewer_thumbnails_each(monkeypatch, tmp_path):
    """So that a recipe of a hundred rules still makes a page that opens: every rule has its share."""
    from nemo_curator.report import gather, sampling

    folder = tmp_path / "in"
    folder.mkdir()
    for at in range(24):
        (folder / f"{at:02}.png").write_bytes(encoded(photo(at, 20 + at % 4, 16), "PNG"))
    run = curated(folder, tmp_path / "out", rules={f"w{width}": f"width = {width}" for width in range(20, 24)})
    monkeypatch.setattr(gather, "_ALL_RULES", 8)
    monkeypatch.setattr(sampling, "_FEW_PICTURES", 8)
    found = gather.gather(run)
    shown = [found.groups[found.sample.groups[row]].rule for row in map(int, _rows_of(found))]
    assert sorted(shown) == sorted([f"w{width}" for width in range(20, 24)] * 2)


def _rows_of(found):
    """The rows of the sample that have a figure."""
    return np.searchsorted(found.sample.positions, sorted(found.figures))
