"""Rendered frames against pydicom's own greyscale pipeline: Modality LUT, VOI LUT or window, then inversion."""

import io

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, convert_color_space
from werkzeug.exceptions import NotAcceptable, NotFound

from app.dicomweb.picture import PNG, pictures
from app.dicomweb.representations.view import View
from app.store.files.instance_file import read_header
from tests.data_prep.dicom_factory import encode, enhanced, make_item, make_slice, put_pixels

RAMP = np.tile(np.linspace(0, 400, 36).astype("u2"), (40, 1))
SIGNED = (RAMP.astype("i2") - 200).astype("i2")
TWELVE_BITS = {"BitsStored": 12, "HighBit": 11}


def drawn(image: Dataset, number: int = 1, **query: str) -> np.ndarray:
    stream = io.BytesIO(encode(image))
    (file,) = pictures(stream, read_header(stream), [number], PNG, View.rendered(query))
    return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)


def by_pydicom(image: Dataset) -> np.ndarray:
    """What pydicom makes of it, from black to white as 0 to 255."""
    image = dcmread(io.BytesIO(encode(image)))
    slope, intercept = image.get("RescaleSlope", 1), image.get("RescaleIntercept", 0)
    shown = np.asarray(apply_voi_lut(apply_modality_lut(image.pixel_array, image), image), np.float64)
    if "VOILUTSequence" in image:
        low, high = 0, (1 << image.VOILUTSequence[0].LUTDescriptor[2]) - 1
    else:
        ends = (-(1 << 11), (1 << 11) - 1) if image.PixelRepresentation else (0, (1 << 12) - 1)
        low, high = (float(end * slope + intercept) for end in ends)
    grey = 255 * (shown - low) / (high - low)
    return 255 - grey if image.PhotometricInterpretation == "MONOCHROME1" else grey


def lut(first: int, bits: int, values: list[int]) -> Dataset:
    item = make_item(LUTDescriptor=[len(values), first, bits], LUTData=values)
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return item


CURVE = lut(100, 12, [int(4095 * (place / 200) ** 2) for place in range(201)])
WINDOWS = {
    "linear": {"WindowCenter": 200, "WindowWidth": 400},
    "narrow": {"WindowCenter": 120, "WindowWidth": 40},
    "of one value": {"WindowCenter": 120, "WindowWidth": 1.5},
    "the first of two": {"WindowCenter": [150, 20], "WindowWidth": [100, 5]},
    "linear, exactly": {"WindowCenter": 150, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 150, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"},
    "of rescaled values": {"WindowCenter": 25, "WindowWidth": 40, "RescaleSlope": "0.25", "RescaleIntercept": "-10"},
    "with a LUT beside it": {"WindowCenter": 9, "WindowWidth": 9, "VOILUTSequence": CURVE},
}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("pixels", [RAMP, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_the_window_comes_first_and_then_the_inversion(photometric, pixels, window):
    attributes = {name: [value] if isinstance(value, Dataset) else value for name, value in window.items()}
    image = make_slice(pixels=pixels, **TWELVE_BITS, PhotometricInterpretation=photometric, **attributes)
    assert np.abs(drawn(image) - by_pydicom(image)).max() <= 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("pixels", [RAMP, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize("window", ["20,40,linear", "10,1,linear", "15,20,linear-exact", "1e1,0.5,sigmoid"])
def test_the_client_s_window_replaces_the_header_s_and_comes_before_the_inversion(photometric, pixels, window):
    centre, width, function = window.split(",")
    asked = {"WindowCenter": float(centre), "WindowWidth": float(width)}
    asked["VOILUTFunction"] = function.upper().replace("-", "_")
    rescaled = {"RescaleSlope": "0.25", "RescaleIntercept": "-10", "PhotometricInterpretation": photometric}
    image = make_slice(pixels=pixels, **TWELVE_BITS, **rescaled, **asked)
    other = make_slice(pixels=pixels, **TWELVE_BITS, **rescaled, VOILUTSequence=[CURVE], WindowCenter=9, WindowWidth=9)
    expected = by_pydicom(image)
    assert expected.min() < expected.max()
    assert np.abs(drawn(other, window=window) - expected).max() <= 1


@pytest.mark.parametrize(
    "window", ["0.12345678901,0.00000000001,linear-exact", "-1e99,1e-99,sigmoid", "1e99,1e99,linear"]
)
def test_no_window_of_a_client_is_replaced_by_another_one(window):
    shown = drawn(make_slice(pixels=RAMP, **TWELVE_BITS, **WINDOWS["linear"]), window=window)
    assert set(np.unique(shown)) <= {0, 127, 128, 255}


def test_a_viewport_is_cut_out_of_the_windowed_picture():
    image = make_slice(pixels=RAMP, **TWELVE_BITS, **WINDOWS["linear"])
    assert (drawn(image, viewport="10,20,4,8,10,20") == drawn(image)[8:28, 4:14]).all()
    assert (drawn(image, viewport="36,40,0,0,-36,40") == drawn(image)[:, ::-1]).all()
    assert drawn(image, viewport="72,80").shape == (80, 72)


def test_there_is_no_frame_beyond_the_last():
    with pytest.raises(NotFound):
        drawn(make_slice(pixels=RAMP), 2)


def test_a_modality_lut_comes_before_the_window():
    image = make_slice(pixels=RAMP, **TWELVE_BITS, WindowCenter=2048, WindowWidth=2000)
    image.ModalityLUTSequence = [CURVE]
    looked_up = np.asarray(CURVE.LUTData)[np.clip(RAMP.astype(int) - 100, 0, 200)]
    expected = 255 * ((looked_up - 2047.5) / 1999 + 0.5).clip(0, 1)
    assert np.abs(drawn(image) - expected).max() <= 1


@pytest.mark.parametrize("data", ["numbers", "words"])
def test_a_lut_of_eight_bits_and_more_entries_than_that_loses_none(data):
    values = [place * 255 // 400 for place in range(401)]
    item = lut(0, 8, values)
    if data == "words":
        item.add_new("LUTData", "OW", np.array(values, "<u2").tobytes())
    image = make_slice(pixels=RAMP, **TWELVE_BITS, VOILUTSequence=[item])
    assert np.abs(drawn(image) - np.asarray(values)[RAMP]).max() <= 1


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"WindowCenter": "NaN", "WindowWidth": 400},
        {"WindowCenter": 200, "WindowWidth": 0},
        {"WindowCenter": 200, "WindowWidth": -5},
        {"WindowCenter": 200},
        {"WindowCenter": 200, "WindowWidth": 400, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": [make_item(LUTExplanation="empty")]},
        {"WindowCenter": 200, "WindowWidth": 400, "RescaleSlope": "NaN", "RescaleIntercept": 0},
    ],
)
def test_without_a_window_that_can_be_meant_the_picture_is_not_all_one_grey(window):
    pictures = {}
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        image = make_slice(pixels=RAMP, **TWELVE_BITS, PhotometricInterpretation=photometric, **window)
        pictures[photometric] = drawn(image).astype(int)
    assert (pictures["MONOCHROME2"][0, 0], pictures["MONOCHROME2"][0, -1]) == (0, 255)
    assert (pictures["MONOCHROME1"][0, 0], pictures["MONOCHROME1"][0, -1]) == (255, 0)


@pytest.mark.parametrize(
    ("photometric", "shape", "turned"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),  # as PS3.3 C.8.11.3 asks for: said twice, meant once
        ("MONOCHROME1", None, True),
    ],
)
def test_a_picture_is_turned_round_once(photometric, shape, turned):
    attributes = {"PresentationLUTShape": shape} if shape else {}
    window = WINDOWS["linear"]
    image = make_slice(pixels=RAMP, **TWELVE_BITS, PhotometricInterpretation=photometric, **window, **attributes)
    assert (drawn(image)[0, 0] > drawn(image)[0, -1]) == turned


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [WINDOWS["linear"], {}])
def test_padding_is_black(photometric, window):
    pixels = RAMP.copy()
    pixels[:, :4] = 4000
    image = make_slice(pixels=pixels, **TWELVE_BITS, PhotometricInterpretation=photometric, **window)
    image.add_new("PixelPaddingValue", "US", 4000)
    shown = drawn(image)
    assert not shown[:, :4].any()
    assert set(shown[0, [4, -1]] > 127) == {True, False}


def test_each_frame_has_its_own_window_and_slope():
    frames = [make_slice(number, RAMP, **TWELVE_BITS, PhotometricInterpretation="MONOCHROME1") for number in (1, 2, 3)]
    image = enhanced(frames)
    windows = [(200.0, 400.0, 1.0), (100.0, 50.0, 1.0), (20.0, 40.0, 0.1)]
    for groups, (centre, width, slope) in zip(image.PerFrameFunctionalGroupsSequence, windows, strict=True):
        groups.FrameVOILUTSequence = [make_item(WindowCenter=centre, WindowWidth=width)]
        groups.PixelValueTransformationSequence = [make_item(RescaleSlope=slope, RescaleIntercept=0)]
    for number, (centre, width, slope) in enumerate(windows, start=1):
        alone = make_slice(
            pixels=RAMP,
            **TWELVE_BITS,
            PhotometricInterpretation="MONOCHROME1",
            WindowCenter=centre,
            WindowWidth=width,
            RescaleSlope=slope,
            RescaleIntercept=0,
        )
        assert np.abs(drawn(image, number) - by_pydicom(alone)).max() <= 1
    shared = enhanced(frames)
    shared.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence = [make_item(WindowCenter=200, WindowWidth=400)]
    np.testing.assert_array_equal(drawn(shared, 3), drawn(image, 1))


@pytest.mark.parametrize("planes", [0, 1])
@pytest.mark.parametrize("space", ["RGB", "YBR_FULL"])
def test_colours_are_those_of_the_header(planes, space):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 36, 3)).astype(np.uint8)
    samples = rgb if space == "RGB" else convert_color_space(rgb, "RGB", space)
    image = make_slice(pixels=RAMP.astype(np.uint8))
    put_pixels(image, RAMP.astype(np.uint8))
    image.SamplesPerPixel, image.PlanarConfiguration, image.PhotometricInterpretation = 3, planes, space
    image.PixelData = (samples.transpose(2, 0, 1) if planes else samples).tobytes()
    assert np.abs(drawn(image)[..., ::-1].astype(int) - rgb).max() <= 2


def test_what_is_neither_grey_nor_a_known_colour_is_not_drawn():
    with pytest.raises(NotAcceptable):
        drawn(make_slice(pixels=RAMP, PhotometricInterpretation="PALETTE COLOR"))


@pytest.mark.parametrize("keyword", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_functional_groups_that_are_no_sequence_are_ignored(keyword):
    image = make_slice(1, RAMP, WindowCenter=200, WindowWidth=400)
    plain = drawn(image)
    image.add_new(keyword, "LO", "none")
    assert np.array_equal(drawn(image), plain)


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_colour_picture_without_a_size_is_not_drawn(keyword):
    image = make_slice(1, RAMP.astype("u1"), SamplesPerPixel=3, PhotometricInterpretation="RGB", **{keyword: None})
    with pytest.raises(NotAcceptable):
        drawn(image)
