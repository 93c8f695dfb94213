"""Which addresses may be connected to: public ones, and networks that the user names."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# From the IANA registries of special-purpose addresses. Python's own answers changed between its versions, so that
# these are asked first, and Python's as well.
_SPECIAL: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "an address of this network"),
    ("10.0.0.0/8", "a private address"),
    ("100.64.0.0/10", "an address inside a provider's network"),
    ("127.0.0.0/8", "an address of this machine"),
    ("169.254.0.0/16", "a link-local address"),
    ("172.16.0.0/12", "a private address"),
    ("192.0.0.0/24", "a reserved address"),
    ("192.0.2.0/24", "an address for documentation"),
    ("192.31.196.0/24", "a reserved address"),
    ("192.52.193.0/24", "a reserved address"),
    ("192.88.99.0/24", "a reserved address"),
    ("192.168.0.0/16", "a private address"),
    ("192.175.48.0/24", "a reserved address"),
    ("198.18.0.0/15", "an address for measurements"),
    ("198.51.100.0/24", "an address for documentation"),
    ("203.0.113.0/24", "an address for documentation"),
    ("224.0.0.0/4", "a multicast address"),
    ("240.0.0.0/4", "a reserved address"),
    ("::1/128", "an address of this machine"),
    ("::/128", "no address"),
    ("::ffff:0:0/96", "an IPv4 address in the form of IPv6"),
    ("::/96", "an IPv4 address in the form of IPv6"),
    ("64:ff9b::/96", "an IPv4 address behind a translator"),
    ("64:ff9b:1::/48", "an IPv4 address behind a translator"),
    ("100::/64", "an address that leads nowhere"),
    ("2001::/23", "a reserved address"),
    ("2001:db8::/32", "an address for documentation"),
    ("2002::/16", "an IPv4 address in a tunnel"),
    ("3fff::/20", "an address for documentation"),
    ("5f00::/16", "a reserved address"),
    ("fc00::/7", "a private address"),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a private address"),
    ("ff00::/8", "a multicast address"),
)
_TABLE: tuple[tuple[Network, str], ...] = tuple((ipaddress.ip_network(text), what) for text, what in _SPECIAL)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str:
    """Why an address is not connected to, in a few words; "" where it may be.

    Refused are all special addresses of the IANA registries (loopback, private, link-local, shared, multicast,
    reserved, for documentation), IPv6 outside of what is given out at all, and IPv6 forms that carry an IPv4 address
    (mapped, compatible, 6to4, Teredo, NAT64), which would be a way around the rest.

    Args:
        address: What a name was resolved to.
        allowed: Networks that the user allows all the same. One of IPv4 allows no IPv6 form of its addresses.
    """
    if any(address.version == network.version and address in network for network in allowed):
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return "a link-local address"
    for network, what in _TABLE:
        if address.version == network.version and address in network:
            return what
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return "a reserved address"
    return "" if address.is_global and not address.is_multicast else "a reserved address"


def parse_address(text: str) -> Address | None:
    """The address that a text is; None where it is a name.

    Args:
        text: As a resolver or the host of a URL gives it, without brackets.
    """
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
