"""Who has opened an association."""

from pynetdicom.events import Event

from app.audit import Who


def title(event: Event) -> str:
    """The AE title that a peer gives itself. The listener has found it and the address on the operator's list."""
    request = event.assoc.requestor.primitive
    return request.calling_ae_title.strip() if request else ""


def who(event: Event) -> Who:
    """A peer for the audit trail."""
    return {"peer": title(event), "address": event.assoc.requestor.address}
