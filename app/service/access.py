"""Checks of the settings that say who may send requests. Each raises ValueError; no message shows a key."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from app.service.values import parts

# Characters of a key that an operator chooses. 20 random letters and digits are about 100 bits.
KEY_LENGTH = 20
SECRET_LENGTH = 32
# The name of a header (RFC 9110 5.6.2, without rare signs).
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

Network = IPv4Network | IPv6Network


def own_keys(text: object) -> object:
    """Comma-separated keys, each long enough."""
    if not isinstance(text, str):
        return text
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII, as HTTP headers are.")
    keys = parts(text)
    if any(len(key) < KEY_LENGTH for key in keys):
        raise ValueError(
            f"has a key of fewer than {KEY_LENGTH} characters, which could be guessed. Make one: openssl rand -hex 32"
        )
    return keys


def secret(text: object) -> object:
    """A secret that can't be guessed from what is made of it."""
    if isinstance(text, str) and text and len(text) < SECRET_LENGTH:
        raise ValueError(f"has fewer than {SECRET_LENGTH} characters. Make one: openssl rand -hex 32")
    return text


def networks(text: object) -> object:
    """Comma-separated addresses and networks. All addresses of the world aren't a network of proxies."""
    if not isinstance(text, str):
        return text
    try:
        found = tuple(map(ip_network, parts(text)))
    except ValueError:
        found = ()
    if len(found) < len(parts(text)) or any(network.prefixlen == 0 for network in found):
        raise ValueError("must list addresses or networks, like 127.0.0.1,10.1.0.0/16.")
    return found


def header(name: str) -> str:
    """The name of a header."""
    if name and not HEADER_NAME.fullmatch(name):
        raise ValueError("must be the name of a header, like X-Remote-User.")
    return name
