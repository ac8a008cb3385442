"""Compressed pixel data in fragments, and which of them make up each frame (PS3.5 A.4).

pydicom's own functions (`pydicom.encaps`) have no limit on the number of fragments, read past a fragment that is cut
short, and trust an offset table that is wrong. Files with each of these exist, so they aren't used here.
"""

import struct
from functools import cached_property

import numpy as np

from data_prep.dicom.transfer_syntax import END_OF_CODESTREAM, PADDING_BYTES
from data_prep.errors import MalformedInput

# Encoders write one fragment for each frame, or one for every few kilobytes.
MAX_FRAGMENTS = 1 << 16
ITEM, DELIMITER = 0xFFFEE000, 0xFFFEE0DD
ITEM_BYTES = struct.pack("<HH", ITEM >> 16, ITEM & 0xFFFF)

# Where a fragment's bytes begin, and how many there are.
Fragment = tuple[int, int]


class Fragments:
    """The fragments of one pixel data element.

    Args:
        content: the bytes of the file.
        start: where the value of the element begins.
        frames: how many frames the header declares.
    """

    def __init__(self, content: bytes, start: int, frames: int) -> None:
        self._content, self._start, self._frames = content, start, frames

    def check(self) -> None:
        """Walk through all fragments. Raises MalformedInput if they are damaged or cut short."""
        self._items  # noqa: B018 - walks

    def frame(self, index: int) -> bytes:
        """The compressed bytes of a frame, `index` from 0. Raises MalformedInput."""
        return b"".join(self._content[start : start + length] for start, length in self._by_frame[index])

    @cached_property
    def _items(self) -> list[Fragment]:
        """Every item, the offset table first. Work grows with their number; done once."""
        found: list[Fragment] = []
        at = self._start
        while len(found) <= MAX_FRAGMENTS and at + 8 <= len(self._content):
            group, element, length = struct.unpack_from("<HHI", self._content, at)
            tag = group << 16 | element
            if tag == DELIMITER and len(found) > 1:
                return found
            if tag != ITEM or at + 8 + length > len(self._content):
                break
            found.append((at + 8, length))
            at += 8 + length
        if at == len(self._content) and len(found) > 1:  # only the delimiter is missing
            return found
        raise MalformedInput("The compressed pixels are cut short or their fragments damaged.")

    @cached_property
    def _by_frame(self) -> list[list[Fragment]]:
        """One list for each frame: by the offset table if it is right, else by where codestreams end."""
        (table_start, table_length), *fragments = self._items
        if len(fragments) == self._frames:
            return [[fragment] for fragment in fragments]
        if self._frames == 1:
            return [fragments]
        table = struct.unpack_from(f"<{table_length // 4}I", self._content, table_start)
        frames = _by_offsets(fragments, table)
        if len(frames) != self._frames:
            frames = self._by_ends(fragments)
        if len(frames) != self._frames:
            raise MalformedInput(f"{len(fragments)} fragments can't be assigned to {self._frames} frames.")
        return frames

    def _by_ends(self, fragments: list[Fragment]) -> list[list[Fragment]]:
        frames: list[list[Fragment]] = [[]]
        for start, length in fragments:
            frames[-1].append((start, length))
            if END_OF_CODESTREAM in self._content[max(start, start + length - PADDING_BYTES) : start + length]:
                frames.append([])
        return [frame for frame in frames if any(length for _, length in frame)]


def _by_offsets(fragments: list[Fragment], table: tuple[int, ...]) -> list[list[Fragment]]:
    """A frame for each offset; empty if the offsets aren't those of fragments, in order."""
    starts = [start - fragments[0][0] for start, _ in fragments]
    if not table or table[0] != 0 or list(table) != sorted(set(table)) or not set(starts).issuperset(table):
        return []
    frames: list[list[Fragment]] = [[] for _ in table]
    for fragment, owner in zip(fragments, np.searchsorted(table, starts, side="right") - 1, strict=True):
        frames[owner].append(fragment)
    return frames
