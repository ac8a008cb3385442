"""The presentation contexts that the listener accepts (PS3.8 9.3.3.2). docs/conformance.md lists them."""

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context

from app.service.settings import Settings
from data_prep.dicom.transfer_syntax import TAKEN

# SOP classes (PS3.4 A.4, C.6.1.3, C.6.2.3, F.7.3, J.3).
VERIFICATION = "1.2.840.10008.1.1"
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
PATIENT_FIND, PATIENT_MOVE, PATIENT_GET = (f"1.2.840.10008.5.1.4.1.2.1.{number}" for number in (1, 2, 3))
COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
# Services that give patient data away.
READING = frozenset({STUDY_FIND, STUDY_MOVE, STUDY_GET, PATIENT_FIND, PATIENT_MOVE, PATIENT_GET})

PLAIN: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
# The first one that a peer proposes is accepted. Explicit VR keeps the types of private attributes.
STORED: list[str | UID] = [*PLAIN, *sorted(TAKEN - set(PLAIN))]


def supported(commits: bool) -> list[PresentationContext]:
    """Everything that a peer may be offered.

    Args:
        commits: Whether storage commitment is among it.
    """
    # Instances that aren't MR are stored too, but not predicted on: some senders stop when one instance is refused.
    storage = [build_context(str(one.abstract_syntax), STORED) for one in AllStoragePresentationContexts]
    for context in storage:  # a peer that uses C-GET stores, so it may ask to be the SCP (PS3.4 C.5.3)
        context.scu_role = context.scp_role = True
    others = [VERIFICATION, PERFORMED_STEP, *sorted(READING), *([COMMITMENT] if commits else [])]
    return storage + [build_context(uid, PLAIN) for uid in others]


def may_commit(settings: Settings) -> bool:
    """Whether the service keeps what it was sent, as it was sent, until somebody deletes it: others may then delete it.

    It doesn't if received instances expire, or if only de-identified ones are kept.
    """
    expires = settings.keep_instances_days is not None or settings.keep_instances_mb is not None
    return settings.deidentify == "no" and not (settings.retention == "on" and expires)
