"""Zips, archives and forms around a good study that docs/bad-input.md has a row for."""

import gzip
import io
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable

from tests.app.studies import instances, study_zip, voxels, zipped, zipped_as

ZIP, FORM, OCTETS = "application/zip", "multipart/form-data; boundary=x", "application/octet-stream"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n'
END = b"\r\n--x--\r\n"
# A body and its Content-Type.
Body = tuple[bytes, str]
CRC_IN_HEAD, CRC_IN_DIRECTORY = 14, 16
METHOD_IN_HEAD, METHOD_IN_DIRECTORY = 8, 10
DEFLATE64 = 9


def packed(method: int = zipfile.ZIP_DEFLATED, name: str = "IM{}") -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names that are there already
        for index, file in enumerate(instances(voxels())):
            archive.writestr(name.format(index), file)
    return body.getvalue()


def streamed() -> bytes:
    """As a program writes that can't go back: sizes come after each file (a data descriptor)."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, file in enumerate(instances(voxels())):
            archive.writestr(f"IM{index}", file)
    assert b"PK\7\x08" in pipe.written
    return pipe.written


def changed(in_head: int, in_directory: int, value: bytes) -> bytes:
    """The zip with these bytes in every entry's head, and in its entry of the directory."""
    body = bytearray(study_zip())
    for magic, place in ((b"PK\3\4", in_head), (b"PK\1\2", in_directory)):
        at = body.find(magic)
        while at >= 0:
            body[at + place : at + place + len(value)] = value
            at = body.find(magic, at + 4)
    return bytes(body)


def encrypted() -> bytes:
    return changed(6, 8, b"\1")


def zip64_that_lies() -> bytes:
    """Its end says that the directory is elsewhere, and that record that it has a billion entries."""
    body = study_zip()
    at = body.rindex(b"PK\5\6")
    end = bytearray(body[at:])
    end[8:20] = b"\xff" * 12
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 10**9, 10**9, 10**12, 10**12)
    return body[:at] + record + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1) + bytes(end)


def tar() -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for index, file in enumerate(instances(voxels())):
            info = tarfile.TarInfo(f"IM{index}")
            info.size = len(file)
            archive.addfile(info, io.BytesIO(file))
    return body.getvalue()


def linked() -> bytes:
    """Entries that a careless program would write outside its folder, or follow."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for index, file in enumerate(instances(voxels())):
            archive.writestr(f"../../evil{index}", file)
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return body.getvalue()


def form(*parts: bytes) -> Body:
    return b"\r\n".join(parts) + END, FORM


INNER = b"--y\r\nContent-Disposition: file; filename=b\r\n\r\n" + study_zip() + b"\r\n--y--\r\n"
NESTED = PART[:-4] % b"file" + b"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n" + INNER
ZIPS: dict[str, Callable[[], Body]] = {
    "an empty body": lambda: (b"", ZIP),
    "a form without a part": lambda: (b"--x--\r\n", FORM),
    "a form with another field": lambda: form(PART % b"study" + study_zip()),
    "a form with a part without a name": lambda: form(
        b"--x\r\nContent-Disposition: form-data\r\n\r\nhello", PART % b"study" + study_zip()
    ),
    "a form without a boundary": lambda: (PART % b"file" + study_zip() + END, "multipart/form-data"),
    "a form that is cut in a part": lambda: (PART % b"file" + study_zip()[:3000], FORM),
    "a form with an empty file": lambda: form(PART % b"file"),
    "a form in a form": lambda: form(NESTED),
    "a form of 501 files": lambda: form(*[PART % b"file" + b"x"] * 501),
    "an empty zip": lambda: (zipped_as({}), ZIP),
    "half a zip": lambda: (study_zip()[:5000], ZIP),
    "`text/plain`": lambda: (study_zip(), "text/plain"),
    "`APPLICATION/ZIP; charset=utf-8`": lambda: (study_zip(), "APPLICATION/ZIP; charset=utf-8"),
    "`multipart/related; type=application/dicom+xml`": lambda: (
        study_zip(),
        'multipart/related; type="application/dicom+xml"; boundary=x',
    ),
    "a PDF": lambda: (b"%PDF-1.7\n" + bytes(2000), OCTETS),
    "a PDF, as `application/zip`": lambda: (b"%PDF-1.7\n" + bytes(2000), ZIP),
    "a zip of 500 MB of zeros": lambda: (zipped_as({"zeros": bytes(500 << 20)}), ZIP),
    "a zip of 60 000 entries": lambda: (zipped_as({f"{number}": b"x" for number in range(60_000)}), ZIP),
    "entries `../` and a link": lambda: (linked(), ZIP),
    "names with backslashes": lambda: (packed(name="knee\\IM{}"), ZIP),
    "every file under the same name": lambda: (packed(name="IM"), ZIP),
    "an encrypted zip": lambda: (encrypted(), ZIP),
    "a zip packed by bzip2": lambda: (packed(zipfile.ZIP_BZIP2), ZIP),
    "a zip packed by LZMA": lambda: (packed(zipfile.ZIP_LZMA), ZIP),
    "a zip packed by Deflate64": lambda: (
        changed(METHOD_IN_HEAD, METHOD_IN_DIRECTORY, struct.pack("<H", DEFLATE64)),
        ZIP,
    ),
    "a zip with wrong checksums": lambda: (changed(CRC_IN_HEAD, CRC_IN_DIRECTORY, b"abcd"), ZIP),
    "a zip whose directory lies (zip64)": lambda: (zip64_that_lies(), ZIP),
    "a zip that was written to a pipe (data descriptors)": lambda: (streamed(), ZIP),
    "a zip and other bytes after it": lambda: (study_zip() + bytes(1000), ZIP),
    "a self-extracting zip": lambda: (b"MZ" + bytes(1000) + study_zip(), ZIP),
    "a zip in a zip": lambda: (zipped_as({"study.zip": study_zip()}), ZIP),
    "a zip in gzip": lambda: (gzip.compress(study_zip()), OCTETS),
    "a tar archive": lambda: (tar(), OCTETS),
    "a zip of texts": lambda: (zipped([b"Hello.", b"Ahoy."]), ZIP),
}
