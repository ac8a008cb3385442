"""What docs/bad-input.md says of files that are sent by STOW-RS: whether they are stored, and what comes of it."""

import io
import zipfile
from collections import Counter
from collections.abc import Callable

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.app.bad_bodies import BODIES
from tests.app.bad_zips import ZIPS
from tests.app.dicomweb.messages import RELATED, body
from tests.app.studies import instances, voxels

STUDY = "2.25.7"
STUDIES = "/dicom-web/studies"
FAILED, OTHERS, REASON = "00081198", "0008119A", "00081197"
# Bodies of `POST /v1/predictions` whose files make sense as instances.
STORED = (
    *("a PDF", "random bytes", "`DICM` and nothing after it", "files cut at 300 bytes", "files cut at half"),
    *("no PixelData", "no Rows", "Rows 0", "65535 x 65535 pixels in 1 kB", "2 000 000 000 frames", "BitsStored 20"),
    *("NumberOfFrames abc", "NumberOfFrames -1", "an unknown transfer syntax", "a video transfer syntax"),
    *("a deflated data set of 64 MB of zeros", "a codestream of garbage", "PixelData of length 0x7fffffff"),
    *("README and DICOMDIR among the files", "a program in the preamble (ELF)", "a UID with `../`"),
    *("a UID of 65 characters", "sequences nested 3000 deep in one slice", "sequences nested 3000 deep"),
    *("RescaleSlope NaN", "PixelSpacing nan", "an element of 50 MB of text", "an unknown character set", "CT"),
    *("two patients", "two studies", "one SOPInstanceUID, other pixels", "a slice that is missing", "RGB"),
    *("the same value in every pixel", "sides that contradict each other"),
)


def store(client: FlaskClient, files: list[bytes], study: str = "") -> TestResponse:
    return client.post(f"{STUDIES}/{study}".rstrip("/"), data=body(files), headers={"Content-Type": RELATED})


def files_of(name: str) -> list[bytes]:
    content, _ = (BODIES | ZIPS)[name]()
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return [content]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(info) for info in archive.infolist()]


def again(client: FlaskClient) -> TestResponse:
    store(client, instances(voxels()))
    return store(client, instances(voxels()))


def others_under_stored_uids(client: FlaskClient) -> TestResponse:
    store(client, instances(voxels()))
    return store(client, instances(voxels(1)))


STORES: dict[str, Callable[[FlaskClient], TestResponse]] = {
    **{name: lambda client, name=name: store(client, files_of(name)) for name in STORED},
    "a study, to `/studies/` of another one": lambda client: store(client, instances(voxels()), "2.25.70"),
    "two studies, to `/studies/` of one of them": lambda client: store(client, files_of("two studies"), STUDY),
    "the same files again": again,
    "other pixels under UIDs that are stored": others_under_stored_uids,
}


def told(response: TestResponse) -> tuple[str, str, str]:
    """Status, the FailureReasons with their numbers, and the sentence of the header `Warning`."""
    items = [item for key in (FAILED, OTHERS) for item in response.json.get(key, {}).get("Value", ())]
    reasons = Counter(item[REASON]["Value"][0] for item in items)
    warning = response.headers.get("Warning", "").removeprefix('299 cruciate "').removesuffix('"')
    counted = ", ".join(f"{count} x {reason:#06x}" for reason, count in sorted(reasons.items()))
    return str(response.status_code), counted or "none", warning or "none"
