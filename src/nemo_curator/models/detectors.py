"""The detectors that a recipe may name: models that find regions in pictures."""

from __future__ import annotations

from nemo_curator.kernels.view import View
from nemo_curator.models.published import HALF, hub_weights
from nemo_curator.models.spec import ModelSpec, Normalisation, PackagedWeights, PublishedFile, Task, UserWeights

_PIXELS = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))  # as they are, 0 to 255
_YUNET_N = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"

DETECTING: tuple[Task, ...] = ("text", "faces")
"""The tasks whose models give regions."""


def _yunet(name: str, licence: str, weights: UserWeights, sha256: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        task="faces",
        # the network knows faces from 10 to 300 pixels, so that nothing is enlarged
        view=View(640, fit="long", filter="bilinear", enlarge=False),
        dimension=4,
        low=0.0,
        high=1.0,
        unit="region",
        licence=licence,
        weights=weights,
        sha256=sha256,
        loader="nemo_curator.models.yunet:YuNet",
        normalisation=_PIXELS,
    )


DETECTORS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="pp-ocrv6-small",
        task="text",
        view=View(480, fit="long", filter="bilinear", enlarge=False),
        dimension=4,
        low=0.0,
        high=1.0,
        unit="region",
        licence="Apache-2.0",
        weights=PackagedWeights("rapidocr", "rapidocr", "models/PP-OCRv6_det_small.onnx", extra="text"),
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        loader="nemo_curator.models.text_detector:TextDetector",
        normalisation=HALF,
    ),
    _yunet(
        "yunet-s",
        "MIT",
        hub_weights(
            "opencv/face_detection_yunet",
            "face_detection_yunet_2023mar.onnx",
            instead=("yunet_s_640_640.onnx",),  # its name where it was trained
            folder="",
            origin="OpenCV's model zoo (models/face_detection_yunet)",
        ),
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    _yunet(
        "yunet-n",
        "Apache-2.0",
        UserWeights(
            "yunet_n_640_640.onnx",
            "libfacedetection.train (folder onnx)",
            files=(PublishedFile("yunet_n_640_640.onnx", 317_466, _YUNET_N),),
            address="https://github.com/ShiqiYu/libfacedetection.train/tree/master/onnx",
        ),
        _YUNET_N,
    ),
    _yunet("yunet-own", "NOASSERTION", UserWeights("yunet.onnx", "your own training or export of YuNet"), ""),
)
"""Every detector, best first for each task."""
