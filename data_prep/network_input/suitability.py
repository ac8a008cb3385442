"""Whether a volume can be predicted on, and what the reader of the answer should know about it."""

import numpy as np

from data_prep.errors import UnsuitableStudy
from data_prep.notice import Notice
from data_prep.volume import Volume

# A sagittal knee is shown with the front at the left and the head up; models are trained on that only. cos 45 degrees.
MIN_ALIGNMENT = 0.7
# Routine knee protocols have slices of 3 to 4 mm; above this a ligament of 10 mm lies in two slices at most.
COARSE_SLICES_MM = 5.0


def examine(volume: Volume) -> tuple[Notice, ...]:
    """Warnings about the volume for the reader of the answer: the volume's own notices first.

    Raises:
        UnsuitableStudy: the volume can't be predicted on, because all slices are blank or a value isn't finite.
    """
    low, high = volume.voxels.min(axis=(1, 2)), volume.voxels.max(axis=(1, 2))
    if not (np.isfinite(low) & np.isfinite(high)).all():
        raise UnsuitableStudy(
            "Some pixel values are not finite numbers, so the series can't be predicted on.", kind="unreadable"
        )
    blank = np.flatnonzero(low == high)
    if len(blank) == len(volume.voxels):
        raise UnsuitableStudy("Every slice of the series is blank: all its pixels have one value.", kind="blank-volume")
    notices = list(volume.notices)
    if len(blank):
        notices.append(Notice("blank-slices", f"Slices without any signal: {', '.join(map(str, blank + 1))}."))
    if volume.acquisition.fat_suppressed is False:
        notices.append(
            Notice(
                "not-fat-suppressed", "The headers show no fat suppression; models are made for fat-suppressed series."
            )
        )
    elif volume.acquisition.fat_suppressed is None:
        notices.append(Notice("fat-suppression-unknown", "The headers don't say whether fat is suppressed."))
    to_back, to_feet = volume.directions[0][1], -volume.directions[1][2]
    if min(to_back, to_feet) < MIN_ALIGNMENT:
        notices.append(
            Notice("unusual-orientation", "The knee isn't shown with its front at the left and the head up.")
        )
    if volume.spacing_mm[0] > COARSE_SLICES_MM:
        notices.append(Notice("coarse-slices", f"Slices lie {volume.spacing_mm[0]:.1f} mm apart."))
    return tuple(notices)
