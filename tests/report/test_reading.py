"""What the report reads of a run: verdicts by place, and how scores lie."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.report.pages import curated

from nemo_curator.report.gather import gather
from nemo_curator.report.samples import part_rows
from nemo_curator.report.sensitive import is_sensitive_rule, why_unsafe
from nemo_curator.report.serving.standing import Standing
from nemo_curator.report.survey import survey
from nemo_curator.report.verdicts import Verdicts, evenly
from nemo_curator.runs.deciding import SCHEMA, reading
from nemo_curator.runs.deciding.connection import connected
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.testing import encoded, photo


@pytest.fixture
def decided(tmp_path):
    """Decisions of 1,000 inputs in small row groups: every tenth is rejected, and the last five are copies of one."""
    rows = [
        {
            "image_id": f"image-{at:04}",
            "verdict": "reject" if at % 10 == 0 else "keep",
            "rule": None if at % 10 else ("even" if at % 20 == 0 else "odd"),
            "score": float(at),
        }
        for at in range(1000)
    ]
    for row in rows[995:]:
        row.update(verdict="duplicate", rule="copy", duplicate_of="image-0003", score=None if row is rows[996] else 9.0)
    run = RunDirectory(str(tmp_path))
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), run.decisions, row_group_size=64)
    with connected() as connection:
        verdicts = Verdicts(run, connection)
        ids = pa.table({"image_id": [row["image_id"] for row in rows], "__position": list(range(1000))})
        connection.from_arrow(ids).create("records")
        yield verdicts


def test_verdicts_are_counted_by_rule(decided):
    """Counts are by verdict, or by verdict and rule."""
    assert decided.total == 1000
    assert (decided.count("keep"), decided.count("reject")) == (895, 100)
    assert (decided.count("reject", "even"), decided.count("reject", "nothing")) == (50, 0)
    assert decided.count("duplicate") == 5
    assert decided.rules("reject") == ["even", "odd"]


def test_rows_and_places_are_inverse(decided):
    """A row is found by its place, and its place by its id, across row groups."""
    wanted = [994, 0, 64, 127, 500]
    rows = decided.rows(wanted)
    assert sorted(rows) == sorted(wanted)
    assert all(row["score"] == place for place, row in rows.items())
    assert decided.places([f"image-{at:04}" for at in wanted]) == {f"image-{at:04}": at for at in wanted}
    assert decided.places(["no such id"]) == {}
    assert decided.places([]) == {}


def test_what_was_compared_is_there_or_is_nothing(decided):
    """An image that is kept has what it has, and a duplicate what it duplicates."""
    rows = decided.rows([1, 20, 999])
    assert rows[1] == {"verdict": "keep", "rule": None, "score": 1.0, "threshold": None, "duplicate_of": None}
    assert (rows[20]["verdict"], rows[20]["rule"]) == ("reject", "even")
    assert (rows[999]["rule"], rows[999]["duplicate_of"]) == ("copy", "image-0003")


def test_duplicates_are_found_by_rule_and_by_what_stays(decided):
    """Those of a rule with their distances, and those of an image counted, the first few told."""
    places, distances = decided.distances("copy")
    assert places.tolist() == [995, 996, 997, 998, 999]
    assert np.isnan(distances[1])
    assert distances[[0, 2, 3, 4]].tolist() == [9.0] * 4
    assert decided.distances("even")[0].tolist() == []
    assert decided.duplicates_of(["image-0003", "image-0004"], 3) == {"image-0003": (5, [995, 996, 997])}
    assert decided.duplicates_of([], 3) == {}


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
    found = survey(sized, partitions.ids)
    decisions = pq.read_table(sized.decisions).to_pylist()
    rows = part_rows(sized, partitions, found.starts, range(len(decisions)), ["min_side"])
    assert len(rows) == 63
    for position, row in rows.items():
        assert row["image_id"] == decisions[position]["image_id"]
        assert row["location"].endswith(row["source"])


def test_what_is_sensitive():
    """A rule by its words, an image by what the model thinks, whatever became of it."""
    assert is_sensitive_rule("safe", "nsfw_score >= 0.8")
    assert is_sensitive_rule("NSFW", "width > 1")
    assert not is_sensitive_rule("small", "width < 64")


RULES = {"nsfw": "nsfw_score >= 0.8", "gore": "tag = 'gore'", "small": "width < 64"}


@pytest.mark.parametrize(
    ("score", "decided", "why"),
    [
        (0.5, {}, "nsfw_score 0.5 \u2265 0.5"),
        (0.625, {"verdict": "reject", "rule": "small", "score": 40, "threshold": 64}, "nsfw_score 0.625 \u2265 0.5"),
        (0.91, {"verdict": "reject", "rule": "nsfw", "score": 0.91, "threshold": 0.8}, "rule nsfw: 0.91 \u2265 0.8"),
        (0.1, {"verdict": "reject", "rule": "gore", "score": None, "threshold": None}, "rule gore"),
        (0.49, {"verdict": "keep"}, ""),
        (0.1, {"verdict": "reject", "rule": "small", "score": 40, "threshold": 64}, ""),
        (None, {}, ""),
        (float("nan"), {}, ""),
    ],
)
def test_why_a_picture_is_blurred(score, decided, why):
    """By the rule that rejects it, or by its score: each with the number and the threshold that it met."""
    assert why_unsafe({"nsfw_score": score}, decided, RULES) == why


def test_nothing_is_blurred_without_a_score():
    """A run that computed none has no reason to blur."""
    assert why_unsafe({}, {}, {}) == ""


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


@pytest.mark.parametrize("page", [gather, lambda run: Standing(run, 1).close()], ids=["report", "served"])
def test_decisions_are_read_once(sized, monkeypatch, page):
    """Whatever a page says of them, the file of decisions is opened once."""
    opened = []
    monkeypatch.setattr(reading, "open_parquet", lambda place: opened.append(place) or open_parquet(place))
    page(sized)
    assert opened == [sized.decisions]
