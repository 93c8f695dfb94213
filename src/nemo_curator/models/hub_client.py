"""The client of the model hub, made to send nothing but requests for files, and what its failures mean in words."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nemo_curator._optional import require
from nemo_curator.redaction import secrets_of, without

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FAILURES = {  # the first kind that fits; a gated repository is a hidden one to the client, too
    "GatedRepoError": "the hub gives it only to people who agreed to its terms: agree on its page, and set HF_TOKEN",
    "RepositoryNotFoundError": "the hub has no such repository, or shows it only with the right HF_TOKEN",
    "RevisionNotFoundError": "the hub does not have the pinned commit any more",
    "EntryNotFoundError": "the hub does not have the file at the pinned commit",
}
_LONGEST = 200  # characters of a stranger's message


@dataclass(frozen=True, slots=True)
class Offered:
    """What the hub says of a file before it is fetched.

    Attributes:
        size: Bytes; 0 where it does not say.
        tag: Hex SHA-256 of a large file, hex SHA-1 of the Git object of a small one; "" where it is neither.
    """

    size: int
    tag: str

    @property
    def sha256(self) -> str:
        """The SHA-256, where the hub says it."""
        return self.tag if _SHA256.fullmatch(self.tag) else ""


class HubClient:
    """`huggingface_hub`, imported when it is made, with its telemetry off.

    Address, token, cache and proxies are the client's own settings (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE`, …).
    Files come over plain HTTPS: the faster transfer that the client brings (Xet) is a program of its own, whose
    requests nobody here can look into, so it is used only where the user sets `HF_HUB_DISABLE_XET=0`.

    Args:
        progress: Whether the client shows its progress bars.

    Raises:
        MissingExtraError: The client is not installed.
    """

    def __init__(self, *, progress: bool = False) -> None:
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when the client is imported, and by its transfer library
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
        self._hub: Any = require("huggingface_hub", extra="hub", purpose="fetching from the model hub")
        constants: Any = import_module("huggingface_hub.constants")
        constants.HF_HUB_DISABLE_TELEMETRY = True  # somebody may have imported it before
        constants.HF_HUB_DISABLE_XET = os.environ["HF_HUB_DISABLE_XET"].upper() in {"1", "ON", "YES", "TRUE"}
        bars: Any = import_module("huggingface_hub.utils")
        logs: Any = import_module("huggingface_hub.utils.logging")  # which makes the handler that tells of every retry
        for handler in logs.get_logger().handlers:
            handler.addFilter(_discreet)
        (bars.enable_progress_bars if progress else bars.disable_progress_bars)()
        # said with every call, because the client reads them from the environment only once
        self._endpoint = os.environ.get("HF_ENDPOINT") or None
        self._cache = os.environ.get("HF_HUB_CACHE") or None

    def offered(self, repository: str, revision: str, name: str) -> Offered:
        """Ask for a file's length and tag, once; whatever the client raises goes through."""
        url = self._hub.hf_hub_url(repository, name, revision=revision, endpoint=self._endpoint)
        facts = self._hub.get_hf_file_metadata(url)
        return Offered(facts.size or 0, facts.etag or "")

    def cached(self, repository: str, revision: str, name: str, folder: Path) -> Path | None:
        """A copy in `folder` of the file in the client's own cache, None where that does not have it."""
        found = self._hub.try_to_load_from_cache(repository, name, cache_dir=self._cache, revision=revision)
        if not isinstance(found, str):  # the cache may also know that there is no such file
            return None
        with suppress(PermissionError):  # the cache of somebody else
            return Path(shutil.copyfile(found, folder / name))
        return None

    def download(self, repository: str, revision: str, name: str, folder: Path) -> Path:
        """Fetch a file into `folder`; whatever the client raises goes through."""
        path = self._hub.hf_hub_download(
            repository,
            name,
            revision=revision,
            local_dir=folder,
            endpoint=self._endpoint,
            force_download=True,  # whoever wants the cached file takes it; what is in the cache may be damaged
        )
        return Path(path)

    def failure(self, error: Exception) -> str:
        """What an error of the client means, without any secret in it."""
        errors: Any = import_module("huggingface_hub.errors")
        offline, kinds = errors.OfflineModeIsEnabled, {getattr(errors, name): told for name, told in _FAILURES.items()}
        if any(isinstance(one, offline) for one in (error, error.__cause__, error.__context__)):
            return "HF_HUB_OFFLINE forbids asking the hub"
        for kind, told in kinds.items():
            # the client says the same of a file that it did not even ask for
            if isinstance(error, kind) and not isinstance(error, errors.LocalEntryNotFoundError):
                return told
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.HfHubHTTPError) and status:
            return f"the hub answers with status {status}"
        return f"the hub cannot be reached, or broke off, {type(error).__name__}: {self._told(error)}"

    def _told(self, error: Exception) -> str:
        """The first line of a message, cut, and without the user's secrets: a server may echo what it was sent."""
        secrets = list(secrets_of(os.environ))
        with suppress(Exception):  # a token that cannot be read was not sent either
            secrets += filter(None, [self._hub.get_token()])
        return without((str(error).strip() or "no reason given").splitlines()[0], secrets)[:_LONGEST]


def _discreet(record: logging.LogRecord) -> bool:
    """Let a line of the client's log through without secrets: it names the URL that it asks, as the user gave it."""
    record.msg, record.args = without(record.getMessage(), secrets_of(os.environ)), ()
    return True


def of_storage(error: Exception) -> OSError | None:
    """The refusal of the system to write behind an error of the client, None where the cause is another."""
    for one in (error, error.__cause__, error.__context__):
        if isinstance(one, OSError) and one.errno in _STORAGE:
            return one
    return None
