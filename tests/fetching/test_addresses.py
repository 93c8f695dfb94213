"""Which addresses are connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.fetching.addresses import parse_address, refusal
from nemo_curator.fetching.resolving import ask_system

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]
REFUSED = [
    *("0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0"),
    *("fec0::1", "ff02::1", "4000::1"),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_connected_to(text):
    """What everybody can reach is no secret of this network."""
    assert refusal(ipaddress.ip_address(text)) == ""


@pytest.mark.parametrize("text", REFUSED)
def test_special_addresses_are_refused(text):
    """Whatever leads into this machine or its networks is refused, in every form."""
    assert refusal(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_what_python_calls_private_is_refused(address):
    """Our table allows nothing that Python's own judgement does not."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local:
        assert refusal(address)


@given(st.ip_addresses(v=4))
def test_no_form_of_ipv6_is_a_way_around(address):
    """An IPv4 address is refused in each of its forms of IPv6, public or not."""
    number = int(address)
    forms = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ]
    assert all(refusal(form) for form in forms)


@given(st.ip_addresses(), st.integers(8, 32))
def test_a_network_of_the_user_is_allowed_and_no_other(address, length):
    """What is allowed is the network that was named; its neighbour is judged as ever."""
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    assert refusal(address, [network]) == ""
    size = network.num_addresses
    beside = int(network.network_address) ^ size
    other = type(address)(beside)
    assert refusal(other, [network]) == refusal(other)


def test_an_allowed_network_of_ipv4_allows_no_form_of_ipv6():
    """Who allows 127.0.0.0/8 did not allow ::ffff:127.0.0.1."""
    allowed = [ipaddress.ip_network("127.0.0.0/8")]
    assert refusal(ipaddress.ip_address("127.0.0.1"), allowed) == ""
    assert refusal(ipaddress.ip_address("::ffff:127.0.0.1"), allowed)


def test_this_machine_by_name_is_refused():
    """What the system resolves localhost to is refused, all of it."""
    found = [parse_address(text) for text in ask_system("localhost")]
    assert found
    assert all(one is not None and refusal(one) for one in found)
