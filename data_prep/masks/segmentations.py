"""DICOM Segmentations (PS3.3 A.51): which structures their segments show, and where these lie in a volume."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation, SegmentationTypeValues, segread
from pydicom.dataset import Dataset

from data_prep.dicom.quiet import ignore_pydicom_warnings
from data_prep.errors import InputError
from data_prep.masks.files import malformed
from data_prep.masks.marks import Mask
from data_prep.masks.planes import frames, lay
from data_prep.masks.structures import Shows, structure_coded, structure_named
from data_prep.tables.cells import words_key
from data_prep.volume import Volume

# Of a fractional segmentation: from this probability or occupancy on, a pixel belongs to the segment.
FRACTION = 0.5


def read_segmentation(path: Path, volume: Volume, shows: Shows) -> dict[str, Mask]:
    """Read where the structures of a Segmentation lie in a volume.

    Args:
        path: the file.
        volume: the volume that it was drawn on, with headers.
        shows: which segments are wanted, or what each segment is, by its label or number. Segments whose code or label
            names a structure need no such meaning.

    Returns:
        bool `[S, R, C]` for each structure.

    Raises:
        MalformedInput: it can't be read, was drawn on another series, lies on another grid, or has a segment that
            isn't known; the message names the file.
    """
    ignore_pydicom_warnings()
    if path.is_dir():
        raise malformed(path, "a folder; a mask is one file")
    try:
        with _opened(path) as segmentation:
            _check_source(path, segmentation, volume)
            return _laid(path, segmentation, volume, _structures(path, segmentation, shows))
    except (InputError, FileNotFoundError):
        raise
    except Exception:  # highdicom and pydicom may raise any exception, also when a value is asked for
        raise malformed(path, "it can't be read as a DICOM Segmentation") from None


@contextmanager
def _opened(path: Path) -> Iterator[Segmentation]:
    """The Segmentation; what highdicom keeps of it is closed at the end of the block."""
    segmentation = segread(path)
    with closing(segmentation._db_con):  # it has no public way to be closed
        yield segmentation


def _check_source(path: Path, segmentation: Segmentation, volume: Volume) -> None:
    """Refuse one that was drawn on other images."""
    uids = segmentation.get_source_image_uids()
    studies = {str(study) for study, _, _ in uids} or {str(segmentation.StudyInstanceUID)}
    series = {str(one) for _, one, _ in uids}
    if volume.study_uid not in studies:
        raise malformed(path, "it was drawn on another study than its image")
    if series and volume.series_uid not in series:
        named = ", ".join(sorted(series))
        raise malformed(path, f"it was drawn on another series ({named}) than its image ({volume.series_uid})")


def _structures(path: Path, segmentation: Segmentation, shows: Shows) -> dict[int, str]:
    """The structure of each wanted segment, by its number."""
    meanings = {words_key(key): structure for key, structure in shows.meanings}
    found: dict[int, str | None] = {}
    unknown: list[str] = []
    for number in segmentation.segment_numbers:
        segment = segmentation.get_segment_description(number)
        label = str(segment.segment_label)
        keys = [key for key in (words_key(label), str(number)) if key in meanings]
        if number == 0:  # the background of a label map
            continue
        found[number] = meanings[keys[0]] if keys else _own(segment, label)
        if not keys and found[number] is None:
            unknown.append(label)
    if shows.structure:
        chosen = [number for number, named in found.items() if named == shows.structure]
        if not chosen and len(found) == 1 and unknown:
            chosen = list(found)
        if not chosen:
            raise malformed(path, f"none of its segments is {shows.structure}")
        return dict.fromkeys(chosen, shows.structure)
    if unknown:
        raise malformed(
            path,
            f"it isn't clear which structure its segment {unknown[0]!r} shows; write {unknown[0]}=acl or "
            f"{unknown[0]}=skip in column structure",
        )
    return {number: named for number, named in found.items() if named}


def _own(segment: Dataset, label: str) -> str | None:
    """The structure that a segment's code or label names."""
    code = segment.segmented_property_type
    return (
        structure_coded(code.value, code.scheme_designator) or structure_named(label) or structure_named(code.meaning)
    )


def _laid(path: Path, segmentation: Segmentation, volume: Volume, structures: dict[int, str]) -> dict[str, Mask]:
    stored = np.asarray(segmentation.pixel_array).reshape(-1, segmentation.Rows, segmentation.Columns)
    fractional = segmentation.segmentation_type == SegmentationTypeValues.FRACTIONAL
    least = FRACTION * segmentation.MaximumFractionalValue if fractional else 1
    masks = {name: np.zeros(volume.shape, np.bool_) for name in structures.values()}
    for frame in frames(segmentation):
        for number, name in structures.items():
            if frame.segment in (None, number):
                pixels = stored[frame.index]
                lay(path, frame, pixels == number if frame.segment is None else pixels >= least, volume, masks[name])
    return masks
