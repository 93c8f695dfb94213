"""Batches of images to tars with a Parquet beside each, for pipelines made by hand."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from loguru import logger

from nemo_curator import storage
from nemo_curator.codecs.encode import encode
from nemo_curator.shards.naming import member_names, unique_key
from nemo_curator.shards.tar_writer import TarWriter
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.io.rows import IDENTITY, identity_row
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject


@dataclass
class ImageWriterStage(ProcessingStage[ImageBatch, FileGroupTask]):
    """Writes images with their original bytes and all sidecars, under their original keys.

    Each tar `images-<12 hex>-<6 digits>.tar` has a Parquet of the same base name with all that is known about its
    images. Both appear whole or not at all. Pixels are encoded (lossless PNG) only for an image that has no bytes,
    or whose pixels were edited.

    Args:
        output_dir: Folder or URL to write into.
        images_per_tar: Images a tar holds at most.
        verbose: Log a line a batch.
        deterministic_name: Name tars after their contents, so that a second run writes the same names; else by chance.
        remove_image_data: Free each image's pixels once written.
    """

    output_dir: str
    images_per_tar: int = 1000
    verbose: bool = False
    deterministic_name: bool = True
    remove_image_data: bool = False
    _name: str = "image_writer"

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`; what an image lacks is said image by image."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """The files written."""
        return ["data"], []

    def needs(self) -> Needs:
        """No pixels: the original bytes are what is written."""
        return Needs(returns_images=False)

    def process(self, task: ImageBatch) -> FileGroupTask | None:
        """Write the images of a batch; None where no image is left in it.

        Raises:
            ValueError: An image has neither bytes nor pixels.
            StorageError: A file cannot be written.
        """
        if not task.data:
            return None
        files: list[str] = []
        batch_hash = self._batch_hash(task)
        for number, start in enumerate(range(0, len(task.data), self.images_per_tar)):
            base = f"images-{batch_hash}-{number:06d}"
            files += self._write(base, task.data[start : start + self.images_per_tar])
        if self.verbose:
            logger.info("{} wrote {} images to {} tars", self.name, len(task.data), len(files) // 2)
        return FileGroupTask(
            dataset_name=task.dataset_name,
            data=files,
            _metadata={
                **task._metadata,
                "output_dir": self.output_dir,
                "images_per_tar": self.images_per_tar,
                "num_images": len(task.data),
            },
            _stage_perf=task._stage_perf,
            task_id=task.task_id,
        )

    def _batch_hash(self, task: ImageBatch) -> str:
        if not self.deterministic_name:
            return uuid.uuid4().hex[:12]
        digest = hashlib.sha256(f"{task.dataset_name}\0{task.task_id}".encode("utf-8", "surrogateescape"))
        for image in task.data:
            digest.update(f"\0{image.image_id}\0".encode("utf-8", "surrogateescape"))
            own = image.encoded is not None and not image.edited_in_place()
            digest.update(image.encoded or b"" if own else np.ascontiguousarray(image.image_data).data)
        return digest.hexdigest()[:12]

    def _write(self, base: str, images: list[ImageObject]) -> list[str]:
        """One tar, then its Parquet: whoever sees the Parquet can rely on the tar."""
        tar_path = storage.join(self.output_dir, f"{base}.tar")
        taken: set[str] = set()
        rows: list[dict[str, Any]] = []
        with storage.write_atomic(tar_path) as file:
            tar = TarWriter(file)
            for image in images:
                key = unique_key(image.source, image.image_id, taken)
                members = _members(image, key)
                for name, data in members:
                    tar.add(name, data)
                rows.append(_row(image, tar_path, members))
                if self.remove_image_data:
                    image.image_data = None
            tar.close()
        parquet_path = storage.join(self.output_dir, f"{base}.parquet")
        with storage.write_atomic(parquet_path) as file:
            pq.write_table(_table(rows), file)
        return [tar_path, parquet_path]


def _members(image: ImageObject, key: str) -> list[tuple[str, bytes]]:
    """The image first, then its sidecars, under the extensions they came with."""
    known = {member.name: member.extension for member in image.source.members}
    data, extension, image_format = _image_bytes(image)
    sidecars = [(known.get(name, _extension(name)), "") for name in image.sidecars]
    names = member_names(key, [(extension, image_format), *sidecars])
    return list(zip(names, [data, *image.sidecars.values()], strict=True))


def _image_bytes(image: ImageObject) -> tuple[bytes, str, str]:
    """(bytes, extension, format) of the image: its own, or its pixels encoded where it has none or was edited."""
    source = image.source
    if image.encoded is not None and not image.edited_in_place():
        original = source.members[source.primary] if 0 <= source.primary < len(source.members) else None
        extension = original.extension if original else _extension(image.image_path)
        return image.encoded, extension, image.header.format if image.header else ""
    if image.image_data is not None:
        return *encode(np.asarray(image.image_data)), ""
    raise ValueError(f"image {image.image_id!r} has neither bytes nor pixels to write")


def _extension(path: str) -> str:
    base = path.rpartition("/")[2]
    return base.partition(".")[2]


def _row(image: ImageObject, tar_path: str, members: list[tuple[str, bytes]]) -> dict[str, Any]:
    name, data = members[0]
    written: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if data is not image.encoded and image.image_data is not None:  # the header is that of other bytes
        height, width = np.shape(image.image_data)[:2]
        written |= {"format": name.rpartition(".")[2], "width": width, "height": height, "orientation": 1, "frames": 1}
        written |= {"mode": None}
    return {
        "image_id": image.image_id,
        "tar_file": tar_path.rpartition("/")[2],
        "member_name": name,
        "original_path": image.image_path,
        **{column: value for column, value in identity_row(image).items() if column != "image_id"},
        **written,
        "sidecars": [sidecar for sidecar, _ in members[1:]],
        "aesthetic_score": image.aesthetic_score,
        "nsfw_score": image.nsfw_score,
        "embedding": None if image.embedding is None else np.asarray(image.embedding, np.float32),
        **image.scores,
    }


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    types: dict[str, pa.DataType] = {name: kind for name, (kind, _) in IDENTITY.items()}
    types |= {name: pa.string() for name in ("tar_file", "member_name", "original_path")}
    types |= {"sidecars": pa.list_(pa.string()), "embedding": pa.list_(pa.float32())}
    types |= {name: pa.float64() for name in ("aesthetic_score", "nsfw_score")}
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}
    return pa.table(columns)
