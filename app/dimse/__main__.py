"""The DIMSE listener.

    CRUCIATE_DIMSE_PEERS=SCANNER@192.0.2.7,ARCHIVE@192.0.2.8 python -m app.dimse

It is a separate process with the service's database and folder. The service predicts on what the listener stores.
"""

import logging
import os
import signal
import sys
import tempfile
import threading

from sqlalchemy.exc import SQLAlchemyError

from app.contract.log_text import Formatter, log_thread
from app.dimse.listener import Listener
from app.service.condition import Condition
from app.service.dimse_settings import DimseSettings
from app.service.environment import SettingsError
from app.service.settings import Settings
from app.service.starting import StartError, check_free, check_store, sentence
from app.store.instances import Instances
from app.store.opening import UMASK, StoreError, open_database
from data_prep.dicom.quiet import ignore_pydicom_warnings

LOG = logging.getLogger("app.dimse")


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
        instances = Instances(settings.data / "instances", database, settings.deidentifier)
        # pynetdicom writes incoming instances here. If this process is killed, another one deletes them at its start.
        tempfile.tempdir = str(instances.incoming)
        condition = Condition(database, (settings.data, instances.incoming), settings.reserve_mb)
        listener = Listener(dimse, settings, database, instances, condition)
        LOG.info("%s listens on %s, port %d", dimse.title, dimse.host, listener.port)
        over.wait()
        listener.close()
        database.close()
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
