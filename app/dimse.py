"""The DIMSE listener (PS3.7): receives instances by C-STORE and answers C-ECHO, for the listed peers only.

    CRUCIATE_DIMSE_PEERS=SCANNER@192.0.2.7,ARCHIVE@192.0.2.8 python -m app.dimse

It is a separate process with the service's database and folder. The service predicts on what the listener stores.
"""

import logging
import os
import signal
import sys
import tempfile
import threading

from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import EVT_C_STORE, EVT_REQUESTED, Event, EventHandlerType
from pynetdicom.presentation import AllStoragePresentationContexts
from sqlalchemy.exc import SQLAlchemyError

from app.contract.log_text import Formatter, log_thread
from app.service.condition import Condition
from app.service.settings import DimseSettings, Settings, SettingsError
from app.service.starting import StartError, check_free, check_store, sentence
from app.store.instance_file import Failure
from app.store.instances import Instances
from app.store.opening import UMASK, StoreError, open_database
from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.dicom.transfer_syntax import TAKEN

LOG = logging.getLogger("app.dimse")  # the same name if this runs as __main__
# Instances are written to the disk while they arrive, not to memory. Their content isn't logged.
_config.STORE_RECV_CHUNKED_DATASET = True
_config.LOG_REQUEST_IDENTIFIERS = False

VERIFICATION = "1.2.840.10008.1.1"  # the SOP class of C-ECHO (PS3.4 A.4)
SUCCESS = 0x0000
# C-STORE's statuses that differ from STOW-RS's failure reasons (PS3.7 annex C).
STATUSES = {Failure.DUPLICATE: 0x0111, Failure.OTHER_STUDY: 0x0117, Failure.TRANSFER_SYNTAX: 0xC122}
# A-ASSOCIATE-RJ (PS3.8 9.3.4): rejected permanently, by the service user, calling AE title not recognised.
REJECTED = (0x01, 0x01, 0x03)
# Seconds. A peer that sends nothing for this long is disconnected.
SILENCE_S = 60
# Seconds in which a peer must ask for an association after it has connected.
OPENING_S = 10
ASSOCIATIONS = 8


class Listener:
    """Listens for associations until it is closed.

    Attributes:
        port: The port that it listens on.
    """

    def __init__(self, settings: DimseSettings, instances: Instances, condition: Condition) -> None:
        self._settings, self._instances, self._condition = settings, instances, condition
        entity = ApplicationEntity(settings.title)
        entity.require_called_aet = True
        entity.maximum_associations = ASSOCIATIONS
        entity.dimse_timeout = entity.network_timeout = SILENCE_S
        entity.acse_timeout = OPENING_S
        entity.add_supported_context(VERIFICATION)
        # Instances that aren't MR are stored too, but not predicted on: some senders stop when one instance is refused.
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), sorted(TAKEN))
        handlers: list[EventHandlerType] = [(EVT_REQUESTED, self._admit), (EVT_C_STORE, self._store)]
        server = entity.start_server((settings.host, settings.port), block=False, evt_handlers=handlers)
        assert server is not None  # pynetdicom returns None only for a server that blocks
        # Before a connection gets a thread and counts as an association.
        addresses = {address for _, address in settings.peers}
        server.verify_request = lambda _, client: client[0] in addresses  # type: ignore[assignment,method-assign]
        self._server = server
        self.port: int = server.server_address[1]

    def close(self) -> None:
        """End the current associations and stop listening."""
        self._server.shutdown()

    def _admit(self, event: Event) -> None:
        peer = event.assoc.requestor
        title = peer.primitive.calling_ae_title.strip() if peer.primitive else ""
        if (title, peer.address) not in self._settings.peers:
            LOG.warning("an association from %s was refused: its title and address aren't on the list", peer.address)
            event.assoc.acse.send_reject(*REJECTED)
            event.assoc.kill()  # only after the rejection was sent

    def _store(self, event: Event) -> int:
        if fault := self._condition.fault():
            LOG.error("an instance couldn't be stored: %s", fault)
            return Failure.RESOURCES
        path = event.dataset_path
        try:
            (receipt,) = self._instances.receive([("instance", path.open("rb"))])
        except Exception as error:
            LOG.error("an instance couldn't be stored: %s", type(error).__name__)  # its message may quote a header
            return Failure.RESOURCES
        if receipt.reason is None:
            return SUCCESS
        LOG.warning("an instance was refused: %s", receipt.text)
        return STATUSES.get(receipt.reason, receipt.reason)


def main() -> int:
    """Listen until SIGTERM or SIGINT. Returns exit status 2, after a sentence, for a bad setting, a store that can't be
    used, or a port in use.
    """
    _log()
    ignore_pydicom_warnings()
    os.umask(UMASK)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        dimse, settings = DimseSettings.from_environment(os.environ), Settings.from_environment(os.environ)
        check_free([(dimse.host, dimse.port)])
        check_store(settings)
        database = open_database(settings.database, settings.data)
        instances = Instances(settings.data / "instances", database)
        # pynetdicom writes incoming instances here. If this process is killed, another one deletes them at its start.
        tempfile.tempdir = str(instances.incoming)
        condition = Condition(database, (settings.data, instances.incoming), settings.reserve_mb)
        listener = Listener(dimse, instances, condition)
        LOG.info("%s listens on %s, port %d", dimse.title, dimse.host, listener.port)
        over.wait()
        listener.close()
    except (SettingsError, StartError, StoreError, SQLAlchemyError, OSError) as error:
        print(f"The DIMSE listener can't start: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _log() -> None:
    """Log what Cruciate says. Libraries quote what peers send, so they may not log."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    handler.addFilter(logging.Filter("app"))
    logging.basicConfig(handlers=[handler], level=logging.CRITICAL)
    logging.getLogger("app").setLevel(logging.INFO)
    threading.excepthook = log_thread


if __name__ == "__main__":
    sys.exit(main())
