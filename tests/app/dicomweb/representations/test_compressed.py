"""Compressed frames, decoded by other libraries than those that compressed them."""

import io

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from app.dicomweb.representations.compressed import Layout, NotCompressed, compressed
from tests.data_prep.dicom_factory import dcmtk, encode_codestreams, make_pixels, make_slice

SYNTAXES = (JPEGLSLossless, JPEG2000Lossless)
SIGNED = (make_pixels().astype("i4") - 2048).astype("i2")
IMAGES = {
    "12 of 16 bits": make_slice(pixels=make_pixels(), BitsStored=12, HighBit=11),
    "16 bits": make_slice(pixels=make_pixels(below=65536)),
    "8 bits": make_slice(pixels=make_pixels(dtype="u1", below=256)),
    "6 of 16 bits": make_slice(pixels=make_pixels(below=64), BitsStored=6, HighBit=5),
    "signed, 12 of 16 bits": make_slice(pixels=SIGNED, BitsStored=12, HighBit=11),
    "signed, without the sign above": make_slice(pixels=SIGNED & 0x0FFF, BitsStored=12, HighBit=11),
    "signed, 16 bits": make_slice(pixels=(make_pixels(below=65536).astype("i4") - 32768).astype("i2")),
    "one grey": make_slice(pixels=np.zeros((40, 36), "u2")),
    "one pixel": make_slice(pixels=make_pixels(1, 1)),
    "three by five": make_slice(pixels=make_pixels(3, 5)),
    "one row": make_slice(pixels=make_pixels(1, 300)),
}
IMAGES["signed, without the sign above"].PixelRepresentation = 1


def coded(image: Dataset, syntax: str) -> bytes:
    return compressed(
        image.PixelData[: image.Rows * image.Columns * image.BitsAllocated // 8], Layout.of(image), syntax
    )


def meant(image: Dataset) -> np.ndarray:
    stored = np.frombuffer(image.PixelData, f"<u{image.BitsAllocated // 8}")[: image.Rows * image.Columns]
    values = stored.astype(int) & ((1 << image.BitsStored) - 1)
    if image.PixelRepresentation:
        values -= (values >> (image.BitsStored - 1)) << image.BitsStored
    return values.reshape(image.Rows, image.Columns)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("name", IMAGES)
def test_pydicom_reads_the_same_values(name, syntax):
    image = IMAGES[name]
    try:
        stream = coded(image, syntax)
    except NotCompressed:
        assert name in ("one pixel", "three by five", "one row")
        return
    read = dcmread(io.BytesIO(encode_codestreams(image, syntax, [stream])))
    assert (read.pixel_array == meant(image)).all()


@pytest.mark.parametrize("name", ["12 of 16 bits", "8 bits", "16 bits"])
def test_dcmtk_reads_the_same_values(name, tmp_path):
    image = IMAGES[name]
    file = encode_codestreams(image, JPEGLSLossless, [coded(image, JPEGLSLossless)])
    plain = dcmread(io.BytesIO(dcmtk("dcmdjpls", "+te", file, tmp_path)))
    assert (plain.pixel_array == meant(image)).all()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_bits_above_the_stored_ones_are_never_lost_silently(syntax):
    with pytest.raises(NotCompressed):
        coded(make_slice(pixels=make_pixels() | 0x4000, BitsStored=12, HighBit=11), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "attributes",
    [
        {"SamplesPerPixel": 3},
        {"BitsAllocated": 32},
        {"BitsAllocated": 1},
        {"BitsStored": 12, "HighBit": 15},
        {"BitsStored": 0, "HighBit": -1},
        {"BitsStored": 17, "HighBit": 16},
        {"BitsStored": None},
        {"Rows": 0},
        {"Rows": 41},
        {"Rows": 60_000},
    ],
)
def test_what_is_not_compressed(attributes, syntax):
    image = make_slice()
    for keyword, value in attributes.items():
        if value is None:
            delattr(image, keyword)
        else:
            image.add_new(keyword, "SL", value)
    with pytest.raises(NotCompressed):
        coded(image, syntax)
