"""The image towers that a recipe may name whose weights the user brings."""

from __future__ import annotations

from nemo_curator.kernels.view import Filter, View
from nemo_curator.models.clip_config import clip_view
from nemo_curator.models.layouts import dinov2, hugging_face, openclip, siglip
from nemo_curator.models.published import CLIP, HALF, IMAGENET, PUBLISHED, hub_weights
from nemo_curator.models.spec import ModelSpec, Normalisation, UserWeights

LOADER = "nemo_curator.models.published_tower:PublishedTower"
"""What loads a tower from its published files."""

TEXT_LOADER = "nemo_curator.models.published_text:PublishedText"
"""What loads the text tower beside one."""

UNIT = "component of a vector of unit length"
"""What an embedding's numbers count."""


def tower_spec(
    name: str,
    place: str,
    *,
    view: View,
    dimension: int,
    patch: int,
    licence: str,
    names: tuple[str, ...],
    beside: tuple[str, ...],
    text: bool = False,
    normalisation: Normalisation | None = None,
    loader: str = LOADER,
) -> ModelSpec:
    """What is known of a tower that lies at a place under a model directory.

    Args:
        name: What a recipe calls it.
        place: Its folder, and the repository on the hub that publishes it.
        view: The picture of each image that it wants.
        dimension: Length of an embedding.
        patch: Side of a patch in pixels.
        licence: SPDX expression for the weights.
        names: Names that the weight file may have, the preferred one first.
        beside: Names of the files that belong beside it.
        text: Whether there is a text tower with CLIP's tokens in the same file.
        normalisation: Of the published model, where it is known.
        loader: What loads the image tower.
    """
    weights = UserWeights(f"{place}/{names[0]}", f"the hub repository {place}", names[1:], beside, model=name)
    if place in PUBLISHED:
        weights = hub_weights(place, names[0], instead=names[1:], beside=beside, model=name)
    return ModelSpec(
        name=name,
        task="embedding",
        view=view,
        dimension=dimension,
        low=-1.0,
        high=1.0,
        unit=UNIT,
        licence=licence,
        weights=weights,
        sha256="",
        loader=loader,
        precisions=("int8", "bf16", "fp16"),
        normalisation=normalisation,
        patch=patch,
        text_loader=TEXT_LOADER if text else "",
        shared=True,
    )


def _clip(name: str, dimension: int, patch: int) -> ModelSpec:
    """An image tower of OpenAI, in the layout of its repository on the hub; some offer only the file of torch."""
    repository = f"openai/{name}"
    return tower_spec(
        name,
        repository,
        view=clip_view(224),
        dimension=dimension,
        patch=patch,
        licence=PUBLISHED[repository].licence,
        names=("model.safetensors", "pytorch_model.bin"),
        beside=("config.json",),
        text=True,
        normalisation=CLIP,
        loader="nemo_curator.models.clip:ClipVisionTower",
    )


def _openclip(name: str, repository: str, dimension: int, patch: int) -> ModelSpec:
    """A tower of OpenCLIP at 224 pixels; some repositories offer only the file of torch, and some another layout."""
    return tower_spec(
        name,
        f"laion/{repository}",
        view=View(224, fit="short", crop=224, filter="bicubic"),
        dimension=dimension,
        patch=patch,
        licence="MIT",
        names=(*openclip.WEIGHTS, *hugging_face.WEIGHTS),
        beside=(),  # that depends on the layout; the tower looks for it when it is made
        text=True,
        normalisation=CLIP,
    )


def _siglip(name: str, side: int, dimension: int, patch: int, resampling: Filter) -> ModelSpec:
    return tower_spec(
        name,
        f"google/{name}",
        view=View(side, fit="squash", filter=resampling),
        dimension=dimension,
        patch=patch,
        licence="Apache-2.0",
        names=hugging_face.WEIGHTS,
        beside=siglip.LAYOUT.settings,
        normalisation=HALF,
    )


def _dinov2(name: str, dimension: int) -> ModelSpec:
    return tower_spec(
        name,
        f"facebook/{name}",
        view=View(256, fit="short", crop=224, filter="bicubic", centre="down"),
        dimension=dimension,
        patch=14,
        licence="Apache-2.0",
        names=hugging_face.WEIGHTS,
        beside=dinov2.LAYOUT.settings,
        normalisation=IMAGENET,
    )


EMBEDDERS: tuple[ModelSpec, ...] = (
    _clip("clip-vit-large-patch14", 768, 14),
    _clip("clip-vit-base-patch16", 512, 16),
    _clip("clip-vit-base-patch32", 512, 32),
    _openclip("openclip-vit-b-32-laion2b", "CLIP-ViT-B-32-laion2B-s34B-b79K", 512, 32),
    _openclip("openclip-vit-b-32-datacomp", "CLIP-ViT-B-32-DataComp.XL-s13B-b90K", 512, 32),
    _openclip("openclip-vit-b-16-datacomp", "CLIP-ViT-B-16-DataComp.XL-s13B-b90K", 512, 16),
    _openclip("openclip-vit-l-14-datacomp", "CLIP-ViT-L-14-DataComp.XL-s13B-b90K", 768, 14),
    _siglip("siglip-base-patch16-224", 224, 768, 16, "bicubic"),
    _siglip("siglip-so400m-patch14-384", 384, 1152, 14, "bicubic"),
    _siglip("siglip2-base-patch16-224", 224, 768, 16, "bilinear"),
    _dinov2("dinov2-small", 384),
    _dinov2("dinov2-base", 768),
    _dinov2("dinov2-large", 1024),
)
"""Every tower from published files, best known first."""
