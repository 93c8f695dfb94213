"""What is known of each kind of storage elsewhere: what it needs, what it can do, how a recipe's options reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

S3, GS, HF, HTTP = "s3", "gs", "hf", "http"

_ONE_PUT = 5 * 2**30 - 1  # bytes; beyond, S3 takes parts alone, and makes an object of them at once as well


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of storage.

    Attributes:
        name: Its section in a recipe's `storage`; "" for a kind that has none.
        extra: Extra of this distribution that installs its client; "" where there is none.
        is_read_only: Whether nothing can be written there.
        gives_ends: Whether its client asks for the end of a file without asking for its length first.
        always: What its client is always told.
        putting: What its client is told with every file that is written.
        credentials: Where its client looks for credentials, as a sentence says it.
        public: What makes it ask without credentials, as a recipe says it.
    """

    name: str = ""
    extra: str = ""
    is_read_only: bool = False
    gives_ends: bool = True
    always: Mapping[str, Any] = field(default_factory=dict)
    putting: Mapping[str, Any] = field(default_factory=dict)
    credentials: str = "the environment variables and files that its client reads"
    public: str = ""


_FRESH = {"use_listings_cache": False}  # others write there too, and what they wrote must be seen

_S3 = Kind(
    S3,
    "s3",
    always=_FRESH,
    putting={"chunksize": _ONE_PUT},
    credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    public="`storage: {s3: {anon: true}}`",
)
_GS = Kind(
    GS,
    "gcs",
    always=_FRESH,
    credentials="GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`",
    public="`storage: {gs: {anon: true}}`",
)
_HF = Kind(HF, "hub", always=_FRESH, credentials="HF_TOKEN, or `hf auth login`")
_HTTP = Kind(HTTP, "http", is_read_only=True, credentials="~/.netrc, which it reads where `trust_env` is set")

_AZURE = Kind(gives_ends=False)

_KINDS = {"s3": _S3, "s3a": _S3, "gs": _GS, "gcs": _GS, "hf": _HF, "http": _HTTP, "https": _HTTP}
_KINDS |= dict.fromkeys(("az", "abfs", "abfss", "adl"), _AZURE)
_OTHER = Kind()


def protocol_of(url: str) -> str:
    """What stands before the `://` of a URL; of a file inside another one, that of the outer one."""
    return url.partition("://")[0].rpartition("::")[2].lower()


def kind_of(url: str) -> Kind:
    """What is known of the storage behind a URL."""
    return _KINDS.get(protocol_of(url), _OTHER)


def client_options(kind: Kind, said: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a recipe as the constructor of a client takes them.

    Args:
        kind: The kind of storage.
        said: Option to value, as a recipe's section of that kind has it, without those that it leaves out.
    """
    given = {name: value for name, value in said.items() if name != "retries"}
    if kind.name == S3:
        return {**kind.always, **_s3(given)}
    if kind.name == GS and given.pop("anon", False):
        given["token"] = "anon"  # noqa: S105  (what gcsfs calls it; no secret)
    return {**kind.always, **given}


def _s3(given: dict[str, Any]) -> dict[str, Any]:
    # who tries again is `retrying`, and nobody else: three that each try five times would try for minutes
    config: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "read_timeout": 60}
    config |= {name: given.pop(name) for name in ("connect_timeout", "read_timeout") if name in given}
    if "addressing" in given:
        config["s3"] = {"addressing_style": given.pop("addressing")}
    options: dict[str, Any] = {"config_kwargs": config}
    if "region" in given:
        options["client_kwargs"] = {"region_name": given.pop("region")}
    return {**given, **options}
