"""The recipe: what to compute, what to reject, how to write what is left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.options import DecodeOptions, colour_of
from nemo_curator.planning.recipe_export import ExportSection
from nemo_curator.planning.section import Section, Size, switched
from nemo_curator.planning.storage_section import StorageSection

KeyPath = tuple[str | int, ...]
"""Keys from the top of a recipe down to one value: `("export", "shard_size")`, `("scores", 2)`."""


def _scores(value: Any) -> Any:
    """The scores in their one form; what is wrong is told in the words of a recipe, not of its types."""
    if value == "all":
        return value
    if not isinstance(value, list):
        raise ValueError("this is `all`, or a list of names such as [header, sharpness]")  # noqa: TRY004 (Pydantic's)
    names = [_entry(entry)[0] for entry in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"the score {twice!r} stands there twice")
    return [name if not parameters else {name: parameters} for name, parameters in map(_entry, value)]


def _entry(entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, dict) and len(entry) == 1:
        name, parameters = next(iter(entry.items()))
        if isinstance(name, str) and isinstance(parameters or {}, dict):
            return name, parameters or {}
        if isinstance(parameters, str):  # a model's name, as a rule
            raise ValueError(
                f"{entry!r} is no score; write `{name}` there, and beside `scores`: `models: {{{name}: {parameters}}}`"
            )
    raise ValueError(f"{entry!r} is no score; write a name, or a name with its parameters: {{name: {{parameter: 1}}}}")


SCORING_KEYS = ("scores", "lazy", "models", "limits", "decode", "inference")
"""What a scoring depends on; everything else decides or exports."""

_SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ScoreEntry = str | dict[str, dict[str, Any]]
Scores = Annotated[Literal["all"] | list[ScoreEntry], BeforeValidator(_scores)]


class CopiesSection(Section):
    """Which images are copies of each other by what they show."""

    distance: int = Field(
        default=31, strict=True, ge=0, le=63, description="Bits of 256 in which the PDQ hashes of two copies may differ"
    )
    min_quality: int = Field(
        default=0, strict=True, ge=0, le=100, description="PDQ quality below which an image has no copies"
    )
    turned: bool = Field(
        default=False,
        description="Whether a picture that is turned or flipped is a copy too; needs the score `turned_hashes`",
    )


class SimilarSection(Section):
    """Which images are alike by their embeddings."""

    eps: float = Field(
        default=0.05,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Largest 1 - cosine of the embeddings of two images that are alike",
    )


PREFER = "width * height"
"""Which of equal images stays where nobody says so."""


class DuplicatesSection(Section):
    """Which copies are removed."""

    bytes: bool = Field(default=True, description="Remove images whose encoded bytes are equal")
    pixels: bool = Field(
        default=False, description="Remove images whose pixels, upright, are equal; needs the score `pixels`"
    )
    copies: Annotated[CopiesSection | None, BeforeValidator(switched)] = Field(
        default=None,
        description="Remove edited copies, by PDQ hashes: `true`, or {distance: 31, min_quality: 0, turned: false}; "
        "needs the score `hashes`",
    )
    similar: Annotated[SimilarSection | None, BeforeValidator(switched)] = Field(
        default=None,
        description="Remove images that are alike, by embeddings: `true`, or {eps: 0.05}; needs the score `embedding`",
    )
    within: bool = Field(
        default=True,
        description="Whether images of the input duplicate each other; `false` compares them with those of `protect` "
        "and `against` alone",
    )
    prefer: str = Field(
        default=PREFER,
        description="SQL expression; of duplicates the one where it is largest stays, then the smaller id. As it is "
        "here, higher PDQ quality and then more bytes come before the smaller id",
    )

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores that they are found by."""
        wanted = {
            "pixels": self.pixels,
            "hashes": self.copies is not None,
            "turned_hashes": self.copies is not None and self.copies.turned,
            "embedding": self.similar is not None,
        }
        return tuple(name for name, is_on in wanted.items() if is_on)


class LimitsSection(Section):
    """What one image may cost; what exceeds a limit is quarantined before memory is taken."""

    pixels: Size = Field(default=100_000_000, description="Width times height of one image")
    bytes: Size = Field(default=64_000_000, description="Length of one file of a sample")
    side: Size = Field(default=65_535, description="Longer side of one image, in pixels")
    frames: Size = Field(default=10_000, description="Frames of an animation or pages of a document")
    memory: Size = Field(default=1_000_000_000, description="Bytes of memory that decoding one image may take")
    seconds: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="Time one image may take to decode; its worker is killed after that",
    )

    def as_limits(self) -> Limits:
        """The limits as the decoder takes them."""
        return Limits(**self.model_dump())


class DecodeSection(Section):
    """How pixels are made where there is more than one right way."""

    background: str = Field(
        default="white", description="What shows through transparent pixels: a colour name, or '#rrggbb' in quotes"
    )
    truncated: Literal["quarantine", "accept"] = Field(
        default="quarantine",
        description="A JPEG that ends too early: `quarantine` it, or `accept` what is there and mark it as `truncated`",
    )
    fast: bool = Field(
        default=False,
        description="Decode large JPEGs at reduced size: several times faster, and softer than the reference",
    )

    @field_validator("background", mode="before")
    @classmethod
    def _colour(cls, given: Any) -> Any:
        if given is None:
            raise ValueError("there is no colour; a # begins a comment unless it stands in quotes: '#102030'")
        if isinstance(given, str):
            colour_of(given)
        return given

    def as_options(self) -> DecodeOptions:
        """The options as the decoder takes them."""
        return DecodeOptions(colour_of(self.background), self.truncated, self.fast)


class InferenceSection(Section):
    """How models are computed."""

    runtime: Literal["auto", "onnxruntime", "openvino", "torch"] = Field(
        default="auto",
        description="The library that runs models of pictures; `auto` takes the fastest that is installed; "
        "`torch` runs vision transformers on a CUDA device",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto",
        description="`auto` takes the fastest that agrees with `fp32` on a sample of your own images; the choice is "
        "made once and recorded in the run",
    )


class KnownBadSection(Section):
    """Which known images are never kept."""

    lists: dict[str, str] = Field(
        default_factory=dict,
        description="Name to a file of hashes (MD5, SHA-256, PDQ) of images that are rejected under that name, even if "
        "`allow` names them; MD5 and PDQ need the score `hashes`",
    )
    distance: int = Field(
        default=31, strict=True, ge=0, le=31, description="Bits of 256 in which a PDQ hash may differ from a listed one"
    )
    min_quality: int = Field(
        default=0, strict=True, ge=0, le=100, description="PDQ quality below which only equal bytes are looked for"
    )


class SampleSection(Section):
    """A seeded subset of what the rules and duplicates leave."""

    n: int | None = Field(default=None, strict=True, ge=0, description="Images to keep; this or `share`")
    share: float | None = Field(default=None, ge=0, le=1, description="Share of the images to keep; this or `n`")
    seed: int = Field(default=0, strict=True, description="Another seed chooses other images")
    by: str | None = Field(
        default=None, description="Column; each of its values keeps its share of the subset (a stratified sample)"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.n is None) == (self.share is None):
            raise ValueError("give one of `n` and `share`")
        return self


class SplitSection(BaseModel):
    """Named shares that the kept images are divided into; equal bytes are always on one side."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, float]

    by: str | None = Field(
        default=None, description="Column; images that are equal in it are on one side (`source`: whole shards)"
    )
    seed: int = Field(default=0, strict=True, description="Another seed divides in another way")

    @property
    def shares(self) -> dict[str, float]:
        """Name to share, in the order written; they add up to 1."""
        return dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.shares:
            raise ValueError("name the shares, as in {train: 0.95, val: 0.05}")
        for name, share in self.shares.items():
            if not _SPLIT_NAME.fullmatch(name) or name == "run":
                raise ValueError(f"{name!r} is no name for a split; it becomes a folder, so use letters and digits")
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {name} is not between 0 and 1")
        if abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"the shares add up to {sum(self.shares.values()):g}, not to 1")
        return self


class Recipe(Section):
    """Everything that decides what comes out."""

    scores: Scores = Field(
        default=["header", "sharpness", "exposure", "entropy", "nsfw", "embedding"],
        description="Scores to compute, by name; `{name: {parameter: value}}` sets a stage's parameters; or `all`",
    )
    lazy: bool = Field(
        default=False,
        strict=True,
        description="Skip costly scores of images that a rule over cheaper ones rejects; verdicts stay the same",
    )
    models: dict[str, str] = Field(
        default_factory=dict, description="Score name to the name of the model that it uses, where there is a choice"
    )
    rules: dict[str, str] = Field(
        default={"small": "least(width, height) < 64", "nsfw": "nsfw_score >= 0.8"},
        description="Rule name to an SQL expression that is true for images to reject; the first that matches counts",
    )
    duplicates: DuplicatesSection = Field(default=DuplicatesSection(), description="Which copies are removed")
    allow: str | None = Field(
        default=None,
        description="File of image ids, one a line (or a Parquet with `image_id`); no rule rejects these, and of "
        "duplicates they stay",
    )
    deny: str | None = Field(
        default=None, description="File of image ids in the same form; these are rejected, even if `allow` names them"
    )
    known_bad: KnownBadSection = Field(default=KnownBadSection(), description="Known images that are never kept")
    protect: list[str] = Field(
        default_factory=list,
        description="Evaluation sets that must not leak, each `PATH` or `NAME=PATH`: tars, Parquet files, "
        "folders, data sets, scored runs, patterns; an image that shows one of theirs, by the kinds of `duplicates`, "
        "is rejected",
    )
    against: list[str] = Field(
        default_factory=list,
        description="Run directories of earlier runs, each `RUN` or `NAME=RUN`; an image that repeats one kept there "
        "is a duplicate",
    )
    sample: SampleSection | None = Field(default=None, description="A seeded subset of what is left")
    split: SplitSection | None = Field(default=None, description="Named shares to divide the kept images into")
    shuffle: int | None = Field(
        default=None, strict=True, description="Seed; export in an order drawn with it, instead of source order"
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="What one image may cost")
    decode: DecodeSection = Field(default=DecodeSection(), description="How pixels are made of bytes")
    inference: InferenceSection = Field(default=InferenceSection(), description="How models are computed")
    export: ExportSection = Field(default=ExportSection(), description="How the kept samples are written")
    storage: StorageSection = Field(
        default=StorageSection(),
        exclude=True,  # it is about the machine that reads the recipe, and is written down nowhere
        description="How places elsewhere are reached; secrets are given by the environment",
    )

    @field_validator("known_bad", mode="before")
    @classmethod
    def _taken_back(cls, given: Any) -> Any:
        # an empty value takes it back, as it does for `sample`, `split`, `allow` and `deny`
        return KnownBadSection() if given is None else given

    @field_validator("protect", "against", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        if given is None:
            return []
        if isinstance(given, str):
            return [given]
        return given

    _places: Mapping[KeyPath, str] = PrivateAttr(default_factory=dict)
    _where: str = PrivateAttr(default="")

    def found_at(self, places: Mapping[KeyPath, str], where: str) -> Self:
        """This recipe, knowing where its keys were written, for errors that are found later."""
        self._places, self._where = places, where
        return self

    def place(self, *path: str | int) -> str:
        """Where a key stands (`recipe.yaml, line 7`); the recipe's name where that is not known."""
        return self._places.get(path, self._where)

    def with_rule(self, name: str, expression: str, where: str) -> Self:
        """This recipe with one rule set: in the place of the one of that name, or behind the others."""
        changed = self.model_copy(update={"rules": {**self.rules, name: expression}})
        return changed.found_at({**self._places, ("rules", name): where}, self._where)

    def score_entries(self, installed: list[str]) -> list[tuple[str, dict[str, Any]]]:
        """(name, parameters) of every score to compute, in order; `all` means those installed."""
        entries = list(installed) if self.scores == "all" else self.scores
        pairs: list[tuple[str, dict[str, Any]]] = []
        for entry in entries:
            pairs += [(entry, {})] if isinstance(entry, str) else [(name, dict(given)) for name, given in entry.items()]
        return [(name, {**given, **self._model_of(name)}) for name, given in pairs]

    def with_needed_scores(self) -> Self:
        """This recipe with the scores that its duplicates are found by, unless it lists scores of its own."""
        default: list[ScoreEntry] = Recipe.model_fields["scores"].get_default()
        if self.scores == "all" or self.scores[: len(default)] != default:
            return self
        missing = [name for name in self.duplicates.scores if name not in self.scores]
        return self.model_copy(update={"scores": [*self.scores, *missing]}) if missing else self

    def _model_of(self, name: str) -> dict[str, str]:
        return {"model": self.models[name]} if name in self.models else {}
