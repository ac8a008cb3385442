"""How much of the limits remains while one study is read."""

import zlib
from typing import NamedTuple

from data_prep.errors import InputOverLimit, MalformedInput
from data_prep.limits import Limits

# The compression ratio is only checked above this size: a small blank study may have any ratio.
RATIO_FREE_BYTES = 16 << 20
# The same for pixels, most of which have two bytes.
RATIO_FREE_VOXELS = RATIO_FREE_BYTES
BYTES_OF_VOXEL = 2
# Elements take at least 8 bytes and are packed well, but every image also has pixels. So above this number, an element
# must have been sent with at least one byte.
RATIO_FREE_ELEMENTS = 250_000


class Taken(NamedTuple):
    """What files have taken of the limits for headers: bytes that were sent, bytes unpacked, data elements."""

    sent: int = 0
    unpacked: int = 0
    elements: int = 0


class Budget:
    """What remains of the limits. Its methods raise InputOverLimit.

    Args:
        limits: the limits.
        taken: what was taken of them before, in another process.
    """

    def __init__(self, limits: Limits, taken: Taken = Taken()) -> None:  # noqa: B008  (a tuple never changes)
        self.limits = limits
        self._files = limits.files
        self._sent, self._unpacked, self._elements = taken
        self._frames = limits.frames
        self._voxels = 0

    @property
    def taken(self) -> Taken:
        """What was taken so far."""
        return Taken(self._sent, self._unpacked, self._elements)

    def take_sent(self, size: int) -> None:
        """Count bytes that the sender sent, packed as they are. Ratios refer to all of them."""
        self._sent += size

    def take_file(self) -> None:
        """Count one file."""
        self._files -= 1
        if self._files < 0:
            raise InputOverLimit(f"More than {self.limits.files} files: send one study at a time.")

    @property
    def largest_file(self) -> int:
        """How many bytes the next file may have."""
        return min(self.limits.file_bytes, self.limits.unpacked_bytes - self._unpacked)

    def take_bytes(self, size: int) -> None:
        """Count bytes that are in memory or will be read next."""
        if size > self.limits.file_bytes:
            raise InputOverLimit(f"A file unpacks to more than {self.limits.file_bytes:,} bytes.")
        if self._unpacked + size > self.limits.unpacked_bytes:
            raise InputOverLimit(f"The files unpack to more than {self.limits.unpacked_bytes:,} bytes in all.")
        self.check_ratio(size)
        self._unpacked += size

    def check_ratio(self, size: int) -> None:
        """Refuse to unpack this many more bytes if they are suspiciously many for what was sent."""
        if self._unpacked + size > self._largest_by_ratio(self._sent):
            raise InputOverLimit(f"It unpacks to more than {self.limits.compression_ratio:g} times its size.")

    def take_frames(self, frames: int, rows: int, columns: int) -> None:
        """Count the images that a header declares; refused images aren't counted."""
        side = self.limits.frame_side
        if max(rows, columns) > side:
            raise InputOverLimit(f"The header declares {rows} x {columns} pixels; we take up to {side} x {side}.")
        voxels = self._voxels + frames * rows * columns
        if frames > self._frames or voxels > self.limits.voxels:
            raise InputOverLimit(
                f"The headers declare more than {self.limits.frames:,} images or {self.limits.voxels:,} pixels in all."
            )
        per_byte = self.limits.compression_ratio / BYTES_OF_VOXEL
        if voxels > max(RATIO_FREE_VOXELS, per_byte * self._sent):
            raise InputOverLimit(f"The headers declare more than {per_byte:g} pixels for each byte that was sent.")
        self._frames -= frames
        self._voxels = voxels

    def take_elements(self, count: int) -> None:
        """Count data elements and items of a header."""
        self._elements += count
        if self._elements > self.limits.elements:
            raise InputOverLimit(
                f"The headers have more than {self.limits.elements:,} data elements and items: send one study at a "
                "time, and only its images."
            )
        if self._elements > max(RATIO_FREE_ELEMENTS, self._sent):
            raise InputOverLimit("The headers have more data elements and items than bytes were sent.")

    def inflate(self, packed: bytes) -> bytes:
        """Unpack a raw deflate stream (PS3.5 A.5), never beyond the limits.

        Raises:
            MalformedInput: the stream is damaged or cut short.
            InputOverLimit: it unpacks to too many bytes.
        """
        largest = min(self.largest_file, self._largest_by_ratio(len(packed)))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, largest + 1)
        except zlib.error:
            raise MalformedInput("The deflated data set is damaged.") from None
        if len(content) > largest:
            raise InputOverLimit(f"The deflated data set unpacks to more than {largest:,} bytes.")
        if not inflater.eof:
            raise MalformedInput("The deflated data set is cut short.")
        self.take_bytes(len(content))
        return content

    def _largest_by_ratio(self, packed: int) -> int:
        return int(max(RATIO_FREE_BYTES, self.limits.compression_ratio * packed))
