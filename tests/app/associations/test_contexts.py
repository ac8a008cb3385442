from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage

from app.associations.contexts import MOST, proposed


def test_each_class_is_proposed_uncompressed_and_as_it_is_stored():
    found = proposed([(MRImageStorage, JPEG2000Lossless), (MRImageStorage, ExplicitVRLittleEndian)])
    assert [(one.abstract_syntax, one.transfer_syntax) for one in found] == [
        (MRImageStorage, [ExplicitVRLittleEndian]),
        (MRImageStorage, [ImplicitVRLittleEndian]),
        (MRImageStorage, [JPEG2000Lossless]),
    ]


def test_there_are_never_more_than_the_standard_allows():
    assert len(proposed((f"1.2.{number}", JPEG2000Lossless) for number in range(100))) == MOST
