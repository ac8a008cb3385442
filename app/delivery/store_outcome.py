"""What the statuses of C-STORE (PS3.4 B.2.3, PS3.7 annex C), or the lack of them, say about a delivery.

They mean the same as the answers of a DICOMweb target (stow_outcome.py): what may pass is tried again for a day and a
half, a clear no is final, and what is unclear is tried a few times.
"""

from collections.abc import Mapping

from app.associations.opening import NotOpened, TooSlow
from app.delivery.deliveries import ARRIVED, FEW_TRIES, MANY_TRIES, ONE_TRY, Outcome
from app.delivery.store_scu import Ended

# Success; stored with coerced or discarded elements, or another class than the data set's; held already.
STORED = {0x0000, 0xB000, 0xB006, 0xB007, 0x0111}
# Refused: Out of Resources (PS3.4 table B.2-1), and Resource limitation (PS3.7 C.5.21).
NO_ROOM = {*range(0xA700, 0xA800), 0x0213}
# Processing failure (PS3.7 C.5.16) says nothing about the cause.
UNCLEAR = {0x0110}


def outcome_of(statuses: Mapping[str, int | None]) -> Outcome:
    """What the answers mean.

    Args:
        statuses: By SOP Instance UID; None for a kind of object that the peer doesn't accept.
    """
    total = len(statuses)
    answered = [status for status in statuses.values() if status is not None and status not in STORED]
    refused = [status for status in answered if status not in NO_ROOM | UNCLEAR]
    if refused:
        return Outcome(f"{len(refused)} of {total} objects refused with status {refused[0]:04X}H", ONE_TRY)
    if unwanted := sum(status is None for status in statuses.values()):
        return Outcome(f"doesn't accept the kind of {unwanted} of {total} objects", ONE_TRY)
    if without_room := sum(status in NO_ROOM for status in answered):
        return Outcome(f"has no room for {without_room} of {total} objects", MANY_TRIES)
    if answered:
        return Outcome(f"failed to process {len(answered)} of {total} objects", FEW_TRIES)
    return ARRIVED


def outcome_without_statuses(error: Exception) -> Outcome:
    """What an error of `app.delivery.store_scu.store` means."""
    if isinstance(error, NotOpened):
        return Outcome(str(error), ONE_TRY if error.final else MANY_TRIES)
    if isinstance(error, TooSlow):
        return Outcome("was too slow; the time limit for one try is over", MANY_TRIES)
    if isinstance(error, Ended):
        return Outcome("ended the association before every object was answered", MANY_TRIES)
    if isinstance(error, ValueError):
        return Outcome("our files for TLS can't be used", MANY_TRIES)
    return Outcome(f"can't be reached: {type(error).__name__}", MANY_TRIES)
