"""The quality screen finds what a radiologist would send back, and leaves good exams alone.

Knees are acquired on a coarser matrix than usual, so that hundreds take a minute; a few full-size ones show that it
doesn't matter. Thresholds were set on other seeds (0.9 to 3 million) than those that are used here.
"""

import dataclasses
import pickle
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.dataset import Dataset
from scipy.stats import binomtest

from data_prep.errors import InputError, MalformedInput
from data_prep.labels import FOUR_CLASS
from data_prep.phantom import Phantom, generate
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.scanner import PROFILES, Profile
from data_prep.quality import KINDS, flag_of, screen
from data_prep.selection.series import load_study
from data_prep.volume import Volume
from data_prep.workers import Workers
from tests.conftest import make_volume
from tests.data_prep import quality_figures
from tests.data_prep.dicom_factory import AXIAL, encode, encode_codestreams, make_series, make_slice, named, uploads
from tests.data_prep.exam_sources import IMPORTERS, as_array
from tests.data_prep.faults import MISPLACED, PLANTS, Plant, only_slices, rician, with_voxels
from tests.data_prep.quality_figures import this_kind

pytestmark = pytest.mark.slow

SEED = 5_000_000
CLEAN = 150
MAX_FALSE_ALARMS = 0.03  # the bound that docs/quality.md states: any flag at all on a clean exam
MIN_FOUND = 0.9  # the bound that docs/quality.md states, of each kind; held here by each way of planting it
PLANTS_PER_EXAM = 4
MISPLACED_EXAMS = 30

PLANTED = [(kind, plant) for kind, plants in PLANTS.items() for plant in plants]
OF_PIXELS = [
    (kind, plant)
    for kind, plant in PLANTED
    if kind not in ("too-few-slices", "gap", "coarse-slices", "coarse-pixels", "wrong-plane", "not-fluid-sensitive")
]


def name(planted: tuple[str, Plant]) -> str:
    return planted[1].__name__


def kinds(volume: Volume) -> set[str]:
    return {flag.kind for flag in screen(volume)}


def coarse(index: int) -> Profile:
    """Every scanner in turn, with pixels of 0.7 to 0.9 mm."""
    return dataclasses.replace(PROFILES[index % len(PROFILES)], acquired=(64,), matrices=(192,))


def label(index: int) -> str:
    return FOUR_CLASS.classes[index % len(FOUR_CLASS)]


def clean_and_planted(index: int) -> tuple[set[str], dict[str, bool]]:
    """What is found in a clean knee, and whether some faults planted in it are, by the plant's name."""
    volume = generate(SEED + index, label(index), coarse(index)).to_volume()
    found = {}
    for place in range(PLANTS_PER_EXAM):
        kind, plant = PLANTED[(index * PLANTS_PER_EXAM + place) % len(PLANTED)]
        planted = plant(volume, np.random.default_rng([SEED, index, place]))
        found[plant.__name__] = kind in this_kind(planted, kind)
    return kinds(volume), found


def misplaced(index: int) -> dict[str, bool]:
    """Whether a knee beside the picture or the stack is found to be there, by the plant's name."""
    rng = np.random.default_rng([SEED, index])
    kind, planted = "knee-not-in-view", {plant: plant(coarse(index), label(index), rng) for plant in MISPLACED}
    return {plant.__name__: kind in this_kind(volume, kind) for plant, volume in planted.items()}


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[set[str], dict[str, bool]]]:
    return list(Workers(2).run(clean_and_planted, range(CLEAN), "planting"))


@pytest.fixture(scope="module")
def found(outcomes) -> dict[str, list[bool]]:
    """For each plant by name, whether it was found each time."""
    off_centre = list(Workers(2).run(misplaced, range(MISPLACED_EXAMS), "misplacing"))
    answers: dict[str, list[bool]] = {}
    for one in [planted for _, planted in outcomes] + off_centre:
        for plant, answer in one.items():
            answers.setdefault(plant, []).append(answer)
    return answers


def test_clean_knees_are_left_alone(outcomes):
    flagged = [(index, alarms) for index, (alarms, _) in enumerate(outcomes) if alarms]
    assert len(flagged) <= MAX_FALSE_ALARMS * CLEAN, flagged


@pytest.mark.parametrize("plant", [*map(name, PLANTED), *(plant.__name__ for plant in MISPLACED)])
def test_planted_faults_are_found(found, plant):
    answers = found[plant]
    assert len(answers) >= MISPLACED_EXAMS
    assert np.mean(answers) >= MIN_FOUND, f"{sum(answers)} of {len(answers)}"


@pytest.fixture(scope="module", params=range(len(PROFILES)))
def full_size(request) -> Volume:
    return generate(SEED + CLEAN + request.param, label(request.param), PROFILES[request.param]).to_volume()


def test_full_size_knees(full_size):
    assert screen(full_size) == ()
    for place, (kind, plant) in enumerate(PLANTED):
        assert kind in kinds(plant(full_size, np.random.default_rng([SEED, place]))), plant


def eight_bits(volume: Volume) -> Volume:
    """MRNet's form: 256 x 256, min-max to 0..255, whole numbers."""
    voxels = np.stack([cv2.resize(plane, (256, 256), interpolation=cv2.INTER_AREA) for plane in volume.voxels])
    voxels = np.round((voxels - voxels.min()) / (np.ptp(voxels) or 1) * 255)
    pixel_mm = volume.shape[1] * volume.spacing_mm[1] / 256
    return as_array(with_voxels(volume, voxels, (volume.spacing_mm[0], pixel_mm, pixel_mm)))


def zero_background(volume: Volume) -> Volume:
    """Air is exactly 0, behind a mask that follows the limb's bright parts."""
    level = 0.6 * np.percentile(volume.voxels, 60)
    masks = [cv2.GaussianBlur(plane, (0, 0), 4) > level for plane in volume.voxels]
    return as_array(with_voxels(volume, volume.voxels * np.stack(masks)))


def padded(volume: Volume) -> Volume:
    """A zero margin at both sides."""
    return as_array(with_voxels(volume, np.pad(volume.voxels, ((0, 0), (0, 0), (20, 20)))))


@pytest.mark.parametrize("form", [eight_bits, zero_background, padded])
def test_bare_arrays(form: Callable[[Volume], Volume]):
    for index in range(3):
        volume = generate(SEED + 1_000 + index, label(index), coarse(index)).to_volume()
        assert screen(form(volume)) == ()
        for place, (kind, plant) in enumerate(OF_PIXELS):
            assert kind in kinds(plant(form(volume), np.random.default_rng([index, place]))), (index, plant)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return generate(SEED - 1, "healthy", coarse(0))


@pytest.mark.parametrize("gain", [1e-4, 1e4])
def test_thresholds_dont_hang_on_the_scale_of_intensities(phantom, gain):
    volume = phantom.to_volume()
    assert screen(with_voxels(volume, volume.voxels * np.float32(gain))) == ()
    for kind, plant in OF_PIXELS:
        planted = plant(volume, np.random.default_rng(SEED))
        assert kind in kinds(with_voxels(planted, planted.voxels * np.float32(gain))), plant


def test_air_beside_the_leg_is_no_blank_slice_until_it_is_a_quarter_of_the_stack(phantom):
    volume = phantom.to_volume()
    for empty, expected in ((2, set()), (8, {"knee-not-in-view"})):
        voxels = volume.voxels.copy()
        voxels[:empty] = rician(voxels[:empty].shape, 20, np.random.default_rng(1))
        assert kinds(with_voxels(volume, voxels)) == expected


def test_silent_headers_are_no_fault(phantom):
    assert screen(as_array(phantom.to_volume())) == ()


def test_reasons_name_the_figure_and_the_threshold(phantom):
    volume = phantom.to_volume()
    every_other = only_slices(volume, np.arange(0, len(volume.voxels), 2), 2 * volume.spacing_mm[0])
    flag = screen(every_other)[0]
    assert flag.kind == "coarse-slices"
    assert flag.reason == f"Slices lie {2 * volume.spacing_mm[0]:.1f} mm apart; at most 5 mm is allowed."


def test_pixels_that_are_no_numbers(phantom):
    volume = phantom.to_volume()
    voxels = volume.voxels.copy()
    voxels[3, 10, 10] = np.nan
    assert kinds(with_voxels(volume, voxels)) == {"unreadable"}


def refused(images: list[Dataset]) -> InputError:
    """What loading says, as another process gets to see it."""
    with pytest.raises(InputError) as caught:
        load_study(named(images))
    return pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own, a line ago


@pytest.mark.parametrize("dropped", [(9,), (8, 9, 10, 11)])
def test_slices_missing_from_dicom_files_are_a_gap(phantom, dropped):
    images = [instance(phantom, index) for index in range(phantom.scan.slices) if index not in dropped]
    flag = flag_of(refused(images))
    assert flag.kind == "gap"
    assert f"{(len(dropped) + 1) * phantom.scan.spacing_mm:.2f} mm apart" in flag.reason


@pytest.mark.parametrize(
    ("kind", "images"),
    [
        ("wrong-plane", make_series(12, ImageOrientationPatient=list(AXIAL))),
        ("too-few-slices", make_series(5)),
        ("too-few-slices", make_series(5) + make_series(12, series=2, ImageOrientationPatient=list(AXIAL))),
        (
            "wrong-plane",
            make_series(12, ImageOrientationPatient=list(AXIAL)) + make_series(12, series=2, Modality="CT"),
        ),
        ("two-knees", make_series(Laterality="L") + make_series(series=2, Laterality="R")),
        ("mixed-studies", make_series() + make_series(series=2, StudyInstanceUID="2.25.78")),
        ("mixed-studies", make_series() + make_series(series=2, PatientID="another")),
        ("no-positions", make_series(ImagePositionPatient=None)),
        ("odd-geometry", [make_slice(number, ImagePositionPatient=[30.0 * number, 0, 0]) for number in range(1, 9)]),
        ("nothing-to-predict-on", make_series(Modality="CT")),
    ],
)
def test_studies_that_cant_be_loaded_have_a_kind(kind, images):
    error = refused(images)
    assert flag_of(error).kind == kind
    assert flag_of(error).reason == error.detail
    assert kind in KINDS


def test_undecodable_slices_and_broken_files_are_unreadable():
    files = {f"{place}.dcm": encode(image) for place, image in enumerate(make_series())}
    files["2.dcm"] = encode_codestreams(make_slice(3), uid.JPEG2000Lossless, [b"\xff\x4f\xff\x51" + bytes(60)])
    with pytest.raises(InputError) as caught:
        load_study(uploads(files))
    assert flag_of(caught.value).kind == flag_of(MalformedInput("no DICOM")).kind == "unreadable"


def test_every_planted_kind_is_one_of_the_list():
    assert len(set(KINDS)) == len(KINDS)
    assert {*PLANTS, "knee-not-in-view", "unreadable"} <= set(KINDS)


@pytest.fixture(scope="module")
def real(real_knee) -> Volume:
    return load_study(uploads(real_knee)).volume


KNEES = 30  # a smaller version of what docs/quality.md has
MAX_FLAGGED, MIN_NAMED = 0.03, 0.9


@pytest.fixture(scope="module")
def figures() -> list[quality_figures.Outcome]:
    run = partial(quality_figures.outcomes, acquired=128, look=this_kind)
    return [row for rows in Workers(2).run(run, range(KNEES), "screening") for row in rows]


def interval(hits: int, trials: int) -> Any:
    """95 %: with few exams a share is a matter of luck. A limit is broken when all of the interval lies beyond it."""
    return binomtest(hits, trials).proportion_ci(method="wilson")


def test_few_good_exams_of_any_source_are_flagged(figures):
    flagged = [row for row in figures if row[0] == "clean" and not row[2]]
    good = sum(row[0] == "clean" for row in figures)
    assert interval(len(flagged), good).low <= MAX_FLAGGED, flagged


def test_most_broken_exams_are_named_for_their_own_fault(figures):
    found: dict[str, list[bool]] = {}
    for group, fault, right, _ in figures:
        if group == "broken":
            found.setdefault(fault.partition(":")[0], []).append(right)
    assert {kind for kind, right in found.items() if interval(sum(right), len(right)).high < MIN_NAMED} == set()


@pytest.fixture(scope="module")
def echoes(real_knee) -> list[Volume]:
    """Eight volumes of one knee, TE 6 to 50 ms."""
    by_echo: dict[float, dict[str, bytes]] = {}
    for file, content in real_knee.items():
        echo = float(dcmread(BytesIO(content), specific_tags=["EchoTime"]).EchoTime)
        by_echo.setdefault(echo, {})[file] = content
    return [load_study(uploads(files)).volume for _, files in sorted(by_echo.items())]


@pytest.mark.real_knee
def test_the_real_knee_deserves_no_flag_at_any_echo_or_in_any_form(echoes):
    assert len(echoes) == 8
    assert [screen(echo) for echo in echoes] == [()] * 8
    for echo in (echoes[0], echoes[-1]):
        for form in IMPORTERS.values():
            assert screen(form(echo, np.random.default_rng(SEED))) == (), form


@pytest.mark.real_knee
@pytest.mark.parametrize(("kind", "plant"), quality_figures.PLANTS)
def test_broken_versions_of_the_real_knee_are_named(echoes, kind, plant):
    for echo in (echoes[0], echoes[-1]):
        assert kind in kinds(plant(echo, np.random.default_rng([SEED, 3])))


@pytest.mark.real_knee
@pytest.mark.parametrize("axes", [(2, 1, 0), (1, 2, 0)], ids=["coronal", "axial"])
def test_the_real_knee_cut_in_another_plane_is_seen_in_its_pixels(echoes, axes):
    planes = np.ascontiguousarray(echoes[3].voxels.transpose(axes)[::6])
    volume = make_volume([cv2.resize(plane, (154, 256)) for plane in planes], (4.0, 0.6, 0.6))
    assert "wrong-plane" in kinds(as_array(volume))


@pytest.mark.real_knee
def test_the_real_knee_deserves_no_flag(real):
    """24 sagittal slices of 4 mm, pixels of 0.625 mm, TR 2450 ms; one knee, in the middle, without ghosts."""
    assert screen(real) == ()
    assert screen(eight_bits(real)) == ()


@pytest.mark.real_knee
@pytest.mark.parametrize(("kind", "plant"), PLANTED, ids=map(name, PLANTED))
def test_faults_planted_in_the_real_knee_are_found(real, kind, plant):
    assert kind in kinds(plant(real, np.random.default_rng([SEED, 0])))
    for seed in range(1, 5):
        assert kind in this_kind(plant(real, np.random.default_rng([SEED, seed])), kind)


def test_sentences_count_slices_from_one():
    """As pages, pictures and the service's other sentences do."""
    volume = generate(1, "healthy").to_volume()
    index = np.arange(len(volume.voxels))
    steps = volume.spacing_mm[0] * (index + (index > 3))
    apart = dataclasses.replace(volume, positions_mm=volume.positions_mm[0] + np.outer(steps, volume.normal))
    blank = dataclasses.replace(volume, voxels=np.where((index == 6)[:, None, None], np.float32(0), volume.voxels))
    reasons = {flag.kind: flag.reason for one in (apart, blank) for flag in screen(one)}
    assert reasons["gap"].startswith("Slices 4 and 5 lie")
    assert reasons["blank-slices"].startswith("Slices 7 are blank")
