"""From frames to the one volume that is judged, and why each other one was passed over.

Within a series one volume is taken, then one series: sagittal, fluid-sensitive, fat-suppressed first, by geometry and
headers (the intermediate-weighted, fat-suppressed sagittal series is what readers look for the ACL on).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from data_prep.acquisition import acquisition
from data_prep.dicom import MOST_NAMED, Frame, Limits, Source, Unread, nothing_read, read_study
from data_prep.errors import FileProblem, MalformedInput, UnsuitableStudy
from data_prep.kind import scout_by_geometry, scout_signs
from data_prep.notice import Notice
from data_prep.origin import sources
from data_prep.preference import ACROSS_SERIES, WITHIN_SERIES, prefer, tied_notices
from data_prep.stack import Stack, stacks, unusable
from data_prep.volume import FloatArray, Volume

# A knee's ligaments take some 25 mm from side to side with their surroundings: fewer slices don't cover them.
MIN_SLICES = 8
# What a study without a volume to judge is called: by the part of it that came nearest to being one.
NOTHING_TO_JUDGE = ("too-few-slices", "no-positions", "wrong-plane", "nothing-to-judge")
WANTED = f"Send one study with a sagittal MR series of one knee, at least {MIN_SLICES} slices."


@dataclass(frozen=True)
class PassedOver:
    """A series, or a part of one, that wasn't judged, and why.

    series_uid: '' for a file whose series can't be read; the reason names it.
    """

    series_uid: str
    reason: str


class _Refusal(NamedTuple):
    """Why a part of a series can't be judged; kind: one of `NOTHING_TO_JUDGE`."""

    kind: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The volume that is judged and everything that isn't; of each slice, what results must repeat (`sources`)."""

    volume: Volume
    passed_over: tuple[PassedOver, ...]
    sources: tuple[Dataset, ...] = field(default=(), repr=False)


def load_study(source: Source, limits: Limits | None = None) -> Selection:
    """Read and choose: the union of what `read_study` and `choose_volume` raise."""
    study = read_study(source, limits)
    return choose_volume(study.frames, study.unread)


def choose_volume(frames: Sequence[Frame], unread: Sequence[Unread] = ()) -> Selection:
    """The one volume to judge; only its pixels are decoded, once, into float32 `[slices, rows, columns]`.

    unread: files of the study that can't be read. They are passed over, unless one belongs to the series to judge.
    The result doesn't depend on the order of the frames. Raises UnsuitableStudy when there is nothing to judge, when
    patients, studies or knees are mixed, when a slice is missing or can't be read or decoded; UnsupportedInput,
    MalformedInput.
    """
    if unread and not frames:
        raise nothing_read(unread)
    _check_one_study(frames)
    passed: list[PassedOver] = []
    kinds = {"nothing-to-judge"}
    finalists: list[Stack] = []
    in_order = sorted(frames, key=lambda frame: (frame.series_uid, frame.sop_uid, frame.number))
    for series_uid, members in groupby(in_order, key=lambda frame: frame.series_uid):
        candidates, refusals = _candidates(list(members))
        kinds |= {refusal.kind for refusal in refusals}
        reasons = [refusal.reason for refusal in refusals]
        if candidates:
            winner, losers = prefer(candidates, WITHIN_SERIES)
            finalists.append(winner)
            reasons += [reason for _, reason in losers]
        passed += [PassedOver(series_uid, reason) for reason in reasons]
    passed += _unread_by_series(unread)
    if not finalists:
        problems = tuple(file.problem for file in unread)[:MOST_NAMED]
        raise UnsuitableStudy(_nothing_to_judge(passed), problems, min(kinds, key=NOTHING_TO_JUDGE.index))
    _check_one_knee(finalists)
    chosen, losers = prefer(finalists, ACROSS_SERIES)
    _check_whole(chosen, in_order, unread)
    passed += [PassedOver(loser.series_uid, reason) for loser, reason in losers]
    in_order_of_series = tuple(sorted(passed, key=lambda one: one.series_uid))
    notices = (*_notices(unread), *_kind_notices(chosen), *tied_notices(chosen, losers))
    return Selection(replace(_volume(chosen), notices=notices), in_order_of_series, sources(chosen.frames))


def _check_one_study(frames: Sequence[Frame]) -> None:
    patients = {frame.patient for frame in frames if frame.patient}
    studies = {frame.study_uid for frame in frames}
    if not frames:
        raise UnsuitableStudy(f"The DICOM files hold no image. {WANTED}")
    if len(patients) > 1:
        raise UnsuitableStudy(
            f"The files belong to {len(patients)} patients: send one patient's study at a time.", kind="mixed-studies"
        )
    if len(studies) > 1:
        raise UnsuitableStudy(
            f"The files belong to {len(studies)} studies: send one study at a time.", kind="mixed-studies"
        )


def _check_one_knee(candidates: Sequence[Stack]) -> None:
    sides = {side for stack in candidates if (side := stack.laterality) != "unknown"}
    if len(sides) > 1:
        raise UnsuitableStudy(
            "Some series show the left knee, others the right: send one knee at a time.", kind="two-knees"
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
    """A file of the series to judge that can't be read may be one of its slices, and none may be lost in silence."""
    problems = [file.problem for file in unread if file.series_uid == chosen.series_uid]
    taken = set(chosen.frames)
    others = (frame for frame in frames if frame.series_uid == chosen.series_uid and frame not in taken)
    problems += [FileProblem(frame.file, fault) for frame in others if (fault := _lost_slice(frame, chosen.plane))]
    if problems:
        raise UnsuitableStudy(
            f"Series {chosen.series_uid} can't be judged: {len(problems)} of its files can't be read. "
            f"The first: {problems[0].file}: {problems[0].detail}",
            tuple(problems[:MOST_NAMED]),
            "unreadable",
        )


def _lost_slice(frame: Frame, plane: str) -> str | None:
    """Why a frame that may belong to a stack of this plane isn't in it: its place or size can't be read."""
    try:
        for keyword, count in (("ImageOrientationPatient", 6), ("ImagePositionPatient", 3), ("PixelSpacing", 2)):
            frame.header.numbers(keyword, count)
    except MalformedInput as error:
        return error.detail
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


def _nothing_to_judge(passed: Sequence[PassedOver]) -> str:
    found = "; ".join(f"series {one.series_uid}: {one.reason}" for one in passed[:8])
    return f"Nothing to judge ({found}{'; and more' if len(passed) > 8 else ''}). {WANTED}"


def _candidates(frames: Sequence[Frame]) -> tuple[list[Stack], list[_Refusal]]:
    """The stacks of one series that could be judged, and a reason for each part of it that can't."""
    reasons = {frame: unusable(frame) for frame in frames}
    refused = [_Refusal("nothing-to-judge", reason) for reason in sorted(filter(None, set(reasons.values())))]
    usable = [frame for frame, reason in reasons.items() if reason is None]
    parts = stacks(usable)
    if usable and not parts:
        refused.append(_Refusal("nothing-to-judge", "too many orientations or matrices in one series"))
    candidates = []
    for part in parts:
        refusal = _shortcoming(part)
        if refusal is None:
            candidates.append(part)
        else:
            refused.append(refusal)
    return candidates, refused


def _shortcoming(stack: Stack) -> _Refusal | None:
    if stack.plane != "sagittal":
        return _Refusal("wrong-plane", f"plane is {stack.plane}")
    if len(stack.frames) < MIN_SLICES:
        return _Refusal("too-few-slices", f"only {len(stack.frames)} slices; at least {MIN_SLICES} are needed")
    if stack.offsets_mm is None:
        reason = "slice positions are missing, or several images at one position can't be told apart"
        return _Refusal("no-positions", reason)
    if scout_by_geometry(len(stack.frames), stack.spacing_mm, stack.planes):
        signs = scout_signs(len(stack.frames), stack.spacing_mm, stack.planes)
        return _Refusal("nothing-to-judge", f"localizer, by its geometry: {'; '.join(signs)}")
    return None


def _kind_notices(stack: Stack) -> tuple[Notice, ...]:
    doubts = stack.finding.doubts
    if not doubts:
        return ()
    return (
        Notice(
            "series-kind-unknown",
            f"Headers don't say plainly what series {stack.series_uid} shows ({'; '.join(doubts)}). "
            "It was judged as a picture of the anatomy.",
        ),
    )


def _volume(stack: Stack) -> Volume:
    gap = stack.gap()
    if gap is not None:
        number, step = gap
        raise UnsuitableStudy(
            f"Series {stack.series_uid}: slices {number} and {number + 1} lie {step:.2f} mm apart where "
            f"{stack.spacing_mm[0]:.2f} mm is usual. Send the whole series, and one knee at a time.",
            kind="gap",
        )
    first = stack.frames[0]
    return Volume(
        voxels=_decoded(stack.frames),
        spacing_mm=stack.spacing_mm,
        directions=stack.directions,
        positions_mm=stack.positions_mm,
        sop_uids=tuple(frame.sop_uid for frame in stack.frames),
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        laterality=stack.laterality,
        acquisition=acquisition(stack.header),
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
            f"None of the {len(frames)} slices can be decoded. The first: {problems[0].file}: {problems[0].detail}",
            tuple(problems),
        )
    if problems:
        raise UnsuitableStudy(
            f"{len(problems)} of {len(frames)} slices can't be decoded.", tuple(problems), kind="unreadable"
        )
    return voxels
