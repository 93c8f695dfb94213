from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.errors import RecipeError, StageError
from nemo_curator.models.language import LANGUAGES, LanguageModel, known_languages
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.stages.image.filters.caption_filter import ImageCaptionFilterStage
from nemo_curator.stages.image.filters.language_filter import ImageCaptionLanguageFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import assert_stage_contract

CAPTIONS = "nemo_curator.stages.image.filters.caption_filter:ImageCaptionFilterStage"
LANGUAGE = "nemo_curator.stages.image.filters.language_filter:ImageCaptionLanguageFilterStage"
SENTENCES = {
    "en": "a woman in a red dress is walking her dog along the beach",
    "de": "eine Frau in einem roten Kleid geht mit ihrem Hund am Strand spazieren",
    "fr": "une femme en robe rouge promène son chien sur la plage",
    "es": "una mujer con un vestido rojo pasea a su perro por la playa",
    "it": "una donna con un vestito rosso porta a spasso il cane sulla spiaggia",
    "nl": "een vrouw in een rode jurk laat haar hond uit op het strand",
    "pl": "kobieta w czerwonej sukience spaceruje z psem po plaży",
    "tr": "kırmızı elbiseli bir kadın sahilde köpeğini gezdiriyor",  # noqa: RUF001 (Turkish)
    "ru": "женщина в красном платье гуляет с собакой по пляжу",  # noqa: RUF001 (Russian)
    "el": "μια γυναίκα με κόκκινο φόρεμα κάνει βόλτα με τον σκύλο της στην παραλία",
    "ar": "امرأة ترتدي فستانا أحمر تمشي مع كلبها على الشاطئ",
    "he": "אישה בשמלה אדומה מטיילת עם הכלב שלה על החוף",
    "hi": "लाल पोशाक में एक महिला समुद्र तट पर अपने कुत्ते को घुमा रही है",
    "ko": "빨간 드레스를 입은 여자가 해변에서 개를 산책시키고 있다",
    "ja": "赤いドレスを着た女性が浜辺で犬を散歩させている",
    "zh": "一个穿着红色连衣裙的女人在海滩上遛狗",
    "th": "ผู้หญิงในชุดสีแดงกำลังพาสุนัขเดินเล่นบนชายหาด",
    "vi": "một người phụ nữ mặc váy đỏ đang dắt chó đi dạo trên bãi biển",
}
TEXTS = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def model():
    """The model with its default languages."""
    return LanguageModel()


@pytest.fixture(scope="module")
def language():
    """The language stage, set up."""
    stage = ImageCaptionLanguageFilterStage()
    stage.setup()
    return stage


def captioned(*captions):
    """A batch of images with these captions in their text sidecars; None is an image without one."""
    return ImageBatch(
        data=[
            ImageObject(
                image_id=str(number), sidecars={} if text is None else {"a.txt": text.encode("utf-8", "replace")}
            )
            for number, text in enumerate(captions)
        ]
    )


@pytest.mark.parametrize("stage", [ImageCaptionFilterStage(), ImageCaptionLanguageFilterStage()], ids=lambda s: s.name)
def test_keeps_the_contract_of_stages(stage):
    """Captions are scored alike whatever the batch, the neighbours and the order."""
    assert_stage_contract(stage)


def test_columns_of_captions():
    """An ordinary caption, a bad one, an empty one and none give what the columns say."""
    scored = ImageCaptionFilterStage().annotate(
        captioned("a photo of a shirt", "Stock photo: shoes shoes shoes!!!!!! IMG_1234.jpg", "", None)
    )
    good, bad, empty, none = [image.scores for image in scored.data]
    assert good == {
        "caption_words": 5, "caption_length": 18, "caption_alphanumeric_share": 1.0, "caption_repetition": 0.0,
        "caption_urls": 0, "caption_boilerplate": 0,
    }  # fmt: skip
    assert (bad["caption_words"], bad["caption_urls"], bad["caption_boilerplate"]) == (7, 1, 1)
    assert bad["caption_repetition"] > 0.25 > 1 - bad["caption_alphanumeric_share"] > 0.1
    assert empty == dict.fromkeys(good, 0)
    assert none == {**dict.fromkeys(good, 0), "caption_alphanumeric_share": None, "caption_repetition": None}


def test_a_caption_in_the_metadata_is_scored_too():
    """Where there is no text sidecar, the metadata's caption is the caption, lone surrogates and all."""
    batch = ImageBatch(data=[ImageObject(metadata={"caption": "  a red \ud800 shirt\0 "})])
    (image,) = ImageCaptionFilterStage().annotate(batch).data
    assert image.scores["caption_words"] == 3
    assert image.scores["caption_length"] == len("a red ? shirt\0")


def test_the_default_threshold_is_more_than_two_words():
    """As in DataComp's basic filter: two words are rejected, three stay, no caption is rejected."""
    done = ImageCaptionFilterStage().process(captioned("red shirt", "a red shirt", None))
    assert [image.image_id for image in done.data] == ["1"]
    assert {record.image_id for record in done.records} == {"0", "2"}


def test_a_long_caption_has_its_length_and_the_scores_of_its_beginning():
    """A caption of megabytes is measured whole and looked at for 10,000 characters."""
    (image,) = ImageCaptionFilterStage().annotate(captioned("word " * 1_000_000)).data
    assert image.scores["caption_length"] == 4_999_999
    assert image.scores["caption_words"] == 2_000


def test_own_phrases_count_and_make_other_scores():
    """A user's phrases are found, and stored scores without them are stale."""
    stage = make_score_stage(CAPTIONS, {"phrases": ["acme studios"]})
    (image,) = stage.annotate(captioned("a dog, Acme Studios")).data
    assert image.scores["caption_boilerplate"] == 1
    assert stage_facts(stage) != stage_facts(ImageCaptionFilterStage())


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        (CAPTIONS, {"phrases": "acme"}, "list of texts"),
        (CAPTIONS, {"phrases": [3]}, "list of texts"),
        (CAPTIONS, {"phrases": ["?"]}, "no word"),
        (LANGUAGE, {"languages": "en"}, "list of codes"),
        (LANGUAGE, {"languages": ["en", "english"]}, "does not know 'english'"),
        (LANGUAGE, {"languages": []}, "does not know"),
    ],
)
def test_wrong_parameters_are_told_before_a_run(name, parameters, word):
    """A recipe with a wrong phrase or language is refused with a sentence."""
    with pytest.raises(RecipeError, match=word):
        make_score_stage(name, parameters)


@pytest.mark.parametrize("code", SENTENCES)
def test_language_of_a_sentence(code, language):
    """A caption of a sentence is told in every script, and surely."""
    (image,) = language.annotate(captioned(SENTENCES[code])).data
    assert image.scores["caption_language"] == code
    assert image.scores["caption_language_confidence"] > 0.5


def test_case_and_addresses_do_not_change_the_language(language):
    """Title case, capitals and a URL in another language leave the language what it was."""
    text = SENTENCES["de"]
    told = language.annotate(
        captioned(text, text.title(), text.upper(), f"{text} https://www.the-red-dress-shop.com/the")
    ).data
    assert {image.scores["caption_language"] for image in told} == {"de"}
    assert len({image.scores["caption_language_confidence"] for image in told[:2]}) == 1


@pytest.mark.parametrize(
    "caption", ["", "12 34", "!?", "\N{GRINNING FACE}", "IMG_1234.jpg", "https://example.com/the-house"]
)
def test_nothing_to_tell_is_undetermined(caption, language):
    """A caption without words has the code for that and no confidence."""
    (image,) = language.annotate(captioned(caption)).data
    assert image.scores["caption_language"] == "und"
    assert image.scores["caption_language_confidence"] == 0.0


def test_no_caption_has_no_language(language):
    """NULL, and a confidence of 0 to compare with."""
    (image,) = language.annotate(captioned(None)).data
    assert image.scores == {"caption_language": None, "caption_language_confidence": 0.0}


def test_no_threshold_of_confidence_has_a_basis(language):
    """A pipeline made by hand is asked for one."""
    with pytest.raises(StageError, match="no threshold"):
        language.process(captioned("a red shirt"))


def test_fewer_languages_are_told_apart_better():
    """A caption that all candidates share is given to one that was asked for."""
    stage = make_score_stage(LANGUAGE, {"languages": ["de", "en"]})
    stage.setup()
    told = stage.annotate(captioned("red dress", "rotes Kleid")).data
    assert [image.scores["caption_language"] for image in told] == ["en", "de"]
    assert stage_facts(stage)["libraries"] == stage_facts(ImageCaptionLanguageFilterStage())["libraries"]
    assert "py3langid" in stage_facts(stage)["libraries"]


def test_default_languages_are_known():
    """Each default language is one of the model's, once, and in order."""
    assert set(LANGUAGES) <= set(known_languages())
    assert all(before < after for before, after in pairwise(LANGUAGES))
    assert "zxx" not in known_languages()


def test_the_model_agrees_with_its_package():
    """Summed in one order and in double precision, probabilities are those of the package within its precision."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    theirs = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    theirs.set_languages(LANGUAGES)
    ours = LanguageModel()
    for sentence in [*SENTENCES.values(), "red dress", "Tokyo Tower", "l'été", "a photo of a t-shirt"]:
        code, probability = theirs.classify(sentence.lower())
        assert ours(sentence) == (code, pytest.approx(probability, abs=1e-4))


@given(TEXTS)
def test_any_text_has_a_language_or_none(model, text):
    """No text fails; the code is one of the languages, or `und` with confidence 0."""
    code, confidence = model(text)
    assert 0.0 <= confidence <= 1.0
    assert code in LANGUAGES or (code, confidence) == ("und", 0.0)


def test_the_same_digits_whatever_the_processor_is_taken_for():
    """The linear algebra underneath, its kernels and threads, has no say in a probability."""
    texts = [*SENTENCES.values(), " ".join(SENTENCES.values())]
    script = (
        "import json, sys; from nemo_curator.models.language import LanguageModel; model = LanguageModel();"
        "print(json.dumps([model(text) for text in json.load(sys.stdin)]))"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(texts),
            env={**os.environ, "OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for core, threads in (("Nehalem", "1"), ("Haswell", "4"))
    ]
    assert answers[0] == answers[1]


def test_captions_alone_load_no_language_model():
    """Whoever asks for no language does not wait for the model."""
    script = (
        "import sys; from nemo_curator.stages.image.filters.language_filter import ImageCaptionLanguageFilterStage;"
        "ImageCaptionLanguageFilterStage(); assert 'py3langid' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", [CAPTIONS, LANGUAGE])
def test_another_unicode_makes_other_facts(name, monkeypatch):
    """What is a letter is for Unicode to say: scores by another version are known as such."""
    facts = stage_facts(make_score_stage(name, {}))
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    assert stage_facts(make_score_stage(name, {})) != facts
