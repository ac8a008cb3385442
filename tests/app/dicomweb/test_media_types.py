import pytest
from werkzeug.exceptions import NotAcceptable

from app.dicomweb.media_types import DICOM, DICOM_JSON, JSON, OCTETS, MediaType, accepted, require


@pytest.mark.parametrize("quoted", ["type=application/dicom", 'type="application/dicom"', "TYPE=Application/DICOM"])
def test_types_are_read_with_and_without_quotes(quoted):
    media_type = MediaType.parse(f'multipart/Related; {quoted};boundary="a, b; c"')
    assert media_type.root.matches(DICOM)
    assert media_type.parameters["boundary"] == "a, b; c"


def test_what_is_written_is_read_the_same():
    media_type = MediaType("multipart/related", {"type": DICOM, "transfer-syntax": "1.2.840.10008.1.2.1"})
    assert str(media_type) == 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
    assert MediaType.parse(str(media_type)) == media_type


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("", DICOM_JSON),
        ("*/*", DICOM_JSON),
        ("application/*", DICOM_JSON),
        ("application/json", JSON),
        ("application/json;q=0.3, application/dicom+json;q=0.9", DICOM_JSON),
        ("text/html, application/json;q=0.3", JSON),
    ],
)
def test_the_most_welcome_answer_is_given(header, answer):
    assert require(header, DICOM_JSON, JSON) == answer


@pytest.mark.parametrize("header", ["text/html", "application/dicom+json;q=0", "application/json;q=much", ",,", "/"])
def test_what_is_not_welcome_is_not_given(header):
    with pytest.raises(NotAcceptable):
        require(header, DICOM_JSON, JSON)


def test_a_list_of_alternatives_is_ordered_by_welcome():
    header = f'multipart/related; type={OCTETS}; q=0.2, multipart/related; type="image/jls"; transfer-syntax=*'
    assert [one.root.name for one in accepted(header)] == ["image/jls", OCTETS]


def test_no_header_is_too_long_to_be_read_quickly():
    assert len(accepted(",".join(["a/b"] * 100_000))) <= 32
