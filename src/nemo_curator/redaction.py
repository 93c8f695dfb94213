"""What must not be read by others is taken out of a text, here and nowhere else.

Passwords and tokens travel in URLs: before the host (`https://user:token@host/…`), and in the query of a signed one
(`?X-Amz-Signature=…`). Every error of ours passes through `redacted` (`errors.CuratorError`), whatever it was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

_GONE = "…"
# a secret may hold anything but white space; `host:80/a@b` has a port there, and none
_PASSWORD = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)"
    r"(?P<user>[^\s/@?#:\[]*:(?!\d*(?:[/?#\s]|$))(?:(?!://)[^\s@])*(?:@[^\s/@?#]*)*?)@"
    r"(?=[^\s@/]*(?:[/?#\s]|$))",
    re.IGNORECASE,
)
# a name alone is a token to a web server; elsewhere it is a name (`sftp://me@host`, `abfs://container@account`)
_TOKEN = re.compile(r"(?P<scheme>(?:https?|wss?)://)(?P<user>[^\s/@?#:\[]+)@", re.IGNORECASE)
_QUERY = re.compile(
    r"(?P<name>[?&][^\s=&?#;]*(?:token|secret|signature|credential|password|passwd|apikey|api_key|access_?key(?:id)?"
    r"|security|auth|\bsig|\bkey|\bpwd)=)[^\s&#;'\")]+",
    re.IGNORECASE,
)
_LEAST = 4  # characters of a secret: a shorter one stands in any text by chance


def redacted(text: str) -> str:
    """A text with the secrets of its URLs taken out; what is redacted already stays as it is.

    Args:
        text: Any text; what is none stays as it is.
    """
    if not isinstance(text, str):  # a careless stage may tell an error of a `Path`
        return text
    if "://" not in text and "=" not in text:
        return text
    for secret in (_PASSWORD, _TOKEN):
        text = secret.sub(rf"\g<scheme>{_GONE}@", text)
    return _QUERY.sub(rf"\g<name>{_GONE}", text)


def holds_secret(url: str) -> bool:
    """Whether a path or URL holds what must not be written down."""
    return redacted(url) != url


def without(text: str, secrets: Iterable[str]) -> str:
    """A text with secrets taken out that are known word by word, wherever they stand."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _GONE)
    return redacted(text)


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """The passwords and tokens in the URLs of an environment (proxies, mirrors), as written and as sent.

    Args:
        environment: Name of a variable to its value.
    """
    for value in environment.values():
        for user in (found["user"] for one in (_PASSWORD, _TOKEN) for found in one.finditer(value)):
            name, colon, password = user.partition(":")
            for secret in (user, password if colon else name):
                yield from (one for one in {secret, unquote(secret)} if len(one) >= _LEAST)
