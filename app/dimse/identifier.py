"""What requests say: the identifier of a C-FIND, C-MOVE or C-GET (PS3.4 C.1.1) with its level and the keys to match,
and the attributes in the data set of any other request.
"""

from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, Self, cast, get_args

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.events import Event

from data_prep.dicom.budget import Budget
from data_prep.dicom.part10 import Opened, parse
from data_prep.limits import Limits

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
# The unique key of each level (PS3.4 C.6).
UNIQUE: dict[Level, str] = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
# Bytes: room for a thousand UIDs, and for the references of a storage commitment.
MOST_KEYS, MOST = 64 << 10, 4 << 20
# An item of a sequence counts as some 20 elements, so this allows 20,000 references.
LIMITS = Limits(elements=400_000)
# Event of pynetdicom's state machine (PS3.8 9.2.1): an invalid PDU was received. The association is aborted.
INVALID = "Evt19"
DOES_NOT_MATCH = 0xA900
NOT_KEYS = ("QueryRetrieveLevel", "SpecificCharacterSet", "TimezoneOffsetFromUTC")


class Unusable(Exception):
    """An identifier that can't be used. The message, of at most 64 characters, is for the peer and quotes nothing."""

    @property
    def status(self) -> Dataset:
        """Identifier does not match SOP class (PS3.4 C.4.1.1.4), with the message as ErrorComment."""
        answer = Dataset()
        answer.Status, answer.ErrorComment = DOES_NOT_MATCH, str(self)
        return answer


@dataclass(frozen=True)
class Identifier:
    """What a peer asks for.

    Attributes:
        level: Of what.
        keys: The value to match, by keyword; empty: any. Several values are separated by backslashes.
        others: Whether there are keys without a keyword.
    """

    level: Level
    keys: dict[str, str]
    others: bool

    @classmethod
    def read(cls, event: Event) -> Self:
        """Read the identifier of a request. Raises Unusable."""
        sent = cast(C_FIND | C_MOVE | C_GET, event.request).Identifier
        if sent is None or sent.getbuffer().nbytes > MOST_KEYS:
            raise Unusable(f"An identifier is missing, or has more than {MOST_KEYS >> 10} KB.")
        try:
            dataset = event.identifier
            level = str(dataset.get("QueryRetrieveLevel", "")).strip().upper()
            texts = {keyword_for_tag(element.tag): _text(element) for element in dataset}
        except Exception:  # pydicom may raise any exception
            raise Unusable("The identifier can't be read.") from None
        if level not in get_args(Level):
            raise Unusable("QueryRetrieveLevel must be PATIENT, STUDY, SERIES or IMAGE.")
        keys = {keyword: text for keyword, text in texts.items() if keyword and keyword not in NOT_KEYS}
        return cls(cast(Level, level), keys, "" in texts)

    def uids(self, keyword: str) -> list[str]:
        """The values of a key that asks for exactly these; empty for any. Raises Unusable for a wildcard."""
        found = [value.strip() for value in self.keys.get(keyword, "").split("\\") if value.strip()]
        if any(set(value) & set("*?") for value in found):
            raise Unusable(f"{keyword} must not have wildcards here.")
        return found


def attributes(event: Event, sent: BytesIO | None, tags: Collection[int]) -> Dataset:
    """These attributes of a request's data set, read within limits. Raises any exception if they can't be read."""
    if sent is None:
        raise ValueError
    budget = Budget(LIMITS)
    budget.take_sent(sent.getbuffer().nbytes)
    opened = Opened(BytesIO(sent.getvalue()), Dataset(), 0, UID(event.context.transfer_syntax))
    return parse(opened, tags, budget).dataset


def stop_if_too_long(event: Event) -> None:
    """Abort an association whose peer sends a longer data set than any request needs. Instances go to the disk."""
    message = event.assoc.dimse.message
    if message is not None and message.data_set is not None and message.data_set.getbuffer().nbytes > MOST:
        event.assoc.dul.event_queue.put(INVALID)


def _text(element: DataElement) -> str:
    """The value of a key; empty for a sequence."""
    if element.VR == "SQ" or element.value is None:
        return ""
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return "\\".join(str(value) for value in values)
