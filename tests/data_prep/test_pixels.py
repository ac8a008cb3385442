"""Bits to stored values, frames out of one element."""

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from data_prep.dicom import read_study
from data_prep.errors import UnsupportedInput
from tests.data_prep.dicom_factory import (
    decode_one,
    encode,
    encode_codestreams,
    enhanced,
    jpeg_2000,
    make_series,
    make_slice,
    uploads,
)


def test_twelve_bits_in_sixteen_are_sign_extended_and_overlay_bits_dropped():
    values = np.array([[-2048, -1], [5, 2047]], "i2")
    for above in (0x0000, 0xF000):
        image = make_slice(pixels=((values & 0x0FFF) | np.array(above, "u2").astype("i2")).astype("i2"))
        image.BitsStored, image.HighBit = 12, 11
        np.testing.assert_array_equal(decode_one(encode(image)), values)


@pytest.mark.parametrize("fragments", [1, 2])
def test_frames_of_a_compressed_multiframe_instance(fragments):
    slices = make_series(3)
    image = enhanced(slices)
    codestreams = [jpeg_2000(stored(one)) for one in slices]
    content = encode_codestreams(image, uid.JPEG2000Lossless, codestreams, fragments_per_frame=fragments)
    frames = read_study(uploads({"enhanced.dcm": content})).frames
    assert [frame.number for frame in frames] == [1, 2, 3]
    for frame, one in zip(frames, slices, strict=True):
        np.testing.assert_array_equal(frame.decode(), stored(one))


def stored(image: Dataset) -> np.ndarray:
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SamplesPerPixel": 3, "PixelData": bytes(8640)}, "3 samples"),
    ],
)
def test_pixels_that_are_no_grey_values_are_unsupported(attributes, says):
    with pytest.raises(UnsupportedInput, match=says):
        decode_one(encode(make_slice(**attributes)))
