"""Text models that are transformers, in the embedding space of the image model that they were trained with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.models.loaded_model import LoadedModel
from nemo_curator.models.runtimes.opening import open_text
from nemo_curator.models.runtimes.session import Session
from nemo_curator.models.tokenizers.clip_tokenizer import ENDING, ClipTokenizer
from nemo_curator.models.tower_model import group, unit_rows
from nemo_curator.models.towers.text import TextWeights, embed, write


@dataclass(frozen=True, slots=True)
class LoadedText:
    """A tower that is ready to run, and the two arrays that texts are looked up in.

    Attributes:
        session: The tower.
        weights: Table and positions; the other arrays were handed over to the session.
    """

    session: Session
    weights: TextWeights


class TextTowerModel(LoadedModel[LoadedText]):
    """A `TextModel` over a text transformer; a subclass says where its shape and arrays lie."""

    @abstractmethod
    def read(self) -> TextWeights:
        """The tower in the weight file's folder.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """

    def open(self) -> LoadedText:
        """Load the tower.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """
        weights = self.read()
        session = open_text(
            lambda ops: write(ops, weights),
            self.numerics,
            group=group(weights.tower.width, weights.tower.hidden),
            threads=self._threads,
            where=str(self._weights),
        )
        return LoadedText(session, weights)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Embeddings of texts.

        Args:
            texts: Any texts; of a long one the first 75 tokens count.

        Returns:
            float32 `(N, dimension)` of unit L2 norm; row i depends on `texts[i]` alone, to the last bit.

        Raises:
            ModelError: `setup` was not called.
        """
        loaded = self.session
        rows = np.empty((len(texts), loaded.weights.tower.dimension), np.float32)

        def run(row: npt.NDArray[np.float32], tokens: npt.NDArray[np.int64]) -> None:
            # what stands behind the first end has no say
            ended = tokens[: int((tokens == ENDING).argmax()) + 1]
            # one by one, because texts differ in length, and what is computed of one must not depend on others
            row[:] = loaded.session.run(embed(loaded.weights, ended)[None], "embedding")[0]

        # a session that has all cores for one text takes one at a time; others take one a thread
        with ThreadPoolExecutor(self._threads) as pool:
            for _ in pool.map(run, rows, ClipTokenizer()(texts)):
                pass
        return unit_rows(rows)
