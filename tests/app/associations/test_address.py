import pytest

from app.associations.address import Address, ae_title, is_dicom


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("dicom://PACS@pacs.example:104", Address("PACS", "pacs.example", 104)),
        ("dicoms://PACS@192.0.2.1:2762/", Address("PACS", "192.0.2.1", 2762, secure=True)),
        ("DICOM://My%20PACS@[2001:db8::1]:104", Address("My PACS", "2001:db8::1", 104)),
    ],
)
def test_an_address_is_read_and_written(url, address):
    assert Address.parse(url) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        *("PACS@pacs:104", "http://PACS@pacs:104", "dicom://pacs:104", "dicom://PACS@pacs", "dicom://PACS@:104"),
        *("dicom://PACS@pacs:0", "dicom://PACS@pacs:99999", "dicom://PACS@pacs:104/path", "dicom://PACS@pacs:104?x"),
        *("dicom://PACS:secret@pacs:104", "dicom://12345678901234567@pacs:104", "dicom://%0A@pacs:104"),
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ValueError, match=r"."):
        Address.parse(url)


def test_schemes():
    assert [is_dicom(url) for url in ("dicom://x", "DICOMS://x", "https://x", "x")] == [True, True, False, False]


@pytest.mark.parametrize("title", ["", "  ", "x" * 17, "Ä", "A\\B", "A\nB"])
def test_what_is_no_title(title):
    with pytest.raises(ValueError, match="16 printable"):
        ae_title(title)


def test_outer_blanks_are_no_part_of_a_title():
    assert ae_title(" MY PACS ") == "MY PACS"
