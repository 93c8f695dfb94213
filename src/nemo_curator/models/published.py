"""What is known of weights that are published on the model hub: which commit, which files, how long, which SHA-256.

Nothing here was asked of the hub by this project. Each hash stands in at least two public projects that do not depend
on each other and that pin the same file; one that was found once or never is "" here. Revisions likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from nemo_curator.models.spec import Normalisation, PublishedFile, UserWeights

CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""OpenAI's CLIP, and most towers trained after it."""

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""DINOv2, and most classifiers."""

HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""SigLIP."""


@dataclass(frozen=True, slots=True)
class Published:
    """One commit of a hub repository.

    Attributes:
        revision: The commit.
        licence: SPDX expression for the weights, as their authors state it.
        files: The files that this project uses.
    """

    revision: str
    licence: str
    files: tuple[PublishedFile, ...]


def _clip_settings(config: PublishedFile) -> tuple[PublishedFile, ...]:
    """The three repositories of OpenAI hold the same preprocessor file."""
    preprocessor = "910e70b3956ac9879ebc90b22fb3bc8a75b6a0677814500101a4c072bd7857bd"
    return config, PublishedFile("preprocessor_config.json", 316, preprocessor)


def _dinov2_settings(size: int, config: str) -> tuple[PublishedFile, ...]:
    """The repositories of DINOv2 hold the same preprocessor file, too."""
    preprocessor = "14e780d86fa1861f8751f868d7f45425b5feb55c38ca26f152ca5097ab30f828"
    return (
        PublishedFile("config.json", size, config),
        PublishedFile("preprocessor_config.json", 436, preprocessor),
    )


PUBLISHED: dict[str, Published] = {
    "openai/clip-vit-large-patch14": Published(
        "32bd64288804d66eefd0ccbe215aa642df71cc41",
        "MIT",
        (
            *_clip_settings(
                PublishedFile("config.json", 4_519, "8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a")
            ),
            PublishedFile(
                "model.safetensors",
                1_710_540_580,
                "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
            ),
        ),
    ),
    "openai/clip-vit-base-patch16": Published(
        "57c216476eefef5ab752ec549e440a49ae4ae5f3",
        "MIT",
        (
            *_clip_settings(
                PublishedFile("config.json", sha256="eaf1c9089a8553c913d27ea66407f8bfc2be9989c80c9f331ddb3d63d4c5e8ad")
            ),
            PublishedFile(
                "pytorch_model.bin", 598_641_023, "ec89c7b09c749a60aae3c9cd910516f24b58214a7df060b48962d14c469cfbf0"
            ),
        ),
    ),
    "openai/clip-vit-base-patch32": Published(
        "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        "MIT",
        (
            *_clip_settings(
                PublishedFile("config.json", 4_186, "b575ef3c36f2a057fa19e221650105052d61cc9c1a972ec15019c6261ec98770")
            ),
            PublishedFile(
                "pytorch_model.bin", 605_247_071, "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f"
            ),
        ),
    ),
    "google/siglip-base-patch16-224": Published(
        "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed",
        "Apache-2.0",
        (
            PublishedFile("config.json", 432, "cd85b3d28829722820bcb89a2cfbb4160e55fd359249a3044da724166a8d9688"),
            PublishedFile(
                "preprocessor_config.json", 368, "d11ccb80f15d358a11bdb070e92e2d889005874b7db15823d5f10d9b2533b14a"
            ),
            PublishedFile(
                "model.safetensors", 812_672_320, "2c63cb7d1f2e95ba501893cbb8faeb4ea9a3af295498d35097126228659c2af8"
            ),
        ),
    ),
    "google/siglip-so400m-patch14-384": Published(
        "9fdffc58afc957d1a03a25b10dba0329ab15c2a3",
        "Apache-2.0",
        (
            PublishedFile("config.json", 576, "adc04928d8fd19a61822584fe0cf2e813e5ebac17f3e49fb1ea096860ae6457b"),
            PublishedFile(
                "preprocessor_config.json", 368, "f59da2f87c3cd079bd4f8f3037e81b277c60c498e279a8020331f67a5a3157e8"
            ),
            PublishedFile(
                "model.safetensors",
                3_511_950_624,
                "ea2abad2b7f8a9c1aa5e49a244d5d57ffa71c56f720c94bc5d240ef4d6e1d94a",
            ),
        ),
    ),
    "google/siglip2-base-patch16-224": Published(
        "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
        "Apache-2.0",
        (
            PublishedFile("config.json", 253, "fe8b5fe6d5734360678fd71c11c21e1ea3364bd8598d34295d9206335973ffd7"),
            PublishedFile(
                "preprocessor_config.json", 394, "9b36b57ebaf20f09bf4c22100ccc21877ea6bfe5aead0c00c59f8af8ccefacfc"
            ),
            PublishedFile(
                "model.safetensors",
                1_500_800_904,
                "612923381c76ec5a9bed335d1c48827e3f2e506ac31b044b63b2031fadee6a0b",
            ),
        ),
    ),
    "facebook/dinov2-small": Published(
        "ed25f3a31f01632728cabb09d1542f84ab7b0056",
        "Apache-2.0",
        (
            *_dinov2_settings(547, "1809f83e3bdb1609a501a610ad4a742f4fd8ae44d72ca4aa0df52d1f2ac8628d"),
            PublishedFile(
                "model.safetensors", 88_249_960, "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1"
            ),
        ),
    ),
    "facebook/dinov2-base": Published(
        "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        "Apache-2.0",
        (
            *_dinov2_settings(548, "f7ff4cfa73d2f70647dbf6950541ad25d73082d54c2e7e9bded160c7656b2a70"),
            PublishedFile(
                "model.safetensors", 346_345_912, "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841"
            ),
        ),
    ),
    "facebook/dinov2-large": Published(
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "Apache-2.0",
        (
            *_dinov2_settings(549, "12df51c069a2dc1305e34ba71ef58bc2407ea553b75f4722a1715c1bce3bbed0"),
            PublishedFile(
                "model.safetensors",
                1_217_522_888,
                "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
            ),
        ),
    ),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": Published(
        "1a25a446712ba5ee05982a381eed697ef9b435cf",
        "MIT",
        (
            PublishedFile("open_clip_config.json"),
            PublishedFile(
                "open_clip_model.safetensors",
                605_143_316,
                "ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
            ),
        ),
    ),
    "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K": Published(
        "f0e2ffa09cbadab3db6a261ec1ec56407ce42912",
        "MIT",
        (
            PublishedFile("open_clip_config.json"),
            PublishedFile(
                "open_clip_model.safetensors",
                sha256="3c00043509d2e3f35ec62bd85a643a393883dcda624d8208d034cc390c708297",
            ),
        ),
    ),
    "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K": Published(
        "d110532e8d4ff91c574ee60a342323f28468b287",
        "MIT",
        (PublishedFile("open_clip_config.json"), PublishedFile("open_clip_pytorch_model.bin")),
    ),
    "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K": Published(
        "84c9828e63dc9a9351d1fe637c346d4c1c4db341",
        "MIT",
        (PublishedFile("open_clip_config.json"), PublishedFile("open_clip_pytorch_model.bin")),
    ),
    "ttj/sac-logos-ava1-l14-linearMSE": Published(
        "1e77fa05081323d99725fc40a9bf9f88180490e7", "Apache-2.0", (PublishedFile("model.safetensors"),)
    ),
    "opencv/face_detection_yunet": Published(
        "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310",
        "MIT",
        (
            PublishedFile(
                "face_detection_yunet_2023mar.onnx",
                232_589,
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ),
        ),
    ),
}
"""Hub repository to what is known of it."""


def hub_weights(
    repository: str,
    weights: str,
    *,
    instead: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    folder: str | None = None,
    origin: str = "",
    model: str = "",
) -> UserWeights:
    """Weights of a repository of `PUBLISHED`, as an entry of the registry has them.

    Args:
        repository: `owner/name` on the hub.
        weights: Name of the weight file that is looked for first.
        instead: Names of files that hold the same weights.
        beside: Names of files without which the weights cannot be used.
        folder: Where the files belong under `model_dir`; the repository's own name by default.
        origin: Where they are published, in words; the repository by default.
        model: What the registry calls the model.

    Raises:
        KeyError: Nothing is known of that repository.
    """
    known = PUBLISHED[repository]
    return UserWeights(
        str(PurePosixPath(repository if folder is None else folder, weights)),
        origin or f"the hub repository {repository}",
        instead,
        beside,
        known.files,
        repository,
        known.revision,
        f"https://huggingface.co/{repository}/tree/{known.revision}",
        model,
    )
