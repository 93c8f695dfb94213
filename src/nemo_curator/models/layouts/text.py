"""What the layouts of text towers share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nemo_curator.errors import NoTextTowerError
from nemo_curator.models.layouts.settings import Settings
from nemo_curator.models.tokenizers.clip_tokenizer import ENDING, LENGTH, VOCABULARY
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextTower, TextWeights


@dataclass(frozen=True, slots=True)
class DescribedText:
    """What the settings in a folder say of its text tower.

    Attributes:
        tower: The shape.
        prefixes: What the names of its arrays begin with.
        projection: Name of the last array, by which it is seen whether there is such a tower in a file.
        arrange: Takes its arrays out of those of the weight file.
    """

    tower: TextTower
    prefixes: tuple[str, ...]
    projection: str
    arrange: Callable[[Tensors], TextWeights]


def own_tokens(tower: TextTower, told: Settings, *, ending: int = ENDING) -> TextTower:
    """The tower, if it takes the tokens that CLIP's own tokenizer gives, and its sizes fit each other.

    Raises:
        NoTextTowerError: It was trained with another tokenizer.
        WeightsError: Its sizes do not fit.
    """
    if tower.width % tower.heads:
        raise told.wrong("the sizes of its text tower do not divide into heads")
    if (tower.vocabulary, tower.length, ending) != (VOCABULARY, LENGTH, ENDING):
        raise NoTextTowerError(
            f"its text tower knows {tower.vocabulary} tokens, takes {tower.length} of a text, and the last is number "
            f"{ending}; those of CLIP are {VOCABULARY}, {LENGTH} and {ENDING}",
            where=str(told.path),
            cause="it was trained with another tokenizer",
        )
    return tower
