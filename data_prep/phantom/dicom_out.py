"""Writes a synthetic knee as MR Image Storage instances (DICOM PS3.3 A.4), and its truth."""

import json
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from data_prep.phantom.knee import FIELD_STRENGTH_T, Phantom

IMPLEMENTATION_UID = UID("2.25.302610193285011384102839421107361843210")
DATE, TIME = "20260101", "120000"  # of every study: the bytes must not depend on the date
PROTON_MHZ_PER_TESLA = 42.577478518  # CODATA 2018, shielding ignored


def write(phantom: Phantom, folder: Path) -> None:
    """Write `folder/dicom/*.dcm` and `folder/truth.npz`.

    `truth.npz` holds `acl` (bool) and `bones` (uint8), both `[slices, rows, columns]`, in order along the normal; `box`
    (int64 `[3, 2]`), start and stop of slices, rows, columns; `class`; `parameters`, a JSON object as a string.
    """
    pictures = folder / "dicom"
    pictures.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(phantom.seed).permutation(phantom.scan.slices)
    dataset = _series(phantom)
    for index, name in enumerate(names):
        _add_slice(dataset, phantom, index)
        dataset.save_as(pictures / f"{name:04d}.dcm", enforce_file_format=True)
    np.savez_compressed(
        folder / "truth.npz",
        acl=phantom.acl,
        bones=phantom.bones,
        box=np.array(phantom.box),
        parameters=np.array(json.dumps(phantom.parameters, sort_keys=True, allow_nan=False)),
        **{"class": np.array(phantom.label)},  # type: ignore[arg-type]  # `class` is a keyword in Python
    )


def instance(phantom: Phantom, index: int) -> FileDataset:
    """The DICOM instance of slice `index`."""
    dataset = _series(phantom)
    _add_slice(dataset, phantom, index)
    return dataset


def _series(phantom: Phantom) -> FileDataset:
    """What all slices have in common."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _add_patient_and_study(dataset, phantom)
    _add_series(dataset, phantom)
    _add_sequence(dataset, phantom)
    _add_image(dataset, phantom)
    return dataset


def _add_patient_and_study(dataset: Dataset, phantom: Phantom) -> None:
    dataset.PatientName = "Synthetic^Knee"
    dataset.PatientID = f"phantom-{phantom.seed:016x}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic: there is no patient"
    dataset.StudyInstanceUID = phantom.uid("study")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = TIME
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.StudyDescription = "MR KNEE"


def _add_series(dataset: Dataset, phantom: Phantom) -> None:
    scan = phantom.scan
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = phantom.uid("series")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = scan.profile.series_description
    dataset.PatientPosition = "FFS"
    dataset.BodyPartExamined = "KNEE"
    if phantom.header_laterality in ("series", "empty"):
        dataset.Laterality = scan.side if phantom.header_laterality == "series" else ""
    else:  # Laterality of a paired body part may be absent if ImageLaterality is present, even empty (PS3.3 C.7.3.1)
        dataset.ImageLaterality = scan.side if phantom.header_laterality == "image" else ""
    dataset.FrameOfReferenceUID = phantom.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "Cruciate phantom"
    dataset.ManufacturerModelName = scan.profile.model
    dataset.SoftwareVersions = "1"


def _add_sequence(dataset: Dataset, phantom: Phantom) -> None:
    """The MR Image module (PS3.3 C.8.3.1)."""
    scan = phantom.scan
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "SK"
    dataset.ScanOptions = scan.profile.scan_options
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = scan.tr_ms
    dataset.EchoTime = scan.te_ms
    dataset.EchoTrainLength = scan.profile.echo_train
    dataset.EchoNumbers = 1
    dataset.NumberOfAverages = 1
    dataset.MagneticFieldStrength = FIELD_STRENGTH_T
    dataset.ImagingFrequency = round(FIELD_STRENGTH_T * PROTON_MHZ_PER_TESLA, 4)
    dataset.ImagedNucleus = "1H"
    dataset.FlipAngle = 90
    dataset.AcquisitionMatrix = [0, scan.acquired, scan.acquired, 0]
    dataset.InPlanePhaseEncodingDirection = "COL"
    dataset.SliceThickness = scan.thickness_mm
    dataset.SpacingBetweenSlices = scan.spacing_mm


def _add_image(dataset: Dataset, phantom: Phantom) -> None:
    scan, brightest = phantom.scan, int(phantom.pixels.max())
    dataset.SOPClassUID = MRImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.AcquisitionNumber = 1
    dataset.ImageComments = "Synthetic image made by Cruciate; no patient was imaged"
    dataset.ImageOrientationPatient = [f"{value:.9f}" for value in scan.directions.ravel()]
    dataset.PixelSpacing = [f"{scan.pixel_mm:.8f}"] * 2
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = scan.matrix
    dataset.BitsAllocated = 16
    dataset.BitsStored = scan.profile.bits_stored
    dataset.HighBit = scan.profile.bits_stored - 1
    dataset.PixelRepresentation = 0
    dataset.WindowCenter = brightest // 3
    dataset.WindowWidth = max(brightest * 2 // 3, 1)


def _add_slice(dataset: FileDataset, phantom: Phantom, index: int) -> None:
    scan, uid = phantom.scan, UID(phantom.uid("instance", index))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.InstanceNumber = index + 1 if phantom.instances_ascend else scan.slices - index
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in scan.positions_mm()[index]]
    dataset.PixelData = phantom.pixels[index].astype("<u2").tobytes()
