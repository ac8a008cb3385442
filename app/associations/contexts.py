"""The presentation contexts that we propose for objects that we send (PS3.8 9.3.2.2)."""

from collections.abc import Iterable

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

# What an object can be recoded to, the preferred one first. Every system must accept the second one (PS3.5 10.1).
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
MOST = 128


def proposed(kinds: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """A context for each SOP class and each transfer syntax: uncompressed, and as stored. At most `MOST`.

    Args:
        kinds: SOP class UIDs and the transfer syntaxes of stored objects.
    """
    kinds = list(kinds)
    plain = [(sop_class, syntax) for syntax in UNCOMPRESSED for sop_class, _ in kinds]
    return [build_context(sop_class, syntax) for sop_class, syntax in dict.fromkeys([*plain, *kinds])][:MOST]


def accepted_syntaxes(opened: Association, sop_class: str) -> set[str]:
    """The transfer syntaxes in which objects of a SOP class may be sent on an association."""
    contexts = [one for one in opened.accepted_contexts if one.abstract_syntax == sop_class and one.as_scu]
    return {str(one.transfer_syntax[0]) for one in contexts}
