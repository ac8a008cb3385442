"""Requests and answers in parts, as DICOMweb clients write and read them."""

import io

from app.dicomweb import multipart
from app.dicomweb.media_types import DICOM, MediaType

RELATED = 'multipart/related; type="application/dicom"; boundary="xyz"'
OCTETS = "application/octet-stream"


def body(files: list[bytes], part_type: str = DICOM) -> bytes:
    return b"".join(multipart.join(((MediaType(part_type), [file]) for file in files), "xyz"))


def get(client, path: str, accept: str) -> list[tuple[MediaType, bytes]]:
    """The parts of a multipart answer."""
    response = client.get(path, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    boundary = MediaType.parse(response.content_type).parameters["boundary"]
    found = []
    for content_type, part in multipart.parts(io.BytesIO(response.data), boundary):
        with part:
            part.seek(0)
            found.append((MediaType.parse(content_type), part.read()))
    return found


def related(kind: str, syntax: str | None = None) -> str:
    return f'multipart/related; type="{kind}"' + (f"; transfer-syntax={syntax}" if syntax else "")
