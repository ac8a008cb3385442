"""One training sample: a picture of a label map in a random contrast, and the structures that it shows.

Sample `index` of a seed depends on these two numbers, the label maps and the ranges, and on nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from data_prep.phantom.tissues import NUMBERS, LabelArray, structure_table
from data_prep.randomise.geometry import FINE, View, draw_view, oriented
from data_prep.randomise.greys import draw_greys
from data_prep.randomise.label_maps import LabelMap
from data_prep.randomise.measurement import fat_left, measured
from data_prep.randomise.page import published
from data_prep.randomise.ranges import Ranges
from data_prep.randomise.texture import Textures, spots
from data_prep.volume import FloatArray

FATTY = tuple(number for name, number in NUMBERS.items() if name == "fat" or name.endswith("marrow"))


@dataclass(frozen=True, eq=False)
class Randomiser:
    """Makes samples of label maps.

    Attributes:
        maps: The knees.
        structures: Names of the structures, keys of `STRUCTURES`: labels are 1 + the index in this tuple.
        size: Height and width of a sample; even numbers, and equal if samples may be transposed.
        ranges: What is drawn from.
        seed: The samples' seed.
    """

    maps: list[LabelMap]
    structures: tuple[str, ...] = ("acl",)
    size: tuple[int, int] = (128, 128)
    ranges: Ranges = field(default_factory=Ranges)
    seed: int = 0

    def sample(self, index: int) -> tuple[FloatArray, LabelArray]:
        """Sample `index`: the picture float32 `[H, W]` in 0..1, and its labels uint8 `[H, W]`."""
        rng = np.random.default_rng([self.seed, index])
        knee = self.maps[int(rng.integers(len(self.maps)))]
        view = draw_view(knee, self.size, self.ranges, rng)
        fine = view.look(knee)
        ideal = self._painted(knee, view, fine, rng)
        labels = self._labels(knee, view)
        height, width = self.size
        small = np.asarray(cv2.resize(ideal, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        picture = measured(small, self.ranges, rng)
        turned = oriented(picture, view.orientation), oriented(labels, view.orientation)
        return published(*turned, self.ranges, rng)  # type: ignore[arg-type]

    def samples(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[FloatArray, LabelArray]]:
        """Samples from `start` to before `stop`, or for ever."""
        index = start
        while stop is None or index < stop:
            yield self.sample(index)
            index += 1

    def _labels(self, knee: LabelMap, view: View) -> LabelArray:
        """The structure `[H, W]` that fills most of each pixel, through the thickness of the slice."""
        table, weights = structure_table(self.structures), {0: 1.0, -1: view.beside, 1: view.beside}
        votes = np.zeros((1 + len(self.structures), *self.size), np.float32)
        for offset, weight in weights.items():
            shown = table[view.look(knee, offset)[FINE // 2 :: FINE, FINE // 2 :: FINE]]
            for number in np.unique(shown):
                votes[number] += np.float32(weight) * (shown == number)
        return np.asarray(votes.argmax(axis=0), np.uint8)

    def _painted(self, knee: LabelMap, view: View, fine: LabelArray, rng: np.random.Generator) -> FloatArray:
        """The ideal picture `[FINE * H, FINE * W]` of a slice that is mixed with its neighbours."""
        greys = draw_greys(self.ranges, rng)
        textures = Textures(fine, view.pixel_mm / FINE, self.ranges, rng)
        picture = textures.apply(greys, fine)
        if view.beside > 0.05:
            for offset in (-1, 1):
                picture += np.float32(view.beside) * textures.apply(greys, view.look(knee, offset))
            picture /= np.float32(1 + 2 * view.beside)
        if rng.random() < self.ranges.unsuppressed_share:
            fat = np.isin(fine, FATTY)
            left = fat_left(fine.shape, rng) * np.float32(rng.uniform(0.3, 1.0) * greys.max())
            picture[fat] += left[fat]
        if rng.random() < self.ranges.void_share:
            share, grey = spots(fine.shape, rng)
            picture += share * (np.float32(grey) - picture)
        return picture
