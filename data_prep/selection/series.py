"""From frames to the one volume that is predicted on, and why each other one was passed over.

First one volume is chosen within each series, then one series, by geometry and headers: sagittal, and preferably
fluid-sensitive and fat-suppressed (radiologists look for the ACL on the intermediate-weighted, fat-suppressed sagittal
series).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from pydicom.dataset import Dataset

from data_prep.dicom.archive import MOST_NAMED, StudyFiles
from data_prep.dicom.frames import Clean, Frame, Unread, nothing_read, read_study
from data_prep.dicom.identity import fewest_patients
from data_prep.dicom.origin import origins
from data_prep.errors import UnsuitableStudy
from data_prep.limits import Limits
from data_prep.notice import counted
from data_prep.selection import notices
from data_prep.selection.candidates import MIN_SLICES, NOTHING_TO_PREDICT_ON, Refusal, candidates_of
from data_prep.selection.knees import one_knee
from data_prep.selection.missing import missing_slices
from data_prep.selection.preference import ACROSS_SERIES, WITHIN_SERIES, draws, prefer
from data_prep.selection.side import Side
from data_prep.selection.stack import Stack
from data_prep.selection.whole import check_gaps, check_whole, volume_of
from data_prep.volume import Volume

WANTED = f"Send one study with a sagittal MR series of one knee, at least {MIN_SLICES} slices."
# That a sentence names.
MOST_REASONS = 8


@dataclass(frozen=True)
class PassedOver:
    """A series, or a part of one, that wasn't predicted on, and why.

    Attributes:
        series_uid: SeriesInstanceUID; '' for files whose series can't be read.
        reason: why, in words. No name of a file, because it may hold a patient's.
    """

    series_uid: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """The result of choosing a volume.

    Attributes:
        volume: the volume that is predicted on.
        passed_over: everything else in the study, with the reasons.
        origins: the attributes of each slice that results must repeat (`data_prep.dicom.origin`).
        preambles: how many files have a preamble that isn't blank.
        asked: whether somebody asked for the series; otherwise it was chosen here.
    """

    volume: Volume
    passed_over: tuple[PassedOver, ...]
    origins: tuple[Dataset, ...] = field(default=(), repr=False)
    preambles: int = 0
    asked: bool = False


def load_study(
    files: StudyFiles,
    limits: Limits | None = None,
    laterality: Side | None = None,
    clean: Clean | None = None,
    performed: Mapping[str, int] | None = None,
    series: Sequence[str] = (),
) -> Selection:
    """Read a study and choose its volume. Raises the errors of `read_study` and `choose_volume`.

    Args:
        files: a file, a folder, a zip, or named streams of files and zips.
        limits: the largest study that is accepted.
        laterality: see `choose_volume`.
        clean: see `read_study`.
        performed: see `choose_volume`.
        series: the series to predict on, by the UIDs that it may have: `clean` may replace them. None if it is empty.
    """
    study = read_study(files, limits, clean)
    named = [uid for uid in series if any(frame.series_uid == uid for frame in study.frames)]
    asked = next(iter([*named, *series]), None)
    selection = choose_volume(study.frames, study.unread, laterality, performed, asked)
    told = (*selection.volume.notices, *notices.other_files(study))
    return replace(selection, volume=replace(selection.volume, notices=told), preambles=study.preambles)


def choose_volume(
    frames: Sequence[Frame],
    unread: Sequence[Unread] = (),
    laterality: Side | None = None,
    performed: Mapping[str, int] | None = None,
    series_uid: str | None = None,
) -> Selection:
    """Choose the one volume to predict on. Only its pixels are decoded.

    The result doesn't depend on the order of the frames.

    Args:
        frames: the images of a study.
        unread: files of the study that can't be read. They are passed over, unless one belongs to the chosen series.
        laterality: the knee to predict on, if the study may show both.
        performed: how many images the modality has made of each series, by SeriesInstanceUID, as far as it says.
        series_uid: the series to predict on; None for the one that is preferred.

    Returns:
        The volume, its voxels float32 `[slices, rows, columns]`, and what was passed over.

    Raises:
        UnsuitableStudy: there is nothing to predict on, or not in the series that is asked for; files of several
            patients or studies are mixed; two knees are shown and none is asked for, or the one that is asked for isn't
            shown; or a slice is missing or can't be read or decoded.
        UnsupportedInput: the encoding of the pixels isn't supported.
        MalformedInput: no file can be read, or no slice can be decoded.
    """
    if unread and not frames:
        raise nothing_read(unread)
    _check_one_study(frames)
    passed: list[PassedOver] = []
    refused: dict[str, list[Refusal]] = {}
    candidates: list[Stack] = []
    in_order = sorted(frames, key=lambda frame: (frame.series_uid, frame.sop_uid, frame.number))
    for uid, members in groupby(in_order, key=lambda frame: frame.series_uid):
        of_series, refusals, notes = candidates_of(list(members))
        candidates += of_series
        refused[uid] = refusals
        passed += _passed_over(uid, [*(refusal.reason for refusal in refusals), *notes])
    passed += _unread_by_series(unread)
    if series_uid is not None:
        _check_asked(series_uid, candidates, passed, refused)
    elif not candidates:
        problems = tuple(file.problem for file in unread)[:MOST_NAMED]
        every = [refusal for refusals in refused.values() for refusal in refusals]
        raise UnsuitableStudy(_nothing_to_predict_on(passed), problems, _kind(every))
    knee = one_knee(candidates, laterality, series_uid)
    chosen, losers = _preferred(knee.stacks)
    check_whole(chosen, in_order, unread)
    for uid, stacks_and_reasons in groupby(
        sorted((*knee.passed_over, *losers), key=lambda one: one[0].series_uid), key=lambda one: one[0].series_uid
    ):
        passed += _passed_over(uid, [reason for _, reason in stacks_and_reasons])
    in_order_of_series = tuple(sorted(passed, key=lambda one: one.series_uid))
    of_its_series = (frame for frame in in_order if frame.series_uid == chosen.series_uid)
    told = (
        *(() if series_uid is None else notices.series_requested(series_uid, _own_choice(candidates, laterality))),
        *notices.stray_files(unread),
        *knee.notices[chosen],
        *notices.unclear_kind(chosen),
        *notices.other_part(chosen),
        *notices.burned_in(chosen),
        *missing_slices(chosen, of_its_series, (performed or {}).get(chosen.series_uid, 0)),
        *draws(chosen, losers),
    )
    check_gaps(chosen, unread)
    volume = volume_of(chosen, knee.sides[chosen], told)
    return Selection(volume, in_order_of_series, origins(chosen.frames), asked=series_uid is not None)


def _check_asked(
    series_uid: str, candidates: Sequence[Stack], passed: Sequence[PassedOver], refused: Mapping[str, Sequence[Refusal]]
) -> None:
    """Refuse a series that somebody asked for, if it isn't in the study or can't be predicted on."""
    if any(stack.series_uid == series_uid for stack in candidates):
        return
    reasons = [one.reason for one in passed if one.series_uid == series_uid]
    if not reasons:
        raise UnsuitableStudy(f"Series {series_uid} was asked for, and the study has no such series.")
    raise UnsuitableStudy(
        f"Series {series_uid} was asked for, and can't be predicted on: {'; '.join(reasons[:MOST_REASONS])}.",
        kind=_kind(refused.get(series_uid, ())),
    )


def _own_choice(candidates: Sequence[Stack], laterality: Side | None) -> str | None:
    """The series that is chosen if nobody asks for one; None if the study is refused then."""
    with suppress(UnsuitableStudy):
        chosen, losers = _preferred(one_knee(candidates, laterality).stacks)
        draws(chosen, losers)
        return chosen.series_uid
    return None


def _kind(refusals: Sequence[Refusal]) -> str:
    kinds = {"nothing-to-predict-on", *(refusal.kind for refusal in refusals)}
    return min(kinds, key=NOTHING_TO_PREDICT_ON.index)


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
    """What is wrong with how many files of each series, and with how many whose series isn't known."""
    counts = Counter((file.series_uid, file.problem.detail) for file in unread)
    return [
        PassedOver(series_uid, f"{counted(count, 'file')} can't be read: {detail}")
        for (series_uid, detail), count in sorted(counts.items())
    ]


def _nothing_to_predict_on(passed: Sequence[PassedOver]) -> str:
    """Each reason once, with the first series that it applies to."""
    series: dict[str, list[str]] = {}
    for one in passed:
        series.setdefault(one.reason, []).append(one.series_uid)
    found = [
        f"series {uids[0]}{f' and {len(uids) - 1} more' if len(uids) > 1 else ''}: {reason}" if uids[0] else reason
        for reason, uids in series.items()
    ]
    more = "; and more" if len(found) > MOST_REASONS else ""
    return f"Nothing to predict on ({'; '.join(found[:MOST_REASONS])}{more}). {WANTED}"
