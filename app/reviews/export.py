"""Reviews as an exam table with pixels and masks: what `training.train` reads. No patient's name or number is in it.

exams.csv        a row for each knee; the worse of several diagnoses stands, `readers` has all of them
volumes/*.npy    the voxels, without headers
masks.csv        what each reader drew; masks/*.npz with `acl`, segmentations/*.dcm the same as DICOM SEG
readings.csv     every review with its time, and whether the model's opinion was shown
exams-without-pixels.csv   knees whose pixels have expired, in the same form; only if there are any
"""

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from app.contract import masks
from app.contract.reviews import Review
from app.results import Result, Site
from app.reviews import classes
from app.reviews.knees import Knee, has_pixels, label
from app.reviews.segment import segment
from app.store.record import VOXELS
from data_prep.dicom.identity import plain
from data_prep.files import replacing_folder
from data_prep.importers.patient_ids import PatientIds
from data_prep.tables.exams import Exam, write_exams

SOURCE = "review"
TABLE, WITHOUT_PIXELS = "exams.csv", "exams-without-pixels.csv"
MASKS = ("exam_id", "review", "reader", "created", "used", "mask", "segmentation")
READINGS = (
    *("exam_id", "prediction", "bundle", "predicted", "review", "reader", "created", "current"),
    *("verdict", "diagnosis", "reason", "seconds", "opinion"),
)
# What stays of a slice's headers in a segmentation: what places it. UIDs stay, so that it can be laid over the images.
KEPT = (
    *("SpecificCharacterSet", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"),
    *("ReferencedFrameNumber", "FrameOfReferenceUID", "PositionReferenceIndicator", "SliceThickness"),
)
# Type 2 attributes of patient and study.
EMPTY = (
    *("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    *("ReferringPhysicianName", "Manufacturer"),
)


class Exported(NamedTuple):
    """What was written.

    Attributes:
        exams: The number of rows in exams.csv.
        masks: The number of masks.
        without_pixels: The number of knees whose pixels have expired.
    """

    exams: int
    masks: int
    without_pixels: int


def export(knees: Iterable[Knee], out: Path, predictions: Path, ids: PatientIds, site: Site) -> Exported:
    """Write everything at once or not at all.

    Args:
        knees: The reviewed knees.
        out: The folder to write; it is replaced if it exists.
        predictions: The folder of predictions.
        ids: Makes ids of patients.
        site: The site's choices for DICOM results.
    """
    exams: list[Exam] = []
    others: list[Exam] = []
    drawn: list[Sequence[object]] = []
    readings: list[Sequence[object]] = []
    with replacing_folder(out) as folder:
        for name in ("volumes", "masks", "segmentations"):
            (folder / name).mkdir()
        for knee in knees:
            here = has_pixels(knee.record)
            drawn += _masks(knee, folder, site if here else None, ids)
            (exams if here else others).append(_exam(knee, folder, ids))
            readings += _readings(knee)
            if here:
                shutil.copyfile(predictions / knee.record.id / VOXELS, folder / "volumes" / f"{knee.id}.npy")
        write_exams(exams, folder / TABLE)
        if others:
            write_exams(others, folder / WITHOUT_PIXELS)
        _write(folder / "masks.csv", MASKS, drawn)
        _write(folder / "readings.csv", READINGS, readings)
    return Exported(len(exams), len(drawn), len(others))


def _exam(knee: Knee, folder: Path, ids: PatientIds) -> Exam:
    study, standing = knee.record.answer["study"], knee.standing
    with_mask, with_box = _with_mask(knee), knee.first_with(lambda one: one.box is not None)
    allowed = frozenset(standing.classes) if standing else frozenset[str]()
    return Exam(
        exam_id=knee.id,
        patient_id=_patient(knee, ids),
        path=folder / "volumes" / f"{knee.id}.npy",
        source=SOURCE,
        study_uid=study["study_uid"],
        series_uid=study["series_uid"],
        binary=classes.binary(allowed),
        four_class=allowed,
        readers=knee.told,
        laterality=knee.laterality,
        spacing_mm=tuple(study["volume"]["spacing_mm"]),
        box=with_box.box if with_box else None,
        mask=folder / _mask_file(with_mask) if with_mask else None,
        notes="" if standing else "no reader could judge the images",
    )


def _patient(knee: Knee, ids: PatientIds) -> str:
    """As `data_prep.exams import dicom` makes it with the same key; the study if the patient isn't known any more."""
    origins = knee.record.origins
    patient = plain(str(origins[0].get("PatientID") or origins[0].get("PatientName") or "")) if origins else ""
    return ids.of(patient or knee.record.study_uid)


def _with_mask(knee: Knee) -> Review | None:
    return knee.first_with(lambda one: bool(one.mask))


def _mask_file(review: Review) -> str:
    return f"masks/{review.id}.npz"


def _masks(knee: Knee, folder: Path, site: Site | None, ids: PatientIds) -> list[Sequence[object]]:
    """Write the masks of a knee. Gives their rows. Without a site, no DICOM: that needs the headers' geometry."""
    rows: list[Sequence[object]] = []
    used = _with_mask(knee)
    for review in (one for one in knee.readings if one.mask):
        array = masks.drawn(review.mask or [], knee.shape)
        np.savez_compressed(folder / _mask_file(review), acl=array)
        dicom = ""
        if site is not None and knee.record.origins:
            dicom = f"segmentations/{review.id}.dcm"
            (folder / dicom).write_bytes(segment(_nameless(knee, site, ids), review, array))
        rows.append(
            (knee.id, review.id, review.reader, review.created, _yes(review is used), _mask_file(review), dicom)
        )
    return rows


def _nameless(knee: Knee, site: Site, ids: PatientIds) -> Result:
    record, patient = knee.record, _patient(knee, ids)
    origins = tuple(_without_name(one, patient) for one in record.origins)
    return Result(record.answer, origins, record.job.volume, site=site)


def _without_name(origin: Dataset, patient: str) -> Dataset:
    kept = Dataset()
    for keyword in EMPTY:
        setattr(kept, keyword, "")
    for keyword in KEPT:
        if keyword in origin:
            kept[keyword] = origin[keyword]
    kept.PatientID, kept.PatientIdentityRemoved = patient, "YES"
    kept.DeidentificationMethod = "Cruciate: attributes of patient and study left out, UIDs kept"
    return kept


def _readings(knee: Knee) -> list[Sequence[object]]:
    answers = {record.id: record.answer for record in knee.records}
    current = {one.id for one in knee.readings}
    return [
        (
            *(knee.id, one.prediction, answers[one.prediction]["bundle"]["sha256"]),
            *(answers[one.prediction]["result"]["predicted"], one.id, one.reader, one.created, _yes(one.id in current)),
            *(one.verdict, label(one), one.reason or "", f"{one.seconds:g}", one.opinion),
        )
        for one in knee.history
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _write(table: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
