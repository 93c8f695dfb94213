"""Filters by a model of the registry: one that looks at pixels, or a head on embeddings."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from tests.models.formula import unit_rows
from tests.models.test_heads import (
    aesthetic_tensors,
    layer_by_layer,
    network,
    nsfw_tensors,
    write_aesthetic,
    write_nsfw,
)

from nemo_curator.errors import ModelError, StageError, UnknownModelError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.image.filters.aesthetic_model_filter import ImageAestheticModelFilterStage
from nemo_curator.stages.image.filters.nsfw_model_filter import ImageNSFWModelFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import assert_stage_contract, photo

NSFW_HEAD = "clip-autokeras-binary-nsfw"
LARGE = frozenset({"clip-vit-large-patch14"})


@pytest.fixture
def model_dir(tmp_path):
    """Both heads with numbers of our own."""
    write_aesthetic(tmp_path, aesthetic_tensors())
    write_nsfw(tmp_path, nsfw_tensors())
    return str(tmp_path)


@pytest.fixture(params=["aesthetic", "nsfw"])
def stage(request, model_dir):
    """A stage on embeddings, loaded."""
    made = {
        "aesthetic": lambda: ImageAestheticModelFilterStage(model_dir=model_dir),
        "nsfw": lambda: ImageNSFWModelFilterStage(model_dir=model_dir, model=NSFW_HEAD),
    }[request.param]()
    made.setup(None)
    return made


def batch(rows):
    """Images that have nothing but embeddings."""
    return ImageBatch(data=[ImageObject(image_id=str(index), embedding=row) for index, row in enumerate(rows)])


def scores_of(stage, rows):
    """The column that a stage records."""
    column = stage.score_columns()[0].name
    return [image.scores[column] for image in stage.annotate(batch(rows)).data]


def test_scores_are_those_of_the_head(stage):
    """The column and the public field hold what the layers give in float64, to float32 rounding."""
    rows = unit_rows(8)
    if stage.name == "nsfw":
        expected = network(nsfw_tensors(), rows.astype(np.float64))
    else:
        expected = layer_by_layer(aesthetic_tensors(), rows.astype(np.float64))
    done = stage.annotate(batch(rows))
    field = stage.score_columns()[0].name
    np.testing.assert_allclose([image.scores[field] for image in done.data], expected, rtol=0, atol=1e-5)
    assert [getattr(image, field) for image in done.data] == [image.scores[field] for image in done.data]


@pytest.mark.parametrize("size", [1, 2, 5, 32])
def test_batch_size_and_neighbours_change_no_bit(stage, size):
    """A score is the same alone, in batches of any size, and among others in reverse."""
    rows = unit_rows(7)
    alone = [scores_of(stage, rows[index : index + 1])[0] for index in range(len(rows))]
    stage.model_inference_batch_size = size
    assert scores_of(stage, rows) == alone
    assert scores_of(stage, rows[::-1]) == alone[::-1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_embedding_without_numbers_is_quarantined(stage, value):
    """NaN or infinity in an embedding is a quarantine of that image alone, never a silent keep."""
    rows = unit_rows(3)
    rows[1, 700] = value
    done = stage.annotate(batch(rows))
    assert [image.image_id for image in done.data] == ["0", "2"]
    assert [(record.image_id, record.verdict, record.code) for record in done.records] == [
        ("1", "quarantine", "nan_score")
    ]


def test_the_threshold_itself(stage):
    """An aesthetic score at the threshold stays, an NSFW score at it goes."""
    rows = unit_rows(4)
    scores = scores_of(stage, rows)
    stage.score_threshold = scores[2]
    kept = [image.image_id for image in stage.process(batch(rows)).data]
    above = stage.name == "aesthetic"
    assert kept == [
        str(index) for index, score in enumerate(scores) if (score >= scores[2] if above else score < scores[2])
    ]
    assert ("2" in kept) is above


def test_a_head_needs_the_embedding_of_its_model_and_no_pixel(stage):
    """What is declared is what is used: no view, no picture, the embedding of CLIP ViT-L/14."""
    needs = stage.needs()
    assert (needs.views, needs.pixels, needs.encoded) == ((), False, False)
    assert (needs.embedding, needs.embedding_of) == (True, LARGE)


def test_an_image_without_an_embedding_is_said_so(stage):
    """A pipeline made by hand without an embedder fails with the stage, the image and what is missing."""
    with pytest.raises(StageError, match=rf"'{stage.name}' needs embeddings, and image '0' has none"):
        stage.annotate(batch([None]))


def test_it_travels_to_a_worker(stage, model_dir):
    """A stage pickles before its setup, as every stage must, and scores the same there."""
    fresh = type(stage)(model_dir=model_dir, model=stage.model)
    arrived = pickle.loads(pickle.dumps(fresh))  # noqa: S301  our own bytes
    arrived.setup(None)
    rows = unit_rows(3)
    assert scores_of(arrived, rows) == scores_of(stage, rows)


def test_a_stage_on_embeddings_keeps_the_contract(stage, model_dir):
    """What is asked of every filter holds for those on embeddings, which no base install can make by their names."""
    assert_stage_contract(type(stage)(model_dir=model_dir, model=stage.model))


def test_the_default_nsfw_model_looks_at_pixels():
    """Without a model named, the embedded one is used: it needs its view and no embedding, and nothing is missing."""
    stage = make_score_stage("nsfw", {})
    assert stage.needs().views == (registry.get_spec("open-nsfw").view,)
    assert not stage.needs().embedding
    stage.setup(None)
    (image,) = stage.annotate(ImageBatch(data=[ImageObject(image_id="a", image_data=photo(1))])).data
    assert 0 <= image.nsfw_score <= 1


AESTHETIC = ImageAestheticModelFilterStage


@pytest.mark.parametrize(
    ("kind", "model", "error", "message"),
    [
        (AESTHETIC, "open-nsfw", ModelError, r"another task \(nsfw\) than 'aesthetic'; known: sac-logos"),
        (ImageNSFWModelFilterStage, "efficientnet-lite0", ModelError, r"another task \(embedding\) than 'nsfw'"),
        (AESTHETIC, "sac-logos-ava1-l14", UnknownModelError, "did you mean 'sac-logos-ava1-l14-linearMSE'"),
        (AESTHETIC, "sa_0_4_vit_b_16_linear", WeightsNotFoundError, r"sa_0_4_vit_b_16_linear\.pth"),
    ],
)
def test_what_cannot_be_used_is_told_when_the_stage_is_made(tmp_path, kind, model, error, message):
    """A model of another task, an unknown one, and one without weights are each told before a run begins."""
    with pytest.raises(error, match=message):
        kind(model=model, model_dir=str(tmp_path))


def test_missing_weights_without_a_directory_say_how_to_name_one():
    """The default head is the user's own: without a directory the sentence has the file and both ways to name it."""
    with pytest.raises(
        WeightsNotFoundError, match=r"linearMSE/model\.safetensors.*in IMAGECURATOR_MODEL_DIR, as model_dir"
    ):
        ImageAestheticModelFilterStage()


def test_the_stored_fingerprint_of_the_default_model_is_as_it_was():
    """Heads beside it change no fact of the embedded model, so that scores of earlier runs stay valid."""
    stage = make_score_stage("nsfw", {})
    assert set(stage.provenance()) == {"version", "model", "libraries"}
    assert (type(stage).__module__, type(stage).__qualname__) == (
        "nemo_curator.stages.image.filters.nsfw_model_filter",
        "ImageNSFWModelFilterStage",
    )
    assert list(stage.get_config()["parameters"]) == [
        "model_dir", "num_gpus_per_worker", "model_inference_batch_size", "score_threshold", "verbose", "model"
    ]  # fmt: skip
