"""CLIP's text tower in the layout of Hugging Face."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nemo_curator.errors import NoTextTowerError
from nemo_curator.models.layouts.clip_arrays import TEXT_PREFIXES, text_weights
from nemo_curator.models.layouts.hugging_face import CONFIG
from nemo_curator.models.layouts.settings import Settings, read_settings
from nemo_curator.models.layouts.text import DescribedText, own_tokens
from nemo_curator.models.tokenizers.clip_tokenizer import ENDING, LENGTH, VOCABULARY
from nemo_curator.models.towers.text import TextTower

_KIND = "clip"
_EARLY = 2  # the number of the last token in the first files, which is wrong, and means the last one all the same


def describe_text(folder: Path) -> DescribedText:
    """The text tower in a folder.

    Raises:
        WeightsNotFoundError: There is no `config.json`.
        NoTextTowerError: It describes no text tower with CLIP's own tokens.
        WeightsError: It is damaged.
    """
    config = read_settings(folder / CONFIG)
    kind = config.content.get("model_type", _KIND)
    if kind != _KIND:
        told = f"it describes a model of the kind {kind!r}, whose text tower is not supported"
        raise NoTextTowerError(told, where=str(config.path))
    tower = _tower(config, config.section("text_config"))
    return DescribedText(tower, TEXT_PREFIXES, "text_projection.weight", partial(text_weights, tower))


def _tower(config: Settings, text: Settings) -> TextTower:
    tower = TextTower(
        width=text.whole("hidden_size", 512),
        hidden=text.whole("intermediate_size", 2048),
        layers=text.whole("num_hidden_layers", 12),
        heads=text.whole("num_attention_heads", 8),
        length=text.whole("max_position_embeddings", LENGTH),
        vocabulary=text.whole("vocab_size", VOCABULARY),
        dimension=config.whole("projection_dim", 512),
        activation=text.activation("quick_gelu"),
        epsilon=text.number("layer_norm_eps", 1e-5),
    )
    ending = text.whole("eos_token_id", ENDING)
    return own_tokens(tower, text, ending=ENDING if ending == _EARLY else ending)
