"""Associations that we request (PS3.8), within limits of time that no peer can stretch."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import EVT_CONN_OPEN, Event, EventHandlerType
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from app.associations.address import Address
from app.associations.tls import Tls, client_context

# pynetdicom logs what peers send.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
# Bytes. We ask for PDUs of 16 KB; a request for an association with many contexts and syntaxes has some 100 KB.
MOST_PDU = 1 << 20
# A-ASSOCIATE-RJ, result (PS3.8 9.3.4): rejected permanently.
PERMANENT = 1


@dataclass(frozen=True)
class Ours:
    """How we present ourselves.

    Attributes:
        title: Our AE title.
        tls: Our certificate, and whom we trust.
    """

    title: str
    tls: Tls = field(default_factory=Tls)


@dataclass(frozen=True)
class Patience:
    """Limits of one association.

    Attributes:
        connect_s: Seconds for the connection, and again for the answer to our request.
        silence_s: Seconds in which the peer takes or sends nothing.
        total_s: Seconds for everything.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    total_s: float = 300.0


class NotOpened(Exception):
    """There is no association. The message says why, without quoting the peer.

    Attributes:
        final: Whether the peer has refused it for good.
    """

    def __init__(self, text: str, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class TooSlow(TimeoutError):
    """The time for everything is over."""


@contextmanager
def association(
    peer: Address,
    ours: Ours,
    contexts: Sequence[PresentationContext],
    patience: Patience,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Association]:
    """Open an association; it is released when the block ends.

    Args:
        peer: Whom to ask.
        ours: Who asks.
        contexts: The presentation contexts to propose.
        patience: Limits of time.
        roles: The roles to propose (PS3.7 D.3.3.4).

    Raises:
        NotOpened: The peer can't be reached, or says no.
        TooSlow: It has taken too long.
        OSError: The host's name is unknown.
        ValueError: The files for TLS can't be used.
    """
    entity = ApplicationEntity(ours.title)
    entity.connection_timeout = entity.acse_timeout = patience.connect_s
    entity.dimse_timeout = entity.network_timeout = patience.silence_s
    secure = (client_context(ours.tls), peer.host) if peer.secure else None
    with _limited(patience) as begin:
        handlers: list[EventHandlerType] = [(EVT_CONN_OPEN, begin)]
        opened = entity.associate(
            *(peer.host, peer.port, list(contexts), peer.title),
            ext_neg=list(roles),
            tls_args=secure,
            evt_handlers=handlers,
        )
        if not opened.is_established:
            raise _not_opened(opened)
        try:
            yield opened
        finally:
            opened.release()


def bound(opened: Association, silence_s: float) -> socket.socket | None:
    """Limit what a peer can do to an association's connection. pynetdicom would wait for ever, for PDUs of any length.

    Args:
        opened: The association; its connection is open.
        silence_s: Seconds in which the peer takes or sends nothing.

    Returns:
        The connection; None if it is closed already.
    """
    transport = opened.dul.socket
    if transport is None or transport.socket is None:
        return None
    transport.socket.settimeout(silence_s)
    receive = transport.recv

    def within_limit(count: int) -> bytearray:
        if count > MOST_PDU:
            raise OSError
        return receive(count)

    transport.recv = within_limit  # type: ignore[method-assign,assignment]
    return transport.socket


def _not_opened(tried: Association) -> NotOpened:
    if tried.is_rejected and tried.acceptor.primitive is not None:
        final = tried.acceptor.primitive.result == PERMANENT
        return NotOpened(f"rejects associations from us, {'for good' if final else 'for now'}", final)
    if tried.acceptor.primitive is not None and tried.acceptor.primitive.result == 0:
        return NotOpened("accepts none of the kinds of objects that we have", final=True)
    return NotOpened("can't be reached, or doesn't speak DICOM as we do (see TLS)")


@contextmanager
def _limited(patience: Patience) -> Iterator[Callable[[Event], None]]:
    """End a connection when its time is over. Gives the handler that learns of the connection. Raises TooSlow then."""
    over, connections = threading.Event(), list[socket.socket]()

    def begin(event: Event) -> None:
        if connection := bound(event.assoc, patience.silence_s):
            connections.append(connection)
        if over.is_set():
            end()

    def end() -> None:
        over.set()
        for connection in connections:
            with suppress(OSError):
                # Not the method of an SSL socket, which would let another thread read without TLS.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(patience.total_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield begin
    except Exception:
        if not over.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()
        for connection in connections:  # pynetdicom doesn't close one that the peer has closed
            connection.close()
    if over.is_set():
        raise TooSlow
