"""Sequences of every form: passed over and counted like pydicom would read them, at no cost."""

import io
import struct
import time

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from data_prep.dicom.budget import Budget
from data_prep.dicom.elements import ITEM_COST, UNDEFINED_LENGTH, Walk
from data_prep.dicom.frames import read_study
from data_prep.errors import InputError, InputOverLimit, MalformedInput
from data_prep.limits import Limits
from tests.app.attacks import (
    ICON,
    ITEM,
    ITEM_END,
    OPEN_ITEM,
    PER_FRAME,
    SEQUENCE_END,
    nested,
    sequence,
    text,
    with_elements,
)
from tests.data_prep.dicom_factory import encode, enhanced, make_item, make_series, make_slice, read_one, uploads

AFTER = b"what follows"


def written(dataset: Dataset, implicit: bool, little_endian: bool) -> bytes:
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little_endian
    write_dataset(stream, dataset)
    return stream.getvalue()


def some_items(undefined: bool) -> Dataset:
    """A sequence with text, an empty item, private elements, and sequences in it."""
    inner = make_item(PatientComments="inside", EchoTime=3.5)
    item = make_item(SeriesDescription="knee", ReferencedImageSequence=inner)
    item.private_block(0x0029, "ours", create=True).add_new(1, "UN", b"abcd")
    dataset = Dataset()
    dataset.SourceImageSequence = [item, Dataset(), inner]
    for sequence_ in (dataset["SourceImageSequence"], item["ReferencedImageSequence"]):
        sequence_.is_undefined_length = undefined
        for one in sequence_.value:
            one.is_undefined_length_sequence_item = undefined
    return dataset


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize(("implicit", "little_endian"), [(True, True), (False, True), (False, False)])
def test_a_walk_ends_where_the_sequence_ends(undefined, implicit, little_endian):
    content = written(some_items(undefined), implicit, little_endian)
    head = 8 if implicit else 12
    order = "<" if little_endian else ">"
    (length,) = struct.unpack_from(f"{order}I", content, head - 4)
    assert (length == UNDEFINED_LENGTH) == undefined
    stream, budget = io.BytesIO(content + AFTER), Budget(Limits())
    stream.seek(head)
    Walk(stream, implicit, little_endian, budget).count(length)
    assert stream.read() == AFTER
    if undefined:
        stream.seek(head)
        Walk(stream, implicit, little_endian, budget).skip(None if implicit else "SQ")
        assert stream.read() == AFTER


def test_encapsulated_pixels_are_passed_over():
    """Fragments hold bytes, also such that look like elements."""
    fragment = struct.pack("<HHI", 0xFFFE, 0xE000, 16) + ITEM_END + SEQUENCE_END
    stream = io.BytesIO(ITEM + fragment + SEQUENCE_END + AFTER)
    Walk(stream, False, True, Budget(Limits())).skip("OB")
    assert stream.read() == AFTER


@pytest.mark.parametrize(
    "content", [b"", ITEM, OPEN_ITEM, OPEN_ITEM + ITEM_END, ITEM + SEQUENCE_END[:5]], ids=lambda content: len(content)
)
def test_a_sequence_that_does_not_end_is_refused(content):
    with pytest.raises(MalformedInput, match="cut short"):
        Walk(io.BytesIO(content), False, True, Budget(Limits())).skip("SQ")


def test_items_that_are_read_cost_more_than_those_that_are_not():
    content = 1000 * ITEM + SEQUENCE_END
    for elements in (1001, ITEM_COST * 1001):
        walk = Walk(io.BytesIO(content), False, True, Budget(Limits(elements=elements)))
        walk.skip("SQ") if elements == 1001 else walk.count(UNDEFINED_LENGTH)
        walk = Walk(io.BytesIO(content), False, True, Budget(Limits(elements=elements - 1)))
        with pytest.raises(InputOverLimit):
            walk.skip("SQ") if elements == 1001 else walk.count(UNDEFINED_LENGTH)


def test_sequences_are_nested_only_so_deep():
    image = encode(make_slice())
    assert read_one(with_elements(image, nested(ICON, 30), 0x0009)).sop_uid
    for depth in (33, 3000):
        with pytest.raises(InputError, match="nested more than 32 deep"):
            read_one(with_elements(image, nested(ICON, depth), 0x0009))


def test_elements_after_a_sequence_that_is_passed_over_are_read():
    """Sequences of undefined length before, between and after the elements that are read."""
    image = encode(make_slice(SeriesDescription="PD FS SAG"))
    plain = read_one(image)
    items = 3 * OPEN_ITEM.join([b"", text((0x0010, 0x4000), 40) + ITEM_END])
    for group in (0x0028, 0x0020, 0x0018, 0x0010):
        image = with_elements(image, sequence((group - 1, 0x1010), items), group)
    assert read_one(image).header == plain.header
    assert (read_one(image).decode() == plain.decode()).all()


def test_frames_of_an_enhanced_image_are_read_whichever_length_sequences_have():
    """Per-frame functional groups are counted, then read."""
    image = enhanced(make_series(8))
    defined = read_study(uploads({"a": encode(image)})).frames
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        image[keyword].is_undefined_length = True
    undefined = read_study(uploads({"a": encode(image)})).frames
    assert [frame.header for frame in defined] == [frame.header for frame in undefined]
    assert len(defined) == 8
    with pytest.raises(InputOverLimit, match="data elements"):
        read_study(uploads({"a": encode(image)}), Limits(elements=300))


@pytest.mark.parametrize(
    ("elements", "group", "says"),
    [
        (text((0x0008, 0x103F), 34 << 20), 0x0010, "33,554,432 bytes before its pixels"),
        (text((0x0010, 0x0010), 2 << 20), 0x0010, "1,048,576 bytes"),
    ],
    ids=["passed over", "read"],
)
def test_a_header_has_only_so_many_bytes(elements, group, says):
    content = with_elements(encode(make_slice()), elements, group)
    with pytest.raises(InputOverLimit, match=says):
        read_one(content)


def test_file_meta_information_has_no_sequences_and_no_long_values():
    for elements in (sequence((0x0002, 0x0102), 1000 * ITEM), text((0x0002, 0x0102), 2 << 20)):
        start = bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements
        with pytest.raises(InputError, match="file meta information"):
            read_one(start + encode(make_slice())[132:])


@pytest.mark.parametrize("tag", [ICON, PER_FRAME])
def test_a_million_items_are_passed_over_or_refused_in_seconds(tag):
    """pydicom takes 20 seconds and 1.5 GB for them."""
    content = with_elements(encode(make_slice()), sequence(tag, 1_000_000 * ITEM), tag[0] + 1)
    started = time.process_time()
    with pytest.raises(InputOverLimit):
        read_study(uploads({"a": content}), Limits(elements=900_000))
    assert time.process_time() - started < 2
