"""`imagecurator search --text`, on a small CLIP of the true architecture."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, pictures, sentence
from tests.report.pages import Parsed

from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.models import registry
from nemo_curator.runs import Run

clip_towers = pytest.importorskip("tests.models.clip_towers", reason="there is no text tower here yet")

MODEL = "clip-vit-base-patch32"
WORDS = "a photo of <marquee>a cat</marquee>"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of the user's own, and embeddings of some pictures by it, made with the model named as a user would."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("text")
        patch.setenv("IMAGECURATOR_CACHE", str(folder / "cache"))
        clip_towers.write_both(folder / "models" / "openai" / MODEL, clip_towers.both_towers(32, 512))
        pictures(folder / "in", 8)
        patch.chdir(folder)
        done = imagecurator("embed", "in", "out", "--model", MODEL, "--model-dir", "models", "--format", "npy")
        assert done.returncode == 0, done.stderr
        yield folder


def test_images_are_ranked_by_their_cosine_to_the_words(made):
    """As by hand from the text tower of the registry and the stored rows; the model is found from any directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made / "in")
        found = as_json("search", made / "out" / "run", "--text", WORDS, "--top", "5")
    model = registry.create_text(MODEL, made / "models")
    model.setup()
    cosines = exact_cosines(np.load(made / "out" / "embeddings.npy"), model([WORDS])[0])
    best = np.argsort(-cosines)[:5]
    assert [one["image_id"] for one in found["hits"]] == [f"{at:03d}.jpg" for at in best]
    assert [one["cosine"] for one in found["hits"]] == cosines[best].tolist()
    assert (found["text"], found["image"], found["model"]) == (WORDS, None, MODEL)


def test_pictures_and_words_search_one_run(made):
    """An image of the run finds itself there too, and a program asks in the same words."""
    assert (
        as_json("search", made / "out" / "run", "--image", made / "in" / "003.jpg")["hits"][0]["image_id"] == "003.jpg"
    )
    found = Run(str(made / "out" / "run")).search(text=WORDS, top=1)
    assert found.hits[0].image_id == as_json("search", made / "out" / "run", "--text", WORDS)["hits"][0]["image_id"]


def test_the_words_stand_on_the_page_as_text(made, tmp_path):
    """What was asked for is shown, and never becomes an element."""
    page = tmp_path / "found.html"
    assert imagecurator("search", made / "out" / "run", "--text", WORDS, "--page", page).returncode == 0
    parsed = Parsed(page.read_text(encoding="utf-8"))
    assert WORDS in parsed.text
    assert "marquee" not in {name for name, _ in parsed.elements}
    assert len(parsed.all("img")) == 8


def test_other_weights_are_refused(made, tmp_path):
    """Weights that are not those of the run, in its place or named, are told before anything is compared."""
    clip_towers.write_both(tmp_path / "openai" / MODEL, clip_towers.both_towers(32, 512, hidden_size=64))
    said = sentence(imagecurator("search", made / "out" / "run", "--text", WORDS, "--model-dir", tmp_path), 6)
    assert "a query would be embedded by something else than this run was: model." in said


def test_a_model_that_is_gone(made, tmp_path):
    """Which file to put where is said."""
    said = sentence(imagecurator("search", made / "out" / "run", "--text", WORDS, "--model-dir", tmp_path), 6)
    assert "model.safetensors" in said


def test_a_model_without_a_text_tower(made, tmp_path):
    """The default model knows no words; empty words are nothing to look for."""
    shutil.copytree(made / "in", tmp_path / "in")
    assert imagecurator("embed", tmp_path / "in", tmp_path / "out").returncode == 0
    said = sentence(imagecurator("search", tmp_path / "out" / "run", "--text", WORDS), 6)
    assert "has no text tower" in said
    assert "`imagecurator models get clip-vit-base-patch32 --model-dir DIR`, then" in said
    assert "score INPUT RUN --set models.embedding=clip-vit-base-patch32 --rescore" in said
    assert "is empty" in sentence(imagecurator("search", made / "out" / "run", "--text", "  "), 3)


def test_a_text_that_is_cut_is_told(made):
    """Words behind the 75 tokens that CLIP reads do not count, and a note says so; a text that fits has none."""
    done = imagecurator("search", made / "out" / "run", "--text", "cat " * 76)
    assert done.returncode == 0, done.stderr
    assert f"note: the text is longer than the 75 tokens (words and parts of words) that {MODEL} reads" in done.stderr
    assert imagecurator("search", made / "out" / "run", "--text", "cat " * 75).stderr == ""


def test_the_page_says_what_a_cosine_to_words_is(made, tmp_path):
    """No cosine between words and a picture comes near to 1: the page says so, and speaks of 1 beside a picture."""
    texts = {}
    for asked in (("--text", WORDS), ("--image", made / "in" / "003.jpg")):
        page = tmp_path / f"{asked[0]}.html"
        assert imagecurator("search", made / "out" / "run", *asked, "--page", page).returncode == 0
        texts[asked[0]] = Parsed(page.read_text(encoding="utf-8")).text
    assert "0.3 is much for CLIP" in texts["--text"]
    assert "1 is the same direction" not in texts["--text"]
    assert "1 is the same direction" in texts["--image"]
