"""Connections from peers: only from listed addresses, with TLS if the operator wants it, and never awaited for ever."""

import logging
import ssl
from socket import socket
from ssl import SSLContext
from typing import Any, Self

from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import EVT_CONN_OPEN, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import ThreadedAssociationServer

from app.associations.opening import bound
from app.associations.tls import server_context
from app.service.dimse_settings import DimseSettings

LOG = logging.getLogger(__name__)
# Seconds. A peer that sends or takes nothing for this long is disconnected.
SILENCE_S = 60
# Seconds in which a peer must agree on TLS, and again ask for an association.
OPENING_S = 10


class Server(ThreadedAssociationServer):
    """Accepts connections. TLS begins in the connection's own thread, so a slow peer delays no other.

    Args:
        addresses: Whose connections are accepted.
        tls: None without TLS.
    """

    def __init__(self, *arguments: Any, addresses: frozenset[str], tls: SSLContext | None, **options: Any) -> None:
        self._addresses, self._tls = addresses, tls
        super().__init__(*arguments, **options)

    @classmethod
    def of(
        cls,
        entity: ApplicationEntity,
        dimse: DimseSettings,
        contexts: list[PresentationContext],
        handlers: list[EventHandlerType],
    ) -> Self:
        """A server that listens. It serves when somebody calls `serve_forever`."""
        limited: EventHandlerType = (EVT_CONN_OPEN, lambda event: bound(event.assoc, SILENCE_S))
        server = entity.make_server(
            (dimse.host, dimse.port),
            contexts=contexts,
            evt_handlers=[limited, *handlers],
            server_class=cls,
            addresses=frozenset(address for _, address in dimse.peers),
            tls=server_context(dimse.ours.tls),
        )
        assert isinstance(server, cls)  # pynetdicom's annotation is wider
        entity._servers.append(server)  # as its `start_server` does; `shutdown` removes it
        return server

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether an address is listed, before a connection gets a thread and counts as an association."""
        return client_address[0] in self._addresses

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection. One that can't agree on TLS is closed."""
        connection: socket = request
        connection.settimeout(OPENING_S)
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except (OSError, ValueError) as error:
                # The type only: the text may hold a name of a peer's certificate.
                reason = "SSL" if isinstance(error, ssl.SSLError) else type(error).__name__
                LOG.warning("a connection from %s was closed: no agreement on TLS (%s)", client_address[0], reason)
                connection.close()
                return
        super().finish_request(connection, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an unexpected error, without its text."""
        LOG.exception("a connection from %s couldn't be served", client_address[0])
