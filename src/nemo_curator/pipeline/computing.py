"""How the models of a run are computed, and what a trial said of other ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_curator.models.numerics import Numerics
from nemo_curator.pipeline.numerics import recorded
from nemo_curator.planning.numerics import Settled
from nemo_curator.runs.state import RunState


@dataclass(frozen=True, slots=True)
class ComputedModel:
    """One way in which a model of a run is computed.

    Attributes:
        model: Its name.
        numerics: Runtime, precision and device.
        columns: What comes of it: scores, and `embedding`.
        settled: How that was settled, where the recipe left something open.
    """

    model: str
    numerics: Numerics
    columns: tuple[str, ...]
    settled: Settled | None = None

    def facts(self) -> dict[str, Any]:
        """Plain data: `model`, `runtime`, `precision` (and `device`), `columns`, `tried`, `why`."""
        held = self.settled
        return {
            "model": self.model,
            **self.numerics.facts(),
            "columns": list(self.columns),
            "tried": [dict(one) for one in held.tried] if held else [],
            "why": self.why,
        }

    @property
    def why(self) -> str:
        """How it came to that, in a sentence."""
        return self.settled.sentence(self.model) if self.settled else f"{self.model} is computed in {self.numerics}"


def computed_models(state: RunState) -> list[ComputedModel]:
    """The models of a run, in the order of its columns; one that is computed in two ways is there twice.

    Args:
        state: The run.
    """
    settled = recorded(state)
    columns: dict[tuple[str, Numerics], list[str]] = {}
    for name in state.facts["columns"]:
        found = _computed((state.column_facts(name) or {}).get("model"))
        if found is not None:
            columns.setdefault(found, []).append(name)
    for name, one in settled.items():
        columns.setdefault((name, one.numerics), [])
    return [
        ComputedModel(model, numerics, tuple(names), held)
        for (model, numerics), names in columns.items()
        for held in [settled[model] if model in settled and settled[model].numerics == numerics else None]
    ]


def _computed(facts: Any) -> tuple[str, Numerics] | None:
    """Name and numerics of a model that a column was computed by; None for a head, and for anything else."""
    if not isinstance(facts, Mapping) or not isinstance(facts.get("name"), str):
        return None
    given = {name: facts[name] for name in ("runtime", "precision", "device") if name in facts}
    if not {"runtime", "precision"} <= set(given) or not all(isinstance(one, str) for one in given.values()):
        return None
    return facts["name"], Numerics(**given)
