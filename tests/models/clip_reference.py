"""CLIP's vocabulary written out as the hub has it, and the tokenizer that `transformers` makes of it."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from nemo_curator.models.tokenizers import clip_tokenizer
from nemo_curator.models.tokenizers.merging import FIRST
from nemo_curator.models.weights import read_safetensors

MERGES_SHA256 = "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
"""Of the file merges.txt in the hub repository openai/clip-vit-base-patch32."""


@cache
def pairs():
    """The pairs of the vocabulary, uint16 `(48894, 2)`."""
    return read_safetensors(clip_tokenizer._FILE)["merges"]


def spellings():
    """Each token in the letters that stand for bytes, in the order of their numbers, but for the two marks."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible] + [chr(256 + place) for place in range(len(hidden))]
    spelt = letters + [letter + "</w>" for letter in letters]
    for left, right in pairs():
        spelt.append(spelt[left] + spelt[right])
    return spelt


def write_vocabulary(folder):
    """`merges.txt`, `vocab.json` and `tokenizer_config.json` in the hub's form."""
    spelt = spellings()
    lines = [f"{spelt[left]} {spelt[right]}" for left, right in pairs()]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")
    numbers = {token: number for number, token in enumerate([*spelt, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    mark = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "__type": "AddedToken"}
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    config = {key: {**mark, "content": content} for key, content in marks.items()}
    config |= {"pad_token": "<|endoftext|>", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def transformers_rows(folder, texts):
    """int64 `(N, 77)`: what `transformers` gives for texts with the vocabulary in a folder."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(folder))
    rows = tokenizer(list(texts), padding="max_length", truncation=True, max_length=77)["input_ids"]
    return np.array(rows, np.int64)


@cache
def learnt():
    """Pair to the token that it becomes."""
    return {(int(left), int(right)): FIRST + place for place, (left, right) in enumerate(pairs())}
