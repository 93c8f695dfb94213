"""The heads that a recipe may name: small models on embeddings, whose weights the user brings."""

from __future__ import annotations

from nemo_curator.models import aesthetics, nsfw
from nemo_curator.models.spec import HeadSpec, PublishedFile, UserWeights


def _linear(tower: str, embedding: str, dimension: int, size: int, sha256: str) -> HeadSpec:
    """LAION's first predictor for one CLIP tower; all three files come from one repository."""
    name = f"sa_0_4_{tower}_linear"
    file = f"{name}.pth"
    return HeadSpec(
        name=name,
        task="aesthetic",
        embeddings=(embedding,),
        dimension=dimension,
        scale=(0.0, 10.0),
        unit="rating",
        licence="MIT",
        weights=UserWeights(
            f"laion/aesthetic-predictor/{file}",
            "LAION's GitHub repository aesthetic-predictor",
            files=(PublishedFile(file, size, sha256),),
            address=f"https://github.com/LAION-AI/aesthetic-predictor/raw/main/{file}",
        ),
        sha256=sha256,
        loader="nemo_curator.models.linear_head:read_linear",
    )


HEADS: tuple[HeadSpec, ...] = (
    HeadSpec(
        name="sac-logos-ava1-l14-linearMSE",
        task="aesthetic",
        embeddings=("clip-vit-large-patch14",),
        dimension=768,
        scale=(1.0, 10.0),
        unit="rating",
        licence="Apache-2.0",
        weights=aesthetics.SOURCE,
        sha256="",
        loader="nemo_curator.models.aesthetics:read_layers",
    ),
    _linear(
        "vit_l_14",
        "clip-vit-large-patch14",
        768,
        4_071,
        "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
    ),
    _linear(
        "vit_b_16",
        "clip-vit-base-patch16",
        512,
        3_047,
        "8ad3923d7ecf019df20ecd2ab5542a3075fbba0278d239c0371345f3d7fcbde0",
    ),
    _linear(
        "vit_b_32",
        "clip-vit-base-patch32",
        512,
        3_047,
        "c7b14cead230694acc7b9447974d3cad78003c72da032e402a303b6c2429e85f",
    ),
    HeadSpec(
        name="clip-autokeras-binary-nsfw",
        task="nsfw",
        embeddings=("clip-vit-large-patch14",),
        dimension=768,
        scale=(0.0, 1.0),
        unit="probability",
        licence="MIT",
        weights=nsfw.SOURCE,
        sha256="",
        loader="nemo_curator.models.nsfw:read_network",
    ),
)
"""Every head, best first for each task."""
