"""`caption_frequency`: how many readable images of the run have exactly this caption."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.tables import COLUMNS, SCHEMA, decided, decisions, made_run, policy, row

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import Sample, Split, check_policy, decide, explain_row, parse_rule, preview
from nemo_curator.runs.parts import part_schema, read_part
from nemo_curator.stages.declarations import Column

RECORDS = [
    *(row(f"same {at}", caption="photo") for at in range(3)),
    row("broken", caption="photo", error="broken"),
    row("other", caption="Photo"),
    row("space", caption="photo "),
    row("empty", caption=""),
    row("none"),
]


def test_captions_are_counted_as_they_are(tmp_path):
    """Case and spaces tell captions apart, an empty one is a caption, unreadable images do not count; none is NULL."""
    found, funnel = decided(
        tmp_path, policy("caption_frequency >= 3", "caption_frequency > 1", duplicate_bytes=False), RECORDS
    )
    assert [one["image_id"] for one in found if one["verdict"] == "reject"] == ["same 0", "same 1", "same 2"]
    assert funnel.undecided == {"r0": 1, "r1": 1}
    assert (found[0]["score"], found[0]["threshold"]) == (3.0, 3.0)


CAPTIONS = st.none() | st.sampled_from(["a", "A", "a ", "", "é", "e\u0301", "a\0", "'", "\n"]) | st.text(max_size=3)


@settings(max_examples=20)
@given(captions=st.lists(st.tuples(CAPTIONS, st.booleans()), min_size=1, max_size=14), data=st.data())
def test_as_a_counter_counts(captions, data):
    """For any captions in any parts it is what a Counter over the readable images says."""
    cut = data.draw(st.integers(0, len(captions)))
    records = [
        row(str(at), caption=text, error="broken" if broken else None) for at, (text, broken) in enumerate(captions)
    ]
    counts = Counter(text for text, broken in captions if not broken and text is not None)
    limit = data.draw(st.integers(0, 4))
    with tempfile.TemporaryDirectory() as folder:
        found, _ = decided(
            Path(folder), policy(f"caption_frequency > {limit}", duplicate_bytes=False), records[:cut], records[cut:]
        )
    for one, (text, broken) in zip(found, captions, strict=True):
        rejects = not broken and text is not None and counts[text] > limit
        assert (one["verdict"] == "reject") == rejects
        assert one["score"] == (counts[text] if rejects else None)


@pytest.mark.parametrize("threads", [1, 3])
def test_parts_places_and_threads_do_not_matter(tmp_path, threads):
    """One part or many, here or behind a URL: the same bytes."""
    records = [row(str(at), caption=f"{at % 7}" if at % 5 else f"only {at}") for at in range(60)]
    how = policy("caption_frequency > quantile(caption_frequency, 0.6)", "rank(caption_frequency) < 9")
    whole, ids = made_run(tmp_path / "whole", records)
    decide(whole, ids, how, threads=threads)
    for place in (str(tmp_path / "cut"), f"memory://captions-{threads}"):
        cut, ids = made_run(place, records[:11], records[11:50], [], records[50:])
        decide(cut, ids, how, threads=threads)
        assert decisions(cut) == decisions(whole)


def test_wherever_a_column_may_stand(tmp_path):
    """It may be preferred, be the stratum of a sample, and be explained; a split may not follow what grows."""
    records = [row("a", caption="x", sha256="s"), row("b", caption="y", sha256="s"), row("c", caption="y")]
    found, _ = decided(tmp_path, policy(prefer="caption_frequency"), records)
    assert [one["duplicate_of"] for one in found] == ["b", None, None]
    run, ids = made_run(tmp_path / "sample", records)
    assert decide(run, ids, policy(sample=Sample(n=2, by="caption_frequency"))).kept == 2
    assert explain_row(run, ids, policy("caption_frequency > 9"), "b").computed == {"caption_frequency": 2}
    assert explain_row(run, ids, policy("bytes > 9"), "b").computed == {}
    with pytest.raises(RecipeError, match="it changes when the input grows"):
        Split((("a", 1.0),), by="caption_frequency")


def test_one_part_cannot_tell(tmp_path):
    """A preview leaves such a rule, and such a preference, out; before scoring the rule is a boolean."""
    how = policy("caption_frequency > 1", prefer="caption_frequency")
    check_policy(how, SCHEMA)
    run, ids = made_run(tmp_path, RECORDS)
    assert preview(read_part(run, ids[0]), how).verdicts == {"keep": 7, "quarantine": 1}
    assert not parse_rule("r", "CAPTION_FREQUENCY > 1", SCHEMA.names).of_one_row


def test_a_stage_may_have_the_name(tmp_path):
    """Where a score of that name is stored, it is that column."""
    schema = part_schema((*COLUMNS, Column("caption_frequency")))
    run, ids = made_run(tmp_path, [{**row("x", caption="a"), "caption_frequency": 0.5}, row("y")], schema=schema)
    assert decide(run, ids, policy("caption_frequency < 1")).alone == {"r0": 1}
