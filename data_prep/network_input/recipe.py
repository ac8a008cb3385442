"""Every choice between a scanner's volume and a network's slices: the recipe, which travels with the weights.

Distances are in millimetres, so that a knee has the same size whatever the matrix.
"""

from dataclasses import dataclass
from typing import Literal

from data_prep.ranges import Count, FromZero, Positive

Channels = Literal["gray", "torch", "caffe"]


@dataclass(frozen=True)
class Recipe:
    """Every choice between scanner and network.

    extent_mm: the block that is cut out, along the normal, down the rows, across columns; around the volume's centre
        where nothing better is known.
    size: rows and columns that the network sees.
    window: percentiles of the block that become 0 and 1; what lies beyond is clipped.
    clahe_clip: contrast limit of adaptive equalisation per slice (OpenCV's clipLimit, 8 x 8 tiles); 0 switches it off.
    unsharp: how much of (slice - blurred slice) is added back; 0 switches it off.
    channels: what the network's first layer makes of a grey value: "gray" one centred channel, "torch" RGB with
        ImageNet mean and deviation, "caffe" BGR in 0..255 with means subtracted.
    """

    extent_mm: tuple[Positive, Positive, Positive]
    size: tuple[Count, Count]
    window: tuple[FromZero, FromZero] = (1.0, 99.0)
    clahe_clip: FromZero = 0.0
    unsharp: FromZero = 0.0
    channels: Channels = "gray"

    def __post_init__(self) -> None:
        low, high = self.window
        if min(self.extent_mm) <= 0 or min(self.size) <= 0 or not 0 <= low < high <= 100:
            raise ValueError(f"a recipe needs positive extents and sizes and a window within 0..100: {self}")
