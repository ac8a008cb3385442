"""Addresses of clients: of the connection, or what a trusted proxy says about it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from flask import Request

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# One client usually has all the addresses of such a network (RFC 6177).
IPV6_CLIENT_BITS = 64


class Proxies:
    """The proxies that the operator trusts (CRUCIATE_TRUSTED_PROXIES)."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks

    def sent(self, request: Request) -> bool:
        """Whether a trusted proxy sent this request."""
        peer = _parsed(request.remote_addr or "")
        return peer is not None and self._trusted(peer)

    def client(self, request: Request) -> str:
        """The client's address; empty for a Unix socket.

        Behind a trusted proxy this is the last address in X-Forwarded-For that isn't a trusted proxy itself. Addresses
        before it came from the client, who can write what it likes. Without a trusted proxy the header isn't read.
        """
        current = _parsed(request.remote_addr or "")
        for entry in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if current is None or not self._trusted(current) or (further := _parsed(entry.strip())) is None:
                break
            current = further
        return str(current) if current else ""

    def _trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def counted_as(address: str) -> str:
    """What an address counts as where requests are limited: an IPv6 address counts as its network."""
    parsed = _parsed(address)
    return str(ip_network((parsed, IPV6_CLIENT_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address


def _parsed(text: str) -> Address | None:
    try:
        parsed = ip_address(text.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
