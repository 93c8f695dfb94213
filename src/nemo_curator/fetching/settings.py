"""How a list of URLs is fetched."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from nemo_curator import __version__
from nemo_curator.errors import InputError
from nemo_curator.fetching.addresses import Network
from nemo_curator.fetching.opt_outs import OPT_OUTS

USER_AGENT = f"imagecurator/{__version__} (collects images for data sets; obeys robots.txt)"
"""What servers are told by default: the tool and its version, nothing of this machine."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How a list of URLs is fetched; the defaults are polite.

    Attributes:
        url_column: Column of the URLs; guessed from usual names where it is "".
        caption_column: Column of the captions; guessed likewise, and there need be none.
        shard_size: Rows of the list in a shard.
        connections: Requests under way at a time.
        per_host: Of these, to one host.
        delay: Seconds between the beginnings of two requests to one host, at least.
        timeout: Seconds of silence after which a server is given up.
        total_time: Seconds that one answer may take altogether.
        max_bytes: Bytes that an image may have.
        retries: How often a URL is tried again that failed in a way that may pass.
        back_off: Seconds before the first of these; twice as many before each further one.
        longest_wait: Seconds that a server (`Retry-After`) or a robots.txt (`Crawl-delay`) may ask for; who asks for
            more is not asked again, or not at all.
        redirects: How many are followed.
        user_agent: What servers are told; its first word up to a slash is the name that a robots.txt may address.
        robots: Whether robots.txt is obeyed.
        opt_outs: Directives of `X-Robots-Tag` that are honoured; with none, `TDM-Reservation` is not honoured either.
        memory: Bytes that rows, answers and images may take in memory, beside one image that is larger; a quarter of
            the machine's, and at most 1 GiB, where it is 0. No file of the result depends on it.
        allowed_networks: Networks that are no public ones and may be connected to, as in `10.0.0.0/8`.
    """

    url_column: str = ""
    caption_column: str = ""
    shard_size: int = 1000
    connections: int = 64
    per_host: int = 2
    delay: float = 0.2
    timeout: float = 10.0
    total_time: float = 60.0
    max_bytes: int = 64_000_000
    retries: int = 2
    back_off: float = 1.0
    longest_wait: float = 60.0
    redirects: int = 5
    user_agent: str = USER_AGENT
    robots: bool = True
    opt_outs: tuple[str, ...] = OPT_OUTS
    memory: int = 0
    allowed_networks: tuple[str, ...] = ()
    networks: tuple[Network, ...] = field(init=False, default=(), repr=False)
    """`allowed_networks`, parsed."""

    def __post_init__(self) -> None:
        for name in ("shard_size", "connections", "per_host", "timeout", "total_time", "max_bytes", "longest_wait"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)!r}", act="give a number above 0")
        for name in ("delay", "retries", "back_off", "redirects", "memory"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)!r}", act="give 0 or more")
        if not self.token or not (self.user_agent.isascii() and self.user_agent.isprintable()):
            raise InputError(
                f"{self.user_agent!r} is no name for a crawler",
                act="begin it with a word, as in `mybot/1.0 (+https://…)`",
            )
        object.__setattr__(self, "opt_outs", tuple(one.strip().lower() for one in self.opt_outs))
        try:
            parsed = tuple(ipaddress.ip_network(text) for text in self.allowed_networks)
        except ValueError as error:
            raise InputError("this is no network", cause=str(error), act="write one as 10.0.0.0/8") from None
        object.__setattr__(self, "networks", parsed)

    @property
    def token(self) -> str:
        """Our name as a crawler, lower case."""
        return self.user_agent.split("/", 1)[0].split(" ", 1)[0].lower()
