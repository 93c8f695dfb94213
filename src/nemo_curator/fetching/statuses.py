"""What became of a URL, in one word each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """One way in which a URL can be answered.

    Attributes:
        word: What stands in the status table.
        meaning: In a sentence.
        at_once: Whether the same fetch tries again.
        later: Whether a later fetch may have another answer, so that `--retry-failed` asks again.
    """

    word: str
    meaning: str
    at_once: bool = False
    later: bool = True


_ALL = (
    Status("ok", "The image is in the shard.", later=False),
    Status("no_url", "The row has no URL.", later=False),
    Status("bad_row", "The line of the list cannot be read.", later=False),
    Status("bad_url", "It is no URL that can be asked, or it holds a user name or password.", later=False),
    Status("bad_scheme", "It is neither http nor https, or it redirects to what is neither."),
    Status("bad_port", "Its port belongs to another service than the web."),
    Status("private_address", "Its host, or that of a redirect, has no public address."),
    Status("dns_failed", "The name of its host has no address.", at_once=True),
    Status("connect_failed", "No connection could be made.", at_once=True),
    Status("tls_error", "The encrypted connection failed: a certificate that is not valid, or no TLS at all."),
    Status("timeout", "The server was silent for longer than `--timeout`.", at_once=True),
    Status("too_slow", "The whole answer took longer than `--total-time`."),
    Status("connection_lost", "The connection broke before the answer was whole.", at_once=True),
    Status("bad_response", "The answer is no valid HTTP."),
    Status("not_found", "The server says 404 or 410: it is not, or no longer, there."),
    Status("forbidden", "The server says 401, 402, 403, 407 or 451: it is not for us."),
    Status("too_many_requests", "The server says 429: it was asked too often.", at_once=True),
    Status("server_error", "The server says 5xx: it failed.", at_once=True),
    Status("http_error", "The server answers with any other status than 200."),
    Status("too_many_redirects", "It redirects more often than `--redirects` allows."),
    Status("redirect_loop", "It redirects to where it came from."),
    Status("robots_disallowed", "The site's robots.txt disallows it."),
    Status("robots_unreachable", "The site's robots.txt cannot be had, which counts as a no.", at_once=True),
    Status("opted_out", "A header of the answer says that it may not be used so (`X-Robots-Tag`, `TDM-Reservation`)."),
    Status("too_large", "It has more bytes than `--max-bytes` allows."),
    Status("empty", "The answer has no bytes."),
    Status("encoded", "The answer is compressed, though that was not asked for; it is not unpacked."),
    Status("not_an_image", "The bytes are of no image format that is recognised."),
)

STATUSES: dict[str, Status] = {one.word: one for one in _ALL}
"""Word to status, in the order of the reference."""

OK = "ok"
"""The word of an image that was fetched."""


class Trouble(Exception):  # noqa: N818  it ends one try, and is told as a status
    """Why one try gave no image.

    Args:
        status: A word of `STATUSES`.
        reason: A sentence, the same each time: no clock, no address of this machine.
        http_status: What the server said, if anything.
        wait: Seconds after which the server may be asked again, if it said so.
        at_once: Whether the same fetch tries again; as the status has it by default.
    """

    def __init__(
        self,
        status: str,
        reason: str,
        *,
        http_status: int | None = None,
        wait: float | None = None,
        at_once: bool | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.http_status, self.wait = status, reason, http_status, wait
        self.at_once = STATUSES[status].at_once if at_once is None else at_once
        self.final_url, self.redirects, self.content_type, self.robots_tag = "", 0, "", ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one URL.

    Attributes:
        status: A word of `STATUSES`.
        reason: A sentence where it is not `ok`.
        http_status: What the server said last.
        final_url: Where the redirects led, secrets of its query taken out; "" where there were none.
        redirects: How many there were.
        content_type: What the server says that it is; never trusted.
        robots_tag: The `X-Robots-Tag` headers of the answer.
        image_format: What the bytes are of.
        size: Bytes of the image.
        sha256: Their hash in hex.
        attempts: How often it was tried.
        at: When the answer was there, seconds since 1970; kept apart from the status table.
        seconds: How long the last try took; kept apart too.
    """

    status: str
    reason: str = ""
    http_status: int | None = None
    final_url: str = ""
    redirects: int = 0
    content_type: str = ""
    robots_tag: str = ""
    image_format: str = ""
    size: int | None = None
    sha256: str = ""
    attempts: int = 0
    at: float = 0.0
    seconds: float = 0.0

    @property
    def facts(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return asdict(self)


def outcome_of(facts: dict[str, Any]) -> Outcome:
    """The outcome that `Outcome.facts` was made of; unknown fields are passed over.

    Args:
        facts: Field to value.
    """
    known = {one.name for one in fields(Outcome)}
    return Outcome(**{name: value for name, value in facts.items() if name in known})
