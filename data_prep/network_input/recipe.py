"""The recipe: every choice that turns a scanner's volume into a network input. It is stored with the weights.

Distances are in millimetres, so that a knee has the same size in every matrix.
"""

from dataclasses import dataclass
from typing import Literal

from data_prep.ranges import Count, FromZero, Positive

Channels = Literal["gray", "torch", "caffe"]


@dataclass(frozen=True)
class Recipe:
    """How a network input is made from a volume.

    Attributes:
        extent_mm: size of the block that is cut out, along the normal, down the rows, across the columns. It is centred
            on the volume unless a better place is known.
        size: rows and columns of the network input.
        window: percentiles of the block that become 0 and 1; values outside are clipped.
        clahe_clip: contrast limit of adaptive equalisation per slice (OpenCV's clipLimit, 8 x 8 tiles); 0 switches it
            off.
        unsharp: how much of (slice - blurred slice) is added; 0 switches it off.
        channels: how the network's first layer converts a grey value: "gray" to one centred channel, "torch" to RGB
            with ImageNet mean and deviation, "caffe" to BGR in 0..255 with means subtracted.
        mask_channel: whether each slice has the ligament's mask, as a localiser finds it, as a second channel. The
            block then stays at the volume's centre.

    Raises:
        ValueError: an extent or size isn't positive, or the window isn't within 0..100.
    """

    extent_mm: tuple[Positive, Positive, Positive]
    size: tuple[Count, Count]
    window: tuple[FromZero, FromZero] = (1.0, 99.0)
    clahe_clip: FromZero = 0.0
    unsharp: FromZero = 0.0
    channels: Channels = "gray"
    mask_channel: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one slice of the network input: `(H, W)`, or `(H, W, 2)` with a mask."""
        return (*self.size, 2) if self.mask_channel else self.size

    def __post_init__(self) -> None:
        low, high = self.window
        if min(self.extent_mm) <= 0 or min(self.size) <= 0 or not 0 <= low < high <= 100:
            raise ValueError(f"a recipe needs positive extents and sizes and a window within 0..100: {self}")
