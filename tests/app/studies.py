"""Small studies as the bytes that a client would send."""

import io
import zipfile

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

SLICES, ROWS, COLUMNS = 14, 96, 80
SPACING_MM = (3.5, 0.9, 1.1)
# Headers that must never come out again.
PATIENT = {"PatientName": "Quibble^Zebedee", "PatientID": "MRN-55512", "PatientBirthDate": "19610304"}


def voxels(seed: int = 0) -> np.ndarray:
    """uint16 `[slices, rows, columns]`: a bright blob that wanders from slice to slice, and noise."""
    depth, row, column = np.meshgrid(np.arange(SLICES), np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    blob = np.exp(-(((row - 30 - 2 * depth) / 12) ** 2) - ((column - 40) / 9) ** 2)
    noise = np.random.default_rng(seed).random(blob.shape)
    return np.round(900 * blob + 100 * noise).astype(np.uint16)


def instances(pixels: np.ndarray, study: str = "2.25.7", series: str = "2.25.8", **headers) -> list[bytes]:
    """A sagittal, fat-suppressed MR series (slices from right to left), one file for each slice."""
    return [_instance(plane, index, study, series, headers) for index, plane in enumerate(pixels)]


def zipped(files: list[bytes]) -> bytes:
    """All files in one folder of a zip."""
    return zipped_as({f"study/IM{index:04}": content for index, content in enumerate(files)})


def zipped_as(members: dict[str, bytes]) -> bytes:
    """A zip with these member names."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return body.getvalue()


def study_zip(seed: int = 0, **headers) -> bytes:
    """A study that can be predicted on; each seed gives another study."""
    return zipped(instances(voxels(seed), **{"study": f"2.25.7{seed:05}" if seed else "2.25.7"} | headers))


def _instance(plane: np.ndarray, index: int, study: str, series: str, headers: dict) -> bytes:
    file = Dataset()
    file.update(
        {
            "SOPClassUID": MRImageStorage,
            "SOPInstanceUID": f"{series}.{index + 1}",
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "FrameOfReferenceUID": "2.25.9",
            "Modality": "MR",
            "Laterality": "R",
            "ScanningSequence": "SE",
            "SequenceVariant": "SK",
            "ScanOptions": "FS",
            "SeriesDescription": "PD FS SAG",
            "RepetitionTime": 3000,
            "EchoTime": 35,
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "InstanceNumber": index + 1,
            "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
            "ImagePositionPatient": [-SPACING_MM[0] * index, 0, 0],
            "PixelSpacing": list(SPACING_MM[1:]),
            "SliceThickness": 3.0,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": plane.shape[0],
            "Columns": plane.shape[1],
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 0,
            "PixelData": plane.astype("<u2").tobytes(),
        }
        | PATIENT
        | headers
    )
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
