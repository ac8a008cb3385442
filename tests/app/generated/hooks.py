"""What schemathesis can't know from the document: bodies that are DICOM, and the addresses that clients come from.

It imports this file in a process of its own (SCHEMATHESIS_HOOKS).
"""

import itertools
import random

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext

from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, study_zip, voxels

# Not the study that the test asks for: a request may delete this one.
STUDY = "2.25.91"
FILES = instances(voxels(1), STUDY, "2.25.92")
NONSENSE = st.binary(max_size=300)
# One in so many requests asks for a type that may not exist.
ACCEPTS = 10
# One in so many reviews fits its prediction.
REVIEWS = 2
TYPES = ("application/json", "application/dicom+xml", "image/png", "image/gif", "text/html;q=0.5", "*/*;q=0", ",;=")


def _related(parts: list[bytes]) -> bytes:
    return body(parts)


STUDIES = st.sampled_from([study_zip(2, study="2.25.93"), FILES[0]]) | NONSENSE
schemathesis.openapi.media_type("application/zip", STUDIES, aliases=["application/octet-stream", "application/dicom"])
schemathesis.openapi.media_type(
    'multipart/related; type="application/dicom"',
    st.lists(st.sampled_from(FILES) | NONSENSE, min_size=1, max_size=3).map(_related),
)
schemathesis.openapi.format("binary", STUDIES)

_ADDRESSES = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in itertools.count(1))
_chance = random.Random(1)


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict) -> None:
    """Take away `default`, with which every status would be documented."""
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict) -> None:
    """Every request has its own address, or wrong keys would be slowed down; some ask for a type."""
    case.headers["X-Forwarded-For"] = next(_ADDRESSES)
    if case.operation.path.endswith("/reviews") and isinstance(case.body, dict) and not _chance.randrange(REVIEWS):
        # What fits the document rarely fits a volume, too.
        case.body |= {"verdict": "agree", "grade": None, "reason": None, "mask": [], "box": None}
    if str(case.media_type).startswith("multipart/related"):
        case.headers["Content-Type"] = RELATED
    if not _chance.randrange(ACCEPTS):
        case.headers["Accept"] = _chance.choice(TYPES)
