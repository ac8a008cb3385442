"""Tables of tiny DICOM exams with random pixels, for asking what happens to the table."""

from pathlib import Path
from typing import Any

import numpy as np

from data_prep.labels import BINARY
from data_prep.tables.exams import Exam, write_exams
from tests.data_prep.dicom_factory import encode, make_slice

SLICES = 8


def noise(number: int) -> np.ndarray:
    """Stored pixels `[slices, rows, columns]` that no other number has, smooth enough to be told apart by any hash."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(200, 3000, (SLICES, 10, 9))
    return np.kron(coarse, np.ones((1, 4, 4), int)).astype("u2") + rng.integers(0, 50, (SLICES, 40, 36)).astype("u2")


def write_exam(root: Path, number: int, pixels: np.ndarray | None = None, **attributes: Any) -> Exam:
    """Exam `number` as DICOM files under `root`; odd ones are unhealthy. `attributes` go into every header."""
    folder = root / f"exam-{number}"
    folder.mkdir(parents=True)
    study = {"StudyInstanceUID": f"2.25.{900 + number}", "SeriesInstanceUID": f"2.25.{900 + number}.1"}
    for index, plane in enumerate(noise(number) if pixels is None else pixels, start=1):
        uid = {"SOPInstanceUID": f"2.25.{900 + number}.1.{index}", "PatientID": f"patient {number}"}
        image = make_slice(index, plane, **{**study, **uid, **attributes})
        (folder / f"{index}.dcm").write_bytes(encode(image))
    label = BINARY.classes[number % 2]
    return Exam(f"e{number}", f"p{number}", folder, study_uid=study["StudyInstanceUID"], binary=frozenset({label}))


def write_table(root: Path, exams: list[Exam]) -> Path:
    """`root/exams.csv`."""
    write_exams(exams, root / "exams.csv")
    return root / "exams.csv"
