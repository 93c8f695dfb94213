"""The recipe: what to compute, what to reject, how to write what is left."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nemo_curator.codecs.limits import Limits
from nemo_curator.kernels.sizes import parse_size

Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
ScoreEntry = str | dict[str, dict[str, Any]]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DuplicatesSection(_Section):
    """Which copies are removed."""

    bytes: bool = Field(default=True, description="Remove images whose encoded bytes are equal")
    prefer: str = Field(
        default="width * height",
        description="SQL expression; of equal images the one where it is largest stays, then the smaller id",
    )


class LimitsSection(_Section):
    """What one image may cost; what exceeds a limit is quarantined before memory is taken."""

    pixels: Size = Field(default=100_000_000, description="Width times height of one image")
    bytes: Size = Field(default=64_000_000, description="Length of one file of a sample")
    seconds: float = Field(
        default=10.0, gt=0, description="Time one image may take to decode; its worker is killed after that"
    )

    def as_limits(self) -> Limits:
        """The limits as the decoder takes them."""
        return Limits(pixels=self.pixels, bytes=self.bytes, seconds=self.seconds)


class ExportSection(_Section):
    """How the kept samples are written."""

    format: Literal["webdataset"] = Field(
        default="webdataset", description="`webdataset`: tars with a Parquet beside each"
    )
    shard_size: int = Field(
        default=1000, gt=0, le=1_000_000, description="Samples a tar holds; the last may hold fewer"
    )


class Recipe(_Section):
    """Everything that decides what comes out."""

    scores: Literal["all"] | list[ScoreEntry] = Field(
        default=["header", "sharpness", "exposure", "entropy", "nsfw", "embedding"],
        description="Scores to compute, by name; `{name: {parameter: value}}` sets a stage's parameters; or `all`",
    )
    models: dict[str, str] = Field(
        default_factory=dict, description="Score name to the name of the model that it uses, where there is a choice"
    )
    rules: dict[str, str] = Field(
        default={"small": "least(width, height) < 64", "nsfw": "nsfw_score >= 0.8"},
        description="Rule name to an SQL expression that is true for images to reject; the first that matches counts",
    )
    duplicates: DuplicatesSection = Field(default=DuplicatesSection(), description="Which copies are removed")
    limits: LimitsSection = Field(default=LimitsSection(), description="What one image may cost")
    export: ExportSection = Field(default=ExportSection(), description="How the kept samples are written")

    def score_entries(self, installed: list[str]) -> list[tuple[str, dict[str, Any]]]:
        """(name, parameters) of every score to compute, in order; `all` means those installed."""
        entries = list(installed) if self.scores == "all" else self.scores
        pairs: list[tuple[str, dict[str, Any]]] = []
        for entry in entries:
            pairs += [(entry, {})] if isinstance(entry, str) else [(name, dict(given)) for name, given in entry.items()]
        return [(name, {**given, **self._model_of(name)}) for name, given in pairs]

    def _model_of(self, name: str) -> dict[str, str]:
        return {"model": self.models[name]} if name in self.models else {}
