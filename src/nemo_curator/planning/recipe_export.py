"""How the kept samples are written, as a recipe says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from nemo_curator.codecs.rendition import Encode, Resize
from nemo_curator.kernels.view import Filter
from nemo_curator.planning.section import Section, Size, switched


class ResizeSection(Section):
    """How large images leave; a smaller one is not enlarged, and leaves with its own bytes."""

    longest: int | None = Field(
        default=None, strict=True, ge=1, le=65_535, description="Longer side in pixels; this or `shortest`"
    )
    shortest: int | None = Field(
        default=None, strict=True, ge=1, le=65_535, description="Shorter side in pixels; this or `longest`"
    )
    filter: Filter = Field(
        default="bicubic",
        description="Resampling filter, antialiased: `bicubic`, `lanczos`, `bilinear`, or `box` (the mean of an area)",
    )
    enlarge: bool = Field(default=False, description="Whether smaller images are enlarged to that size")

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.longest is None) == (self.shortest is None):
            raise ValueError("give one of `longest` and `shortest`")
        return self

    def as_resize(self) -> Resize:
        """The size as the encoder takes it."""
        side = self.longest or self.shortest or 0
        return Resize(side, "long" if self.longest else "short", self.filter, self.enlarge)


class EncodeSection(Section):
    """What images are encoded as; one that has the format and the size already leaves with its own bytes."""

    format: Literal["jpeg", "png", "webp", "avif"] | None = Field(
        default=None,
        description="`jpeg`, `png`, `webp` or `avif`; by default an image keeps its format where it is one of these, "
        "and becomes a PNG where it is not",
    )
    quality: int = Field(
        default=90, strict=True, ge=1, le=100, description="Of JPEG, WebP and AVIF; a PNG loses nothing"
    )
    profile: Literal["keep", "srgb"] = Field(
        default="keep",
        description="A colour profile is kept beside the pixels as they are, or (`srgb`) applied to colour pictures",
    )
    always: bool = Field(default=False, description="Encode images anew that have the format and the size already, too")

    def as_encode(self) -> Encode:
        """The encoding as the encoder takes it."""
        return Encode(self.format, self.quality, self.profile, self.always)


class ExportSection(Section):
    """How the kept samples are written."""

    format: Literal["webdataset", "folder", "parquet", "mds"] = Field(
        default="webdataset",
        description="`webdataset`: tars with a Parquet beside each; `folder`: folders of files instead of tars; "
        "`parquet`: one Parquet a shard that holds the bytes too; `mds`: shards of MosaicML Streaming with a Parquet "
        "beside each",
    )
    shard_size: int | None = Field(
        default=1000, gt=0, le=1_000_000, description="Samples a shard holds; the last may hold fewer"
    )
    shard_bytes: Size | None = Field(
        default=None,
        description="Bytes of files a shard holds at most, instead of `shard_size`; a larger sample is alone",
    )

    resize: ResizeSection | None = Field(
        default=None,
        description="How large images leave: `{longest: 512}` or `{shortest: 256}`; as they came by default",
    )
    encode: Annotated[EncodeSection | None, BeforeValidator(switched)] = Field(
        default=None,
        description="What images are encoded as: `{format: webp, quality: 80}`; as they came by default",
    )

    card: bool = Field(
        default=False,
        description="Write `README.md`, a data card with the funnel, and `croissant.json` beside the data set",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_limit(cls, given: Any) -> Any:
        """A limit in bytes takes the place of the default number of samples."""
        if not isinstance(given, dict) or given.get("shard_bytes") is None:
            return given
        if given.get("shard_size") is not None:
            raise ValueError("give one of `shard_size` and `shard_bytes`")
        return {**given, "shard_size": None}

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.shard_size is None and self.shard_bytes is None:
            raise ValueError("give one of `shard_size` and `shard_bytes`")
        return self

    @model_validator(mode="after")
    def _some_change(self) -> Self:
        encode = self.encode
        if encode is not None and self.resize is None and not (encode.format or encode.always):
            raise ValueError(
                "`encode` changes nothing so; give it a `format`, or `always: true`, or `resize` beside it"
            )
        return self
