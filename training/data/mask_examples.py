"""Examples for segmenters: whole slices or volumes, or crops of them, with what the network should answer.

"264 crops from 6 images": a few annotated images are enough to begin with, because each crop is another example.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.augment import Draw
from data_prep.volume import FloatArray
from training.config.mask_augmentation import MaskAugmentation
from training.config.segmentation import SegmentConfig
from training.data.annotated_inputs import UNKNOWN, AnnotatedInput, Labels
from training.data.examples import Examples
from training.data.targets import Indices


class Window(NamedTuple):
    """Where an example lies.

    Attributes:
        image: the index of its image.
        place: slices, rows and columns of the image.
    """

    image: int
    place: tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """The targets of N examples; `labels` has int8 `[s, h, w]` of each."""

    labels: Sequence[Labels]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def kinds(self) -> npt.NDArray[np.int_]:
        """`[N]`: the rarest structure that the example shows, 0 for none. Rare is what few examples show."""
        shown = np.array([np.bincount(one[one > 0], minlength=128) > 0 for one in self.labels])
        counts = shown.sum(axis=0)
        rarest = np.where(shown, counts, len(self.labels) + 1).argmin(axis=1)
        return np.where(shown.any(axis=1), rarest, 0)

    def one(self, exam: int, draw: Draw | None, slices: int) -> FloatArray:
        """An example's labels without any change, float32 `[slices, h, w]`; slices that it hasn't are UNKNOWN."""
        return padded(self.labels[exam], slices)

    def take(self, exams: Indices) -> "LabelMaps":
        return LabelMaps([self.labels[exam] for exam in exams])


def padded(labels: Labels, slices: int) -> FloatArray:
    """Labels `[s, h, w]` as a loss takes them, float32 `[slices, h, w]`; slices at the end are UNKNOWN."""
    behind = ((0, slices - len(labels)), (0, 0), (0, 0))
    return np.pad(labels, behind, constant_values=UNKNOWN).astype(np.float32)


@dataclass(frozen=True, eq=False)
class MaskExamples(Examples):
    """Examples for a segmenter. `inputs` and `targets` are those of the crops, without any change.

    Attributes:
        targets: the labels of the crops.
        images: float32 `[S, H, W, channels]`.
        labels: of each image, int8 `[S, H, W]`.
        windows: where each example lies.
        multiple: the network takes only multiples of so many slices.
    """

    targets: LabelMaps
    images: Sequence[FloatArray]
    labels: Sequence[Labels]
    windows: Sequence[Window]
    multiple: int = 1

    @classmethod
    def of(
        cls, images: Sequence[FloatArray], labels: Sequence[Labels], windows: Sequence[Window], multiple: int = 1
    ) -> "MaskExamples":
        """The examples in these windows."""
        return cls(
            inputs=[images[window.image][window.place] for window in windows],
            targets=LabelMaps([labels[window.image][window.place] for window in windows]),
            weights=np.ones(len(windows), np.float32),
            images=images,
            labels=labels,
            windows=windows,
            multiple=multiple,
        )

    def take(self, examples: Indices) -> "MaskExamples":
        """These examples, in this order."""
        windows = [self.windows[index] for index in examples]
        return MaskExamples.of(self.images, self.labels, windows, self.multiple)

    @cached_property
    def sha256(self) -> str:
        """A digest of everything that is learnt."""
        digest = hashlib.sha256(repr((self.windows, self.multiple)).encode())
        for image, labels in zip(self.images, self.labels, strict=True):
            digest.update(repr(image.shape).encode() + image.tobytes() + labels.tobytes())
        return digest.hexdigest()


def mask_examples(exams: Sequence[AnnotatedInput], config: SegmentConfig, learning: bool) -> MaskExamples:
    """The examples of some exams.

    Args:
        exams: the exams.
        config: says what an image is (a drawn slice, or an exam for a volumetric network) and which crops are made.
        learning: whether the network learns from them; else it sees whole images.

    Raises:
        ValueError: there are no exams, or too few crops for all of them.
    """
    if not exams:
        raise ValueError("there is nothing to make examples of")
    pairs = list(_images(exams, config.architecture.volumetric))
    images, labels = [image for image, _ in pairs], [labels for _, labels in pairs]
    if learning and config.augmentation.cropped:
        windows = list(_crops(labels, config.augmentation, config.seed))
    else:
        whole = (slice(None), slice(None), slice(None))
        windows = [Window(index, whole) for index in range(len(images))]
    return MaskExamples.of(images, labels, windows, config.architecture.multiple[0])


def _images(exams: Sequence[AnnotatedInput], volumetric: bool) -> Iterator[tuple[FloatArray, Labels]]:
    for exam in exams:
        if volumetric:
            yield exam.image, exam.labels
        else:
            for index in exam.drawn:
                yield exam.image[index : index + 1], exam.labels[index : index + 1]


def _crops(labels: Sequence[Labels], list_: MaskAugmentation, seed: int) -> Iterator[Window]:
    """The crops of all images. Crops of one image don't depend on how many images there are, with `crops`."""
    size = list_.crop_size if len(list_.crop_size) == 3 else (1, *list_.crop_size)
    if list_.crops_in_all and list_.crops_in_all < len(labels):
        raise ValueError(f"augmentation.crops_in_all is {list_.crops_in_all}, but there are {len(labels)} images")
    for index, one in enumerate(labels):
        count = list_.crops or len(range(index, list_.crops_in_all, len(labels)))
        random = np.random.default_rng((seed, index, 1))
        shown = np.unique(one[one > 0]).tolist()
        centred = round(count * list_.on_structure) if shown else 0
        places = {name: np.argwhere(one == name) for name in shown}
        for number in range(count):
            if number < centred:
                voxels = places[shown[number % len(shown)]]
                middle = voxels[random.integers(len(voxels))]
                starts = middle - np.array(size) // 2
            else:
                starts = random.integers(0, np.maximum(np.array(one.shape) - size, 0) + 1)
            yield Window(index, _placed(starts, size, one.shape))


def _placed(starts: npt.NDArray[np.int_], size: Sequence[int], shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """A window of this size, moved into the image. Along an axis on which the image is shorter it takes all of it."""
    first, second, third = (
        slice(start, start + min(length, limit))
        for start, length, limit in zip(
            np.clip(starts, 0, np.maximum(np.array(shape) - size, 0)).tolist(), size, shape, strict=True
        )
    )
    return first, second, third
