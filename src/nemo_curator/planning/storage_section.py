"""The recipe's `storage`: how places elsewhere are reached. It is about where you are, and changes no result.

Nothing of it is written into a run or a data set, and no secret may stand in it: clients find credentials in the
environment and in files of their own, which nobody is shown.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nemo_curator.redaction import holds_secret

_SECRET = re.compile(
    r"key|secret|token|passw|credential|cookie|authori[sz]|^auth$|header|signature|^sig$|^pass$", re.IGNORECASE
)
_INSTEAD = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile that `profile` or AWS_PROFILE names",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
    "hf": "HF_TOKEN, or `hf auth login`",
    "http": "a file ~/.netrc",
}
_ADDRESS = r"https?://[^\s/?#]+[^\s?#]*"


class _Kind(BaseModel):
    """Options of one kind of storage.

    Attributes:
        retries: Further tries of a request that failed for a while.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    retries: int | None = Field(
        default=None, strict=True, ge=0, le=30, description="Further tries of a request that fails for a while; 8"
    )


class S3Section(_Kind):
    """S3, and what speaks like it."""

    endpoint_url: str | None = Field(
        default=None, pattern=_ADDRESS, description="Address of a store that is not Amazon's; else AWS_ENDPOINT_URL"
    )
    region: str | None = Field(default=None, min_length=1, description="Region; else AWS_DEFAULT_REGION")
    profile: str | None = Field(
        default=None, min_length=1, description="Profile of ~/.aws/config to take credentials from; else AWS_PROFILE"
    )
    anon: bool = Field(default=False, strict=True, description="Ask without credentials, as public buckets permit")
    requester_pays: bool = Field(default=False, strict=True, description="Pay for what is read")
    addressing: Literal["auto", "path", "virtual"] | None = Field(
        default=None,
        description="Whether the bucket stands in the `path` of an address, or before its host (`virtual`)",
    )
    connect_timeout: float | None = Field(
        default=None, gt=0, le=3600, description="Seconds to wait for a connection; 5"
    )
    read_timeout: float | None = Field(default=None, gt=0, le=3600, description="Seconds to wait for an answer; 60")


class GsSection(_Kind):
    """Google Cloud Storage."""

    endpoint_url: str | None = Field(default=None, pattern=_ADDRESS, description="Address of another store like it")
    project: str | None = Field(default=None, min_length=1, description="Project that is billed")
    anon: bool = Field(default=False, strict=True, description="Ask without credentials, as public buckets permit")
    requester_pays: bool = Field(default=False, strict=True, description="Pay for what is read")


class HfSection(_Kind):
    """Hugging Face."""

    endpoint: str | None = Field(default=None, pattern=_ADDRESS, description="Address of another hub; else HF_ENDPOINT")


class HttpSection(_Kind):
    """Web servers."""

    trust_env: bool = Field(
        default=False, strict=True, description="Heed HTTP_PROXY, HTTPS_PROXY, NO_PROXY and ~/.netrc"
    )


class StorageSection(BaseModel):
    """Options of storage elsewhere, by its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    s3: S3Section = Field(default=S3Section(), description="S3, and stores that speak like it (`s3://`)")
    gs: GsSection = Field(default=GsSection(), description="Google Cloud Storage (`gs://`)")
    hf: HfSection = Field(default=HfSection(), description="Hugging Face (`hf://`)")
    http: HttpSection = Field(default=HttpSection(), description="Web servers (`https://`, `http://`), read only")

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, given: Any) -> Any:
        """A recipe is shown, shared and committed: what must stay secret is refused before anybody writes it down."""
        for kind, said in given.items() if isinstance(given, dict) else ():
            for name, value in said.items() if isinstance(said, dict) else ():
                if _SECRET.search(str(name)) or (isinstance(value, str) and holds_secret(value)):
                    where = _INSTEAD.get(str(kind), "the environment variables that its client reads")
                    raise ValueError(
                        f"`{kind}.{name}` is a secret, or may hold one, and a recipe is no place for it: give it by "
                        f"the environment ({where})"
                    )
        return given

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """What is said, by kind of storage: what is left out is left to its client."""
        said = self.model_dump(exclude_defaults=True)
        return {kind: dict(options) for kind, options in said.items()}
