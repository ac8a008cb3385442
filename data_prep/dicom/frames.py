"""From DICOM bytes to frames: every image of a study, with the few header fields that are read and encoded pixels.

A header's patient data is kept only for the results (`data_prep.dicom.origin`) and is never logged.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from data_prep.dicom.archive import MOST_NAMED, StudyFiles, dicom_files, has_preamble, is_hidden
from data_prep.dicom.budget import Budget
from data_prep.dicom.header import READ_TAGS, Header, Memo, frame_headers, instance_header
from data_prep.dicom.identity import Identity, identity
from data_prep.dicom.part10 import IMAGE_STORAGE, PIXEL_DATA, is_uid, open_file, parse
from data_prep.dicom.pixels import IntegerArray, PixelData
from data_prep.errors import FileProblem, InputError, InputOverLimit, MalformedInput
from data_prep.limits import Limits, odd_rescale
from data_prep.volume import FloatArray

# pydicom's validation messages quote values, which may belong to a patient; Cruciate checks what it needs itself.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE

SERIES_UID = 0x0020000E
# From a file's bytes to others.
Clean = Callable[[bytes, Budget], bytes]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane.

    Attributes:
        file: the sender's name of the file.
        number: the frame's number within its instance, from 1.
        patient: the patient, for comparison only.
        header: the frame's attributes as plain values.
        pixels: the instance's encoded pixels.
        attributes: the instance's attributes as they were sent, those on the allow-lists.
    """

    file: str
    number: int
    sop_uid: str
    series_uid: str
    study_uid: str
    patient: Identity = field(repr=False)
    header: Header = field(repr=False)
    pixels: PixelData = field(repr=False)
    attributes: pydicom.Dataset = field(repr=False)

    def decode(self) -> FloatArray:
        """Decode the pixels (PS3.3 C.7.6.3.1.2, C.11.1, C.7.5.1.1.2).

        Returns:
            float32 `[rows, columns]`: MONOCHROME1 inverted within BitsStored, rescaled, padding set to the lowest
            value.

        Raises:
            MalformedInput, UnsupportedInput: with the file's name.
        """
        with _naming(self.file):
            photometric = self.header.text("PhotometricInterpretation")
            if photometric not in ("MONOCHROME1", "MONOCHROME2"):
                raise MalformedInput("PhotometricInterpretation isn't MONOCHROME1 or MONOCHROME2.")
            stored = self.pixels.plane(self.number - 1)
            meant = sum(self.pixels.value_range) - stored.astype(np.int64) if photometric == "MONOCHROME1" else stored
            values = self._rescale(meant)
            padding = self.padding(stored)
            if padding.any():
                values[padding] = 0 if padding.all() else values[~padding].min()
            return values

    def _rescale(self, values: IntegerArray) -> FloatArray:
        """Apply RescaleSlope and RescaleIntercept in double precision; most MR series don't need it."""
        slope, intercept = self._slope_and_intercept()
        if odd := odd_rescale(slope, intercept):
            raise MalformedInput(f"{odd}.")
        if (slope, intercept) == (1, 0):
            return values.astype(np.float32)
        scaled = values.astype(np.float64)
        scaled *= slope
        scaled += intercept
        return scaled.astype(np.float32)

    def _slope_and_intercept(self) -> tuple[float, float]:
        """1 and 0 where the header doesn't name them; MalformedInput if one isn't a number."""
        slope, intercept = self.header.needed_number("RescaleSlope"), self.header.needed_number("RescaleIntercept")
        return 1.0 if slope is None else slope, intercept or 0.0

    def odd_rescale(self) -> str | None:
        """What is wrong with RescaleSlope and RescaleIntercept, if anything is."""
        try:
            return odd_rescale(*self._slope_and_intercept())
        except MalformedInput as error:
            return error.detail.rstrip(".")

    def padding(self, stored: IntegerArray) -> npt.NDArray[np.bool_]:
        """Which of the stored values `[rows, columns]` are padding (PS3.3 C.7.5.1.1.2)."""
        value = self.header.needed_number("PixelPaddingValue")
        if value is None:
            return np.zeros(stored.shape, bool)
        limit = self.header.needed_number("PixelPaddingRangeLimit")
        patterns = np.array([value, value if limit is None else limit]).astype(np.int64)
        patterns = patterns.astype(f"u{stored.dtype.itemsize}")
        ends = self.pixels.meaning(patterns, self.pixels.bits_stored)
        inside: npt.NDArray[np.bool_] = (stored >= ends.min()) & (stored <= ends.max())
        return inside


@dataclass(frozen=True)
class Unread:
    """A file of the study that can't be read, and why.

    Attributes:
        series_uid: SeriesInstanceUID; '' if it can't be read either.
    """

    error: InputError
    series_uid: str = ""

    @property
    def problem(self) -> FileProblem:
        """The file's name and what is wrong with it."""
        return self.error.files[0]


@dataclass(frozen=True)
class Study:
    """What was found in the files of a study.

    Attributes:
        frames: every image plane, in the order of UIDs.
        unread: every file that can't be read.
        not_dicom: how many files aren't DICOM, without hidden ones.
        no_image: how many DICOM files hold no image.
        preambles: how many files have a preamble that isn't blank; it may be the beginning of a program (PS3.10 7.1).
    """

    frames: tuple[Frame, ...]
    unread: tuple[Unread, ...] = ()
    not_dicom: int = 0
    no_image: int = 0
    preambles: int = 0


class _NotPredictedOn(InputOverLimit):
    """An image over a limit that isn't MR, such as a long film or a large X-ray beside the MR images."""


def read_study(files: StudyFiles, limits: Limits | None = None, clean: Clean | None = None) -> Study:
    """Read every image plane of a study; pixels stay encoded.

    Files that aren't DICOM, and DICOM files without images (DICOMDIR, reports, maps of floats), are skipped. An
    instance that was sent twice is used once. The result doesn't depend on the names of the files. Time and memory grow
    with the bytes of the files, which are held once. A frame's pixels may be damaged; see its `pixels.fault`.

    Args:
        files: a file, a folder, a zip, or named streams of files and zips.
        limits: the largest study that is accepted.
        clean: removes what identifies the patient from each file before it is read. Names of files are replaced, too.

    Raises:
        MalformedBody: there is no file at all, or a zip is damaged as a whole.
        MalformedInput: there is no DICOM file at all, or none that can be read.
        InputOverLimit: a limit is exceeded.
        UnsupportedInput: an encoding isn't supported.
    """
    budget = Budget(limits or Limits())
    instances: dict[tuple[str, str], list[list[Frame]]] = {}
    unread: list[Unread] = []
    others: list[FileProblem] = []
    no_image = preambles = 0
    memo: Memo = {}
    patients: dict[object, Identity] = {}
    found = dicom_files(files, budget, others)
    for file, content in found if clean is None else _cleaned(found, clean, Budget(budget.limits)):
        if isinstance(content, MalformedInput):
            unread.append(Unread(content))
            continue
        preambles += has_preamble(content)
        try:
            with _naming(file):
                instance = _read_instance(file, content, budget, memo, patients)
        except (MalformedInput, _NotPredictedOn) as error:
            unread.append(Unread(error, _series_uid(content, budget)))
            continue
        if instance:
            _file_away(instance, instances.setdefault((instance[0].series_uid, instance[0].sop_uid), []))
        else:
            no_image += 1
    frames = [frame for versions in instances.values() if len(versions) == 1 for frame in versions[0]]
    unread += [_ambiguous(versions) for versions in instances.values() if len(versions) > 1]
    if unread and not frames:
        raise nothing_read(unread)
    in_order = sorted(frames, key=lambda frame: (frame.series_uid, frame.sop_uid, frame.number))
    return Study(
        frames=tuple(in_order),
        unread=tuple(sorted(unread, key=lambda one: (one.series_uid, one.problem.file))),
        not_dicom=sum(not is_hidden(other.file) for other in others),
        no_image=no_image,
        preambles=preambles,
    )


def _cleaned(
    files: Iterable[tuple[str, bytes | MalformedInput]], clean: Clean, budget: Budget
) -> Iterator[tuple[str, bytes | MalformedInput]]:
    """The files without the patient's identity, in which neither names of files nor contents are the sender's."""
    for number, (name, content) in enumerate(files, start=1):
        file = f"file {number}"
        if isinstance(content, MalformedInput):
            detail = content.files[0].detail if content.files else content.detail.removeprefix(f"{name}: ")
            yield file, MalformedInput(f"{file}: {detail}", (FileProblem(file, detail),))
            continue
        try:
            with _naming(file):
                yield file, clean(content, budget)
        except MalformedInput as error:
            yield file, error


def nothing_read(unread: Sequence[Unread]) -> InputError:
    """The error to raise if no file could be read."""
    first = unread[0].error
    if len(unread) == 1:
        return first
    kind = type(first) if all(type(one.error) is type(first) for one in unread) else MalformedInput
    problems = tuple(one.problem for one in unread[:MOST_NAMED])
    return kind(f"None of the {len(unread)} files can be read. The first: {first.detail}", problems)


def _file_away(instance: list[Frame], versions: list[list[Frame]]) -> None:
    """Add an instance to the versions of its UID. Of equal ones, in any encoding, keep that with the smallest bytes."""
    # Two different versions are already an error, so a third one needn't be decoded.
    for place, known in enumerate(versions if len(versions) < 2 else ()):
        if known[0].pixels.content == instance[0].pixels.content or _same(known, instance):
            versions[place] = min(known, instance, key=lambda frames: frames[0].pixels.content)
            return
    versions.append(instance)


def _same(some: Sequence[Frame], others: Sequence[Frame]) -> bool:
    """Whether two instances have the same pixels and the same values in all attributes that are read."""
    if [(one.patient, one.header) for one in some] != [(one.patient, one.header) for one in others]:
        return False
    try:
        return all(np.array_equal(one.decode(), other.decode()) for one, other in zip(some, others, strict=True))
    except InputError:
        return False


def _ambiguous(versions: Sequence[Sequence[Frame]]) -> Unread:
    first = min((frames[0] for frames in versions), key=lambda frame: frame.file)
    detail = "Another file has the same SOPInstanceUID and differs."
    return Unread(MalformedInput(f"{first.file}: {detail}", (FileProblem(first.file, detail),)), first.series_uid)


@contextmanager
def _naming(file: str) -> Iterator[None]:
    """Errors raised in this block name the file and quote no value from it."""
    try:
        yield
    except MemoryError:  # not the file's fault alone
        raise
    except InputError as error:
        if error.files:
            raise
        raise type(error)(f"{file}: {error.detail}", (FileProblem(file, error.detail),)) from None
    except Exception:  # pydicom may raise any exception
        detail = "It can't be read as DICOM; it may be damaged."
        raise MalformedInput(f"{file}: {detail}", (FileProblem(file, detail),)) from None


def _read_instance(
    file: str, content: bytes, budget: Budget, memo: Memo, patients: dict[object, Identity]
) -> list[Frame]:
    parsed = _parse(content, budget, memo)
    if parsed is None:
        return []
    dataset, pixels, header = parsed
    try:
        budget.take_frames(pixels.frames, pixels.rows, pixels.columns)
    except InputOverLimit as error:
        if header.text("Modality") in ("MR", ""):
            raise
        raise _NotPredictedOn(error.detail) from None
    names = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    sop_uid, series_uid, study_uid = (_uid(header, name) for name in names)
    patient = identity(dataset, patients)
    headers = frame_headers(dataset, header, pixels.frames, memo)
    return [
        Frame(file, number, sop_uid, series_uid, study_uid, patient, frame, pixels, dataset)
        for number, frame in enumerate(headers, start=1)
    ]


def _uid(header: Header, keyword: str) -> str:
    value = header.text(keyword)
    if not is_uid(value):
        raise MalformedInput(f"{keyword} is missing or isn't a UID.")
    return value


def _parse(content: bytes, budget: Budget, memo: Memo) -> tuple[pydicom.Dataset, PixelData, Header] | None:
    """The header up to the pixels, and where the pixels are; None for a DICOM file without an image."""
    opened = open_file(BytesIO(content), budget)
    if opened.syntax == DeflatedExplicitVRLittleEndian:
        opened = opened.inflated(budget)
        content = opened.stream.getvalue()  # type: ignore[attr-defined]  # a BytesIO
    parsed = parse(opened, READ_TAGS, budget)
    dataset, found = parsed.dataset, parsed.pixels
    if found is None:
        names = (opened.meta.get("MediaStorageSOPClassUID"), dataset.get("SOPClassUID"))
        if any(IMAGE_STORAGE in UID(name or "").name for name in names):
            raise MalformedInput("There are no pixels; the file may be cut short.")
        return None
    if found.tag != PIXEL_DATA:
        return None
    header = instance_header(dataset, memo)
    return dataset, PixelData.of(header, content, found.start, found.length, opened.syntax, found.vr), header


def _series_uid(content: bytes, budget: Budget) -> str:
    """SeriesInstanceUID of a file whose whole header can't be read; '' if the UID can't be read either."""
    try:
        dataset = parse(open_file(BytesIO(content), budget), [SERIES_UID], budget, last=SERIES_UID).dataset
        value = str(dataset[SERIES_UID].value).strip(" \0")
    except InputOverLimit:
        raise
    except Exception:  # pydicom may raise any exception
        return ""
    return value if is_uid(value) else ""
