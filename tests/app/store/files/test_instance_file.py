"""Whatever a file holds, its header is read or it is refused; and what is read is what was written."""

import io
import struct
import tracemalloc
import zlib

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, MRImageStorage

from app.store.files.instance_file import Failure, Header, Refusal, read_header
from data_prep.dicom.budget import RATIO_FREE_BYTES
from tests.app.studies import COLUMNS, ROWS, instances, voxels

FILE = instances(voxels(), SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Ünal")[0]
HEADER = len(FILE) - 2 * ROWS * COLUMNS
# What reading a few kilobytes may take.
BOUNDED = 16 << 20


def outcome(file: bytes) -> Header | Refusal:
    try:
        header = read_header(io.BytesIO(file))
    except Refusal as refusal:
        return refusal
    header.attributes({})
    return header


def test_a_header_is_read():
    header = read_header(io.BytesIO(FILE))
    assert (header.sop_class_uid, header.sop_instance_uid) == (MRImageStorage, "2.25.8.1")
    assert (header.study_uid, header.series_uid) == ("2.25.7", "2.25.8")
    assert header.pixels == (HEADER, 2 * ROWS * COLUMNS)
    assert FILE[header.start :].startswith(b"\x08\0\x05\0CS")  # the first attribute of the data set


def test_attributes_are_decoded_and_remembered_by_their_character_set():
    memo: dict = {}
    latin = read_header(io.BytesIO(FILE)).attributes(memo)
    assert latin["00100010"]["Value"] == [{"Alphabetic": "Müller^Ünal"}]
    cyrillic = read_header(io.BytesIO(FILE.replace(b"ISO_IR 100", b"ISO_IR 144"))).attributes(memo)
    assert cyrillic["00100010"]["Value"] != latin["00100010"]["Value"]
    assert read_header(io.BytesIO(FILE)).attributes(memo) == latin == read_header(io.BytesIO(FILE)).attributes({})


def of_rows(rows: int, syntax: UID) -> bytes:
    """A file with one column of so many pixels."""
    sent = pydicom.dcmread(io.BytesIO(FILE))
    dataset = pydicom.Dataset({element.tag: element for element in sent})
    dataset.Rows, dataset.Columns, dataset.PixelData = rows, 1, bytes(2 * rows)
    dataset.file_meta = sent.file_meta
    dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def test_numbers_are_remembered_by_their_byte_order():
    memo: dict = {}
    files = of_rows(512, ExplicitVRLittleEndian), of_rows(2, ExplicitVRBigEndian)  # the same two bytes
    assert [read_header(io.BytesIO(file), memo).attributes(memo)["00280010"]["Value"] for file in files] == [[512], [2]]


@given(
    changes=st.lists(
        st.tuples(st.integers(128, HEADER + 16), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6
    )
)
def test_a_damaged_header_is_refused_or_read(changes):
    file = bytearray(FILE)
    for place, content in changes:
        file[place : place + len(content)] = content
    tracemalloc.start()
    try:
        assert isinstance(outcome(bytes(file)), Header | Refusal)
        assert tracemalloc.get_traced_memory()[1] < BOUNDED
    finally:
        tracemalloc.stop()


@given(length=st.integers(0, len(FILE) - 1))
def test_a_file_cut_anywhere_is_refused(length):
    assert isinstance(outcome(FILE[:length]), Refusal)


def deflated(dataset: bytes) -> bytes:
    meta = pydicom.dcmread(io.BytesIO(FILE)).file_meta
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    start = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(start, meta)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bytes(128) + b"DICM" + start.getvalue() + packer.compress(dataset) + packer.flush()


def test_a_deflated_file_is_read_and_a_bomb_isnt():
    start = read_header(io.BytesIO(FILE)).start
    assert read_header(io.BytesIO(deflated(FILE[start:]))).sop_instance_uid == "2.25.8.1"
    bomb = deflated(FILE[start:HEADER] + bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refusal:
            read_header(io.BytesIO(bomb))
        assert tracemalloc.get_traced_memory()[1] < 3 * RATIO_FREE_BYTES
    finally:
        tracemalloc.stop()
    assert refusal.value.reason == Failure.RESOURCES


def test_a_deep_nest_of_sequences_is_refused():
    item = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    start = read_header(io.BytesIO(FILE)).start
    assert isinstance(outcome(FILE[:start] + 20_000 * item), Refusal)
