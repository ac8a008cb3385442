"""The whole augmentation of a segmenter as one list, which anybody can read and edit in the preset."""

from dataclasses import asdict, dataclass, fields
from typing import Annotated

from pydantic import Field

from data_prep.augment import Augmentation
from data_prep.ranges import Count, CountFromZero


@dataclass(frozen=True)
class MaskAugmentation(Augmentation):
    """What is made of the annotated images: crops, orientations, and the changes of `Augmentation`.

    An image is a drawn slice, or for a volumetric network an exam. In every epoch each crop is cut out of a newly
    changed image, always at the same place.

    Attributes:
        crops: crops of each image; 0 for the whole image.
        crops_in_all: crops of all images together, instead of `crops`.
        crop_size: rows and columns of a crop in pixels of the network input; slices, rows and columns for a volumetric
            network.
        on_structure: the share of an image's crops whose centre lies on a structure, if it shows one. The structures
            take turns. The other crops lie anywhere.
        orientations: turn and mirror each crop into one of its eight orientations, drawn anew in every epoch. A network
            then finds the structure whichever way the image lies.
        oversample: in every epoch each category comes equally often. A category is the rarest structure that a crop
            shows, or nothing.
        an_epoch: how many examples an epoch shows, drawn anew from all of them; 0 for all.

    Raises:
        ValueError: for a wrong range, or for crops and `crop_size` that don't fit together.
    """

    crops: CountFromZero = 0
    crops_in_all: CountFromZero = 0
    crop_size: tuple[Count, ...] = ()
    on_structure: Annotated[float, Field(ge=0, le=1)] = 0.5
    orientations: bool = False
    oversample: bool = False
    an_epoch: CountFromZero = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crops and self.crops_in_all:
            raise ValueError("crops and crops_in_all say the same: choose one")
        if self.cropped != bool(self.crop_size):
            raise ValueError("crops need a crop_size, and crop_size needs crops or crops_in_all")
        if self.orientations and self.crop_size and self.crop_size[-1] != self.crop_size[-2]:
            raise ValueError("orientations need square crops")

    @property
    def cropped(self) -> bool:
        """Whether the network learns from crops."""
        return bool(self.crops or self.crops_in_all)

    @property
    def changes(self) -> Augmentation:
        """The changes of whole images alone."""
        known = asdict(self)
        return Augmentation(**{field.name: known[field.name] for field in fields(Augmentation)})
