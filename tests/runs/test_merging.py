"""Some columns of a part computed anew: the same part as if all had been computed at once."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.runs.embedding_reader import NOT_STORED
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.merging import READER, Merging, merge
from nemo_curator.runs.parts import part_schema, part_table
from nemo_curator.stages.declarations import Column

STAGES = ("first", "second", "third", "fourth")
DIED = "worker_died"


@dataclass(frozen=True)
class Image:
    """What becomes of an image.

    Attributes:
        decodes: Whether its pixels can be decoded, which is asked only where a stage that runs looks at pixels.
        fails: Stages that fail on it.
        kills: Stages that kill their worker with it.
    """

    decodes: bool = True
    fails: frozenset[str] = frozenset()
    kills: frozenset[str] = frozenset()


def schema(stages):
    """The schema of a part with the columns of some stages."""
    return part_schema([Column(f"{stage}_score") for stage in stages])


def scored(images, stages, pixels, versions):
    """The part that a scoring by these stages writes: the model of what the runner and the part writer do."""
    return part_table([row(at, image, stages, pixels, versions) for at, image in enumerate(images)], schema(stages))


def row(at, image, stages, pixels, versions):
    """One record, in the order in which the stages meet it."""
    found = {"ordinal": at, "image_id": f"{at}", "members": [{"name": f"{at}.jpg", "sha256": "x"}], "source": "s"}
    if image.kills & set(stages):  # a death is told by the reader, before it looks at the image
        return {**found, "error": DIED, "error_stage": READER, "error_detail": "it died"}
    found["width"] = 100
    if not image.decodes and set(stages) & pixels:
        return {**found, "error": "decode_failed", "error_stage": READER, "error_detail": "no pixels"}
    for stage in stages:
        if stage in image.fails:
            return {**found, "error": "stage_failed", "error_stage": stage, "error_detail": f"{stage} failed"}
        found[f"{stage}_score"] = float(at + versions[stage])
    return found


SUBSETS = st.lists(st.sampled_from(STAGES), unique=True, max_size=4).map(lambda found: sorted(found, key=STAGES.index))
NAMES = st.frozensets(st.sampled_from(STAGES), max_size=2)


@st.composite
def cases(draw):
    """(images, stages of the old scoring, stages that look at pixels, stages scored now, failures that went away)."""
    images = draw(st.lists(st.builds(Image, st.booleans(), NAMES, NAMES.filter(lambda one: len(one) < 2)), max_size=4))
    return images, draw(SUBSETS), draw(NAMES), draw(SUBSETS), draw(NAMES)


@given(cases())
def test_merged_is_what_one_scoring_gives(case):
    """Whenever a merge says that it can be done, its part equals the part that one scoring of everything writes.

    The stages that are scored now are new ones, and old ones with other parameters, which may fail on fewer images.
    """
    images, before, pixels, some, mended = case
    order = [stage for stage in STAGES if stage in {*before, *some}]
    versions = dict.fromkeys(STAGES, 0)
    old = scored(images, before, pixels, versions)
    changed = dict.fromkeys(some, 1000)
    now = [Image(one.decodes, one.fails - (mended & set(some)), one.kills) for one in images]
    new = scored(now, some, pixels, {**versions, **changed})
    whole = scored(now, order, pixels, {**versions, **changed})
    merging = Merging(
        tuple(f"{stage}_score" for stage in some),
        tuple(order),
        {f"{stage}_score": stage for stage in order},
        decodes=bool(set(some) & pixels),
    )
    merged = merge(old, new, schema(order), merging)
    if merged is not None:
        assert merged.to_pylist() == whole.to_pylist()
        assert merged.schema == whole.schema
    elif not any(one["error"] for one in [*old.to_pylist(), *new.to_pylist()]):
        pytest.fail("nothing is in the way of this merge")


EMBEDDER = "second"  # the stages behind it need embeddings, where these are read from the run
NOT_EMBEDDED = {"error": NOT_STORED, "error_stage": "stored_embeddings", "error_detail": "none"}


@given(cases(), st.booleans())
def test_merged_with_stored_embeddings(case, lost):
    """The same where a stage that reads stored embeddings stands in the place of the embedder.

    An image whose old scoring ended in an error has none; where they are `lost`, no image has one.
    """
    images, before, pixels, some, mended = case
    before = [stage for stage in STAGES if stage in {*before, EMBEDDER}]
    some = [stage for stage in some if stage != EMBEDDER]
    pixels = pixels | {EMBEDDER}
    order = [stage for stage in STAGES if stage in {*before, *some}]
    versions = dict.fromkeys(STAGES, 0)
    changed = {**versions, **dict.fromkeys(some, 1000)}
    old = scored(images, before, pixels, versions)
    now = [Image(one.decodes, one.fails - (mended & set(some)), one.kills) for one in images]
    new = scored(now, some, pixels, changed).to_pylist()
    unknown = False
    for record, kept in zip(new, old.to_pylist(), strict=True):
        reached = record["error_stage"] is None or STAGES.index(EMBEDDER) < _place(record["error_stage"])
        if reached and (lost or kept["error"] is not None):
            unknown = unknown or kept["error"] is None
            record |= {**NOT_EMBEDDED, **{f"{stage}_score": None for stage in some if _place(stage) > _place(EMBEDDER)}}
    whole = scored(now, order, pixels, changed)
    merging = Merging(
        tuple(f"{stage}_score" for stage in some),
        tuple(order),
        {**{f"{stage}_score": stage for stage in order}, EMBEDDING: EMBEDDER},
        decodes=bool(set(some) & pixels),
    )
    merged = merge(old, part_table(new, schema(some)), schema(order), merging)
    if merged is not None:
        assert merged.to_pylist() == whole.to_pylist()
        assert not unknown, "an image that was readable has no embedding"
    elif not lost and not any(row["error"] for row in old.to_pylist()):
        pytest.fail("nothing is in the way of this merge")


def _place(stage):
    """Where a stage stands; the reader before all."""
    return -1 if stage == READER else STAGES.index(stage)


@pytest.mark.parametrize("scored_now", ["first", "fourth"])
def test_image_that_never_had_an_embedding(scored_now):
    """Where nobody decodes now, an image that could not be decoded keeps that error, whatever else is scored."""
    versions = dict.fromkeys(STAGES, 0)
    old = scored([Image(decodes=False)], ("second", "third"), frozenset({"second"}), versions)
    new = part_table(
        [{**row(0, Image(), ("first",), frozenset(), versions), **NOT_EMBEDDED, "first_score": 1.0}], schema(("first",))
    )
    names = tuple(sorted({"second", "third", scored_now}, key=STAGES.index))
    after = {**{f"{stage}_score": stage for stage in names}, EMBEDDING: EMBEDDER}
    merging = Merging((f"{scored_now}_score",), names, after, decodes=False)
    new = new.rename_columns([name.replace("first", scored_now) for name in new.column_names])
    merged = merge(old, new, schema(names), merging).to_pylist()[0]
    assert (merged["error"], merged["error_stage"]) == ("decode_failed", READER)
    assert merged[f"{scored_now}_score"] is None


@pytest.mark.parametrize(("failed", "scored_now", "fits"), [("third", "fourth", True), ("fourth", "third", False)])
def test_image_that_lost_its_embedding_to_a_later_score(failed, scored_now, fits):
    """A score behind the error leaves the image as it is; one before it, one scoring would have computed."""
    versions = dict.fromkeys(STAGES, 0)
    old = scored([Image(fails=frozenset({failed}))], ("second", failed), frozenset({"second"}), versions)
    new = part_table([{**row(0, Image(), (), frozenset(), versions), **NOT_EMBEDDED}], schema((scored_now,)))
    after = {**{f"{stage}_score": stage for stage in STAGES[1:]}, EMBEDDING: EMBEDDER}
    merged = merge(old, new, schema(STAGES[1:]), Merging((f"{scored_now}_score",), STAGES[1:], after, decodes=False))
    assert (merged is not None) == fits
    if merged is not None:
        assert merged.to_pylist()[0]["error_stage"] == failed


def test_other_bytes_do_not_fit():
    """Rows of other files, of files with other bytes, or of another number of them are not merged."""
    old = scored([Image(), Image()], ("first",), frozenset(), dict.fromkeys(STAGES, 0))
    merging = Merging(("second_score",), STAGES, {f"{stage}_score": stage for stage in STAGES})
    new = scored([Image(), Image()], ("second",), frozenset(), dict.fromkeys(STAGES, 0))
    other = new.set_column(
        new.column_names.index("members"),
        "members",
        pa.array([[{"name": "0.jpg", "sha256": "y"}]] * 2, old.schema.field("members").type),
    )
    assert merge(old, new, schema(STAGES[:2]), merging) is not None
    assert merge(old, new.slice(0, 1), schema(STAGES[:2]), merging) is None
    assert merge(old, other, schema(STAGES[:2]), merging) is None


def test_columns_that_the_recipe_has_no_more_stay_behind():
    """A column that nobody asks for now keeps its values, behind those that are asked for."""
    old = scored([Image()], ("first", "second"), frozenset(), dict.fromkeys(STAGES, 0))
    new = scored([Image()], ("third",), frozenset(), dict.fromkeys(STAGES, 7))
    merging = Merging(("third_score",), ("first", "third"), {"first_score": "first", "third_score": "third"})
    merged = merge(old, new, schema(("first", "third")), merging)
    assert merged.column_names == [*schema(("first", "third")).names, "second_score"]
    assert merged.to_pylist()[0]["second_score"] == 0.0


def test_error_that_stands():
    """An image that a stage failed on which does not run again stays in quarantine, with what came before it."""
    broken = Image(fails=frozenset({"second"}))
    versions = dict.fromkeys(STAGES, 0)
    old = scored([broken], ("first", "second", "third"), frozenset(), versions)
    merging = Merging(("first_score", "third_score"), STAGES[:3], {f"{stage}_score": stage for stage in STAGES[:3]})
    new = scored([broken], ("first", "third"), frozenset(), {**versions, "first": 5, "third": 5})
    merged = merge(old, new, schema(STAGES[:3]), merging).to_pylist()[0]
    assert (merged["error_stage"], merged["first_score"], merged["third_score"]) == ("second", 5.0, None)


@pytest.mark.parametrize("fails", [("first",), ("second",), ("first", "second")], ids="+".join)
def test_error_that_went_away_needs_a_whole_scoring(fails):
    """An image that could not be scored before and can be now lacks what the other stages would have said."""
    versions = dict.fromkeys(STAGES, 0)
    old = scored([Image(fails=frozenset({"first"}))], STAGES[:3], frozenset(), versions)
    merging = Merging(("first_score", "third_score"), STAGES[:3], {f"{stage}_score": stage for stage in STAGES[:3]})
    new = scored(
        [Image(fails=frozenset({"third"}) if "second" in fails else frozenset())],
        ("first", "third"),
        frozenset(),
        versions,
    )
    assert merge(old, new, schema(STAGES[:3]), merging) is None


def test_empty_part():
    """A partition without a record (an empty tar) gets its columns too."""
    versions = dict.fromkeys(STAGES, 0)
    merging = Merging(("second_score",), STAGES[:2], {f"{stage}_score": stage for stage in STAGES[:2]})
    merged = merge(
        scored([], STAGES[:1], frozenset(), versions),
        scored([], ("second",), frozenset(), versions),
        schema(STAGES[:2]),
        merging,
    )
    assert merged.num_rows == 0
    assert merged.schema == schema(STAGES[:2])
