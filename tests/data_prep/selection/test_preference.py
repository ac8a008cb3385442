"""Which of several series is predicted on: one test for each rank, and for draws."""

import pytest
from pydicom.dataset import Dataset

from data_prep.errors import UnsuitableStudy
from tests.data_prep.dicom_factory import AXIAL, CORONAL, make_series, make_slice
from tests.data_prep.selection.choosing import PD_FS, T1, load, notices, taken

PD = {"ScanOptions": "PFP", "SeriesDescription": "SAG PD"}
WATER = {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"], "ScanOptions": "PFP"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (PD_FS, T1),
        (WATER, T1),
        (WATER, PD),
        (WATER | {"RepetitionTime": None, "SeriesDescription": "WATER: Sag PD"}, T1),
        (T1, PD_FS | {"ImageType": ["DERIVED", "PRIMARY", "FOO"]}),
        (PD_FS | {"ImageType": ["ORIGINAL", "PRIMARY", "FOO"]}, T1),
        (PD_FS, PD_FS | {"ImageType": ["ORIGINAL", "PRIMARY", "FOO"]}),
        (PD_FS, WATER),
        (PD_FS, PD_FS | {"ImageType": ["DERIVED", "PRIMARY"]}),
        (PD_FS, WATER | {"ImageType": ["ORIGINAL", "PRIMARY", "DIXON", "WATER"]}),
        (PD, PD | {"ImageType": ["ORIGINAL", "PRIMARY", "DIXON", "IN_PHASE"]}),
        (PD_FS | {"slices": 9}, PD_FS),
        (PD_FS, PD_FS | {"PixelSpacing": [0.6, 0.6]}),
        (PD_FS | {"AcquisitionTime": "101500"}, PD_FS | {"AcquisitionTime": "095959.5"}),
        (
            PD_FS | {"AcquisitionDate": "20260102", "AcquisitionTime": "000100"},
            PD_FS | {"AcquisitionDate": "20260101", "AcquisitionTime": "235900"},
        ),
        (PD_FS | {"SeriesNumber": 7}, PD_FS | {"SeriesNumber": 5}),
        (PD_FS | {"AcquisitionNumber": 2}, PD_FS | {"AcquisitionNumber": 1}),
        (PD_FS | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]}, PD_FS | {"SeriesNumber": 9}),
        (T1, {"PixelSpacing": [1.2, 1.2]}),
        (T1, {"ScanningSequence": "GR", "RepetitionTime": 8, "EchoTime": 3, "ScanOptions": "PFP"}),
        (T1, {"SeriesDescription": "3 plane loc"}),
        ({"ScanningSequence": "GR", "RepetitionTime": 20, "EchoTime": 6, "SeriesDescription": "SAG DESS WE"}, T1),
        (PD_FS | {"slices": 9}, {"ScanningSequence": "GR", "EchoTime": 6, "SeriesDescription": "SAG DESS WE"}),
        ({"ScanningSequence": "GR", "EchoTime": 15}, PD),
        (PD_FS | {"RepetitionTime": None}, T1),
        ({"RepetitionTime": None, "EchoTime": 60, "ScanOptions": "FS"}, T1),
    ],
)
def test_the_better_series_is_taken_whichever_uid_comes_first(better, worse):
    assert taken(better=better, worse=worse) == "better"
    assert taken(worse=worse, better=better) == "better"


def scout_in_three_planes() -> list[Dataset]:
    planes = [make_series(9, series=1, ImageOrientationPatient=list(plane)) for plane in (AXIAL, CORONAL)]
    images = [make_series(9, series=1), *planes]
    for place, plane in enumerate(images):
        for image in plane:
            image.SOPInstanceUID += f".{place}"
    return [image for plane in images for image in plane]


def test_a_scout_in_three_planes_without_the_word_never_beats_a_t1():
    chosen = load(scout_in_three_planes(), make_series(20, series=2, **T1))
    assert chosen.volume.series_uid == "2.25.77.2"
    assert any("images in 3 planes" in one.reason for one in chosen.passed_over)


def test_a_scout_by_geometry_is_refused_when_it_is_alone():
    with pytest.raises(UnsuitableStudy, match=r"localizer, by its geometry: pixels of 1.70 mm"):
        load(make_series(12, PixelSpacing=[1.7, 1.7]))


def thick(number: int, **values) -> Dataset:
    return make_slice(number, ImagePositionPatient=[7.0 * number, 0.0, 0.0], **values)


def test_few_thick_slices_are_a_scout():
    with pytest.raises(UnsuitableStudy, match=r"localizer, by its geometry: 9 slices 7.0 mm apart"):
        load([thick(number) for number in range(1, 10)])


def dixon(levels: dict[str, tuple[str, ...]]) -> list[Dataset]:
    images = []
    for place, types in enumerate(levels.values()):
        for image in make_series(10, ImageType=["DERIVED", "PRIMARY", *types], ScanOptions="OTHER"):
            image.SOPInstanceUID += f".{place}"
            images.append(image)
    return images


@pytest.mark.parametrize(
    "parts",
    [
        {"fat": ("F", "F"), "in": ("IP", "IP"), "opposed": ("OP", "OP"), "water": ("W", "W")},
        {
            "opposed": ("DIXON", "OUT_PHASE"),
            "fat": ("DIXON", "FAT"),
            "water": ("DIXON", "WATER"),
            "in": ("DIXON", "IN_PHASE"),
        },
        {"map": ("DIXON", "FAT_FRACTION"), "fat": ("DIXON", "FAT"), "water": ("DIXON", "WATER")},
    ],
)
def test_of_a_dixon_set_in_one_series_water(parts):
    chosen = load(dixon(parts))
    place = list(parts).index("water")
    assert {uid.rsplit(".", 1)[1] for uid in chosen.volume.sop_uids} == {str(place)}
    assert chosen.volume.acquisition.fat_suppressed is True
    assert chosen.volume.acquisition.kind == "water"
    assert "fat image" in {one.reason for one in chosen.passed_over}


def test_an_in_phase_image_is_predicted_on_when_it_is_alone_and_its_fat_is_bright():
    chosen = load(dixon({"in": ("DIXON", "IN_PHASE"), "opposed": ("DIXON", "OUT_PHASE")}))
    assert chosen.volume.acquisition.kind == "in_phase"
    assert chosen.volume.acquisition.fat_suppressed is False
    assert [one.reason for one in chosen.passed_over] == ["opposed-phase image"]


@pytest.mark.parametrize("types", [("OP", "OP"), ("F", "F"), ("T2_MAP",), ("FF", "FF"), ("MIP",), ("P",)])
def test_no_other_part_is_predicted_on_even_alone(types):
    with pytest.raises(UnsuitableStudy, match="Nothing to predict on"):
        load(dixon({"only": types}))


def test_an_unknown_word_is_told():
    chosen = load(make_series(ImageType=["ORIGINAL", "PRIMARY", "FOO"]))
    assert "word 3 of ImageType isn't known" in notices(chosen)["series-kind-unknown"]
    assert "series-kind-unknown" not in notices(load(make_series(ImageType=["ORIGINAL", "PRIMARY", "OTHER"])))


@pytest.mark.parametrize("description", ["", "Knee right", "FUSION", "Result", "PROCESSED 2"])
def test_a_derived_image_of_which_nothing_says_what_it_is_is_told(description):
    images = make_series(slices=8, ImageType=["DERIVED", "PRIMARY"], SeriesDescription=description)
    assert "derived" in notices(load(images))["series-kind-unknown"]
    copy = make_series(slices=8, ImageType=["DERIVED", "PRIMARY"], SeriesDescription=f"{description} PD FS")
    assert "series-kind-unknown" not in notices(load(copy))


@pytest.mark.parametrize("description", ["SAG FF", "FF", "FA", "sag FA"])
def test_a_derived_image_with_the_short_name_of_a_map_is_not_predicted_on(description):
    with pytest.raises(UnsuitableStudy):
        load(make_series(slices=8, ImageType=["DERIVED", "PRIMARY"], SeriesDescription=description))


@pytest.mark.parametrize(
    "description", ["DP FS plan sagittal", "SAG DP FS PLAN LCA", "PD FS LOC MEN", "MULTI PLANE PD FS"]
)
def test_a_plane_or_place_of_a_readers_series_makes_no_scout(description):
    assert "series-kind-unknown" in notices(load(make_series(slices=8, SeriesDescription=description)))


@pytest.mark.parametrize(("types", "description"), [("M\\DIS2D", "FF"), ("M_FFE\\M", "SAG FA"), ("OTHER", "T2 FF")])
def test_the_short_name_of_a_map_counts_beside_any_derived_type(types, description):
    with pytest.raises(UnsuitableStudy):
        load(make_series(slices=8, ImageType=["DERIVED", "PRIMARY", *types.split("\\")], SeriesDescription=description))


@pytest.mark.parametrize("description", ["T2_Images", "T2 (ms)", "T1 times"])
def test_a_weighting_alone_is_also_the_name_of_a_map(description):
    images = make_series(slices=8, ImageType=["DERIVED", "PRIMARY"], SeriesDescription=description)
    assert "series-kind-unknown" in notices(load(images))


@pytest.mark.parametrize("types", [["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY"]])
def test_a_flip_angle_is_no_map(types):
    images = make_series(slices=8, ImageType=types, SeriesDescription="SAG PD FS FA 150")
    assert "series-kind-unknown" not in notices(load(images))


def test_a_description_that_names_fat_is_no_doubt_where_a_tag_says_that_it_is_suppressed():
    told = {
        tags: notices(load(make_series(ScanOptions=tags, SeriesDescription="SAG DP FAT"))) for tags in ("FS", "PFP")
    }
    assert told["FS"] == {}
    assert "names fat" in told["PFP"]["series-kind-unknown"]


def test_equal_series_of_one_kind_are_told_apart_by_nothing_and_it_is_said():
    chosen = load(make_series(10), make_series(10, series=2))
    assert "2.25.77.2" in notices(chosen)["equal-series"]
    assert "headers don't distinguish them" in chosen.passed_over[0].reason


def test_unclear_images_beside_a_good_series_cost_nothing():
    unclear = [
        make_series(10, series=place, ImageType=["DERIVED", "PRIMARY", word])
        for place, word in ((1, "FOO"), (2, "BAR"))
    ]
    assert load(*unclear, make_series(10, series=3)).volume.series_uid == "2.25.77.3"
    for image in unclear[1]:
        image.SeriesInstanceUID = "2.25.77.1"
    chosen = load(*unclear, make_series(10, series=3))
    assert chosen.volume.series_uid == "2.25.77.3"
    assert "headers don't say clearly" in " ".join(one.reason for one in chosen.passed_over)
    with pytest.raises(UnsuitableStudy, match="other images of the same series are alike"):
        load(*unclear)


def dixon_series(**values) -> list[list[Dataset]]:
    types = ["DERIVED", "PRIMARY", "DIXON"]
    return [make_series(10, series=number, SeriesNumber=number, ImageType=types, **values) for number in (1, 2)]


def test_numbers_do_not_tell_the_parts_of_a_dixon_scan():
    with pytest.raises(UnsuitableStudy, match="headers don't say whether it shows water or fat"):
        load(*dixon_series(ScanOptions="OTHER"))


def test_the_description_tells_the_parts_of_a_dixon_scan():
    water, fat = dixon_series(ScanOptions="OTHER")
    for image in water:
        image.SeriesDescription = "sag_W"
    for image in fat:
        image.SeriesDescription = "sag_F"
    chosen = load(water, fat)
    assert chosen.volume.acquisition.kind == "water"
    assert [one.reason for one in chosen.passed_over] == ["fat image"]


@pytest.mark.parametrize(
    ("keyword", "first", "second"),
    [("EchoNumbers", 1, 2), ("AcquisitionNumber", 2, 1), ("TemporalPositionIdentifier", 1, 2)],
)
def test_repeats_within_a_series_are_told_by_more_than_a_uid(keyword, first, second):
    wanted, other = (make_series(10, EchoTime=None, **{keyword: number}) for number in (first, second))
    for image in wanted:
        image.SOPInstanceUID += ".9"
    chosen = load(wanted, other)
    assert chosen.volume.sop_uids[0].endswith(".9")
    assert not notices(chosen).get("equal-series")


def test_equal_images_of_one_series_are_told():
    plain = make_series(10, ImageType=["ORIGINAL", "PRIMARY", "M"])
    other = make_series(10, ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    for image in other:
        image.SOPInstanceUID += ".2"
    assert "other images of the same series" in notices(load(plain, other))["equal-series"]


@pytest.mark.parametrize(("one", "other"), [("FOO", "BAR"), ("FOO", "QUUX"), ("M7", "M8")])
def test_equal_series_that_may_differ_in_kind_are_refused(one, other):
    series = [
        make_series(10, series=place, ImageType=["DERIVED", "PRIMARY", word]) for place, word in ((1, one), (2, other))
    ]
    with pytest.raises(
        UnsuitableStudy, match=r"2.25.77.1 and series 2.25.77.2 are alike.*word 3 of ImageType"
    ) as caught:
        load(*series)
    assert caught.value.kind == "unclear-kind"
