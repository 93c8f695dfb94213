"""The usual pipeline: tarfile, Pillow, transformers' processor and model in fp32 or bf16, the same heads in torch.

`python transformers_clip.py TAR COUNT TOWER_FOLDER ROWS.npy [float32|bfloat16]` embeds the first COUNT photos with all
cores, writes the embeddings, and prints seconds of its loop, which loading is no part of.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

BATCH = 16


def main(tar: str, count: int, folder: str, rows: str, dtype: str = "float32") -> None:
    """Embed, and print seconds."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    processor = CLIPImageProcessor()
    with tarfile.open(tar) as archive:
        files = [archive.extractfile(one).read() for one in archive if one.name.endswith(".jpg")][:count]
    found = []
    with torch.inference_mode():
        model(torch.zeros(BATCH, 3, 224, 224, dtype=model.dtype))  # warm
        start = time.perf_counter()
        for first in range(0, len(files), BATCH):
            images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files[first : first + BATCH]]
            pixels = processor(images, return_tensors="pt")["pixel_values"].to(model.dtype)
            embedding = model(pixels).image_embeds.float()
            found.append((embedding / embedding.norm(dim=1, keepdim=True)).numpy())
        taken = time.perf_counter() - start
    np.save(rows, np.concatenate(found))
    sys.stdout.write(f"{taken}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
