"""The objects of one answer: valid whatever the source was, the same each time, in the source's study."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import SegmentationStorage

from app.results import KINDS, OF_EACH_SLICE, Result, Site, build
from app.service.parts import EXTENSION
from data_prep.dicom.header import REPEATED, REPEATED_OF_ITEMS
from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.phantom import generate, write
from data_prep.selection.series import Selection, load_study
from tests.app.results.made import ORDER, PATIENT, SCALE, map_of, read, result_from, result_of, two_echoes, validator
from tests.app.studies import instances, study_zip, voxels
from tests.data_prep.dicom_factory import as_sent, enhanced, make_series, make_slice, named, uploads

pytestmark = pytest.mark.slow


def series(**attributes) -> Selection:
    return load_study(named(make_series(**attributes)))


def of_the_tests(side: str) -> Selection:
    files = instances(voxels(), Laterality=side, StudyDate="20260101")
    return load_study(uploads({str(place): content for place, content in enumerate(files)}))


STUDIES: dict[str, Callable[[], Selection]] = {
    "right": lambda: of_the_tests("R"),
    "left": lambda: of_the_tests("L"),
    "unknown side": lambda: of_the_tests(""),
    "everything": lambda: series(**PATIENT, Laterality="L"),
    "nothing of the patient": lambda: series(PatientID=None),
    "empty": lambda: series(PatientName="", PatientID="", StudyDate="", Manufacturer=""),
    "not in Latin": lambda: series(SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Tarou=山田^太郎"),
    "anonymous": lambda: series(PatientIdentityRemoved="YES", DeidentificationMethod="by hand", PatientName="x"),
    "lossy": lambda: series(
        LossyImageCompression="01", LossyImageCompressionRatio="8.5", LossyImageCompressionMethod="ISO_10918_1"
    ),
    "ordered": lambda: series(**PATIENT, **ORDER),
    "no positions": lambda: series(ImagePositionPatient=None, SpacingBetweenSlices=4.0, **PATIENT),
    "several echoes": lambda: load_study(named(two_echoes())),
    "enhanced": lambda: load_study(named([enhanced(make_series(**PATIENT, Laterality="R"))])),
}


IODS = {"Comprehensive3DSR", "ParametricMap", "SCImage", "Segmentation"}


def errors(content: bytes, folder) -> list[str]:
    """What `dciodvfy` finds wrong."""
    (folder / "object.dcm").write_bytes(content)
    done = subprocess.run([validator(), folder / "object.dcm"], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).splitlines()
    assert IODS & set(said)
    return [line for line in said if line.startswith("Error")]


def assert_valid(selection: Selection, folder, scheme=BINARY, predicted=-1) -> None:
    for scale in ({"scale": SCALE}, {}):
        result = result_from(selection, scheme, predicted, **scale)
        values = map_of(result)
        for kind in KINDS:
            only = 0 if kind in OF_EACH_SLICE else None
            files = build(kind, result, lambda values=values: values, only=only)
            there = {"seg": bool(scale), "slices": result.is_among_others}.get(kind, True)
            assert len(files) == there
            assert [error for content in files for error in errors(content, folder)] == []
    (integers,) = build("map", result, lambda: values, "uint16")
    assert errors(integers, folder) == []


@pytest.mark.parametrize("name", STUDIES)
def test_the_validator_finds_no_error(name, tmp_path):
    assert_valid(STUDIES[name](), tmp_path)


@pytest.mark.parametrize("predicted", range(len(FOUR_CLASS)))
def test_the_validator_finds_no_error_in_four_classes(predicted, tmp_path):
    assert_valid(of_the_tests("R"), tmp_path, FOUR_CLASS, predicted)


def test_the_validator_finds_no_error_in_a_synthetic_knee(tmp_path):
    write(generate(5, "complete rupture"), tmp_path)
    assert_valid(load_study(tmp_path / "dicom"), tmp_path)


@pytest.mark.real_knee
def test_the_validator_finds_no_error_in_a_real_knee(real_knee, tmp_path):
    assert_valid(load_study(uploads(real_knee)), tmp_path)


def test_the_validator_finds_errors(tmp_path):
    (content,) = build("map", result_of(), lambda: np.zeros((8, 40, 36), np.float32))
    dataset = read(content)
    del dataset.Laterality
    dataset.save_as(tmp_path / "wrong.dcm")
    assert errors((tmp_path / "wrong.dcm").read_bytes(), tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("slices", "ligament")])
def test_a_repeat_makes_the_same_bytes_and_another_answer_another_instance(kind):
    values = map_of(result_of())
    first = build(kind, result_of(scale=SCALE), lambda: values)
    assert first == build(kind, result_of(scale=SCALE), lambda: values)
    others = build(kind, result_of(scale=SCALE | {"classes": {"unhealthy": 0.07}}), lambda: values)
    one, other = read(first[-1]), read(others[-1])
    assert other.SOPInstanceUID != one.SOPInstanceUID
    assert other.SeriesInstanceUID == one.SeriesInstanceUID


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_belongs_to_its_source_and_says_what_it_is(kind):
    result = result_of(*two_echoes(), scale=SCALE)
    dataset = read(build(kind, result, lambda: map_of(result))[-1])
    for keyword in PATIENT.keys() - {"FrameOfReferenceUID", "Manufacturer", "SliceThickness"}:
        assert dataset[keyword].value == PATIENT[keyword]
    assert dataset.StudyInstanceUID == result.volume.study_uid
    assert dataset.SeriesInstanceUID != result.volume.series_uid
    assert (dataset.ContentDate, dataset.ContentTime) == ("20261121", "093000")
    assert dataset.ContentQualification == "RESEARCH"
    assert "Research use only" in dataset.SeriesDescription
    models = [
        (one.get("ManufacturerModelName"), one.SoftwareVersions)
        for one in dataset.ContributingEquipmentSequence
        if "SoftwareVersions" in one
    ]
    assert ("demo", ["0.1.0", "9f" * 32]) in models
    assert dataset.SoftwareVersions == "0.1.0"
    assert dataset.get("Laterality", "R") == "R"


@pytest.mark.parametrize("kind", KINDS)
def test_no_random_uid_is_left(kind):
    """Every UID is the source's, the standard's, or comes from a name; highdicom's own prefix would be random."""
    result = result_of(*two_echoes(), scale=SCALE)
    dataset = read(build(kind, result, lambda: map_of(result))[-1])
    found = [str(one.value) for one in dataset.iterall() if one.VR == "UI"]
    assert found
    assert all(uid.startswith(("2.25.", "1.2.840.10008.")) for uid in found)


@pytest.mark.parametrize("kind", KINDS)
def test_sources_stay_as_they_are(kind):
    result = result_of(enhanced(make_series(**PATIENT)), scale=SCALE)
    before = [source.to_json() for source in result.origins]
    build(kind, result, lambda: map_of(result))
    assert [source.to_json() for source in result.origins] == before


def test_the_site_says_what_is_made_and_the_report_names_only_that():
    def named(kinds):
        result = replace(result_of(scale=SCALE), site=Site(kinds=kinds))
        (content,) = build("sr", result, lambda: map_of(result))
        (series,) = read(content).CurrentRequestedProcedureEvidenceSequence
        instances = [one for part in series.ReferencedSeriesSequence for one in part.ReferencedSOPSequence]
        return {one.ReferencedSOPInstanceUID for one in instances if one.ReferencedSOPClassUID == SegmentationStorage}

    result = result_of(scale=SCALE)
    (made,) = build("seg", result, lambda: map_of(result))
    assert named(KINDS) == {read(made).SOPInstanceUID}
    assert named(("sr", "map")) == set()


@pytest.mark.filterwarnings("ignore")  # pydicom's, while the test writes the files
@given(
    st.dictionaries(
        st.sampled_from(sorted({*REPEATED} - {*REPEATED_OF_ITEMS})),
        st.binary(max_size=40).map(lambda value: value + value),
    )
)
@settings(max_examples=15)
def test_whatever_a_header_holds_objects_are_made(sent):
    result = result_of(*[as_sent(make_slice(number), sent) for number in range(1, 9)], scale=SCALE)
    for kind in KINDS:
        for content in build(kind, result, lambda: map_of(result), only=0 if kind in OF_EACH_SLICE else None):
            assert read(content).StudyInstanceUID == result.volume.study_uid


def test_nothing_of_the_patient_is_logged(caplog, recwarn):
    caplog.set_level("DEBUG")
    names = {"PatientName": "Zebedee", "PatientID": "MRN-55512", "ReferringPhysicianName": "Quibble"}
    result = result_of(*two_echoes(**names), scale=SCALE)
    for kind in KINDS:
        build(kind, result, lambda: map_of(result))
    written = caplog.text + "".join(str(warning.message) for warning in recwarn.list)
    assert not any(word in written for word in ("Zebedee", "MRN-55512", "Quibble"))


@pytest.mark.parametrize("bundle", ["tiny", "four"])
def test_objects_of_a_service_s_answer_are_valid_and_hold_the_served_map(make_app, bundle, tmp_path):
    app = make_app()
    client, store = app.test_client(), app.extensions[EXTENSION].store
    answer = client.post(
        f"/v1/predictions?bundle={bundle}", data=study_zip(), headers={"Content-Type": "application/zip"}
    ).get_json()
    explained = answer["result"]["classes"].index(answer["explanation"]["class"])
    result = Result(answer, store.read(answer["id"]).origins, store.read(answer["id"]).job.volume)
    volume_map = store.read(answer["id"]).map(explained).volume
    objects = [content for kind in KINDS for content in build(kind, result, volume_map, only=3)]
    assert len(objects) == 4  # these bundles have no scale, so there is no region
    assert all(errors(content, tmp_path) == [] for content in objects)
    served = np.load(io.BytesIO(client.get(f"/v1/predictions/{answer['id']}/map.npz").data))["map"]
    (content,) = build("map", result, volume_map, "uint16")
    dataset = read(content)
    mapping = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    back = dataset.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    assert np.abs(back - served).max() <= mapping.RealWorldValueSlope / 2 * 1.000001
