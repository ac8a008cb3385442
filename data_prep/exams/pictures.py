"""The picture of an exam on the report page: its middle slice."""

import cv2
import numpy as np

from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam
from data_prep.volume import Volume

# Pixels. Sharp at 160 points on most screens, and 60 pictures have one or two megabytes.
WIDTH = 240
# Percentiles of the slice that become black and white.
WINDOW = (1.0, 99.0)


def exam_picture(exam: Exam) -> bytes:
    """`picture` of the exam's volume. Raises the exceptions of `load_exam`."""
    return picture(load_exam(exam))


def picture(volume: Volume) -> bytes:
    """The middle slice as PNG, `WIDTH` pixels wide, with the height that its spacing in mm gives."""
    plane = np.nan_to_num(volume.voxels[len(volume.voxels) // 2])
    low, high = np.percentile(plane, WINDOW)
    levels = np.clip((plane - low) / (high - low or 1.0), 0, 1)
    rows, columns = plane.shape
    _, row_mm, column_mm = volume.spacing_mm
    height = max(1, round(WIDTH * rows * row_mm / (columns * column_mm)))
    sized = cv2.resize(levels, (WIDTH, height), interpolation=cv2.INTER_AREA if columns > WIDTH else cv2.INTER_LINEAR)
    _, png = cv2.imencode(".png", np.round(255 * sized).astype(np.uint8))
    return png.tobytes()
