"""CLIP's text tower in OpenCLIP's own layout."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from nemo_curator.errors import NoTextTowerError
from nemo_curator.models.layouts.openclip import CONFIG, activation_of, layer_of
from nemo_curator.models.layouts.settings import Settings, read_settings
from nemo_curator.models.layouts.text import DescribedText, own_tokens
from nemo_curator.models.tokenizers.clip_tokenizer import LENGTH, VOCABULARY
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextTower, TextWeights

# keys of text_cfg that are read here, or change nothing of what a text's embedding is
_READ = {"context_length", "vocab_size", "width", "layers", "heads", "mlp_ratio", "ls_init_value"}
_READ |= {"act_kwargs", "norm_kwargs"}
_IDLE = {"output_tokens", "final_ln_after_pool", "pad_id"}  # of one token a norm is the same before it is picked
_PLAIN: dict[str, Any] = {"pool_type": "argmax", "proj_type": "linear"}  # what others mean where they are absent


def describe_text(folder: Path) -> DescribedText:
    """The text tower in a folder.

    Raises:
        WeightsNotFoundError: There is no `open_clip_config.json`.
        NoTextTowerError: It describes no text tower, or one without CLIP's own tokens.
        WeightsError: It is damaged, or describes a text tower that is not supported.
    """
    model = read_settings(folder / CONFIG).section("model_cfg")
    text = model.section("text_cfg")
    if not text.content:
        raise NoTextTowerError("it describes no text tower", where=str(model.path))
    for key, value in text.content.items():
        absent = value is None or value is False or value == _PLAIN.get(key)
        if not absent and key not in _READ | _IDLE:
            raise text.wrong(f"its text tower has {key} = {value!r}, which is not supported")
    tower = _tower(model, text)
    prefix = "text." if model.flag("custom_text", default=False) else ""
    names = ("token_embedding", "positional_embedding", "transformer.", "ln_final.", "text_projection")
    scaled = text.content.get("ls_init_value") is not None
    arrange = partial(_arrange, tower, prefix=prefix, scaled=scaled)
    return DescribedText(tower, tuple(prefix + name for name in names), f"{prefix}text_projection", arrange)


def _tower(model: Settings, text: Settings) -> TextTower:
    width = text.whole("width", 512)
    tower = TextTower(
        width=width,
        hidden=int(width * text.number("mlp_ratio", 4)),
        layers=text.whole("layers", 12),
        heads=text.whole("heads", 8),
        length=text.whole("context_length", LENGTH),
        vocabulary=text.whole("vocab_size", VOCABULARY),
        dimension=model.whole("embed_dim", 512),
        activation=activation_of(model, text),
        epsilon=text.section("norm_kwargs").number("eps", 1e-5),
    )
    return own_tokens(tower, text)


def _arrange(tower: TextTower, tensors: Tensors, *, prefix: str, scaled: bool) -> TextWeights:
    return TextWeights(
        tower=tower,
        table=tensors.take(f"{prefix}token_embedding.weight", tower.vocabulary, tower.width),
        positions=tensors.take(f"{prefix}positional_embedding", tower.length, tower.width),
        layer=lambda index: layer_of(tower, tensors, f"{prefix}transformer.resblocks.{index}", scaled=scaled),
        after=tensors.affine(f"{prefix}ln_final", tower.width),
        projection=lambda: tensors.take(f"{prefix}text_projection", tower.width, tower.dimension).T,
    )
