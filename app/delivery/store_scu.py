"""Results sent by C-STORE (PS3.4 annex B) over one association."""

from collections.abc import Sequence
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from app.associations.address import Address
from app.associations.contexts import proposed
from app.associations.opening import Ours, Patience, association


class Ended(Exception):
    """The association ended before every object was answered."""


def store(peer: Address, files: Sequence[bytes], ours: Ours, patience: Patience) -> dict[str, int | None]:
    """Send DICOM files that this service made.

    Args:
        peer: Where to.
        files: The files.
        ours: Who sends them.
        patience: Limits of time.

    Returns:
        By SOP Instance UID, the status that the peer answered; None if it doesn't accept this kind of object.

    Raises:
        NotOpened, TooSlow, OSError, ValueError: See `association`.
        Ended: It ended too early.
    """
    objects = [pydicom.dcmread(BytesIO(file)) for file in files]
    kinds = [(str(one.SOPClassUID), str(one.file_meta.TransferSyntaxUID)) for one in objects]
    with association(peer, ours, proposed(kinds), patience) as opened:
        return {str(one.SOPInstanceUID): _status(opened, one, number) for number, one in enumerate(objects, start=1)}


def _status(opened: Association, one: Dataset, number: int) -> int | None:
    try:
        answer = opened.send_c_store(one, msg_id=number)
    except ValueError:  # no context for it
        return None
    except RuntimeError:
        raise Ended from None
    if "Status" not in answer:
        raise Ended
    return int(answer.Status)
