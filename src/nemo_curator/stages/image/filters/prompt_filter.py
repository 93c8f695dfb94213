"""How well a picture fits texts that the user chose: zero-shot scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import IncompleteScoreError
from nemo_curator.models.prompts import prompt_rows
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.filters.prompts import Prompt, read_prompts
from nemo_curator.stages.image.filters.text_tower_filter import TextTowerFilterStage
from nemo_curator.stages.shared_model import place_text
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import ImageObject

Vector = npt.NDArray[np.float64]


@dataclass
class ImagePromptFilterStage(TextTowerFilterStage):
    """Keeps images that fit the first of its prompts less well than the threshold.

    As in Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021: several
    texts of one meaning are one vector, the mean of theirs; and the probability is the softmax of the two cosines,
    times the scale that the model was trained with.

    Args:
        prompts: Name to a text, to a list of texts, or to `{for: texts, against: texts}`. With texts alone the column
            `<name>_score` is the cosine with the image. With `against` it is the probability that the image is what
            `for` says, and not what `against` says.

    Raises:
        IncompleteScoreError: There are no prompts.
        ValueError: A name is no name of a column, there is no text, one is empty, or is longer than CLIP reads.
    """

    score_threshold: float = None  # type: ignore[assignment]  # none has a basis
    _name: str = "clip_prompts"
    prompts: Mapping[str, Any] | None = None

    own_names: ClassVar[str] = "prompts"

    def __post_init__(self) -> None:
        """Read the prompts, so that a mistake is told before a run begins."""
        super().__post_init__()
        self._prompts = read_prompts(self.prompts or {})
        self._vectors: list[tuple[Vector, Vector | None]] = []
        self._scale = 0.0
        if not self._prompts:
            raise IncompleteScoreError(
                f"score {self.name!r} has no prompts",
                act=f'write `{self.name}: {{watermark: ["a watermarked photo"]}}`, with names and texts of your own',
            )

    def score_columns(self) -> tuple[Column, ...]:
        """One column for each name."""
        return tuple(map(_column, self._prompts))

    def setup_on_node(self, _node_info: NodeInfo | None = None, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Embed the texts once for all workers, where their cache can be written."""
        self._rows()

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Make the vectors that images are compared with; no worker loads the text tower where there is one for all."""
        rows = iter(self._rows(_worker_metadata))
        self._scale = self.tower().scale()
        self._vectors = []
        for prompt in self._prompts:
            wanted = _mean([next(rows) for _ in prompt.wanted])
            self._vectors.append((wanted, _mean([next(rows) for _ in prompt.against]) if prompt.against else None))

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """`(N,)` cosines or probabilities a column."""
        embeddings = self.rows(images)
        return {
            prompt.column: self._scores(embeddings, wanted, against)
            for prompt, (wanted, against) in zip(self._prompts, self._vectors, strict=True)
        }

    def _scores(self, rows: npt.NDArray[np.float32], wanted: Vector, against: Vector | None) -> npt.NDArray[np.float32]:
        cosines = cosine(rows, wanted)
        if against is not None:
            # the softmax over two; no cosine leaves -1 to 1, so nothing overflows
            cosines = 1 / (1 + np.exp(self._scale * (cosine(rows, against) - cosines)))
        return cosines.astype(np.float32)

    def _rows(self, worker: WorkerMetadata | None = None) -> npt.NDArray[np.float32]:
        """The texts' embeddings: from the cache, else by the text tower of the host, else by one of its own."""
        spec = self.tower().spec
        texts = [text for prompt in self._prompts for text in prompt.texts]
        shared = (self._request,) if spec.shared else ()
        make = partial(place_text, shared, worker, self._request.model)
        return prompt_rows(spec.name, texts, self.model_dir, self._numerics, make)


def cosine(rows: npt.NDArray[np.float32], vectors: npt.NDArray[Any]) -> Vector:
    """Cosines of rows `(N, D)` of unit length with one vector `(D,)`, or with one each `(N, D)`: `(N,)`."""
    # no matrix product: BLAS rounds differently for different N
    return np.asarray(np.clip(np.add.reduce(rows * vectors.astype(np.float64), axis=-1), -1, 1))


def _mean(rows: list[npt.NDArray[np.float32]]) -> Vector:
    """The direction between vectors of unit length, as one of unit length."""
    middle = np.add.reduce(np.array(rows, np.float64), axis=0)
    return np.asarray(middle / max(float(np.sqrt(np.add.reduce(middle * middle))), 1e-12))


def _column(prompt: Prompt) -> Column:
    said = f"{prompt.wanted[0]!r}" + (" and the like" if len(prompt.wanted) > 1 else "")
    if not prompt.against:
        return Column(prompt.column, unit="cosine", range=(-1.0, 1.0), meaning=f"How well the picture fits {said}")
    other = f"{prompt.against[0]!r}" + (" and the like" if len(prompt.against) > 1 else "")
    return Column(
        prompt.column,
        unit="probability",
        range=(0.0, 1.0),
        meaning=f"Probability that the picture is {said} and not {other}",
    )
