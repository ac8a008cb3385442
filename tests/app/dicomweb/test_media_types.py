import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


# Parameters in pieces are of mail (RFC 2231). In HTTP, their names are names like any other.
PIECES = ["a*=x; a*0=y", "a*0=x; a*=y", "a*1=x; a*2=y", f"a*{'1' * 4400}=x", "a*=no-set'en'%ff", "type*=1; type*0=2"]


@pytest.mark.parametrize("pieces", PIECES)
def test_parameters_in_pieces_are_nothing_special(pieces):
    assert require(f"application/dicom+json; {pieces}", DICOM_JSON, JSON) == DICOM_JSON
    assert MediaType.parse(f"multipart/related; {pieces}; boundary=b").parameters["boundary"] == "b"


@pytest.mark.parametrize("boundary", ["boundary*=1; boundary*0=b", "boundary*=utf-8''b", "boundary*0=a; boundary*1=b"])
def test_a_boundary_in_pieces_is_none(boundary):
    assert "boundary" not in MediaType.parse(f"multipart/related; {boundary}").parameters


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (r'a/b; c="d\"; e=\\f"; g=h', {"c": 'd"; e=\\f', "g": "h"}),
        ("a/b ;C = d e ; ; f;g=;=h; i=j=k", {"c": "d e", "g": "", "i": "j=k"}),
        ('a/b; c="d; e=f', {"c": "d; e=f"}),
        ("a/b; c=d; c=e", {"c": "e"}),
    ],
)
def test_quotations_end_where_they_end(text, parameters):
    assert MediaType.parse(text) == MediaType("a/b", parameters)


WORDS = st.sampled_from(
    [";", "=", '"', "\\", "*", "*0", "'", "%ff", "q", "nan", "type", "boundary", "a/b", "9" * 20, " "]
)


@given(st.lists(WORDS | st.characters()).map("".join))
def test_whatever_is_sent_is_read(text):
    one = MediaType.parse(text)
    assert one.root.matches(DICOM) in (True, False)
    assert all(isinstance(value, str) for value in (one.name, str(one), *one.parameters.values()))
    assert all(alternative.quality > 0 for alternative in accepted(text))


@pytest.mark.parametrize("piece", [';a="', ";a=", "; ", ";a", '"', "\\", ';a="\\', ", "])
def test_no_header_takes_long(piece):
    begun = time.monotonic()
    accepted(piece * 8000)
    MediaType.parse(piece * 8000)
    assert time.monotonic() - begun < 5
