"""What results repeat of their slices: the right values, in the right order, and nothing that isn't sound."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from data_prep.dicom.header import DEMANDED, REPEATED, REPEATED_OF_ITEMS
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import as_sent, encode, enhanced, make_series, make_slice, named, uploads

KNOWN = {
    "PatientName": "Quibble^Zebedee",
    "PatientID": "MRN-55512",
    "PatientBirthDate": "19610304",
    "PatientSex": "M",
    "StudyDate": "20260102",
    "StudyTime": "121314.5",
    "AccessionNumber": "A77",
    "FrameOfReferenceUID": "1.2.840.0113619.9",  # leading zeros, as some scanners write them
    "SliceThickness": "2.5",
    "Manufacturer": "Acme",
    "SoftwareVersions": ["12", "b"],
    "TimezoneOffsetFromUTC": "+0530",
    "StudyDescription": "MR knee right",
    "InstitutionName": "A house",
}

# A sequence's bytes can't be written as they are.
PLAIN = [keyword for keyword in REPEATED if keyword not in REPEATED_OF_ITEMS]


def sources_of(*images: Dataset) -> tuple[Dataset, ...]:
    return load_study(named(images)).origins


def said(source: Dataset) -> dict[str, object]:
    """What it repeats, without what is empty."""
    return {one.keyword: one.value for one in source if one.keyword in REPEATED and one.value not in ("", None)}


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_values_come_out_as_they_were_sent_in_the_order_of_the_volume(syntax):
    images = make_series(**KNOWN, ImageComments="free text", InstitutionAddress="a street")
    files = {f"{9 - number}.dcm": encode(image, syntax) for number, image in enumerate(images)}
    selection = load_study(uploads(files))
    assert [source.SOPInstanceUID for source in selection.origins] == list(selection.volume.sop_uids)
    assert all(said(source) == KNOWN for source in selection.origins)
    first = selection.origins[0]
    assert (first.StudyInstanceUID, first.SeriesInstanceUID) == ("2.25.77", "2.25.77.1")
    assert (first.SOPClassUID, first.Modality) == (images[0].SOPClassUID, "MR")
    assert not {"ImageComments", "InstitutionAddress", "PixelData", "ReferencedFrameNumber"} & set(first.dir())


def test_frames_of_an_enhanced_instance_are_told_apart():
    images = make_series(**KNOWN)
    sources = sources_of(enhanced(images[::-1]))
    assert len({source.SOPInstanceUID for source in sources}) == 1
    assert [source.ReferencedFrameNumber for source in sources] == list(range(8, 0, -1))
    assert sources[0].PatientName == KNOWN["PatientName"]


def test_slices_without_a_position_lie_in_no_frame_of_reference():
    images = make_series(ImagePositionPatient=None, SpacingBetweenSlices=4.0, **KNOWN)
    assert all("FrameOfReferenceUID" not in source for source in sources_of(*images))


def code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99HIS", "MR of the knee"
    return item


def request(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_the_request_is_repeated_without_what_isn_t_on_the_list(syntax):
    asked = request(
        AccessionNumber="A77",
        RequestedProcedureID="RP1",
        RequestedProcedureCodeSequence=[code("KNEE")],
        ReasonForTheRequestedProcedure="fell down the stairs",
    )
    images = make_series(ProcedureCodeSequence=[code("KNEE"), Dataset()], RequestAttributesSequence=[asked])
    for source in load_study(uploads({f"{n}": encode(image, syntax) for n, image in enumerate(images)})).origins:
        assert source.ProcedureCodeSequence == [code("KNEE")]
        (item,) = source.RequestAttributesSequence
        assert (item.AccessionNumber, item.RequestedProcedureID) == ("A77", "RP1")
        assert item.RequestedProcedureCodeSequence == [code("KNEE")]
        assert "ReasonForTheRequestedProcedure" not in item
        assert Dataset.from_json(json.dumps(source.to_json_dict())) == source


@pytest.mark.parametrize(
    "items",
    [
        [],
        [request(AccessionNumber="")],
        [request(RequestedProcedureID="x" * 40)],
        [request(RequestedProcedureCodeSequence=[request(CodeValue="KNEE")])],
    ],
)
def test_a_request_without_anything_sound_is_left_out(items):
    for source in sources_of(*make_series(RequestAttributesSequence=items)):
        assert "RequestAttributesSequence" not in source


def test_more_items_than_a_study_has_are_not_repeated():
    asked = [request(RequestedProcedureID=f"RP{number}") for number in range(50)]
    for source in sources_of(*make_series(RequestAttributesSequence=asked)):
        assert len(source.RequestAttributesSequence) == 8


def test_attributes_of_type_2_are_there_if_only_empty():
    for source in sources_of(*make_series(PatientID=None)):
        assert all(keyword in source and not source[keyword].value for keyword in DEMANDED)


@pytest.mark.parametrize(
    ("character_set", "name", "sent"),
    [
        (b"ISO_IR 100", "Müller^Jörg", "Müller^Jörg".encode("latin-1")),
        (b"ISO_IR 144", "Люкceмбypг", "Люкceмбypг".encode("iso8859-5")),
        (b"GB18030 ", "王^小东", "王^小东".encode("gb18030")),
        (
            rb"\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎",
            b"Yamada^Tarou=" + "山田".encode("iso2022_jp") + b"^" + "太郎".encode("iso2022_jp"),
        ),
    ],
)
def test_names_are_read_in_their_character_set_and_kept_in_unicode(character_set, name, sent):
    images = [as_sent(one, {"SpecificCharacterSet": character_set, "PatientName": sent}) for one in make_series()]
    for source in sources_of(*images):
        assert source.PatientName == name
        assert source.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("keyword", "sent"),
    [
        ("PatientBirthDate", b"04.03.1961"),
        ("StudyDate", b"20261399"),
        ("StudyDate", b"20260101-20260102"),
        ("StudyDate", b"00010101"),
        ("StudyTime", b"999999"),
        ("PatientSex", b"MALE"),
        ("PatientID", b"one\\two "),
        ("PatientID", b"x" * 66),
        ("PatientID", b"line\nfeed"),
        ("PatientName", b"M\xfcller"),  # no character set is named
        ("PatientName", b"x" * 5000),
        ("SliceThickness", b"thick "),
        ("SliceThickness", b"-3"),
        ("SliceThickness", b"inf "),
        ("FrameOfReferenceUID", b"none"),
        ("FrameOfReferenceUID", b"1..2"),
        ("FrameOfReferenceUID", b"20260101"),
        ("PatientIdentityRemoved", b"YES "),  # the method is missing
        ("TimezoneOffsetFromUTC", b"0100"),
        ("TimezoneOffsetFromUTC", b"+9900 "),
    ],
)
def test_a_value_that_breaks_the_rules_is_left_out_and_the_others_stay(keyword, sent, caplog, recwarn):
    sound = {name: value for name, value in KNOWN.items() if name != keyword}
    for source in sources_of(*[as_sent(one, {keyword: sent}) for one in make_series(**KNOWN)]):
        assert said(source) == sound
    assert not caplog.records
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore")  # pydicom's, while the test writes the files
def test_an_unknown_character_set_is_quoted_nowhere(tmp_path):
    sent = {"SpecificCharacterSet": b"Quibble ", "PatientName": b"M\xfcller", "PatientID": b"7 "}
    for place, image in enumerate(make_series()):
        (tmp_path / f"{place}.dcm").write_bytes(encode(as_sent(image, sent)))
    show = (
        "import sys, pathlib, data_prep.selection.series as s;"
        "from data_prep.dicom.quiet import ignore_pydicom_warnings as quiet; quiet();"
        "one = s.load_study(pathlib.Path(sys.argv[1])).origins[0]; print([str(one.PatientName), one.PatientID])"
    )
    done = subprocess.run([sys.executable, "-c", show, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['', '7']\n"
    assert done.stderr == ""


@pytest.mark.parametrize("representation", ["US", "FD", "UN", "OB", "AT"])
def test_a_wrong_representation_raises_nothing(representation):
    sent = dict.fromkeys(PLAIN, b"\xff\x01\xfe" * 8)
    for source in sources_of(*[as_sent(one, sent, representation) for one in make_series()]):
        assert not said(source)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(PLAIN), st.binary(max_size=80), min_size=1))
@settings(max_examples=60)
def test_whatever_is_sent_survives_dicom_json(sent):
    sent = {keyword: value + b" " * (len(value) % 2) for keyword, value in sent.items()}
    images = [as_sent(make_slice(number), sent) for number in range(1, 9)]
    for source in sources_of(*images):
        assert Dataset.from_json(json.dumps(source.to_json_dict())) == source
