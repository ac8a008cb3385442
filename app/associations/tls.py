"""TLS for associations (PS3.15 annex B), as server and as client; TLS 1.2 at least.

A system that we connect to must show a certificate for the name or address that we have of it, from an authority that
this machine trusts or that the operator's file names. The variable SSL_CERT_FILE names other trusted ones.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext


@dataclass(frozen=True)
class Tls:
    """Files in PEM format.

    Attributes:
        certificate: Our certificate, followed by those that link it to its authority; None: we have none.
        key: Its private key; None: it is in the same file.
        authorities: Certificates of the authorities that peers' certificates must come from; None: peers need none.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None


def server_context(tls: Tls) -> SSLContext | None:
    """For connections from peers; None without TLS. Raises OSError or ValueError for files that can't be used."""
    if tls.certificate is None:
        return None
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key, _no_password)
    if tls.authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.authorities)
    # A session can't be resumed, so no peer waits for what pynetdicom doesn't read.
    context.num_tickets = 0
    return context


def client_context(tls: Tls) -> SSLContext:
    """For connections to others. Raises OSError or ValueError for files that can't be used."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.authorities is not None:
        context.load_verify_locations(tls.authorities)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key, _no_password)
    return context


def _no_password() -> str:
    raise ValueError("the private key is encrypted")
