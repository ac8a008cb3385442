"""C-MOVE and C-GET: instances are sent to a configured system, or back to the peer (PS3.4 C.4.2, C.4.3)."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.events import EVT_CONN_OPEN, EVT_ESTABLISHED, Event
from werkzeug.exceptions import HTTPException

from app.associations.address import Address
from app.associations.contexts import proposed
from app.associations.opening import bound
from app.associations.tls import client_context
from app.audit import record
from app.dimse import peer
from app.dimse.held import Held
from app.dimse.identifier import UNIQUE, Identifier, Unusable
from app.dimse.sending import Sender, sop_class, syntax
from app.dimse.server import SILENCE_S
from app.service.dimse_settings import DimseSettings
from app.store.database import Instance

LOG = logging.getLogger(__name__)
# The last one: unable to process.
PENDING, CANCELLED, UNABLE = 0xFF00, 0xFE00, 0xC514
UNKNOWN = (None, None)
IMPLICIT = "1.2.840.10008.1.2"
# What pynetdicom takes from a handler: first the destination and the number of sub-operations.
Steps = Iterator[Any]


class Retrieving:
    """Sends what peers ask for.

    Args:
        held: What can be sent.
        dimse: Where it may be sent to, and our AE title.
        data: The data folder. What is sent is written into its audit trail.
    """

    def __init__(self, held: Held, dimse: DimseSettings, data: Path) -> None:
        self._held, self._ours, self._data = held, dimse.ours, data
        self._destinations = {one.title: one for one in dimse.destinations}

    def move(self, event: Event) -> Steps:
        """Send to another system: yield its address, the number of instances, and then each of them."""
        destination = self._destinations.get((event.move_destination or "").strip())
        if destination is None:
            LOG.warning("a C-MOVE was refused: its destination isn't one of CRUCIATE_DIMSE_DESTINATIONS")
            record(self._data, "C-MOVE", "A801H", **peer.who(event))
            yield UNKNOWN
            return
        try:
            rows = self._rows(event)
        except Unusable:
            record(self._data, "C-MOVE", f"{UNABLE:04X}H", **peer.who(event))
            raise  # pynetdicom answers with this status; any other would need an association first
        sender = Sender(self._held, {row.sop_uid: row for row in rows})
        yield destination.host, destination.port, self._options(destination, rows, sender)
        yield len(rows)
        yield from self._steps(event, "C-MOVE", rows, sender, destination.title)

    def get(self, event: Event) -> Steps:
        """Send to the peer itself: yield the number of instances, and then each of them."""
        try:
            rows = self._rows(event)
        except Unusable as error:
            record(self._data, "C-GET", f"{int(error.status.Status):04X}H", **peer.who(event))
            yield 1  # with none, pynetdicom would answer with success
            yield error.status, None
            return
        sender = Sender(self._held, {row.sop_uid: row for row in rows})
        sender.on(event.assoc)
        yield len(rows)
        yield from self._steps(event, "C-GET", rows, sender, None)

    def _rows(self, event: Event) -> list[Instance]:
        """What is asked for, study by study. Raises Unusable."""
        asked = Identifier.read(event)
        wanted = {keyword: asked.uids(keyword) for keyword in UNIQUE.values()}
        if not wanted[UNIQUE[asked.level]]:
            raise Unusable(f"At level {asked.level}, {UNIQUE[asked.level]} is needed.")
        return sorted(self._held.rows(wanted), key=lambda row: row.study_uid)

    def _options(self, destination: Address, rows: list[Instance], sender: Sender) -> dict[str, Any]:
        """How pynetdicom asks the destination for an association."""
        # One of each series: instances that are encoded otherwise are recoded.
        examples = {(row.series_uid, sop_class(row)): row for row in rows}
        secure = (client_context(self._ours.tls), destination.host) if destination.secure else None
        return {
            "contexts": proposed([(sop_class(row), self._syntax(row)) for row in examples.values()]),
            "tls_args": secure,
            "evt_handlers": [
                (EVT_CONN_OPEN, lambda opened: bound(opened.assoc, SILENCE_S)),
                (EVT_ESTABLISHED, lambda opened: sender.on(opened.assoc)),
            ],
        }

    def _syntax(self, row: Instance) -> str:
        """The transfer syntax of an instance; the default one if its file can't be read, which sending will show."""
        with suppress(HTTPException), self._held.open(row) as stream:
            return syntax(stream) or IMPLICIT
        return IMPLICIT

    def _steps(self, event: Event, what: str, rows: list[Instance], sender: Sender, destination: str | None) -> Steps:
        """Each instance in turn, until the peer cancels or leaves."""
        for study, members in groupby(rows, key=lambda row: row.study_uid):
            files, before = list(members), sender.sent
            try:
                with self._held.reading(study):
                    for row in files:
                        if event.is_cancelled:
                            yield CANCELLED, None
                            return
                        reference = Dataset()
                        reference.SOPInstanceUID = row.sop_uid
                        yield PENDING, reference
            finally:
                outcome = f"{sender.sent - before} of {len(files)} sent"
                record(self._data, what, outcome, study=study, subject=destination, **peer.who(event))
