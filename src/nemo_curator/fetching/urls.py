"""A URL as it is asked for: one spelling for one thing, and nothing that could be read in two ways."""

from __future__ import annotations

import importlib
import ipaddress
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from nemo_curator.fetching.statuses import Trouble

LONGEST = 8192
"""Characters of a URL; servers take no longer ones."""

_SCHEMES = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_SAFE = "/%:@!$&'()*+,;=~|-._[]"
_QUERY_SAFE = f"{_PATH_SAFE}?"
# what browsers refuse: a request to such a port may be read as words of another protocol (WHATWG Fetch, bad ports)
_BAD_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109),
        *(110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530),
        *(531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045),
        *(4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211),
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its normal form.

    Attributes:
        scheme: `http` or `https`.
        host: Lower case, ASCII; an IPv6 address without its brackets.
        port: 1 to 65535.
        path: Path and query, as they are sent; begins with a slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, without the usual port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == _SCHEMES[self.scheme] else f':{self.port}'}"

    @property
    def text(self) -> str:
        """The whole URL; two URLs of one text are the same thing."""
        return f"{self.origin}{self.path}"


def parse_url(text: str) -> Target:
    """A URL in its normal form.

    Scheme and host in lower case, host in ASCII (IDNA), the usual port left out, dots in the path resolved, what is no
    URL character encoded, the fragment dropped. Parsing the text of what is returned gives the same again.

    Args:
        text: As a stranger wrote it; white space around it has no meaning.

    Raises:
        Trouble: `bad_url`, `bad_scheme` or `bad_port`, with the reason.
    """
    text = text.strip(" \t\r\n\f")
    if len(text) > LONGEST:
        raise Trouble("bad_url", f"it has more than {LONGEST:,} characters")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise Trouble("bad_url", "it holds control characters, or what is no text")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Trouble("bad_url", "its host or port cannot be read") from None
    if not parts.scheme:
        raise Trouble("bad_url", "it does not begin with http:// or https://")
    if parts.scheme not in _SCHEMES:
        raise Trouble("bad_scheme", f"{parts.scheme[:20]}: is neither http nor https")
    if "@" in parts.netloc:
        raise Trouble("bad_url", "it holds a user name or password, which are not sent")
    host = _host(parts.hostname or "", in_brackets=parts.netloc.startswith("["))
    port = _SCHEMES[parts.scheme] if port is None else port
    if not 0 < port < 65536:
        raise Trouble("bad_url", f"there is no port {port}")
    if port in _BAD_PORTS:
        raise Trouble("bad_port", f"port {port} belongs to another service than the web")
    path = _without_dots(quote(parts.path, safe=_PATH_SAFE))
    query = f"?{quote(parts.query, safe=_QUERY_SAFE)}" if parts.query else ""
    target = Target(parts.scheme, host, port, path + query)
    if len(target.text) > LONGEST:
        raise Trouble("bad_url", f"it has more than {LONGEST:,} characters when it is encoded")
    return target


def follow(target: Target, location: str) -> Target:
    """Where a redirect leads.

    Args:
        target: What was asked for.
        location: The `Location` header.

    Raises:
        Trouble: As `parse_url`.
    """
    try:
        joined = urljoin(target.text, location.strip(" \t\r\n\f"))
    except ValueError:
        raise Trouble("bad_url", "it redirects to something that is no URL") from None
    try:
        return parse_url(joined)
    except Trouble as trouble:
        raise Trouble(trouble.status, f"it redirects to a URL that is not asked: {trouble.reason}") from None


def _host(host: str, *, in_brackets: bool) -> str:
    """A host in its normal form."""
    if in_brackets:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise Trouble("bad_url", "its host is no address of IPv6") from None
        if address.scope_id:
            raise Trouble("bad_url", "its address is one of this machine's own links")
        return address.compressed
    if not host.isascii():
        idna = importlib.import_module("idna")  # only where a name asks for it
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise Trouble("bad_url", "its host is no name of the internet") from None
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise Trouble("bad_url", "its host is no name of the internet" if host else "it has no host")
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):  # 127.1 or 0x7f000001: an address to some, a name to others
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise Trouble("bad_url", "its host is a number that is no usual address of IPv4") from None
    return host


def _without_dots(path: str) -> str:
    """A path without `.` and `..`; empty parts stay, because servers tell them apart."""
    if not path.startswith("/"):
        path = f"/{path}"
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")[1:]
    for at, part in enumerate(parts):
        last = at + 1 == len(parts)
        if part == "..":
            kept = kept[:-1]
        if part in {".", ".."}:
            kept += [""] if last else []
        else:
            kept.append(part)
    return posixpath.sep + "/".join(kept)
