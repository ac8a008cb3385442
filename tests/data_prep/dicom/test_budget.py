"""What remains of the limits: each is refused before it is paid, and refers to what was sent."""

import zlib

import pytest

from data_prep.dicom.budget import RATIO_FREE_BYTES, RATIO_FREE_ELEMENTS, RATIO_FREE_VOXELS, Budget
from data_prep.errors import InputOverLimit
from data_prep.limits import Limits

MB = 1 << 20


def budget(sent: int = 0, **limits) -> Budget:
    made = Budget(Limits(**limits))
    made.take_sent(sent)
    return made


def test_bytes_are_compared_with_what_was_sent_in_all():
    small = budget(sent=1000)
    small.take_bytes(RATIO_FREE_BYTES)
    with pytest.raises(InputOverLimit, match="200 times its size"):
        small.take_bytes(1)
    small.take_sent(MB)
    small.take_bytes(100 * MB)


def test_deflated_files_together_may_not_unpack_to_more_than_a_zip_may():
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(bytes(10 * MB)) + packer.flush()
    small = budget(sent=2 * len(packed))
    small.inflate(packed)
    with pytest.raises(InputOverLimit):
        small.inflate(packed)


def test_pixels_are_compared_with_what_was_sent_in_all():
    small = budget(sent=10_000)
    small.take_frames(1, 4096, 4096)
    assert RATIO_FREE_VOXELS == 4096 * 4096
    with pytest.raises(InputOverLimit, match="100 pixels for each byte"):
        small.take_frames(1, 1, 1)
    small.take_sent(MB)
    small.take_frames(4, 4096, 1024)


def test_elements_are_compared_with_what_was_sent_in_all():
    small = budget(sent=10_000)
    small.take_elements(RATIO_FREE_ELEMENTS)
    with pytest.raises(InputOverLimit, match="data elements"):
        small.take_elements(1)
    large = budget(sent=100 * MB, elements=1_000_000)
    large.take_elements(1_000_000)
    with pytest.raises(InputOverLimit, match="1,000,000 data elements"):
        large.take_elements(1)
