"""Headers that name another part of the body: told, and no reason to lose a study."""

import pytest

from data_prep.dicom.header import Header
from data_prep.quality import screen
from data_prep.selection.body_part import other_body_parts
from data_prep.selection.series import load_study
from tests.data_prep.dicom_factory import make_series, named
from tests.data_prep.selection.choosing import PD_FS, T1, notices, taken


def parts(**values: str) -> str:
    return ", ".join(other_body_parts(Header({keyword: (value,) for keyword, value in values.items()})))


@pytest.mark.parametrize(
    ("description", "part"),
    [
        *(
            (text, "head")
            for text in ("BRAIN", "MRI Head w/o", "IRM cérébrale tête", "Schädel MRT", "颅脑平扫", "頭部 T2")
        ),
        *((text, "spine") for text in ("LSPINE", "C-Spine sag", "LWS sagittal", "columna lumbar", "腰椎T2矢状位")),
        *(
            (text, "ankle")
            for text in ("ANKLE_RT", "Sprunggelenk li", "cheville", "сагиттальный голеностоп", "左足関節")
        ),
        *((text, "shoulder") for text in ("SHOULDER", "Schulter", "épaule droite", "hombro", "右肩関節")),
        *((text, "hip") for text in ("HIP", "Hüfte", "hanche", "股関節")),
        *((text, "hand") for text in ("WRIST", "Handgelenk", "poignet", "muñeca")),
        *((text, "trunk") for text in ("ABDOMEN", "PELVIS^PROSTATE", "Becken", "乳腺")),
        ("MRI THIGH", "thigh"),
        ("Unterschenkel", "lower leg"),
    ],
)
@pytest.mark.parametrize("keyword", ["BodyPartExamined", "SeriesDescription", "StudyDescription", "ProtocolName"])
def test_another_part_is_read_in_the_words_of_scanners(keyword, description, part):
    assert parts(**{keyword: description}) == part


@pytest.mark.parametrize(
    "knee",
    [
        "KNEE",
        "SAG PD FS Knie li",
        "genou",
        "PDKneeLt",
        "膝関節 PD",
        "膝关节矢状位",
        "колено",
        "ACL",
        "Meniskus",
        "무릎",
    ],
)
def test_a_knee_named_anywhere_counts_more(knee):
    assert parts(BodyPartExamined="HEAD", SeriesDescription=knee) == ""
    assert parts(StudyDescription=knee, ProtocolName="ankle coil test", BodyPartExamined="ANKLE") == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SAG PD FS",
        "EXTREMITY",
        "LEG",
        "LOWER LIMB",
        "JOINT",
        "head coil",
        "foot/ankle coil",
        "FEET FIRST",
        "FFS",
        "MSK",
    ],
)
def test_what_knees_are_called_too_names_no_other_part(text):
    assert parts(BodyPartExamined=text, SeriesDescription=text) == ""


@pytest.mark.parametrize(
    "knee",
    [
        *(
            "SAĞ DİZ MR",
            "khớp gối",
            "เข่าซ้าย",
            "MRT KG re",
            "MRI GENU DEXTRA",
            "ひざ関節",
            "ménisque",
            "мениск",
            "VKB",
            "ПКС",
        ),
        *("Rótula", "коляно", "kneledd", "knäleden", "MRIKNEE", "前叉手术后"),
    ],
)
def test_a_wrong_body_part_beside_a_knee_in_its_own_script_is_no_other_part(knee):
    assert parts(BodyPartExamined="HIP", SeriesDescription=knee) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("SAG PD FS FIBULAR HEAD", "gastrocnemius medial head", "tête péroné", "cabeza peroné", "киста Бейкера"),
        *(
            "手术后",
            "2시간",
            "Kopf voran",
            "Füße voran",
            "pieds premiers",
            "Fussspule",
            "plantaris tendon",
            "стоп-кадр",
        ),
    ],
)
def test_what_only_looks_like_another_part(text):
    assert parts(SeriesDescription=text) == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        *(
            ("BEYİN", "head"),
            ("DİRSEK", "arm"),
            ("EL BİLEĞİ", "hand"),
            ("HUEFTE", "hip"),
            ("Lendenwirbelsäule", "spine"),
        ),
        *(("MRI UPPER EXTREMITY JOINT WO", "arm"), ("ANKLE (KNEE COIL)", "ankle"), ("OSG Kniespule", "ankle")),
        *(("C-SPINE FLEX", "spine"), ("RM PIE DERECHO", "ankle"), ("IRM MAIN DROITE", "hand"), ("アキレス腱", "ankle")),
    ],
)
def test_another_part_in_other_spellings_and_with_coils(text, part):
    assert parts(SeriesDescription=text) == part


def test_a_series_that_names_another_part_counts_before_the_name_of_its_study():
    study = {"StudyDescription": "MRI KNEE AND ANKLE LEFT"}
    assert parts(**study, SeriesDescription="SAG PD FS ANKLE") == "ankle"
    assert parts(**study, SeriesDescription="SAG PD FS FIBULAR HEAD") == ""
    assert taken(knee=T1 | study, ankle=PD_FS | study | {"SeriesDescription": "SAG PD FS ANKLE"}) == "knee"


def test_the_knee_of_a_study_is_predicted_on_though_another_part_suits_better():
    assert (
        taken(knee=T1 | {"SeriesDescription": "SAG T1 KNEE"}, ankle=PD_FS | {"SeriesDescription": "SAG PD FS ANKLE"})
        == "knee"
    )


def test_alone_it_is_predicted_on_with_a_warning_and_flagged_in_an_import():
    selection = load_study(named(make_series(slices=12, BodyPartExamined="BRAIN")))
    assert "head" in notices(selection)["other-body-part"]
    assert "wrong-body-part" in {flag.kind for flag in screen(selection.volume)}


def test_silent_headers_say_nothing_of_it():
    assert "other-body-part" not in notices(load_study(named(make_series(slices=12))))
