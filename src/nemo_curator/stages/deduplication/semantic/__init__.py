"""Images that show nearly the same, found by their embeddings: k-means, then pairs inside each cluster.

The workflow stands on a higher floor, and is fetched when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nemo_curator.stages.deduplication.semantic.ranking import RankingStrategy

if TYPE_CHECKING:
    from nemo_curator.pipeline.semantic_deduplication import (
        SemanticDeduplicationWorkflow as SemanticDeduplicationWorkflow,
    )

__all__ = ["RankingStrategy", "SemanticDeduplicationWorkflow"]


def __getattr__(name: str) -> Any:
    """Fetch `SemanticDeduplicationWorkflow` on first use.

    Raises:
        AttributeError: There is no such name.
    """
    if name == "SemanticDeduplicationWorkflow":
        return import_module("nemo_curator.pipeline.semantic_deduplication").SemanticDeduplicationWorkflow
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
