"""How the models of a run are computed, and what a trial said of other ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from nemo_curator.models.numerics import Numerics
from nemo_curator.planning.numerics import Settled, settled_in


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a model was computed in a trial, as people read it; "" for what was not looked at.

    Attributes:
        name: Precision, runtime and device.
        cosine: The least cosine of an embedding to the one in full precision.
        drift: The largest difference of a head's score, as a share of its scale.
        changed: Head and share of images that change sides at a threshold.
        milliseconds: Time an image.
    """

    name: str
    cosine: str = ""
    drift: str = ""
    changed: str = ""
    milliseconds: str = ""

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Self:
        """What the figures of a trial say."""
        device = f" ({figures['device']})" if "device" in figures else ""
        changed = figures.get("changed") or {}
        return cls(
            name=f"{figures.get('precision', '?')} on {figures.get('runtime', '?')}{device}",
            cosine=f"{figures.get('cosine', 1):.6f}",
            drift=f"{figures.get('drift', 0):.6f}" if changed else "",  # of scores, and without a head there is none
            changed=", ".join(f"{name} {share:.2%}" for name, share in changed.items()),
            milliseconds=_milliseconds(figures.get("seconds")),
        )


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

    @property
    def sentence(self) -> str:
        """The same, with what comes of it."""
        return f"{self.why} ({', '.join(self.columns)})" if self.columns else self.why

    @property
    def ways(self) -> tuple[Way, ...]:
        """What was tried, in the order tried, and at the end full precision, which all were compared with."""
        tried = self.settled.tried if self.settled else ()
        if not tried or tried[-1].get("precision") == "fp32":
            return tuple(Way.of(one) for one in tried)
        full = Way.of({**tried[-1], "precision": "fp32"}).name
        seconds = tried[-1].get("fp32_seconds")
        compared = (Way(full, milliseconds=_milliseconds(seconds)),) if seconds is not None else ()
        return (*(Way.of(one) for one in tried), *compared)


def computed_models(facts: Mapping[str, Any]) -> list[ComputedModel]:
    """The models of a run, in the order of its columns; one that is computed in two ways is there twice.

    Args:
        facts: What `run.json` says.
    """
    settled = settled_in(facts)
    columns: dict[tuple[str, Numerics], list[str]] = {}
    for name, column in (facts.get("columns") or {}).items():
        found = _computed(column["facts"].get("model"))
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


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.1f}"
