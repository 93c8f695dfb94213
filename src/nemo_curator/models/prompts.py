"""Embeddings of texts that every worker of a run needs: computed once, and kept on disk.

An entry is named by everything that the rows depend on: the texts, the weights, the tokenizer, the precision, the
libraries and the kind of CPU.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nemo_curator.models import registry
from nemo_curator.models.graph_cache import cache_dir
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.remote import RemoteTextModel
from nemo_curator.models.request import TextRunnable
from nemo_curator.models.sealed_file import sealed


def prompt_rows(
    name: str,
    texts: Sequence[str],
    model_dir: str | os.PathLike[str] | None = None,
    numerics: Numerics | None = None,
    make: Callable[[], TextRunnable] | None = None,
) -> npt.NDArray[np.float32]:
    """Embeddings of a few texts, for which the text tower is loaded only if nobody asked for the same before.

    Args:
        name: The embedding model's name.
        texts: The texts.
        model_dir: The user's model directory.
        numerics: As `registry.create_text` takes it.
        make: Makes that model, not loaded yet, where it is not to be loaded here.

    Returns:
        float32 `(N, dimension)` of unit L2 norm.

    Raises:
        ModelError: As `registry.create_text` raises it.
    """
    facts = registry.text_provenance(name, model_dir, numerics)
    identity = json.dumps([facts, unicodedata.unidata_version, list(texts)], sort_keys=True)

    def compute() -> bytes:
        model = make() if make is not None else registry.create_text(name, model_dir, numerics=numerics)
        model.setup()
        rows = model(texts).tobytes()
        if isinstance(model, RemoteTextModel):  # it is not called again
            model.close()
        return rows

    try:
        folder = cache_dir().parent / "prompts"
    except RuntimeError:  # the user has no home directory
        rows = compute()
    else:
        rows = sealed(folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.float32", compute)
    return np.frombuffer(rows, np.float32).reshape(len(texts), -1)
