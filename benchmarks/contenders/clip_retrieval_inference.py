"""clip-retrieval's own inference command over tars: webdataset, Pillow, open_clip's ViT-B/32 in fp32, `.npy` files.

`clip_retrieval_inference.py clip TARS OUTPUT [JSON]`. Its loader would fetch weights; what it calls instead makes the
same model with random ones. Batches of 16 instead of 256, since it warms up by two batches of images and of captions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import all_clip.main
import numpy as np
import open_clip
from all_clip.open_clip import OpenClipWrapper
from clip_retrieval.clip_inference.main import main as inference

BATCH = 16
NAME = "ViT-B-32-quickgelu"


def loaded(_name: str, _jit: bool, device: str, _cache: str | None) -> tuple[Any, Any, Any]:  # noqa: FBT001 (its call)
    """The model as clip-retrieval wraps it, its preprocessing and tokenizer."""
    model, _, preprocess = open_clip.create_model_and_transforms(NAME, pretrained=None, device=device)
    return OpenClipWrapper(model.eval(), device), preprocess, open_clip.get_tokenizer(NAME)


def main(_work: str, photos: str, output: str, _given: str = "{}") -> None:
    """The whole data set."""
    registry = all_clip.main._CLIP_REGISTRY  # noqa: SLF001 (it has no public door)
    all_clip.main._CLIP_REGISTRY = {"random:": loaded, **registry}  # noqa: SLF001 (as above)
    inference(
        f"{photos}/{{{','.join(path.name for path in sorted(Path(photos).glob('*.tar')))}}}",
        output,
        input_format="webdataset",
        batch_size=BATCH,
        num_prepro_workers=len(os.sched_getaffinity(0)),
        enable_text=False,
        clip_model=f"random:{NAME}",
        output_partition_count=1,
    )
    images = sum(len(np.load(path, mmap_mode="r")) for path in Path(output).glob("img_emb/*.npy"))
    sys.stdout.write(f"images {images}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
