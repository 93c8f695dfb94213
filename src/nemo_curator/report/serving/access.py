"""Who may ask: a browser on this machine that was given the token, on a page of ours. Decisions on headers alone.

What each check is against:

- *a host name that is not ours*: a page on the internet whose name is made to mean 127.0.0.1 (DNS rebinding);
- *another site*: a page, also one of another program on this machine, that embeds or links what is served here;
- *no token*: any other user or program of this machine;
- *an origin, a content type and a header for changes*: forms and links, which a browser sends with our cookie.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from nemo_curator.report.serving.refusal import RefusedError

HEADER = "X-Imagecurator-Token"
"""Header in which the page's script sends the token with everything that changes something."""

JSON = "application/json"
_HOSTS = ("127.0.0.1", "localhost")  # on any port: it may be forwarded from another machine
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says about itself.

    Attributes:
        method: `GET` or `POST`.
        path: Its path, without the query.
        headers: Its headers, by names in lower case.
        token: What its query calls the token, or "".
        ticket: What its query calls the ticket, or "".
    """

    method: str
    path: str
    headers: Mapping[str, str]
    token: str = ""
    ticket: str = ""

    def header(self, name: str) -> str:
        """A header, or ""."""
        return self.headers.get(name.lower(), "")


class Gate:
    """Knows the token. May be asked by any thread: tickets are guarded by a lock.

    Args:
        name: Part of the cookie's name that tells it from those of other servers: browsers share cookies among ports.

    Attributes:
        token: What whoever asks has to know.
    """

    def __init__(self, name: str) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        self._cookie = f"imagecurator-{name}"
        self._tickets: set[str] = set()
        self._lock = threading.Lock()

    def ticket(self) -> str:
        """A secret that opens the page once: what starts a browser with it is seen by others on this machine."""
        made = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._tickets.add(made)
        return made

    @property
    def cookie(self) -> str:
        """Value of the header by which a browser keeps the token."""
        return f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def check(self, asked: Asked) -> None:
        """Let a request through.

        Raises:
            RefusedError: It is not one of ours.
        """
        if _host(asked.header("Host")) not in _HOSTS:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost alone")
        if asked.method == "POST":
            self._check_change(asked)
        elif not self._knows(asked):
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "open the address that `imagecurator view` printed: it has a token in it"
            )

    def _check_change(self, asked: Asked) -> None:
        if not self._is_token(asked.header(HEADER)):
            raise RefusedError(HTTPStatus.FORBIDDEN, "the token is missing or wrong")
        if asked.header("Origin") != f"http://{asked.header('Host')}":
            raise RefusedError(HTTPStatus.FORBIDDEN, "changes are taken from the page that is served here alone")
        if asked.header("Content-Type").partition(";")[0].strip().lower() != JSON:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a change is sent as JSON")

    def _knows(self, asked: Asked) -> bool:
        if asked.path == "/" and (self._is_token(asked.token) or self._takes(asked.ticket)):
            return True  # whoever leads here, the address says that he may
        if asked.header("Sec-Fetch-Site") not in {"", "none", "same-origin"}:
            return False
        return self._is_token(asked.header(HEADER)) or self._is_token(self._kept(asked.header("Cookie")))

    def _kept(self, header: str) -> str:
        """The token in the cookies of a request, or ""."""
        try:
            found = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _takes(self, ticket: str) -> bool:
        """Whether it is a ticket, which is used up by that."""
        given = ticket.encode("utf-8", "replace")
        with self._lock:
            found = next((one for one in self._tickets if hmac.compare_digest(given, one.encode())), None)
            self._tickets.discard(found or "")
        return found is not None


def _host(header: str) -> str:
    """The name in a `Host` header; "" where it is none."""
    try:
        parts = urlsplit(f"//{header}")
        port = parts.port  # looking at it finds out whether it is one
    except ValueError:
        return ""
    is_plain = parts.username is None and not parts.path and not parts.query
    return (parts.hostname or "") if is_plain and port != 0 else ""
