"""The description of a segmentation network, small enough to be written into a preset and into a bundle."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field

from data_prep.ranges import Count

Network = Literal["unet", "xnet", "se-regunet", "unet3d"]
# By network: the variants that it has, the first one is meant by "".
VARIANTS: dict[str, tuple[str, ...]] = {"se-regunet": ("4gf", "400mf"), "unet3d": ("anisotropic", "isotropic")}
# How often the rows and columns of an anisotropic 3D network are halved before its slices are halved, too.
FLAT_LEVELS = 2
# The depths that a network can have, where there is a limit.
DEPTHS = {"xnet": range(2, 9), "se-regunet": range(1, 5)}
ANY_DEPTH = range(1, 9)


@dataclass(frozen=True)
class Architecture:
    """The description of a segmentation network.

    Attributes:
        network: Its name.
        channels: Of the input.
        classes: Of the output. The background counts, it is class 0.
        width: Filters at full resolution; deeper levels have more. What exactly it counts is said where each network
            is built.
        depth: How often the resolution is halved on the way down (SE-RegUNet: once more than that).
        variant: One of `VARIANTS`, or "" for the first of them.

    Raises:
        ValueError: For a network, variant or depth that doesn't exist.
    """

    network: Network
    channels: Count = 1
    classes: Annotated[int, Field(ge=2, strict=True)] = 2
    _: KW_ONLY
    width: Count
    depth: Count
    variant: str = ""

    def __post_init__(self) -> None:
        if self.network not in get_args(Network):
            raise ValueError(f"there is no network {self.network!r}; there are {', '.join(get_args(Network))}")
        variants, depths = VARIANTS.get(self.network, ()), DEPTHS.get(self.network, ANY_DEPTH)
        if self.variant and self.variant not in variants:
            raise ValueError(f"{self.network} has no variant {self.variant!r}; it has {', '.join(variants) or 'none'}")
        if self.depth not in depths:
            raise ValueError(f"{self.network} has no depth {self.depth}; it has {depths[0]} to {depths[-1]}")
        if min(self.channels, self.classes - 1, self.width) < 1:
            raise ValueError(f"{self.network} needs at least 1 channel, 2 classes and a width of 1")

    @property
    def volumetric(self) -> bool:
        """Whether the network sees a block of slices at one time: its input is `[B, S, H, W, channels]`."""
        return self.network == "unet3d"

    @property
    def chosen(self) -> str:
        """The variant, spelt out; "" if the network has none."""
        return self.variant or next(iter(VARIANTS.get(self.network, ())), "")

    @property
    def multiple(self) -> tuple[int, int, int]:
        """Slices, rows and columns of an input must be multiples of these."""
        halvings = self.depth + (self.network == "se-regunet")
        flat = FLAT_LEVELS if self.chosen == "anisotropic" else 0
        slices = 2 ** max(self.depth - flat, 0) if self.volumetric else 1
        return slices, 2**halvings, 2**halvings

    def check_size(self, size: Sequence[int]) -> None:
        """Check that an input has a size that the network can halve.

        Args:
            size: Rows and columns, or slices, rows and columns.

        Raises:
            ValueError: If it hasn't.
        """
        multiple = self.multiple[-len(size) :]
        if any(length % step for length, step in zip(size, multiple, strict=True)):
            sizes, steps = (" x ".join(map(str, numbers)) for numbers in (size, multiple))
            raise ValueError(f"{self.network} of depth {self.depth} needs sizes that are multiples of {steps}: {sizes}")
