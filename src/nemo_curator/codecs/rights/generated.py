"""Which values say that a generative model made an image, or part of it.

Source: IPTC NewsCodes, Digital Source Type (`trainedAlgorithmicMedia`, `compositeWithTrainedAlgorithmicMedia`; others,
such as `algorithmicMedia` or `compositeSynthetic`, need no trained model and do not count); IPTC Photo Metadata
Standard 2025.1 (`AISystemUsed`); C2PA Technical Specification 2.1, section 18.12 (`digitalSourceType` of an action);
for texts, what the programs write: Stable Diffusion web UI and its kin ("infotext"), ComfyUI (documentation, "Workflow
Metadata"), SwarmUI, InvokeAI, NovelAI.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SOURCES = {
    "trainedalgorithmicmedia": "trainedAlgorithmicMedia",
    "compositewithtrainedalgorithmicmedia": "compositeWithTrainedAlgorithmicMedia",
    "compositedwithtrainedalgorithmicmedia": "compositeWithTrainedAlgorithmicMedia",  # as some guides misspell it
}
_INFOTEXT = re.compile(r"\bSteps: \d{1,6}, (?:Sampler|Schedule type|CFG scale|Seed|Size): ")
_PRESENCE = ("invokeai_metadata", "invokeai_graph", "sd-metadata", "Dream")
_MOST_ACTIONS = 1000


def trained_source(value: str) -> str:
    """The term of a digital source type that a trained model stands behind; "" for every other.

    Args:
        value: An address or a term of the vocabulary.
    """
    return _SOURCES.get(value.strip().rpartition("/")[2].lower(), "")


def trained_actions(assertion: dict[str, Any]) -> Iterator[str]:
    """Such terms among the actions of an assertion of actions.

    Args:
        assertion: Its content.
    """
    actions = assertion.get("actions")
    for action in actions[:_MOST_ACTIONS] if isinstance(actions, list) else ():
        source = action.get("digitalSourceType") if isinstance(action, dict) else None
        term = trained_source(source) if isinstance(source, str) else ""
        if term:
            yield term


def generator_texts(texts: Mapping[str, str]) -> Iterator[str]:
    """Keywords of a PNG's texts that generators write, where the text is of their kind.

    Args:
        texts: Keyword to text.
    """
    parameters = texts.get("parameters", "")
    if is_infotext(parameters) or "sui_image_params" in parameters or _is_json_with(parameters, "steps", "seed"):
        yield "parameters"
    if _is_json_with(texts.get("prompt", ""), "class_type"):
        yield "prompt"
    if _is_json_with(texts.get("workflow", ""), "nodes", "links"):
        yield "workflow"
    yield from (keyword for keyword in _PRESENCE if texts.get(keyword, "").strip())
    if texts.get("Software", "").strip() == "NovelAI":
        yield "Software=NovelAI"


def is_infotext(text: str) -> bool:
    """Whether a text holds generation settings as Stable Diffusion web UI writes them, or ComfyUI's in a WebP.

    Args:
        text: EXIF UserComment, Make or Model, or a text of a PNG.
    """
    if _INFOTEXT.search(text):
        return True
    start = text[:16].lstrip().lower()
    return (start.startswith("prompt:") and _has(text, "class_type")) or (
        start.startswith("workflow:") and _has(text, "nodes", "links")
    )


def _is_json_with(text: str, *keys: str) -> bool:
    return text[:1000].lstrip().startswith("{") and _has(text, *keys)


def _has(text: str, *keys: str) -> bool:
    return all(f'"{key}"' in text for key in keys)
