"""From frames to the one volume that is predicted on, and why each other one was passed over.

First one volume is chosen within each series, then one series, by geometry and headers: sagittal, and preferably
fluid-sensitive and fat-suppressed (radiologists look for the ACL on the intermediate-weighted, fat-suppressed sagittal
series).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from data_prep.dicom.archive import MOST_NAMED, StudyFiles
from data_prep.dicom.frames import Frame, Unread, nothing_read, read_study
from data_prep.dicom.identity import fewest_patients
from data_prep.dicom.origin import origins
from data_prep.errors import FileProblem, MalformedInput, UnsuitableStudy
from data_prep.limits import Limits, check_geometry, odd_geometry, odd_pixels
from data_prep.notice import Notice
from data_prep.selection.acquisition import acquisition, suppressed_by_tags
from data_prep.selection.body_part import OTHER_BODY_PART, other_body_parts
from data_prep.selection.kind import FAT_DOUBT, scout_by_geometry, scout_signs
from data_prep.selection.knees import one_knee, parted, too_wide
from data_prep.selection.preference import ACROSS_SERIES, WITHIN_SERIES, draws, prefer
from data_prep.selection.side import Side
from data_prep.selection.stack import Stack
from data_prep.selection.stacking import stacks
from data_prep.selection.usable import unusable
from data_prep.volume import FloatArray, Laterality, Volume

# A knee's ligaments and their surroundings are about 25 mm wide from side to side: fewer slices don't cover them.
MIN_SLICES = 8
# The kinds of refusal of a study without a volume to predict on. The first one that a part of the study has counts.
NOTHING_TO_PREDICT_ON = (
    *("two-knees", "odd-geometry", "too-few-slices", "no-positions", "wrong-plane", "nothing-to-predict-on"),
)
WANTED = f"Send one study with a sagittal MR series of one knee, at least {MIN_SLICES} slices."


@dataclass(frozen=True)
class PassedOver:
    """A series, or a part of one, that wasn't predicted on, and why.

    Attributes:
        series_uid: SeriesInstanceUID; '' for a file whose series can't be read, which the reason names.
        reason: why, in words.
    """

    series_uid: str
    reason: str


class _Refusal(NamedTuple):
    """Why a part of a series can't be predicted on; `kind` is one of `NOTHING_TO_PREDICT_ON`."""

    kind: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The result of choosing a volume.

    Attributes:
        volume: the volume that is predicted on.
        passed_over: everything else in the study, with the reasons.
        origins: the attributes of each slice that results must repeat (`data_prep.dicom.origin`).
    """

    volume: Volume
    passed_over: tuple[PassedOver, ...]
    origins: tuple[Dataset, ...] = field(default=(), repr=False)


def load_study(files: StudyFiles, limits: Limits | None = None, laterality: Side | None = None) -> Selection:
    """Read a study and choose its volume. Raises the errors of `read_study` and `choose_volume`.

    Args:
        files: a file, a folder, a zip, or named streams of files and zips.
        limits: the largest study that is accepted.
        laterality: see `choose_volume`.
    """
    study = read_study(files, limits)
    return choose_volume(study.frames, study.unread, laterality)


def choose_volume(frames: Sequence[Frame], unread: Sequence[Unread] = (), laterality: Side | None = None) -> Selection:
    """Choose the one volume to predict on. Only its pixels are decoded.

    The result doesn't depend on the order of the frames.

    Args:
        frames: the images of a study.
        unread: files of the study that can't be read. They are passed over, unless one belongs to the chosen series.
        laterality: the knee to predict on, if the study may show both.

    Returns:
        The volume, its voxels float32 `[slices, rows, columns]`, and what was passed over.

    Raises:
        UnsuitableStudy: there is nothing to predict on; files of several patients or studies are mixed; two knees are
            shown and none is asked for, or the one that is asked for isn't shown; or a slice is missing or can't be
            read or decoded.
        UnsupportedInput: the encoding of the pixels isn't supported.
        MalformedInput: no file can be read, or no slice can be decoded.
    """
    if unread and not frames:
        raise nothing_read(unread)
    _check_one_study(frames)
    passed: list[PassedOver] = []
    kinds = {"nothing-to-predict-on"}
    candidates: list[Stack] = []
    in_order = sorted(frames, key=lambda frame: (frame.series_uid, frame.sop_uid, frame.number))
    for series_uid, members in groupby(in_order, key=lambda frame: frame.series_uid):
        of_series, refusals, notes = _candidates(list(members))
        candidates += of_series
        kinds |= {refusal.kind for refusal in refusals}
        passed += _passed_over(series_uid, [*(refusal.reason for refusal in refusals), *notes])
    passed += _unread_by_series(unread)
    if not candidates:
        problems = tuple(file.problem for file in unread)[:MOST_NAMED]
        raise UnsuitableStudy(_nothing_to_predict_on(passed), problems, min(kinds, key=NOTHING_TO_PREDICT_ON.index))
    knee = one_knee(candidates, laterality)
    chosen, losers = _preferred(knee.stacks)
    _check_whole(chosen, in_order, unread)
    for series_uid, stacks_and_reasons in groupby(
        sorted((*knee.passed_over, *losers), key=lambda one: one[0].series_uid), key=lambda one: one[0].series_uid
    ):
        passed += _passed_over(series_uid, [reason for _, reason in stacks_and_reasons])
    in_order_of_series = tuple(sorted(passed, key=lambda one: one.series_uid))
    notices = (
        *_notices(unread),
        *knee.notices[chosen],
        *_kind_notices(chosen),
        *_part_notices(chosen),
        *_burned_in_notices(chosen),
        *draws(chosen, losers),
    )
    return Selection(_volume(chosen, knee.sides[chosen], notices), in_order_of_series, origins(chosen.frames))


def _preferred(candidates: Sequence[Stack]) -> tuple[Stack, list[tuple[Stack, str]]]:
    """The best of the best stacks of each series, and why each other stack isn't chosen."""
    finalists, passed = [], []
    for _, members in groupby(candidates, key=lambda stack: stack.series_uid):
        winner, losers = prefer(list(members), WITHIN_SERIES)
        finalists.append(winner)
        passed += losers
    chosen, losers = prefer(finalists, ACROSS_SERIES)
    return chosen, passed + losers


def _passed_over(series_uid: str, reasons: Sequence[str]) -> list[PassedOver]:
    """Each reason once, with the number of parts that it applies to."""
    return [
        PassedOver(series_uid, reason if count == 1 else f"{count} parts: {reason}")
        for reason, count in Counter(reasons).items()
    ]


def _check_one_study(frames: Sequence[Frame]) -> None:
    studies = {frame.study_uid for frame in frames}
    if not frames:
        raise UnsuitableStudy(f"The DICOM files hold no image. {WANTED}")
    patients = fewest_patients(frame.patient for frame in frames)
    if patients > 1:
        raise UnsuitableStudy(
            f"The files belong to at least {patients} patients: send one patient's study at a time.",
            kind="mixed-studies",
        )
    if len(studies) > 1:
        raise UnsuitableStudy(
            f"The files belong to {len(studies)} studies: send one study at a time.", kind="mixed-studies"
        )


def _unread_by_series(unread: Sequence[Unread]) -> list[PassedOver]:
    """A reason for each series, or for each file whose series isn't known."""
    counts = Counter(file.series_uid for file in unread if file.series_uid)
    passed: dict[tuple[str, str], PassedOver] = {}
    for file in unread:
        more = counts[file.series_uid] - 1
        others = f" (and {more} more files of this series)" if more > 0 else ""
        reason = f"can't be read: {file.error.detail}{others}"
        passed.setdefault(
            (file.series_uid, "" if file.series_uid else file.problem.file), PassedOver(file.series_uid, reason)
        )
    return list(passed.values())


def _check_whole(chosen: Stack, frames: Sequence[Frame], unread: Sequence[Unread]) -> None:
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


def _notices(unread: Sequence[Unread]) -> tuple[Notice, ...]:
    strays = [file for file in unread if not file.series_uid]
    if not strays:
        return ()
    count = f"{len(strays)} files" if len(strays) > 1 else "1 file"
    message = (
        f"{count} couldn't be read at all (see `passed_over`): if one was the first or last slice of this series, that "
        "slice is missing."
    )
    return (Notice("files-not-read", message),)


def _nothing_to_predict_on(passed: Sequence[PassedOver]) -> str:
    """Each reason once, with the first series that it applies to."""
    series: dict[str, list[str]] = {}
    for one in passed:
        series.setdefault(one.reason, []).append(one.series_uid)
    found = [
        f"series {uids[0]}{f' and {len(uids) - 1} more' if len(uids) > 1 else ''}: {reason}"
        for reason, uids in series.items()
    ]
    return f"Nothing to predict on ({'; '.join(found[:8])}{'; and more' if len(found) > 8 else ''}). {WANTED}"


class _Candidates(NamedTuple):
    """The stacks of one series that can be predicted on, why its other parts can't, and remarks about the series."""

    stacks: list[Stack]
    refusals: list[_Refusal]
    notes: list[str]


def _candidates(frames: Sequence[Frame]) -> _Candidates:
    reasons = {frame: unusable(frame) for frame in frames}
    refused = [_Refusal("nothing-to-predict-on", reason) for reason in sorted(filter(None, set(reasons.values())))]
    usable = [frame for frame, reason in reasons.items() if reason is None]
    parts, copies = stacks(usable)
    if usable and not parts:
        refused.append(_Refusal("nothing-to-predict-on", "too many orientations or matrices in one series"))
    candidates = []
    for part in (half for whole in parts for half in parted(whole, MIN_SLICES)):
        refusal = _shortcoming(part)
        if refusal is None:
            candidates.append(part)
        else:
            refused.append(refusal)
    notes = [f"{_count(copies, 'image')} sent twice, under another SOPInstanceUID: used once"] if copies else []
    return _Candidates(candidates, refused, notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shortcoming(stack: Stack) -> _Refusal | None:
    if stack.plane != "sagittal":
        return _Refusal("wrong-plane", f"plane is {stack.plane}")
    if len(stack.frames) < MIN_SLICES:
        return _Refusal(
            "too-few-slices", f"only {_count(len(stack.frames), 'slice')}; at least {MIN_SLICES} are needed"
        )
    if disorder := stack.disorder():
        return _Refusal("no-positions", disorder)
    if odd := odd_geometry(stack.shape, stack.spacing_mm):
        return _Refusal("odd-geometry", odd)
    if scout_by_geometry(len(stack.frames), stack.spacing_mm, stack.planes):
        signs = scout_signs(len(stack.frames), stack.spacing_mm, stack.planes)
        return _Refusal("nothing-to-predict-on", f"localizer, by its geometry: {'; '.join(signs)}")
    if wide := too_wide(stack):
        return _Refusal("two-knees", wide)
    return None


def _kind_notices(stack: Stack) -> tuple[Notice, ...]:
    known = suppressed_by_tags(stack.header)
    doubts = [doubt for doubt in stack.finding.doubts if not (known and doubt == FAT_DOUBT)]
    if not doubts:
        return ()
    return (
        Notice(
            "series-kind-unknown",
            f"Headers don't say clearly what series {stack.series_uid} shows ({'; '.join(doubts)}). "
            "It was treated as a picture of the anatomy.",
        ),
    )


def _part_notices(stack: Stack) -> tuple[Notice, ...]:
    parts = other_body_parts(stack.header)
    if not parts:
        return ()
    message = (
        f"The headers say that the series shows another part of the body ({', '.join(parts)}). It was treated as a "
        "knee."
    )
    return (Notice(OTHER_BODY_PART, message),)


def _burned_in_notices(stack: Stack) -> tuple[Notice, ...]:
    """BurnedInAnnotation says whether pixels identify the patient (PS3.3 C.7.6.1.1)."""
    if not any("YES" in frame.header.texts("BurnedInAnnotation") for frame in stack.frames):
        return ()
    message = (
        "The headers say that text in the pixels identifies the patient. The text is also in the pictures of this "
        "prediction, and the model may have looked at it."
    )
    return (Notice("burned-in-annotation", message),)


def _volume(stack: Stack, laterality: Laterality, notices: tuple[Notice, ...]) -> Volume:
    gap = stack.gap()
    if gap is not None:
        number, step = gap
        raise UnsuitableStudy(
            f"Series {stack.series_uid}: slices {number} and {number + 1} lie {step:.2f} mm apart where "
            f"{stack.spacing_mm[0]:.2f} mm is usual. Send the whole series, and one knee at a time.",
            kind="gap",
        )
    _check_rescale(stack)
    first = stack.frames[0]
    check_geometry(stack.shape, stack.spacing_mm, f"Series {first.series_uid}")
    return Volume(
        voxels=_decoded(stack.frames),
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


def _decoded(frames: Sequence[Frame]) -> FloatArray:
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
            f"{len(problems)} of {len(frames)} slices can't be decoded.", tuple(problems), kind="unreadable"
        )
    return voxels
