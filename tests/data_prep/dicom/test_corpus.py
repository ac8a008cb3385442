"""All DICOM that the test environment's packages ship, and a real scanner's series: read as pydicom and DCMTK read it.

What isn't read is passed over for a reason that stands here; `python -m tests.data_prep.corpus` prints the whole table.
"""

from collections import defaultdict
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_rescale
from pydicom.uid import ExplicitVRBigEndian

from data_prep.errors import InputError
from data_prep.selection.series import load_study
from tests.data_prep.corpus import DCMTK, Sample, samples
from tests.data_prep.dicom_factory import need_dcmtk, uploads

# pydicom warns of much that is odd in these files, which is why they are shipped.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SAMPLES = {sample.name: sample for sample in samples()}
# Files with pixels of one sample that aren't read, and why.
NOT_READ = {
    "pydicom/test_files/JPEG2000-embedded-sequence-delimiter.dcm": "its codestream 1024 x 3722445056",  # cut short
    "pydicom/test_files/MR_truncated.dcm": "cut short",
    "pydicom/test_files/badVR.dcm": "NumberOfFrames isn't a number",
    "pydicom/test_files/liver_1frame.dcm": "3 items in PerFrameFunctionalGroupsSequence for 1 frames",
    "pydicom/test_files/liver_expb_1frame.dcm": "3 items in PerFrameFunctionalGroupsSequence for 1 frames",
    "pydicom/test_files/meta_missing_tsyntax.dcm": "missing or isn't a whole number",
    "pydicom/test_files/nested_priv_SQ.dcm": "missing or isn't a whole number",
    "data_store/bad_sequence.dcm": "SOPInstanceUID is missing",
    "data_store/liver.dcm": "SamplesPerPixel is 1 and BitsAllocated 1;",
    "data_store/liver_expb.dcm": "SamplesPerPixel is 1 and BitsAllocated 1;",
}
# pydicom reads these only when it is told more than the files say; each is as another one of the same picture.
READ_BY_US_ALONE = {
    "pydicom/test_files/JPEG-lossy.dcm": None,  # DCMTK reads it, see below
    "data_store/OT-PAL-8-face.dcm": None,
    "data_store/emri_small_jpeg_2k_lossless_too_short.dcm": "data_store/emri_small_jpeg_2k_lossless.dcm",
}
# Two decoders of JPEG may round differently (ISO 10918-2).
LOSSY, ROUNDING = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"), 1
# What becomes of every MR series of a package, by the file that comes first.
SERIES = {
    "pydicom/test_files/MR_small.dcm": "same SOPInstanceUID and differs",  # MR_truncated is one of them
    "pydicom/test_files/dicomdirtests/98892003/MR1/15820": "localizer",  # FAST LOCALIZER, as it is described
    "pydicom/test_files/dicomdirtests/98892003/MR1/4919": "localizer",
    "pydicom/test_files/dicomdirtests/98892003/MR1/5641": "localizer",
    "pydicom/test_files/dicomdirtests/98892003/MR2/15970": "localizer",
    "pydicom/test_files/dicomdirtests/98892003/MR2/4950": "localizer",  # T/S/C RF FAST PILOT
    "pydicom/test_files/dicomdirtests/98892003/MR2/6273": "localizer",
    "pydicom/test_files/dicomdirtests/98892003/MR700/4467": "projection",
    "pydicom/test_files/examples_overlay.dcm": "reformatted|secondary",  # MPR
    "data_store/MR-SIEMENS-DICOM-WithOverlays.dcm": "reformatted|secondary",
    "data_store/MR2_J2KI.dcm": "at least 8",  # two slices, encoded in two ways
    "data_store/emri_small.dcm": "no PixelSpacing",
    "nibabel/0.dcm": "diffusion",
    "nibabel/csa_slice_norm.dcm": "no pixels",
    "nibabel/decimal_rescale.dcm": "SOPInstanceUID is missing",
    "nibabel/slicethickness_empty_string.dcm": "projection",
    "pynetdicom/MRImageStorage_ExplicitVRBigEndian.dcm": "secondary",
}


def test_the_packages_are_there():
    """A package that moved its files would leave the other tests with nothing to find."""
    assert len(SAMPLES) > 250
    assert {name.split("/")[0] for name in SAMPLES} == {"pydicom", "data_store", "nibabel", "pynetdicom"}
    assert SAMPLES.keys() > NOT_READ.keys() | READ_BY_US_ALONE.keys() | SERIES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_file_is_read_as_pydicom_reads_it_or_passed_over_rightly(name):
    sample = SAMPLES[name]
    ours = sample.ours()
    if "PixelData" not in sample.dataset and name not in READ_BY_US_ALONE:
        assert isinstance(ours, str)
        assert ours == "no image" or "There are no pixels" in ours
    elif sample.dataset.get("SamplesPerPixel", 1) != 1:
        assert isinstance(ours, str)
        assert "SamplesPerPixel is 3" in ours
    elif name in NOT_READ:
        assert isinstance(ours, str)
        assert NOT_READ[name] in ours
    elif name in READ_BY_US_ALONE:
        assert sample.theirs() is None
        assert isinstance(ours, np.ndarray)
        if READ_BY_US_ALONE[name]:
            np.testing.assert_array_equal(ours, SAMPLES[READ_BY_US_ALONE[name]].ours())
    else:
        np.testing.assert_array_equal(ours, sample.theirs())


def grey(sample: Sample) -> bool:
    return sample.dataset.get("SamplesPerPixel", 1) == 1 and sample.name not in NOT_READ


def within_dcmtk(sample: Sample) -> bool:
    """It swaps pixels of 32 bits in big endian as pairs of words, pydicom as wholes: doses, not images."""
    turned = sample.syntax == ExplicitVRBigEndian and sample.dataset.get("BitsAllocated") == 32
    return "PixelData" in sample.dataset and grey(sample) and sample.syntax in DCMTK and not turned


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if within_dcmtk(sample)])
def test_every_encoding_is_read_as_dcmtk_reads_it(name, tmp_path):
    sample = SAMPLES[name]
    need_dcmtk(DCMTK[sample.syntax])
    ours, dcmtks = sample.ours(), sample.dcmtks(tmp_path)
    if dcmtks is None:
        pytest.fail("DCMTK can't read it")
    np.testing.assert_allclose(ours, dcmtks, rtol=0, atol=ROUNDING if sample.syntax in LOSSY else 0)


def modality_lut_is_linear(sample: Sample) -> bool:
    header = sample.dataset
    plain = header.get("PhotometricInterpretation") == "MONOCHROME2" and "PixelPaddingValue" not in header
    return plain and "RescaleSlope" in header and grey(sample) and "PixelData" in header


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if modality_lut_is_linear(sample)])
def test_values_are_rescaled_as_pydicom_rescales_them(name):
    sample = SAMPLES[name]
    ours = np.stack([frame.decode() for frame in sample.frames()])
    np.testing.assert_array_equal(ours, apply_rescale(sample.theirs(), sample.dataset).astype(np.float32))


def mr_series() -> dict[str, list[Sample]]:
    series: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for name, sample in SAMPLES.items():
        if sample.dataset.get("Modality") == "MR":
            series[name.split("/")[0], str(sample.dataset.get("SeriesInstanceUID"))].append(sample)
    return {members[0].name: members for members in series.values()}


@pytest.mark.parametrize("members", mr_series().values(), ids=mr_series())
def test_every_mr_series_is_predicted_on_or_passed_over_rightly(members):
    first = members[0].name
    study = uploads({sample.name: sample.content for sample in members})
    if first not in SERIES:
        selection = load_study(study)
        in_place = [frame for sample in members for frame in sample.frames()]
        positions = np.array([frame.header.values["ImagePositionPatient"] for frame in in_place])
        order = np.argsort(positions @ selection.volume.normal)
        stored = np.concatenate([sample.theirs() for sample in members])[order]
        slope, intercept = (in_place[0].header.number(name) for name in ("RescaleSlope", "RescaleIntercept"))
        np.testing.assert_array_equal(selection.volume.voxels, (stored * slope + intercept).astype(np.float32))
        return
    with pytest.raises(InputError, match=SERIES[first]):
        load_study(study)


@pytest.mark.real_knee
def test_every_slice_of_the_real_ge_series_is_as_pydicom_reads_it(real_knee):
    selection = load_study(uploads(real_knee))
    datasets = [pydicom.dcmread(BytesIO(content)) for content in real_knee.values()]
    stored = {dataset.SOPInstanceUID: dataset.pixel_array for dataset in datasets}
    expected = np.stack([stored[uid] for uid in selection.volume.sop_uids]).astype(np.float32)
    np.testing.assert_array_equal(selection.volume.voxels, expected)
