"""Listens for associations: who may open one, and which services it may use."""

import logging
import threading

from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import (
    EVT_C_FIND,
    EVT_C_GET,
    EVT_C_MOVE,
    EVT_C_STORE,
    EVT_N_ACTION,
    EVT_N_CREATE,
    EVT_N_SET,
    EVT_PDU_RECV,
    EVT_PDU_SENT,
    EVT_REQUESTED,
    Event,
    EventHandlerType,
)

from app.audit import record
from app.dimse import contexts, peer
from app.dimse.commitment import Commitment
from app.dimse.finding import Finding
from app.dimse.held import Held
from app.dimse.identifier import stop_if_too_long
from app.dimse.performed_steps import PerformedSteps
from app.dimse.retrieving import Retrieving
from app.dimse.server import OPENING_S, SILENCE_S, Server
from app.dimse.storing import Storing
from app.http.limiting import WRONG_KEYS, Limit
from app.service.condition import Condition
from app.service.dimse_settings import DimseSettings
from app.service.settings import Settings
from app.store.database import Database
from app.store.instances import Instances

LOG = logging.getLogger(__name__)
# Instances are written to the disk while they arrive, and sent from the disk.
_config.STORE_RECV_CHUNKED_DATASET = _config.STORE_SEND_CHUNKED_DATASET = True
# A-ASSOCIATE-RJ (PS3.8 9.3.4): rejected permanently, by the service user, calling AE title not recognised.
REJECTED = (0x01, 0x01, 0x03)
ASSOCIATIONS = 8


class Listener:
    """Listens for associations until it is closed.

    Args:
        dimse: Who may do what, and where it listens.
        settings: The settings of the service beside it.
        database: Lists the instances.
        instances: Where instances are stored.
        condition: Says whether something can be stored.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(
        self,
        dimse: DimseSettings,
        settings: Settings,
        database: Database,
        instances: Instances,
        condition: Condition,
    ) -> None:
        self._dimse, self._data = dimse, settings.data
        self._refused = Limit(WRONG_KEYS)
        held = Held(database, instances)
        retrieving = Retrieving(held, dimse, settings.data)
        steps = PerformedSteps(database, condition, settings.deidentifier, settings.data)
        handlers: list[EventHandlerType] = [
            (EVT_REQUESTED, self._admit),
            (EVT_PDU_RECV, stop_if_too_long),
            (EVT_C_STORE, Storing(instances, condition, settings.data).store),
            (EVT_C_FIND, Finding(held, dimse.title, settings.data).find),
            (EVT_C_MOVE, retrieving.move),
            (EVT_C_GET, retrieving.get),
            (EVT_N_CREATE, steps.create),
            (EVT_N_SET, steps.set),
        ]
        commits = contexts.may_commit(settings)
        if commits:
            commitment = Commitment(held, dimse, settings.data)
            handlers += [(EVT_N_ACTION, commitment.promise), (EVT_PDU_SENT, commitment.report_if_answered)]
        entity = ApplicationEntity(dimse.title)
        entity.require_called_aet = True
        entity.maximum_associations = ASSOCIATIONS
        entity.dimse_timeout = entity.network_timeout = SILENCE_S
        entity.acse_timeout = entity.connection_timeout = OPENING_S
        self._server = Server.of(entity, dimse, contexts.supported(commits), handlers)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="listener", daemon=True).start()

    def close(self) -> None:
        """End the current associations and stop listening."""
        self._server.shutdown()

    def _admit(self, event: Event) -> None:
        """Reject who isn't listed. Who may not read is offered no service that reads."""
        title, address = peer.title(event), event.assoc.requestor.address
        if (title, address) not in self._dimse.peers:
            LOG.warning("an association from %s was refused: its title and address aren't on the list", address)
            if self._refused.count(address):
                record(self._data, "A-ASSOCIATE", "rejected", address=address)
            event.assoc.acse.send_reject(*REJECTED)
            event.assoc.kill()  # only after the rejection was sent
        elif title not in self._dimse.readers:
            ours = event.assoc.acceptor
            ours.supported_contexts = [
                one for one in ours.supported_contexts if one.abstract_syntax not in contexts.READING
            ]
