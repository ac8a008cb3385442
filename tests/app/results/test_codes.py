"""Codes: the standard's own, a site's over them, and files that make no sense."""

import pytest
from pydicom.sr.codedict import codes as standard

from app.results import Site
from app.results.codes import STANDARD, CodesError
from app.results.report import report
from data_prep.labels import BINARY, FOUR_CLASS
from tests.app.results.made import evidence_of, read, result_of


def test_codes_mean_what_the_standard_says():
    for ours, theirs in [
        (STANDARD.right, standard.SCT.Right),
        (STANDARD.left, standard.SCT.Left),
        (STANDARD.present, standard.SCT.Present),
        (STANDARD.absent, standard.SCT.Absent),
        (STANDARD.undetermined, standard.SCT.Undetermined),
        (STANDARD.finding_site, standard.SCT.KneeJoint),
        (STANDARD.procedure, standard.SCT.ImagingProcedure),
        (STANDARD.probability, standard.DCM.Probability),
        (STANDARD.comment, standard.DCM.Comment),
        (STANDARD.operating_point, standard.DCM.CADOperatingPointDescription),
        (STANDARD.activation, standard.DCM.ClassActivation),
        (STANDARD.gradient_activation, standard.DCM.GradientWeightedClassActivation),
    ]:
        assert ours == theirs
        assert ours.meaning == theirs.meaning


def test_every_class_of_every_scheme_has_a_grade():
    assert set(STANDARD.grades) == {*BINARY.classes, *FOUR_CLASS.classes}
    assert len({code.value for code in STANDARD.grades.values()}) == len(STANDARD.grades)


def test_a_site_puts_its_own_over_them(tmp_path):
    (tmp_path / "codes.toml").write_text(
        '[abnormality]\nvalue = "RID1"\nscheme = "RADLEX"\nmeaning = "torn ligament"\n'
        '[grades."unhealthy"]\nvalue = "X"\nscheme = "99SITE"\nmeaning = "injured"\n'
    )
    codes = STANDARD.overridden(tmp_path / "codes.toml")
    assert (codes.abnormality.value, codes.grades["unhealthy"].value) == ("RID1", "X")
    assert (codes.left, codes.grades["healthy"]) == (STANDARD.left, STANDARD.grades["healthy"])
    plain = result_of()
    result = type(plain)(plain.answer, plain.origins, plain.volume, site=Site(codes))
    said = read(report(result, evidence_of(result)))
    values = {element.value for element in said.iterall() if element.keyword == "CodeValue"}
    assert {"RID1", "X"} <= values
    assert not {"ABNORMAL", "UNHEALTHY"} & values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("finding = ", "TOML"),
        ("[nothing]", r"no code \[nothing\]"),
        ("[grades.lame]", r"no code \[grades.lame\]"),
        ("grades = 3", "table"),
        ('[finding]\nvalue = "1"\nscheme = "SCT"', r"\[finding\] needs"),
        (f'[finding]\nvalue = "{17 * "1"}"\nscheme = "SCT"\nmeaning = "x"', "at most 16"),
        ('[finding]\nvalue = 1\nscheme = "SCT"\nmeaning = "x"', r"\[finding\] needs"),
        ("finding = 3", r"\[finding\] needs"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text, says, tmp_path):
    (tmp_path / "codes.toml").write_text(text)
    with pytest.raises(CodesError, match=says):
        STANDARD.overridden(tmp_path / "codes.toml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CodesError, match="can't be read"):
        STANDARD.overridden(tmp_path / "codes.toml")
