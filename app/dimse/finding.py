"""C-FIND: which patients, studies, series and instances the service holds (PS3.4 C.4.1)."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode
from pynetdicom.events import Event
from sqlalchemy.exc import SQLAlchemyError

from app.audit import record
from app.contract.json_text import Json
from app.dimse import peer
from app.dimse.held import Held
from app.dimse.identifier import UNIQUE, Identifier, Unusable

LOG = logging.getLogger(__name__)
# Matches are continuing; the second one: not every key that was asked for is supported (PS3.4 C.4.1.1.4).
PENDING, PENDING_WITHOUT_SOME = 0xFF00, 0xFF01
# The last one: unable to process, as pynetdicom answers after an exception.
CANCELLED, SUCCESS, UNABLE = 0xFE00, 0x0000, 0xC311
UNICODE = "ISO_IR 192"


class Finding:
    """Answers searches.

    Args:
        held: What can be found.
        title: Our AE title, from which it can be retrieved.
        data: The data folder. Searches are written into its audit trail.
    """

    def __init__(self, held: Held, title: str, data: Path) -> None:
        self._held, self._title, self._data = held, title, data

    def find(self, event: Event) -> Iterator[tuple[int | Dataset, Dataset | None]]:
        """Yield a status and an identifier for each match."""
        outcome = SUCCESS
        try:
            asked = Identifier.read(event)
            supported = self._held.keys(asked.level)
            complete = not asked.others and asked.keys.keys() <= supported
            keys = {key: asked.keys[key] for key in asked.keys.keys() & supported}
            for found in self._held.search(asked.level, keys):
                if event.is_cancelled:
                    outcome = CANCELLED
                    yield CANCELLED, None
                    return
                yield PENDING if complete else PENDING_WITHOUT_SOME, self._answer(asked, found)
        except SQLAlchemyError as error:
            outcome = UNABLE
            LOG.error("a search failed: %s", type(error).__name__)
            raise
        except Unusable as error:
            outcome = int(error.status.Status)
            yield error.status, None
        finally:
            record(self._data, "C-FIND", f"{outcome:04X}H", **peer.who(event))

    def _answer(self, asked: Identifier, found: Json) -> Dataset:
        """The keys that were asked for, with the values of one match; without a value if there is none."""
        answer = Dataset()
        for keyword in {*asked.keys, UNIQUE[asked.level]} & self._held.keys(asked.level):
            _add(answer, tag_for_keyword(keyword) or 0, found)
        answer.QueryRetrieveLevel, answer.RetrieveAETitle = asked.level, self._title
        if not all(str(element.value).isascii() for element in answer):
            answer.SpecificCharacterSet = UNICODE
        return answer


def _add(answer: Dataset, tag: int, found: Json) -> None:
    """Add an attribute of DICOM JSON. One without a value, or with one that can't be written, is empty."""
    key = f"{tag:08X}"
    with suppress(Exception):  # a sender may have written anything
        one = Dataset.from_json({key: found[key]} if key in found else {})
        one.SpecificCharacterSet = UNICODE
        if tag in one and encode(one, is_implicit_vr=False, is_little_endian=True) is not None:
            answer[tag] = one[tag]
    if tag not in answer:
        answer.add_new(tag, dictionary_VR(tag), None)
