"""Whose address counts, with and without proxies."""

from ipaddress import ip_network

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from app.http.address import Proxies, counted_as

PROXIES = Proxies((ip_network("127.0.0.1"), ip_network("10.1.0.0/16"), ip_network("fd00::/8")))


def sent(peer: str, forwarded: str | None = None) -> Request:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return Request(EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": peer}).get_environ())


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # not from a proxy: anybody can write this
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # the first came from the client
        ("127.0.0.1", "198.51.100.7, 10.1.2.3", "198.51.100.7"),  # two proxies
        ("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", "nonsense, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_address_of_the_client(peer, forwarded, client):
    assert PROXIES.client(sent(peer, forwarded)) == client


@pytest.mark.parametrize(("peer", "trusted"), [("10.1.255.1", True), ("10.2.0.1", False), ("", False)])
def test_which_peer_is_a_trusted_proxy(peer, trusted):
    assert PROXIES.sent(sent(peer)) == trusted


@pytest.mark.parametrize(
    ("address", "counted"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::2:1", "2001:db8::/64"), ("", "")],
)
def test_one_client_with_many_addresses_counts_once(address, counted):
    assert counted_as(address) == counted
