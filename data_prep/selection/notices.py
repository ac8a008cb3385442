"""What the reader of an answer should know of the chosen stack and of the files beside it."""

from collections.abc import Sequence

from data_prep.dicom.frames import Study, Unread
from data_prep.notice import Notice, counted
from data_prep.selection.acquisition import suppressed_by_tags
from data_prep.selection.body_part import OTHER_BODY_PART, other_body_parts
from data_prep.selection.kind import FAT_DOUBT
from data_prep.selection.stack import Stack

SERIES_REQUESTED = "series-requested"
BURNED_IN = "burned-in-annotation"  # the notice's code


def series_requested(series_uid: str, own_choice: str | None) -> tuple[Notice, ...]:
    """The notice for a series that somebody asked for, if it isn't the one that is chosen without that."""
    if own_choice == series_uid:
        return ()
    otherwise = f"taken series {own_choice}" if own_choice else "refused the study"
    message = f"Series {series_uid} was asked for. Otherwise, the service would have {otherwise}."
    return (Notice(SERIES_REQUESTED, message),)


def stray_files(unread: Sequence[Unread]) -> tuple[Notice, ...]:
    strays = [file for file in unread if not file.series_uid]
    if not strays:
        return ()
    message = (
        f"{counted(len(strays), 'file')} couldn't be read at all (see `passed_over`): if one was the first or last "
        "slice of this series, that slice is missing."
    )
    return (Notice("files-not-read", message),)


def unclear_kind(stack: Stack) -> tuple[Notice, ...]:
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


def other_part(stack: Stack) -> tuple[Notice, ...]:
    parts = other_body_parts(stack.header)
    if not parts:
        return ()
    message = (
        f"The headers say that the series shows another part of the body ({', '.join(parts)}). It was treated as a "
        "knee."
    )
    return (Notice(OTHER_BODY_PART, message),)


def burned_in(stack: Stack) -> tuple[Notice, ...]:
    """BurnedInAnnotation says whether pixels identify the patient (PS3.3 C.7.6.1.1)."""
    if not any("YES" in frame.header.texts("BurnedInAnnotation") for frame in stack.frames):
        return ()
    message = (
        "The headers say that text in the pixels identifies the patient. The text is also in the pictures of this "
        "prediction, and the model may have looked at it."
    )
    return (Notice(BURNED_IN, message),)


def other_files(study: Study) -> tuple[Notice, ...]:
    counts = {"not DICOM": study.not_dicom, "DICOM without an image": study.no_image}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return (Notice("files-passed-over", f"Files beside the images were passed over: {told}."),) if told else ()
