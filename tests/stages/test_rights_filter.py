from __future__ import annotations

import json

import numpy as np
from tests.codecs.rights import marked

from nemo_curator.codecs.probe import probe
from nemo_curator.runs import Run
from nemo_curator.stages.declarations import Cost
from nemo_curator.stages.image.filters.rights_filter import ImageRightsFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import assert_stage_contract, make_tar

RESERVED = marked.jpeg(xmp=marked.xmp(attributes='plus:DataMining="DMI-PROHIBITED" xmpRights:Marked="True"'))


def image(name: str, data: bytes, **more: object) -> ImageObject:
    """An image as the reader hands it on."""
    return ImageObject(image_id=name, image_path=name, encoded=data, header=probe(data), **more)


def images() -> list[ImageObject]:
    """One of every format with all blocks, one that is reserved, one that says nothing, one with a sidecar."""
    able = {name: data for name, data in marked.seeds().items() if name not in {"jxl", "psd", "tiff"}}
    sidecars = {"d.xmp": marked.xmp(attributes='tdm:reservation="1"')}
    return [
        *(image(name, data) for name, data in able.items()),
        image("b", RESERVED),
        image("c", marked.jpeg()),
        image("d", marked.jpeg(), sidecars=sidecars),
    ]


def test_the_contract():
    """What a run relies on, for images that have something to say."""
    assert_stage_contract(ImageRightsFilterStage(), images())
    assert_stage_contract(ImageRightsFilterStage())


def test_columns():
    """Truths are always there, texts where the file has them."""
    stage = ImageRightsFilterStage()
    done = stage.annotate(ImageBatch(data=[image("b", RESERVED), image("c", marked.jpeg(exif=marked.EXIF))]))
    first, second = (one.scores for one in done.data)
    assert first["ai_opt_out"] is True
    assert first["ai_opt_out_by"] == "XMP plus:DataMining=DMI-PROHIBITED"
    assert (first["rights_marked"], first["copyright"]) == ("true", None)
    assert second == {
        "ai_opt_out": False,
        "ai_opt_out_by": None,
        "ai_opt_out_terms": None,
        "copyright": "exif notice",
        "creator": "exif artist",
        "credit": None,
        "licence": None,
        "rights_marked": None,
        "ai_generated": False,
        "ai_generated_by": None,
        "has_c2pa": False,
    }
    assert stage.cost is Cost.HEADER
    assert (stage.needs().encoded, stage.needs().views) == (True, ())


def test_process_keeps_what_is_not_reserved():
    """The threshold lies between false and true."""
    done = ImageRightsFilterStage().process(ImageBatch(data=images()))
    kept = {one.image_id for one in done.data}
    rejected = {record.image_id for record in done.records}
    assert {"b", "d", "jpeg", "jpeg-rich"} <= rejected
    assert {"c", "png-texts"} <= kept


def test_an_image_without_bytes():
    """One made from pixels says nothing, but its sidecars may."""
    made = ImageObject(image_id="a", image_data=np.zeros((4, 4, 3), np.uint8))
    beside = ImageObject(
        image_id="b", image_data=made.image_data, sidecars={"b.xmp": marked.xmp(attributes='tdm:reservation="1"')}
    )
    done = ImageRightsFilterStage().annotate(ImageBatch(data=[made, beside]))
    assert [one.scores["ai_opt_out"] for one in done.data] == [False, True]


def test_rules_over_the_columns(tmp_path):
    """From a tar to verdicts: a truth is a rule by itself, a text is compared, a sidecar of the sample counts."""
    licensed = marked.jpeg(xmp=marked.xmp("<cc:license rdf:resource='https://creativecommons.org/licenses/by/4.0/'/>"))
    members = [
        ("a.jpg", RESERVED),
        ("b.jpg", marked.saved("JPEG", quality=60)),
        ("b.xmp", marked.xmp(attributes='tdm:reservation="1"')),
        ("c.jpg", licensed),
        ("d.jpg", marked.saved("JPEG", quality=70)),
        ("d.json", json.dumps({"licence": "none"}).encode()),
    ]
    make_tar(tmp_path / "in" / "one.tar", members)
    path = f"{ImageRightsFilterStage.__module__}:{ImageRightsFilterStage.__name__}"
    rules = {
        "opt_out": "ai_opt_out",
        "generated": "ai_generated",
        "by": "contains(licence, 'creativecommons.org/licenses/by')",
        "in_words": "regexp_matches(lower(coalesce(licence, '') || ' ' || coalesce(copyright, '')), 'ai training')",
    }
    run = Run.score(str(tmp_path / "in"), str(tmp_path / "run"), scores=[path], rules=rules, workers=0)
    run.decide()
    assert [row["rule"] for row in run.decisions().to_pylist()] == ["opt_out", "opt_out", "by", None]
    table = run.table().to_pylist()
    assert [row["ai_opt_out"] for row in table] == [True, True, False, False]
    assert [row["licence"] for row in table] == [None, None, "https://creativecommons.org/licenses/by/4.0/", None]
