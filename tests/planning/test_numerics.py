from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics
from nemo_curator.planning.numerics import LEAST_IMAGES, MOST_IMAGES, Settled, asked_for, sample_of, to_measure
from nemo_curator.planning.recipe import InferenceSection
from nemo_curator.shards.entry import Entry


def image(index):
    """A loose image."""
    return Entry(f"/in/{index:06}.jpg", "/in", "", f"{index:06}.jpg", "image", 50_000)


def shard(index, size):
    """A tar."""
    return Entry(f"/in/{index:06}.tar", "/in", "", f"{index:06}.tar", "tar", size)


STRAY = Entry("/in/notes.pdf", "/in", "", "notes.pdf", "stray", 9)


def test_a_sample_is_spread_over_the_input():
    """Of 10,000 loose images 64 are looked at, from the first to the last hundreds, in source order."""
    entries = [image(index) for index in range(10_000)]
    chosen, each, images = sample_of(entries)
    places = [entries.index(one) for one in chosen]
    assert (len(chosen), each, images) == (MOST_IMAGES, 1, MOST_IMAGES)
    assert places == sorted(places)
    assert places[0] < 200
    assert places[-1] > 9_800


def test_few_shards_are_opened():
    """Of a thousand shards of 100 MB eight are opened, and eight images of each are read."""
    chosen, each, images = sample_of([shard(index, 100_000_000) for index in range(1_000)])
    assert (len(chosen), each, images) == (8, 8, 64)


def test_a_small_input_is_not_worth_a_trial():
    """63 images would leave fewer than 16 for a trial that looks at a quarter; 64 do."""
    assert sample_of([image(index) for index in range(63)]) == ((), 0, 0)
    assert sample_of([image(index) for index in range(64)])[2] == LEAST_IMAGES
    assert sample_of([]) == sample_of([STRAY] * 1000) == ((), 0, 0)


@given(st.lists(st.sampled_from([image(1), shard(2, 10_000), shard(3, 10_000_000), STRAY]), max_size=200))
def test_a_sample_is_never_larger_than_it_may_be(entries):
    """Whatever the input, the files are some of its own, and neither they nor the images are more than allowed."""
    chosen, each, images = sample_of(entries)
    assert set(chosen) <= set(entries) - {STRAY}
    assert len(chosen) <= MOST_IMAGES
    assert images <= MOST_IMAGES
    assert (images == 0) == (not chosen)
    assert images <= each * max(len(chosen), 1)


def test_what_is_settled_survives_the_run_file():
    """Its facts give it back; anything else in their place is nothing, and never an error."""
    settled = Settled(Numerics("openvino", "bf16"), {"weights": "ab"}, ({"cosine": 0.9996, "images": 64},), "")
    assert Settled.from_facts(settled.facts()) == settled
    for broken in (None, 3, {}, {**settled.facts(), "runtime": "abacus"}, {**settled.facts(), "tried": 7}):
        assert Settled.from_facts(broken) is None


AGREES = r"int8 on openvino, which agrees with fp32 on 64 of your images \(worst cosine 0\.99931\)"


@pytest.mark.parametrize(("settled", "said"), [
    (Settled(Numerics("openvino", "int8"), {}, ({"images": 64, "cosine": 0.99931},)), AGREES),
    (Settled(Numerics("openvino"), {}, ({"images": 64},)), "no lower precision agrees with it on 64"),
    (Settled(Numerics("openvino"), {}, why="too few"), "fp32 on openvino: too few"),
])  # fmt: skip
def test_the_sentence_says_what_was_found(settled, said):
    """A user learns the precision, on how many images it was tried, and the worst of them."""
    import re

    assert re.search(said, settled.sentence("clip"))


def test_a_score_s_own_word_counts_more_than_the_recipe_s():
    """Its parameters win over `inference`; `auto` leaves open; a model without that precision is in fp32."""
    tower, network = registry.get_spec("clip-vit-base-patch32"), registry.get_spec("efficientnet-lite0")
    section = InferenceSection(runtime="onnxruntime", precision="int8")
    assert asked_for(tower, (None, None), section) == ("onnxruntime", "int8")
    assert asked_for(tower, ("openvino", "bf16"), section) == ("openvino", "bf16")
    assert asked_for(network, (None, None), section) == ("onnxruntime", "fp32")
    assert asked_for(tower, (None, None), InferenceSection()) == (None, None)


def test_a_shard_among_loose_images_leaves_room_for_them():
    """Of one tar and 5,000 loose images as many loose ones are looked at as there are beside the tar's own."""
    entries = [image(index) for index in range(5_000)]
    chosen, each, images = sample_of([shard(9, 3_000_000), *entries])
    loose = [one for one in chosen if one.kind == "image"]
    assert (len(chosen) - len(loose), images) == (1, MOST_IMAGES)
    assert len(loose) > 55
    assert each * 1 + len(loose) >= images


def test_shards_of_small_images_are_counted_by_what_they_hold():
    """Two shards with 250 thumbnails of 30 kB are worth a trial on a quarter of these; on a guess it would be 19."""
    shards = [shard(1, 3_750_000), shard(2, 3_750_000)]
    assert sample_of(shards, 30_000) == (tuple(shards), 31, 62)
    assert sample_of(shards)[2] == 18


def test_few_shards_tell_how_large_a_sample_is():
    """The beginnings of three shards are looked at, evenly from the whole input, and of no loose image."""
    shards = [shard(index, 1_000) for index in range(9)]
    assert to_measure([image(1), *shards, STRAY]) == tuple(shards[index].location for index in (0, 3, 6))
    assert to_measure([image(1)]) == ()
