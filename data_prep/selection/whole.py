"""The volume of the chosen stack; the study is refused if a slice is missing or can't be read or decoded."""

from collections.abc import Sequence

import numpy as np

from data_prep.dicom.archive import MOST_NAMED
from data_prep.dicom.frames import Frame, Unread
from data_prep.errors import FileProblem, MalformedInput, UnsuitableStudy
from data_prep.limits import check_geometry, odd_pixels
from data_prep.notice import Notice, counted
from data_prep.selection.acquisition import acquisition
from data_prep.selection.stack import Stack
from data_prep.selection.usable import unusable
from data_prep.volume import FloatArray, Laterality, Volume


def check_whole(chosen: Stack, frames: Sequence[Frame], unread: Sequence[Unread]) -> None:
    """Refuse the study if a file of the chosen series can't be read: it may be one of the slices."""
    problems = [file.problem for file in unread if file.series_uid == chosen.series_uid]
    taken, plane = set(chosen.frames), chosen.plane
    others = (frame for frame in frames if frame.series_uid == chosen.series_uid and frame not in taken)
    problems += [FileProblem(frame.file, fault) for frame in others if (fault := _lost_slice(frame, plane))]
    if problems:
        raise UnsuitableStudy(
            f"Series {chosen.series_uid} can't be predicted on: {len(problems)} of its files can't be read. "
            f"The first: {problems[0].detail}",
            tuple(problems[:MOST_NAMED]),
            "unreadable",
        )


def _lost_slice(frame: Frame, plane: str) -> str | None:
    """Why a frame that may belong to a stack of this plane isn't in it: its position or size can't be read."""
    try:
        for keyword, count in (("ImageOrientationPatient", 6), ("ImagePositionPatient", 3), ("PixelSpacing", 2)):
            frame.header.numbers(keyword, count)
    except MalformedInput as error:
        return error.detail
    spacing = frame.header.numbers("PixelSpacing", 2)
    odd = odd_pixels(*spacing) if spacing else None
    if odd is not None and odd == unusable(frame):
        return odd
    if frame.pixels.misdescribed is None or unusable(frame) is not None or Stack((frame,)).plane != plane:
        return None
    return frame.pixels.misdescribed.detail


def check_gaps(stack: Stack, unread: Sequence[Unread]) -> None:
    """Refuse a series with a gap. A file that can't be read may be what is missing."""
    gap = stack.gap()
    if gap is None:
        return
    number, step = gap
    strays = [file.problem for file in unread if not file.series_uid]
    lost = f" {counted(len(strays), 'file')} can't be read: {strays[0].detail}" if strays else ""
    raise UnsuitableStudy(
        f"Series {stack.series_uid}: slices {number} and {number + 1} lie {step:.2f} mm apart where "
        f"{stack.spacing_mm[0]:.2f} mm is usual.{lost} Send the whole series, and one knee at a time.",
        tuple(strays[:MOST_NAMED]),
        "gap",
    )


def volume_of(stack: Stack, laterality: Laterality, notices: tuple[Notice, ...]) -> Volume:
    _check_rescale(stack)
    first = stack.frames[0]
    check_geometry(stack.shape, stack.spacing_mm, f"Series {first.series_uid}")
    return Volume(
        voxels=decoded(stack.frames),
        spacing_mm=stack.spacing_mm,
        directions=stack.directions,
        positions_mm=stack.positions_mm,
        sop_uids=tuple(frame.sop_uid for frame in stack.frames),
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        laterality=laterality,
        acquisition=acquisition(stack.header),
        notices=notices,
    )


def _check_rescale(stack: Stack) -> None:
    """Refuse the study if a slice's values can't be converted to the modality's units."""
    problems = [FileProblem(frame.file, odd) for frame in stack.frames if (odd := frame.odd_rescale())]
    if problems:
        raise UnsuitableStudy(
            f"Series {stack.series_uid} can't be predicted on: {problems[0].detail} "
            f"({len(problems)} of {len(stack.frames)} slices). Correct it, or send another series.",
            tuple(problems[:MOST_NAMED]),
            "unreadable",
        )


def decoded(frames: Sequence[Frame]) -> FloatArray:
    """Images of one size, float32 `[images, rows, columns]`. Raises an InputError if one can't be decoded."""
    voxels = np.empty((len(frames), frames[0].pixels.rows, frames[0].pixels.columns), np.float32)
    problems: list[FileProblem] = []
    for index, frame in enumerate(frames):
        try:
            voxels[index] = frame.decode()
        except MalformedInput as error:
            problems += error.files
    if len(problems) == len(frames):
        raise MalformedInput(
            f"None of the {len(frames)} slices can be decoded. The first: {problems[0].detail}",
            tuple(problems),
        )
    if problems:
        raise UnsuitableStudy(
            f"{len(problems)} of {len(frames)} slices can't be decoded. The first: {problems[0].detail}",
            tuple(problems),
            kind="unreadable",
        )
    return voxels
