"""What an image is, by values that scanners really write (kinds.toml), in every spelling; and what is left open."""

import tomllib
from pathlib import Path

import pytest

from data_prep.dicom.header import Header
from data_prep.selection.acquisition import fat_suppressed
from data_prep.selection.kind import PREDICTABLE, Kind, derived, find, scout_by_geometry, scout_signs

VENDORS = tomllib.loads((Path(__file__).parent / "kinds.toml").read_text(encoding="utf-8"))["vendor"]
IMAGES = [image | {"manufacturer": vendor["manufacturer"]} for vendor in VENDORS for image in vendor["images"]]


def header(**values) -> Header:
    return Header({name: value if isinstance(value, tuple) else (value,) for name, value in values.items() if value})


def of(image: dict[str, str], kind_of_value: str = "ImageType") -> Header:
    types = tuple(image["type"].split("\\"))
    described = image.get("description", "")
    return header(**{kind_of_value: types, "SeriesDescription": described, "Manufacturer": image["manufacturer"]})


def name(image: dict[str, str]) -> str:
    return f"{image['manufacturer']} {image['type']} {image.get('description', '')}"


@pytest.mark.parametrize("image", IMAGES, ids=name)
def test_real_values(image):
    assert find(of(image)).kind.name.lower() == image["kind"]


@pytest.mark.parametrize("image", [image for image in IMAGES if "suppressed" in image], ids=name)
def test_fat_suppression_by_real_values(image):
    assert fat_suppressed(of(image)) is image["suppressed"]


@pytest.mark.parametrize("image", IMAGES, ids=name)
def test_frame_types_case_hyphens_and_spaces_change_nothing(image):
    kind = Kind[image["kind"].upper()]
    for change in (str.lower, lambda text: text.replace("_", " "), lambda text: text.replace("_", "-")):
        changed = image | {"type": change(image["type"])}
        assert find(of(changed)).kind is kind
        assert find(of(changed, "FrameType")).kind is kind


def test_no_real_value_leaves_its_kind_unclear():
    unclear = {name(image): find(of(image)).doubts for image in IMAGES if find(of(image)).doubts}
    assert unclear == {}


def test_every_vendor_and_every_kind_has_real_values():
    assert all(image["source"] for image in IMAGES)
    assert {image["kind"] for image in IMAGES} >= {kind.name.lower() for kind in Kind} - {"mask"}
    assert all(len(vendor["images"]) > 3 for vendor in VENDORS)


@pytest.mark.parametrize(
    "values",
    [
        ("ORIGINAL", "PRIMARY", "LOCALIZER"),
        ("LOCALIZER", "ORIGINAL", "PRIMARY"),
        ("ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D", "localizer"),
    ],
)
def test_a_value_counts_at_any_position(values):
    assert find(header(ImageType=values)).kind is Kind.LOCALIZER


def test_what_frame_type_says_of_one_frame_counts_before_image_type():
    mixed = ("DERIVED", "PRIMARY", "DIXON", "FAT")
    assert find(header(ImageType=mixed, FrameType=("DERIVED", "PRIMARY", "DIXON", "WATER"))).kind is Kind.WATER
    assert (
        find(header(ImageType=("DERIVED", "PRIMARY", "T2 MAP"), FrameType=("ORIGINAL", "PRIMARY", "M"))).kind
        is Kind.ANATOMY
    )
    assert find(header(ImageType=("ORIGINAL", "PRIMARY", "LOCALIZER"), FrameType="ORIGINAL")).kind is Kind.LOCALIZER
    assert derived(header(ImageType="ORIGINAL", FrameType="DERIVED"))


@pytest.mark.parametrize(
    ("component", "kind"),
    [("PHASE", Kind.PHASE), ("REAL", Kind.REAL), ("MAGNITUDE", Kind.ANATOMY), ("MIXED", Kind.ANATOMY)],
)
def test_complex_image_component(component, kind):
    assert find(header(ImageType=("ORIGINAL", "PRIMARY"), ComplexImageComponent=component)).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        *(
            "localizer",
            "3-plane loc",
            "Scout_3pl",
            "CoilSurvey",
            "SmartExam",
            "AutoAlign",
            "Plan",
            "SURVEY",
            "3 Pl Loc SSFSE",
            "AAHScout",
            "tri pilot",
            "Localiser KNEE",
            "LOC",
        ),
        *(
            "Lokalizer",
            "Übersicht",
            "Uebersicht 3 Ebenen",
            "repérage",
            "Localisateur",
            "localizador",
            "Localizzatore",
            "overzicht",
        ),
        *("Lokalizator", "локалайзер", "Локализатор", "обзорный скан", "kılavuz", "översikt", "Planung"),
        *(
            "定位",
            "三平面定位像",
            "位置決め",
            "スカウト",
            "로컬라이저",
            "plan_scan",
            "Smart Survey",
            "PilotSag",
            "Topogramm",
        ),
        *("TRIPLANAR", "SCANO", "Repère", "centrage", "Zentrierung", "FastView", "CAL SCAN", "SENSE_REF", "Yerleşim"),
    ],
)
@pytest.mark.parametrize("types", [("ORIGINAL", "PRIMARY", "M", "ND"), ("ORIGINAL", "PRIMARY", "OTHER"), ()])
def test_a_scout_in_many_languages(text, types):
    assert find(header(ImageType=types, SeriesDescription=text)).kind is Kind.LOCALIZER


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("WATER: Sag PD FSE Flex", Kind.WATER),
        ("FAT: Sag PD FSE Flex", Kind.FAT),
        ("InPhase: Sag T2 FSE", Kind.IN_PHASE),
        ("OutPhase: Sag T2 FSE", Kind.OPPOSED_PHASE),
        ("pd_tse_dixon_sag_W", Kind.WATER),
        ("pd_tse_dixon_sag_F", Kind.FAT),
        ("t2_tse_dixon_sag_in", Kind.IN_PHASE),
        ("t2_tse_dixon_sag_opp", Kind.OPPOSED_PHASE),
        ("Sag PD mDIXON Water", Kind.WATER),
        ("WATER IMAGE", Kind.WATER),
        ("PD DIXON SAG 水画像", Kind.WATER),
        ("PD DIXON SAG 脂肪画像", Kind.FAT),
        ("PD DIXON SAG SU", Kind.WATER),
        ("PD DIXON SAG YAĞ", Kind.FAT),
        ("PD DIXON SAG 지방", Kind.FAT),
        ("T1 out of phase", Kind.OPPOSED_PHASE),
        ("T1 opposition de phase", Kind.OPPOSED_PHASE),
    ],
)
def test_the_parts_of_a_dixon_scan_by_description(text, kind):
    assert find(header(ImageType=("DERIVED", "PRIMARY", "OTHER"), SeriesDescription=text)).kind is kind


@pytest.mark.parametrize(
    "text",
    ["SAG PD FAT SAT", "Sag PD water excitation", "pd sag flex coil", "SAG T2 HOFFA FAT PAD FS", "PD FSE SAG", ""],
)
def test_fat_and_water_in_other_senses(text):
    found = find(header(ImageType=("ORIGINAL", "PRIMARY", "OTHER"), SeriesDescription=text))
    assert (found.kind, found.doubts) == (Kind.ANATOMY, ())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Sag T2 map", Kind.MAP),
        ("CartiGram sag", Kind.MAP),
        ("T1rho sag", Kind.MAP),
        ("SAG MIP", Kind.PROJECTION),
        ("sag MPR", Kind.REFORMAT),
        ("SUB sag", Kind.DIFFERENCE),
        ("ADC sag", Kind.DIFFUSION),
        ("femur segmentation", Kind.MASK),
    ],
)
def test_a_description_decides_of_derived_images_and_casts_doubt_on_original_ones(text, kind):
    assert find(header(ImageType=("DERIVED", "PRIMARY"), SeriesDescription=text)).kind is kind
    original = find(header(ImageType=("ORIGINAL", "PRIMARY"), SeriesDescription=text))
    assert (original.kind, original.serious) == (Kind.ANATOMY, True)
    assert kind.value in original.doubts[0]


@pytest.mark.parametrize("word", ["FOO", "QUUX_7T", "XYZ.12"])
def test_an_unknown_word_is_a_doubt_and_a_serious_one_of_derived_images(word):
    original = find(header(ImageType=("ORIGINAL", "PRIMARY", word)))
    assert (original.kind, original.serious) == (Kind.ANATOMY, False)
    assert original.doubts == ("word 3 of ImageType isn't known",)
    assert find(header(ImageType=("DERIVED", "PRIMARY", word))).serious


@pytest.mark.parametrize("word", ["ZEBEDEE", "Quibble^Zebedee", "SEE DR. ZEBEDEE QUIBBLE TOMORROW", "Ζέβεδαιος"])
def test_what_may_hold_a_name_is_never_quoted(word):
    (doubt,) = find(header(ImageType=("ORIGINAL", "PRIMARY", word))).doubts
    assert doubt == "word 3 of ImageType isn't known"


@pytest.mark.parametrize("text", ["SAG PD FAT", "sag fett", "PD grasa"])
def test_fat_alone_may_mean_both(text):
    found = find(header(ImageType=("ORIGINAL", "PRIMARY"), SeriesDescription=text))
    assert (found.kind, found.serious) == (Kind.ANATOMY, False)
    assert "names fat" in found.doubts[0]
    assert fat_suppressed(header(ImageType=("ORIGINAL", "PRIMARY"), SeriesDescription=text)) is None


@pytest.mark.parametrize(
    "text", ["SAG PD FS ACL RECON", "PD FS post LCA reconstruccion", "前交叉韧带重建 PD FS", "Hoffa fat pad PD"]
)
def test_an_operation_is_no_reformat(text):
    assert find(header(ImageType=("ORIGINAL", "PRIMARY"), SeriesDescription=text)).doubts == ()


def test_endless_values_are_read_up_to_a_limit():
    values = tuple(f"Q{number:x}" for number in range(30_000))
    found = find(header(ImageType=("ORIGINAL", *values), SeriesDescription=values, ScanOptions=values))
    assert len(found.doubts) < 5
    assert fat_suppressed(header(ScanOptions=values)) is False


def test_a_dixon_image_without_a_part_is_unclear():
    assert find(header(ImageType=("DERIVED", "PRIMARY", "DIXON"))).doubts
    assert find(header(ImageType=("ORIGINAL", "PRIMARY", "M_SE"), SeriesDescription="PD mDIXON SAG")).doubts


def test_a_protocol_name_of_ge_is_that_of_the_whole_examination():
    values = {"ImageType": ("ORIGINAL", "PRIMARY"), "ProtocolName": "knee with localizer"}
    assert find(header(**values, Manufacturer="GE MEDICAL SYSTEMS")).kind is Kind.ANATOMY
    assert find(header(**values, Manufacturer="SIEMENS")).kind is Kind.LOCALIZER


@pytest.mark.parametrize(
    ("slices", "spacing_mm", "planes", "scout"),
    [
        (24, (4.0, 0.625, 0.625), 1, False),  # the real GE series
        (10, (3.0, 0.5, 0.5), 1, False),
        (14, (3.5, 0.9, 1.1), 1, False),
        (30, (5.0, 0.4, 0.4), 1, False),
        (160, (0.6, 0.5, 0.5), 1, False),
        (9, (3.0, 0.5, 0.5), 3, False),  # three planes alone may be a 3D scan with its reformats
        (10, (5.0, 0.8, 0.8), 1, False),  # suspicious, see below
        (9, (7.0, 0.9, 0.9), 1, True),
        (15, (6.0, 1.2, 1.2), 1, True),
        (9, (6.0, 0.8, 0.8), 3, True),
        (20, (4.0, 1.6, 1.6), 1, True),
        (11, (5.0, 1.2, 1.2), 3, True),
    ],
)
def test_scouts_by_geometry(slices, spacing_mm, planes, scout):
    assert scout_by_geometry(slices, spacing_mm, planes) is scout
    assert bool(scout_signs(slices, spacing_mm, planes)) or not scout


@pytest.mark.parametrize(
    ("slices", "spacing_mm", "planes"),
    [(10, (5.0, 0.8, 0.8), 1), (20, (6.0, 0.7, 0.7), 1), (20, (4.0, 1.2, 1.2), 1), (20, (3.0, 0.5, 0.5), 3)],
)
def test_one_sign_alone_is_a_doubt(slices, spacing_mm, planes):
    assert len(scout_signs(slices, spacing_mm, planes)) == 1
    assert not scout_by_geometry(slices, spacing_mm, planes)


@pytest.mark.parametrize("b_value", [400.0, 800.0, 1000.0])
def test_a_diffusion_weighted_image(b_value):
    assert find(header(ImageType=("ORIGINAL", "PRIMARY", "OTHER"), DiffusionBValue=b_value)).kind is Kind.DIFFUSION
    assert find(header(ImageType=("ORIGINAL", "PRIMARY", "OTHER"), DiffusionBValue=0.0)).kind is Kind.ANATOMY


@pytest.mark.parametrize(
    ("option", "kind"), [("DIXW", Kind.WATER), ("DIXF", Kind.FAT), ("FS", Kind.ANATOMY), ("PFP", Kind.ANATOMY)]
)
def test_scan_options_that_name_a_dixon_part(option, kind):
    assert find(header(ImageType=("ORIGINAL", "PRIMARY", "M"), ScanOptions=("PFP", option))).kind is kind


@pytest.mark.parametrize("types", [("DERIVED", "PRIMARY", "T2"), ("DERIVED", "PRIMARY", "DIXON", "T2_STAR"), ("PDFF",)])
def test_maps_by_their_weighting_alone(types):
    assert find(header(ImageType=types)).kind is Kind.MAP


@pytest.mark.parametrize("text", ["SAG T2 knee", "t2_tse"])
def test_a_protocol_that_is_called_a_scout(text):
    values = {"ImageType": ("ORIGINAL", "PRIMARY"), "SeriesDescription": text, "ProtocolName": "scout"}
    assert find(header(**values, Manufacturer="SIEMENS")).kind is Kind.LOCALIZER


def test_what_can_be_predicted_on():
    assert set(PREDICTABLE) == {Kind.ANATOMY, Kind.WATER, Kind.IN_PHASE}
