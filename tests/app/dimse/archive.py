"""A listener in this process, on studies that it holds from the beginning."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from app.dimse.listener import Listener
from app.service.condition import Condition
from app.service.dimse_settings import DimseSettings
from app.service.settings import Settings
from app.store.database import Database
from app.store.instances import Instances
from app.store.opening import open_database
from tests.app.partners import free_port, run

READER, SENDER, DESTINATION = "READER", "SENDER", "DESTINATION"


@dataclass
class Archive:
    """What a test knows of it.

    Attributes:
        data: Its data folder.
        port: Where it listens.
        destination: The port to which C-MOVE may send.
        scratch: A folder for what clients write.
    """

    data: Path
    port: int
    destination: int
    scratch: Path
    database: Database
    instances: Instances
    listener: Listener

    def find(self, level: str, *keys: str, model: str = "-S", title: str = READER) -> list[Dataset]:
        """What findscu finds."""
        folder = self.scratch / f"found-{len(list(self.scratch.iterdir()))}"
        folder.mkdir()
        asked = [part for key in (f"QueryRetrieveLevel={level}", *keys) for part in ("-k", key)]
        done = run("findscu", self.port, title, model, "-X", "-od", folder, *asked)
        assert done.returncode == 0, done.stderr
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.iterdir())]

    def associations(self) -> int:
        """How many associations there are."""
        return len(self.listener._server.active_associations)

    def left(self) -> list[Path]:
        """Unfinished files."""
        incoming = (self.data / "instances" / ".incoming").rglob("*")
        return [path for path in incoming if path.is_file() and path.name != ".lock"]


@contextmanager
def holding(scratch: Path, files: Sequence[bytes], secure: bool = False, **variables: str) -> Iterator[Archive]:
    """Start a listener on these instances, and close it when the block ends."""
    data, destination = scratch / "var", free_port()
    ours = {
        "CRUCIATE_DIMSE_PEERS": f"{READER}@127.0.0.1, {SENDER}@127.0.0.1",
        "CRUCIATE_DIMSE_READERS": READER,
        "CRUCIATE_DIMSE_DESTINATIONS": f"dicom{'s' if secure else ''}://{DESTINATION}@127.0.0.1:{destination}",
        "CRUCIATE_DIMSE_PORT": "0",
        "CRUCIATE_DATA": str(data),
        "CRUCIATE_RESERVE_MB": "0",
    }
    environment = ours | variables
    dimse, settings = DimseSettings.from_environment(environment), Settings.from_environment(environment)
    database = open_database("", data)
    instances = Instances(data / "instances", database, settings.deidentifier)
    if files:
        assert all(receipt.reason is None for receipt in instances.receive([("", file) for file in files]))
    condition = Condition(database, (data, instances.incoming), settings.reserve_mb)
    listener = Listener(dimse, settings, database, instances, condition)
    clients = scratch / "clients"
    clients.mkdir()
    try:
        yield Archive(data, listener.port, destination, clients, database, instances, listener)
    finally:
        listener.close()
        database.close()
