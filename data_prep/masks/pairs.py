"""Pairs of image and mask in a folder, found by their names.

images/knee1.png  masks/knee1.png          in folders of these names, anywhere in the path
knee1.png         knee1_mask.png           with a word before or after the name
knee1.png         knee1_acl.png            with a structure, also as a folder: masks/acl/knee1.png
knee1/image.png   knee1/mask.png           a folder for each
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.masks.row import ARRAYS, PICTURES, MaskRow
from data_prep.masks.structures import UNNAMED, Shows, structure_named
from data_prep.tables.exams import Split

MASK_WORDS = {
    *("mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "gt", "groundtruth"),
    *("annotation", "annotations"),
}
IMAGE_WORDS = {"image", "images", "img", "imgs", "picture", "pictures"}
SPLIT_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# That a sentence names.
MOST_NAMED = 5
Key = tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """A file and what its name says.

    Attributes:
        path: the file.
        key: what is left of folders and name; an image and its masks share it.
        role: mask, image, or '' if the name doesn't say.
        structure: the structure that a mask shows, if the name says one.
    """

    path: Path
    key: Key
    role: str
    structure: str | None


def find_pairs(folder: Path, patient: re.Pattern[str] | None = None, skip_unpaired: bool = False) -> list[MaskRow]:
    """A row for each mask, in the order of the names.

    Args:
        folder: where to look, with all folders below.
        patient: finds the patient in the image's path below the folder, as its first group or the whole match; None:
            every image is of another patient.
        skip_unpaired: leave out images without masks and masks without images.

    Raises:
        ValueError: it isn't clear which files belong together; the message names some.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder")
    files = [_named(path, folder) for path in _files(folder)]
    if not files:
        raise ValueError(f"{folder}: it holds no pictures (PNG, JPEG) and no arrays (NPY, NPZ)")
    files = _with_structures(files)
    groups: dict[Key, list[_File]] = {}
    for file in files:
        groups.setdefault(file.key, []).append(file)
    images = {key: [file for file in group if file.role != "mask"] for key, group in groups.items()}
    masks = {key: [file for file in group if file.role == "mask"] for key, group in groups.items()}
    _check(folder, images, masks, skip_unpaired)
    return [
        _row(folder, images[key][0].path, key, mask, patient) for key in groups for mask in masks[key] if images[key]
    ]


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in (*PICTURES, *ARRAYS) and path.is_file() and not hidden:
            yield path


def _named(path: Path, folder: Path) -> _File:
    """What the folders and the name say."""
    role, structure = "", None
    key: list[str] = []
    for part in path.relative_to(folder).parent.parts:
        word = part.casefold()
        if word in MASK_WORDS:
            role = "mask"
        elif word in IMAGE_WORDS:
            role = role or "image"
        elif role == "mask" and structure_named(part):
            structure = structure_named(part)
        else:
            key.append(part)
    words = [word for word in re.split(r"[_\-. ]+", path.stem) if word]
    for words_of, named in ((MASK_WORDS, "mask"), (IMAGE_WORDS, "image")):
        for end in (-1, 0):
            if words and words[end].casefold() in words_of and role in ("", named):
                role = named
                del words[end]
    if role == "mask" and words and structure is None and structure_named(words[-1]):
        structure = structure_named(words.pop())
    return _File(path, (*key, "_".join(words)), role, structure)


def _with_structures(files: Sequence[_File]) -> list[_File]:
    """A file whose name is that of another one and a structure, is its mask."""
    keys = {file.key for file in files}
    found = []
    for file in files:
        shorter, _, last = file.key[-1].rpartition("_")
        structure = structure_named(last) if shorter else None
        if file.role == "" and structure and (*file.key[:-1], shorter) in keys:
            file = _File(file.path, (*file.key[:-1], shorter), "mask", structure)
        found.append(file)
    return found


def _check(folder: Path, images: dict[Key, list[_File]], masks: dict[Key, list[_File]], skip_unpaired: bool) -> None:
    for key, several in images.items():
        if len(several) > 1 and masks[key]:
            raise ValueError(f"it isn't clear which is the image: {_names(folder, several)}")
    if not any(masks.values()):
        raise ValueError(
            f"{folder}: no file is named as a mask; name them such as masks/x.png beside images/x.png, or x_mask.png"
        )
    for several in masks.values():
        named = [file.structure for file in several]
        if len(set(named)) < len(named) or (len(named) > 1 and None in named):
            raise ValueError(f"it isn't clear what each of these masks shows: {_names(folder, several)}")
    alone = [file for key in images for file in images[key] if not masks[key]]
    if alone and not skip_unpaired:
        raise ValueError(f"{len(alone)} images have no mask: {_names(folder, alone)}; --skip-unpaired leaves them out")
    lost = [file for key in masks for file in masks[key] if not images[key]]
    if lost and not skip_unpaired:
        raise ValueError(f"{len(lost)} masks have no image: {_names(folder, lost)}; --skip-unpaired leaves them out")
    if not any(images[key] and masks[key] for key in images):
        raise ValueError(f"{folder}: no image has a mask: {_names(folder, alone)}; {_names(folder, lost)}")


def _names(folder: Path, files: Sequence[_File]) -> str:
    named = ", ".join(file.path.relative_to(folder).as_posix() for file in files[:MOST_NAMED])
    return named + (f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else "")


def _row(folder: Path, image: Path, key: Key, mask: _File, patient: re.Pattern[str] | None) -> MaskRow:
    exam = "-".join(filter(None, key)) or folder.name
    split: Split = next((SPLIT_WORDS[part.casefold()] for part in key[:-1] if part.casefold() in SPLIT_WORDS), "")
    return MaskRow(
        exam_id=exam,
        patient_id=_patient(folder, image, patient) or exam,
        image=image.absolute(),
        mask=mask.path.absolute(),
        structure=Shows(mask.structure) if mask.structure else UNNAMED,
        split=split,
    )


def _patient(folder: Path, image: Path, patient: re.Pattern[str] | None) -> str:
    if patient is None:
        return ""
    name = image.relative_to(folder).as_posix()
    if not (found := patient.search(name)):
        raise ValueError(f"{name}: --patient {patient.pattern} isn't in its name")
    return found[1] if patient.groups else found[0]
