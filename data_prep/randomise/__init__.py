"""Training samples for segmenters from synthetic label maps, in random contrasts, resolutions and fields of view.

After SynthSeg (Billot et al., Medical Image Analysis 86, 2023, doi:10.1016/j.media.2023.102789): if every sample has
another contrast, none is learnt, and a real one is one more of them. `Randomiser` makes the samples, `Ranges` holds
what they are drawn from, `load_maps` makes the label maps.
"""

from data_prep.randomise.label_maps import LabelMap, load_maps
from data_prep.randomise.ranges import Ranges
from data_prep.randomise.sample import Randomiser

__all__ = ["LabelMap", "Randomiser", "Ranges", "load_maps"]
