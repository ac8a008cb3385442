"""Files without the patient's identity: nothing planted is left, and a prediction sees the same study."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from data_prep.deidentify.deidentifier import Deidentifier
from data_prep.deidentify.profile import KEPT, Rule, removes
from data_prep.deidentify.pseudonyms import Pseudonyms
from data_prep.dicom.budget import Budget
from data_prep.dicom.frames import Frame, read_study
from data_prep.errors import InputError, InputOverLimit
from data_prep.limits import Limits
from data_prep.selection.series import load_study
from tests.app.attacks import ICON, ITEM, PER_FRAME, nested, sequence, with_elements
from tests.app.planted import IN_HEADERS, SERIES, STUDY, planted_study
from tests.app.studies import instances, voxels
from tests.data_prep.decoys import draw
from tests.data_prep.dicom_factory import encode, encode_codestreams, enhanced, make_series, make_slice, rle, uploads

pytestmark = pytest.mark.slow

KEY = b"a secret of this test alone, which is long enough"
BASIC, RETAINING = Deidentifier(Pseudonyms(KEY)), Deidentifier(Pseudonyms(KEY, retain_uids=True))
TEXT = IN_HEADERS.encode()


def cleaned(content: bytes, deidentifier: Deidentifier = BASIC) -> bytes:
    return deidentifier.cleaned(content, Budget(Limits()))


def read(content: bytes) -> Dataset:
    return dcmread(io.BytesIO(content))


def planted_everywhere(syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The name also in a private sequence, an overlay, a signature, after the pixels, and in the preamble."""
    dataset = read(planted_study()[0])
    if syntax == ImplicitVRLittleEndian:
        del dataset[0x00431102]  # pydicom knows that it holds numbers, and doesn't write anything else
    item = Dataset()
    item.PatientName = item.SeriesDescription = IN_HEADERS
    item.private_block(0x0009, IN_HEADERS, create=True).add_new(1, "UT", IN_HEADERS)
    dataset.private_block(0x0021, "SIEMENS MR SDI 02", create=True).add_new(0xFE, "SQ", [item])
    dataset.private_block(0x0021, "SIEMENS MR SDI 02").add_new(0x75, "LO", f"M/{IN_HEADERS}\\ND")
    dataset.private_block(0x7FE1, IN_HEADERS, create=True).add_new(1, "OB", TEXT + b"\0")
    dataset.add_new(0x60000022, "LO", IN_HEADERS)
    dataset.add_new(0x60003000, "OW", TEXT + b"\0")
    dataset.add_new(0x50000040, "LO", IN_HEADERS)
    dataset.add_new(0xFFFCFFFC, "OB", TEXT + b"\0")
    dataset.SharedFunctionalGroupsSequence = [item]
    dataset.ReferencedImageSequence = [Dataset()]
    dataset.ReferencedImageSequence[0].ReferencedSOPInstanceUID = STUDY
    dataset.PatientBirthDate, dataset.StudyDate, dataset.AcquisitionDate = "19610304", "20260105", "20260105"
    dataset.preamble = TEXT.ljust(128)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.SourceApplicationEntityTitle = IN_HEADERS
    stream = io.BytesIO()
    dataset.save_as(stream, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_no_name_is_left_wherever_it_was(syntax):
    content = planted_everywhere(syntax)
    assert syntax == DeflatedExplicitVRLittleEndian or content.count(TEXT) > 400
    kept = cleaned(content)
    for word in (IN_HEADERS, STUDY, SERIES, "19610304", "20260105"):
        assert word.lower().encode() not in kept.lower(), word
    assert read(kept).pixel_array.tobytes() == read(content).pixel_array.tobytes()


def test_what_was_done_is_said():
    for deidentifier, codes in (
        (BASIC, ["113100", "113105", "113107", "113111"]),
        (RETAINING, ["113100", "113105", "113107", "113110", "113111"]),
    ):
        kept = read(cleaned(planted_everywhere(), deidentifier))
        assert kept.PatientIdentityRemoved == "YES"
        assert [item.CodeValue for item in kept.DeidentificationMethodCodeSequence] == codes
        assert {item.CodingSchemeDesignator for item in kept.DeidentificationMethodCodeSequence} == {"DCM"}
        assert kept.LongitudinalTemporalInformationModified == "MODIFIED"
        assert (kept.StudyInstanceUID == STUDY) == (deidentifier is RETAINING)
        assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID


def test_the_same_file_gives_the_same_bytes_and_again_the_same():
    content = planted_everywhere()
    assert cleaned(content) == cleaned(content) != cleaned(content, Deidentifier(Pseudonyms(b"another")))
    once = cleaned(content, RETAINING)
    assert read(cleaned(once, RETAINING)).SeriesDescription == read(once).SeriesDescription


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("GE MEDICAL SYSTEMS", "GE MEDICAL SYSTEMS"),
        ("CANON_MEC", "CANON_MEC"),
        ("Siemens Healthineers", "Siemens Healthineers"),
        ("Philips Quibble", "Philips"),
        ("Gerald Quibble", ""),
        ("Quibble", ""),
    ],
)
def test_only_known_manufacturers_are_kept(sent, kept):
    assert read(cleaned(instances(voxels()[:1], Manufacturer=sent)[0])).Manufacturer == kept


def test_two_patients_stay_two_and_one_stays_one():
    one, same, other = (
        read(cleaned(instances(voxels()[:1], PatientID=id_, PatientName=name)[0]))
        for id_, name in (("MRN-1", "Quibble^Zebedee"), ("mrn-1 ", "QUIBBLE^ZEBEDEE^"), ("MRN-2", "Quibble^Zebedee"))
    )
    assert one.PatientID == same.PatientID != other.PatientID
    assert one.PatientName == same.PatientName == other.PatientName != ""


def test_only_what_the_table_does_not_list_is_kept_as_it_was():
    changing = {Rule.EMPTY, Rule.UID, Rule.PATIENT, Rule.DESCRIPTION, Rule.DATE, Rule.TIME}
    assert len(KEPT) > 80
    assert [hex(tag) for tag, rule in KEPT.items() if removes(tag) and rule not in changing] == []


def test_text_in_pixels_that_identifies_the_patient_is_told():
    for said, told in (("YES", True), ("NO", False), ("yes", True), ("", False)):
        content = instances(voxels()[:1], BurnedInAnnotation=said)[0]
        assert BASIC.write(io.BytesIO(content), io.BytesIO(), Budget(Limits())) is told


ENCODED = {
    "implicit": lambda image: encode(image, ImplicitVRLittleEndian),
    "big endian": lambda image: encode(image, ExplicitVRBigEndian),
    "deflated": lambda image: encode(image, DeflatedExplicitVRLittleEndian),
    "RLE": lambda image: encode_codestreams(image, RLELossless, [rle(pixels_of(image))]),
    "enhanced": lambda image: encode(enhanced([image])),
    "no preamble": lambda image: encode(image)[132:],
}


@pytest.mark.parametrize("name", ENCODED)
def test_every_encoding_is_written_in_itself(name):
    content = ENCODED[name](make_slice(SeriesDescription="SAG PD FS Quibble"))
    kept = cleaned(content)
    assert TEXT not in kept
    (one,), (other,) = (load_frames(file) for file in (content, kept))
    assert np.array_equal(one.decode(), other.decode())
    for keyword in ("ImagePositionPatient", "PixelSpacing", "EchoTime", "ImageType"):
        assert one.header.values.get(keyword) == other.header.values.get(keyword)


def pixels_of(image: Dataset) -> np.ndarray:
    return np.frombuffer(image.PixelData, "<u2").reshape(image.Rows, image.Columns)


def load_frames(content: bytes) -> tuple[Frame, ...]:
    return read_study([("file", io.BytesIO(content))]).frames


def outcome(study, clean=None) -> object:
    """What a prediction sees; names of files and of models of scanners aside."""
    try:
        selection = load_study(uploads(study.files), laterality=study.laterality, clean=clean)
    except InputError as error:
        return error.kind, without_files(error.detail)
    volume = selection.volume
    passed = [(one.series_uid, without_files(one.reason)) for one in selection.passed_over]
    acquired = replace(volume.acquisition, model=None)
    return volume.digest(), volume.series_uid, volume.laterality, acquired, volume.notices, passed


def without_files(text: str) -> str:
    return re.sub(r"can't be read: [^:]+: ", "can't be read: ", text)


@pytest.mark.slow
def test_of_studies_with_decoys_the_same_series_is_chosen_for_the_same_reasons():
    for seed in range(0, 300, 11):
        study = draw(seed)
        assert outcome(study, RETAINING.cleaned) == outcome(study), study.story


@pytest.mark.real_knee
def test_of_a_real_knee_the_same_volume_is_read(real_knee):
    before, after = (load_study(uploads(real_knee), clean=clean) for clean in (None, RETAINING.cleaned))
    assert before.volume.digest() == after.volume.digest()
    assert replace(before.volume.acquisition, model=None) == after.volume.acquisition
    assert before.passed_over == after.passed_over


def test_a_packed_file_stays_packed():
    content = encode(make_slice(pixels=np.zeros((512, 512), "u2")), DeflatedExplicitVRLittleEndian)
    assert len(cleaned(content)) < 2 * len(content) < 20_000


def test_files_that_cost_much_are_refused():
    content = instances(voxels()[:1])[0]
    for harmful in (
        with_elements(content, nested(ICON, 3000), 0x0009),
        with_elements(content, sequence(PER_FRAME, ITEM * 200_000), 0x5200),
    ):
        with pytest.raises((InputOverLimit, InputError)):
            cleaned(harmful)


def test_a_series_of_slices_is_still_one_volume():
    files = {f"{place}": encode(image) for place, image in enumerate(make_series())}
    volume = load_study(uploads({name: cleaned(content) for name, content in files.items()})).volume
    assert np.array_equal(volume.voxels, load_study(uploads(files)).volume.voxels)
    assert volume.study_uid.startswith("2.25.")
