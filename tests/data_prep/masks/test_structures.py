"""Names and codes of structures, and the cell that says what a mask shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.masks.structures import STRUCTURES, Shows, structure_coded, structure_named


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("ACL", "acl"),
        ("Anterior cruciate ligament", "acl"),
        ("anterior_cruciate_ligament", "acl"),
        ("femur_left", "femur"),
        ("Left Femur", "femur"),
        ("Bone structure of tibia (body structure)", "tibia"),
        ("medial meniscus", "menisci"),
        ("Lateral-Meniscus", "menisci"),
        ("Femoral cartilage", "cartilage"),
        ("Ligament", None),
        ("muscle", None),
        ("", None),
    ],
)
def test_a_name_means_a_structure_or_nothing(name, structure):
    assert structure_named(name) == structure


def test_codes_are_those_of_dicom_s_context_groups():
    assert structure_coded("71341001", "SCT") == "femur"
    assert structure_coded("ACL", "99CRUCIATE") == "acl"
    assert structure_coded("71341001", "99OURS") is None


def test_a_cell_names_one_structure_or_gives_values_a_meaning():
    assert Shows.parsed("") == Shows()
    assert Shows.parsed("").only == "acl"
    assert Shows.parsed(" Anterior Cruciate Ligament ").only == "acl"
    shows = Shows.parsed("1=femur; 2=tibia|3=skip")
    assert shows.meanings == (("1", "femur"), ("2", "tibia"), ("3", None))
    assert shows.named == ("femur", "tibia")


@pytest.mark.parametrize("text", ["cyst", "1=cyst", "=acl", "acl|pcl=2", "1=acl|1=pcl"])
def test_other_cells_are_refused(text):
    with pytest.raises(ValueError, match=r"one of acl|one structure, or several|each key occurs once"):
        Shows.parsed(text)


@given(
    st.dictionaries(
        st.text("abcxyz0123456789 >#", min_size=1, max_size=8).map(str.strip).filter(bool),
        st.sampled_from((*STRUCTURES, None)),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_is_read_again(meanings):
    shows = Shows(None, tuple(meanings.items()))
    assert Shows.parsed(str(shows)) == shows
