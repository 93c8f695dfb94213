"""Images that try a stage: ordinary ones, and the odd ones that every data set holds."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from nemo_curator.codecs.probe import probe
from nemo_curator.kernels.source import Member, Source
from nemo_curator.tasks import ImageObject
from nemo_curator.testing.images import encoded, photo

EMBEDDING_DIMENSION = 768
"""Length of the embeddings that `contract_images` have: that of CLIP ViT-L/14."""

_CAPTIONS = (
    "a photo of a red bicycle beside a wall",
    "",
    "Ein Hund läuft über die Wiese.",
    "东京塔的夜景",
    "A" * 3_000,
)


def contract_images(dimension: int = EMBEDDING_DIMENSION) -> list[ImageObject]:
    """Images as a reader makes them, each with bytes, header, caption, metadata and an embedding.

    Among them are JPEG, PNG, GIF and WebP; grey, palette, transparent and 16-bit pictures; one pixel, one row and one
    column; black, white and noise; an animation; with and without a caption. All of them decode.

    Args:
        dimension: Length of the embeddings, which are of unit norm and mean nothing.

    Returns:
        The images, with ids in no alphabetical order; equal in every call.
    """
    random = np.random.default_rng(5)
    images = []
    for number, (name, data) in enumerate(_files()):
        caption = _CAPTIONS[number % len(_CAPTIONS)] if number % 3 else None
        vector = random.normal(size=dimension).astype(np.float32)
        sidecars = {} if caption is None else {f"{name}.txt": caption.encode()}
        images.append(
            ImageObject(
                image_path=name,
                image_id=f"{(number * 7) % 23:02d}-{name}",
                metadata={"licence": "CC0", "similarity": number / 10} if number % 2 else {},
                embedding=vector / np.float32(np.linalg.norm(vector)),
                encoded=data,
                header=probe(data),
                sidecars=sidecars,
                source=Source(
                    path=name,
                    key=name,
                    primary=0,
                    ordinal=number,
                    members=(Member(name, name.rpartition(".")[2], 0, len(data)),),
                ),
            )
        )
    return images


def _files() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(11)
    for seed, (width, height) in enumerate([(96, 72), (320, 240), (61, 200), (700, 90)]):
        yield f"photo{seed}.jpg", encoded(photo(seed, width, height), quality=92)
    yield "bad.jpg", encoded(photo(4, 160, 120), quality=5)
    yield "photo5.png", encoded(photo(5), "PNG")
    yield "photo6.webp", encoded(photo(6), "WEBP")
    yield "grey.jpg", encoded(photo(7)[..., 0])
    yield "palette.gif", encoded(photo(8)[..., 0], "GIF")
    yield "alpha.png", encoded(np.dstack([photo(9), photo(10)[..., :1]]), "PNG")
    yield "deep.png", encoded(photo(11)[..., 0].astype(np.uint16) * 257, "PNG")
    yield "black.png", encoded(_uniform(0), "PNG")
    yield "white.jpg", encoded(_uniform(255))
    yield "noise.png", encoded(random.integers(0, 256, (64, 64, 3), np.uint8), "PNG")
    yield "framed.png", encoded(np.pad(photo(12), ((20, 20), (0, 0), (0, 0))), "PNG")
    yield "pixel.png", encoded(photo(13)[:1, :1], "PNG")
    yield "row.png", encoded(photo(14)[:1], "PNG")
    yield "column.png", encoded(photo(15)[:, :1], "PNG")
    yield "square.jpg", encoded(photo(16, 3, 3))
    yield "moving.gif", _animation()


def _animation() -> bytes:
    out = io.BytesIO()
    first, *others = (Image.fromarray(photo(seed)) for seed in (17, 18, 19))
    first.save(out, "GIF", save_all=True, append_images=others)
    return out.getvalue()


def _uniform(level: int) -> npt.NDArray[np.uint8]:
    return np.full((48, 64, 3), level, np.uint8)
