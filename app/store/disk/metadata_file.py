"""The metadata of an instance in a file beside its own file, packed.

Metadata are made of the file alone, and can be made again at any time. So they are kept beside it: they take no room in
the database, which backups copy, and no lock of it, and they go when their file goes. The number in the name is that of
their format; other formats aren't read. They aren't flushed to the disk: their checksum tells whether they are whole.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

# In the name of every file of metadata, and of no other.
BESIDE = ".metadata"
SUFFIX = f"{BESIDE}-1.gz"
# Bytes of the metadata of one instance. The service checks the text, which takes some 35 times as much memory. Those
# of 1,000 frames fit.
MOST_METADATA = 4 << 20
# zlib's number for a gzip header and a checksum.
GZIP = 31


def beside(file: Path) -> Path:
    """Where the metadata of a file are."""
    return file.with_name(file.name + SUFFIX)


def metadata_in(folder: Path) -> Iterator[Path]:
    """The files of metadata in a folder of instances, of every format."""
    return folder.glob(f"*/*{BESIDE}*")


def is_useful(metadata: Path) -> bool:
    """Whether metadata are whole, of the present format, and beside their file."""
    file = metadata.with_name(metadata.name.partition(BESIDE)[0])
    try:
        return metadata == beside(file) and file.exists() and unpacked(metadata.read_bytes()) is not None
    except OSError:
        return False


def packed(content: bytes) -> bytes:
    """Metadata as they are kept."""
    packer = zlib.compressobj(wbits=GZIP)
    return packer.compress(content) + packer.flush()


def unpacked(packed: bytes) -> bytes | None:
    """Metadata without their packing; None if they are damaged."""
    unpacker = zlib.decompressobj(GZIP)
    try:
        content = unpacker.decompress(packed, MOST_METADATA + 1)
    except zlib.error:
        return None
    return content if unpacker.eof else None
